"""The kinds of limits that run() has: for each slice, in total, soft; and runs inside of runs. See hogs.py."""
import pytest

import gossamer
import stackless
from helpers import nothing
from hogs import SOON, end, end_all, for_ever, in_new_thread, spin, until_due


@pytest.fixture(params=["main thread", "other thread"])
def somewhere(request):
    """Calls a function on the main thread, or on another one."""
    return (lambda f: f()) if request.param == "main thread" else in_new_thread


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    end_all()


class TestTotal:
    def test_switches_are_charged(self):
        """The unit is a microsecond, and a switch counts five: so many switches are over any limit, on any machine."""
        count = [0]

        def polite():
            while True:
                count[0] += 1
                stackless.schedule()
        a, b = stackless.tasklet(polite)(), stackless.tasklet(polite)()
        victim = stackless.run(10000, totaltimeout=True)
        assert victim in (a, b) and victim.paused and stackless.runcount == 2
        assert 1 < count[0] <= 2002
        end([a, b])

    def test_interrupted_where_it_switched(self):
        """The victim of counted switches can be ended like any other."""
        log = []

        def polite():
            try:
                while True:
                    stackless.schedule()
            except BaseException as e:
                log.append(type(e).__name__)
        a, b = stackless.tasklet(polite)(), stackless.tasklet(polite)()
        for _ in range(4):
            victim = stackless.run(50, totaltimeout=True)
            assert victim in (a, b)
            victim.insert()
        victim = stackless.run(50, totaltimeout=True)
        victim.throw(KeyError)
        victim = stackless.run(50, totaltimeout=True)
        victim.kill()
        assert sorted(log) == ["KeyError", "TaskletExit"] and not a.alive and not b.alive

    def test_value_in_transit(self):
        """A receiver that is interrupted where it was resumed gets its value when it goes on."""
        c, got = stackless.channel(), []

        def receiver():
            while True:
                got.append(c.receive())

        def sender():
            for i in range(300):
                c.send(i)
        r, s = stackless.tasklet(receiver)(), stackless.tasklet(sender)()
        interrupted = 0
        while s.alive:
            victim = stackless.run(1, totaltimeout=True)
            if victim is None:
                break
            interrupted += 1
            victim.insert()
        stackless.run()
        assert got == list(range(300)) and interrupted > 10
        r.kill()

    def test_always_some_progress(self):
        """A limit of 1 is over at once; still somebody gets on each time."""
        def polite():
            for _ in range(50):
                stackless.schedule()
        a, b = stackless.tasklet(polite)(), stackless.tasklet(polite)()
        for _ in range(1000):
            victim = stackless.run(1, totaltimeout=True)
            if victim is None:
                break
            victim.insert()
        assert not a.alive and not b.alive

    def test_new_tasklets(self):
        """Each is interrupted before its first instruction, or after; none is lost, and a kill before works."""
        log = []
        ts = [stackless.tasklet(log.append)(n) for n in range(200)]
        victims = []
        while (victim := stackless.run(1, totaltimeout=True)) is not None:
            victims.append(victim)
        for n, v in enumerate(victims):
            v.kill() if n % 2 else v.insert()
        stackless.run()
        assert len(victims) > 10
        assert sorted(log) == [n for n, t in enumerate(ts) if t not in victims[1::2]]

    def test_budget_does_not_wait_for_sleepers(self):
        t = gossamer.spawn(gossamer.sleep, 3600)
        assert gossamer.run(budget_us=10**9) is None
        assert t.alive and t.state == "sleeping"
        t.kill()

    def test_budget_wakes_those_that_are_due(self):
        log = []

        def body():
            gossamer.sleep(0.01)
            log.append(1)
        gossamer.spawn(body)
        while not log:
            assert gossamer.run(budget_us=10**6) is None
        assert log == [1]

    def test_timeout_waits_for_sleepers(self):
        t = gossamer.spawn(gossamer.sleep, 0.02)
        assert stackless.run(10**9, totaltimeout=True) is None and not t.alive


class TestSoft:
    def test_runs_to_its_next_switch(self):
        log = []

        def body():
            until_due()
            log.append("before")
            stackless.schedule()
            log.append("after")
        a = stackless.tasklet(body)()
        b = stackless.tasklet(log.append)("b")
        assert stackless.run(SOON, soft=True) is None
        assert log == ["before"] and a.scheduled and b.scheduled and stackless.runcount == 3
        stackless.run()
        assert log == ["before", "b", "after"]

    def test_ends(self):
        t = stackless.tasklet(until_due)()
        u = stackless.tasklet(for_ever)()
        assert stackless.run(SOON, soft=True) is None
        assert not t.alive and u.scheduled
        u.kill()

    @pytest.mark.parametrize("total", [False, True])
    def test_channels(self, total):
        """Partners that hand the thread to each other, past the queue, are no way around it."""
        c, stop = stackless.channel(), []

        def sender():
            while not stop:
                spin(SOON * 2)
                c.send(1)

        def receiver():
            while not stop:
                c.receive()
        a, b = stackless.tasklet(sender)(), stackless.tasklet(receiver)()
        assert stackless.run(SOON, soft=True, totaltimeout=total) is None
        assert a.alive and b.alive
        end([a, b])

    def test_of_a_budget(self):
        def body():
            while True:
                spin(SOON * 2)
                stackless.schedule()
        ts = [stackless.tasklet(body)() for _ in range(2)]
        for _ in range(5):
            assert gossamer.run(budget_us=SOON, soft=True) is None
            assert all(t.scheduled for t in ts)
        end(ts)


