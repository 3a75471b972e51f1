"""The C API: switching in the middle of C frames, and nothing leaks."""
import gc
import sys

import pytest

import gossamer
import stackless
from capi.fixture import N, capi
from helpers import nothing, pause, raises


class TestInCFrames:
    """Switching in the middle of C functions."""

    def test_round_trip(self, capi):
        assert capi.round_trip(21) == 42
        with pytest.raises(TypeError):
            capi.round_trip(None)            # None + None, in a C tasklet

    def test_relay(self, capi):
        channels = [stackless.channel() for _ in range(6)]
        for source, target in zip(channels, channels[1:]):
            stackless.tasklet(capi.relay)(source, target, 200)
        stackless.tasklet(lambda: [channels[0].send(n) for n in range(200)])()
        assert [channels[-1].receive() for _ in range(200)] == list(range(200))
        stackless.run()

    def test_relay_of_an_exception(self, capi):
        source, target = stackless.channel(), stackless.channel()
        stackless.tasklet(capi.relay)(source, target, 10)
        stackless.tasklet(source.send)(1)
        assert target.receive() == 1
        with raises(KeyError, "'sent'"):        # it ends the relay, and so comes back to main
            source.send_exception(KeyError, "sent")
        stackless.run()

    def test_dive(self, capi):
        """Deep stacks of C frames, interleaved; each frame checks its buffer."""
        tasklets = [gossamer.spawn(capi.dive, 30 + n % 7, n, None) for n in range(60)]
        stackless.run()
        assert [t.join() for t in tasklets] == [None] * 60

    def test_dive_through_python(self, capi):
        """C frames, Python frames, C frames, and so on."""
        log = []

        def deeper(level):
            if level:
                capi.dive(5, level, lambda: deeper(level - 1))
            else:
                log.append(1)
                stackless.schedule()

        for n in range(20):
            stackless.tasklet(deeper)(n % 6)
        stackless.run()
        assert len(log) == 20

    def test_kill_in_c_frames(self, capi):
        log = []

        def body():
            try:
                capi.dive(20, 1, pause)
            finally:
                log.append("unwound")

        tasklets = [stackless.tasklet(body)() for _ in range(10)]
        stackless.run()
        for t in tasklets:
            t.kill()
        assert log == ["unwound"] * 10 and not any(t.alive for t in tasklets)

    def test_qsort(self, capi):
        """libc's own frames in between."""
        lists = [[(n * k) % 101 for n in range(1, 40)] for k in range(1, 9)]
        tasklets = [gossamer.spawn(capi.sorted_by_libc, numbers) for numbers in lists]
        stackless.run()
        assert [t.join() for t in tasklets] == [sorted(numbers) for numbers in lists]


