"""Spec section 11: references, dropping a tasklet in each state, the finalizer, cycles."""
import gc
import sys
import weakref

import pytest

import stackless
from helpers import blocked_tasklet, nothing, pause, raises, started_paused


class Boom(Exception):
    pass


@pytest.fixture(autouse=True)
def no_collector():
    """Reference counting alone must do, unless a test calls the collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.collect()


def freed(make):
    t = make()
    w = weakref.ref(t)
    del t
    return w() is None


def dead():
    t = stackless.tasklet(nothing)()
    t.run()
    return t


def dead_by_error():
    t = stackless.tasklet(lambda: 1 / 0)()
    try:
        t.run()
    except ZeroDivisionError:
        pass
    return t


def killed():
    t = started_paused(pause)
    t.kill()
    return t


def killed_fresh():
    t = stackless.tasklet(nothing)()
    t.kill()
    return t


@pytest.mark.parametrize("make", [
    stackless.tasklet, lambda: stackless.tasklet(nothing), lambda: stackless.tasklet(nothing, (1,)),
    lambda: stackless.tasklet(nothing)().remove(), dead, killed, killed_fresh,
    lambda: started_paused(pause), dead_by_error,
], ids="unbound bound ready removed dead killed killed_fresh suspended error".split())
def test_dropped_is_freed_at_once(make):
    assert freed(make)


def test_weak_reference_is_cleared_when_freed_not_when_ended():
    t = stackless.tasklet(nothing)()
    w = weakref.ref(t)
    t.run()
    assert w() is t
    del t
    assert w() is None


def test_ring_keeps_alive():
    log = []
    w = weakref.ref(stackless.tasklet(log.append)(1))
    gc.collect()
    assert w() is not None
    stackless.run()
    assert log == [1] and w() is None


def test_queue_keeps_alive():
    c = stackless.channel()
    w = weakref.ref(blocked_tasklet(c))
    gc.collect()
    assert w() is c.queue
    c.send(1)
    stackless.run()
    assert w() is None


def test_not_started_never_runs():
    log = []
    t = stackless.tasklet(log.append, (1,))
    del t
    t = stackless.tasklet(log.append)(1).remove()
    del t
    stackless.run()
    assert log == []


class TestFinalizer:
    def test_finally_runs_at_once(self):
        log = []

        def f():
            try:
                pause()
            except BaseException as e:
                log.append(type(e))
                raise
            finally:
                log.append("finally")
        t = started_paused(f)
        del t
        assert log == [TaskletExit, "finally"]

    def test_runs_in_whoever_drops_it(self):
        log, box = [], []

        def f():
            try:
                pause()
            finally:
                log.append("finally")

        def dropper():
            box.clear()
            log.append("dropper goes on")
        box.append(started_paused(f))
        stackless.tasklet(dropper)()
        stackless.run()
        assert log == ["finally", "dropper goes on"]

    def test_repeated_up_to_ten_times_then_garbage(self):
        log = []

        def f(n):
            for i in range(n):
                try:
                    pause()
                except TaskletExit:
                    log.append(i)
        for n in (1, 5, 9):
            t = started_paused(f, n)
            del t
            assert log == list(range(n)) and gc.garbage == []
            del log[:]
        t = started_paused(f, 100)
        w = weakref.ref(t)
        del t
        assert log == list(range(10))
        assert gc.garbage == [w()] and w().alive
        survivor = gc.garbage.pop()
        while survivor.alive:
            survivor.kill()

    def test_other_errors_go_to_main(self):
        box, log = [], []

        def f():
            try:
                pause()
            finally:
                raise Boom("while dying")

        def dropper():
            box.clear()
            log.append("dropper goes on")
        box.append(started_paused(f))
        stackless.tasklet(dropper)()
        with raises(Boom, "while dying"):
            stackless.run()
        stackless.run()
        assert log == ["dropper goes on"]

    def test_other_errors_when_main_itself_drops_it(self, monkeypatch):
        """Main gets the error inside a deallocation, from where nothing can be raised."""
        seen = []
        monkeypatch.setattr(sys, "unraisablehook", lambda u: seen.append(u.exc_type))

        def f():
            try:
                pause()
            finally:
                raise Boom("while dying")
        t = started_paused(f)
        del t
        stackless.run()
        assert seen == [Boom]

    def test_resurrected(self):
        """It survives the first TaskletExit, so it gets another one."""
        box = []

        def f():
            try:
                pause()
            except TaskletExit:
                box.append(stackless.current)
                pause()
        t = started_paused(f)
        del t
        assert not box[0].alive
        box.pop().bind(nothing)()
        stackless.run()

    def test_survivor_that_schedules_is_killed_there(self):
        log = []

        def f():
            try:
                pause()
            except TaskletExit:
                log.append(1)
                stackless.schedule(None)
                log.append("never")
        t = started_paused(f)
        del t
        stackless.run()
        assert log == [1]

    def test_order_of_many(self):
        log = []

        def f(n):
            try:
                pause()
            finally:
                log.append(n)
        ts = [started_paused(f, n) for n in range(100)]
        while ts:
            del ts[0]
        assert log == list(range(100))

    def test_dropped_by_a_switch(self):
        """The last reference dies in the switch itself: the previous tasklet ended."""
        log = []

        class D:
            def __del__(self):
                log.append("arguments gone")
        stackless.tasklet(nothing)(D())
        stackless.run()
        assert log == ["arguments gone"]

    def test_inside_a_tasklet_that_dies_itself(self):
        log = []

        def inner():
            try:
                pause()
            finally:
                log.append("inner")

        def outer():
            t = started_paused(inner)
            pause()
            return t
        t = started_paused(outer)
        del t
        assert log == ["inner"]

    def test_chain_of_a_thousand(self):
        log = []

        def f(t):
            try:
                pause()
            finally:
                log.append(1)
        t = None
        for _ in range(1000):
            t = started_paused(f, t)
        del t
        stackless.run()
        gc.collect()
        assert len(log) == 1000

    def test_drop_while_an_error_is_handled(self):
        t = started_paused(pause)
        try:
            raise KeyError("kept")
        except KeyError:
            del t
            assert sys.exc_info()[0] is KeyError

    def test_drop_while_an_error_is_on_its_way(self):
        log = []

        def f():
            try:
                pause()
            finally:
                log.append("finally")

        def g():
            t = started_paused(f)
            raise Boom(len([t]))
        with raises(Boom, "1") as caught:
            g()
        caught.value.__traceback__ = None
        del caught
        gc.collect()
        assert log == ["finally"]


class TestSelfReference:
    def test_default_retval_needs_the_collector(self):
        log = []

        def f():
            try:
                stackless.schedule_remove()
            finally:
                log.append("cleaned up")
        t = stackless.tasklet(f)()
        t.run()
        del t
        assert log == []
        gc.collect()
        assert log == ["cleaned up"]


class TestChannelDropped:
    def test_blocked_ones_are_collected(self):
        """Reachable only from its own stack: our collector does find it."""
        log = []

        def f():
            c = stackless.channel()
            try:
                c.receive()
            finally:
                log.append("finally")
        w = weakref.ref(stackless.tasklet(f)())
        stackless.run()
        assert w().blocked
        gc.collect()
        assert log == ["finally"] and w() is None

    def test_last_outside_reference_to_the_channel(self):
        log = []
        c = stackless.channel()

        def f(c):
            try:
                c.receive()
            finally:
                log.append("finally")
        stackless.tasklet(f)(c)
        stackless.run()
        del c
        gc.collect()
        assert log == ["finally"]


def test_end_of_process_counts_nothing_twice():
    none = sys.getrefcount(None)
    for _ in range(100):
        freed(lambda: started_paused(pause))
    assert abs(sys.getrefcount(None) - none) < 20 or sys.version_info >= (3, 12)
