"""stacklesslib.locks."""
import pytest

import stackless
from helpers import raises
from stacklesslib import app, locks, main, wait
from stacklesslib.errors import TimeoutError
from test_stacklesslib_util import go, installed, run  # noqa: F401


def start(*functions):
    made = [stackless.tasklet(function)() for function in functions]
    stackless.run()
    return made


# ---- semaphores and locks ----


def test_semaphore():
    s, log = locks.Semaphore(2), []

    def work(n):
        with s:
            log.append(("in", n))
            stackless.schedule()
            log.append(("out", n))

    for n in range(4):
        stackless.tasklet(work)(n)
    stackless.run()
    assert [n for what, n in log if what == "in"] == [0, 1, 2, 3]
    inside = worst = 0
    for what, _ in log:
        inside += 1 if what == "in" else -1
        worst = max(worst, inside)
    assert worst == 2 and inside == 0


def test_semaphore_without_waiting():
    s = locks.Semaphore(1)
    assert s.acquire() is True and s.acquire(False) is False
    s.release(2)
    assert s.acquire(False) and s.acquire(blocking=False) and not s.acquire(False)
    with raises(ValueError, "semaphore initial value must be >= 0"):
        locks.Semaphore(-1)


def test_semaphore_times_out():
    s = locks.Semaphore(0)
    assert run(s.acquire, True, 0) is False and run(s.acquire, True, 0.005) is False
    s.release()
    assert run(s.acquire, True, 60) is True


def test_release_does_not_hand_over():
    s, log = locks.Semaphore(1), []
    s.acquire()
    waiter, = start(lambda: (s.acquire(), log.append("waiter")))
    s.release()
    assert s.acquire(False) is True         # quicker than the one who was woken
    stackless.run()
    assert log == [] and waiter.blocked
    s.release()
    stackless.run()
    assert log == ["waiter"]


def test_killed_waiter_passes_its_turn_on():
    s, log = locks.Semaphore(0), []
    first, second = start(lambda: (s.acquire(), log.append(1)), lambda: (s.acquire(), log.append(2)))
    s.release()         # wakes the first
    first.kill()
    stackless.run()
    assert log == [2] and not second.alive


def test_bounded_semaphore():
    s = locks.BoundedSemaphore(1)
    with raises(ValueError, "semaphore released too many times"):
        s.release()
    with s:
        pass
    s.acquire()
    with raises(ValueError):
        s.release(2)
    s.release()


def test_lock():
    lock = locks.Lock()
    assert lock.acquire() and lock.locked() and not lock.acquire(False)
    lock.release()
    lock.release()      # no error: one more
    assert lock.acquire(False) and lock.acquire(False) and not lock.acquire(False)
    with raises(ZeroDivisionError), locks.released(lock):
        assert lock.acquire(False)
        lock.release()
        1 / 0
    assert lock.locked()


def test_rlock():
    lock, log = locks.RLock(), []
    with raises(RuntimeError, "cannot release un-aquired lock"):
        lock.release()
    with lock, lock:
        def other():
            log.append(lock.acquire(False))
            with pytest.raises(RuntimeError):
                lock.release()
            with lock:
                log.append("other")
        start(other)
        assert log == [False]
    stackless.run()
    assert log == [False, "other"]


# ---- conditions ----


@pytest.mark.parametrize("lock", [None, locks.Lock, locks.RLock])
def test_condition(lock):
    c, items, log = locks.Condition(lock and lock()), [], []

    def consumer(n):
        with c:
            while not items:
                c.wait()
            log.append((n, items.pop()))

    for n in range(3):
        stackless.tasklet(consumer)(n)
    stackless.run()
    assert c.nWaiting == 3
    with c:
        items += "ab"
        c.notify(2)
    stackless.run()
    assert sorted(n for n, _ in log) == [0, 1] and c.nWaiting == 1
    with c:
        items.append("c")
        c.notifyAll()
    stackless.run()
    assert len(log) == 3 and c.nWaiting == 0


@pytest.mark.parametrize("lock", [locks.Lock, locks.RLock])
def test_condition_without_its_lock(lock):
    c = locks.Condition(lock())
    for call in (c.wait, c.notify, c.notify_all):
        with raises(RuntimeError, "cannot wait for or notify a condition without its lock"):
            call()
    assert c.acquire(False)


def test_condition_keeps_how_often_it_was_acquired():
    c, log = locks.Condition(), []

    def waiter():
        with c, c:
            log.append(c.wait())
            log.append(c.lock._count)

    start(waiter)
    with c:
        c.notify()
    stackless.run()
    assert log == [True, 2]


def test_condition_times_out():
    c = locks.Condition()

    def work():
        with c:
            assert c.wait(0) is False
            assert c.wait_for(lambda: 0, 0.005) == 0
            return c.wait_for(lambda: "value", 60)

    assert run(work) == "value"


