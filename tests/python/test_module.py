"""Spec section 2: the module object, its names, the small functions."""
import builtins
import copy
import pickle
import threading
import types

import pytest

import gossamer
import stackless
from helpers import blocked_tasklet, nothing, paused_tasklet, python, raises

ALL = """atomic channel enable_softswitch get_channel_callback get_schedule_callback
get_thread_info getcurrent getcurrentid getdebug getmain getruncount getthreads
getuncollectables pickle_with_tracing_state run schedule schedule_remove
set_channel_callback set_error_handler set_schedule_callback switch_trap tasklet
stackless""".split()
BESIDE = """bomb current debug main runcount threads uncollectables pickle_flags
pickle_flags_default PICKLEFLAGS_PRESERVE_TRACING_STATE PICKLEFLAGS_PRESERVE_AG_FINALIZER
PICKLEFLAGS_RESET_AG_FINALIZER PICKLEFLAGS_PICKLE_CONTEXT
_tasklet_get_unpicklable_state""".split()
COMPUTED = "current main runcount threads uncollectables debug".split()
GETTERS = """getcurrent getmain getruncount getcurrentid getthreads getuncollectables
getdebug get_channel_callback get_schedule_callback""".split()


def test_all_has_the_names_of_the_spec():
    assert set(stackless.__all__) >= set(ALL)


@pytest.mark.parametrize("name", ALL + BESIDE)
def test_name_exists(name):
    getattr(stackless, name)


def test_module_object():
    assert isinstance(stackless, types.ModuleType)
    assert type(stackless) is not types.ModuleType
    assert stackless.stackless is stackless


def test_module_copy_is_the_module():
    assert copy.copy(stackless) is stackless
    assert copy.deepcopy(stackless) is stackless
    assert pickle.loads(pickle.dumps(stackless)) is stackless


def test_unknown_names_can_be_assigned():
    stackless.some_unknown_name = 1
    del stackless.some_unknown_name


@pytest.mark.parametrize("name", COMPUTED)
def test_computed_attributes_are_read_only(name):
    before = getattr(stackless, name)
    with pytest.raises(AttributeError):
        setattr(stackless, name, 1)
    assert getattr(stackless, name) == before


@pytest.mark.parametrize("module", [stackless, gossamer], ids=["stackless", "gossamer"])
def test_computed_attributes_follow_the_getters(module):
    assert module.current is stackless.getcurrent()
    assert module.main is stackless.getmain()
    assert module.runcount == stackless.getruncount() == 1
    seen = []
    t = stackless.tasklet(lambda: seen.append((module.current, module.main, module.runcount)))()
    assert module.runcount == 2
    stackless.run()
    assert seen == [(t, stackless.main, 1)]


def test_same_objects_in_both_modules():
    for name in "tasklet channel bomb atomic run schedule schedule_remove".split():
        assert getattr(stackless, name) is getattr(gossamer, name)


@pytest.mark.parametrize("name", GETTERS)
def test_getters_take_no_arguments(name):
    with pytest.raises(TypeError):
        getattr(stackless, name)(1)


def test_taskletexit_in_module_and_builtins():
    assert stackless.TaskletExit is builtins.TaskletExit is gossamer.TaskletExit
    assert TaskletExit.__mro__[:3] == (TaskletExit, SystemExit, BaseException)
    assert TaskletExit(1, 2).args == (1, 2)


def test_gossamer_alone_leaves_builtins_alone():
    out = python("""
        import builtins, gossamer
        print(hasattr(builtins, 'TaskletExit'), hasattr(gossamer, 'TaskletExit'))
        import stackless
        print(builtins.TaskletExit is gossamer.TaskletExit)""").stdout
    assert out == "False True\nTrue\n"


def test_from_stackless_import_stackless():
    from stackless import stackless as again
    assert again is stackless


def test_currentid():
    assert stackless.getcurrentid() == threading.get_ident()
    ids = []
    for _ in range(2):
        stackless.tasklet(lambda: (ids.append(stackless.getcurrentid()), stackless.schedule()))()
    stackless.run()
    assert len(set(ids)) == 2 and threading.get_ident() not in ids
    assert all(type(i) is int for i in ids)


def test_getthreads():
    assert stackless.getthreads()[0] == threading.main_thread().ident
    assert stackless.threads == stackless.getthreads()
    go, stop = threading.Event(), threading.Event()
    th = threading.Thread(target=lambda: (go.set(), stop.wait()))
    th.start()
    go.wait()
    assert th.ident in stackless.getthreads()
    stop.set()
    th.join()


