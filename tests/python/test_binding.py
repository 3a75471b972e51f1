"""Spec section 4.1: construction, bind, setup, and their errors in order."""
import pytest

import stackless
from helpers import blocked_tasklet, nothing, paused_tasklet, raises, state

NOT_CALLABLE = "tasklet function must be a callable or None"
NOT_TUPLE = "tasklet args must be a tuple or None"
NOT_DICT = "tasklet kwargs must be a dictionary or None"
CURRENT = "can't (re)bind the current tasklet"
SCHEDULED = "tasklet is scheduled"
C_STATE = "tasklet has C state on its stack"
NOT_BOUND = "the tasklet was not bound to a function"
ALIVE = "tasklet is alive"


def test_unbound():
    for t in (stackless.tasklet(), stackless.tasklet(None), stackless.tasklet(func=None)):
        assert state(t) == "" and t.tempval is None and t.frame is None
        assert t.next is None and t.prev is None
        assert bool(t)


def test_bound():
    t = stackless.tasklet(nothing)
    assert state(t) == "" and t.tempval is nothing and t.next is None
    assert stackless.runcount == 1


@pytest.mark.parametrize("args, kwargs", [
    (((),), {}), ((None, {}), {}), (((1,), {"a": 1}), {}), ((), {"args": (1,)}),
    ((), {"kwargs": {"a": 2}}), (((), None), {}), (((), {}), {}),
])
def test_ready_but_not_inserted(args, kwargs):
    for make in (lambda *a, **k: stackless.tasklet(nothing, *a, **k),
                 lambda *a, **k: stackless.tasklet().bind(nothing, *a, **k),
                 lambda *a, **k: stackless.tasklet(nothing).bind(None, *a, **k)):
        t = make(*args, **kwargs)
        assert state(t) == "ap" and t.next is None and t.frame is None
        assert stackless.runcount == 1


@pytest.mark.parametrize("args", [(), (None,), (None, None)])
def test_no_arguments_given_is_only_bound(args):
    t = stackless.tasklet(nothing, *args)
    assert state(t) == ""
    assert t.tempval is nothing


def test_arguments_arrive():
    got = []

    def f(*a, **k):
        got.append((a, k))
    stackless.tasklet(f)()
    stackless.tasklet(f)(1, 2, x=3)
    stackless.tasklet(f).setup(4, y=5)
    stackless.tasklet(f, (6,)).insert()
    stackless.tasklet(f, (), {"z": 7}).insert()
    stackless.tasklet(f, None, {"z": 8}).insert()
    stackless.tasklet(f).bind(None, (9,)).insert()
    stackless.run()
    assert got == [((), {}), ((1, 2), {"x": 3}), ((4,), {"y": 5}), ((6,), {}),
                   ((), {"z": 7}), ((), {"z": 8}), ((9,), {})]


def test_keywords_named_like_parameters_reach_the_function():
    got = []
    stackless.tasklet(lambda **k: got.append(k))(func=1, args=2, kwargs=3, self=4)
    stackless.run()
    assert got == [{"func": 1, "args": 2, "kwargs": 3, "self": 4}]


def test_methods_return_self():
    t = stackless.tasklet()
    assert t.bind(nothing) is t
    assert t.setup() is t
    assert t.remove() is t
    assert t.remove() is t
    assert t.insert() is t
    assert t.insert() is t
    stackless.run()
    assert t.bind(nothing)() is t
    stackless.run()
    assert t.remove() is t


def test_setup_inserts_at_the_end():
    log = []
    for n in "ABC":
        stackless.tasklet(log.append)(n)
    assert stackless.runcount == 4
    assert stackless.current.prev.scheduled
    stackless.run()
    assert log == ["A", "B", "C"]


def test_function_lives_in_tempval_until_setup():
    log = []
    t = stackless.tasklet(lambda: log.append("first"))
    t.tempval = lambda: log.append("second")
    t()
    assert t.tempval is None
    stackless.run()
    assert log == ["second"]


