"""Module `socket` for tasklets: blocking sockets, of which only the calling tasklet waits.

The same names, arguments, results and errors.  The system's descriptor is always non-blocking; timeouts are the object's.
One tasklet may read from a socket while another writes to it.  Several that read are woken together, longest waiting first.
close() ends the waits of others with OSError (EBADF).  Names are looked up on worker threads (`gossamer.pool`).
"""

import _socket
import errno as _errno
import os as _os
import socket as _stdlib
import time as _time
from socket import *  # noqa: F403
from socket import AF_INET, AF_INET6, AF_UNIX, IPPROTO_IPV6, IPV6_V6ONLY, SO_ERROR, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET
from socket import AI_NUMERICHOST, MSG_DONTWAIT, error, gaierror, getdefaulttimeout, has_dualstack_ipv6

from .. import _gossamer, sleep as _sleep
from ..pool import call_async as _call_async

__all__ = list(_stdlib.__all__)

_base = _socket.socket
_READ, _WRITE = 1, 2
_UNDER_WAY = {_errno.EINPROGRESS, _errno.EALREADY, _errno.EINTR}
_TIMED_OUT = "timed out"


def __getattr__(name):
    return getattr(_stdlib, name)


class _Span:
    """What is left of a timeout, once a call has had to wait."""

    __slots__ = ("_until",)

    def __init__(self, timeout):
        self._until = None if timeout is None else _time.monotonic() + timeout

    def left(self):
        """Seconds, or None: no end."""
        return None if self._until is None else max(0.0, self._until - _time.monotonic())

    def wait(self, fd, events):
        """TimeoutError when it is over."""
        if not _gossamer._wait_fd(fd, events, 1, self.left()):
            raise TimeoutError(_TIMED_OUT)


