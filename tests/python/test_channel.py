"""Spec section 5: channels, apart from the order of who continues (test_channel_order.py)."""
import sys

import pytest

import stackless
from helpers import Names, blocked_tasklet, nothing, pause, queue, raises, ring, state

CLOSED = "Send/receive operation on a closed channel"
TRAP = "this tasklet does not like to be blocked."
DEADLOCK = "Deadlock: the last runnable tasklet cannot be blocked."
FIRST = "channel.send_exception needs Exception or string subclass as first parameter"


class Boom(Exception):
    pass


class TestBasics:
    def test_fresh(self):
        c = stackless.channel()
        assert (c.balance, c.queue, c.preference, c.schedule_all) == (0, None, -1, 0)
        assert c.closing is False and c.closed is False
        assert type(c.balance) is int and type(c.preference) is int
        assert type(c.schedule_all) is int

    def test_constructor_ignores_arguments(self):
        stackless.channel(1, 2, x=3)

    def test_no_dict(self):
        with pytest.raises(AttributeError):
            stackless.channel().nonsense = 1

    @pytest.mark.parametrize("name", ["balance", "queue", "closing", "closed"])
    def test_read_only(self, name):
        with pytest.raises(AttributeError):
            setattr(stackless.channel(), name, 1)

    @pytest.mark.parametrize("value", [None, 0, "x", ValueError, ValueError("x"), (), [1]])
    def test_values_pass_unchanged(self, value):
        c, got = stackless.channel(), []
        stackless.tasklet(lambda: got.append(c.receive()))()
        stackless.schedule()
        assert c.send(value) is None
        assert got[0] is value
        stackless.tasklet(c.send)(value)
        assert c.receive() is value
        stackless.run()

    def test_many_values_in_order(self):
        c, got = stackless.channel(), []

        def sender():
            for i in range(1000):
                c.send(i)

        def receiver():
            for _ in range(1000):
                got.append(c.receive())
        stackless.tasklet(sender)()
        stackless.tasklet(receiver)()
        stackless.run()
        assert got == list(range(1000)) and c.balance == 0

    def test_fifo(self):
        c, log, name = stackless.channel(), [], Names()
        for n in "ABC":
            name(n, stackless.tasklet(lambda n=n: log.append((n, c.receive())))())
        stackless.run()
        assert c.balance == -3 and name.queue(c) == "ABC" and c.queue is name.keep[0]
        for i in range(3):
            c.send(i)
        stackless.run()
        assert log == [("A", 0), ("B", 1), ("C", 2)]

    def test_balance_of_senders(self):
        c, name = stackless.channel(), Names()
        for n in "AB":
            name(n, stackless.tasklet(c.send)(n))
        stackless.run()
        assert c.balance == 2 and name.queue(c) == "AB"
        assert [c.receive(), c.receive()] == ["A", "B"] and c.balance == 0
        stackless.run()

    def test_state_of_a_blocked_one(self):
        c = stackless.channel()
        t = blocked_tasklet(c)
        assert state(t) == "asb" and t not in ring() and t._channel is c
        assert t.next is None and t.prev is None
        c.send(1)
        stackless.run()

    @pytest.mark.parametrize("call", [
        lambda c: c.send(), lambda c: c.send(1, 2, 3, 4), lambda c: c.receive(1, 2, 3),
        lambda c: c.send(nonsense=1), lambda c: c.close(1), lambda c: c.open(1),
        lambda c: c.send_sequence(), lambda c: c.send_sequence(5), lambda c: c.send_throw(),
        lambda c: c.send_throw(ValueError, 1, None, 4), lambda c: c.send_exception(),
    ])
    def test_argument_errors(self, call):
        c = stackless.channel()
        t = blocked_tasklet(c)
        with pytest.raises(TypeError):
            call(c)
        assert t.blocked


