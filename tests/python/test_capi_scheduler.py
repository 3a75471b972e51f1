"""The C API: channels, the scheduler, callbacks."""
import sys
import threading

import pytest

import gossamer
import stackless
from capi.fixture import N, capi
from helpers import blocked_tasklet, nothing, pause, paused_tasklet, raises


class Channel(stackless.channel):
    def send(self, value):
        raise AssertionError("an overridden method was called")

    receive = send


class TestChannels:
    def test_new(self, capi):
        assert type(capi.PyChannel_New(N)) is stackless.channel
        assert type(capi.PyChannel_New(Channel)) is Channel
        with raises(TypeError, "a subtype of gossamer.channel is needed, not int"):
            capi.PyChannel_New(int)
        with pytest.raises(TypeError):
            capi.PyChannel_New(gossamer.BufferedChannel)    # needs a capacity

    def test_send_and_receive(self, capi):
        for send, receive in ((capi.PyChannel_Send, capi.PyChannel_Receive),
                              (capi.PyChannel_Send_nr, capi.PyChannel_Receive_nr)):
            c, got, value = Channel(), [], object()
            stackless.tasklet(lambda: got.append(receive(c)))()
            assert send(c, value) == 0 and got == [value]
            stackless.tasklet(send)(c, value)
            assert receive(c) is value
            stackless.run()

    def test_errors(self, capi):
        c = stackless.channel()
        for call in (lambda: capi.PyChannel_Receive(c), lambda: capi.PyChannel_Receive_nr(c),
                     lambda: capi.PyChannel_Send(c, 1), lambda: capi.PyChannel_Send_nr(c, 1),
                     lambda: capi.PyChannel_SendException(c, KeyError, N),
                     lambda: capi.PyChannel_SendThrow(c, KeyError, N, N)):
            with raises(RuntimeError, "Deadlock: the last runnable tasklet cannot be blocked."):
                call()
            c.close()
            with raises(ValueError, "Send/receive operation on a closed channel"):
                call()
            c.open()
            ready = stackless.tasklet(nothing)()
            stackless.switch_trap(1)
            try:
                with raises(RuntimeError, "switch_trap"):
                    call()
            finally:
                stackless.switch_trap(-1)
            ready.kill()
        assert c.balance == 0
        with raises(SystemError, "PyChannel_Send needs a value, not NULL"):
            capi.PyChannel_Send(c, N)

    def test_send_exception(self, capi):
        c = stackless.channel()
        for value, expected in ((N, ()), ((1, 2), (1, 2)), (5, (5,))):
            stackless.tasklet(capi.PyChannel_SendException)(c, KeyError, value)
            with pytest.raises(KeyError) as caught:
                capi.PyChannel_Receive(c)
            assert caught.value.args == expected
            stackless.run()
        for wrong in (N, 5, KeyError(1)):
            with raises(TypeError, "channel.send_exception needs Exception or string subclass as first parameter"):
                capi.PyChannel_SendException(c, wrong, N)

    def test_send_throw(self, capi):
        c = stackless.channel()
        error = KeyError("sent")
        stackless.tasklet(capi.PyChannel_SendThrow)(c, error, N, N)
        with pytest.raises(KeyError) as caught:
            capi.PyChannel_Receive(c)
        assert caught.value is error
        stackless.run()
        with raises(TypeError, "exceptions must be classes, or instances, not NoneType"):
            capi.PyChannel_SendThrow(c, N, N, N)
        with raises(TypeError, "instance exception may not have a separate value"):
            capi.PyChannel_SendThrow(c, error, 1, N)
        with raises(TypeError, "third argument must be a traceback object"):
            capi.PyChannel_SendThrow(c, KeyError, N, 1)

    def test_queue_and_balance(self, capi):
        c = stackless.channel()
        assert capi.PyChannel_GetQueue(c) is None and capi.PyChannel_GetBalance(c) == 0
        first, second = blocked_tasklet(c), blocked_tasklet(c)
        assert capi.PyChannel_GetQueue(c) is first and capi.PyChannel_GetBalance(c) == -2
        first.kill()
        second.kill()
        t = stackless.tasklet(c.send)(1)
        t.run()
        assert capi.PyChannel_GetQueue(c) is t and capi.PyChannel_GetBalance(c) == 1
        t.kill()

    def test_closing(self, capi):
        c = stackless.channel()
        assert (capi.PyChannel_GetClosing(c), capi.PyChannel_GetClosed(c)) == (0, 0)
        t = blocked_tasklet(c)
        capi.PyChannel_Close(c)
        assert c.closing and (capi.PyChannel_GetClosing(c), capi.PyChannel_GetClosed(c)) == (1, 0)
        t.kill()
        assert (capi.PyChannel_GetClosing(c), capi.PyChannel_GetClosed(c)) == (1, 1)
        capi.PyChannel_Open(c)
        assert (capi.PyChannel_GetClosing(c), capi.PyChannel_GetClosed(c)) == (0, 0)

    def test_preference_and_schedule_all(self, capi):
        c = stackless.channel()
        assert (capi.PyChannel_GetPreference(c), capi.PyChannel_GetScheduleAll(c)) == (-1, 0)
        for given, kept in ((7, 1), (0, 0), (-2 ** 31, -1), (1, 1), (-1, -1)):
            capi.PyChannel_SetPreference(c, given)
            assert capi.PyChannel_GetPreference(c) == c.preference == kept
        for given, kept in ((256, 1), (0, 0), (-1, 1)):
            capi.PyChannel_SetScheduleAll(c, given)
            assert capi.PyChannel_GetScheduleAll(c) == c.schedule_all == kept