class socket(_stdlib.socket):
    """A socket whose blocking methods let other tasklets run.  (socket.socket)"""

    __slots__ = ["_timeout"]

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        super().__init__(family, type, proto, fileno)
        _gossamer._close_fd(self.fileno())  # whatever the poller knew of this number
        self._timeout = super().gettimeout()
        super().settimeout(0.0)

    # ---- timeouts ----

    def settimeout(self, value, /):
        """Seconds that later calls may wait; None: forever, 0: not at all."""
        if value is None:
            super().settimeout(0.0)  # the descriptor may be none any more
        elif isinstance(value, (int, float)) and 0 <= value < 1e9:
            super().settimeout(0.0)
            value = float(value)
        else:  # what is right and wrong with it, CPython knows
            super().settimeout(value)
            value = super().gettimeout()
            super().settimeout(0.0)
        self._timeout = value

    def gettimeout(self):
        """Seconds, or None."""
        return self._timeout

    def setblocking(self, flag, /):
        """True: as settimeout(None), False: as settimeout(0)."""
        super().setblocking(flag)  # it may be too large, or the descriptor none any more
        super().settimeout(0.0)
        self._timeout = None if flag else 0.0

    def getblocking(self):
        """Whether calls may wait."""
        return self._timeout != 0

    timeout = property(gettimeout, doc="Seconds that calls may wait, or None.")

    def _again(self, events, flags, call, *args):
        """call(self, *args), as often as it takes."""
        if self._timeout == 0 or flags & MSG_DONTWAIT:
            return call(self, *args)
        span = None
        while True:
            try:
                return call(self, *args)
            except BlockingIOError:
                pass
            if span is None:
                span = _Span(self._timeout)
            span.wait(self.fileno(), events)

    # ---- connections ----

    def accept(self):
        """Wait for a connection: (a socket for it, the address of its peer)."""
        fd, address = _gossamer._accept(self.fileno(), None, 0, self._timeout)
        sock = socket(self.family, self.type, self.proto, fileno=fd)
        return sock, sock.getpeername() if address is None else address

    def connect(self, address, /):
        """Connect to address, and wait until it is done."""
        error = self._connect(address)
        if error:
            raise OSError(error, _os.strerror(error))

    def connect_ex(self, address, /):
        """As connect; a failure of the connection is returned, as an errno, not raised."""
        try:
            return self._connect(address)
        except TimeoutError:
            return _errno.EAGAIN  # as CPython does

    def _connect(self, address):
        address = _resolved(self, address)
        error = _base.connect_ex(self, address)
        if self._timeout == 0 or error not in _UNDER_WAY and error != _errno.EAGAIN:
            return error
        span = _Span(self._timeout)
        while error == _errno.EAGAIN:  # the queue of a Unix listener is full, and nothing tells when it is not
            if span.left() == 0:
                raise TimeoutError(_TIMED_OUT)
            _sleep(0.002)
            error = _base.connect_ex(self, address)
        while error in _UNDER_WAY:
            span.wait(self.fileno(), _WRITE)
            error = self.getsockopt(SOL_SOCKET, SO_ERROR)
            if error == 0:  # connected, or woken for nothing: the system knows
                error = _base.connect_ex(self, address)
                if error == _errno.EISCONN:
                    error = 0
        return error

    # ---- reading ----

    def recv(self, bufsize, flags=0, /):
        """At most bufsize bytes; none: the peer has closed."""
        return _gossamer._recv(self.fileno(), bufsize, flags, self._timeout)

    def recv_into(self, buffer, nbytes=0, flags=0):
        """Into buffer, at most nbytes (0: as many as fit): how many."""
        if nbytes:
            buffer = _part(buffer, nbytes, "recv_into")
        return _gossamer._recv_into(self.fileno(), buffer, flags, self._timeout)

    def recvfrom(self, bufsize, flags=0, /):
        """(data, address of the sender)."""
        return self._again(_READ, flags, _base.recvfrom, bufsize, flags)

    def recvfrom_into(self, buffer, nbytes=0, flags=0):
        """(number of bytes, address of the sender)."""
        return self._again(_READ, flags, _base.recvfrom_into, buffer, nbytes, flags)

    def recvmsg(self, *args):
        """recvmsg(bufsize[, ancbufsize[, flags]]) -> (data, ancillary data, flags, address)."""
        return self._again(_READ, _flags_of(args, 2), _base.recvmsg, *args)

    def recvmsg_into(self, *args):
        """recvmsg_into(buffers[, ancbufsize[, flags]]) -> (number of bytes, ancillary data, flags, address)."""
        return self._again(_READ, _flags_of(args, 2), _base.recvmsg_into, *_rereadable(args))

    # ---- writing ----

    def send(self, data, flags=0, /):
        """Some of data: how many bytes."""
        return _gossamer._send(self.fileno(), data, flags, self._timeout)

    def sendall(self, data, flags=0, /):
        """All of data, however long it takes.  After an error nobody knows how much has been sent."""
        return _gossamer._sendall(self.fileno(), data, flags, self._timeout)

    def sendto(self, data, *args):
        """sendto(data, [flags,] address): how many bytes."""
        if args:
            args = (*args[:-1], _resolved(self, args[-1]))
        return self._again(_WRITE, _flags_of(args, 0) if len(args) == 2 else 0, _base.sendto, data, *args)

    def sendmsg(self, *args):
        """sendmsg(buffers[, ancdata[, flags[, address]]]): how many bytes."""
        return self._again(_WRITE, _flags_of(args, 2), _base.sendmsg, *_rereadable(args))

    if hasattr(_base, "sendmsg_afalg"):

        def sendmsg_afalg(self, *args, **kwargs):
            """As sendmsg, with the ancillary data of Linux' AF_ALG."""
            return self._again(_WRITE, 0, lambda self: _base.sendmsg_afalg(self, *args, **kwargs))

    def _sendfile_use_sendfile(self, file, offset=0, count=None):
        self._check_sendfile_params(file, offset, count)
        try:
            source = file.fileno()
            size = _os.fstat(source).st_size
        except (AttributeError, OSError) as err:  # io.UnsupportedOperation is an OSError
            raise _stdlib._GiveupOnSendfile(err)
        if not size:
            return 0
        if self._timeout == 0:
            raise ValueError("non-blocking sockets are not supported")
        total, span = 0, None
        try:
            while count is None or total < count:
                block = min(size if count is None else count - total, 2**30)
                try:
                    sent = _os.sendfile(self.fileno(), source, offset, block)
                except BlockingIOError:
                    span = _Span(self._timeout)  # for each block, as in the standard library
                    span.wait(self.fileno(), _WRITE)
                    continue
                except OSError as err:
                    if total == 0:
                        raise _stdlib._GiveupOnSendfile(err)
                    raise
                if sent == 0:
                    break
                offset += sent
                total += sent
            return total
        finally:
            if total > 0 and hasattr(file, "seek"):
                file.seek(offset)

    # ---- life ----

    def _real_close(self, _ss=_base):
        fd = self.fileno()
        if fd >= 0:
            _gossamer._close_fd(fd)
        super()._real_close(_ss)

    def detach(self):
        """The descriptor, which is the caller's from now on, and non-blocking.  The socket is closed."""
        fd = self.fileno()
        if fd >= 0:
            _gossamer._close_fd(fd)
        return super().detach()


def _flags_of(args, place):
    return args[place] if len(args) > place and isinstance(args[place], int) else 0


def _rereadable(args):
    """The buffers, and the ancillary data, may come from generators, but a call may have to be repeated."""
    return [list(arg) if i < 2 and hasattr(arg, "__next__") else arg for i, arg in enumerate(args)]


def _part(buffer, nbytes, function):
    if nbytes < 0:
        raise ValueError(f"negative buffersize in {function}")
    view = memoryview(buffer)
    if view.nbytes < nbytes:
        raise ValueError("buffer too small for requested bytes")
    return view.cast("B")[:nbytes] if view.format != "B" or view.ndim != 1 else view[:nbytes]