def test_get_thread_info():
    me = stackless.current
    assert stackless.get_thread_info() == (stackless.main, me, 1)
    assert stackless.get_thread_info(-1)[:3] == (stackless.main, me, 1)
    assert stackless.get_thread_info(threading.get_ident())[:3] == (stackless.main, me, 1)
    stackless.tasklet(nothing)()
    assert stackless.get_thread_info()[2] == 2
    stackless.run()
    with raises(RuntimeError, "Thread id not found"):
        stackless.get_thread_info(1)
    for bad in (-2, -1000, 1 << 200):
        with pytest.raises(OverflowError):
            stackless.get_thread_info(bad)
    with pytest.raises(TypeError):
        stackless.get_thread_info("1")
    with pytest.raises(TypeError):
        stackless.get_thread_info(thread_id=-1)


def test_getuncollectables_lists_started_suspended_tasklets():
    t, b = paused_tasklet(), blocked_tasklet()
    fresh = stackless.tasklet(nothing)()
    found = stackless.getuncollectables()
    assert type(found) is list
    assert t in found and b in found and fresh not in found
    assert t in stackless.uncollectables
    stackless.run()


def test_getdebug():
    assert stackless.getdebug() is False
    assert stackless.debug is False


def test_enable_softswitch_is_always_off():
    for flag in (None, True, False, 1, "x", None):
        assert stackless.enable_softswitch(flag) is False
    with pytest.raises(TypeError):
        stackless.enable_softswitch()


class TestCallbackSetters:
    @pytest.mark.parametrize("kind", ["channel", "schedule"])
    def test_set_get(self, kind):
        put = getattr(stackless, "set_%s_callback" % kind)
        get = getattr(stackless, "get_%s_callback" % kind)
        assert get() is None and put(nothing) is None
        assert get() is nothing and put(print) is nothing
        with raises(TypeError, "%s callback must be callable" % kind):
            put(1)
        assert get() is print
        assert put(None) is print and get() is None
        with pytest.raises(TypeError):
            put()

    def test_error_handler_is_not_validated(self):
        assert stackless.set_error_handler(5) is None
        assert stackless.set_error_handler(nothing) == 5
        assert stackless.set_error_handler() is nothing
        assert stackless.set_error_handler() is None


class TestBomb:
    @pytest.mark.parametrize("args, expected", [
        ((), (None, None, None)),
        ((ValueError,), (ValueError, None, None)),
        ((ValueError, 1), (ValueError, 1, None)),
        ((ValueError, 1, None), (ValueError, 1, None)),
        (((ValueError, 2, None),), (ValueError, 2, None)),
        (((ValueError, 2),), (ValueError, 2, None)),
        (((ValueError,),), (ValueError, None, None)),
        (((),), (None, None, None)),
    ])
    def test_arguments(self, args, expected):
        b = stackless.bomb(*args)
        assert (b.type, b.value, b.traceback) == expected

    def test_keywords(self):
        b = stackless.bomb(type=KeyError, value=3, traceback=None)
        assert (b.type, b.value) == (KeyError, 3)

    def test_errors(self):
        with pytest.raises(TypeError):
            stackless.bomb(1, 2, 3, 4)
        with pytest.raises(TypeError):
            type("sub", (stackless.bomb,), {})
        b = stackless.bomb(ValueError)
        for name in ("type", "value", "traceback"):
            with pytest.raises(AttributeError):
                setattr(b, name, 1)

    def test_a_bomb_in_tempval_goes_off(self):
        got = []

        def f():
            try:
                stackless.schedule_remove(None)
            except KeyError as e:
                got.append(e.args)
        t = stackless.tasklet(f)()
        t.run()
        t.tempval = stackless.bomb(KeyError, KeyError(7))
        t.insert()
        stackless.run()
        assert got == [(7,)]


def test_atomic_class():
    me = stackless.current
    a = stackless.atomic()
    assert me.atomic is False
    assert a.__enter__() is None
    assert me.atomic is True
    with stackless.atomic():
        assert me.atomic is True
    assert me.atomic is True
    a.__exit__(None, None, None)
    assert me.atomic is False
    with raises(ZeroDivisionError):
        with a:
            1 / 0
    assert me.atomic is False
    with pytest.raises(TypeError):
        stackless.atomic(1)
    with pytest.raises(TypeError):
        type("sub", (stackless.atomic,), {})


def test_constants():
    assert stackless.PICKLEFLAGS_PRESERVE_TRACING_STATE == 1
    assert stackless.PICKLEFLAGS_PRESERVE_AG_FINALIZER == 2
    assert stackless.PICKLEFLAGS_RESET_AG_FINALIZER == 4
    assert stackless.PICKLEFLAGS_PICKLE_CONTEXT == 8


def test_subinterpreters_are_refused():
    out = python("""
        try:
            import _interpreters as i
        except ImportError:
            import _xxsubinterpreters as i
        me = i.create()
        src = '''if 1:
            try:
                import stackless
            except ImportError as e:
                print("refused:", bool(str(e)))
            else:
                print("imported")
        '''
        import stackless
        print(i.run_string(me, src) or "")""").stdout
    assert "refused: True" in out
