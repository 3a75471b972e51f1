"""stacklesslib's replacements of select and socket, their patches, and the old module stacklesssocket."""

import errno
import os
import socket as stdlib
import subprocess
import sys
import textwrap

import pytest

import gossamer
import stackless
import stacklesssocket
from stacklesslib.replacements import select
from stacklesslib.replacements import socket as replacement


def run(code, *arguments):
    done = subprocess.run([sys.executable, *arguments, *(["-c", textwrap.dedent(code)] if code else [])], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def installed():
    stacklesssocket.install()
    yield
    stacklesssocket.uninstall()


def test_install_and_uninstall():
    before = dict(vars(stdlib))
    assert not stacklesssocket.is_installed()
    stacklesssocket.uninstall()  # nothing
    stacklesssocket.install(0.05)
    assert stdlib.socket is stdlib.SocketType is stacklesssocket.socket is replacement.socket and stacklesssocket.is_installed()
    with pytest.raises(RuntimeError, match="^Still installed$"):
        stacklesssocket.install()
    stacklesssocket.uninstall()
    assert dict(vars(stdlib)) == before
    assert stacklesssocket.AF_INET is stdlib.AF_INET and replacement.error is OSError


def test_a_server_and_its_clients(installed):
    listener = stdlib.create_server(("127.0.0.1", 0))
    log = []

    def serve(connection):
        with connection:
            assert type(connection) is stacklesssocket.socket
            while data := connection.recv(100):
                connection.sendall(data.upper())

    def accept():
        for _ in range(50):
            connection, address = listener.accept()
            stackless.tasklet(serve)(connection)

    def ask(n):
        with stdlib.create_connection(listener.getsockname()) as sock:
            assert isinstance(sock, stacklesssocket.socket)
            assert sock.send(b"question %d" % n) > 0
            log.append(sock.recv(100))

    stackless.tasklet(accept)()
    for n in range(50):
        stackless.tasklet(ask)(n)
    stackless.run()  # it waits for sockets
    assert sorted(log) == sorted(b"QUESTION %d" % n for n in range(50))
    listener.close()


def connected():
    with replacement.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        a = replacement.socket()
        connecting = gossamer.spawn(a.connect, listener.getsockname())
        b, _ = listener.accept()
        connecting.join()
    return a, b


def outcome(call, *args):
    try:
        return call(*args)
    except OSError as error:
        return error.errno


def test_closing_under_those_who_wait():
    a, b = connected()
    listener = replacement.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    waiting = [gossamer.spawn(outcome, *call) for call in ((listener.accept,), (a.recv, 10), (b.recv_into, bytearray(3)))]
    c, d = connected()
    waiting += [gossamer.spawn(outcome, c.sendall, bytes(30_000_000)), gossamer.spawn(outcome, d.send, b"fits")]
    gossamer.schedule()
    for sock in (listener, a, b, c, d):
        sock.close()
    assert gossamer.joinall(waiting) == [errno.EBADF, b"", 0, errno.ECONNRESET, 4]
    assert outcome(a.recv, 1) == outcome(a.send, b"x") == errno.EBADF  # closed before
    unbound = replacement.socket()
    assert outcome(unbound.send, b"x") in (errno.ENOTCONN, errno.EPIPE)
    unbound.close()


def test_a_connection_that_is_closed_while_it_is_made():
    # An address nobody answers from: the connection hangs, or fails at once where there is no network.
    sock = replacement.socket()
    connecting = gossamer.spawn(outcome, sock.connect, ("192.0.2.1", 9))
    gossamer.schedule()
    sock.close()
    assert connecting.join() in (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH)


def test_sending_without_waiting():
    a, b = connected()
    a.setblockingsend(False)
    data = os.urandom(3_000_000)
    assert a.send(data[:10]) == 10
    a.sendall(data[10:])
    got = b""
    while len(got) < len(data):
        got += b.recv(100_000)
    assert got == data
    a.setblockingsend(True)
    assert a.send(b"x") == 1 and b.recv(5) == b"x"
    a.setblockingsend(False)
    b.close()
    for _ in range(5):
        try:
            a.send(b"into nothing")
        except OSError:
            break
        gossamer.sleep(0.01)
    gossamer.run()
    a.close()
    a.setblockingsend(False)
    assert outcome(a.send, b"x") == errno.EBADF
    gossamer.run()


def test_plain_sockets_and_the_manager():
    made = []
    stacklesssocket.stacklesssocket_manager(lambda: made.append(1))
    stacklesssocket.socket().close()
    stacklesssocket.ready_to_schedule(False)
    plain = stacklesssocket.socket()
    assert type(plain) is stdlib.socket
    plain.close()
    stacklesssocket.ready_to_schedule(True)
    stacklesssocket.stacklesssocket_manager(None)
    cooperative = stacklesssocket.socket()
    assert type(cooperative) is stacklesssocket.socket and made == [1]
    cooperative.close()
    plain = stacklesssocket.make_blocking_socket()
    assert type(plain) is stdlib.socket and plain.getblocking()
    plain.close()
    for nothing in (stacklesssocket.StartManager, stacklesssocket.StopManager, stacklesssocket.ManageSockets, stacklesssocket.pump):
        assert nothing() is None


def test_select_lets_others_run():
    r, w = os.pipe()
    gossamer.spawn(os.write, w, b"x")
    assert select.select([r], [], []) == ([r], [], [])
    assert select.error is OSError and select.real_select is sys.modules["select"] and select.POLLIN == select.real_select.POLLIN
    os.close(r), os.close(w)


def test_patches_of_a_process():
    run("""
        import select, socket, ssl, sys, time
        from stacklesslib import main, monkeypatch
        from stacklesslib.replacements import select as cooperative, socket as replacement
        monkeypatch.patch_select(), monkeypatch.patch_socket(), monkeypatch.patch_socket(), monkeypatch.patch_ssl()
        assert sys.modules["select"] is cooperative and socket.socket is replacement.socket and main.mainloop.sockets
        assert ssl.SSLContext.sslsocket_class.__module__ == "gossamer.net.ssl"
        with monkeypatch.Unpatched():
            assert sys.modules["select"] is select is cooperative.real_select
        assert sys.modules["select"] is cooperative
        main.mainloop.remove_pump(replacement.pump)
        monkeypatch.patch_socket(will_be_pumped=False)
    """)


def test_sockets_under_the_main_loop(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent("""
        import select, socket, sys, time
        import stackless

        def serve():
            while True:
                connection, _ = listener.accept()
                stackless.tasklet(echo)(connection)

        def echo(connection):
            with connection:
                while data := connection.recv(100):
                    connection.sendall(data.upper())

        def count():
            while True:
                ticks.append(1)
                time.sleep(0.001)

        listener, ticks, answers = socket.create_server(("127.0.0.1", 0)), [], []
        for function in (serve, count):
            stackless.tasklet(function)()

        def ask(n):
            with socket.create_connection(listener.getsockname()) as sock:
                for i in range(3):
                    sock.sendall(b"%d %d" % (n, i))
                    answers.append(sock.recv(100))
            done.send(n)

        done = stackless.channel()
        for n in range(20):
            stackless.tasklet(ask)(n)
        assert sorted(done.receive() for n in range(20)) == list(range(20)) and len(answers) == 60
        before = len(ticks)
        time.sleep(0.02)
        print(len(ticks) > before, len(answers))
    """))
    assert run(None, "-m", "stacklesslib.magic", str(program)) == "True 60\n"
