"""Spec sections 1.3, 4.5, 4.7, 4.8: flags, attributes and their types."""
import re
import threading
import types

import pytest

import stackless
from helpers import (blocked_tasklet, nothing, paused_tasklet, raises, started_paused, state)


def make_dead():
    t = stackless.tasklet(nothing)()
    t.run()
    return t


MAKE = {
    "unbound": stackless.tasklet,
    "bound": lambda: stackless.tasklet(nothing),
    "fresh paused": lambda: stackless.tasklet(nothing, ()),
    "fresh runnable": lambda: stackless.tasklet(nothing)(),
    "paused": paused_tasklet,
    "runnable": lambda: paused_tasklet().insert(),
    "blocked": blocked_tasklet,
    "current": lambda: stackless.current,
    "dead": make_dead,
}
FLAGS = {"unbound": "", "bound": "", "fresh paused": "ap", "fresh runnable": "as", "paused": "ap",
         "runnable": "as", "blocked": "asb", "current": "as", "dead": ""}
RESTORABLE = {"unbound": True, "bound": True, "fresh paused": True, "fresh runnable": True,
              "paused": False, "runnable": False, "blocked": False, "current": False, "dead": True}
TYPES = {
    "alive": bool, "paused": bool, "blocked": bool, "scheduled": bool, "restorable": bool,
    "atomic": bool, "ignore_nesting": bool, "block_trap": bool, "is_main": bool,
    "is_current": bool, "thread_id": int, "recursion_depth": int, "nesting_level": int,
    "context_id": int,
}
WRITABLE = {"block_trap", "tempval", "trace_function", "profile_function"}
READ_ONLY = (set(TYPES) | {"next", "prev", "frame", "cstate", "_channel"}) - WRITABLE


@pytest.fixture(params=MAKE)
def target(request):
    t = MAKE[request.param]()
    yield request.param, t
    if t.alive and t is not stackless.current:
        t.kill()
    stackless.run()


def test_state_flags(target):
    how, t = target
    assert state(t) == FLAGS[how]


def test_types(target):
    _, t = target
    for name, kind in TYPES.items():
        assert type(getattr(t, name)) is kind, name
    assert t.frame is None or type(t.frame) is types.FrameType
    for n in (t.next, t.prev):
        assert n is None or isinstance(n, stackless.tasklet)
    t.cstate
    t.trace_function, t.profile_function


def test_read_only(target):
    _, t = target
    for name in sorted(READ_ONLY):
        before = getattr(t, name)
        with pytest.raises(AttributeError):
            setattr(t, name, 1)
        with pytest.raises(AttributeError):
            delattr(t, name)
        if name not in ("recursion_depth", "frame", "cstate"):
            assert getattr(t, name) == before


def test_restorable(target):
    how, t = target
    if how != "current":
        assert t.restorable is RESTORABLE[how]


def test_is_main_and_current(target):
    how, t = target
    assert t.is_main is (how == "current")
    assert t.is_current is (how == "current")
    assert t.thread_id == threading.get_ident()


def test_frame(target):
    how, t = target
    if how in ("paused", "runnable"):
        assert t.frame.f_code.co_name == "pause"
    elif how == "current":
        assert t.frame.f_code.co_name == "test_frame"
    elif how != "blocked":               # there the function is the C method receive
        assert t.frame is None


def test_recursion_depth(target):
    how, t = target
    if how in ("unbound", "bound", "fresh paused", "fresh runnable", "dead"):
        assert t.recursion_depth == 0
    else:
        assert t.recursion_depth >= 0


def test_recursion_depth_grows():
    depths = []

    def f(n):
        if n:
            return f(n - 1)
        depths.append(stackless.current.recursion_depth)
    for n in (0, 50):
        stackless.tasklet(f)(n)
    stackless.run()
    assert 45 <= depths[1] - depths[0] <= 55


def test_channel_attribute(target):
    how, t = target
    assert (t._channel is None) is (how != "blocked")


def test_channel_attribute_is_the_channel():
    c = stackless.channel()
    t = blocked_tasklet(c)
    assert t._channel is c
    c.send(1)
    assert t._channel is None
    stackless.run()


def test_next_prev(target):
    how, t = target
    if how in ("fresh runnable", "runnable"):
        assert t.next is t.prev is stackless.current
    elif how == "current":
        assert t.next is t.prev is t
    else:
        assert t.next is None and t.prev is None