class TestSettings:
    @pytest.mark.parametrize("value, reads", [(-1, -1), (0, 0), (1, 1), (7, 1), (-7, -1), (True, 1)])
    def test_preference(self, value, reads):
        c = stackless.channel()
        c.preference = value
        assert c.preference == reads

    @pytest.mark.parametrize("value, reads", [(0, 0), (1, 1), (True, 1), (False, 0), (9, 1), (-2, 1)])
    def test_schedule_all(self, value, reads):
        c = stackless.channel()
        c.schedule_all = value
        assert c.schedule_all == reads and type(c.schedule_all) is int

    @pytest.mark.parametrize("bad", ["x", None, 1.5])
    def test_errors(self, bad):
        c = stackless.channel()
        with raises(TypeError, "preference must be set to an integer"):
            c.preference = bad
        with raises(TypeError, "preference must be set to a bool or integer"):
            c.schedule_all = bad
        for name in ("preference", "schedule_all"):
            with pytest.raises((TypeError, AttributeError)):
                delattr(c, name)


OPS = {
    "send": lambda c: c.send(1),
    "receive": lambda c: c.receive(),
    "send_exception": lambda c: c.send_exception(Boom),
    "send_throw": lambda c: c.send_throw(Boom),
    "send_sequence": lambda c: c.send_sequence([1]),
    "next": next,
}


@pytest.mark.parametrize("op", OPS)
class TestOrderOfChecks:
    """5.2: what is tested when an operation would have to block, in order."""

    def attempt(self, op, error, trap=0, block=False, closed=False, others=True):
        c, me = stackless.channel(), stackless.current
        other = stackless.tasklet(nothing)() if others else None
        if closed:
            c.close()
        me.block_trap = block
        stackless.switch_trap(trap)
        try:
            with raises(*error):
                OPS[op](c)
        finally:
            stackless.switch_trap(-trap)
            me.block_trap = False
        assert c.balance == 0 and c.queue is None
        assert ring() == ([me, other] if others else [me])
        stackless.run()

    def closed_error(self, op):
        return (StopIteration, "") if op == "next" else (ValueError, CLOSED)

    def test_block_trap_first(self, op):
        for trap in (0, 1):
            for others in (False, True):
                self.attempt(op, (RuntimeError, TRAP), trap, True, False, others)
                if op != "next":
                    self.attempt(op, (RuntimeError, TRAP), trap, True, True, others)

    def test_then_closed(self, op):
        for trap in (0, 1):
            for others in (False, True):
                self.attempt(op, self.closed_error(op), trap, False, True, others)

    def test_then_deadlock(self, op):
        for trap in (0, 1, -1):
            self.attempt(op, (RuntimeError, DEADLOCK), trap, False, False, False)

    def test_then_switch_trap(self, op):
        for trap in (1, -1, 3):
            self.attempt(op, (RuntimeError, "switch_trap"), trap, False, False, True)

    def test_none_applies_when_a_partner_waits(self, op):
        c, me = stackless.channel(), stackless.current
        c.preference = 0
        t = stackless.tasklet(c.receive if op.startswith("send") else c.send_sequence)
        t(*([] if op.startswith("send") else [[1]]))
        t.run()
        c.close()
        me.block_trap = True
        stackless.switch_trap(1)
        try:
            OPS[op](c)
        finally:
            me.block_trap = False
            stackless.switch_trap(-1)
        assert c.closed and c.balance == 0
        if op in ("send_exception", "send_throw"):
            with raises(Boom):
                stackless.run()
        stackless.run()


class TestClosing:
    def test_states(self):
        c = stackless.channel()
        t = blocked_tasklet(c)
        assert c.close() is None
        assert (c.closing, c.closed) == (True, False) and t.blocked
        c.send(1)
        assert c.closed is True
        assert c.open() is None
        assert (c.closing, c.closed) == (False, False)
        stackless.run()

    def test_queue_can_be_drained(self):
        c = stackless.channel()
        for i in range(3):
            stackless.tasklet(c.send)(i)
        stackless.run()
        c.close()
        assert [c.receive() for _ in range(3)] == [0, 1, 2]
        assert c.closed
        with raises(ValueError, CLOSED):
            c.receive()
        stackless.run()

    def test_killed_waiter_makes_it_closed(self):
        c = stackless.channel()
        t = blocked_tasklet(c)
        c.close()
        t.kill()
        assert c.closed

    def test_reopened_works(self):
        c = stackless.channel()
        c.close()
        c.open()
        stackless.tasklet(c.send)("x")
        assert c.receive() == "x"
        stackless.run()