def test_nlcondition():
    c, log = locks.NLCondition(), []
    start(*[lambda n=n: log.append((n, c.wait())) for n in range(3)])
    with c:
        assert c.acquire() is True and c.release() is None
        c.notify()
    stackless.run()
    assert log == [(0, True)]
    c.notify_all()
    stackless.run()
    assert len(log) == 3 and run(c.wait, 0) is False
    assert run(c.wait_for, lambda: 5, 0) == 5


# ---- barriers ----


def test_barrier():
    log, order = [], []
    b = locks.Barrier(3, action=lambda: log.append("action"))
    for _ in range(2):
        start(*[lambda: order.append(b.wait())] * 3)
        assert sorted(order) == [0, 1, 2] and b.n_waiting == 0 and not b.broken
        order.clear()
    assert log == ["action"] * 2 and b.parties == 3
    with pytest.raises(ValueError):
        locks.Barrier(0)


def broken(b, log):
    try:
        b.wait()
    except locks.BrokenBarrierError:
        log.append("broken")


def test_barrier_abort_and_reset():
    b, log = locks.Barrier(2), []
    start(lambda: broken(b, log))
    b.abort()
    stackless.run()
    assert log == ["broken"] and b.broken
    with raises(locks.BrokenBarrierError):
        b.wait()
    b.reset()
    start(lambda: broken(b, log))
    b.reset()
    stackless.run()
    assert log == ["broken"] * 2 and not b.broken
    start(b.wait, b.wait)
    assert b.n_waiting == 0


def test_barrier_times_out():
    b = locks.Barrier(2, timeout=0.005)
    with raises(locks.BrokenBarrierError):
        run(b.wait)
    assert b.broken
    b = locks.Barrier(2)
    with raises(locks.BrokenBarrierError):
        run(b.wait, 0)


def test_barrier_whose_action_fails():
    b, log = locks.Barrier(2, action=lambda: 1 / 0), []
    start(lambda: broken(b, log))
    with raises(ZeroDivisionError):
        b.wait()
    stackless.run()
    assert log == ["broken"] and b.broken


def test_barrier_with_a_killed_member():
    b, log = locks.Barrier(3), []
    t, _ = start(b.wait, lambda: broken(b, log))
    t.kill()
    stackless.run()
    assert log == ["broken"] and b.broken


# ---- events ----


def test_event():
    e, log = locks.Event(), []
    start(*[lambda: log.append(e.wait())] * 3)
    assert not e.is_set() and log == []
    e.set()
    assert log == [] and e.isSet()
    stackless.run()
    assert log == [True] * 3 and e.wait(0) is True
    e.clear()
    assert run(e.wait, 0) is False and run(e.wait, 0.005) is False


def test_event_is_waitable():
    e, seen = locks.Event(), []
    e.add_done_callback(seen.append)
    e.set()
    e.set()
    assert seen == [e]
    e.add_done_callback(seen.append)
    assert seen == [e, e] and wait.wait([e]) == [e]


def test_value_event():
    e, log = locks.ValueEvent(), []
    start(*[lambda: log.append(e.wait())] * 2)
    e.set("value")
    stackless.run()
    assert log == ["value"] * 2
    for call in (e.set, e.abort):
        with raises(RuntimeError, "ValueEvent object already signaled or aborted."):
            call()
    with raises(RuntimeError, "Already resumed"):
        e.wait()


def test_value_event_aborted():
    e, log = locks.ValueEvent(), []

    def waiter():
        try:
            e.wait()
        except KeyError as error:
            log.append(error.args)

    start(waiter, waiter)
    e.abort(KeyError, 1, 2)
    stackless.run()
    assert log == [(1, 2)] * 2
    with raises(KeyError):
        e.wait()
    plain = locks.ValueEvent()
    plain.abort()
    with raises(RuntimeError):
        plain.wait()


def test_value_event_times_out():
    with raises(TimeoutError, "Event timed out"):
        run(locks.ValueEvent(0.005).wait)
    with raises(KeyError, "'mine'"):
        run(locks.ValueEvent(0.005, KeyError, "mine").wait)
    e = locks.ValueEvent(60)
    e.set()
    assert len(main.event_queue) == 0
    assert locks.ValueEvent(-1)._handle is None and locks.ValueEvent(0)._handle is None


# ---- small ones ----


def test_lock_channel_wait():
    ch = stackless.channel()
    stackless.tasklet(ch.send)(1)
    assert run(locks.lock_channel_wait, ch, 60) is True
    assert run(locks.lock_channel_wait, ch, 0) is False


def test_timeouts_without_a_pump():
    app.install_vanilla()
    with raises(NotImplementedError):
        locks.Semaphore(0).acquire(timeout=1)
    assert locks.Semaphore(1).acquire(timeout=1)
