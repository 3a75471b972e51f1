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


class TestTimeout:
    @pytest.mark.parametrize("args, kwargs", [
        ((5,), {}), ((1,), {"soft": True}), ((), {"timeout": 1000}),
        ((1 << 30,), {"totaltimeout": True}), ((5, True), {}), ((5, False, False, True), {}),
    ])
    def test_run(self, args, kwargs):
        t = stackless.tasklet(nothing)()
        refused(stackless.run, *args, **kwargs)
        assert t.scheduled and stackless.runcount == 2
        stackless.run()

    def test_run_alone(self):
        refused(stackless.run, 5)

    def test_run_in_a_tasklet(self):
        log = []

        def f():
            refused(stackless.run, 5)
            log.append(1)
        stackless.tasklet(f)()
        stackless.run()
        assert log == [1]


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


class TestOtherThreads:
    """Each operation on a tasklet of another thread: refused, and the tasklet unchanged."""
    OPS = {
        "insert": lambda t: t.insert(), "remove": lambda t: t.remove(), "run": lambda t: t.run(),
        "kill": lambda t: t.kill(), "kill pending": lambda t: t.kill(True),
        "throw": lambda t: t.throw(ValueError), "raise_exception": lambda t: t.raise_exception(KeyError),
        "throw pending": lambda t: t.throw(ValueError, pending=True),
    }

    # These change nothing in that state, wherever they are called.
    HARMLESS = {("paused", "remove"), ("fresh", "remove"), ("runnable", "insert")}
    MAKE = {"paused": paused_tasklet, "runnable": lambda: paused_tasklet().insert(),
            "fresh": lambda: stackless.tasklet(nothing, ())}

    @pytest.mark.parametrize("op", OPS)
    @pytest.mark.parametrize("how", MAKE)
    def test_queue_operations(self, how, op):
        t = self.MAKE[how]()
        before = state(t)
        try:
            try:
                refused(in_thread, self.OPS[op], t)
            except pytest.fail.Exception:
                assert (how, op) in self.HARMLESS
            assert state(t) == before
        finally:
            t.kill()
        stackless.run()

    def test_switch(self):
        t = paused_tasklet()
        with pytest.raises((NotImplementedError, RuntimeError)):
            in_thread(t.switch)
        t.kill()

    def test_bind_thread(self):
        t = stackless.tasklet(nothing)
        assert t.bind_thread() is None           # of this thread already

    def test_bind_thread_moves_one_that_has_not_started(self):
        """Refused, or done as the specification has it."""
        t = stackless.tasklet(nothing)

        def move():
            t.bind_thread()
            assert t.thread_id == threading.get_ident()
            t()
            stackless.run()
        try:
            in_thread(move)
        except NotImplementedError:
            t()
            stackless.run()
        assert not t.alive

    def test_attributes_can_be_read(self):
        t = paused_tasklet()
        assert in_thread(lambda: (t.alive, t.paused, t.blocked, t.scheduled, t.is_main)) == \
            (True, True, False, False, False)
        assert in_thread(lambda: t.thread_id) == threading.get_ident()
        t.kill()

    @pytest.mark.parametrize("waits, op", [("receive", lambda c: c.send(1)),
                                           ("send", lambda c: c.receive())])
    def test_channel_between_threads(self, waits, op):
        c = stackless.channel()
        t = stackless.tasklet(c.receive)() if waits == "receive" else stackless.tasklet(c.send)(1)
        t.run()
        refused(in_thread, op, c)
        assert t.blocked and abs(c.balance) == 1
        t.kill()


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
