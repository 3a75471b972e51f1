"""What this release does not have: NotImplementedError with one clear sentence, never a wrong answer."""
import copy
import pickle
import threading

import pytest

import stackless
from helpers import blocked_tasklet, nothing, pause, paused_tasklet, python, started_paused, state


def refused(call, *args, **kwargs):
    with pytest.raises(NotImplementedError) as caught:
        call(*args, **kwargs)
    text = str(caught.value)
    assert len(text) > 15 and "\n" not in text, text


class TestPickling:
    @pytest.mark.parametrize("make", [
        stackless.tasklet, lambda: stackless.tasklet(nothing), lambda: stackless.tasklet(nothing, ()),
        paused_tasklet, blocked_tasklet, lambda: stackless.current, stackless.channel,
    ])
    def test_refused(self, make):
        thing = make()
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            refused(pickle.dumps, thing, protocol)
        refused(copy.copy, thing)
        refused(copy.deepcopy, thing)

    def test_bombs_can_be_pickled(self):
        """Section 2.5 says so; with a simple value it concerns no tasklet."""
        b = stackless.bomb(ValueError, ValueError("x"))
        try:
            again = pickle.loads(pickle.dumps(b))
        except NotImplementedError:
            return
        assert again.type is ValueError and again.value.args == ("x",)

    def test_flags(self):
        """Setting an undefined flag is an error in any case; inquiring works."""
        old = stackless.pickle_flags()
        assert type(old) is int and type(stackless.pickle_flags_default()) is int
        for f in (stackless.pickle_flags, stackless.pickle_flags_default):
            with pytest.raises(ValueError) as e:
                f(1 << 20)
            assert str(e.value) == "you must not set an undefined pickle-flag"
        assert stackless.pickle_flags() == old

    def test_set_flags(self):
        old = stackless.pickle_flags()
        try:
            for flag in (1, 2, 4, 8):
                stackless.pickle_flags(flag, flag)
                assert stackless.pickle_flags() & flag
                assert stackless.pickle_flags(0, flag) & flag
        finally:
            stackless.pickle_flags(old)
        assert stackless.pickle_flags() == old

    def test_tracing_state(self):
        assert stackless.pickle_with_tracing_state is False
        stackless.pickle_with_tracing_state = True
        try:
            assert stackless.pickle_with_tracing_state is True
            assert stackless.pickle_flags() & 1
        finally:
            stackless.pickle_with_tracing_state = False
        assert stackless.pickle_with_tracing_state is False


def test_unpicklable_state():
    import contextvars
    t = stackless.tasklet(nothing)
    found = stackless._tasklet_get_unpicklable_state(t)
    assert list(found) == ["context"] and type(found["context"]) is contextvars.Context
    with pytest.raises(TypeError):
        stackless._tasklet_get_unpicklable_state(1)


def in_thread(f, *args):
    """Runs f in another thread; returns its result or raises its error here."""
    out = []

    def body():
        try:
            out.append((True, f(*args)))
        except BaseException as e:
            out.append((False, e))
    th = threading.Thread(target=body)
    th.start()
    th.join(30)
    assert not th.is_alive() and out
    good, value = out[0]
    if not good:
        raise value
    return value


def test_dropped_by_another_thread():
    """The last reference to a suspended tasklet dies in another thread: no crash, no lost lock."""
    python("""
        import stackless, threading, gc
        def f():
            try: stackless.schedule_remove(None)
            finally: pass
        for _ in range(20):
            box = [stackless.tasklet(f)()]
            box[0].run()
            th = threading.Thread(target=box.clear)
            th.start(); th.join()
            gc.collect()
            stackless.run()
        print('alive')""")


def test_second_thread_has_its_own_scheduler():
    def body():
        log = []
        assert stackless.main is stackless.current and stackless.runcount == 1
        for n in range(3):
            stackless.tasklet(log.append)(n)
        stackless.run()
        c = stackless.channel()
        stackless.tasklet(c.send)("x")
        log.append(c.receive())
        stackless.run()
        return log, stackless.main
    log, main = in_thread(body)
    assert log == [0, 1, 2, "x"] and main is not stackless.main


def test_thread_that_ends_with_suspended_tasklets():
    def body():
        ts = [started_paused(pause) for _ in range(5)]
        stackless.tasklet(nothing)()
        return ts
    ts = in_thread(body)
    for t in ts:
        assert not t.alive and t.thread_id == -1


def test_many_threads():
    def body():
        c, got = stackless.channel(), []
        stackless.tasklet(lambda: c.send_sequence(range(500)))()
        for _ in range(500):
            got.append(c.receive())
        stackless.run()
        return sum(got)
    out = []
    ths = [threading.Thread(target=lambda: out.append(body())) for _ in range(8)]
    for th in ths:
        th.start()
    for th in ths:
        th.join(60)
    assert out == [sum(range(500))] * 8
