"""gossamer.timeout: a limit on all that a tasklet waits for inside of a block."""

import gc
import threading
import time
import weakref

import pytest

import gossamer
from gossamer import pool, sync
from gossamer.net import select, socket

SHORT = 0.02


def runs(function):
    """function in a tasklet of its own, and in main."""
    return gossamer.spawn(function).join()


def blocked_calls():
    a, b = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    lock, rlock, condition, semaphore = sync.Lock(), sync.RLock(), sync.Condition(), sync.Semaphore(0)
    lock.acquire()
    gossamer.spawn(rlock.acquire)
    gossamer.schedule()
    full = sync.Queue(1)
    full.put(1)

    def wait_for_condition():
        with condition:
            condition.wait()

    def forever():
        while True:
            gossamer.sleep(1000)

    sleeper = gossamer.spawn(forever)
    release = threading.Event()
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    calls = {
        "receive": lambda: gossamer.channel().receive(),
        "receive with a later timeout": lambda: gossamer.channel().receive(timeout=1000),
        "send": lambda: gossamer.channel().send(1),
        "select": lambda: gossamer.select([gossamer.channel(), (gossamer.channel(), 1)]),
        "select with a later timeout": lambda: gossamer.select([gossamer.channel()], timeout=1000),
        "sleep": lambda: gossamer.sleep(1000),
        "join": sleeper.join,
        "joinall": lambda: gossamer.joinall([sleeper]),
        "Lock": lock.acquire,
        "Lock with a later timeout": lambda: lock.acquire(timeout=1000),
        "RLock": rlock.acquire,
        "Condition": wait_for_condition,
        "Semaphore": semaphore.acquire,
        "Event": sync.Event().wait,
        "Event with a later timeout": lambda: sync.Event().wait(1000),
        "Barrier": sync.Barrier(2).wait,
        "Queue.get": sync.Queue().get,
        "Queue.get with a later timeout": lambda: sync.Queue().get(timeout=1000),
        "Queue.put": lambda: full.put(2),
        "Queue.join": full.join,
        "SimpleQueue.get": sync.SimpleQueue().get,
        "pool": lambda: pool.call_async(release.wait),
        "recv": lambda: a.recv(1),
        "recv_into": lambda: a.recv_into(bytearray(1)),
        "recvfrom": lambda: a.recvfrom(1),
        "sendall": lambda: a.sendall(bytes(10_000_000)),
        "accept": listener.accept,
        "select.select": lambda: select.select([listener], [], []),
        "poll": lambda: poller.poll(),
    }

    def end():
        release.set()
        sleeper.kill()
        for sock in (a, b, listener):
            sock.close()

    return calls, end


@pytest.mark.parametrize("place", ["main", "tasklet"])
def test_it_ends_every_blocking_call(place):
    calls, end = blocked_calls()

    def attempt(call):
        with gossamer.timeout(SHORT) as limit:
            with pytest.raises(TimeoutError, match=r"timed out: the 0\.02 s of gossamer\.timeout are over"):
                call()
            assert limit.expired
            with pytest.raises(TimeoutError):  # and every further one
                gossamer.channel().receive()
        gossamer.sleep(0.0001)  # it is lifted

    try:
        for name, call in calls.items():
            print(name)
            attempt(call) if place == "main" else gossamer.spawn(attempt, call).join()
    finally:
        end()


def test_what_need_not_wait_succeeds_after_the_end():
    queue = sync.Queue()
    queue.put(1)
    with gossamer.timeout(0) as limit:
        assert queue.get() == 1
        channel = gossamer.BufferedChannel(1)
        channel.send(2)
        assert channel.receive() == 2
        gossamer.sleep(0)
        assert not limit.expired
        with pytest.raises(TimeoutError):
            gossamer.sleep(1000)
        assert limit.expired


def test_own_timeouts_that_end_first_are_as_ever():
    with gossamer.timeout(1000) as limit:
        assert not sync.Event().wait(SHORT)
        assert not sync.Lock().locked() and sync.Lock().acquire(timeout=SHORT)
        with pytest.raises(sync.Empty):
            sync.Queue().get(timeout=SHORT)
        with pytest.raises(TimeoutError, match="^timed out$"):
            gossamer.channel().receive(timeout=SHORT)
        gossamer.sleep(SHORT)
        a, b = socket.socketpair()
        a.settimeout(SHORT)
        with pytest.raises(TimeoutError, match="^timed out$"):
            a.recv(1)
        a.close(), b.close()
    assert not limit.expired


def test_none_is_no_limit():
    with gossamer.timeout(None) as limit:
        gossamer.sleep(SHORT)
    assert not limit.expired and limit.seconds is None


def test_the_earliest_of_nested_limits_counts():
    with gossamer.timeout(SHORT) as outer:
        with pytest.raises(TimeoutError, match=r"the 0\.02 s"):
            with gossamer.timeout(1000) as inner:
                gossamer.sleep(1000)
        assert outer.expired and not inner.expired
    with gossamer.timeout(1000) as outer:
        with pytest.raises(TimeoutError, match=r"the 0\.02 s"):
            with gossamer.timeout(SHORT) as inner:
                gossamer.sleep(1000)
        assert inner.expired and not outer.expired
        gossamer.sleep(0.0001)  # the outer one has not ended


