"""The C API: types, and what it does to tasklets. Called through the extension in tests/capi, errors included."""
import glob
import os
import re
import sys
import threading

import pytest

import gossamer
import stackless
from capi.build import header
from capi.fixture import N, capi
from helpers import blocked_tasklet, nothing, pause, paused_tasklet, raises, started_paused

NOT_A_TASKLET = "gossamer.tasklet needed, not "
NOT_A_CHANNEL = "gossamer.channel needed, not "


class Tasklet(stackless.tasklet):
    def run(self):
        raise AssertionError("an overridden method was called")

    insert = remove = kill = run


class Channel(stackless.channel):
    pass


def public_names():
    with open(header()) as file:
        text = file.read()
    names = set(re.findall(r"^static inline [\w ]+[ *](Py\w+[^\W_])\(", text, re.M))
    return names | set(re.findall(r"^#define (Py\w+_Check\w*)\(", text, re.M))


def text_of_these_tests():
    text = ""
    for name in glob.glob(os.path.join(os.path.dirname(__file__), "test_capi*.py")):
        with open(name) as file:
            text += file.read()
    return text


class TestTable:
    def test_every_function_is_wrapped_and_tested(self, capi):
        names = public_names()
        assert len(names) > 65
        assert names - set(dir(capi)) == set()
        text = text_of_these_tests()
        assert [name for name in sorted(names) if not re.search(rf"capi\.{name}\b", text)] == []

    def test_no_slot_is_empty(self, capi):
        assert capi.empty_slots() == 0

    def test_types(self, capi):
        assert capi.PyTasklet_Type is stackless.tasklet
        assert capi.PyChannel_Type is stackless.channel
        assert capi.PyBomb_Type is stackless.bomb
        assert capi.PyCStack_Type is stackless.cstack

    def test_checks(self, capi):
        t, c = Tasklet(), Channel()
        assert capi.PyTasklet_Check(t) and not capi.PyTasklet_CheckExact(t)
        assert capi.PyTasklet_Check(stackless.main) and capi.PyTasklet_CheckExact(stackless.main)
        assert not capi.PyTasklet_Check(c) and not capi.PyTasklet_CheckExact(c)
        assert capi.PyChannel_Check(c) and not capi.PyChannel_CheckExact(c)
        assert capi.PyChannel_CheckExact(stackless.channel()) and capi.PyChannel_Check(gossamer.BufferedChannel(1))
        assert not capi.PyChannel_Check(t) and not capi.PyChannel_CheckExact(t)
        assert capi.PyBomb_Check(stackless.bomb()) and not capi.PyBomb_Check(t)
        assert not capi.PyCStack_Check(t)

    def test_flags(self, capi):
        assert (capi.Py_WATCHDOG_THREADBLOCK, capi.PY_WATCHDOG_SOFT, capi.PY_WATCHDOG_IGNORE_NESTING,
                capi.PY_WATCHDOG_TOTALTIMEOUT) == (1, 2, 4, 8)

    @pytest.mark.parametrize("wrong", [N, 5, stackless.channel()], ids=["NULL", "int", "channel"])
    def test_wrong_tasklets(self, capi, wrong):
        for call in (lambda: capi.PyTasklet_Setup(wrong, N, N), lambda: capi.PyTasklet_BindEx(wrong, N, N, N),
                     lambda: capi.PyTasklet_BindThread(wrong, -1), lambda: capi.PyTasklet_Run(wrong),
                     lambda: capi.PyTasklet_Switch(wrong), lambda: capi.PyTasklet_Insert(wrong),
                     lambda: capi.PyTasklet_Remove(wrong), lambda: capi.PyTasklet_RaiseException(wrong, KeyError, N),
                     lambda: capi.PyTasklet_Throw(wrong, 0, KeyError, N, N), lambda: capi.PyTasklet_Kill(wrong),
                     lambda: capi.PyTasklet_SetAtomic(wrong, 1), lambda: capi.PyTasklet_SetIgnoreNesting(wrong, 1)):
            with raises(TypeError, NOT_A_TASKLET + ("NULL" if wrong is N else type(wrong).__module__.replace(
                    "builtins", "") + "." * (wrong != 5) + type(wrong).__name__)):
                call()

    @pytest.mark.parametrize("wrong", [N, 5, stackless.tasklet()], ids=["NULL", "int", "tasklet"])
    def test_wrong_channels(self, capi, wrong):
        for call in (lambda: capi.PyChannel_Send(wrong, 1), lambda: capi.PyChannel_Receive(wrong),
                     lambda: capi.PyChannel_SendException(wrong, KeyError, N),
                     lambda: capi.PyChannel_SendThrow(wrong, KeyError, N, N)):
            with pytest.raises(TypeError, match="^" + NOT_A_CHANNEL):
                call()


