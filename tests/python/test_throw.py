"""Spec section 4.4: throw, raise_exception, kill; every target state, pending or not."""
import sys

import pytest

import stackless
from helpers import (blocked_tasklet, nothing, pause, paused_tasklet, raises, ring, started_paused,
                     state)

DEAD = "You cannot throw to a dead tasklet"
NOT_EXC = "exceptions must be classes, or instances, not %s"
SEPARATE = "instance exception may not have a separate value"
NOT_TB = "third argument must be a traceback object"
FIRST = "tasklet.raise_exception needs Exception or string subclass as first parameter"
LEAST = "raise_exception() takes at least 1 argument"


class Boom(Exception):
    pass


def make_dead():
    t = stackless.tasklet(nothing)()
    t.run()
    return t


class Victim:
    """A tasklet in a chosen state that reports what reached it."""

    def __init__(self, how):
        self.got, self.ran = [], []
        self.channel = stackless.channel()
        body = {"blocked receive": lambda: self.channel.receive(),
                "blocked send": lambda: self.channel.send(1)}.get(how, pause)

        def f():
            self.ran.append(1)
            try:
                body()
            except BaseException as e:
                self.got.append(e)
                if isinstance(e, TaskletExit):
                    raise
        self.t = stackless.tasklet(f)()
        if how == "fresh runnable":
            return
        if how == "fresh paused":
            self.t.remove()
            return
        self.t.run()
        if how == "runnable":
            self.t.insert()


STATES = ["runnable", "paused", "blocked receive", "blocked send"]
FRESH = ["fresh runnable", "fresh paused"]
SEND = {
    "throw": lambda t, e, p: t.throw(e, pending=p),
    "throw instance": lambda t, e, p: t.throw(e(), pending=p),
    "throw positional": lambda t, e, p: t.throw(e, None, None, p),
}


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("form", SEND)
@pytest.mark.parametrize("how", STATES)
def test_started_victim(how, form, pending):
    v = Victim(how)
    assert SEND[form](v.t, Boom, pending) is None
    if pending:
        assert v.got == [] and v.t.scheduled and not v.t.blocked
        assert type(v.t.tempval) is stackless.bomb
        assert ring() == [stackless.current, v.t]
        assert v.channel.balance == 0
        stackless.run()
    assert [type(e) for e in v.got] == [Boom]
    assert not v.t.alive and v.channel.balance == 0 and v.channel.queue is None


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("how", STATES)
def test_kill_started_victim(how, pending):
    v = Victim(how)
    assert v.t.kill(pending=pending) is None
    if pending:
        assert v.got == [] and v.t.scheduled and not v.t.blocked
        stackless.run()
    assert [type(e) for e in v.got] == [TaskletExit]
    assert state(v.t) == "" and v.channel.balance == 0 and v.t.tempval is None


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("how", FRESH)
def test_kill_fresh_victim(how, pending):
    v = Victim(how)
    assert v.t.kill(pending) is None
    if pending:
        assert v.t.scheduled
        stackless.run()
    assert v.ran == [] and v.got == [] and not v.t.alive
    assert stackless.runcount == 1


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("how", FRESH)
def test_throw_to_fresh_victim(how, pending):
    """The body does not run; the exception counts as raised by the tasklet."""
    v = Victim(how)
    if pending:
        assert v.t.throw(Boom, "x", pending=True) is None
        with raises(Boom, "x"):
            stackless.run()
    else:
        with raises(Boom, "x"):
            v.t.throw(Boom, "x")
    assert v.ran == [] and not v.t.alive


@pytest.mark.parametrize("pending", [False, True])
def test_current(pending):
    me = stackless.current
    with raises(Boom, "now"):
        me.throw(Boom, "now", pending=pending)
    with raises(TaskletExit):
        me.kill(pending)
    log = []

    def f():
        try:
            stackless.current.throw(Boom, pending=pending)
        except Boom:
            log.append("caught")
        stackless.current.kill(pending)
        log.append("never")
    stackless.tasklet(f)()
    stackless.run()
    assert log == ["caught"]


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("make", [stackless.tasklet, lambda: stackless.tasklet(nothing), make_dead],
                         ids=["unbound", "bound", "dead"])
def test_dead(make, pending):
    t = make()
    for exc in (Boom, Boom(), KeyboardInterrupt, SystemExit):
        with raises(RuntimeError, DEAD):
            t.throw(exc, pending=pending)
    for exc in (TaskletExit, TaskletExit()):
        assert t.throw(exc, pending=pending) is None
    assert t.kill(pending) is None
    assert t.kill(pending=pending) is None
    with raises(RuntimeError, DEAD):
        t.raise_exception(Boom)
    assert t.raise_exception(TaskletExit) is None
    assert stackless.runcount == 1


