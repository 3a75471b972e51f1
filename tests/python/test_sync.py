"""gossamer.sync: locks, conditions, semaphores and events between tasklets; with threads, see test_sync_threads.py."""

import contextlib
import gc
import os
import random
import threading
import weakref

import pytest

import gossamer
import stackless
from gossamer import sync
from helpers import python


def waiter_of(kind):
    """-> (an object on which a tasklet waits, what it calls to wait, what lets one of them go on)."""
    if kind in ("Lock", "RLock"):
        lock = getattr(sync, kind)()
        lock.acquire()
        return lock, lock.acquire, lock.release
    if kind in ("Semaphore", "BoundedSemaphore"):
        semaphore = getattr(sync, kind)(1)
        semaphore.acquire()
        return semaphore, semaphore.acquire, semaphore.release
    if kind == "Event":
        event = sync.Event()
        return event, event.wait, event.set
    condition = sync.Condition(sync.Lock() if kind == "Condition-Lock" else None)

    def wait(timeout=None):
        with condition:
            return condition.wait(timeout)

    def notify():
        with condition:
            condition.notify()

    return condition, wait, notify


KINDS = ["Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Condition", "Condition-Lock"]
HANDED = KINDS[:4]  # one release lets one waiter go on


def waiting(wait, done=None, n=1):
    """n tasklets that have called wait() and are blocked there."""
    done = [] if done is None else done

    def body(number):
        done.append((number, wait()))

    ts = [gossamer.spawn(body, number) for number in range(n)]
    stackless.run()
    assert all(t.state == "blocked" for t in ts)
    return ts, done


# ---- order ----


@pytest.mark.parametrize("kind", KINDS)
def test_first_come_first_served(kind):
    _, wait, wake = waiter_of(kind)
    ts, done = waiting(wait, n=5)
    wake()
    if kind in HANDED:
        for n in range(5):
            assert not done[n:]
            stackless.run()
            assert done == [(number, True) for number in range(n + 1)]
            if kind == "RLock":
                break  # its owner is the first one, and it has ended
            wake()
    else:
        for _ in range(4):
            wake()
        stackless.run()
        assert done == [(number, True) for number in range(5)]
    for t in ts:
        t.kill()


@pytest.mark.parametrize("kind", KINDS)
def test_who_releases_goes_on(kind):
    _, wait, wake = waiter_of(kind)
    ts, done = waiting(wait)
    wake()
    assert done == [] and ts[0].state == "ready"
    stackless.run()
    assert done == [(0, True)]


def test_lock_is_handed_over_and_nobody_overtakes():
    lock = sync.Lock()
    lock.acquire()
    _, done = waiting(lock.acquire)
    lock.release()
    assert lock.locked()
    assert not lock.acquire(False)
    stackless.run()
    assert done == [(0, True)] and lock.locked()


def test_semaphore_hands_over_several():
    semaphore = sync.Semaphore(0)
    _, done = waiting(semaphore.acquire, n=3)
    semaphore.release(5)
    assert semaphore._value == 2
    stackless.run()
    assert [number for number, _ in done] == [0, 1, 2]


def test_notify_wakes_no_herd():
    condition = sync.Condition()
    inside = []

    def body(n):
        with condition:
            condition.wait()
            inside.append(n)
            assert len(inside) == 1
            gossamer.schedule()
            inside.remove(n)

    ts = [gossamer.spawn(body, n) for n in range(10)]
    stackless.run()
    with condition:
        condition.notify_all()
        assert stackless.runcount == 1  # they stand in line for the lock
    assert stackless.runcount == 2
    stackless.run()
    assert not any(t.alive for t in ts)


def test_notify_n():
    condition, wait, _ = waiter_of("Condition")
    ts, done = waiting(wait, n=5)
    with condition:
        condition.notify(0)
        condition.notify(2)
    stackless.run()
    assert [number for number, _ in done] == [0, 1]
    with condition:
        condition.notify(100)
    stackless.run()
    assert len(done) == 5


# ---- timeouts ----


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("timeout", [0, 0.01])
def test_timeout(kind, timeout):
    thing, wait, wake = waiter_of(kind)
    if kind == "RLock":
        done = []
        t = gossamer.spawn(lambda: done.append(wait(timeout=timeout)))
        t.join()
        assert done == [False]
    else:
        assert wait(timeout=timeout) is False
    wake()
    t = gossamer.spawn(wait, timeout=5)
    if kind == "Condition" or kind == "Condition-Lock":
        stackless.schedule()
        wake()
    assert t.join() is True


def test_notified_in_time_but_the_lock_comes_late():
    condition = sync.Condition()
    done = []

    def body():
        with condition:
            done.append(condition.wait(timeout=0.01))

    t = gossamer.spawn(body)
    stackless.schedule()
    with condition:
        condition.notify()
        gossamer.sleep(0.03)  # its deadline passes while it stands in line for the lock
    t.join()
    assert done == [True]


