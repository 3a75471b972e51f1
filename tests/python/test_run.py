"""Spec section 3.3: run() and its nesting."""
import pytest

import stackless
from helpers import Names, nothing, pause, raises, state


def test_runs_everything_and_returns_none():
    log = []
    for n in "ABC":
        stackless.tasklet(log.append)(n)
    assert stackless.run() is None
    assert log == ["A", "B", "C"] and stackless.runcount == 1


def test_empty_ring():
    calls = []
    stackless.set_schedule_callback(lambda *a: calls.append(a))
    try:
        assert stackless.run() is None
    finally:
        stackless.set_schedule_callback(None)
    assert calls == []


def test_caller_is_paused_meanwhile():
    seen, main = [], stackless.main
    stackless.tasklet(lambda: seen.append((state(main), stackless.runcount, main.next)))()
    stackless.run()
    assert seen == [("ap", 1, None)]


def test_caller_takes_no_turns():
    log = []

    def f(n):
        for _ in range(3):
            log.append(n)
            stackless.schedule()
    for n in "AB":
        stackless.tasklet(f)(n)
    stackless.run()
    assert "".join(log) == "ABABAB"


def test_does_not_wait_for_blocked_ones():
    c = stackless.channel()
    t = stackless.tasklet(c.receive)()
    stackless.run()
    assert t.blocked
    c.send(1)
    stackless.run()
    assert not t.alive


@pytest.mark.parametrize("wake", [
    lambda m: m.insert(), lambda m: m.run(), lambda m: m.switch(),
], ids=["insert", "run", "switch"])
def test_worker_wakes_main(wake):
    log, main = [], stackless.main

    def w():
        wake(main)
        log.append("w")
    t = stackless.tasklet(w)()
    stackless.tasklet(log.append)("A")
    assert stackless.run() is None
    if t.paused:                       # switch() took it out of the ring
        t.insert()
    stackless.run()
    assert sorted(log) == ["A", "w"]


def test_worker_wakes_main_by_insert():
    """main.insert(): its turn comes at the end of the ring."""
    log = []

    def w():
        stackless.main.insert()
        log.append("w")
        stackless.schedule()
        log.append("w2")
    stackless.tasklet(w)()
    stackless.tasklet(log.append)("A")
    assert stackless.run() is None
    assert log == ["w", "A"] and stackless.runcount == 2
    stackless.run()
    assert log == ["w", "A", "w2"]


def test_worker_wakes_main_by_run():
    log = []

    def w():
        stackless.main.run()
        log.append("again")
    stackless.tasklet(w)()
    stackless.tasklet(log.append)("A")
    assert stackless.run() is None
    assert log == [] and stackless.runcount == 3
    assert stackless.run() is None
    assert log == ["again", "A"]


def test_worker_throws_into_main():
    log = []

    def w():
        stackless.main.throw(KeyError, "thrown")
        log.append("w goes on")
    stackless.tasklet(w)()
    with raises(KeyError, "'thrown'"):
        stackless.run()
    assert log == [] and stackless.runcount == 2
    stackless.run()
    assert log == ["w goes on"]


def test_error_ends_run_and_the_rest_stays():
    log = []
    stackless.tasklet(log.append)("A")
    stackless.tasklet(lambda: 1 / 0)()
    stackless.tasklet(log.append)("B")
    with raises(ZeroDivisionError):
        stackless.run()
    assert log == ["A"] and stackless.runcount == 2
    stackless.run()
    assert log == ["A", "B"]


class TestParameters:
    @pytest.mark.parametrize("args, kwargs", [
        ((0,), {}), ((-5,), {}), ((0, False, False, False, False), {}), ((), {"timeout": 0}),
        ((0, True), {}), ((0, 1, 1, 1, 1), {}), ((), {"threadblock": True}),
        ((), {"soft": True, "ignore_nesting": True, "totaltimeout": True}),
    ])
    def test_accepted(self, args, kwargs):
        log = []
        stackless.tasklet(log.append)(1)
        assert stackless.run(*args, **kwargs) is None
        assert log == [1]

    @pytest.mark.parametrize("args, kwargs", [
        (("1",), {}), ((None,), {}), ((1.5,), {}), ((0, 0, 0, 0, 0, 0), {}), ((), {"nonsense": 1}),
        ((), {"timeout": "x"}),
    ])
    def test_refused(self, args, kwargs):
        with pytest.raises(TypeError):
            stackless.run(*args, **kwargs)