def _resolved(sock, address):
    """The address with its host, if that is a name, looked up without blocking the thread."""
    if sock.family not in (AF_INET, AF_INET6) or not isinstance(address, tuple) or len(address) < 2:
        return address
    host = address[0]
    if not isinstance(host, str) or host in ("", "<broadcast>") or not isinstance(address[1], int) or _is_numeric(host):
        return address
    found = getaddrinfo(host, None, sock.family)
    return (found[0][4][0], *address[1:])


def _is_numeric(host):
    try:
        _socket.getaddrinfo(host, None, 0, 0, 0, AI_NUMERICHOST)
    except (gaierror, UnicodeError):
        return False
    return True


# ---- names, on worker threads ----

# Those of the standard library, even when gossamer.monkey has put ours in their places.
_getaddrinfo, _getnameinfo = _stdlib.getaddrinfo, _stdlib.getnameinfo
_gethostbyname, _gethostbyname_ex, _gethostbyaddr = _stdlib.gethostbyname, _stdlib.gethostbyname_ex, _stdlib.gethostbyaddr


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    """As socket.getaddrinfo."""
    if host is None or isinstance(host, (str, bytes)) and _is_numeric(host):
        return _getaddrinfo(host, port, family, type, proto, flags)
    return _call_async(_getaddrinfo, host, port, family, type, proto, flags)


def getnameinfo(sockaddr, flags, /):
    """As socket.getnameinfo."""
    return _call_async(_getnameinfo, sockaddr, flags)


def gethostbyname(hostname, /):
    """As socket.gethostbyname."""
    return _call_async(_gethostbyname, hostname)


def gethostbyname_ex(hostname, /):
    """As socket.gethostbyname_ex."""
    return _call_async(_gethostbyname_ex, hostname)


def gethostbyaddr(host, /):
    """As socket.gethostbyaddr."""
    return _call_async(_gethostbyaddr, host)


def getfqdn(name=""):
    """As socket.getfqdn."""
    name = name.strip()
    if not name or name in ("0.0.0.0", "::"):
        name = _stdlib.gethostname()
    try:
        hostname, aliases, _ = gethostbyaddr(name)
    except error:
        return name
    return next((full for full in (hostname, *aliases) if "." in full), hostname)


# ---- making sockets ----


def fromfd(fd, family, type, proto=0):
    """A socket for a copy of the descriptor fd."""
    return socket(family, type, proto, _os.dup(fd))


def socketpair(family=None, type=SOCK_STREAM, proto=0):
    """Two sockets that are connected to each other."""
    family = (AF_UNIX if hasattr(_stdlib, "AF_UNIX") else AF_INET) if family is None else family
    a, b = _socket.socketpair(family, type, proto)
    return socket(family, type, proto, a.detach()), socket(family, type, proto, b.detach())


def create_connection(address, timeout=_stdlib._GLOBAL_DEFAULT_TIMEOUT, source_address=None, *, all_errors=False):
    """Connect to the first of the host's addresses that works.  (socket.create_connection)"""
    host, port = address
    errors = []
    for family, kind, proto, _, target in getaddrinfo(host, port, 0, SOCK_STREAM):
        sock = None
        try:
            sock = socket(family, kind, proto)
            if timeout is not _stdlib._GLOBAL_DEFAULT_TIMEOUT:
                sock.settimeout(timeout)
            if source_address:
                sock.bind(source_address)
            sock.connect(target)
            return sock
        except error as exc:
            if sock is not None:
                sock.close()
            if not all_errors:
                errors.clear()
            errors.append(exc)
        except BaseException:  # killed: nobody else closes it
            if sock is not None:
                sock.close()
            raise
    if not errors:
        raise error("getaddrinfo returns an empty list")
    try:
        raise ExceptionGroup("create_connection failed", errors) if all_errors else errors[0]  # noqa: F821
    finally:
        errors.clear()


def create_server(address, *, family=AF_INET, backlog=None, reuse_port=False, dualstack_ipv6=False):
    """A listening socket, bound to address.  (socket.create_server)"""
    if reuse_port and not hasattr(_stdlib, "SO_REUSEPORT"):
        raise ValueError("SO_REUSEPORT not supported on this platform")
    if dualstack_ipv6:
        if not has_dualstack_ipv6():
            raise ValueError("dualstack_ipv6 not supported on this platform")
        if family != AF_INET6:
            raise ValueError("dualstack_ipv6 requires AF_INET6 family")
    sock = socket(family, SOCK_STREAM)
    try:
        if _os.name == "posix":
            try:
                sock.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            except error:
                pass
        if reuse_port:
            sock.setsockopt(SOL_SOCKET, _stdlib.SO_REUSEPORT, 1)
        if family == AF_INET6:
            sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0 if dualstack_ipv6 else 1)
        try:
            sock.bind(address)
        except error as err:
            raise error(err.errno, f"{err.strerror} (while attempting to bind on address {address!r})") from None
        sock.listen() if backlog is None else sock.listen(backlog)
        return sock
    except BaseException:
        sock.close()
        raise