def test_wait_for():
    condition = sync.Condition()
    value = []

    def body():
        with condition:
            return condition.wait_for(lambda: len(value) >= 2 and value, timeout=30)

    t = gossamer.spawn(body)
    stackless.schedule()
    for n in range(2):
        with condition:
            value.append(n)
            condition.notify()
        stackless.schedule()
    assert t.join() is value
    with condition:
        assert condition.wait_for(lambda: 0, timeout=0.01) == 0
        with pytest.raises(ZeroDivisionError):
            condition.wait_for(lambda: 1 / 0)


# ---- kill, errors, interrupts ----


@pytest.mark.parametrize("kind", KINDS)
def test_kill_while_waiting(kind):
    thing, wait, wake = waiter_of(kind)
    ts, done = waiting(wait, n=3)
    ts[0].kill()
    ts[1].throw(ValueError("thrown"), pending=True)
    with pytest.raises(ValueError, match="thrown"):
        stackless.run()
    assert not ts[0].alive and not ts[1].alive and ts[2].blocked
    wake()
    stackless.run()
    assert done == [(2, True)]


@pytest.mark.parametrize("kind", ["Lock", "Semaphore", "BoundedSemaphore", "Condition", "Condition-Lock"])
def test_hand_over_to_a_killed_one_is_not_lost(kind):
    """It has been handed over, and before the waiter runs, it is killed: the next one gets it."""
    thing, wait, wake = waiter_of(kind)
    ts, done = waiting(wait, n=3)
    wake()
    assert ts[0].state == "ready"
    ts[0].kill()
    stackless.run()
    assert done == [(1, True)]
    wake()
    stackless.run()
    assert done == [(1, True), (2, True)]


def test_hand_over_of_rlock_to_a_killed_one_is_not_lost():
    lock = sync.RLock()
    lock.acquire()
    ts, done = waiting(lock.acquire, n=2)
    lock.release()
    ts[0].kill()
    stackless.run()
    assert done == [(1, True)]


def test_killed_between_notify_and_release():
    condition, wait, _ = waiter_of("Condition")
    ts, done = waiting(wait, n=2)
    with condition:
        condition.notify()
        ts[0].kill()  # it stands in line for the lock, and stays there until it has it
        assert ts[0].alive
    stackless.run()
    assert not ts[0].alive
    assert done == [(1, True)]
    assert condition.acquire(False)
    condition.release()


def test_killed_in_wait_has_the_lock_again():
    condition = sync.Condition(sync.Lock())
    held = []

    def body():
        with condition:
            try:
                condition.wait()
            finally:
                held.append(condition._lock.locked())

    t = gossamer.spawn(body)
    stackless.run()
    t.kill()
    assert held == [True] and not condition._lock.locked()


def test_block_trap():
    lock = sync.Lock()
    lock.acquire()
    stackless.getmain().block_trap = True
    try:
        with pytest.raises(RuntimeError, match="does not like to be blocked"):
            lock.acquire()
        assert not lock.acquire(timeout=0)
    finally:
        stackless.getmain().block_trap = False


def test_switch_trap():
    lock = sync.Lock()
    lock.acquire()
    stackless.switch_trap(1)
    try:
        with pytest.raises(RuntimeError, match="switch_trap"):
            lock.acquire()
        lock.release()
        lock.acquire()
    finally:
        stackless.switch_trap(-1)


def test_keyboard_interrupt():
    out = python("""
        import signal, gossamer
        from gossamer import sync
        lock, condition, event = sync.Lock(), sync.Condition(), sync.Event()
        lock.acquire()
        def interrupt(*unused):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, interrupt)
        def waiting():
            with condition:
                condition.wait(timeout=60)
        for wait in (lambda: lock.acquire(timeout=60), lambda: event.wait(60), waiting):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            try:
                wait()
            except KeyboardInterrupt:
                print("interrupted", condition._is_owned())
    """)
    assert out.stdout.split() == ["interrupted", "False"] * 3


def test_signal_handler_that_releases():
    out = python("""
        import signal
        from gossamer import sync
        lock = sync.Lock()
        lock.acquire()
        signal.signal(signal.SIGALRM, lambda *unused: lock.release())
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        print(lock.acquire(timeout=60), lock.locked())
    """)
    assert out.stdout.split() == ["True", "True"]


# ---- errors ----


