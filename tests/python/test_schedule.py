"""Spec sections 1.6, 3.1, 3.2: schedule, schedule_remove and tempval."""
import sys

import pytest

import stackless
from helpers import Names, blocked_tasklet, nothing, pause, paused_tasklet, raises, started_paused


@pytest.mark.parametrize("function", [stackless.schedule, stackless.schedule_remove])
class TestAlone:
    def test_default_is_the_tasklet(self, function):
        assert function() is stackless.current

    @pytest.mark.parametrize("value", [None, 5, "x", ValueError, ValueError(1), ()])
    def test_value_comes_back(self, function, value):
        assert function(value) is value
        assert function(retval=value) is value

    def test_arguments(self, function):
        with pytest.raises(TypeError):
            function(1, 2)
        with pytest.raises(TypeError):
            function(nonsense=1)


def test_schedule_takes_turns():
    log = []

    def f(n):
        for i in range(3):
            log.append(n)
            assert stackless.schedule(i) == i
            assert stackless.schedule() is stackless.current
    for n in "AB":
        stackless.tasklet(f)(n)
    stackless.run()
    assert "".join(log) == "ABABAB"


def test_schedule_is_next_run():
    name, log = Names(), []
    for n in "ABC":
        name(n, stackless.tasklet(lambda: log.append(name.ring()))())
    stackless.current.next.run()
    assert log == ["ABCM", "BCM", "CM"]


def test_schedule_remove_is_next_switch():
    name, log = Names(), []
    for n in "ABC":
        name(n, stackless.tasklet(lambda: log.append(name.ring()))())
    stackless.current.next.switch()
    assert log == ["ABC", "BC", "C"]


def test_schedule_result_can_be_changed():
    got = []

    def f():
        got.append(stackless.schedule("mine"))
    t = stackless.tasklet(f)()
    t.run()
    assert t.tempval == "mine"
    t.tempval = "other"
    stackless.run()
    assert got == ["other"]


def test_schedule_raises_a_bomb():
    got = []

    def f():
        try:
            stackless.schedule("mine")
        except KeyError as e:
            got.append(e.args)
    t = stackless.tasklet(f)()
    t.run()
    t.tempval = stackless.bomb(KeyError, KeyError(5))
    stackless.run()
    assert got == [(5,)]


def test_schedule_remove_pauses():
    t = paused_tasklet()
    assert not t.scheduled and t.next is None and t.prev is None
    t.insert()
    assert t.scheduled and not t.paused
    stackless.run()
    assert not t.alive


def test_event_idiom():
    waiting, got = [], []

    def wait():
        waiting.append(stackless.current)
        return stackless.schedule_remove(None)
    stackless.tasklet(lambda: got.append(wait()))()
    stackless.run()
    t = waiting.pop()
    t.tempval = 42
    t.insert()
    stackless.run()
    assert got == [42]


def test_schedule_remove_of_main_with_others():
    log = []
    for n in "AB":
        stackless.tasklet(log.append)(n)
    main = stackless.main
    stackless.tasklet(lambda: log.append((main.paused, main.scheduled, stackless.runcount)))()
    assert stackless.schedule_remove(3) == 3
    assert log == ["A", "B", (True, False, 1)]


def test_schedule_remove_of_main_wakes_early():
    log = []

    def waker():
        stackless.main.insert()
        log.append("waker")
        stackless.schedule()
        log.append("waker again")
    stackless.tasklet(waker)()
    assert stackless.schedule_remove(3) == 3
    assert log == ["waker"]
    stackless.run()


def test_last_one_removes_itself_while_main_waits_in_run():
    t = stackless.tasklet(pause)()
    assert stackless.run() is None
    assert t.paused


class TestTempval:
    def test_table(self):
        c = stackless.channel()
        t = stackless.tasklet(nothing)
        assert t.tempval is nothing
        t.setup(1)
        assert t.tempval is None
        stackless.run()
        assert t.tempval is None
        t = started_paused(stackless.schedule_remove, "x")
        assert t.tempval == "x"
        t = blocked_tasklet(c)
        assert t.tempval is None
        c.preference = 1
        c.send("value")
        assert t.scheduled and t.tempval == "value"
        stackless.run()
        assert t.tempval is None
        t = started_paused(pause)
        t.throw(ZeroDivisionError, pending=True)
        assert type(t.tempval) is stackless.bomb and t.tempval.type is ZeroDivisionError
        with raises(ZeroDivisionError):
            stackless.run()

    def test_sender_holds_the_value(self):
        c = stackless.channel()
        t = stackless.tasklet(c.send)("v")
        t.run()
        assert t.tempval == "v"
        t.tempval = "w"
        assert c.receive() == "w"
        stackless.run()

    def test_bomb_of_a_sender(self):
        c = stackless.channel()
        t = stackless.tasklet(c.send_exception)(KeyError, 1)
        t.run()
        assert type(t.tempval) is stackless.bomb and t.tempval.type is KeyError
        with raises(KeyError, "1"):
            c.receive()
        stackless.run()

    def test_none_while_running_and_in_run(self):
        seen = []
        a = stackless.tasklet(lambda: seen.append((a.tempval, stackless.main.tempval)))()
        a.run()
        a = a.bind(lambda: seen.append((a.tempval, stackless.main.tempval)))()
        a.switch()
        assert seen == [(None, None), (None, None)]

    def test_result_of_run_and_switch(self):
        for method in ("run", "switch"):
            def f():
                stackless.main.tempval = "given"
            t = stackless.tasklet(f)()
            assert getattr(t, method)() == "given"

    def test_return_value_is_dropped(self):
        t = stackless.tasklet(lambda: "result")()
        stackless.run()
        assert t.tempval is None

    def test_cannot_be_deleted(self):
        for t in (stackless.current, stackless.tasklet(nothing), paused_tasklet()):
            with pytest.raises((TypeError, AttributeError)):
                del t.tempval

    def test_default_retval_holds_the_tasklet(self):
        t = stackless.tasklet(stackless.schedule_remove)()
        t.run()
        assert t.tempval is t
        t.tempval = None

    def test_overwriting_drops_the_old_value(self):
        value = object()
        before = sys.getrefcount(value)
        t = started_paused(pause, value)
        t.tempval = None
        assert sys.getrefcount(value) <= before + 2      # pause() and its arguments hold it
        t.kill()
        assert sys.getrefcount(value) == before


def test_many_values_through_schedule():
    bad = []

    def f(n):
        for i in range(2000):
            v = (n, i)
            if stackless.schedule(v) is not v:
                bad.append(v)
    for n in range(20):
        stackless.tasklet(f)(n)
    stackless.run()
    assert bad == []


def test_plain_c_functions_as_bodies():
    c = stackless.channel()
    stackless.tasklet(c.send)(1)
    stackless.tasklet(stackless.schedule)(2)
    stackless.tasklet(stackless.schedule_remove)(None)
    stackless.tasklet(stackless.run)()
    stackless.tasklet(print)(end="")
    stackless.run()
    assert c.balance == 1
