"""Spec section 12: what belongs to each tasklet: trace and profile functions, contexts, decimal."""
import contextvars
import decimal
import sys
import threading

import pytest

import stackless
from helpers import nothing, pause, paused_tasklet, raises, started_paused

HAS_ENTERED = "the current context of the tasklet has been entered."


@pytest.fixture(autouse=True)
def no_foreign_tracer():
    """coverage.py or a debugger would be disturbed by these tests."""
    if sys.gettrace() is not None:
        pytest.skip("a trace function is active")


def tracer(log, label):
    def trace(frame, event, arg):
        log.append((label, event, frame.f_code.co_name))
        return trace
    return trace


class TestTrace:
    def test_concerns_one_tasklet(self):
        log = []

        def traced():
            sys.settrace(tracer(log, "A"))
            leaf()
            stackless.schedule(None)
            leaf()
            sys.settrace(None)

        def other():
            assert sys.gettrace() is None
            leaf()
            stackless.schedule(None)
            leaf()

        def leaf():
            pass
        stackless.tasklet(traced)()
        stackless.tasklet(other)()
        stackless.run()
        assert sys.gettrace() is None
        assert [e for e in log if e[1] == "call"] == [("A", "call", "leaf")] * 2

    def test_two_with_different_ones(self):
        log = []

        def leaf():
            pass

        def f(n):
            sys.settrace(tracer(log, n))
            for _ in range(3):
                leaf()
                stackless.schedule(None)
            sys.settrace(None)
        for n in "AB":
            stackless.tasklet(f)(n)
        stackless.run()
        assert [e[0] for e in log if e[1:] == ("call", "leaf")] == list("ABABAB")

    def test_nothing_is_inherited(self):
        seen = []
        sys.settrace(tracer([], "main"))
        try:
            stackless.tasklet(lambda: seen.append((sys.gettrace(), sys.getprofile())))()
            stackless.run()
            still = sys.gettrace() is not None
        finally:
            sys.settrace(None)
        assert seen == [(None, None)] and still

    def test_attribute_of_the_current(self):
        t, f = stackless.current, tracer([], "x")
        assert t.trace_function is None
        t.trace_function = f
        same = sys.gettrace() is f
        t.trace_function = None
        assert same and sys.gettrace() is None
        sys.settrace(f)
        same = t.trace_function is f
        sys.settrace(None)
        assert same and t.trace_function is None

    def test_profile_attribute_of_the_current(self):
        t = stackless.current
        t.profile_function = nothing
        same = sys.getprofile() is nothing
        t.profile_function = None
        assert same and sys.getprofile() is None

    def test_set_on_a_suspended_one(self):
        log = []

        def leaf():
            pass

        def f():
            pause()
            leaf()
            seen.append(sys.gettrace())
        seen, trace = [], tracer(log, "T")
        t = started_paused(f)
        t.trace_function = trace
        t.insert()
        stackless.run()
        assert ("T", "call", "leaf") in log and seen == [trace] and sys.gettrace() is None

    def test_set_on_a_fresh_one(self):
        log = []

        def body():
            pass
        t = stackless.tasklet(body)()
        t.trace_function = tracer(log, "T")
        stackless.run()
        assert ("T", "call", "body") in log

    def test_profile_per_tasklet(self):
        log = []

        def leaf():
            pass

        def prof(frame, event, arg):
            if event == "call":
                log.append(frame.f_code.co_name)

        def f():
            sys.setprofile(prof)
            leaf()
            stackless.schedule(None)
            leaf()
            sys.setprofile(None)

        def g():
            assert sys.getprofile() is None
            leaf()
        stackless.tasklet(f)()
        stackless.tasklet(g)()
        stackless.run()
        assert log.count("leaf") == 2

    def test_ends_with_the_tasklet(self):
        def f():
            sys.settrace(tracer([], "x"))
            sys.setprofile(nothing)
        t = stackless.tasklet(f)()
        stackless.run()
        assert sys.gettrace() is None and sys.getprofile() is None
        assert t.trace_function is None and t.profile_function is None

    def test_tracer_that_switches(self):
        log = []

        def trace(frame, event, arg):
            if event == "call" and frame.f_code.co_name == "leaf":
                stackless.schedule(None)
                log.append("tracer")
            return trace

        def leaf():
            log.append("leaf")

        def f():
            sys.settrace(trace)
            leaf()
            sys.settrace(None)
        stackless.tasklet(f)()
        stackless.tasklet(log.append)("other")
        stackless.run()
        assert log == ["other", "tracer", "leaf"]

    def test_like_a_debugger(self):
        """Stops at a line of a tasklet, looks at its locals, steps on."""
        import bdb

        class Debugger(bdb.Bdb):
            def user_line(self, frame):
                if frame.f_code.co_name == "target":
                    seen.append((frame.f_lineno - first, dict(frame.f_locals)))
                self.set_step()
        seen = []

        def target():
            x = 1
            stackless.schedule(None)
            x += 1
            return x
        first = target.__code__.co_firstlineno

        def f():
            Debugger().runcall(target)
        stackless.tasklet(f)()
        stackless.tasklet(nothing)()
        stackless.run()
        assert [n for n, _ in seen] == [1, 2, 3, 4]
        assert [v.get("x") for _, v in seen] == [None, 1, 1, 2]


