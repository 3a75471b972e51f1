"""gossamer.net.select and selectors: who waits, and the rule that one socket's error is nobody else's.  The standard
library's own tests are in test_net_stdlib.py."""
import errno
import os
import resource

import pytest

import gossamer
from gossamer import _gossamer
from gossamer.net import select, selectors, socket


@pytest.fixture
def pair():
    a, b = socket.socketpair()
    with a, b:
        yield a, b


def blocked(call, *args):
    t = gossamer.spawn(call, *args)
    gossamer.schedule()
    assert t.state == "blocked"
    return t


def poll_object(sock):
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return poller.poll


def epoll_object(sock):
    poller = select.epoll()
    poller.register(sock, select.EPOLLIN)
    return poller.poll


def selecting(sock):
    return lambda timeout=None: select.select([sock], [], [], timeout)[0]


def selector(cls):
    def make(sock):
        made = cls()
        made.register(sock, selectors.EVENT_READ)
        return made.select

    return make


WAYS = pytest.mark.parametrize(
    "way",
    [selecting, poll_object, epoll_object, selector(selectors.SelectSelector), selector(selectors.PollSelector),
     selector(selectors.EpollSelector)],
    ids=["select", "poll", "epoll", "SelectSelector", "PollSelector", "EpollSelector"])


@WAYS
def test_only_the_caller_waits(pair, way):
    a, b = pair
    t = blocked(way(a))
    b.send(b"x")
    assert len(t.join()) == 1


@WAYS
def test_what_is_ready_is_told_again(pair, way):
    """States, not changes: until it has been read."""
    a, b = pair
    wait = way(a)
    b.send(b"x")
    assert len(wait()) == len(wait()) == len(wait()) == 1
    a.recv(1)
    assert len(wait(0.001)) == 0
    assert len(wait(0)) == 0


@WAYS
def test_killing_who_waits(pair, way):
    blocked(way(pair[0])).kill()


@WAYS
def test_several_wait_for_the_same(pair, way):
    a, b = pair
    waiting = [blocked(way(a)) for _ in range(3)]
    b.send(b"x")
    assert [len(t.join()) for t in waiting] == [1, 1, 1]


def test_the_same_in_several_lists(pair):
    a, b = pair
    b.send(b"x")
    assert select.select([a, a], [a], [a]) == ([a, a], [a], [])


def test_out_of_band_data():
    with socket.create_server(("127.0.0.1", 0)) as server:
        a = socket.create_connection(server.getsockname())
        b, _ = server.accept()
    with a, b:
        t = blocked(select.select, [], [], [a])
        b.send(b"!", socket.MSG_OOB)
        assert t.join() == ([], [], [a])


def test_who_has_hung_up_is_no_exceptional_condition(pair):
    a, b = pair
    b.close()
    assert select.select([], [], [a], 0.01) == ([], [], [])
    assert select.select([a], [], [a]) == ([a], [], [])


def test_bad_descriptors():
    r, w = os.pipe()
    os.close(r), os.close(w)
    with pytest.raises(OSError) as caught:
        select.select([r], [], [])
    assert caught.value.errno == errno.EBADF
    poller = select.poll()
    poller.register(r)
    assert poller.poll() == [(r, select.POLLNVAL)]


def test_a_socket_that_is_closed(pair):
    a, _ = pair

    def wait():
        try:
            select.select([a], [], [])
        except OSError as exc:
            return exc.errno

    t = blocked(wait)
    a.close()
    assert t.join() == errno.EBADF


def test_beyond_fd_setsize(pair):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1100:
        pytest.skip(f"RLIMIT_NOFILE is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1100), hard))
    a, b = pair
    high = os.dup2(a.fileno(), 1080)
    try:
        t = blocked(select.select, [high], [], [])
        b.send(b"x")
        assert t.join() == ([high], [], [])
    finally:
        os.close(high)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_pipes_and_files(tmp_path):
    r, w = os.pipe()
    t = blocked(select.select, [r], [], [])
    os.write(w, b"x")
    assert t.join() == ([r], [], [])
    os.close(r), os.close(w)
    with open(tmp_path / "file", "w+") as file:
        assert select.select([file], [file], []) == ([file], [file], [])


@WAYS
def test_through_a_platform_that_lies(pair, way):
    """Whatever poll and epoll_wait say: who is told that a socket is ready finds the byte sooner or later, and none is lost."""
    a, b = pair
    a.settimeout(0)
    got = []

    def read():
        wait = way(a)
        while len(got) < 300:
            wait()
            try:
                got.append(a.recv(1))
            except BlockingIOError:
                pass

    def write():
        for i in range(300):
            b.sendall(bytes([i % 256]))
            gossamer.schedule()

    kinds = 0
    for fault in range(19):  # those of poll and epoll_wait
        kinds |= 1 << fault
    _gossamer._start_faults(3, 300, kinds)
    try:
        t = gossamer.spawn(read)
        gossamer.spawn(write)
        t.join()
    finally:
        counts = _gossamer._stop_faults()
    assert b"".join(got) == bytes(i % 256 for i in range(300))
    assert sum(counts.values()) > 0