class TestBinding:
    def test_new(self, capi):
        t = capi.PyTasklet_New(N, len)
        assert type(t) is stackless.tasklet and t.state == "bound"
        t = capi.PyTasklet_New(Tasklet, N)
        assert type(t) is Tasklet and t.state == "new"
        with raises(TypeError, "a subtype of gossamer.tasklet is needed, not int"):
            capi.PyTasklet_New(int, len)
        with raises(TypeError, "tasklet function must be a callable or None"):
            capi.PyTasklet_New(N, 5)

    def test_new_of_a_type_that_makes_something_else(self, capi):
        class Liar(stackless.tasklet):
            def __new__(cls):
                return 5
        with raises(TypeError, NOT_A_TASKLET + "int"):
            capi.PyTasklet_New(Liar, N)

    def test_setup(self, capi):
        got = []
        t = capi.PyTasklet_New(N, lambda *args, **kwargs: got.append((args, kwargs)))
        assert capi.PyTasklet_Setup(t, (1, 2), {"a": 3}) == 0
        assert t.scheduled
        with raises(RuntimeError, "tasklet is alive"):
            capi.PyTasklet_Setup(t, N, N)
        stackless.run()
        capi.PyTasklet_BindEx(t, lambda: got.append("again"), N, N)
        assert capi.PyTasklet_Setup(t, N, N) == 0
        stackless.run()
        assert got == [((1, 2), {"a": 3}), "again"]
        with raises(RuntimeError, "the tasklet was not bound to a function"):
            capi.PyTasklet_Setup(t, N, N)
        with raises(TypeError, "tuple needed, not list"):
            capi.PyTasklet_Setup(t, [], N)
        with raises(TypeError, "dict needed, not list"):
            capi.PyTasklet_Setup(t, N, [])

    def test_bind(self, capi):
        got = []
        t = stackless.tasklet()
        assert capi.PyTasklet_BindEx(t, got.append, ("x",), N) == 0
        assert t.paused
        t.insert()
        with raises(RuntimeError, "tasklet is scheduled"):
            capi.PyTasklet_BindEx(t, len, N, N)
        stackless.run()
        assert got == ["x"]
        for func, args, kwargs in ((5, N, N), (len, [], N), (len, N, [])):
            with pytest.raises(TypeError):
                capi.PyTasklet_BindEx(t, func, args, kwargs)
        assert capi.PyTasklet_BindEx(t, N, N, N) == 0 and t.state == "new"
        with raises(RuntimeError, "can't (re)bind the current tasklet"):
            capi.PyTasklet_BindEx(stackless.main, len, N, N)

    def test_bind_thread(self, capi):
        t = Tasklet(nothing)
        assert capi.PyTasklet_BindThread(t, -1) == 0
        assert capi.PyTasklet_BindThread(t, threading.get_ident()) == 0
        assert t.thread_id == threading.get_ident()
        with raises(ValueError, "bad thread"):
            capi.PyTasklet_BindThread(t, 12345)
        with raises(RuntimeError, "can't (re)bind a runnable tasklet"):
            capi.PyTasklet_BindThread(stackless.main, threading.get_ident())