class TestNested:
    def test_inner_runs_without_limit(self):
        log = []

        def middle():
            u.append(stackless.tasklet(for_ever)())
            log.append(("inner", stackless.run()))
            u[0].kill()
        u = []
        m = stackless.tasklet(middle)()
        while (victim := stackless.run(SOON)) is m:
            m.insert()
        assert victim is u[0] and victim.alive and m.scheduled and log == []
        assert stackless.run() is None
        assert log == [("inner", None)]

    def test_inner_limit_is_ignored(self):
        log = []

        def middle():
            stackless.tasklet(spin)(SOON * 20)
            log.append(stackless.run(SOON))
        m = stackless.tasklet(middle)()
        assert stackless.run(10**9) is None
        assert log == [None] and not m.alive

    def test_limit_inside_of_a_plain_run(self):
        log = []

        def middle():
            t = stackless.tasklet(for_ever)()
            log.append(stackless.run(SOON) is t)
            log.append(stackless.run(SOON))
            t.kill()
        stackless.tasklet(middle)()
        stackless.run()
        assert log == [True, None]

    def test_caller_is_woken_by_others(self):
        log = []

        def worker(main):
            main.insert()
            spin()
            log.append("worker")
        stackless.tasklet(worker)(stackless.current)
        assert stackless.run(10**9) is None and log == ["worker"]

    def test_caller_is_in_the_queue_when_it_strikes(self):
        def worker(main):
            main.insert()
            for_ever()
        t = stackless.tasklet(worker)(stackless.current)
        assert stackless.run(SOON) is t
        t.kill()

    def test_caller_gets_an_error_instead(self):
        """A bomb that waits for the caller is not overwritten; the one that ran stays in the queue."""
        def worker(main):
            main.throw(KeyError("for main"), pending=True)
            for_ever()
        t = stackless.tasklet(worker)(stackless.current)
        with pytest.raises(KeyError):
            while stackless.run(SOON) is t: # before it has thrown
                t.insert()
        assert t.scheduled
        t.kill()

    def test_killed_caller(self):
        def middle():
            stackless.tasklet(for_ever)()
            stackless.run(SOON)
        m = stackless.tasklet(middle)()
        m.run()
        assert stackless.run() is None and not m.alive


class TestArguments:
    @pytest.mark.parametrize("args, kwargs", [
        (("x",), {}), ((1.5,), {}), ((None,), {}), ((1, 0, 0, 0, 0, 5), {}), ((), {"quantum": 1}),
        ((), {"quantum_us": "x"}), ((), {"budget_us": [1]})])
    def test_type_errors(self, args, kwargs):
        t = stackless.tasklet(nothing)()
        with pytest.raises(TypeError):
            gossamer.run(*args, **kwargs)
        assert t.scheduled
        stackless.run()

    @pytest.mark.parametrize("kwargs, text", [
        ({"quantum_us": -1}, "quantum_us must not be negative"), ({"budget_us": -0.5}, "budget_us must not be negative"),
        ({"budget_us": float("nan")}, "budget_us must not be negative"),
        ({"timeout": 5, "quantum_us": 5}, "run() takes either timeout or quantum_us and budget_us"),
        ({"timeout": 5, "budget_us": 5}, "run() takes either timeout or quantum_us and budget_us")])
    def test_value_errors(self, kwargs, text):
        with pytest.raises(ValueError) as e:
            gossamer.run(**kwargs)
        assert str(e.value) == text

    def test_too_large(self):
        with pytest.raises(OverflowError):
            stackless.run(2**64)

    def test_none_is_no_limit(self):
        t = stackless.tasklet(spin)()
        assert gossamer.run(quantum_us=None, budget_us=None) is None and not t.alive

    @pytest.mark.parametrize("threadblock", [False, True])
    def test_threadblock_is_accepted(self, threadblock):
        t = stackless.tasklet(for_ever)()
        assert stackless.run(SOON, threadblock) is t
        t.kill()


def test_from_a_schedule_callback():
    """In the middle of a switch nobody can run."""
    errors = []

    def callback(previous, following):
        try:
            stackless.run(SOON)
        except RuntimeError as e:
            errors.append(str(e))
    t = stackless.tasklet(nothing)()
    stackless.set_schedule_callback(callback)
    try:
        stackless.run()
    finally:
        stackless.set_schedule_callback(None)
    assert errors and set(errors) == {"switch_trap"} and not t.alive