class TestIteration:
    def test_iter_is_self(self):
        c = stackless.channel()
        assert iter(c) is c

    def test_for_ends_with_stopiteration(self):
        c, got = stackless.channel(), []
        stackless.tasklet(lambda: ([got.append(x) for x in c], got.append("done")))()
        stackless.tasklet(lambda: (got.append(c.send_sequence("abc")),
                                   c.send_exception(StopIteration)))()
        stackless.run()
        assert got == ["a", "b", "c", 3, "done"]

    def test_closed_ends_at_once(self):
        c = stackless.channel()
        c.close()
        assert list(c) == []
        with raises(StopIteration):
            next(c)

    def test_closing_with_waiting_receiver_ends_at_once(self):
        c = stackless.channel()
        t = blocked_tasklet(c)
        c.close()
        with raises(StopIteration):
            next(c)
        assert t.blocked

    def test_closing_with_senders_drains(self):
        c = stackless.channel()
        for i in range(3):
            stackless.tasklet(c.send)(i)
        stackless.run()
        c.close()
        assert list(c) == [0, 1, 2]
        stackless.run()

    def test_close_does_not_release_a_blocked_loop(self):
        c, got = stackless.channel(), []
        k = stackless.tasklet(lambda: got.append(list(c)))()
        stackless.run()
        c.close()
        stackless.run()
        assert k.blocked and got == []
        c.send_exception(StopIteration)
        stackless.run()
        assert got == [[]]


class TestSendException:
    def test_receiver_raises(self):
        c, got = stackless.channel(), []

        def f():
            try:
                c.receive()
            except Boom as e:
                got.append(e.args)
        for args in ((), (1,), (1, 2)):
            stackless.tasklet(f)()
            stackless.run()
            assert c.send_exception(Boom, *args) is None
            stackless.run()
        assert got == [(), (1,), (1, 2)]

    def test_sender_waits(self):
        c = stackless.channel()
        t = stackless.tasklet(c.send_exception)(Boom, "x")
        stackless.run()
        assert c.balance == 1 and t.blocked
        with raises(Boom, "x"):
            c.receive()
        stackless.run()

    @pytest.mark.parametrize("bad", [1, None, int, ValueError(), object])
    def test_errors(self, bad):
        c = stackless.channel()
        with raises(TypeError, FIRST):
            c.send_exception(bad)

    def test_a_string_is_refused(self):
        with pytest.raises(TypeError):
            stackless.channel().send_exception("text")

    def test_no_argument(self):
        with pytest.raises(TypeError) as e:
            stackless.channel().send_exception()
        assert "at least 1 argument" in str(e.value) or "missing" in str(e.value)


class TestSendThrow:
    def caught(self, *args):
        c, got = stackless.channel(), []

        def f():
            try:
                c.receive()
            except Exception as e:
                got.append(e)
        stackless.tasklet(f)()
        stackless.run()
        assert c.send_throw(*args) is None
        stackless.run()
        return got[0]

    def test_forms(self):
        assert self.caught(ValueError).args == ()
        assert self.caught(ValueError, 1).args == (1,)
        assert self.caught(ValueError, (1, 2)).args == ((1, 2),)
        e = ValueError("mine")
        assert self.caught(e) is e
        assert self.caught(ValueError, e) is e
        assert self.caught(ValueError, e, None) is e

    def test_relays_exc_info(self):
        def origin():
            raise ValueError("relay")
        try:
            origin()
        except ValueError:
            e = self.caught(*sys.exc_info())
        names, tb = [], e.__traceback__
        while tb:
            names.append(tb.tb_frame.f_code.co_name)
            tb = tb.tb_next
        assert names[-1] == "origin" and "f" in names

    @pytest.mark.parametrize("args, text", [
        ((), None),
        ((1,), "exceptions must be classes, or instances, not int"),
        ((None,), "exceptions must be classes, or instances, not NoneType"),
        ((ValueError(), 1), "instance exception may not have a separate value"),
        ((ValueError, 1, "tb"), "third argument must be a traceback object"),
    ])
    def test_errors(self, args, text):
        c = stackless.channel()
        with raises(TypeError, text):
            c.send_throw(*args)
        assert c.balance == 0

    def test_no_keywords(self):
        with pytest.raises(TypeError):
            stackless.channel().send_throw(exc=ValueError)


