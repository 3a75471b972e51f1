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
from socket import AI_NUMERICHOST, error, gaierror, getdefaulttimeout, has_dualstack_ipv6

from .. import _gossamer, sleep as _sleep
from ..pool import call_async as _call_async

__all__ = list(_stdlib.__all__)

_base = _socket.socket
_WRITE = 2
_UNDER_WAY = {_errno.EINPROGRESS, _errno.EALREADY, _errno.EINTR}
_TIMED_OUT = "timed out"
_NONBLOCK = getattr(_stdlib, "SOCK_NONBLOCK", 0)


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


class socket(_gossamer._socket_type(_stdlib.socket)):
    """A socket whose blocking methods let other tasklets run.  (socket.socket)"""

    __slots__ = ()

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        if fileno is None:
            family, type = (AF_INET if family == -1 else family), (SOCK_STREAM if type == -1 else type)
            proto = 0 if proto == -1 else proto
            fd = _gossamer._open_socket(family, type, proto)
            try:
                super().__init__(family, type | _NONBLOCK, proto, fd)
            except BaseException:
                _gossamer._close_socket(fd)
                raise
            self._timeout = 0.0 if type & _NONBLOCK else getdefaulttimeout()
        else:
            super().__init__(family, type, proto, fileno)
            self._timeout = super().gettimeout()
            super().settimeout(0.0)
        self._adopt(self.fileno(), _base.family.__get__(self), _base.type.__get__(self), self.proto)

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

    # ---- connections ----

    def accept(self):
        """Wait for a connection: (a socket for it, the address of its peer)."""
        fd, address = self._accept()
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
        error = self._connect_once(address)
        if self._timeout == 0 or error not in _UNDER_WAY and error != _errno.EAGAIN:
            return error
        span = _Span(self._timeout)
        while error == _errno.EAGAIN:  # the queue of a Unix listener is full, and nothing tells when it is not
            if span.left() == 0:
                raise TimeoutError(_TIMED_OUT)
            _sleep(0.002)
            error = self._connect_once(address)
        while error in _UNDER_WAY:
            span.wait(self.fileno(), _WRITE)
            error = self.getsockopt(SOL_SOCKET, SO_ERROR)
            if error == 0:  # connected, or woken for nothing: the system knows
                error = self._connect_once(address)
                if error == _errno.EISCONN:
                    error = 0
        return error

    # ---- bytes: recv, send and the like are those of the base ----

    def sendto(self, data, *args):
        """sendto(data, [flags,] address): how many bytes."""
        if args:
            args = (*args[:-1], _resolved(self, args[-1]))
        return super().sendto(data, *args)

    if hasattr(_base, "sendmsg_afalg"):

        def sendmsg_afalg(self, *args, **kwargs):
            """As sendmsg, with the ancillary data of Linux' AF_ALG."""
            span = None
            while True:
                try:
                    return _base.sendmsg_afalg(self, *args, **kwargs)
                except BlockingIOError:
                    if self._timeout == 0:
                        raise
                span = span or _Span(self._timeout)
                span.wait(self.fileno(), _WRITE)

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
        total = 0
        try:
            while count is None or total < count:
                block = min(size if count is None else count - total, 2**30)
                try:
                    sent = self._send_file(source, offset, block)  # with the timeout for each block, as in the standard library
                except TimeoutError:
                    raise
                except (OSError, NotImplementedError) as err:
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
        if self._release() >= 0:
            _gossamer._close_socket(_base.detach(self))

    def detach(self):
        """The descriptor, which is the caller's from now on, and non-blocking.  The socket is closed."""
        self._release()
        return super().detach()


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
    fds = _gossamer._open_pair(family, type, proto)
    made = []
    try:
        for fd in fds:
            made.append(socket(family, type, proto, fd))
    except BaseException:
        for sock in made:
            sock.detach()
        for fd in fds:
            _gossamer._close_socket(fd)
        raise
    return tuple(made)


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