class TestRunning:
    def test_run_and_switch(self, capi):
        for run, switch in ((capi.PyTasklet_Run, capi.PyTasklet_Switch), (capi.PyTasklet_Run_nr, capi.PyTasklet_Switch_nr)):
            log = []

            def f(name):
                log.append(name)
                pause()
                log.append(name + name)

            t = Tasklet(f)("a")
            assert run(t) == 0 and log == ["a"] and t.paused
            main = stackless.main
            waker = stackless.tasklet(lambda: main.insert())()
            assert switch(t) == 0 and log == ["a", "aa"] and not waker.alive

    def test_run_errors(self, capi):
        blocked, dead = blocked_tasklet(), stackless.tasklet()
        for function in (capi.PyTasklet_Run, capi.PyTasklet_Run_nr, capi.PyTasklet_Switch, capi.PyTasklet_Switch_nr,
                         capi.PyTasklet_Insert):
            with raises(RuntimeError, "You cannot run a blocked tasklet"):
                function(blocked)
            with raises(RuntimeError, "You cannot run an unbound(dead) tasklet"):
                function(dead)
        for function in (capi.PyTasklet_Run, capi.PyTasklet_Switch, capi.PyTasklet_Insert):
            assert function(stackless.current) == 0
        t = paused_tasklet()
        stackless.switch_trap(1)
        try:
            for function in (capi.PyTasklet_Run, capi.PyTasklet_Switch):
                with raises(RuntimeError, "switch_trap"):
                    function(t)
        finally:
            stackless.switch_trap(-1)
        t.kill()
        blocked.kill()

    def test_exception_of_the_other_arrives(self, capi):
        def bad():
            raise KeyError("bad")
        for function in (capi.PyTasklet_Run, capi.PyTasklet_Switch):
            with raises(KeyError, "'bad'"):
                function(stackless.tasklet(bad)())

    def test_insert_and_remove(self, capi):
        got = []
        t = Tasklet(got.append)(1)
        assert capi.PyTasklet_Remove(t) == 0 == capi.PyTasklet_Remove(t)
        assert t.paused
        assert capi.PyTasklet_Insert(t) == 0 == capi.PyTasklet_Insert(t)
        stackless.run()
        assert got == [1]
        with raises(RuntimeError, "The current tasklet cannot be removed."):
            capi.PyTasklet_Remove(stackless.main)
        blocked = blocked_tasklet()
        with raises(RuntimeError, "You cannot remove a blocked tasklet."):
            capi.PyTasklet_Remove(blocked)
        blocked.kill()


class TestRaising:
    @staticmethod
    def catcher(got):
        try:
            pause()
        except BaseException as error:
            got.append(error)

    def test_raise_exception(self, capi):
        for args, expected in ((N, ()), ((1, 2), (1, 2)), ("one", ("one",))):
            got = []
            t = started_paused(self.catcher, got)
            assert capi.PyTasklet_RaiseException(t, KeyError, args) == 0
            assert type(got[0]) is KeyError and got[0].args == expected and not t.alive
        with raises(RuntimeError, "You cannot throw to a dead tasklet"):
            capi.PyTasklet_RaiseException(t, KeyError, N)
        for wrong in (N, 5, KeyError(1)):
            with raises(TypeError, "tasklet.raise_exception needs Exception or string subclass as first parameter"):
                capi.PyTasklet_RaiseException(t, wrong, N)
        with raises(KeyError, "3"):
            capi.PyTasklet_RaiseException(stackless.main, KeyError, 3)

    def test_throw(self, capi):
        got = []
        for pending in (0, 1):
            t = started_paused(self.catcher, got)
            assert capi.PyTasklet_Throw(t, pending, KeyError, 7, N) == 0
            assert len(got) == 1 - pending
            stackless.run()
            assert got.pop().args == (7,)
        with raises(TypeError, "exceptions must be classes, or instances, not NoneType"):
            capi.PyTasklet_Throw(t, 0, N, N, N)
        with raises(TypeError, "instance exception may not have a separate value"):
            capi.PyTasklet_Throw(t, 0, KeyError(1), 2, N)
        with raises(TypeError, "third argument must be a traceback object"):
            capi.PyTasklet_Throw(t, 0, KeyError, N, 5)
        for pending in (0, 1):
            with raises(RuntimeError, "You cannot throw to a dead tasklet"):
                capi.PyTasklet_Throw(t, pending, KeyError, N, N)
            assert capi.PyTasklet_Throw(t, pending, TaskletExit, N, N) == 0
            with raises(KeyError):
                capi.PyTasklet_Throw(stackless.main, pending, KeyError, N, N)

    def test_throw_with_traceback(self, capi):
        try:
            raise KeyError(1)
        except KeyError as error:
            origin = error.__traceback__
        got = []
        t = started_paused(self.catcher, got)
        assert capi.PyTasklet_Throw(t, 0, KeyError, N, origin) == 0
        tb = got[0].__traceback__
        while tb.tb_next:
            tb = tb.tb_next
        assert tb is origin

    def test_kill(self, capi):
        t = Tasklet(pause)()
        capi.PyTasklet_Run(t)
        assert capi.PyTasklet_Kill(t) == 0 and not t.alive
        assert capi.PyTasklet_Kill(t) == 0 == capi.PyTasklet_KillEx(t, 1)
        t = paused_tasklet()
        assert capi.PyTasklet_KillEx(t, 1) == 0 and t.alive
        stackless.run()
        assert not t.alive
        t = paused_tasklet()
        assert capi.PyTasklet_KillEx(t, 0) == 0 and not t.alive
        for call in (lambda: capi.PyTasklet_Kill(stackless.main), lambda: capi.PyTasklet_KillEx(stackless.main, 1)):
            with pytest.raises(TaskletExit):
                call()


