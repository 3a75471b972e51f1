"""Spec section 6: the channel callback and the schedule callback, and what they may do."""
import gc
import sys
import weakref

import pytest

import stackless
from helpers import Names, blocked_tasklet, nothing, pause, raises, started_paused


class Boom(Exception):
    pass


@pytest.fixture
def channel_callback():
    yield stackless.set_channel_callback
    stackless.set_channel_callback(None)


@pytest.fixture
def schedule_callback():
    yield stackless.set_schedule_callback
    stackless.set_schedule_callback(None)


@pytest.fixture
def unraisable(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda u: seen.append(u.exc_type))
    return seen


class TestChannelCallback:
    OPS = {
        # name -> (operation, what T does, sending)
        "send": (lambda c: c.send("v"), "receive", 1),
        "receive": (lambda c: c.receive(), "send", 0),
        "next": (next, "send", 0),
        "send_exception": (lambda c: c.send_exception(Boom), "receive", 1),
        "send_throw": (lambda c: c.send_throw(Boom), "receive", 1),
    }

    @pytest.mark.parametrize("op", OPS)
    def test_partner_waiting(self, op, channel_callback):
        call, other, sending = self.OPS[op]
        c, seen = stackless.channel(), []

        def partner():
            try:
                c.receive() if other == "receive" else c.send("T")
            except Boom:
                pass
        t = stackless.tasklet(partner)()
        t.run()
        me = stackless.current

        def cb(channel, tasklet, sending, willblock):
            assert channel is c and tasklet is me is stackless.current
            assert type(sending) is int and type(willblock) is int
            seen.append((sending, willblock, c.balance, tasklet.tempval))
        channel_callback(cb)
        call(c)
        channel_callback(None)
        stackless.run()
        (got_sending, willblock, balance, tempval), = seen
        assert (got_sending, willblock) == (sending, 0)
        assert balance == (-1 if sending else 1)
        if op == "send":
            assert tempval == "v"
        elif sending:
            assert type(tempval) is stackless.bomb and tempval.type is Boom

    @pytest.mark.parametrize("op", OPS)
    def test_will_block(self, op, channel_callback):
        call, _, sending = self.OPS[op]
        c, seen = stackless.channel(), []
        channel_callback(lambda *a: seen.append(a))
        t = stackless.tasklet(call)(c)
        stackless.run()
        channel_callback(None)
        assert seen == [(c, t, sending, 1)]
        t.kill()

    @pytest.mark.parametrize("op", OPS)
    def test_called_before_the_checks(self, op, channel_callback):
        call, _, sending = self.OPS[op]
        c, seen = stackless.channel(), []
        channel_callback(lambda *a: seen.append(a[2:]))
        with pytest.raises(RuntimeError):
            call(c)                                    # deadlock
        stackless.current.block_trap = True
        with pytest.raises(RuntimeError):
            call(c)
        stackless.current.block_trap = False
        c.close()
        with pytest.raises((ValueError, StopIteration)):
            call(c)
        assert seen == [(sending, 1)] * (2 if op == "next" else 3)

    def test_argument_errors_come_before(self, channel_callback):
        seen, c = [], stackless.channel()
        channel_callback(lambda *a: seen.append(a))
        with pytest.raises(TypeError):
            c.send_exception(1)
        with pytest.raises(TypeError):
            c.send()
        assert seen == []

    def test_once_an_item_of_a_sequence(self, channel_callback):
        c, seen = stackless.channel(), []
        stackless.tasklet(lambda: [x for x in c])()
        stackless.run()
        channel_callback(lambda ch, t, sending, willblock: seen.append(sending))
        c.send_sequence("ab")
        channel_callback(None)
        assert seen == [1, 0, 1, 0]       # the receiver comes back for more each time
        c.send_exception(StopIteration)
        stackless.run()

    def test_recursive_operation_is_refused(self, channel_callback):
        c, d, seen = stackless.channel(), stackless.channel(), []

        def cb(channel, *rest):
            for op in (c.receive, lambda: c.send(1)):
                with raises(RuntimeError, "Recursive channel call due to callbacks!"):
                    op()
                seen.append(1)
        t = blocked_tasklet(c)
        channel_callback(cb)
        c.send("v")
        channel_callback(None)
        stackless.run()
        assert len(seen) == 2 and not t.alive and d.balance == 0

    def test_error_in_the_callback(self, channel_callback, unraisable):
        """[REC]: reported as unraisable, or the operation is given up before any change."""
        c, got = stackless.channel(), []
        t = stackless.tasklet(lambda: got.append(c.receive()))()
        t.run()

        def cb(*args):
            raise Boom("callback")
        channel_callback(cb)
        try:
            c.send("v")
            done = True
        except Boom:
            done = False
        channel_callback(None)
        if done:
            stackless.run()
            assert unraisable == [Boom] and got == ["v"]
        else:
            assert c.balance == -1 and t.blocked and unraisable == []
            c.send("v")

    def test_callback_that_creates(self, channel_callback):
        c, log = stackless.channel(), []
        t = blocked_tasklet(c)
        channel_callback(lambda *a: stackless.tasklet(log.append)(1))
        c.send(1)
        channel_callback(None)
        stackless.run()
        assert log == [1] and not t.alive

    def test_callback_that_kills_the_waiting_partner(self, channel_callback):
        """Either the kill is refused, or the partner is gone and the send must look again."""
        c, refused, got = stackless.channel(), [], []
        t = stackless.tasklet(lambda: got.append(c.receive()))()
        t.run()
        stackless.tasklet(nothing)()

        def cb(*args):
            channel_callback(None)
            try:
                t.kill()
            except RuntimeError as e:
                refused.append(str(e))
        channel_callback(cb)
        stackless.current.block_trap = True
        try:
            c.send("v")
        except RuntimeError as e:
            assert not refused and "blocked" in str(e)
        finally:
            stackless.current.block_trap = False
        stackless.run()
        assert got == ["v"] * len(refused) and refused in ([], ["switch_trap"])
        assert not t.alive and c.balance == 0 and c.queue is None

    def test_callback_that_kills_the_waiting_partner_later(self, channel_callback):
        """A pending kill needs no switch: the send finds nobody waiting any more."""
        c, log = stackless.channel(), []
        t = blocked_tasklet(c)

        def cb(*args):
            channel_callback(None)
            t.kill(pending=True)
        channel_callback(cb)
        stackless.current.block_trap = True
        try:
            with pytest.raises(RuntimeError, match="does not like to be blocked"):
                c.send("v")
        finally:
            stackless.current.block_trap = False
        stackless.run()
        assert log == [] and not t.alive and c.balance == 0

    def test_callback_that_switches(self, channel_callback):
        c, log = stackless.channel(), []
        t = stackless.tasklet(lambda: log.append(c.receive()))()
        t.run()
        stackless.tasklet(log.append)("other")

        def cb(*args):
            try:
                stackless.schedule()
            except RuntimeError as e:            # a trap around the call is fine, too
                assert "trap" in str(e)
        channel_callback(cb)
        c.send("v")
        channel_callback(None)
        stackless.run()
        assert sorted(log) == ["other", "v"]

    def test_callback_that_replaces_itself(self, channel_callback):
        c, log = stackless.channel(), []
        t = blocked_tasklet(c)

        def cb(*args):
            channel_callback(None)
            gc.collect()
            log.append("still running")
        w = weakref.ref(cb)
        channel_callback(cb)
        del cb
        c.send(1)
        stackless.run()
        gc.collect()
        assert log == ["still running"] and w() is None and not t.alive

    def test_callback_changes_what_is_sent(self, channel_callback):
        c, got = stackless.channel(), []
        stackless.tasklet(lambda: got.append(c.receive()))().run()

        def cb(ch, task, sending, willblock):
            if sending:
                task.tempval = "changed"
        channel_callback(cb)
        c.send("original")
        channel_callback(None)
        stackless.run()
        assert got in (["changed"], ["original"])     # no crash; the spec leaves it open

    def test_callback_that_closes_the_channel(self, channel_callback):
        c = stackless.channel()
        stackless.tasklet(nothing)()
        channel_callback(lambda ch, *a: ch.close())
        with raises(ValueError, "Send/receive operation on a closed channel"):
            c.send(1)
        channel_callback(None)
        stackless.run()

    def test_callback_drops_the_last_reference_to_the_channel(self, channel_callback):
        box = [stackless.channel()]
        channel_callback(lambda ch, *a: (box.clear(), gc.collect()))
        with pytest.raises(RuntimeError):
            box[0].receive()
        channel_callback(None)
        assert box == []