class TestSendSequence:
    def test_counts(self):
        c, got = stackless.channel(), []
        stackless.tasklet(lambda: got.extend(c))()
        stackless.run()
        assert c.send_sequence(range(5)) == 5
        assert c.send_sequence(iter("ab")) == 2
        assert c.send_sequence([]) == 0
        c.send_exception(StopIteration)
        stackless.run()
        assert got == [0, 1, 2, 3, 4, "a", "b"]

    def test_empty_on_a_closed_channel(self):
        c = stackless.channel()
        c.close()
        assert c.send_sequence(()) == 0
        with raises(ValueError, CLOSED):
            c.send_sequence((1,))

    def test_not_iterable(self):
        with pytest.raises(TypeError):
            stackless.channel().send_sequence(None)

    def test_error_of_the_iterator(self):
        c, got = stackless.channel(), []

        def items():
            yield 1
            yield 2
            raise Boom("iterator")
        stackless.tasklet(lambda: [got.append(x) for x in c])()
        stackless.run()
        with raises(Boom, "iterator"):
            c.send_sequence(items())
        stackless.run()
        assert got == [1, 2]
        c.send_exception(StopIteration)
        stackless.run()
        assert got == [1, 2]

    def test_iterator_that_switches(self):
        c, d, got = stackless.channel(), stackless.channel(), []
        stackless.tasklet(lambda: [got.append(x) for x in c])()
        stackless.tasklet(lambda: (d.send_sequence("xyz"), d.send_exception(StopIteration)))()
        stackless.run()
        assert c.send_sequence(d) == 3
        c.send_exception(StopIteration)
        stackless.run()
        assert got == ["x", "y", "z"]


class TestReferences:
    def test_queue_keeps_the_tasklet_alive(self):
        import weakref
        c = stackless.channel()
        t = blocked_tasklet(c)
        w = weakref.ref(t)
        del t
        assert w() is c.queue
        c.send(1)
        stackless.run()
        assert w() is None

    def test_value_is_not_kept(self):
        c, value = stackless.channel(), object()
        before = sys.getrefcount(value)
        for _ in range(10):
            stackless.tasklet(c.receive)()
            stackless.run()
            c.send(value)
            stackless.tasklet(c.send)(value)
            c.receive()
            stackless.run()
        t = stackless.tasklet(c.send)(value)
        t.run()
        t.kill()
        assert sys.getrefcount(value) == before

    def test_killed_sender_sends_nothing(self):
        c = stackless.channel()
        t = stackless.tasklet(c.send)("lost")
        t.run()
        t.kill()
        assert c.balance == 0
        with raises(RuntimeError, DEADLOCK):
            c.receive()

    def test_removal_from_the_middle(self):
        c = stackless.channel()
        ts = [blocked_tasklet(c) for _ in range(5)]
        for i, left in ((2, [0, 1, 3, 4]), (0, [1, 3, 4]), (4, [1, 3]), (1, [3]), (3, [])):
            ts[i].kill()
            assert queue(c) == [ts[k] for k in left]


def test_rendezvous_of_two_that_swap_roles():
    c, log = stackless.channel(), []

    def ping():
        for i in range(3):
            c.send(i)
            log.append(c.receive())

    def pong():
        for _ in range(3):
            x = c.receive()
            c.send(x * 10)
    stackless.tasklet(ping)()
    stackless.tasklet(pong)()
    stackless.run()
    assert log == [0, 10, 20]


def test_waiting_ones_are_in_no_ring():
    c = stackless.channel()
    t = blocked_tasklet(c)
    with raises(RuntimeError):
        t.insert()
    with raises(RuntimeError):
        t.remove()
    c.send(None)
    assert not t.blocked
    stackless.run()
    assert pause() is None