def test_repr(target):
    """Stackless shows the address only; ours adds the name, where there is one, and the state."""
    _, t = target
    form = r"<\S*tasklet object %sat 0x[0-9a-fA-F]+, (\w+)>"
    assert re.fullmatch(form % "('[^']*' )?", repr(t)).group(2) == t.state
    if not t.is_main:
        t.name = "some name"
        assert re.fullmatch(form % "'some name' ", repr(t))


def test_identity(target):
    _, t = target
    other = stackless.tasklet()
    assert bool(t) is True and t == t and t != other and hash(t) == hash(t)
    with pytest.raises(TypeError):
        t < other


def test_no_dict(target):
    _, t = target
    with pytest.raises(AttributeError):
        t.nonsense = 1
    with pytest.raises(AttributeError):
        t.nonsense


class TestFlagMethods:
    @pytest.mark.parametrize("name", ["atomic", "ignore_nesting"])
    def test_set(self, target, name):
        _, t = target
        put = getattr(t, "set_" + name)
        assert getattr(t, name) is False
        assert put(1) is False and getattr(t, name) is True
        assert put(True) is True and put(5) is True
        assert put(0) is True and getattr(t, name) is False
        assert put(False) is False

    @pytest.mark.parametrize("name", ["atomic", "ignore_nesting"])
    def test_errors(self, name):
        put = getattr(stackless.tasklet(), "set_" + name)
        text = "set_%s needs exactly one bool or integer" % name
        for bad in ("x", None, 1.5, []):
            with raises(TypeError, text):
                put(bad)
        with pytest.raises(TypeError):
            put()
        with pytest.raises(TypeError):
            put(1, 2)

    def test_new_ones_start_with_all_off(self):
        me = stackless.current
        me.set_atomic(1)
        me.set_ignore_nesting(1)
        me.block_trap = True
        try:
            t = stackless.tasklet(nothing)
            assert not (t.atomic or t.ignore_nesting or t.block_trap)
        finally:
            me.set_atomic(0)
            me.set_ignore_nesting(0)
            me.block_trap = False

    def test_atomic_belongs_to_the_tasklet(self):
        seen = []

        def f():
            seen.append(stackless.current.atomic)
            with stackless.atomic():
                seen.append(stackless.current.atomic)
                stackless.schedule()
                seen.append(stackless.current.atomic)
            seen.append(stackless.current.atomic)

        def g():
            seen.append(("g", stackless.current.atomic))
        stackless.tasklet(f)()
        stackless.tasklet(g)()
        stackless.run()
        assert seen == [False, True, ("g", False), True, False]

    def test_flags_survive_the_run(self):
        seen = []

        def f():
            seen.append((stackless.current.atomic, stackless.current.ignore_nesting))
        t = stackless.tasklet(f)
        t.set_atomic(1)
        t.set_ignore_nesting(True)
        t()
        stackless.run()
        assert seen == [(True, True)]


class TestBlockTrap:
    def test_values(self, target):
        _, t = target
        for value, reads in ((True, True), (False, False), (1, True), (0, False), (7, True)):
            t.block_trap = value
            assert t.block_trap is reads
        t.block_trap = False

    def test_errors(self):
        t = stackless.tasklet()
        for bad in ("x", None, 1.5):
            with raises(TypeError, "block_trap must be set to a bool or integer"):
                t.block_trap = bad
        with pytest.raises((TypeError, AttributeError)):
            del t.block_trap

    def test_concerns_channels_only(self):
        def f():
            stackless.current.block_trap = True
            stackless.schedule(None)
            stackless.schedule_remove(None)
            log.append("on")
        log = []
        t = stackless.tasklet(f)()
        stackless.run()
        assert t.paused
        t.insert()
        stackless.run()
        assert log == ["on"]


def test_is_current_inside():
    seen = []
    t = stackless.tasklet(lambda: seen.append((t.is_current, t.is_main, stackless.main.is_current)))
    t()
    stackless.run()
    assert seen == [(True, False, False)]
    assert t.is_current is False


def test_constructor_keywords():
    t = stackless.tasklet(func=nothing, args=(1,), kwargs={})
    assert state(t) == "ap"


def test_trace_functions_are_per_tasklet():
    t = started_paused(stackless.schedule_remove, None)
    assert t.trace_function is None and t.profile_function is None
    t.trace_function = nothing
    t.profile_function = print
    assert t.trace_function is nothing and t.profile_function is print
    t.trace_function = None
    t.profile_function = None
    assert t.trace_function is None and t.profile_function is None
    t.kill()
