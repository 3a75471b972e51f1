"""run(timeout): a tasklet that does not yield is interrupted, returned, and goes on where it stopped. See hogs.py."""
import contextvars
import gc
import sys
import threading
import weakref

import pytest

import gossamer
import stackless
from helpers import state
from hogs import HOGS, SOON, end, end_all, for_ever, in_new_thread, counting


@pytest.fixture(params=["main thread", "other thread"])
def somewhere(request):
    """Calls a function on the main thread, or on another one."""
    return (lambda f: f()) if request.param == "main thread" else in_new_thread


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    end_all()


class TestInterrupted:
    @pytest.mark.parametrize("hog", HOGS, ids=lambda f: f.__name__)
    def test_is_returned(self, somewhere, hog):
        def body():
            t = stackless.tasklet(hog)()
            victim = stackless.run(SOON)
            assert victim is t and state(t) == "ap" and stackless.runcount == 1
            assert t.next is None and not t.is_current
            for _ in range(5):
                t.insert()
                assert state(t) == "as"
                assert stackless.run(SOON) is t
            t.kill()
            assert not t.alive
        somewhere(body)

    def test_goes_on_where_it_stopped(self):
        seen, told = [], []

        def body():
            total = 0
            for i in range(4):
                seen.append(i)
                while len(told) <= i:
                    total += 1
            seen.append(total > 0)
        t = stackless.tasklet(body)()
        for i in range(4):
            assert stackless.run(SOON) is t and seen == list(range(i + 1))
            told.append(1)
            t.insert()
        assert stackless.run() is None and not t.alive
        assert seen == [0, 1, 2, 3, True]

    def test_names_of_the_limit(self):
        t = stackless.tasklet(for_ever)()
        for limited in (lambda: stackless.run(timeout=SOON), lambda: stackless.run(SOON, False, False, False, True),
                        lambda: gossamer.run(quantum_us=SOON), lambda: gossamer.run(budget_us=SOON),
                        lambda: gossamer.run(quantum_us=SOON, budget_us=10**9), lambda: gossamer.run(quantum_us=0.5)):
            assert limited() is t
            t.insert()
        t.kill()

    def test_others_keep_their_order(self):
        log = []
        a, b = stackless.tasklet(log.append)("a"), stackless.tasklet(log.append)("b")
        t = stackless.tasklet(for_ever)()
        c, d = stackless.tasklet(log.append)("c"), stackless.tasklet(log.append)("d")
        assert stackless.run(SOON) is t and log == ["a", "b"]
        assert stackless.current.next is c and c.next is d and d.next is stackless.current
        assert stackless.run(SOON) is None and log == ["a", "b", "c", "d"]
        t.kill()

    def test_several(self):
        ts = [stackless.tasklet(hog)() for hog in HOGS]
        order = []
        for _ in range(3 * len(ts)):
            victim = stackless.run(SOON)
            order.append(ts.index(victim))
            victim.insert()
        assert order == list(range(len(ts))) * 3
        end(ts)

    @pytest.mark.parametrize("resume", [lambda t: t.insert(), lambda t: stackless.tasklet(t.run)(), lambda t: stackless.tasklet(t.switch)()])
    def test_ways_to_resume(self, resume):
        t = stackless.tasklet(for_ever)()
        for _ in range(3):
            assert stackless.run(SOON) is t
            resume(t)
        assert stackless.run(SOON) is t
        t.kill()

    def test_resumed_by_run_without_limit(self):
        stop = []

        def body():
            while not stop:
                pass
            return 5
        t = gossamer.spawn(body)
        assert stackless.run(SOON) is t
        stop.append(1)
        t.insert()
        assert stackless.run() is None and t.join() == 5

    def test_in_an_inner_tasklet(self):
        """Whoever calls run(timeout) gets control back, whatever main does."""
        log = []

        def supervisor():
            t = stackless.tasklet(for_ever)()
            log.append(stackless.run(SOON) is t)
            t.kill()
        stackless.tasklet(supervisor)()
        stackless.run()
        assert log == [True]

    def test_main_can_be_the_victim(self):
        stop, log = [], []

        def supervisor():
            log.append(stackless.run(SOON) is stackless.main)
            stop.append(1)
            stackless.main.insert()
        stackless.tasklet(supervisor)()
        stackless.schedule()
        while not stop:
            pass
        assert log == [True]

    def test_tempval_survives(self):
        def body():
            stackless.current.tempval = "mine"
            while not stop:
                pass
            log.append(stackless.current.tempval)
        stop, log = [], []
        t = stackless.tasklet(body)()
        assert stackless.run(SOON) is t
        stop.append(1)
        t.insert()
        stackless.run()
        assert log == ["mine"]

    def test_state_of_the_interpreter_is_its_own(self):
        var = contextvars.ContextVar("var", default=0)
        stop, log = [], []

        def body(n):
            var.set(n)
            try:
                raise ValueError(n)
            except ValueError:
                while len(stop) < 2:
                    pass
                log.append((var.get(), str(sys.exc_info()[1])))
        a, b = (stackless.tasklet(contextvars.copy_context().run)(body, n) for n in (1, 2))
        a.set_ignore_nesting(1), b.set_ignore_nesting(1)
        assert stackless.run(SOON) is a and stackless.run(SOON) is b
        assert var.get() == 0 and sys.exc_info() == (None, None, None)
        stop += [1, 1]
        a.insert(), b.insert()
        stackless.run()
        assert log == [(1, "1"), (2, "2")]

    def test_deep_in_python(self):
        def deep(n):
            if n:
                return deep(n - 1)
            while not stop:
                pass
            return "bottom"
        stop, log = [], []
        t = stackless.tasklet(lambda: log.append(deep(200)))()
        t_frames = None
        assert stackless.run(SOON) is t
        t_frames = len(t.stack())
        assert t_frames >= 202
        gc.collect()
        stop.append(1)
        t.insert()
        stackless.run()
        assert log == ["bottom"]