class TestScheduler:
    def test_schedule(self, capi):
        for schedule in (capi.PyStackless_Schedule, capi.PyStackless_Schedule_nr):
            log, value = [], object()
            stackless.tasklet(log.append)(1)
            assert schedule(value, 0) is value and log == [1]
            assert schedule(N, 0) is stackless.main
            stackless.tasklet(log.append)(2)
            assert schedule(value, 1) is value and log == [1, 2]     # nobody is left, so main goes on
            t = stackless.tasklet(lambda: log.append(schedule(value, 1)))()
            t.run()
            assert t.paused and t.tempval is value
            t.tempval = 3
            t.run()
            assert log == [1, 2, 3]

    def test_schedule_errors(self, capi):
        def body(remove):
            with raises(KeyError, "'thrown'"):
                capi.PyStackless_Schedule(None, remove)
        for remove in (0, 1):
            t = stackless.tasklet(body)(remove)
            t.run()
            t.remove()
            t.raise_exception(KeyError, "thrown")
            assert not t.alive
            t = stackless.tasklet(nothing)()
            stackless.switch_trap(1)
            with raises(RuntimeError, "switch_trap"):
                capi.PyStackless_Schedule_nr(None, remove)
            stackless.switch_trap(-1)
            t.kill()

    def test_current_and_count(self, capi):
        assert capi.PyStackless_GetCurrent() is stackless.main
        assert capi.PyStackless_GetCurrentId() == stackless.getcurrentid() == threading.get_ident()
        assert capi.PyStackless_GetRunCount() == 1
        got = []

        def f():
            got.append((capi.PyStackless_GetCurrent(), capi.PyStackless_GetCurrentId(), stackless.getcurrentid(),
                        capi.PyStackless_GetRunCount()))

        t = stackless.tasklet(f)()
        assert capi.PyStackless_GetRunCount() == 2
        stackless.run()
        ((current, from_c, from_python, count),) = got
        assert current is t and from_c == from_python != threading.get_ident() and count == 1

    def test_id_of_a_new_thread(self, capi):
        got = []

        def f():
            got.append(capi.PyStackless_GetCurrentId())     # has no scheduler yet
            got.append(stackless.getcurrentid())
            got.append(capi.PyStackless_GetCurrentId())
            got.append(threading.get_ident())

        thread = threading.Thread(target=f)
        thread.start()
        thread.join()
        assert len(set(got)) == 1

    def test_other_threads_tasklets(self, capi):
        t = paused_tasklet()
        got = []

        def f():
            capi.PyTasklet_Insert(t)
            got.append(t.scheduled)
            capi.PyTasklet_Run(t)
            got.append(t.alive)
            capi.PyTasklet_Kill(t)
            got.append(t.alive)

        thread = threading.Thread(target=f)
        thread.start()
        thread.join()
        assert got == [True, True, True] and t.scheduled
        stackless.run()
        assert not t.alive

    def test_run(self, capi):
        log = []
        stackless.tasklet(log.append)(1)
        assert capi.PyStackless_RunWatchdog(0) is None and log == [1]
        stackless.tasklet(log.append)(2)
        assert capi.PyStackless_RunWatchdogEx(0, 15) is None and log == [1, 2]

        def bad():
            raise KeyError("bad")

        for call in (lambda: capi.PyStackless_RunWatchdog(0), lambda: capi.PyStackless_RunWatchdogEx(0, 0)):
            stackless.tasklet(bad)()
            with raises(KeyError, "'bad'"):
                call()
        with raises(ValueError, "unknown watchdog flags: 16"):
            capi.PyStackless_RunWatchdogEx(0, 17)

    def test_limits(self, capi):
        def hog():
            pending.append(capi.PyTasklet_GetPendingIrq(stackless.current))
            while True:
                pass

        def nested():
            list(map(lambda _: hog(), [1]))

        pending = []
        for body, call in ((hog, lambda: capi.PyStackless_RunWatchdog(300)),
                           (hog, lambda: capi.PyStackless_RunWatchdogEx(300, 8)),
                           (nested, lambda: capi.PyStackless_RunWatchdogEx(300, 4)),
                           (hog, lambda: capi.PyStackless_RunBudget(300, 0, 0)),
                           (hog, lambda: capi.PyStackless_RunBudget(-1, 300, 0)),
                           (nested, lambda: capi.PyStackless_RunBudget(300, 2**62, 4))):
            t = stackless.tasklet(body)()
            assert call() is t and t.paused
            assert capi.PyTasklet_GetPendingIrq(t) == 0
            t.kill()
        assert pending == [0] * 6

    def test_pending_interrupt(self, capi):
        def body():
            with stackless.atomic():
                while not capi.PyTasklet_GetPendingIrq(stackless.current):
                    pass
            while True:
                pass

        t = stackless.tasklet(body)()
        assert capi.PyStackless_RunBudget(300, 0, 0) is t
        t.kill()

    def test_soft_limit(self, capi):
        def body():
            while not capi.PyTasklet_GetPendingIrq(stackless.current):
                pass
            stackless.schedule()

        t, u = stackless.tasklet(body)(), stackless.tasklet(nothing)()
        assert capi.PyStackless_RunBudget(0, 300, 2) is None and t.alive and u.alive
        assert capi.PyStackless_RunBudget(0, 0, 0) is None and not t.alive

    def test_budget_flags(self, capi):
        for flags in (1, 8, 16, -1):
            with raises(ValueError, f"unknown watchdog flags: {flags & ~6}"):
                capi.PyStackless_RunBudget(5, 5, flags)

    def test_preemption(self, capi):
        def body(n):
            while len(turns) < 20:
                if not turns or turns[-1] != n:
                    turns.append(n)

        turns = []
        for n in range(2):
            stackless.tasklet(body)(n)
        assert capi.PyStackless_SetPreemption(300) == 0
        try:
            stackless.run()
        finally:
            assert capi.PyStackless_SetPreemption(0) == 0
        assert turns[:20] == [0, 1] * 10


    def test_trap(self, capi):
        assert capi.PyStackless_AdjustSwitchTrap(2) == 0
        assert stackless.switch_trap(0) == 2
        assert capi.PyStackless_AdjustSwitchTrap(-2) == 2
        assert capi.PyStackless_AdjustSwitchTrap(0) == 0

    def test_error_handler(self, capi):
        error, got = KeyError("pending"), []
        with pytest.raises(KeyError) as caught:
            capi.PyStackless_CallErrorHandler(error)
        assert caught.value is error
        with raises(SystemError, "PyStackless_CallErrorHandler needs a pending exception"):
            capi.PyStackless_CallErrorHandler(N)
        stackless.set_error_handler(lambda *what: got.append(what))
        assert capi.PyStackless_CallErrorHandler(error) == 0
        ((kind, value, tb),) = got
        assert kind is KeyError and value is error
        stackless.set_error_handler(lambda *what: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            capi.PyStackless_CallErrorHandler(error)
        stackless.set_error_handler(None)

    def test_call_main(self, capi):
        assert capi.PyStackless_Call_Main(dict, ([("a", 1)],), {"b": 2}) == {"a": 1, "b": 2}
        assert capi.PyStackless_Call_Main(dict, N, N) == {}
        with pytest.raises(TypeError):
            capi.PyStackless_Call_Main(5, N, N)
        assert capi.PyStackless_CallMethod_Main("abc", "upper", 0) == "ABC"
        assert capi.PyStackless_CallMethod_Main([41], "index", 1) == 0
        assert capi.PyStackless_CallMethod_Main("1abc1", "replace", 2) == "1xyz1"
        with pytest.raises(AttributeError):
            capi.PyStackless_CallMethod_Main("abc", "no_such_method", 0)
        with pytest.raises(SystemError):
            capi.PyStackless_CallMethod_Main("abc", "upper", 9)
        assert capi.PyStackless_CallCMethod_Main("self") == ("self", (1, "two"))
        got = []
        thread = threading.Thread(target=lambda: got.append(capi.PyStackless_Call_Main(stackless.getcurrent, N, N)))
        thread.start()
        thread.join()
        assert type(got[0]) is stackless.tasklet and got[0] is not stackless.main


class TestCallbacks:
    def test_channel_callback(self, capi):
        log, c = [], stackless.channel()
        assert capi.PyStackless_SetChannelCallback(lambda *what: log.append(what)) == 0
        t = stackless.tasklet(capi.PyChannel_Receive)(c)
        capi.PyChannel_Send(c, 1)
        assert capi.PyStackless_SetChannelCallback(N) == 0
        assert stackless.get_channel_callback() is None
        stackless.run()
        assert log == [(c, stackless.main, 1, 1), (c, t, 0, 0)]
        with raises(TypeError, "channel callback must be callable"):
            capi.PyStackless_SetChannelCallback(5)

    def test_schedule_callback(self, capi):
        log = []
        assert capi.PyStackless_SetScheduleCallback(lambda *what: log.append(what)) == 0
        t = stackless.tasklet(nothing)()
        stackless.run()
        assert capi.PyStackless_SetScheduleCallback(None) == 0
        assert stackless.get_schedule_callback() is None
        assert log == [(stackless.main, t), (t, stackless.main)]
        with raises(TypeError, "schedule callback must be callable"):
            capi.PyStackless_SetScheduleCallback(5)

    @pytest.fixture
    def fast(self, capi):
        yield capi.PyStackless_SetScheduleFastcallback
        capi.PyStackless_SetScheduleFastcallback(N, 0)

    def test_fast(self, capi, fast):
        log, slow, main = [], [], stackless.main
        fast(log, 0)
        t = stackless.tasklet(nothing)()
        stackless.run()
        assert log == [(main, t), (t, main)]
        stackless.set_schedule_callback(lambda *what: slow.append(what))
        t = stackless.tasklet(nothing)()
        stackless.run()
        stackless.set_schedule_callback(None)
        assert log[2:] == [(main, t), (t, main)] == slow
        fast(N, 0)
        stackless.tasklet(nothing)()
        stackless.run()
        assert len(log) == 4

    def test_fast_in_operations_that_fail(self, capi, fast):
        """The exception that a tasklet dies of is pending elsewhere; the callback must not see it."""
        def bad():
            raise KeyError("bad")
        fast(None, 0)
        stackless.tasklet(bad)()
        with raises(KeyError, "'bad'"):
            stackless.run()
        paused_tasklet().kill()

    @pytest.mark.parametrize("mode, kind, text", [
        (1, KeyError, "'from the fast callback'"),
        (2, SystemError, "the fast schedule callback failed without setting an exception"),
        (3, RuntimeError, "switch_trap")])
    def test_fast_that_fails(self, capi, fast, monkeypatch, mode, kind, text):
        seen, done = [], []
        monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append((args.exc_type, str(args.exc_value))))
        fast(None, mode)
        stackless.tasklet(done.append)(1)
        stackless.tasklet(pause)().run()
        stackless.run()
        fast(N, 0)
        assert done == [1]                  # the switches took place
        assert seen and set(seen) == {(kind, text)}

    def test_fast_on_a_new_thread(self, capi, fast):
        before = capi.fast_calls()
        fast(None, 0)

        def f():
            stackless.tasklet(nothing)()
            stackless.run()

        thread = threading.Thread(target=f)
        thread.start()
        thread.join()
        assert capi.fast_calls() - before >= 2
