"""Spec section 2.4: switch_trap, and that a refused operation changes nothing."""
import contextlib

import pytest

import stackless
from helpers import blocked_tasklet, nothing, pause, raises, ring, started_paused, state


@contextlib.contextmanager
def trap(level=1):
    stackless.switch_trap(level)
    try:
        yield
    finally:
        stackless.switch_trap(-level)


def test_levels():
    assert stackless.switch_trap() == 0
    assert stackless.switch_trap(2) == 0
    assert stackless.switch_trap(-3) == 2
    assert stackless.switch_trap(0) == -1
    assert stackless.switch_trap(1) == -1
    assert stackless.switch_trap() == 0


@pytest.mark.parametrize("bad", ["x", None, 1.5])
def test_argument_errors(bad):
    with pytest.raises(TypeError):
        stackless.switch_trap(bad)
    with pytest.raises(TypeError):
        stackless.switch_trap(change=1)
    with pytest.raises(TypeError):
        stackless.switch_trap(1, 2)
    assert stackless.switch_trap() == 0


class Stage:
    def __init__(self):
        self.c_in, self.c_out = stackless.channel(), stackless.channel()
        self.paused = started_paused(pause)
        self.fresh = stackless.tasklet(nothing, ())
        self.receiver = blocked_tasklet(self.c_in)
        self.sender = stackless.tasklet(self.c_out.send)(1)
        self.sender.run()
        self.a, self.b = stackless.tasklet(nothing)(), stackless.tasklet(pause)()

    def picture(self):
        everyone = (self.paused, self.fresh, self.receiver, self.sender, self.a, self.b)
        return ([id(t) for t in ring()], [state(t) for t in everyone], self.c_in.balance,
                self.c_out.balance, stackless.current.tempval)

    def end(self):
        for t in (self.paused, self.fresh, self.receiver, self.sender, self.a, self.b):
            t.kill()
        stackless.run()


def receive_preferring_the_sender(s):
    s.c_out.preference = 1
    s.c_out.receive()


def scheduling(s):
    s.c_in.schedule_all = 1
    s.c_in.send(1)


SWITCHING = {
    "schedule": lambda s: stackless.schedule(),
    "schedule_remove": lambda s: stackless.schedule_remove(),
    "run": lambda s: stackless.run(),
    "t.run runnable": lambda s: s.b.run(),
    "t.run paused": lambda s: s.paused.run(),
    "t.run fresh": lambda s: s.fresh.run(),
    "t.switch runnable": lambda s: s.a.switch(),
    "t.switch paused": lambda s: s.paused.switch(),
    "kill runnable": lambda s: s.b.kill(),
    "kill paused": lambda s: s.paused.kill(),
    "kill receiver": lambda s: s.receiver.kill(),
    "kill sender": lambda s: s.sender.kill(),
    "kill fresh": lambda s: s.fresh.kill(),
    "throw": lambda s: s.paused.throw(ValueError),
    "throw blocked": lambda s: s.receiver.throw(ValueError),
    "raise_exception": lambda s: s.a.raise_exception(ValueError),
    "send to a waiting one": lambda s: s.c_in.send(1),
    "send, schedule_all": scheduling,
    "receive, preference 1": receive_preferring_the_sender,
    "blocking receive": lambda s: stackless.channel().receive(),
    "blocking send": lambda s: s.c_out.send(1),
    "send_exception": lambda s: s.c_in.send_exception(ValueError),
    "send_throw": lambda s: s.c_in.send_throw(ValueError),
    "next": lambda s: next(s.c_in),
}


@pytest.mark.parametrize("level", [1, 5, -1])
@pytest.mark.parametrize("op", SWITCHING)
def test_refused_and_unchanged(op, level):
    s = Stage()
    before = s.picture()
    with trap(level):
        with raises(RuntimeError, "switch_trap"):
            SWITCHING[op](s)
        assert s.picture() == before
    s.end()


def test_refused_send_can_be_repeated():
    s = Stage()
    with trap():
        with raises(RuntimeError, "switch_trap"):
            s.c_in.send("again")
    s.c_in.send("again")
    assert not s.receiver.alive
    s.end()


def send_preferring_the_sender(s):
    s.c_in.preference = 1
    s.c_in.send(1)


NOT_SWITCHING = {
    "receive from a waiting one": lambda s: s.c_out.receive(),
    "send, preference 1": send_preferring_the_sender,
    "insert": lambda s: s.paused.insert(),
    "remove": lambda s: s.a.remove(),
    "bind and setup": lambda s: stackless.tasklet(nothing)(),
    "pending throw": lambda s: s.paused.throw(TaskletExit, pending=True),
    "pending kill": lambda s: s.receiver.kill(pending=True),
    "current.run": lambda s: stackless.current.run(),
    "current.switch": lambda s: stackless.current.switch(),
    "kill the dead": lambda s: stackless.tasklet().kill(),
    "close": lambda s: s.c_in.close(),
    "send_sequence of nothing": lambda s: s.c_in.send_sequence([]),
}


@pytest.mark.parametrize("op", NOT_SWITCHING)
def test_not_affected(op):
    s = Stage()
    with trap():
        NOT_SWITCHING[op](s)
    s.end()


def test_alone():
    with trap():
        assert stackless.schedule(5) == 5
        assert stackless.schedule_remove(6) == 6
        assert stackless.run() is None


def test_deadlock_is_reported_before_the_trap():
    with trap():
        with pytest.raises(RuntimeError, match="Deadlock"):
            stackless.channel().receive()


def test_current_kill_and_throw_need_no_switch():
    with trap():
        with raises(TaskletExit):
            stackless.current.kill()
        with raises(KeyError):
            stackless.current.throw(KeyError)


def test_example_of_the_spec():
    seen = []
    t = stackless.tasklet(seen.append)("ran")
    with trap():
        for op in (stackless.schedule, stackless.run, t.run, t.switch, t.kill,
                   stackless.channel().receive):
            with raises(RuntimeError, "switch_trap"):
                op()
            assert t.alive and stackless.runcount == 2
        assert t.throw(TaskletExit, pending=True) is None
    stackless.run()
    assert seen == []


def test_dropping_a_paused_tasklet_under_the_trap():
    """Its finalizer cannot switch there; nothing may crash, and nothing leaks for good."""
    import gc
    log = []

    def f():
        try:
            pause()
        finally:
            log.append("finally")
    t = started_paused(f)
    with trap():
        del t
    gc.collect()
    stackless.run()
    assert log in ([], ["finally"])
    del gc.garbage[:]