class TestScheduleCallback:
    def play(self, callback_set, *bodies):
        names, log = Names(), []
        for n, body in zip("ABCDE", bodies):
            names(n, stackless.tasklet(body)())
        callback_set(lambda p, n: log.append(names[p] + names[n]))
        stackless.run()
        callback_set(None)
        return log

    def test_example(self, schedule_callback):
        assert self.play(schedule_callback, nothing, lambda: stackless.schedule(None)) == \
            ["MA", "AB", "BM"]

    def test_channels(self, schedule_callback):
        c = stackless.channel()
        assert self.play(schedule_callback, c.receive, lambda: c.send(1)) == \
            ["MA", "AB", "BA", "AB", "BM"]

    def test_not_for_switches_to_oneself(self, schedule_callback):
        log = []
        schedule_callback(lambda *a: log.append(a))
        stackless.schedule()
        stackless.schedule_remove()
        stackless.run()
        stackless.current.run()
        stackless.current.switch()
        assert log == []

    def test_current_is_prev(self, schedule_callback):
        log = []
        stackless.tasklet(nothing)()
        schedule_callback(lambda p, n: log.append(stackless.current is p))
        stackless.run()
        schedule_callback(None)
        assert log == [True, True]

    def test_death_is_announced_with_the_next_one(self, schedule_callback):
        log = []
        a = stackless.tasklet(nothing)()
        schedule_callback(lambda p, n: log.append((p, n)))
        stackless.run()
        schedule_callback(None)
        assert log == [(stackless.main, a), (a, stackless.main)]

    def test_kill_and_throw(self, schedule_callback):
        log, a = [], started_paused(pause)
        schedule_callback(lambda p, n: log.append((p, n)))
        a.kill()
        schedule_callback(None)
        assert log == [(stackless.main, a), (a, stackless.main)]

    def test_error_is_unraisable_and_the_switch_takes_place(self, schedule_callback, unraisable):
        log = []
        stackless.tasklet(log.append)(1)

        def cb(prev, next):
            raise Boom
        schedule_callback(cb)
        stackless.run()
        schedule_callback(None)
        assert log == [1] and unraisable == [Boom, Boom]

    @pytest.mark.parametrize("op", [
        lambda ts: stackless.schedule(), lambda ts: stackless.run(),
        lambda ts: stackless.schedule_remove(), lambda ts: stackless.channel().receive(),
        lambda ts: ts[2].run(), lambda ts: ts[2].kill(),
    ], ids="schedule run schedule_remove receive t.run kill".split())
    def test_switching_inside_is_refused(self, schedule_callback, unraisable, op):
        """[REC]: the switch trap is raised around the call."""
        log, errors = [], []
        ts = [stackless.tasklet(log.append)(n) for n in range(3)]

        def cb(prev, next):
            try:
                op(ts)
            except RuntimeError as e:
                errors.append(str(e))
        schedule_callback(cb)
        stackless.run()
        schedule_callback(None)
        assert log == [0, 1, 2]
        assert stackless.switch_trap(0) == 0
        assert errors.count("switch_trap") >= 2

    def test_creating_inside(self, schedule_callback):
        log = []

        def cb(prev, next):
            if len(log) < 5:
                log.append(stackless.tasklet(nothing)())
        stackless.tasklet(nothing)()
        schedule_callback(cb)
        stackless.run()
        schedule_callback(None)
        stackless.run()
        assert len(log) == 5 and not any(t.alive for t in log)

    def test_setting_the_trace_function_of_next(self, schedule_callback):
        calls = []

        def tracer(frame, event, arg):
            if event == "call":
                calls.append(frame.f_code.co_name)

        def traced():
            def inner():
                pass
            inner()

        def cb(prev, next):
            if next is t:
                next.trace_function = tracer
        t = stackless.tasklet(traced)()
        schedule_callback(cb)
        stackless.run()
        schedule_callback(None)
        assert "inner" in calls and sys.gettrace() is None

    def test_drops_the_last_reference_to_the_dying(self, schedule_callback):
        box = [stackless.tasklet(nothing)()]
        w = weakref.ref(box[0])
        schedule_callback(lambda p, n: (box.clear(), gc.collect()))
        stackless.run()
        schedule_callback(None)
        assert w() is None

    def test_removing_the_callback_inside(self, schedule_callback):
        log = []

        def cb(prev, next):
            log.append(1)
            schedule_callback(None)
        stackless.tasklet(nothing)()
        schedule_callback(cb)
        stackless.run()
        assert log == [1]

    def test_both_callbacks_under_load(self, schedule_callback, channel_callback):
        c, counts, got = stackless.channel(), [0, 0], []

        def scb(p, n):
            counts[0] += 1

        def ccb(*a):
            counts[1] += 1
        schedule_callback(scb)
        channel_callback(ccb)
        stackless.tasklet(lambda: [got.append(c.receive()) for _ in range(5000)])()
        stackless.tasklet(lambda: c.send_sequence(range(5000)))()
        stackless.run()
        schedule_callback(None)
        channel_callback(None)
        assert got == list(range(5000)) and counts[1] == 10000 and counts[0] >= 10000


