"""gossamer.net.socket: one tasklet a connection; waits that end in any way; what the standard library's tests do not ask."""
import errno
import gc
import hashlib
import os
import signal
import threading

import pytest

import gossamer
import stackless
from gossamer import _gossamer
from gossamer.net import socket


@pytest.fixture
def pair():
    a, b = socket.socketpair()
    with a, b:
        yield a, b


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def blocked(call, *args):
    """A tasklet that waits in call(*args)."""
    t = gossamer.spawn(call, *args)
    gossamer.schedule()
    assert t.state == "blocked"
    return t


def outcome(call, *args):
    try:
        return call(*args)
    except OSError as exc:
        return type(exc), exc.errno


# ---- who waits ----


def test_only_the_caller_waits(pair):
    a, b = pair
    t = blocked(a.recv, 10)
    assert b.send(b"hello") == 5
    assert t.join() == b"hello"


def test_main_waits(pair):
    a, b = pair
    gossamer.spawn(b.send, b"for main")
    assert a.recv(100) == b"for main"


def test_run_waits_for_descriptors(pair):
    a, b = pair
    got = []
    gossamer.spawn(lambda: got.append(a.recv(10)))

    def late():
        gossamer.sleep(0.01)
        b.send(b"late")

    gossamer.spawn(late)
    gossamer.run()
    assert got == [b"late"]


def test_one_reads_while_another_writes(pair):
    a, b = pair
    size = 3_000_000
    writer = blocked(a.sendall, b"w" * size)
    reader = blocked(a.recv, 10)
    b.send(b"r")
    assert reader.join() == b"r"
    got = 0
    while got < size:
        got += len(b.recv(1 << 20))
    writer.join()


def test_several_readers_are_served_in_the_order_of_coming(pair):
    a, b = pair
    got = []
    readers = [blocked(lambda n=n: got.append((n, a.recv(1)))) for n in range(5)]
    b.send(b"abcde")
    gossamer.joinall(readers)
    assert got == [(0, b"a"), (1, b"b"), (2, b"c"), (3, b"d"), (4, b"e")]


def test_many_connections(listener):
    def serve(sock):
        with sock:
            while data := sock.recv(100):
                sock.sendall(data[::-1])

    def accept():
        while True:
            gossamer.spawn(serve, listener.accept()[0])

    def client(n):
        with socket.create_connection(listener.getsockname()) as sock:
            for i in range(10):
                message = b"%d of %d" % (i, n)
                sock.sendall(message)
                if sock.recv(100) != message[::-1]:
                    return False
        return True

    acceptor = blocked(accept)
    clients = [gossamer.spawn(client, n) for n in range(100)]
    gossamer.joinall(clients)
    assert all(t.join() for t in clients)
    acceptor.kill()
    gossamer.run()  # the servers see that the clients have gone


# ---- how waits end ----


@pytest.mark.parametrize("method, args", [("recv", (1,)), ("recvfrom", (1,)), ("recvmsg", (1,)), ("recv_into", (bytearray(1),)),
                                          ("recvfrom_into", (bytearray(1),)), ("recvmsg_into", ([bytearray(1)],))])
def test_reading_ends(pair, method, args):
    a, b = pair
    a.settimeout(0.001)
    with pytest.raises(TimeoutError, match="timed out"):
        getattr(a, method)(*args)
    a.settimeout(0)
    with pytest.raises(BlockingIOError):
        getattr(a, method)(*args)
    a.settimeout(None)
    blocked(getattr(a, method), *args).kill()
    t = blocked(outcome, getattr(a, method), *args)
    a.close()
    assert t.join() == (OSError, errno.EBADF)


@pytest.mark.parametrize("method, args", [("sendall", (b"x",)), ("send", (b"x",)), ("sendmsg", ([b"x"],))])
def test_writing_ends(pair, method, args):
    a, b = pair
    a.settimeout(0)
    with pytest.raises(BlockingIOError):
        while True:
            a.send(b"x" * 100000)
    with pytest.raises(BlockingIOError):
        while True:
            a.send(b"x")
    a.settimeout(0.001)
    with pytest.raises(TimeoutError, match="timed out"):
        getattr(a, method)(*args)
    a.settimeout(None)
    blocked(getattr(a, method), *args).kill()
    t = blocked(outcome, getattr(a, method), *args)
    a.close()
    assert t.join() == (OSError, errno.EBADF)


def test_accepting_ends(listener):
    listener.settimeout(0.001)
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.settimeout(None)
    blocked(listener.accept).kill()
    t = blocked(outcome, listener.accept)
    listener.close()
    assert t.join() == (OSError, errno.EBADF)


def test_an_error_is_thrown_in(pair):
    a, b = pair

    def body():
        try:
            a.recv(1)
        except KeyError:
            return a.recv(1)

    t = blocked(body)
    t.throw(KeyError, "here")
    assert t.state == "blocked"
    b.send(b"y")
    assert t.join() == b"y"


