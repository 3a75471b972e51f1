"""Threads that end, and last references that are dropped on other threads (spec, 11.2, 11.3)."""
import _thread
import gc
import sys
import threading
import weakref

import pytest

import gossamer
import stackless
from helpers import raises
from threads_helpers import PATIENCE, Other, Victim, in_thread, until


@pytest.fixture
def other():
    with Other() as it:
        yield it


def test_blocked_tasklets_of_an_ending_thread_are_killed():
    channel, log = stackless.channel(), []

    def body(i):
        try:
            channel.receive()
        finally:
            log.append((i, threading.get_ident()))

    def thread():
        for i in range(5):
            stackless.tasklet(body)(i)
        stackless.run()
        return threading.get_ident()
    ident = in_thread(thread)
    assert sorted(log) == [(i, ident) for i in range(5)]
    assert channel.balance == 0


def test_what_runs_while_a_thread_ends_can_send(other):
    channel = stackless.channel()

    def body():
        try:
            stackless.channel().receive()
        finally:
            channel.send("from a dying tasklet")

    def thread():
        stackless.tasklet(body)().run()
    got = other.call(gossamer.spawn, channel.receive)
    until(lambda: got.blocked)
    in_thread(thread)
    assert got.join(PATIENCE) == "from a dying tasklet"


def test_ended_thread():
    kept = []

    def thread():
        kept.append(stackless.tasklet(len)("x"))
        kept.append(stackless.tasklet(stackless.schedule_remove)(None))
        kept[1].run()
        kept.append(stackless.getmain())
    in_thread(thread)
    assert [t.alive for t in kept] == [False] * 3 and {t.thread_id for t in kept} == {-1}
    for t in kept:
        t.kill()
        with raises(RuntimeError):
            t.insert()
        with raises(RuntimeError):
            t.throw(ValueError)


@pytest.mark.parametrize("state", ["paused", "blocked", "new"])
def test_last_reference_is_dropped_here(other, state):
    """It dies on its own thread."""
    victim = Victim(other, state)
    ref = weakref.ref(victim.tasklet)
    log = victim.log
    if state == "blocked":
        victim.tasklet = None
        gc.collect()
        assert ref() is not None, "the channel has it"
        victim.channel.send("value")
        until(lambda: log)
        other.call(len, "")  # it has been the current one until now
        assert ref() is None and log == [("value", True)]
        return
    victim.tasklet = None
    del victim
    gc.collect()
    if state == "paused":
        until(lambda: log)
        other.call(len, "")
    assert ref() is None and log == (["killed"] if state == "paused" else [])


def test_cycle_collected_here(other):
    """A tasklet that only its own frame knows, through a channel: the collector runs on this thread."""
    log = []

    def body():
        channel = stackless.channel()
        try:
            channel.receive()
        finally:
            log.append(threading.get_ident())

    def make():
        t = stackless.tasklet(body)()
        t.run()
        return weakref.ref(t)
    ref = other.call(make)
    until(lambda: (gc.collect(), log)[1])
    other.call(len, "")
    assert log == [other.id] and ref() is None


def test_channel_whose_last_reference_goes_there(other):
    channel = stackless.channel()
    ref = weakref.ref(channel)
    t = other.call(gossamer.spawn, lambda c: c.receive(), channel)
    until(lambda: t.blocked)
    channel.send("x")
    del channel
    t.join(PATIENCE)
    until(lambda: ref() is None)


def test_values_are_dropped_once(other):
    class Value:
        alive = 0

        def __init__(self):
            Value.alive += 1

        def __del__(self):
            Value.alive -= 1
    channel = stackless.channel()
    t = other.call(gossamer.spawn, lambda: [channel.receive() for _ in range(100)] and None)
    for _ in range(100):
        channel.send(Value())
    t.join(PATIENCE)
    until(lambda: Value.alive == 0)


def test_callbacks_are_shared_by_all_threads(other):
    calls = []
    channel = stackless.channel()
    stackless.set_channel_callback(lambda ch, t, sending, will_block: ch is channel and calls.append((t.thread_id, sending)))
    try:
        t = other.call(gossamer.spawn, channel.receive)
        until(lambda: t.blocked)
        channel.send(1)
        t.join(PATIENCE)
    finally:
        stackless.set_channel_callback(None)
    assert calls == [(other.id, False), (threading.get_ident(), True)]


def test_threads_come_and_go():
    """Each takes what the one before has sent."""
    channel = gossamer.BufferedChannel(1)
    channel.send(0)

    def step():
        t = gossamer.spawn(lambda: channel.send(channel.receive() + 1))
        t.join()
    for _ in range(50):
        in_thread(step)
    assert channel.receive() == 50


def test_spec_server():
    """C.3 of the spec, with the low-level module's threads."""
    log, done = [], threading.Event()
    req, rep = stackless.channel(), stackless.channel()

    def server():
        while True:
            x = req.receive()
            if x is None:
                break
            rep.send(x * 2)
        done.set()
    _thread.start_new_thread(server, ())
    for i in (1, 2, 3):
        req.send(i)
        log.append(rep.receive())
    req.send(None)
    assert done.wait(PATIENCE) and log == [2, 4, 6]


@pytest.mark.parametrize("interval", [1e-6, 0.005])
def test_hammer(interval):
    """Everything at once at a tiny switch interval: no crash, nothing lost, everybody ends."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    channel, out = stackless.channel(), gossamer.BufferedChannel(10_000)
    n = 150

    def worker(k):
        def echo():
            for value in channel:
                out.send(value)

        def chatter():
            for i in range(n):
                channel.send((k, i))
        es = [gossamer.spawn(echo) for _ in range(2)]
        ts = [gossamer.spawn(chatter) for _ in range(2)]
        victims.extend(stackless.tasklet(stackless.schedule_remove)(None) for _ in range(5))
        gossamer.joinall(ts)
        ended.send(k)
        gossamer.joinall(es)
    victims, ended = [], gossamer.BufferedChannel(4)
    threads = [threading.Thread(target=worker, args=(k,), daemon=True) for k in range(3)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(200):
            for t in list(victims):
                t.insert() if t.paused else None
                t.kill(pending=True)
                t.tempval, t.state, t.frame, t.stack()
        for _ in threads:
            ended.receive(timeout=PATIENCE)
        for _ in range(6):
            channel.send_exception(StopIteration)
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), gossamer.format_tasklets()
    finally:
        sys.setswitchinterval(before)
    got = [out.receive() for _ in range(len(out))]
    assert sorted(got) == sorted((k, i) for k in range(3) for i in range(n) for _ in range(2))
