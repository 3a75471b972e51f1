"""Waiting across threads: join, sleep, and who may sleep for whom (spec, 9.4)."""
import os
import signal
import threading
import time

import pytest

import gossamer
import stackless
from helpers import raises
from threads_helpers import PATIENCE, Other, until


@pytest.fixture
def other():
    with Other() as it:
        yield it


DEADLOCK = "Deadlock: the last runnable tasklet cannot be blocked."


# ---- join, sleep ----


@pytest.mark.parametrize("outcome", ["result", "error", "killed"])
def test_join(other, outcome):
    go = stackless.channel()

    def body():
        go.receive()
        if outcome == "error":
            raise KeyError("there")
        return "result"
    t = other.call(gossamer.spawn, body)
    until(lambda: t.blocked)
    with pytest.raises(TimeoutError):
        t.join(0.001)
    joiners = [gossamer.spawn(t.join) for _ in range(3)]
    gossamer.sleep(0)
    t.kill() if outcome == "killed" else go.send(None)
    if outcome == "error":
        for joiner in joiners:
            with pytest.raises(KeyError):
                joiner.join(PATIENCE)
    else:
        expected = "result" if outcome == "result" else None
        assert [joiner.join(PATIENCE) for joiner in joiners] == [expected] * 3
    with raises(RuntimeError, "a tasklet cannot join itself"):
        stackless.current.join()


def test_each_joins_the_other_thread(other):
    """Two threads, each with a tasklet that waits for one of the other."""
    go = stackless.channel()
    first = other.call(gossamer.spawn, go.receive)
    second = gossamer.spawn(first.join)
    third = other.call(gossamer.spawn, second.join)
    gossamer.sleep(0)
    until(lambda: third.blocked)
    go.send("passed on")
    assert third.join(PATIENCE) == "passed on"


def test_sleep_is_ended_by_another_thread(other):
    me, log = stackless.main, []

    def sleeper():
        gossamer.sleep(1000)
        log.append("woken")
    t = gossamer.spawn(sleeper)
    gossamer.sleep(0)
    other.call(lambda: stackless.tasklet(t.insert)())
    t.join(PATIENCE)
    assert log == ["woken"] and stackless.main is me


def test_run_does_not_wait_for_other_threads(other):
    t = stackless.tasklet(stackless.channel().receive)()
    stackless.run()
    assert t.blocked
    t.kill()


# ---- who may sleep ----


def test_alone():
    """The test process has no other thread."""
    assert threading.active_count() == 1
    with raises(RuntimeError, DEADLOCK):
        stackless.channel().receive()


def test_the_last_one_to_sleep_gets_the_error():
    channel, order = stackless.channel(), []

    def body():
        until(lambda: main_waits.balance == -1)
        try:
            channel.receive()
        except gossamer.DeadlockError as error:
            order.append(str(error))
            main_waits.send("saved")
    main_waits = stackless.channel()
    thread = threading.Thread(target=body)
    thread.start()
    assert main_waits.receive() == "saved"
    thread.join(PATIENCE)
    assert order == [DEADLOCK]


def test_reconsidered_when_the_last_other_thread_ends():
    """One that never used a tasklet."""
    go, channel = threading.Event(), stackless.channel()
    thread = threading.Thread(target=lambda: (until(lambda: channel.balance), go.wait(PATIENCE)))
    thread.start()
    releaser = threading.Thread(target=lambda: (until(lambda: channel.balance), go.set()))
    releaser.start()
    with raises(RuntimeError, DEADLOCK):
        channel.receive()
    thread.join()
    releaser.join()
    assert channel.balance == 0


def test_reconsidered_with_several_asleep():
    """One of them is told, and helps the others."""
    channels = [stackless.channel() for _ in range(4)]
    told = []

    def body(i):
        try:
            channels[i].receive()
        except gossamer.DeadlockError:
            told.append(i)
        for channel in channels:
            if channel.balance < 0:
                channel.send(None)
    threads = [threading.Thread(target=body, args=(i,)) for i in range(1, 4)]
    for thread in threads:
        thread.start()
    body(0)
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert len(told) >= 1