def test_the_peer_goes(pair):
    a, b = pair
    t = blocked(a.recv, 1)
    b.close()
    assert t.join() == b""
    with pytest.raises(BrokenPipeError):
        a.send(b"x")


def test_connection_refused():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = sock.getsockname()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_the_error_is_that_of_its_own_socket(pair):
    """One connection is reset: the others wait on."""
    a, b = pair
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        broken, _ = server.accept()
    waiting, victim = blocked(a.recv, 1), blocked(outcome, broken.recv, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert victim.join() == (ConnectionResetError, errno.ECONNRESET)
    assert waiting.state == "blocked"
    b.send(b"z")
    assert waiting.join() == b"z"
    broken.close()


# ---- descriptors ----


def test_no_descriptor_is_left():
    def count():
        return len(os.listdir("/proc/self/fd"))

    a, b = socket.socketpair()
    blocked(a.recv, 1).kill()
    a.close(), b.close()
    before = count()
    for _ in range(20):
        a, b = socket.socketpair()
        t = blocked(outcome, a.recv, 1)
        a.close(), b.close()
        t.join()
    assert count() == before


def test_numbers_are_used_again(pair):
    """Dropped without close(), closed behind our back: the next socket of that number works."""
    for how in ("close", "drop", "os.close"):
        a, b = socket.socketpair()
        t = blocked(a.recv, 1)
        b.send(b"1")
        assert t.join() == b"1"
        if how == "close":
            a.close(), b.close()
        elif how == "os.close":
            os.close(a.fileno()), os.close(b.fileno())
            a.detach(), b.detach()
        else:
            with pytest.warns(ResourceWarning):
                del a, b, t
                gc.collect()


def test_each_thread_has_its_poller(pair):
    results = []

    def work():
        a, b = socket.socketpair()
        with a, b:
            t = gossamer.spawn(a.recv, 10)
            gossamer.schedule()
            b.send(b"mine")
            results.append(t.join())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"mine"] * 4


def test_closing_from_another_thread(pair):
    a, b = pair
    t = blocked(outcome, a.recv, 1)
    thread = threading.Thread(target=a.close)
    thread.start()
    assert t.join() == (OSError, errno.EBADF)
    thread.join()