class TestTaskletState:
    def test_flags(self, capi):
        t = stackless.tasklet()
        for put, get, name in ((capi.PyTasklet_SetAtomic, capi.PyTasklet_GetAtomic, "atomic"),
                               (capi.PyTasklet_SetIgnoreNesting, capi.PyTasklet_GetIgnoreNesting, "ignore_nesting")):
            assert get(t) == 0
            assert put(t, 5) == 0 and get(t) == 1 and getattr(t, name) is True
            assert put(t, 0) == 1 and get(t) == 0 and getattr(t, name) is False
        assert capi.PyTasklet_SetAtomic(t, 0) == 0 == capi.PyTasklet_GetAtomic(t)
        assert capi.PyTasklet_SetIgnoreNesting(t, 0) == 0 == capi.PyTasklet_GetIgnoreNesting(t)

    def test_block_trap(self, capi):
        main = stackless.main
        assert capi.PyTasklet_GetBlockTrap(main) == 0
        capi.PyTasklet_SetBlockTrap(main, 3)
        assert capi.PyTasklet_GetBlockTrap(main) == 1
        waiting = stackless.tasklet(pause)()
        with raises(RuntimeError, "this tasklet does not like to be blocked."):
            capi.PyChannel_Receive(stackless.channel())
        capi.PyTasklet_SetBlockTrap(main, 0)
        assert not main.block_trap
        waiting.kill()

    def test_states_agree_with_python(self, capi):
        blocked, paused, ready = blocked_tasklet(), paused_tasklet(), stackless.tasklet(nothing)()
        sleeping = stackless.tasklet(gossamer.sleep)(0.01)
        sleeping.run()
        selecting = stackless.tasklet(gossamer.select)([stackless.channel()])
        selecting.run()
        for t in (stackless.main, blocked, paused, ready, sleeping, selecting, stackless.tasklet(), stackless.tasklet(len)):
            assert capi.PyTasklet_IsMain(t) == t.is_main
            assert capi.PyTasklet_IsCurrent(t) == t.is_current
            assert capi.PyTasklet_Alive(t) == t.alive
            assert capi.PyTasklet_Paused(t) == t.paused
            assert capi.PyTasklet_Scheduled(t) == t.scheduled
            assert capi.PyTasklet_Restorable(t) == t.restorable
            assert capi.PyTasklet_GetNestingLevel(t) == t.nesting_level == 0
            if not t.is_current:        # its depth is another one inside the call
                assert capi.PyTasklet_GetRecursionDepth(t) == t.recursion_depth
            assert capi.PyTasklet_GetPendingIrq(t) == 0
        assert capi.PyTasklet_GetRecursionDepth(stackless.main) > 0
        for t in (blocked, paused, selecting):
            t.kill()
        stackless.run()

    def test_frame(self, capi):
        assert capi.PyTasklet_GetFrame(stackless.tasklet()) is N
        assert capi.PyTasklet_GetFrame(stackless.tasklet(len)("x")) is N
        assert capi.PyTasklet_GetFrame(stackless.main) is sys._getframe()
        t = paused_tasklet()
        assert capi.PyTasklet_GetFrame(t) is t.frame
        assert capi.PyTasklet_GetFrame(t).f_code is pause.__code__
        t.kill()
        assert capi.PyTasklet_GetFrame(t) is N
        stackless.run()
