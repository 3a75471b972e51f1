"""gossamer.net.ssl: TLS between tasklets."""
import importlib.util
import pathlib
import ssl as stdlib_ssl

import pytest

import gossamer
from gossamer.net import socket, ssl

_test = importlib.util.find_spec("test")
CERTIFICATE = None
for _place in ("certdata/keycert.pem", "keycert.pem"):
    _path = pathlib.Path(_test.origin).parent / _place if _test and _test.origin else None
    if _path and _path.exists():
        CERTIFICATE = _path
        break
pytestmark = pytest.mark.skipif(CERTIFICATE is None, reason="this Python comes without the package test, whose certificate is used")


def contexts():
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(CERTIFICATE)
    return server, client


@pytest.fixture
def pair():
    server, client = contexts()
    a, b = socket.socketpair()
    accepting = gossamer.spawn(server.wrap_socket, a, True)
    with client.wrap_socket(b, server_hostname="localhost") as there, accepting.join() as here:
        yield here, there


def test_contexts_are_those_of_the_standard_library():
    context = ssl.create_default_context()
    assert type(context) is stdlib_ssl.SSLContext
    assert isinstance(context, ssl.SSLContext)
    assert stdlib_ssl.create_default_context().sslsocket_class is stdlib_ssl.SSLSocket


def test_handshake_and_back(pair):
    here, there = pair
    assert isinstance(there, ssl.SSLSocket) and isinstance(there, socket.socket)
    assert there.version() == here.version() and there.version().startswith("TLSv1")
    assert there.cipher() and there.getpeercert()["subject"]
    reader = gossamer.spawn(here.recv, 100)
    there.sendall(b"hello")
    assert reader.join() == b"hello"


def test_both_directions_at_once(pair):
    here, there = pair
    size = 2_000_000

    def read(sock):
        got = 0
        while got < size:
            got += len(sock.recv(65536))
        return got

    readers = [gossamer.spawn(read, sock) for sock in pair]
    writers = [gossamer.spawn(sock.sendall, bytes(size)) for sock in pair]
    gossamer.joinall(readers + writers)
    assert [t.join() for t in readers] == [size, size]


def test_files_timeouts_and_non_blocking(pair):
    here, there = pair
    with here.makefile("rb") as lines:
        t = gossamer.spawn(lines.readline)
        there.sendall(b"a line\n")
        assert t.join() == b"a line\n"
    here.settimeout(0.001)
    with pytest.raises(TimeoutError):
        here.recv(1)
    here.settimeout(0)
    with pytest.raises(ssl.SSLWantReadError):
        here.recv(1)


def test_unwrap(pair):
    here, there = pair
    t = gossamer.spawn(here.unwrap)
    there.unwrap()
    t.join()
    gossamer.spawn(here.send, b"plain")
    assert there.recv(100) == b"plain"


def test_the_peer_goes_without_a_word(pair):
    here, there = pair
    here.close()  # and not the client, who has not read the server's session tickets: that would be a reset
    assert there.recv(1) == b""
    there.suppress_ragged_eofs = False
    with pytest.raises(ssl.SSLEOFError):
        there.recv(1)


def test_a_certificate_that_is_not_trusted():
    server, _ = contexts()
    a, b = socket.socketpair()

    def accept():
        try:
            server.wrap_socket(a, True)
        except ssl.SSLError as exc:
            return exc

    t = gossamer.spawn(accept)
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(b, server_hostname="localhost")
    assert t.join() is not None  # the alert has arrived
    assert a.fileno() == b.fileno() == -1


def test_a_listening_socket():
    server, client = contexts()
    with server.wrap_socket(socket.create_server(("127.0.0.1", 0)), True) as listener:
        t = gossamer.spawn(listener.accept)
        with client.wrap_socket(socket.socket(), server_hostname="localhost") as there:
            there.connect(listener.getsockname())
            here, _ = t.join()
            with here:
                gossamer.spawn(here.sendall, b"from the server")
                assert there.recv(100) == b"from the server"