def test_second_pending_replaces_the_first():
    v = Victim("paused")
    v.t.throw(KeyError, "first", None, True)
    v.t.throw(Boom, "second", pending=True)
    assert stackless.runcount == 2
    stackless.run()
    assert [repr(e) for e in v.got] == ["Boom('second')"]


def test_kill_after_pending_throw():
    v = Victim("paused")
    v.t.throw(Boom, pending=True)
    v.t.kill()
    assert [type(e) for e in v.got] == [TaskletExit]


def test_pending_overwrites_a_received_value():
    c, got = stackless.channel(), []
    c.preference = 1

    def f():
        try:
            got.append(c.receive())
        except Boom:
            got.append("boom")
    t = stackless.tasklet(f)()
    t.run()
    c.send("value")
    assert t.tempval == "value"
    t.throw(Boom, pending=True)
    stackless.run()
    assert got == ["boom"]


@pytest.mark.parametrize("value", [None, [1]])
@pytest.mark.parametrize("how", STATES + FRESH)
def test_overwriting_a_pending_exception(how, value):
    """tempval is what the tasklet finds: without the bomb it just goes on, or begins."""
    v = Victim(how)
    v.t.kill(pending=True)
    assert type(v.t.tempval) is stackless.bomb
    v.t.tempval = value
    stackless.run()
    assert v.got == [] and v.ran == [1]
    if how in FRESH:
        assert v.t.paused or v.t.blocked         # it went to its first wait
        v.t.kill()
    else:
        assert not v.t.alive


def test_remove_and_insert_keep_a_pending_exception():
    v = Victim("paused")
    v.t.throw(Boom, pending=True)
    v.t.remove()
    assert v.t.paused
    stackless.run()
    assert v.got == []
    v.t.insert()
    stackless.run()
    assert type(v.got[0]) is Boom


class TestForms:
    """The three arguments follow the raise statement of old."""

    def caught(self, *args, **kwargs):
        v = Victim("paused")
        v.t.throw(*args, **kwargs)
        return v.got[0]

    def test_class_alone(self):
        assert self.caught(ValueError).args == ()

    def test_class_and_none(self):
        assert self.caught(ValueError, None).args == ()

    def test_class_and_argument(self):
        assert self.caught(ValueError, 7).args == (7,)
        assert self.caught(ValueError, val=7).args == (7,)

    def test_a_tuple_is_not_spread(self):
        assert self.caught(ValueError, (1, 2)).args == ((1, 2),)

    def test_class_and_instance(self):
        e = ValueError("mine")
        assert self.caught(ValueError, e) is e

    def test_class_and_instance_of_a_subclass(self):
        e = KeyError("mine")
        assert self.caught(LookupError, e) is e

    def test_instance(self):
        e = ValueError("mine")
        assert self.caught(e) is e
        assert self.caught(e, None) is e
        assert self.caught(exc=e) is e

    def test_traceback_is_kept(self):
        def deep():
            raise ValueError("origin")
        try:
            deep()
        except ValueError:
            info = sys.exc_info()
        e = self.caught(*info)
        names, tb = [], e.__traceback__
        while tb:
            names.append(tb.tb_frame.f_code.co_name)
            tb = tb.tb_next
        assert names[-1] == "deep" and "pause" in names

    @pytest.mark.parametrize("make", [paused_tasklet, make_dead, lambda: stackless.current],
                             ids=["paused", "dead", "current"])
    @pytest.mark.parametrize("args, text", [
        ((), None),
        ((None,), NOT_EXC % "NoneType"), ((1,), NOT_EXC % "int"), (("x",), NOT_EXC % "str"),
        ((int,), None),
        ((ValueError(), 1), SEPARATE), ((ValueError(), ValueError()), SEPARATE),
        ((ValueError, 1, 2), NOT_TB), ((ValueError(), None, "tb"), NOT_TB),
    ])
    def test_errors(self, make, args, text):
        t = make()
        before = state(t)
        with raises(TypeError, text):
            t.throw(*args)
        with raises(TypeError, text):
            t.throw(*args, pending=True)
        assert state(t) == before

    def test_unknown_keyword(self):
        with pytest.raises(TypeError):
            paused_tasklet().throw(ValueError, nonsense=1)
        with pytest.raises(TypeError):
            paused_tasklet().throw(ValueError, None, None, False, 1)

    def test_constructor_that_fails(self):
        class Picky(Exception):
            def __init__(self):
                raise LookupError("constructor")
        v = Victim("paused")
        try:
            v.t.throw(Picky)
        except LookupError as e:            # either the caller or the target may see it
            v.got.append(e)
        assert [type(e) for e in v.got] == [LookupError]
        v.t.kill()