def test_release_of_what_is_not_held():
    with pytest.raises(RuntimeError, match="release unlocked lock"):
        sync.Lock().release()
    with pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
        sync.RLock().release()
    condition = sync.Condition()
    with pytest.raises(RuntimeError, match="cannot wait on un-acquired lock"):
        condition.wait()
    with pytest.raises(RuntimeError, match="cannot notify on un-acquired lock"):
        condition.notify()
    with pytest.raises(ValueError, match="Semaphore released too many times"):
        sync.BoundedSemaphore(2).release()
    with pytest.raises(ValueError, match="n must be one or more"):
        sync.Semaphore().release(0)
    with pytest.raises(ValueError, match="must be >= 0"):
        sync.Semaphore(-1)
    with pytest.raises(OverflowError, match="semaphore value is too large"):
        sync.Semaphore(2**63 - 1).release()


def test_rlock_belongs_to_a_tasklet():
    lock = sync.RLock()
    with lock, lock:
        assert lock._recursion_count() == 2 and lock._is_owned()
        t = gossamer.spawn(lambda: (lock.acquire(False), lock._is_owned(), lock._recursion_count()))
        assert t.join() == (False, False, 0)
        with pytest.raises(RuntimeError):
            gossamer.spawn(lock.release).join()
    assert not lock.locked()


def test_acquire_restore_of_something_else():
    lock = sync.RLock()
    for state in (None, (0, 0), ("x", 1), (1,)):
        with pytest.raises((TypeError, RuntimeError)):
            lock._acquire_restore(state)
    lock.acquire()
    state = lock._release_save()
    assert not lock.locked()
    lock._acquire_restore(state)
    lock.release()


def test_condition_before_init():
    class Lazy(sync.Condition):
        def __init__(self):
            pass

    condition = Lazy()
    repr(condition)
    for use in (condition.wait, condition.notify, condition.acquire, condition.release, condition.__enter__):
        with pytest.raises(RuntimeError, match="has not been called"):
            use()


# ---- what is seen from outside ----


@pytest.mark.parametrize("kind", KINDS)
def test_state_of_the_waiter(kind):
    thing, wait, wake = waiter_of(kind)
    (t,), done = waiting(wait)
    assert t.blocked and t.scheduled and not t.paused
    assert t.state == "blocked" and t.waiting_on is thing
    with pytest.raises(RuntimeError, match="You cannot run a blocked tasklet"):
        t.run()
    with pytest.raises(RuntimeError, match="You cannot run a blocked tasklet"):
        t.insert()
    with pytest.raises(RuntimeError, match="You cannot remove a blocked tasklet"):
        t.remove()
    t.tempval = object()
    assert type(thing).__name__ in gossamer.format_tasklets()
    wake()
    stackless.run()
    assert done == [(0, True)] and t.waiting_on is None


def test_waiting_for_the_lock_after_notify():
    condition, wait, _ = waiter_of("Condition")
    (t,), _ = waiting(wait)
    with condition:
        condition.notify()
        assert t.waiting_on is condition._lock
    stackless.run()


@pytest.mark.parametrize("kind", KINDS)
def test_deadlock(kind):
    thing, wait, wake = waiter_of(kind)
    if kind == "RLock":
        wake()
        gossamer.spawn(thing.acquire).join()
    with pytest.raises(gossamer.DeadlockError) as caught:
        wait()
    assert type(thing).__name__ in caught.value.graph
    assert "nobody is left who could release, set, notify or fill" in caught.value.graph


def test_deadlock_in_a_tasklet_reaches_main():
    event = sync.Event()
    gossamer.spawn(event.wait)
    with pytest.raises(gossamer.DeadlockError) as caught:
        gossamer.channel().receive()
    assert "gossamer.sync.Event" in caught.value.graph


def test_tempval_does_not_leak():
    class Thing:
        pass

    lock = sync.Lock()
    lock.acquire()
    thing = Thing()
    gone = weakref.ref(thing)

    def body():
        nonlocal thing
        stackless.getcurrent().tempval = thing
        thing = None
        lock.acquire()

    t = gossamer.spawn(body)
    stackless.run()
    lock.release()
    stackless.run()
    del t
    gc.collect()
    assert gone() is None


# ---- collecting ----


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Semaphore", "Event", "Condition"])
def test_blocked_garbage_is_collected(kind):
    ended = []

    def body(thing):
        try:
            if kind == "Condition":
                thing.acquire()
                try:
                    thing.wait()
                finally:
                    thing.release()
            elif kind == "Event":
                thing.wait()
            else:
                thing.acquire()
        finally:
            ended.append(kind)

    def begin():
        thing = getattr(sync, kind)(0) if kind == "Semaphore" else getattr(sync, kind)()
        if kind == "RLock":
            gossamer.spawn(thing.acquire).join()
        elif kind == "Lock":
            thing.acquire()
        t = gossamer.spawn(body, thing)
        stackless.run()
        assert t.blocked
        return weakref.ref(thing)

    gone = begin()
    assert not ended
    gc.collect()
    assert ended == [kind]
    gc.collect()
    assert gone() is None