def test_wrapping_idiom():
    log = []

    def wrapped(f):
        def call(*args):
            log.append("in")
            f(*args)
            log.append("out")
        return call
    t = stackless.tasklet(log.append)
    t.tempval = wrapped(t.tempval)
    t("mid")
    stackless.run()
    assert log == ["in", "mid", "out"]


def test_reuse_after_the_end():
    log = []
    t = stackless.tasklet(log.append)(1)
    stackless.run()
    assert state(t) == "" and t.tempval is None
    t.bind(log.append)(2)
    stackless.run()
    t.bind(log.append, (3,)).insert()
    stackless.run()
    assert log == [1, 2, 3]
    with raises(RuntimeError, NOT_BOUND):
        t()


def test_reuse_after_error_and_kill():
    log = []
    t = stackless.tasklet(lambda: 1 / 0)()
    with raises(ZeroDivisionError):
        stackless.run()
    t.bind(stackless.schedule_remove)(None)
    t.run()
    t.kill()
    t.bind(log.append)("again")
    stackless.run()
    assert log == ["again"]


def test_tasklet_rebinds_itself_never():
    seen = []

    def f():
        for bad in (lambda: t.bind(nothing), lambda: t.bind(None), lambda: t.bind(nothing, ())):
            with raises(RuntimeError, CURRENT):
                bad()
        with raises(RuntimeError, ALIVE):
            t()
        with raises(RuntimeError, ALIVE):
            t.setup()
        seen.append(1)
    t = stackless.tasklet(f)()
    stackless.run()
    assert seen == [1]


def test_unbinding_throws_arguments_away():
    t = stackless.tasklet(nothing, (1,))
    assert t.bind(None) is t and state(t) == "" and t.tempval is None
    t.bind(nothing)
    assert t.bind() is t and t.tempval is None
    with raises(RuntimeError, NOT_BOUND):
        t()


def test_rebinding_a_ready_one_replaces_it():
    log = []
    t = stackless.tasklet(log.append, ("old",))
    t.bind(log.append, ("new",)).insert()
    stackless.run()
    assert log == ["new"]


def test_bind_none_with_arguments_keeps_the_function():
    log = []
    t = stackless.tasklet(log.append)
    t.bind(None, ("kept",))
    t.insert()
    stackless.run()
    assert log == ["kept"]


def make_current():
    return stackless.current


def make_runnable():
    return stackless.tasklet(nothing)()


def make_dead():
    t = stackless.tasklet(nothing)()
    t.run()
    return t


# state of the target -> (make it, error of bind(f), of bind(f, ()), of setup())
TARGETS = {
    "unbound": (stackless.tasklet, None, None, NOT_BOUND),
    "dead": (make_dead, None, None, NOT_BOUND),
    "bound": (lambda: stackless.tasklet(nothing), None, None, None),
    "ready": (lambda: stackless.tasklet(nothing, ()), None, None, ALIVE),
    "runnable": (make_runnable, SCHEDULED, SCHEDULED, ALIVE),
    "blocked": (blocked_tasklet, SCHEDULED, SCHEDULED, ALIVE),
    "suspended": (paused_tasklet, C_STATE, C_STATE, ALIVE),
    "current": (make_current, CURRENT, CURRENT, ALIVE),
}


@pytest.mark.parametrize("column", ["bind(f)", "bind(f, ())", "bind(None)", "setup"])
@pytest.mark.parametrize("target", TARGETS)
def test_state_errors(target, column):
    make, bind, bind_args, setup = TARGETS[target]
    t = make()
    before = state(t)
    call, text = {
        "bind(f)": (lambda: t.bind(nothing), bind),
        "bind(None)": (lambda: t.bind(None), bind),
        "bind(f, ())": (lambda: t.bind(nothing, ()), bind_args),
        "setup": (t, setup),
    }[column]
    if text is None:
        assert call() is t
    else:
        with raises(RuntimeError, text):
            call()
        assert state(t) == before
    stackless.run()


