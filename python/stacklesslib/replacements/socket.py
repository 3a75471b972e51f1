"""Sockets that block only the calling tasklet, and what the old Stacklesssocket had around them.

    install()               socket.socket is the class here, from now on
    uninstall()

The sockets are those of `gossamer.net`, with the habits of the old ones when they are closed under a waiting tasklet: accept
gets EBADF, connect ECONNREFUSED, senders ECONNRESET, readers nothing.  The scheduler itself waits for descriptors, so nobody has
to poll: the manager and pump() are there for programs that call them.
"""

import errno
import os
import socket as _stdlib
from collections import deque
from collections.abc import Callable
from typing import Any

import gossamer
from gossamer.monkey._change import Change
from gossamer.monkey._socket import NAMES
from gossamer.net import socket as _net

__all__ = [
    "ManageSockets", "StartManager", "StopManager", "install", "is_installed", "make_blocking_socket", "pump",
    "ready_to_schedule", "socket", "stacklesssocket_manager", "uninstall",
]  # fmt: skip

_changes: list[Change] = []
_stackless_mode = True
_manager: Callable[[], object] | None = None
_real_socket = _stdlib.socket


def __getattr__(name: str) -> Any:
    return getattr(_net, name)


class socket(_net.socket):
    """A socket of which only the calling tasklet waits.  (stacklesssocket)"""

    __slots__ = ["_unsent", "_writer"]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return super().__new__(cls) if _stackless_mode else _real_socket(*args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unsent: deque[bytes] | None = None
        self._writer: Any = None
        if _manager is not None:
            _manager()

    def _unless_closed(self, what: Any, call: Any, *args: Any) -> Any:
        """call(self, *args); if the socket is closed meanwhile: what, an errno to raise or a result."""
        was_open = self.fileno() >= 0
        try:
            return call(self, *args)
        except OSError as error:
            if error.errno != errno.EBADF or not was_open or self.fileno() >= 0:
                raise
        if type(what) is int:
            raise OSError(what, os.strerror(what))
        return what()

    def accept(self) -> Any:
        """As socket.accept."""
        connection, address = super().accept()
        family, kind, proto, timeout = connection.family, connection.type, connection.proto, connection.gettimeout()
        wrapped = socket(family, kind, proto, connection.detach())
        wrapped.settimeout(timeout)
        return wrapped, address

    def connect(self, address: Any, /) -> None:
        """As socket.connect."""
        self._unless_closed(errno.ECONNREFUSED, _net.socket.connect, address)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As socket.recv."""
        return self._unless_closed(bytes, _net.socket.recv, bufsize, flags)  # type: ignore[no-any-return]

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As socket.recv_into."""
        return self._unless_closed(lambda: 0, _net.socket.recv_into, buffer, nbytes, flags)  # type: ignore[no-any-return]

    # ---- sending ----

    def setblockingsend(self, flag: Any) -> None:
        """False: send() and sendall() return at once, and a tasklet sends what they have queued."""
        self._unsent = None if flag else self._unsent if self._unsent is not None else deque()

    def send(self, data: Any, flags: int = 0, /) -> int:
        """As socket.send."""
        if self._unsent is not None:
            return self._queue(data)
        return self._unless_closed(errno.ECONNRESET, _net.socket.send, data, flags)  # type: ignore[no-any-return]

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """As socket.sendall."""
        if self._unsent is not None:
            self._queue(data)
        else:
            self._unless_closed(errno.ECONNRESET, _net.socket.sendall, data, flags)

    def _queue(self, data: Any) -> int:
        self.getpeername()  # ENOTCONN, EBADF
        data = bytes(data)
        assert self._unsent is not None
        self._unsent.append(data)
        if self._writer is None:
            self._writer = gossamer.spawn(self._write, self._unsent)
        return len(data)

    def _write(self, unsent: deque[bytes]) -> None:
        try:
            while unsent:
                _net.socket.sendall(self, unsent.popleft())
        except OSError:
            unsent.clear()  # who reads or sends next learns of it
        finally:
            self._writer = None


# ---- in the place of socket.socket ----


def install(poll_interval: float | None = None) -> None:
    """Make socket.socket the class here, and look up names on worker threads.  RuntimeError if it has been done.

    poll_interval, how often the old manager looked, is not needed.
    """
    if _changes:
        raise RuntimeError("Still installed")
    for name in ("socket", "SocketType"):  # what makes sockets uses these
        _changes.append(Change("socket", _stdlib, name, socket))
    for name in NAMES:
        if name.startswith("get"):
            _changes.append(Change("socket", _stdlib, name, getattr(_net, name)))
    for change in _changes:
        change.make()


def uninstall() -> None:
    """Undo install(), if it has been called."""
    while _changes:
        _changes.pop().undo()


def is_installed() -> bool:
    """Whether install() is in effect."""
    return bool(_changes)


def make_blocking_socket(family: int = _stdlib.AF_INET, type: int = _stdlib.SOCK_STREAM, proto: int = 0) -> Any:
    """A plain socket, which blocks the thread."""
    return _real_socket(family, type, proto)


def ready_to_schedule(flag: Any) -> None:
    """False: sockets that are made from now on block the thread, until it is set True again."""
    global _stackless_mode
    _stackless_mode = bool(flag)


# ---- the manager ----


def stacklesssocket_manager(manager: Callable[[], object] | None) -> None:
    """Have manager() called whenever a socket is made; None: nothing."""
    global _manager
    _manager = manager


def pump() -> None:
    """Let tasklets whose sockets are ready run, without waiting."""
    gossamer.sleep(0)


def ManageSockets() -> None:
    """Nothing: the scheduler manages them."""


def StartManager() -> None:
    """Nothing: the scheduler waits for sockets by itself."""


def StopManager() -> None:
    """Nothing, either."""
