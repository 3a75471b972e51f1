"""Beyond Stackless: spawn, join, name, state, waiting_on, the uncaught hook."""
import pytest

import gossamer
import stackless
from helpers import nothing, pause, raises, started_paused


class Boom(Exception):
    pass


def fail(*args):
    raise Boom(*args)


def identity(*args, **kwargs):
    return args, kwargs


class TestSpawn:
    def test_runnable_at_the_end(self):
        log = []
        a = gossamer.spawn(log.append, "A")
        b = gossamer.spawn(log.append, "B")
        assert isinstance(a, gossamer.tasklet) and a.scheduled and log == []
        stackless.run()
        assert log == ["A", "B"] and not a.alive and not b.alive

    def test_arguments(self):
        t = gossamer.spawn(identity, 1, 2, x=3)
        assert t.join() == ((1, 2), {"x": 3})

    def test_keywords_named_like_its_own(self):
        assert gossamer.spawn(identity, func=1, args=2).join() == ((), {"func": 1, "args": 2})

    def test_errors(self):
        for call in (lambda: gossamer.spawn(), lambda: gossamer.spawn(1),
                     lambda: gossamer.spawn(None), lambda: gossamer.spawn(nothing, name=5)):
            with pytest.raises(TypeError):
                call()
        assert stackless.runcount == 1

    def test_from_inside_others(self):
        def f(n):
            if n == 0:
                return 1
            return gossamer.spawn(f, n - 1).join() + gossamer.spawn(f, n - 1).join()
        assert gossamer.spawn(f, 6).join() == 64


class TestName:
    def test_given(self):
        t = gossamer.spawn(nothing, name="reader")
        assert t.name == "reader"
        t.name = "other"
        assert t.name == "other"
        stackless.run()
        assert t.name == "other"

    def test_default(self):
        a, b = stackless.tasklet(nothing), stackless.tasklet()
        assert a.name.startswith("tasklet-") and a.name == a.name != b.name
        int(a.name.split("-")[1])

    def test_errors(self):
        with pytest.raises(TypeError):
            stackless.tasklet().name = 5


class TestJoin:
    def test_result(self):
        t = gossamer.spawn(lambda: 5)
        assert t.join() == 5 and t.join() == 5 and t.join(timeout=0) == 5

    def test_error(self):
        t = gossamer.spawn(fail, "x")
        for _ in range(2):
            with raises(Boom, "x"):
                t.join()
        assert stackless.run() is None

    def test_kill_gives_none(self):
        t = gossamer.spawn(pause)
        stackless.run()
        t.kill()
        assert t.join() is None
        t = gossamer.spawn(pause)
        t.kill()
        assert t.join() is None

    def test_error_nobody_waits_for_goes_to_main(self):
        t = gossamer.spawn(fail, "nobody")
        with raises(Boom, "nobody"):
            stackless.run()
        with raises(Boom, "nobody"):
            t.join()

    def test_several_wait(self):
        got = []
        t = gossamer.spawn(lambda: stackless.schedule(7))
        for _ in range(3):
            gossamer.spawn(lambda: got.append(t.join()))
        stackless.run()
        assert got == [7, 7, 7]

    def test_several_wait_for_an_error(self):
        def g():
            stackless.schedule(None)
            fail("all")
        got, t = [], gossamer.spawn(g)

        def w():
            try:
                t.join()
            except Boom as e:
                got.append(e.args)
        for _ in range(3):
            gossamer.spawn(w)
        stackless.run()
        assert got == [("all",)] * 3

    def test_timeout(self):
        c = gossamer.channel()
        t = gossamer.spawn(c.receive)
        for timeout in (0, 0.01, 0.01):
            with raises(TimeoutError):
                t.join(timeout=timeout)
        assert t.blocked
        c.send("late")
        assert t.join(1) == "late"

    def test_of_itself(self):
        with pytest.raises(RuntimeError):
            stackless.current.join()

    def test_deadlock(self):
        c = gossamer.channel()
        t = gossamer.spawn(c.receive)
        with pytest.raises(gossamer.DeadlockError):
            t.join()
        t.kill()

    def test_killed_while_waiting(self):
        log = []
        c = gossamer.channel()
        t = gossamer.spawn(c.receive)

        def w():
            try:
                t.join()
            finally:
                log.append("killed")
        waiter = gossamer.spawn(w)
        stackless.run()
        waiter.kill()
        assert log == ["killed"] and t.blocked
        c.send("x")
        assert t.join() == "x"

    def test_waiter_is_woken_in_order(self):
        log = []
        t = gossamer.spawn(nothing)

        def w(n):
            t.join()
            log.append(n)
        for n in range(5):
            gossamer.spawn(w, n)
        stackless.run()
        assert log == [0, 1, 2, 3, 4]

    def test_result_is_released_with_the_tasklet(self):
        import sys
        value = object()
        before = sys.getrefcount(value)
        t = gossamer.spawn(lambda v: v, value)
        assert t.join() is value
        del t
        assert sys.getrefcount(value) == before


