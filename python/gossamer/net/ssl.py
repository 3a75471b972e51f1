"""Module `ssl` for tasklets: TLS over `gossamer.net.socket`, with the standard library's contexts.

    context = ssl.create_default_context()
    with context.wrap_socket(socket.create_connection((host, 443)), server_hostname=host) as sock:
        ...

OpenSSL reads from and writes to memory; the tasklet that needs more bytes waits for the socket.  Contexts are those of the
standard library, no subclass: use_tasklets(context) makes any of them wrap sockets in this module's SSLSocket.
"""

import errno as _errno
import ssl as _stdlib
from ssl import *  # noqa: F403
from ssl import MemoryBIO, Purpose, SSLError, SSLWantReadError, SSLWantWriteError

from ..sync import Lock as _Lock
from . import socket as _socket

_CHUNK = 65536


def __getattr__(name):
    return getattr(_stdlib, name)


def use_tasklets(context):
    """Make context.wrap_socket() return sockets of which only the calling tasklet waits.  Returns context."""
    context.sslsocket_class = SSLSocket
    return context


class _Contexts(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, _stdlib.SSLContext)

    def __subclasscheck__(cls, subclass):
        return issubclass(subclass, _stdlib.SSLContext)

    def __getattr__(cls, name):
        return getattr(_stdlib.SSLContext, name)


class SSLContext(metaclass=_Contexts):
    """Makes contexts of the standard library, for tasklets.  (ssl.SSLContext)"""

    def __new__(cls, protocol=_stdlib.PROTOCOL_TLS, *args, **kwargs):
        return use_tasklets(_stdlib.SSLContext(protocol, *args, **kwargs))


def create_default_context(purpose=Purpose.SERVER_AUTH, *, cafile=None, capath=None, cadata=None):
    """As ssl.create_default_context."""
    return use_tasklets(_stdlib.create_default_context(purpose, cafile=cafile, capath=capath, cadata=cadata))


def _create_unverified_context(*args, **kwargs):
    return use_tasklets(_stdlib._create_unverified_context(*args, **kwargs))


_create_default_https_context = create_default_context
_create_stdlib_context = _create_unverified_context


def _unsupported(name, error, without_tls=False):
    def method(self, *args, **kwargs):
        if without_tls and self._object is None:
            return getattr(_socket.socket, name)(self, *args, **kwargs)
        raise error(f"{name} not allowed on instances of {self.__class__}")

    method.__name__ = name
    return method