ENTERED = {
    "Lock": sync.Lock,
    "RLock": sync.RLock,
    "Semaphore": lambda: sync.Semaphore(1),
    "BoundedSemaphore": lambda: sync.BoundedSemaphore(1),
    "Condition": sync.Condition,
    "Condition of a Lock": lambda: sync.Condition(sync.Lock()),
}


@pytest.mark.parametrize("kind", ENTERED)
def test_blocked_garbage_in_a_with_statement_is_collected(kind):
    ended = []

    def body(thing, others):
        try:
            for other in others:
                with other, thing as answer:  # the collector has to find the end of the value stack
                    ended.append(answer)
        finally:
            ended.append(kind)

    def begin():
        thing = ENTERED[kind]()
        gossamer.spawn(thing.acquire).join()
        t = gossamer.spawn(body, thing, [sync.Lock()])
        stackless.run()
        assert t.blocked
        gc.collect()
        gc.collect()
        assert t.blocked
        return weakref.ref(thing)

    gone = begin()
    assert not ended
    gc.collect()
    assert ended == [kind]
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("kind", ["wait_for", "join"])
def test_blocked_garbage_in_calls_that_wait_more_than_once_is_collected(kind):
    ended = []

    def waits(condition):
        with condition:
            condition.wait_for(lambda: False)

    def joins(queue):
        queue.put(1)
        queue.join()

    def body(thing):
        try:
            (waits if kind == "wait_for" else joins)(thing)
        finally:
            ended.append(kind)

    def begin():
        thing = sync.Condition() if kind == "wait_for" else sync.Queue()
        t = gossamer.spawn(body, thing)
        stackless.run()
        assert t.blocked
        return weakref.ref(thing)

    gone = begin()
    assert not ended
    gc.collect()
    assert ended == [kind]
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("kind", ENTERED)
def test_methods_of_with_statements_are_like_others(kind):
    thing = ENTERED[kind]()
    enter, leave = thing.__enter__, thing.__exit__
    assert enter() is True and leave(None, None, None) is None
    assert enter.__name__ == "__enter__" and enter.__self__ is thing and enter.__doc__ and leave.__doc__
    assert enter == thing.__enter__ and hash(enter) == hash(thing.__enter__) and enter != leave and enter != ENTERED[kind]().__enter__
    assert "method" in repr(enter)
    cls = type(thing)
    assert cls.__enter__(thing) is True and cls.__exit__(thing, None, None, None) is None
    with pytest.raises(TypeError):
        enter(1)
    with pytest.raises(TypeError):
        leave(None, None, None, a=1)
    with pytest.raises(TypeError):
        cls.__enter__(object())
    with contextlib.ExitStack() as stack:
        stack.enter_context(thing)

    class Sub(cls):
        def __enter__(self):
            return "sub", super().__enter__()

    with Sub() as answer:
        assert answer == ("sub", True)


@pytest.mark.parametrize("kind", KINDS)
def test_weak_references_and_subclasses(kind):
    thing = waiter_of(kind)[0]
    cls = type(thing)

    class Sub(cls):
        def __init__(self, *args, extra=None):
            super().__init__(*args)
            self.extra = extra

    sub = Sub(extra=1)
    sub.itself = sub
    gone = weakref.ref(sub)
    assert sub.extra == 1
    del sub
    gc.collect()
    assert gone() is None


# ---- many ----


def test_a_hundred_thousand_waiters_removed_in_any_order():
    n = 100_000 if os.environ.get("GOSSAMER_STACKS") != "own" else 5_000   # a process may map some 30,000 stacks
    semaphore = sync.Semaphore(0)
    done = []

    def body(number):
        semaphore.acquire()
        done.append(number)

    ts = [gossamer.tasklet(body)(number) for number in range(n)]
    stackless.run()
    order = list(range(n))
    random.Random(1).shuffle(order)
    for number in order[: n // 2]:
        ts[number].kill()
    assert done == []
    semaphore.release(n)
    stackless.run()
    assert done == sorted(order[n // 2 :])
    assert semaphore._value == n // 2


def test_mutual_exclusion_at_random():
    rng = random.Random(7)
    lock = sync.RLock()
    condition = sync.Condition(lock)
    inside = [0]
    total = [0]

    def body():
        for _ in range(20):
            with condition:
                inside[0] += 1
                assert inside[0] == 1
                if rng.random() < 0.3:
                    gossamer.schedule()
                inside[0] -= 1
                if rng.random() < 0.3:
                    condition.wait(timeout=0.001)
                condition.notify(rng.randrange(3))
                total[0] += 1
            if rng.random() < 0.3:
                gossamer.schedule()

    ts = [gossamer.spawn(body) for _ in range(30)]
    for t in ts:
        t.join()
    assert total == [600] and not lock.locked()
