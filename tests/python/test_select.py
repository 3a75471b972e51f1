"""Beyond Stackless: select over several channels."""
import time

import pytest

import gossamer
import stackless
from helpers import nothing, queue, raises

pytestmark = pytest.mark.valgrind


class Boom(Exception):
    pass


@pytest.fixture
def ab():
    return gossamer.channel(), gossamer.channel()


class TestReady:
    def test_receive(self, ab):
        a, b = ab
        gossamer.spawn(b.send, "from b")
        stackless.run()
        assert gossamer.select([a, b]) == (1, "from b")
        stackless.run()
        assert a.balance == b.balance == 0

    def test_send(self, ab):
        a, b = ab
        t = gossamer.spawn(b.receive)
        stackless.run()
        index, value = gossamer.select([a, (b, "to b")])
        assert index == 1 and value is None
        assert t.join() == "to b"

    def test_first_in_the_list_wins(self, ab):
        a, b = ab
        for c in ab:
            gossamer.spawn(c.send, "x")
        stackless.run()
        assert gossamer.select([b, a])[0] == 0 and b.balance == 0 and a.balance == 1
        assert gossamer.select([b, a])[0] == 1
        stackless.run()

    def test_same_channel_for_both(self):
        c = gossamer.channel()
        gossamer.spawn(c.send, "x")
        stackless.run()
        assert gossamer.select([(c, "y"), c]) == (1, "x")
        stackless.run()

    def test_error_sent(self, ab):
        a, b = ab
        gossamer.spawn(b.send_exception, Boom, "sent")
        stackless.run()
        with raises(Boom, "sent"):
            gossamer.select([a, b])
        stackless.run()

    def test_cases_may_be_a_tuple_of_channels_in_a_list(self, ab):
        gossamer.spawn(ab[0].send, 1)
        stackless.run()
        assert gossamer.select(list(ab)) == (0, 1)
        stackless.run()


class TestBlocking:
    def test_woken_by_the_second(self, ab):
        a, b = ab
        t = gossamer.spawn(gossamer.select, [a, b])
        stackless.run()
        assert t.state == "blocked" and a.balance == b.balance == -1
        b.send("v")
        assert t.join() == (1, "v")
        assert a.balance == b.balance == 0 and a.queue is None and b.queue is None

    def test_woken_as_a_sender(self, ab):
        a, b = ab
        t = gossamer.spawn(gossamer.select, [a, (b, "value")])
        stackless.run()
        assert (a.balance, b.balance) == (-1, 1)
        assert b.receive() == "value"
        assert t.join() == (1, None)
        assert a.balance == b.balance == 0

    def test_of_main(self, ab):
        a, b = ab
        gossamer.spawn(b.send, 5)
        assert gossamer.select([a, b]) == (1, 5)
        stackless.run()

    def test_two_selects_meet(self, ab):
        a, b = ab
        t = gossamer.spawn(gossamer.select, [a, b])
        u = gossamer.spawn(gossamer.select, [(b, "met")])
        stackless.run()
        assert t.join() == (1, "met") and u.join() == (0, None)

    def test_both_directions_of_one_channel_cannot_wait(self):
        """The queue of a channel holds senders or receivers, never both."""
        c = gossamer.channel()
        gossamer.spawn(nothing)
        with raises(ValueError):
            gossamer.select([c, (c, "x")])
        assert c.balance == 0
        stackless.run()

    def test_killed(self, ab):
        t = gossamer.spawn(gossamer.select, [ab[0], (ab[1], 1)])
        stackless.run()
        t.kill()
        assert ab[0].balance == ab[1].balance == 0 and not t.alive

    def test_thrown_at(self, ab):
        t = gossamer.spawn(gossamer.select, list(ab))
        stackless.run()
        with raises(Boom):
            t.throw(Boom)
        assert ab[0].balance == ab[1].balance == 0

    def test_fifo_with_plain_receivers(self):
        c, d = gossamer.channel(), gossamer.channel()
        t1 = gossamer.spawn(c.receive)
        t2 = gossamer.spawn(gossamer.select, [d, c])
        t3 = gossamer.spawn(c.receive)
        stackless.run()
        for n in range(3):
            c.send(n)
        assert (t1.join(), t2.join(), t3.join()) == (0, (1, 1), 2)

    def test_deadlock(self, ab):
        with pytest.raises(gossamer.DeadlockError):
            gossamer.select(list(ab))
        assert ab[0].balance == ab[1].balance == 0

    def test_block_trap(self, ab):
        gossamer.spawn(nothing)
        stackless.current.block_trap = True
        try:
            with pytest.raises(RuntimeError, match="does not like to be blocked"):
                gossamer.select(list(ab))
        finally:
            stackless.current.block_trap = False
        stackless.run()

    def test_many_channels(self):
        cs = [gossamer.channel() for _ in range(100)]
        t = gossamer.spawn(gossamer.select, cs)
        stackless.run()
        cs[77].send("x")
        assert t.join() == (77, "x") and all(c.balance == 0 for c in cs)

    def test_fan_in(self):
        cs, got = [gossamer.channel() for _ in range(5)], []
        for n, c in enumerate(cs):
            gossamer.spawn(c.send_sequence, [(n, i) for i in range(20)])
        for _ in range(100):
            index, (n, i) = gossamer.select(cs)
            assert index == n
            got.append((n, i))
        stackless.run()
        assert sorted(got) == [(n, i) for n in range(5) for i in range(20)]

    def test_collected_when_nobody_can_help(self):
        import gc
        log = []

        def f():
            a, b = gossamer.channel(), gossamer.channel()
            try:
                gossamer.select([a, b])
            finally:
                log.append("finally")
        stackless.tasklet(f)()
        stackless.run()
        gc.collect()
        stackless.run()
        assert log == ["finally"]