class SSLSocket(_socket.socket):
    """A socket that speaks TLS; wrap_socket() of a context makes it.  (ssl.SSLSocket)"""

    def __init__(self, *args, **kwargs):
        raise TypeError(f"{self.__class__.__name__} does not have a public constructor. Instances are returned by "
                        "SSLContext.wrap_socket().")

    @classmethod
    def _create(cls, sock, server_side=False, do_handshake_on_connect=True, suppress_ragged_eofs=True, server_hostname=None,
                context=None, session=None):
        if sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_TYPE) != _socket.SOCK_STREAM:
            raise NotImplementedError("only stream sockets are supported")
        if server_side and server_hostname:
            raise ValueError("server_hostname can only be specified in client mode")
        if server_side and session is not None:
            raise ValueError("session can only be specified in client mode")
        if context.check_hostname and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")
        left = sock._left if isinstance(sock, SSLSocket) else b""
        family, kind, proto, timeout = sock.family, sock.type, sock.proto, sock.gettimeout()
        self = cls.__new__(cls, family=family, type=kind, proto=proto, fileno=sock.fileno())
        _socket.socket.__init__(self, family, kind, proto, sock.fileno())
        sock.detach()
        self.settimeout(timeout)
        self._context, self._session = context, session
        self._object = None
        self._left = left
        self.server_side = server_side
        self.server_hostname = context._encode_hostname(server_hostname)
        self.do_handshake_on_connect = do_handshake_on_connect
        self.suppress_ragged_eofs = suppress_ragged_eofs
        try:
            self._connected = True
            try:
                self.getpeername()
            except OSError as exc:
                if exc.errno != _errno.ENOTCONN:
                    raise
                self._connected = False
                self._refuse_early_data()
            if self._connected:
                self._prepare()
                self._begin()
        except BaseException:
            self.close()
            raise
        return self

    def _refuse_early_data(self):
        """The peer has gone already: what it sent before must not pass for something that TLS has protected."""
        timeout = self.gettimeout()
        self.settimeout(0)
        code = _errno.ENOTCONN
        try:
            early = super().recv(1)
        except OSError as exc:  # EINVAL: macOS, after shutdown(SHUT_RD)
            if exc.errno not in (_errno.ENOTCONN, _errno.EINVAL):
                raise
            early = b""
        finally:
            self.settimeout(timeout)
        if early:
            reason = "Closed before TLS handshake with data in recv buffer."
            error = SSLError(code, reason)
            error.reason, error.library = reason, None
            raise error

    def _prepare(self):
        self._incoming, self._outgoing = MemoryBIO(), MemoryBIO()
        self._incoming.write(self._left)
        self._left = b""
        self._unsent = b""  # taken from _outgoing, and not with the system yet
        self._arrivals = 0
        self._reading, self._writing = _Lock(), _Lock()
        self._object = self._context.wrap_bio(self._incoming, self._outgoing, self.server_side, self.server_hostname, self._session)

    def _begin(self):
        if self.do_handshake_on_connect:
            if self.gettimeout() == 0:
                raise ValueError("do_handshake_on_connect should not be specified for non-blocking sockets")
            self.do_handshake()

    # ---- between OpenSSL's memory and the socket ----

    def _flush(self, wait=True):
        """Whatever OpenSSL has written goes out, in order, whichever tasklets wrote it.

        Not wait: if another tasklet is at it, it will send what is to be sent now as well; a reader that waited for a writer
        would wait for a peer who may be waiting for the reader.
        """
        if not self._writing.acquire(wait):
            return
        try:
            while True:
                if not self._unsent:
                    self._unsent = self._outgoing.read()
                if not self._unsent:
                    return
                try:
                    sent = super().send(self._unsent)
                except BlockingIOError:
                    raise SSLWantWriteError(_stdlib.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)") from None
                self._unsent = self._unsent[sent:]
        finally:
            self._writing.release()

    def _fill(self, arrivals):
        """More bytes for OpenSSL, unless another tasklet has brought some since `arrivals` was read."""
        with self._reading:
            if self._arrivals != arrivals:
                return
            try:
                data = super().recv(_CHUNK)
            except BlockingIOError:
                raise SSLWantReadError(_stdlib.SSL_ERROR_WANT_READ, "The operation did not complete (read)") from None
            self._arrivals += 1
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def _run(self, call, *args):
        while True:
            arrivals = self._arrivals
            try:
                result = call(*args)
            except SSLWantReadError:
                self._flush(False)
                self._fill(arrivals)
            except SSLError:
                self._flush_quietly()  # an alert tells the peer why
                raise
            else:
                self._flush(call.__name__ != "read")
                return result

    def _flush_quietly(self):
        try:
            self._flush(False)
        except OSError:
            pass

    # ---- TLS ----

    def do_handshake(self, block=False):
        """Agree with the peer on keys."""
        self._check_connected()
        timeout = self.gettimeout()
        try:
            if timeout == 0 and block:
                self.settimeout(None)
            self._run(self._object.do_handshake)
        finally:
            self.settimeout(timeout)

    def _check_connected(self):
        if not self._connected:
            self.getpeername()  # ENOTCONN

    def _need(self, doing):
        if self._object is None:
            raise ValueError(f"{doing} on closed or unwrapped SSL socket.")
        return self._object

    def read(self, len=1024, buffer=None):
        """Up to len bytes, or into buffer: how many."""
        tls = self._need("Read")
        try:
            return self._run(tls.read, len) if buffer is None else self._run(tls.read, len, buffer)
        except SSLError as exc:
            if exc.args[0] == _stdlib.SSL_ERROR_EOF and self.suppress_ragged_eofs:
                return b"" if buffer is None else 0
            raise

    def write(self, data):
        """How many bytes of data have been written."""
        return self._run(self._need("Write").write, data)

    def recv(self, buflen=1024, flags=0):
        """As socket.recv."""
        if self._object is None:
            return self._take_left(buflen) if self._left and buflen > 0 else super().recv(buflen, flags)
        self._no_flags("recv", flags)
        return self.read(buflen)

    def recv_into(self, buffer, nbytes=None, flags=0):
        """As socket.recv_into."""
        if self._object is None:
            if not self._left:
                return super().recv_into(buffer, nbytes or 0, flags)
            with memoryview(buffer) as view, view.cast("B") as room:
                taken = self._take_left(min(nbytes or len(room), len(room)))
                room[: len(taken)] = taken
            return len(taken)
        self._no_flags("recv_into", flags)
        if not nbytes:
            nbytes = memoryview(buffer).nbytes or 1024
        return self.read(nbytes, buffer)

    def send(self, data, flags=0):
        """As socket.send."""
        if self._object is None:
            return super().send(data, flags)
        self._no_flags("send", flags)
        return self.write(data)

    def sendall(self, data, flags=0):
        """As socket.sendall."""
        if self._object is None:
            return super().sendall(data, flags)
        self._no_flags("sendall", flags)
        with memoryview(data) as view, view.cast("B") as rest:
            done = 0
            while done < len(rest):
                done += self.write(rest[done : done + (1 << 20)])  # each call is encrypted as a whole, in memory

    def sendfile(self, file, offset=0, count=None):
        """As socket.sendfile."""
        return super().sendfile(file, offset, count) if self._object is None else self._sendfile_use_send(file, offset, count)

    def _no_flags(self, name, flags):
        if flags:
            raise ValueError(f"non-zero flags not allowed in calls to {name}() on {self.__class__}")

    def sendto(self, data, *args):
        """As socket.sendto, before there is TLS."""
        if self._object is not None:
            raise ValueError(f"sendto not allowed on instances of {self.__class__}")
        return super().sendto(data, *args)

    recvfrom = _unsupported("recvfrom", ValueError, True)
    recvfrom_into = _unsupported("recvfrom_into", ValueError, True)
    recvmsg = _unsupported("recvmsg", NotImplementedError)
    recvmsg_into = _unsupported("recvmsg_into", NotImplementedError)
    sendmsg = _unsupported("sendmsg", NotImplementedError)
    dup = _unsupported("dup", NotImplementedError)

    def unwrap(self):
        """Say goodbye, and go on without TLS: the socket itself."""
        if self._object is None:
            raise ValueError(f"No SSL wrapper around {self}")
        self._run(self._object.unwrap)
        self._left = self._incoming.read()  # read together with the peer's goodbye, but not of TLS any more
        self._object = None
        return self

    def _take_left(self, count):
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def pending(self):
        """Bytes that can be read without waiting."""
        return 0 if self._object is None else self._object.pending()

    def verify_client_post_handshake(self):
        """Ask the client for its certificate now (TLS 1.3)."""
        if self._object is None:
            raise ValueError(f"No SSL wrapper around {self}")
        return self._run(self._object.verify_client_post_handshake)

    # ---- connections ----

    def connect(self, address, /):
        """Connect, and do the handshake."""
        self._connect_with(super().connect, address)

    def connect_ex(self, address, /):
        """As connect; a failure of the connection is returned, as an errno."""
        return self._connect_with(super().connect_ex, address)

    def _connect_with(self, connect, address):
        if self.server_side:
            raise ValueError("can't connect in server-side mode")
        if self._connected or self._object is not None:
            raise ValueError("attempt to connect already-connected SSLSocket!")
        self._prepare()  # before it is connected: a non-blocking one gets its handshake later
        try:
            error = connect(address)
            if not error:
                self._connected = True
                self._begin()
        except (OSError, ValueError):
            self._object = None
            raise
        return error

    def accept(self):
        """As socket.accept; the handshake is part of it."""
        sock, address = super().accept()
        try:
            return self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=self.do_handshake_on_connect,
                                            suppress_ragged_eofs=self.suppress_ragged_eofs), address
        except BaseException:
            sock.close()
            raise

    def shutdown(self, how, /):
        """Shut the connection down, and go on without TLS."""
        self._object = None
        super().shutdown(how)

    def _real_close(self, *args):
        if self._object is not None and not self.server_side:
            self._drop_tickets()
        self._object = None
        super()._real_close(*args)

    def _drop_tickets(self):
        """A server sends session tickets behind the handshake. If they are still unread, the system resets the connection, and
        the server may lose what we have sent before."""
        try:
            super().recv(_CHUNK, _socket.MSG_DONTWAIT)
        except OSError:
            pass

    # ---- questions ----

    @property
    def _sslobj(self):  # what the standard library's class keeps under this name; some libraries look at it
        return None if self._object is None else self._object._sslobj

    @property
    def context(self):
        """The context."""
        return self._context

    @context.setter
    def context(self, context):
        self._context = context
        if self._object is not None:
            self._object.context = context

    @property
    def session(self):
        """The session, of a client."""
        return None if self._object is None else self._object.session

    @session.setter
    def session(self, session):
        self._session = session
        if self._object is not None:
            self._object.session = session

    @property
    def session_reused(self):
        """Whether the client's session was used again."""
        return None if self._object is None else self._object.session_reused

    def getpeercert(self, binary_form=False):
        """The peer's certificate."""
        self._check_connected()
        return self._need("Question").getpeercert(binary_form)

    if hasattr(_stdlib.SSLObject, "get_verified_chain"):  # Python 3.13

        def get_verified_chain(self):
            """The peer's certificates that were verified, in DER."""
            return self._need("Question").get_verified_chain()

        def get_unverified_chain(self):
            """The peer's certificates as it has sent them, in DER."""
            return self._need("Question").get_unverified_chain()

    def _ask(self, name, *args):
        return None if self._object is None else getattr(self._object, name)(*args)

    def selected_alpn_protocol(self):
        """The protocol that both sides have chosen, or None."""
        return self._ask("selected_alpn_protocol")

    def selected_npn_protocol(self):
        """None: its extension is no more."""
        return None

    def cipher(self):
        """(name, protocol, bits) of the cipher, or None."""
        return self._ask("cipher")

    def shared_ciphers(self):
        """Ciphers that both sides know, or None."""
        return self._ask("shared_ciphers")

    def compression(self):
        """The compression, or None."""
        return self._ask("compression")

    def version(self):
        """The protocol's version, or None."""
        return self._ask("version")

    def get_channel_binding(self, cb_type="tls-unique"):
        """Bytes that name this connection."""
        if cb_type not in _stdlib.CHANNEL_BINDING_TYPES:
            raise ValueError(f"{cb_type} channel binding type not implemented")
        return self._ask("get_channel_binding", cb_type)


def get_server_certificate(addr, ssl_version=_stdlib.PROTOCOL_TLS_CLIENT, ca_certs=None,
                           timeout=_socket._GLOBAL_DEFAULT_TIMEOUT):
    """The certificate of the server at addr, in PEM."""
    host = addr[0]
    context = _create_unverified_context(ssl_version, cert_reqs=_stdlib.CERT_REQUIRED if ca_certs else _stdlib.CERT_NONE,
                                         cafile=ca_certs)
    with _socket.create_connection(addr, timeout=timeout) as sock, context.wrap_socket(sock, server_hostname=host) as tls:
        return _stdlib.DER_cert_to_PEM_cert(tls.getpeercert(True))