class TestReentrancy:
    """__del__ and weakref callbacks that switch, create and kill."""

    def test_del_that_switches(self):
        log = []

        class D:
            def __del__(self):
                stackless.schedule()
                log.append("del")

        def f():
            d = D()
            del d
            log.append("f")
        stackless.tasklet(f)()
        stackless.tasklet(log.append)("other")
        stackless.run()
        assert log == ["other", "del", "f"]

    def test_value_in_flight_with_a_del_that_switches(self):
        c, log = stackless.channel(), []

        class D:
            def __init__(self, n):
                self.n = n

            def __del__(self):
                stackless.schedule()
                log.append(self.n)

        def receiver():
            for _ in range(100):
                c.receive()              # dropped at once
        stackless.tasklet(receiver)()
        stackless.tasklet(lambda: [c.send(D(i)) for i in range(100)])()
        stackless.run()
        assert log == list(range(100))

    def test_weakref_callback_that_kills(self):
        log = []
        other = started_paused(pause)

        def gone(ref):
            other.kill()
            log.append("gone")
        t = stackless.tasklet(nothing)()
        w = weakref.ref(t, gone)
        del t
        stackless.run()
        assert log == ["gone"] and w() is None and not other.alive

    def test_del_of_a_local_of_the_killed(self):
        log = []

        class D:
            def __del__(self):
                stackless.tasklet(log.append)("made in del")
                stackless.schedule()
                log.append("del")

        def f():
            d = D()
            pause()
            return d
        t = started_paused(f)
        t.kill()
        stackless.run()
        assert log == ["made in del", "del"]

    def test_last_reference_to_current_inside_itself(self):
        log = []

        def f():
            box.clear()
            gc.collect()
            stackless.schedule(None)
            log.append(stackless.current.alive)
        box = [stackless.tasklet(f)()]
        stackless.run()
        assert log == [True]

    def test_bind_in_a_weakref_callback_of_the_arguments(self):
        class A:
            pass
        a = A()
        t = stackless.tasklet(nothing)(a)
        w = weakref.ref(a, lambda r: stackless.tasklet(nothing)())
        del a
        stackless.run()
        stackless.run()
        assert w() is None and not t.alive
