"""Channels between threads (spec, 9.3)."""
import threading

import pytest

import gossamer
import stackless
from helpers import raises
from threads_helpers import PATIENCE, Other, until


@pytest.fixture
def other():
    with Other() as it:
        yield it


@pytest.mark.parametrize("tasklet_there", [False, True], ids=["main", "tasklet"])
def test_receiver_there_sender_here(other, tasklet_there):
    channel, got = stackless.channel(), []

    def receive():
        got.append((channel.receive(), threading.get_ident()))
    if tasklet_there:
        other.call(lambda: stackless.tasklet(receive)())
    else:
        other.inbox.send((receive, ()))
    until(lambda: channel.balance == -1)
    value = object()
    channel.send(value)
    until(lambda: got)
    assert got[0][0] is value and got[0][1] == other.id
    if not tasklet_there:
        other.outbox.receive()


@pytest.mark.parametrize("tasklet_there", [False, True], ids=["main", "tasklet"])
def test_sender_there_receiver_here(other, tasklet_there):
    channel = stackless.channel()
    if tasklet_there:
        other.call(lambda: stackless.tasklet(channel.send)("value"))
    else:
        other.inbox.send((channel.send, ("value",)))
    until(lambda: channel.balance == 1)
    assert channel.receive() == "value"
    if not tasklet_there:
        other.outbox.receive()


@pytest.mark.parametrize("send_here", [False, True])
def test_main_here_waits(other, send_here):
    """The one that comes second is over there: we sleep, and are woken."""
    channel = stackless.channel()

    def there():
        until(lambda: channel.balance)
        return channel.receive() if send_here else channel.send("value")
    other.inbox.send((there, ()))
    if send_here:
        channel.send("value")
    else:
        assert channel.receive() == "value"
    assert other.outbox.receive() == (True, "value" if send_here else None)


def test_exceptions_travel(other):
    channel = stackless.channel()
    other.call(lambda: stackless.tasklet(channel.send_exception)(ValueError, "over there"))
    until(lambda: channel.balance)
    with raises(ValueError, "over there"):
        channel.receive()


@pytest.mark.parametrize("preference", [-1, 0, 1])
@pytest.mark.parametrize("schedule_all", [False, True])
def test_preference_is_ignored(other, preference, schedule_all):
    """Nor is the switch trap looked at: nobody switches."""
    channel, log = stackless.channel(), []
    channel.preference, channel.schedule_all = preference, schedule_all
    other.call(lambda: stackless.tasklet(lambda: channel.receive())())
    until(lambda: channel.balance)
    t = stackless.tasklet(log.append)("sibling")
    stackless.switch_trap(1)
    try:
        channel.send(1)
    finally:
        stackless.switch_trap(-1)
    assert log == []
    t.kill()


def test_order_is_that_of_blocking():
    channel, got = stackless.channel(), []
    others = [Other() for _ in range(4)]
    try:
        for i in range(12):
            others[i % 4].call(lambda: stackless.tasklet(lambda: got.append((i, channel.receive())))())
            until(lambda: channel.balance == -i - 1)
        for i in range(12):
            channel.send(i)
            until(lambda: len(got) == i + 1)
        assert got == [(i, i) for i in range(12)]
        for i in range(12):
            others[i % 4].call(lambda: stackless.tasklet(channel.send)(i))
            until(lambda: channel.balance == i + 1)
        assert [channel.receive() for _ in range(12)] == list(range(12))
    finally:
        for o in others:
            o.stop()


@pytest.mark.parametrize("capacity", [1, 3])
def test_buffered(capacity):
    channel, n = gossamer.BufferedChannel(capacity), 300

    def produce():
        for i in range(n):
            channel.send(i)
    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    assert [channel.receive() for _ in range(n)] == list(range(n))
    thread.join(PATIENCE)


def test_many_senders_many_receivers():
    """Each message arrives once, those of one sender in order."""
    channel, out, n = stackless.channel(), gossamer.BufferedChannel(1000), 200

    def send(who):
        for i in range(n):
            channel.send((who, i))

    def receive():
        for value in channel:
            out.send(value)

    def senders(base):
        ts = [gossamer.spawn(send, base + i) for i in range(3)]
        gossamer.joinall(ts)
    receivers = [threading.Thread(target=receive, daemon=True) for _ in range(2)]
    threads = [threading.Thread(target=senders, args=(k * 3,), daemon=True) for k in range(2)]
    for thread in receivers + threads:
        thread.start()
    got = [out.receive(timeout=PATIENCE) for _ in range(6 * n)]
    for thread in threads:
        thread.join(PATIENCE)
    for _ in receivers:
        channel.send_exception(StopIteration)
    for thread in receivers:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert sorted(got) == sorted((who, i) for who in range(6) for i in range(n))
    assert channel.balance == 0 and len(out) == 0


def test_one_receiver_keeps_the_order_of_each_sender():
    channel, n = stackless.channel(), 200

    def send(who):
        for i in range(n):
            channel.send((who, i))
    threads = [threading.Thread(target=send, args=(k,), daemon=True) for k in range(4)]
    for thread in threads:
        thread.start()
    got = [channel.receive() for _ in range(4 * n)]
    for thread in threads:
        thread.join(PATIENCE)
    for who in range(4):
        assert [i for w, i in got if w == who] == list(range(n))


def test_select_over_threads(other):
    channels = [stackless.channel() for _ in range(3)]
    for i in (2, 0, 1):
        other.call(lambda: stackless.tasklet(lambda: (until(lambda: channels[i].balance), channels[i].send(i)))())
        assert gossamer.select(channels, timeout=PATIENCE) == (i, i)
        assert [c.balance for c in channels] == [0, 0, 0]
    got = []
    other.call(lambda: stackless.tasklet(lambda: got.append(channels[1].receive()))())
    until(lambda: channels[1].balance == -1)
    assert gossamer.select([channels[0], (channels[1], "sent")], timeout=PATIENCE) == (1, None)
    until(lambda: got == ["sent"])


def test_select_there(other):
    channels, got = [stackless.channel() for _ in range(2)], []
    other.call(lambda: stackless.tasklet(lambda: got.append(gossamer.select([(channels[0], "x"), channels[1]])))())
    until(lambda: channels[1].balance == -1)
    assert channels[0].balance == 1
    assert channels[0].receive() == "x"
    until(lambda: got == [(0, None)])
    assert channels[1].balance == 0


@pytest.mark.parametrize("send", [False, True])
def test_deadlines(other, send):
    """Of both sides; the late partner finds nobody."""
    channel = stackless.channel()

    def operate(timeout):
        try:
            return channel.send("late", timeout=timeout) if send else channel.receive(timeout=timeout)
        except TimeoutError as error:
            return str(error)
    with raises(TimeoutError):
        channel.send("late", timeout=0.001) if send else channel.receive(timeout=0.001)
    assert other.call(operate, 0.001) == "timed out" and channel.balance == 0
    t = other.call(gossamer.spawn, operate, 1000)
    until(lambda: t.blocked)
    if send:
        assert channel.receive() == "late"
    else:
        channel.send("in time")
    assert t.join(PATIENCE) == (None if send else "in time")


def test_close(other):
    channel = stackless.channel()
    t = other.call(gossamer.spawn, lambda: (channel.receive(), list(channel)))
    until(lambda: t.blocked)
    channel.close()
    assert channel.closing and not channel.closed and t.blocked, "who waits already goes on waiting"
    channel.send("last")
    assert t.join(PATIENCE) == ("last", []) and channel.closed
    with raises(ValueError, "Send/receive operation on a closed channel"):
        channel.receive()
