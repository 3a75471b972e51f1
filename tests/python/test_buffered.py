"""Beyond Stackless: BufferedChannel, with the rules of Go's buffered channels."""
import pytest

import gossamer
import stackless
from helpers import raises


@pytest.mark.parametrize("capacity", [1, 2, 10, 1000])
class TestCapacity:
    def test_sends_up_to_capacity_without_waiting(self, capacity):
        c = gossamer.BufferedChannel(capacity)
        assert isinstance(c, gossamer.channel) and c.capacity == capacity and len(c) == 0
        for n in range(capacity):
            c.send(n)
            assert len(c) == n + 1
        with pytest.raises(gossamer.DeadlockError):
            c.send("one too many")
        assert len(c) == capacity
        assert [c.receive() for _ in range(capacity)] == list(range(capacity))
        with pytest.raises(gossamer.DeadlockError):
            c.receive()

    def test_fifo_under_load(self, capacity):
        c, got = gossamer.BufferedChannel(capacity), []
        gossamer.spawn(c.send_sequence, range(3000))
        for _ in range(3000):
            got.append(c.receive())
        stackless.run()
        assert got == list(range(3000)) and len(c) == 0

    def test_blocked_sender_fills_the_room_that_a_receive_makes(self, capacity):
        c = gossamer.BufferedChannel(capacity)
        for n in range(capacity):
            c.send(n)
        t = gossamer.spawn(c.send, "next")
        stackless.run()
        assert t.blocked
        assert c.receive() == 0
        assert len(c) == capacity
        stackless.run()
        assert not t.alive
        assert [c.receive() for _ in range(capacity)] == list(range(1, capacity)) + ["next"]

    def test_waiting_receiver_gets_it_directly(self, capacity):
        c = gossamer.BufferedChannel(capacity)
        t = gossamer.spawn(c.receive)
        stackless.run()
        assert t.blocked
        c.send("x")
        assert t.join() == "x" and len(c) == 0


def test_an_empty_one_is_true():
    assert bool(gossamer.BufferedChannel(1)) is True
    assert bool(gossamer.channel()) is True


class TestClosing:
    def test_drains_then_ends(self):
        c = gossamer.BufferedChannel(3)
        for n in range(3):
            c.send(n)
        c.close()
        with raises(ValueError, "Send/receive operation on a closed channel"):
            c.send(9)
        assert list(c) == [0, 1, 2]
        with raises(ValueError, "Send/receive operation on a closed channel"):
            c.receive()

    def test_closed_flag(self):
        c = gossamer.BufferedChannel(1)
        c.send(1)
        c.close()
        assert c.closing
        c.receive()
        assert c.closed


class TestErrors:
    @pytest.mark.parametrize("capacity", [-1, "x", None, 1.5])
    def test_capacity(self, capacity):
        with pytest.raises((TypeError, ValueError)):
            gossamer.BufferedChannel(capacity)

    def test_missing(self):
        with pytest.raises(TypeError):
            gossamer.BufferedChannel()

    def test_read_only(self):
        with pytest.raises(AttributeError):
            gossamer.BufferedChannel(1).capacity = 2


def test_exception_in_the_buffer():
    c = gossamer.BufferedChannel(2)
    c.send_exception(KeyError, "stored")
    c.send("value")
    with raises(KeyError, "'stored'"):
        c.receive()
    assert c.receive() == "value"


def test_references_are_released():
    import sys
    value = object()
    before = sys.getrefcount(value)
    c = gossamer.BufferedChannel(5)
    for _ in range(5):
        c.send(value)
    assert sys.getrefcount(value) == before + 5
    c.receive()
    assert sys.getrefcount(value) == before + 4
    del c
    assert sys.getrefcount(value) == before


def test_cycle_through_the_buffer():
    import gc
    import weakref
    c = gossamer.BufferedChannel(5)
    c.send(c)
    w = weakref.ref(c)
    del c
    gc.collect()
    assert w() is None


def test_timeouts():
    c = gossamer.BufferedChannel(1)
    with raises(TimeoutError):
        c.receive(timeout=0.01)
    c.send(1)
    with raises(TimeoutError):
        c.send(2, timeout=0.01)
    assert c.receive() == 1 and len(c) == 0


def test_producer_and_consumer_of_different_speed():
    c, log = gossamer.BufferedChannel(3), []

    def producer():
        for n in range(10):
            c.send(n)
            log.append(len(c))
        c.close()

    def consumer():
        for n in c:
            got.append(n)
            stackless.schedule(None)
    got = []
    gossamer.spawn(producer)
    stackless.run()
    assert log == [1, 2, 3]
    gossamer.spawn(consumer)
    stackless.run()
    assert got == list(range(10)) and max(log) <= 3