def test_a_thread_with_a_deadline_counts_as_awake():
    channel = stackless.channel()

    def body():
        until(lambda: channel.balance)
        gossamer.sleep(0.05)
        channel.send("after a while")
    thread = threading.Thread(target=body)
    thread.start()
    assert channel.receive() == "after a while"
    thread.join()


def test_tasklet_that_blocks_last(other):
    """With main of its thread blocked, it sleeps for the other thread."""
    channel = stackless.channel()

    def body():
        gossamer.spawn(other.outbox.send, (True, channel.receive()))
    other.call(lambda: stackless.tasklet(body)())
    until(lambda: channel.balance)
    channel.send("value")
    assert other.outbox.receive() == (True, "value")


def test_keyboard_interrupt_in_a_waiting_main():
    """No polling: the signal itself ends the sleep."""
    channel, done = stackless.channel(), threading.Event()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt():
        until(lambda: channel.balance)
        while not done.wait(0.05):  # again, if it has come before main slept
            os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            try:
                channel.receive()
            finally:
                done.set()
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert channel.balance == 0


def test_handler_that_sends_to_the_waiting_main(other):
    channel = stackless.channel()
    channel.preference = 1  # the handler itself goes on: it must not switch
    before = signal.signal(signal.SIGUSR1, lambda *a: channel.balance and channel.send("from the handler"))

    def kill():
        until(lambda: channel.balance)
        while channel.balance:
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.01)
    other.inbox.send((kill, ()))
    try:
        assert channel.receive() == "from the handler"
        other.outbox.receive()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_waiting_takes_no_cpu(other):
    """Counted, not timed: a poller would take thousands of turns."""
    channel = stackless.channel()
    switches = []

    def wait():
        before = gossamer._gossamer._stats()["switches"]
        time_before = time.thread_time()
        channel.receive()
        switches.append((gossamer._gossamer._stats()["switches"] - before, time.thread_time() - time_before))
    other.inbox.send((wait, ()))
    until(lambda: channel.balance)
    time.sleep(0.3)
    channel.send(None)
    other.outbox.receive()
    assert switches[0][0] <= 1 and switches[0][1] < 0.1
# ---- run(threadblock=True) ----

HUGE = 10**12


def test_run_with_threadblock_waits_for_other_threads():
    channel, got = stackless.channel(), []
    t = stackless.tasklet(lambda: got.append(channel.receive()))()
    stackless.run()

    def body():
        until(lambda: stackless.get_thread_info(here)[2] == 0)  # run() has left nobody in the ring
        channel.send("from outside")

    here = threading.get_ident()
    thread = threading.Thread(target=body)
    thread.start()
    assert stackless.run(HUGE, True) is None
    thread.join(PATIENCE)
    assert got == ["from outside"] and not t.alive


def test_run_with_threadblock_returns_when_nobody_is_left():
    assert threading.active_count() == 1
    t = stackless.tasklet(stackless.channel().receive)()
    assert stackless.run(HUGE, True) is None
    assert t.blocked
    go = threading.Event()
    thread = threading.Thread(target=go.wait, args=(PATIENCE,))
    thread.start()
    here = threading.get_ident()
    releaser = threading.Thread(target=lambda: (until(lambda: stackless.get_thread_info(here)[2] == 0), go.set()))
    releaser.start()
    assert stackless.run(HUGE, True) is None  # the last other one has ended while it slept
    thread.join(PATIENCE)
    releaser.join(PATIENCE)
    t.kill()


def test_threadblock_counts_only_with_a_timeout(other):
    t = stackless.tasklet(stackless.channel().receive)()
    assert stackless.run(0, True) is None
    assert t.blocked
    t.kill()