class TestState:
    def test_table(self):
        t = stackless.tasklet()
        assert t.state == "new"
        t.bind(nothing)
        assert t.state == "bound"
        t()
        assert t.state == "ready"
        stackless.run()
        assert t.state == "dead"
        assert stackless.current.state == "running"
        assert started_paused(pause).state == "paused"
        c = gossamer.channel()
        t = gossamer.spawn(c.receive)
        stackless.run()
        assert t.state == "blocked" and t.waiting_on is c
        t.kill()
        assert t.waiting_on is None
        seen = []
        t = gossamer.spawn(lambda: seen.append(t.state))
        stackless.run()
        assert seen == ["running"]

    def test_sleeping(self):
        t = gossamer.spawn(gossamer.sleep, 30)
        stackless.schedule()
        assert t.state == "sleeping" and t.alive
        t.kill()
        assert t.state == "dead"

    def test_waiting_on(self):
        a, b = gossamer.channel(), gossamer.channel()
        s = gossamer.spawn(gossamer.select, [a, (b, 1)])
        t = gossamer.spawn(pause)
        j = gossamer.spawn(t.join)
        stackless.schedule()
        stackless.schedule()
        assert list(s.waiting_on) == [a, b]
        assert j.waiting_on is t
        assert stackless.current.waiting_on is None and t.waiting_on is None
        for x in (s, j, t):
            x.kill()

    def test_read_only(self):
        for name in ("state", "waiting_on"):
            with pytest.raises(AttributeError):
                setattr(stackless.tasklet(), name, "x")


class TestUncaughtHook:
    @pytest.fixture(autouse=True)
    def unset(self):
        yield
        gossamer.set_uncaught_hook(None)

    def test_set_get(self):
        assert gossamer.get_uncaught_hook() is None
        assert gossamer.set_uncaught_hook(nothing) is None
        assert gossamer.get_uncaught_hook() is nothing
        assert gossamer.set_uncaught_hook(None) is nothing
        with pytest.raises(TypeError):
            gossamer.set_uncaught_hook(5)

    def test_handled(self):
        seen, log = [], []

        def hook(t, e):
            seen.append((t, e.args, stackless.current is t))
            return True
        gossamer.set_uncaught_hook(hook)
        t = stackless.tasklet(fail)("x")
        stackless.tasklet(log.append)("next")
        assert stackless.run() is None
        assert seen == [(t, ("x",), True)] and log == ["next"] and not t.alive

    @pytest.mark.parametrize("answer", [False, None, 0])
    def test_not_handled(self, answer):
        seen = []
        gossamer.set_uncaught_hook(lambda t, e: (seen.append(1), answer)[1])
        stackless.tasklet(fail)("x")
        with raises(Boom, "x"):
            stackless.run()
        assert seen == [1]

    def test_not_for_taskletexit(self):
        seen = []
        gossamer.set_uncaught_hook(lambda t, e: seen.append(1))
        started_paused(pause).kill()
        stackless.run()
        assert seen == []

    def test_hook_that_raises(self):
        def hook(t, e):
            raise KeyError("hook")
        gossamer.set_uncaught_hook(hook)
        stackless.tasklet(fail)("x")
        with pytest.raises((KeyError, Boom)):
            stackless.run()

    def test_hook_that_switches(self):
        log = []

        def hook(t, e):
            stackless.schedule(None)
            log.append("hook")
            return True
        gossamer.set_uncaught_hook(hook)
        stackless.tasklet(fail)()
        stackless.tasklet(log.append)("other")
        stackless.run()
        assert log == ["other", "hook"]


def test_a_thousand_fan_out_and_in():
    assert sum(t.join() for t in [gossamer.spawn(lambda n=n: n) for n in range(1000)]) == 499500