class TestContext:
    def test_shared_with_the_binder(self):
        v = contextvars.ContextVar("v", default=0)

        def body():
            stackless.tasklet(v.set)(1)
            stackless.run()
            return v.get()
        assert contextvars.copy_context().run(body) == 1

    def test_isolated_by_set_context(self):
        v = contextvars.ContextVar("v", default=0)
        t = stackless.tasklet(v.set)
        assert t.set_context(contextvars.copy_context()) is t
        t(2)
        stackless.run()
        assert v.get() == 0 and t.context_run(v.get) == 2

    def test_each_its_own(self):
        v, got = contextvars.ContextVar("v"), []

        def f(n):
            v.set(n)
            for _ in range(3):
                stackless.schedule(None)
                got.append(v.get() == n)
        for n in range(10):
            stackless.tasklet(f).set_context(contextvars.Context())(n)
        stackless.run()
        assert got == [True] * 30
        with pytest.raises(LookupError):
            v.get()

    def test_context_id(self):
        c = contextvars.Context()
        t = stackless.tasklet(nothing).set_context(c)
        assert t.context_id == id(c)
        assert stackless.tasklet(nothing).context_id == stackless.current.context_id
        u = stackless.tasklet()
        assert u.context_id == u.context_id != stackless.current.context_id

    def test_context_run_passes_arguments(self):
        t = stackless.tasklet(nothing).set_context(contextvars.Context())
        assert t.context_run(lambda *a, **k: (a, k), 1, 2, x=3) == ((1, 2), {"x": 3})
        with raises(KeyError):
            t.context_run({}.__getitem__, 1)
        with pytest.raises(TypeError):
            t.context_run()

    def test_run_inside_and_switch(self):
        v, got = contextvars.ContextVar("v", default="outside"), []

        def inside(n):
            v.set(n)
            stackless.schedule(None)
            got.append(v.get())

        def f(n):
            contextvars.copy_context().run(inside, n)
            got.append(v.get())
        for n in (1, 2):
            stackless.tasklet(f)(n)
        stackless.run()
        assert got == [1, "outside", 2, "outside"]

    def test_bound_inside_run_shares_that_context(self):
        v, seen = contextvars.ContextVar("v", default=0), []

        def inside():
            v.set(5)
            return stackless.tasklet(lambda: seen.append(v.get()))()
        contextvars.copy_context().run(inside)
        stackless.run()
        assert seen == [5]

    def test_set_context_errors(self):
        for bad in (None, 1, {}):
            with raises(TypeError, "set_context() argument 1 must be Context, not %s"
                        % type(bad).__name__):
                stackless.tasklet(nothing).set_context(bad)
        me = stackless.current

        def inside():
            with raises(RuntimeError, HAS_ENTERED):
                me.set_context(contextvars.Context())
        contextvars.copy_context().run(inside)

    def test_set_context_refused_for_a_suspended_one_inside_run(self):
        def f():
            contextvars.copy_context().run(pause)
        t = started_paused(f)
        with raises(RuntimeError, HAS_ENTERED):
            t.set_context(contextvars.Context())
        assert t.context_run(lambda: 5) == 5
        t.kill()

    def test_set_context_of_the_current_takes_effect_at_once(self):
        v, got = contextvars.ContextVar("v", default=0), []

        def f():
            c = contextvars.Context()
            c.run(v.set, 9)
            stackless.current.set_context(c)
            got.append(v.get())
        stackless.tasklet(f)()
        stackless.run()
        assert got == [9] and v.get() == 0

    def test_set_context_of_a_suspended_one(self):
        v, got = contextvars.ContextVar("v", default=0), []

        def f():
            pause()
            got.append(v.get())
        t = started_paused(f)
        c = contextvars.Context()
        c.run(v.set, 4)
        t.set_context(c)
        t.insert()
        stackless.run()
        assert got == [4]


class TestDecimal:
    def test_precision_follows_the_context(self):
        got = []

        def f(prec):
            decimal.getcontext().prec = prec
            for _ in range(3):
                stackless.schedule(None)
                got.append(str(decimal.Decimal(1) / 3) == "0." + "3" * prec)
        for prec in (3, 7, 20):
            stackless.tasklet(f).set_context(contextvars.Context())(prec)
        stackless.run()
        assert got == [True] * 9

    def test_localcontext_across_switches(self):
        got = []

        def f(prec):
            with decimal.localcontext() as c:
                c.prec = prec
                stackless.schedule(None)
                got.append(len(str(decimal.Decimal(1) / 3)) - 2)
        for prec in (3, 7):
            stackless.tasklet(f).set_context(contextvars.copy_context())(prec)
        stackless.run()
        assert got == [3, 7]


def test_thread_locals_belong_to_the_thread():
    local, seen = threading.local(), []
    local.x = "main"
    stackless.tasklet(lambda: seen.append(local.x))()
    stackless.run()
    assert seen == ["main"]


def test_recursion_depth_is_kept_apart():
    def deep(n):
        if n:
            return deep(n - 1)
        pause()
        return 0
    limit = sys.getrecursionlimit()
    ts = [started_paused(deep, limit // 3) for _ in range(10)]

    def own():
        return deep_plain(limit // 3)

    def deep_plain(n):
        return n and deep_plain(n - 1)
    assert own() == 0
    for t in ts:
        t.insert()
    stackless.run()
    assert paused_tasklet().alive