class TestNesting:
    def test_example(self):
        log = []

        def inner():
            log.append("inner start")
            stackless.tasklet(log.append)("new")
            log.append(("inner run", stackless.run()))
            log.append("inner end")
        stackless.tasklet(inner)()
        stackless.tasklet(log.append)("sibling")
        assert stackless.run() is None
        assert log == ["inner start", "sibling", "new", ("inner run", None), "inner end"]

    def test_innermost_gets_the_error(self):
        log = []

        def supervisor():
            stackless.tasklet(lambda: 1 / 0)()
            try:
                stackless.run()
            except ZeroDivisionError:
                log.append("supervisor")
        stackless.tasklet(supervisor)()
        stackless.run()
        assert log == ["supervisor"]

    def test_innermost_returns_first(self):
        log = []

        def level(n):
            if n:
                stackless.tasklet(level)(n - 1)
                stackless.run()
            log.append(n)
        stackless.tasklet(level)(5)
        stackless.run()
        assert log == [0, 1, 2, 3, 4, 5]

    def test_200_deep(self):
        log, states = [], []

        def level(n):
            if n:
                t = stackless.tasklet(level)(n - 1)
                stackless.run()
                assert not t.alive
            else:
                states.append((stackless.runcount, state(stackless.main)))
            log.append(n)
        stackless.tasklet(level)(200)
        stackless.run()
        assert log == list(range(201)) and states == [(1, "ap")]

    def test_main_in_the_ring_is_an_ordinary_member(self):
        """The inner run() returns only when main has left the ring."""
        log = []

        def inner():
            log.append("inner")
            stackless.run()
            log.append("inner returned")
        stackless.tasklet(inner)()
        stackless.schedule()
        log.append("main")
        stackless.schedule()
        log.append("main alone with the watchdog")
        assert stackless.runcount == 1
        stackless.schedule_remove(None)   # the innermost watchdog continues
        log.append("main again")
        assert log == ["inner", "main", "main alone with the watchdog", "inner returned",
                       "main again"]

    def test_main_calls_run_too(self):
        log = []

        def inner():
            stackless.run()
            log.append("inner returned")
        t = stackless.tasklet(inner)()
        stackless.schedule()
        assert stackless.run() is None       # innermost, and its ring is empty
        assert log == [] and t.paused
        stackless.schedule_remove(None)
        assert log == ["inner returned"]

    def test_main_blocks_under_an_inner_run(self):
        log, c = [], stackless.channel()

        def inner():
            stackless.run()
            log.append("inner returned")
            c.send("woken")
        stackless.tasklet(inner)()
        stackless.schedule()
        assert c.receive() == "woken"
        assert log == ["inner returned"]
        stackless.run()

    def test_outer_awakened_first(self):
        """The inner watchdogs become runnable; their run() returns None at their turn."""
        log, main = [], stackless.main

        def waker():
            main.run()
            log.append("waker")

        def inner():
            stackless.tasklet(waker)()
            log.append(("inner", stackless.run()))
        t = stackless.tasklet(inner)()
        stackless.run()
        assert log == [] and t.scheduled and stackless.runcount == 3
        stackless.run()
        assert sorted(log, key=str) == [("inner", None), "waker"]

    def test_killing_one_that_is_in_run(self):
        log = []

        def inner():
            stackless.tasklet(pause)()
            try:
                stackless.run()
            finally:
                log.append("finally")
        t = stackless.tasklet(inner)

        def killer():
            t.kill()
            log.append("killer")
        t.setup()
        stackless.tasklet(killer)()
        stackless.run()
        assert log == ["finally", "killer"] and not t.alive

    def test_error_goes_to_an_outer_one_after_the_inner_is_gone(self):
        log = []

        def inner():
            stackless.tasklet(nothing)()
            stackless.run()
            log.append("inner done")

        def bad():
            raise KeyError("late")
        stackless.tasklet(inner)()
        stackless.run()
        stackless.tasklet(bad)()
        with raises(KeyError, "'late'"):
            stackless.run()
        assert log == ["inner done"]

    def test_many_in_run_at_once(self):
        order = []

        def one(n):
            stackless.tasklet(nothing)()
            stackless.run()
            order.append(n)
        for n in range(10):
            stackless.tasklet(one)(n)
        stackless.run()
        assert sorted(order) == list(range(10))
        assert order[0] == 9               # the innermost watchdog is the last that came


def test_send_exception_of_the_last_one_does_not_reach_run():
    """Section 5.7 [BUG]/[REC]: run() returns None."""
    c = stackless.channel()
    for send in (lambda: c.send_exception(KeyError, 1), lambda: c.send_throw(KeyError, 1)):
        stackless.tasklet(send)()
        assert stackless.run() is None
        with raises(KeyError, "1"):
            c.receive()
        stackless.run()


def test_run_from_inside_a_generator_and_sort_key():
    log = []

    def key(x):
        stackless.tasklet(log.append)(x)
        stackless.run()
        return -x
    assert sorted([1, 2, 3], key=key) == [3, 2, 1]
    assert log == [1, 2, 3]

    def gen():
        for x in range(3):
            stackless.tasklet(log.append)(x)
            stackless.run()
            yield x
    assert list(gen()) == [0, 1, 2]
    assert log == [1, 2, 3, 0, 1, 2]