class TestRaiseException:
    def test_arguments_are_spread(self):
        v = Victim("paused")
        assert v.t.raise_exception(ValueError, 1, 2) is None
        assert v.got[0].args == (1, 2)

    def test_no_arguments(self):
        v = Victim("blocked receive")
        v.t.raise_exception(Boom)
        assert type(v.got[0]) is Boom and v.channel.balance == 0

    def test_on_current(self):
        with raises(Boom, "x"):
            stackless.current.raise_exception(Boom, "x")

    def test_errors(self):
        for t in (paused_tasklet(), make_dead(), stackless.current):
            with pytest.raises(TypeError) as e:
                t.raise_exception()
            assert "at least 1 argument" in str(e.value) or "missing" in str(e.value)
            for bad in (1, None, int, ValueError()):
                with raises(TypeError, FIRST):
                    t.raise_exception(bad)
            with pytest.raises(TypeError):
                t.raise_exception("a string")          # [BUG] upstream, [REC] TypeError

    def test_fresh(self):
        v = Victim("fresh runnable")
        with raises(Boom, "7"):
            v.t.raise_exception(Boom, 7)
        assert v.ran == []


class TestKill:
    def test_survivor_is_not_dead(self):
        log = []

        def f():
            for _ in range(3):
                try:
                    pause()
                except TaskletExit:
                    log.append("survived")
        t = started_paused(f)
        t.kill()
        t.kill()
        assert t.alive and log == ["survived"] * 2
        t.kill()
        assert not t.alive

    def test_finally_and_with_run(self):
        log = []

        class C:
            def __enter__(self):
                log.append("enter")

            def __exit__(self, kind, value, tb):
                log.append(kind)

        def f():
            try:
                with C():
                    pause()
            finally:
                log.append("finally")
        started_paused(f).kill()
        assert log == ["enter", TaskletExit, "finally"]

    def test_is_not_an_exception(self):
        log = []

        def f():
            try:
                pause()
            except Exception:
                log.append("caught by Exception")
        started_paused(f).kill()
        assert log == []

    def test_turns_into_another_error(self):
        def f():
            try:
                pause()
            except TaskletExit:
                raise Boom("instead")
        with raises(Boom, "instead"):
            started_paused(f).kill()

    def test_victim_blocks_again_in_its_cleanup(self):
        c, log = stackless.channel(), []

        def f():
            try:
                pause()
            finally:
                log.append(c.receive())
        t = started_paused(f)
        t.kill()
        assert t.blocked
        c.send("released")
        stackless.run()
        assert log == ["released"] and not t.alive

    def test_kills_one_another(self):
        log = []

        def f(n):
            try:
                pause()
            finally:
                log.append(n)
                if n:
                    chain[n - 1].kill()
        chain = [started_paused(f, n) for n in range(50)]
        chain[-1].kill()
        assert log == list(range(49, -1, -1))
        assert not any(t.alive for t in chain)

    def test_killed_by_a_tasklet_it_waits_for(self):
        log = []

        def f():
            me = stackless.current
            inner = stackless.tasklet(me.kill)()
            try:
                inner.run()
            except TaskletExit:
                log.append("killed")
                raise
        t = stackless.tasklet(f)()
        stackless.run()
        assert log == ["killed"] and not t.alive

    @pytest.mark.parametrize("how", STATES + FRESH)
    def test_all_of_them_at_once(self, how):
        many = [Victim(how) for _ in range(200)]
        for v in many:
            v.t.kill()
        assert not any(v.t.alive for v in many) and stackless.runcount == 1
        assert all(v.channel.balance == 0 for v in many)


@pytest.mark.parametrize("how", STATES + FRESH)
def test_uncaught_error_reaches_the_thrower_that_is_main(how):
    def f():
        pause()
    v = Victim(how)
    if how in FRESH:
        with raises(Boom, "x"):
            v.t.throw(Boom, "x")
    else:
        t = started_paused(f)
        with raises(Boom, "x"):
            t.throw(Boom, "x")
        v.t.kill()


def test_throwing_order_example_of_section_4_4_3():
    log = []

    def victim():
        try:
            stackless.schedule(None)
        except TaskletExit:
            log.append("exit")
            raise
    v = stackless.tasklet(victim)()
    v.run()
    stackless.tasklet(log.append)("B")
    assert v.kill() is None and log == ["exit", "B"] and not v.alive
    del log[:]
    v = stackless.tasklet(victim)()
    v.run()
    stackless.tasklet(log.append)("A")
    v.remove()
    v.kill()
    assert log == ["exit"]
    stackless.run()


def test_context_is_not_chained_across_tasklets():
    v = Victim("paused")
    try:
        raise KeyError("in main")
    except KeyError:
        v.t.throw(Boom)
    assert v.got[0].__context__ is None