ORDER = [
    # (arguments, error for a good target, error for the current tasklet)
    ((1, 2, 3), (TypeError, NOT_CALLABLE)),
    ((1, (), {}), (TypeError, NOT_CALLABLE)),
    ((nothing, 2, 3), (TypeError, NOT_TUPLE)),
    ((nothing, [], {}), (TypeError, NOT_TUPLE)),
    ((nothing, "x"), (TypeError, NOT_TUPLE)),
    ((nothing, (), 3), (TypeError, NOT_DICT)),
    ((nothing, None, []), (TypeError, NOT_DICT)),
    ((None, [], None), (TypeError, NOT_TUPLE)),
    ((None, None, 1), (TypeError, NOT_DICT)),
]


@pytest.mark.parametrize("args, error", ORDER)
@pytest.mark.parametrize("target", TARGETS)
def test_argument_errors_come_first(target, args, error):
    t = TARGETS[target][0]()
    with raises(*error):
        t.bind(*args)
    stackless.run()


@pytest.mark.parametrize("args, error", ORDER)
def test_constructor_argument_errors(args, error):
    with raises(*error):
        stackless.tasklet(*args)


def test_state_comes_before_the_missing_function():
    """An unbound target that is not in the way says 'not bound', others their state first."""
    for args in (((),), (None, {}), ((), {})):
        with raises(RuntimeError, NOT_BOUND):
            stackless.tasklet().bind(None, *args)
        with raises(RuntimeError, NOT_BOUND):
            stackless.tasklet(None, *args)
    with raises(RuntimeError, CURRENT):
        stackless.current.bind(None, ())
    with raises(RuntimeError, SCHEDULED):
        blocked_tasklet().bind(None, ())
    with raises(RuntimeError, C_STATE):
        paused_tasklet().bind(None, ())


def test_main_cannot_be_bound():
    result = []

    def worker(main):
        with pytest.raises(RuntimeError) as e:
            main.bind(nothing)
        result.append(str(e.value))
        with pytest.raises(RuntimeError) as e:
            main.bind(None)
        result.append(str(e.value))
    stackless.tasklet(worker)(stackless.main)
    stackless.schedule()
    assert result == [SCHEDULED, SCHEDULED]
    del result[:]
    stackless.tasklet(worker)(stackless.main)
    stackless.run()                    # main floats
    assert len(result) == 2 and set(result) <= {C_STATE, "can't unbind the main tasklet", SCHEDULED}


def test_args_must_be_exact_kinds_or_subclasses():
    class T(tuple):
        pass

    class D(dict):
        pass
    got = []
    stackless.tasklet(lambda *a, **k: got.append((a, k)), T((1,)), D(x=2)).insert()
    stackless.run()
    assert got == [((1,), {"x": 2})]


def test_arguments_are_not_kept():
    import sys
    value = object()
    before = sys.getrefcount(value)
    t = stackless.tasklet(nothing)(value, x=value)
    assert sys.getrefcount(value) > before
    stackless.run()
    assert sys.getrefcount(value) == before
    t = stackless.tasklet(nothing, (value,), {"x": value})
    t.bind(None)
    assert sys.getrefcount(value) == before


@pytest.mark.parametrize("call", [
    lambda: stackless.tasklet(nothing, (), {}, 1),
    lambda: stackless.tasklet(nothing, nonsense=1),
    lambda: stackless.tasklet().bind(nothing, (), {}, 1),
    lambda: stackless.tasklet().bind(nothing, nonsense=1),
])
def test_wrong_argument_counts(call):
    with pytest.raises(TypeError):
        call()


def test_any_callable_will_do():
    class C:
        def __call__(self, x):
            log.append(x)

        def method(self, x):
            log.append(x)
    log = []
    import functools
    for n, f in enumerate((C(), C().method, log.append, lambda x: log.append(x),
                           functools.partial(log.append))):
        stackless.tasklet(f)(n)
    stackless.run()
    assert log == [0, 1, 2, 3, 4]


def test_wrong_arguments_for_the_function_are_its_own_error():
    stackless.tasklet(lambda: 1)(1, 2)
    with raises(TypeError):
        stackless.run()