def leak_kinds(capi):
    c, value, tb = stackless.channel(), object(), None
    try:
        raise KeyError(1)
    except KeyError as error:
        tb = error.__traceback__

    def fails(function, *args):
        try:
            function(*args)
        except BaseException:
            return
        raise AssertionError("no error")

    def making():
        t = capi.PyTasklet_New(N, nothing)
        capi.PyTasklet_BindEx(t, nothing, (value,), {"a": value})
        capi.PyTasklet_BindThread(t, -1)
        capi.PyTasklet_BindEx(t, N, N, N)
        capi.PyChannel_New(N)
        fails(capi.PyTasklet_New, int, len)
        fails(capi.PyTasklet_Setup, t, [], N)
        fails(capi.PyTasklet_BindEx, t, 5, N, N)

    def running():
        t = capi.PyTasklet_New(N, pause)
        capi.PyTasklet_Setup(t, (value,), {})
        capi.PyTasklet_Run(t)
        capi.PyTasklet_Insert(t)
        capi.PyTasklet_Remove(t)
        capi.PyTasklet_GetFrame(t)
        capi.PyTasklet_GetRecursionDepth(t)
        capi.PyTasklet_Switch(t)
        fails(capi.PyTasklet_Run, t)

    def raising():
        for call in (lambda t: capi.PyTasklet_RaiseException(t, TaskletExit, value),
                     lambda t: capi.PyTasklet_RaiseException(t, TaskletExit, (value,)),
                     lambda t: capi.PyTasklet_Throw(t, 0, TaskletExit, value, N),
                     lambda t: capi.PyTasklet_Throw(t, 1, TaskletExit, N, tb),
                     capi.PyTasklet_Kill, lambda t: capi.PyTasklet_KillEx(t, 1)):
            t = stackless.tasklet(pause)(value)
            capi.PyTasklet_Run(t)
            call(t)
            stackless.run()
            fails(capi.PyTasklet_Throw, t, 0, KeyError, value, N)
            fails(capi.PyTasklet_RaiseException, t, 5, value)

    def channels():
        stackless.tasklet(capi.PyChannel_Receive)(c)
        capi.PyChannel_Send(c, value)
        stackless.tasklet(capi.PyChannel_Send)(c, value).run()
        capi.PyChannel_GetQueue(c)
        capi.PyChannel_Receive(c)
        stackless.run()
        for args in ((capi.PyChannel_SendException, c, KeyError, value), (capi.PyChannel_SendThrow, c, KeyError, value, tb)):
            stackless.tasklet(args[0])(*args[1:])
            fails(capi.PyChannel_Receive, c)
            stackless.run()
        capi.PyChannel_Close(c)
        fails(capi.PyChannel_Send, c, value)
        fails(capi.PyChannel_Receive, c)
        fails(capi.PyChannel_SendException, c, KeyError, value)
        capi.PyChannel_Open(c)
        fails(capi.PyChannel_SendException, c, 5, value)
        fails(capi.PyChannel_SendThrow, c, KeyError, value, value)
        capi.round_trip(12345)
        stackless.run()

    def scheduling():
        stackless.tasklet(nothing)()
        capi.PyStackless_Schedule(value, 0)
        capi.PyStackless_Schedule(N, 1)
        capi.PyStackless_GetCurrent()
        capi.PyStackless_RunWatchdogEx(0, 1)
        capi.PyStackless_RunWatchdogEx(10**6, 0)
        capi.PyStackless_RunBudget(10**6, 10**6, 0)
        capi.PyStackless_Call_Main(nothing, (value,), {"a": value})
        capi.PyStackless_CallMethod_Main("abc", "upper", 0)
        capi.PyStackless_CallMethod_Main([41], "index", 1)
        capi.PyStackless_CallCMethod_Main(value)
        fails(capi.PyStackless_CallMethod_Main, "abc", "upper", 9)
        fails(capi.PyStackless_CallErrorHandler, KeyError(1))
        stackless.set_error_handler(nothing)
        capi.PyStackless_CallErrorHandler(KeyError(1))
        stackless.set_error_handler(None)

    def callbacks():
        capi.PyStackless_SetChannelCallback(nothing)
        capi.PyStackless_SetScheduleCallback(nothing)
        capi.PyStackless_SetScheduleFastcallback(None, 0)
        stackless.tasklet(capi.PyChannel_Receive)(c)
        capi.PyChannel_Send(c, value)
        stackless.run()
        capi.PyStackless_SetScheduleFastcallback(N, 0)
        capi.PyStackless_SetScheduleCallback(N)
        capi.PyStackless_SetChannelCallback(N)

    return [making, running, raising, channels, scheduling, callbacks], (
        c, value, tb, nothing, pause, KeyError, TaskletExit, stackless.tasklet, stackless.channel, stackless.main, None, ())


NAMES = ["making", "running", "raising", "channels", "scheduling", "callbacks"]


@pytest.mark.parametrize("rounds", [500, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("index", range(6), ids=NAMES)
def test_flat(capi, index, rounds):
    kinds, watched = leak_kinds(capi)
    kind = kinds[index]
    assert kind.__name__ == NAMES[index]

    def measure():
        gc.collect()
        return [sys.getrefcount(x) for x in watched], sys.getallocatedblocks()

    measured = []
    for batch in range(4):
        measured.append(measure())
        for _ in range(rounds):
            kind()
    measured.append(measure())
    # A leak shows in every batch, a cache that fills only in the first ones.
    growths = [b[1] - a[1] for a, b in zip(measured, measured[1:])]
    allowed = max(200, rounds / 100)
    assert min(growths) < allowed, growths
    for x, a, b in zip(watched, measured[1][0], measured[-1][0]):
        assert abs(b - a) < allowed, x