def test_an_outer_limit_cannot_be_swallowed_by_an_inner_handler():
    reached = []
    with pytest.raises(TimeoutError):
        with gossamer.timeout(SHORT):
            for attempt in range(3):
                try:
                    with gossamer.timeout(1000):
                        gossamer.sleep(1000)
                except TimeoutError:
                    reached.append(attempt)
            gossamer.channel().receive()
            reached.append("after")
    assert reached == [0, 1, 2]


def test_a_limit_concerns_its_tasklet_only():
    done = []

    def other():
        gossamer.sleep(3 * SHORT)
        done.append("other")

    with gossamer.timeout(SHORT):
        other = gossamer.spawn(other)
        with pytest.raises(TimeoutError):
            other.join()
    other.join()
    assert done == ["other"]


def test_blocks_left_in_another_order():
    outer, middle, inner = gossamer.timeout(SHORT), gossamer.timeout(1000), gossamer.timeout(2000)
    for block in (outer, middle, inner):
        block.__enter__()
    outer.__exit__(None, None, None)
    gossamer.sleep(2 * SHORT)  # only the long ones are left
    inner.__exit__(None, None, None)
    middle.__exit__(None, None, None)
    middle.__exit__(None, None, None)  # nothing
    gossamer.sleep(0.0001)


def test_a_block_left_by_another_tasklet():
    """A generator that is suspended inside of the block, and closed elsewhere."""

    def steps():
        with gossamer.timeout(SHORT):
            yield

    generator = steps()

    def begins():
        next(generator)
        gossamer.schedule_remove()
        gossamer.sleep(2 * SHORT)
        return "not limited"

    tasklet = gossamer.spawn(begins)
    gossamer.schedule()
    generator.close()
    tasklet.insert()
    assert tasklet.join() == "not limited"


def test_a_tasklet_that_ends_inside_of_a_block_leaves_nothing():
    blocks = []

    def forgets():
        blocks.append(gossamer.timeout(SHORT).__enter__())

    tasklet = gossamer.spawn(forgets)
    tasklet.join()
    tasklet.bind(lambda: gossamer.sleep(2 * SHORT))
    tasklet.setup()
    tasklet.join()
    block = blocks.pop()
    block.__exit__(None, None, None)
    with block:  # it can be used again
        pass


def test_killed_inside():
    def waits():
        with gossamer.timeout(1000):
            gossamer.channel().receive()

    tasklet = gossamer.spawn(waits)
    gossamer.schedule()
    tasklet.kill()
    assert not tasklet.alive


def test_a_condition_has_its_lock_again():
    condition = sync.Condition()
    got = []

    def waits():
        with condition:
            try:
                with gossamer.timeout(SHORT):
                    condition.wait()
            except TimeoutError:
                got.append(condition._is_owned())

    tasklet = gossamer.spawn(waits)
    gossamer.schedule()
    with condition:  # it is over while the lock is taken: the waiter must have it all the same
        gossamer.sleep(3 * SHORT)
    tasklet.join()
    assert got == [True]


def test_a_lock_granted_at_the_same_time_is_not_lost():
    lock = sync.Lock()
    lock.acquire()

    def waits():
        with gossamer.timeout(SHORT):
            with lock:
                pass

    tasklet = gossamer.spawn(waits)
    gossamer.schedule()
    time.sleep(2 * SHORT)  # it is late by now, but the timer has not been looked at
    lock.release()
    try:
        tasklet.join()
    except TimeoutError:
        pass
    assert lock.acquire(timeout=10)


def test_values_are_not_lost_when_a_send_ends():
    class Value:
        pass

    value = Value()
    gone = weakref.ref(value)
    with gossamer.timeout(SHORT):
        with pytest.raises(TimeoutError):
            gossamer.channel().send(value)
    del value
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("seconds, error", [("1", TypeError), (-1, ValueError), (float("nan"), ValueError)])
def test_bad_limits(seconds, error):
    with pytest.raises(error):
        gossamer.timeout(seconds)


def test_misuse():
    with pytest.raises(TypeError, match="timeout"):
        gossamer.timeout()
    block = gossamer.timeout(1000)
    assert repr(block) == "<gossamer.timeout(1000)>"
    with block:
        assert repr(block) == "<gossamer.timeout(1000), active>"
        with pytest.raises(RuntimeError, match="active already: each with block needs one of its own"):
            block.__enter__()
    with pytest.raises(AttributeError):
        block.expired = True
    with gossamer.timeout(0) as block:
        with pytest.raises(TimeoutError):
            gossamer.sleep(1)
    assert repr(block) == "<gossamer.timeout(0), expired>"


def test_many_nested_and_none_leaks():
    before = gossamer.timeout(1)

    def nest(depth):
        with gossamer.timeout(depth + 1000):
            if depth:
                nest(depth - 1)

    runs(lambda: nest(200))
    refs = weakref.ref(gossamer.spawn(lambda: nest(3)))
    gossamer.run()
    gc.collect()
    assert refs() is None and not before.expired


def test_a_thousand_tasklets_each_with_its_limit():
    ended = []

    def waits(i):
        try:
            with gossamer.timeout(0.001 * (i % 20)):
                gossamer.channel().receive()
        except TimeoutError:
            ended.append(i)

    gossamer.joinall([gossamer.spawn(waits, i) for i in range(1000)])
    assert sorted(ended) == list(range(1000))