class TestEnded:
    """What can be done to an interrupted tasklet but resuming it."""

    def interrupted(self, function, *args):
        t = stackless.tasklet(function)(*args)
        assert stackless.run(SOON) is t
        return t

    @pytest.mark.parametrize("hog", HOGS, ids=lambda f: f.__name__)
    @pytest.mark.parametrize("pending", [False, True])
    def test_kill(self, somewhere, hog, pending):
        def body():
            t = self.interrupted(hog)
            t.kill(pending)
            stackless.run()
            assert not t.alive
        somewhere(body)

    def test_kill_runs_finally(self):
        log = []

        def body():
            try:
                n = 0
                while True:
                    n += 1
            finally:
                log.append("finally")
        self.interrupted(body).kill()
        assert log == ["finally"]

    def test_throw(self):
        log = []

        def body():
            n = 0
            try:
                while True:
                    n += 1
            except KeyError as e:
                log.append(e.args)
        t = self.interrupted(body)
        t.throw(KeyError, "x")
        u = self.interrupted(body)
        u.raise_exception(KeyError, 1, 2)
        v = self.interrupted(body)
        v.throw(KeyError("later"), pending=True)
        stackless.run()
        assert log == [("x",), (1, 2), ("later",)] and not (t.alive or u.alive or v.alive)

    def test_uncaught(self):
        t = self.interrupted(for_ever)
        with pytest.raises(KeyError):
            t.throw(KeyError, "x")

    def test_dropped(self):
        log = []

        def body():
            try:
                n = 0
                while True:
                    n += 1
            except BaseException as e:
                log.append(type(e))
                raise
        self.interrupted(body)
        assert log == [gossamer.TaskletExit]

    def test_collected(self):
        log = []

        class Thing:
            pass

        def body(cell):
            me = stackless.current
            thing = Thing()
            thing.owner = me
            cell.append(weakref.ref(thing))
            del cell
            try:
                n = 0
                while True:
                    n += 1
            finally:
                log.append("finally")
        cell = []
        t = stackless.tasklet(body)(cell)
        assert stackless.run(SOON) is t
        del t
        gc.collect()
        assert log == ["finally"] and cell[0]() is None

    def test_values_on_the_stack_survive_the_collector(self):
        """The collector runs while half-evaluated expressions hold objects that nothing else refers to."""
        def body():
            for value in [object() for _ in range(3)] + [[[n]] for n in range(3)]:
                log.append((repr(value), spin_until_told()))

        def spin_until_told():
            while not told:
                pass
            told.clear()
            return "told"
        log, told = [], []
        t = stackless.tasklet(body)()
        for _ in range(6):
            assert stackless.run(SOON) is t
            gc.collect()
            told.append(1)
            t.insert()
        stackless.run()
        assert [x for _, x in log] == ["told"] * 6 and log[-1][0] == "[[2]]"


def test_many_interruptions_leave_nothing_behind():
    def body():
        n = 0
        while True:
            n += 1
    before = len(gossamer.tasklets())
    t = stackless.tasklet(body)()
    pumped = 0
    for _ in range(500):
        assert stackless.run(20) is t
        pumped += 1
        t.insert()
    t.remove()
    references = sys.getrefcount(t)
    for _ in range(500):
        t.insert()
        assert stackless.run(20) is t
    assert sys.getrefcount(t) == references
    t.kill()
    del t
    assert len(gossamer.tasklets()) == before and pumped == 500


def test_many_threads():
    def body():
        t = stackless.tasklet(counting)()
        for _ in range(5):
            assert stackless.run(SOON) is t
            t.insert()
        t.kill()
        return True
    out = []
    ths = [threading.Thread(target=lambda: out.append(body())) for _ in range(3)]
    for th in ths:
        th.start()
    for th in ths:
        th.join(100)
    assert out == [True] * 3


def test_thread_that_ends_with_an_interrupted_tasklet():
    log = []

    def hog():
        try:
            n = 0
            while True:
                n += 1
        finally:
            log.append("finally")

    def body():
        t = stackless.tasklet(hog)()
        assert stackless.run(SOON) is t
        kept.append(t)
        return True
    kept = []
    assert in_new_thread(body)
    assert log == ["finally"] and not kept[0].alive


def test_paused_ones_are_seen():
    t = stackless.tasklet(for_ever)()
    assert stackless.run(SOON) is t
    assert t in gossamer.tasklets() and t.state == "paused" and t.frame.f_code is for_ever.__code__
    assert [f.name for f in t.stack()] == ["for_ever"]
    assert "for_ever" in gossamer.format_tasklets()
    t.kill()