class TestTimeout:
    def test_not_blocking(self, ab):
        a, b = ab
        assert gossamer.select([a, (b, 1)], block=False) == (-1, None)
        gossamer.spawn(a.send, 4)
        stackless.run()
        assert gossamer.select([a, b], block=False) == (0, 4)
        stackless.run()

    def test_deadline(self, ab):
        start = time.monotonic()
        with raises(TimeoutError):
            gossamer.select(list(ab), timeout=0.03)
        assert 0.02 < time.monotonic() - start < 5
        assert ab[0].balance == ab[1].balance == 0

    def test_deadline_of_zero(self, ab):
        with raises(TimeoutError):
            gossamer.select(list(ab), timeout=0)

    def test_in_time(self, ab):
        def later():
            gossamer.sleep(0.01)
            ab[1].send("in time")
        gossamer.spawn(later)
        assert gossamer.select(list(ab), timeout=5) == (1, "in time")
        stackless.run()

    def test_nothing_to_wait_for(self):
        assert gossamer.select([], block=False) == (-1, None)
        with raises(TimeoutError):
            gossamer.select([], timeout=0.01)


class TestErrors:
    @pytest.mark.parametrize("cases", [
        5, None, [5], ["x"], [(1, 2)], [(gossamer.channel(),)], [(gossamer.channel(), 1, 2)], [None],
    ], ids=["number", "None", "[number]", "[str]", "[pair of numbers]", "[single]", "[triple]", "[None]"])
    def test_bad_cases(self, cases):
        with pytest.raises(TypeError):
            gossamer.select(cases, block=False)
        with pytest.raises(TypeError):
            gossamer.select()

    def test_bad_timeout(self, ab):
        for bad in ("x", float("nan")):
            with pytest.raises((TypeError, ValueError)):
                gossamer.select(list(ab), timeout=bad)

    def test_closed(self, ab):
        a, b = ab
        a.close()
        with pytest.raises((ValueError, StopIteration)):
            gossamer.select([a, b])
        assert queue(b) == []


def test_buffered_channels():
    full, empty = gossamer.BufferedChannel(1), gossamer.BufferedChannel(1)
    full.send("held")
    assert gossamer.select([empty, full]) == (1, "held")
    assert gossamer.select([empty, (full, "again")]) == (1, None)
    assert gossamer.select([(full, "no room"), empty], block=False) == (-1, None)
    t = gossamer.spawn(gossamer.select, [(full, "waits")])
    stackless.run()
    assert full.receive() == "again"
    assert t.join() == (0, None)
    assert full.receive() == "waits"