def test_a_signal_handler_runs_while_everybody_waits(pair):
    a, b = pair
    old = signal.signal(signal.SIGALRM, lambda *_: b.send(b"from the handler"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert a.recv(100) == b"from the handler"
    finally:
        signal.signal(signal.SIGALRM, old)


def test_the_child_of_a_fork(pair):
    a, b = pair
    t = blocked(a.recv, 1)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            c, d = socket.socketpair()
            reader = gossamer.spawn(c.recv, 1)
            gossamer.schedule()
            d.send(b"c")
            status = reader.join() != b"c"
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    b.send(b"p")
    assert t.join() == b"p"


# ---- files ----


def test_makefile(pair):
    a, b = pair
    with a.makefile("rb") as lines, b.makefile("wb") as out:
        t = blocked(lines.readline)
        out.write(b"one line\n")
        out.flush()
        assert t.join() == b"one line\n"


def test_sendfile(pair, tmp_path):
    a, b = pair
    path = tmp_path / "data"
    path.write_bytes(os.urandom(1_000_000))

    def read():
        got = hashlib.sha256()
        while data := b.recv(65536):
            got.update(data)
        return got.hexdigest()

    t = gossamer.spawn(read)
    with open(path, "rb") as file:
        assert a.sendfile(file) == 1_000_000
    a.close()
    assert t.join() == hashlib.sha256(path.read_bytes()).hexdigest()


# ---- the platform table ----


@pytest.mark.parametrize("call", [
    lambda a: a.recv(1), lambda a: a.recv(100000), lambda a: a.recv_into(bytearray(1)), lambda a: a.send(b"x"), lambda a: a.sendall(b"x"),
    lambda a: a.recvfrom(1), lambda a: a.recvfrom_into(bytearray(1)), lambda a: a.recvmsg(1), lambda a: a.recvmsg_into([bytearray(1)]),
    lambda a: a.sendmsg([b"x"]), lambda a: a.sendto(b"x", ("127.0.0.1", 9)), lambda a: a.accept(), lambda a: a.connect(("127.0.0.1", 9)),
    lambda a: a.connect_ex(("127.0.0.1", 9)), lambda a: a.bind(("127.0.0.1", 0)), lambda a: a.listen(), lambda a: a.shutdown(socket.SHUT_RD),
    lambda a: a.getsockname(), lambda a: a.getpeername(), lambda a: a.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
    lambda a: a.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8), lambda a: a.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    lambda a: a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\0" * 8), lambda a: a._send_file(0, 0, 1), lambda a: socket.socket(),
    lambda a: socket.socketpair(), lambda a: _gossamer._close_socket(-1)])
def test_a_platform_without_the_call(call):
    """Every system call of a socket goes through the table: an entry that is missing is NotImplementedError."""
    with socket.socket() as sock:
        _gossamer._start_bare()
        try:
            with pytest.raises(NotImplementedError):
                call(sock)
        finally:
            _gossamer._stop_faults()


def test_sendfile_without_the_call(pair, tmp_path, monkeypatch):
    """The standard library's way out: read and send."""
    a, b = pair
    path = tmp_path / "data"
    path.write_bytes(b"some bytes")

    def missing(*_):
        raise NotImplementedError

    monkeypatch.setattr(socket.socket, "_send_file", missing, raising=False)
    with open(path, "rb") as file:
        assert a.sendfile(file) == 10
    assert b.recv(100) == b"some bytes"


# ---- what a short read tells ----


def connected(listener):
    client = socket.create_connection(listener.getsockname())
    return client, listener.accept()[0]


def test_data_and_the_end_arrive_together(listener):
    """The read that gets the data is short, and the end has been told of by then."""
    for _ in range(20):
        client, server = connected(listener)
        t = blocked(server.recv, 100)
        client.sendall(b"last words")
        client.close()
        with server:
            assert t.join() == b"last words"
            assert server.recv(100) == b""
            assert server.recv(100) == b""


def test_data_arrives_after_a_short_read(listener):
    client, server = connected(listener)
    with client, server:
        t = blocked(server.recv, 100)
        client.sendall(b"1")
        assert t.join() == b"1"
        client.sendall(b"2")  # nobody waits, and the last read was short
        assert server.recv(100) == b"2"
        client.sendall(b"34")
        assert server.recv(1) == b"3"  # not short
        assert server.recv(100, socket.MSG_PEEK) == b"4"
        assert server.recv_into(bytearray(10)) == 1
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.recv(100)
        server.settimeout(0.001)
        with pytest.raises(TimeoutError):
            server.recv(100)


def test_urgent_data_after_a_short_read(listener):
    """A read stops at the mark, whatever is behind it."""
    client, server = connected(listener)
    with client, server:
        t = blocked(server.recv, 100)
        client.send(b"ab")
        assert t.join() == b"ab"
        t = blocked(server.recv, 100)
        client.send(b"cd!", socket.MSG_OOB)
        client.send(b"ef")
        got = t.join()
        while len(got) < 4:
            got += server.recv(100)
        assert got == b"cdef"


def test_the_end_of_ones_own_half_ends_a_read(listener):
    client, server = connected(listener)
    with client, server:
        client.send(b"x")
        assert server.recv(100) == b"x"
        t = blocked(server.recv, 100)
        server.shutdown(socket.SHUT_RD)
        assert t.join() == b""
        assert server.recv(100) == b""


def test_a_number_is_closed_and_opened_while_somebody_waits(listener):
    """Woken by data, but before it runs the socket is closed, and another has its number: it must not read from that."""
    client, server = connected(listener)
    t = blocked(outcome, server.recv, 100)
    number = server.fileno()
    client.send(b"x")
    server.close()
    other, again = connected(listener)
    other.send(b"not yours")
    with client, other, again:
        assert number in (other.fileno(), again.fileno())
        assert t.join() == (OSError, errno.EBADF)


# ---- faults ----


def test_transfers_through_a_platform_that_lies(listener):
    """Nothing is lost, whatever the system calls say."""
    size, clients = 100_000, 10

    def serve(sock):
        total = hashlib.sha256()
        with sock:
            while data := sock.recv(1000):
                total.update(data)
            sock.sendall(total.digest())

    def accept():
        taken = 0
        while taken < clients:
            try:
                gossamer.spawn(serve, listener.accept()[0])
            except OSError as exc:
                assert exc.errno == errno.EMFILE  # that one is real: the caller's business
            else:
                taken += 1

    def client(n):
        data = bytes((n + i * i) % 251 for i in range(size))
        with socket.create_connection(listener.getsockname()) as sock:
            for i in range(0, size, 500):
                sock.sendall(data[i : i + 500])
            sock.shutdown(socket.SHUT_WR)
            digest = b""
            while part := sock.recv(100):
                digest += part
        return digest == hashlib.sha256(data).digest()

    _gossamer._start_faults(7, 200)
    try:
        gossamer.spawn(accept)
        clients_running = [gossamer.spawn(client, n) for n in range(clients)]
        gossamer.joinall(clients_running)
    finally:
        counts = _gossamer._stop_faults()
    assert all(t.join() for t in clients_running)
    for kind in ("RECV_EINTR", "RECV_EAGAIN", "RECV_SHORT", "SEND_EINTR", "SEND_EAGAIN", "SEND_SHORT", "SEND_ENOBUFS"):
        assert counts[kind] > 0, kind
    stackless.run()
