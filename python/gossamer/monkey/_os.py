"""os: waiting for children, and reading from and writing to pipes, terminals and sockets by their descriptors.

A descriptor is not made non-blocking, since other processes may have it as well: the call is made once it will not block.
"""

import os
import select
import stat
from typing import Any

from .. import _gossamer
from ..pool import call_async
from ._change import Change

_real_read, _real_write = os.read, os.write
_real_waitpid, _real_system = os.waitpid, os.system
_real_wait = os.wait
_real_waits = {name: getattr(os, name) for name in ("wait3", "wait4", "waitid") if hasattr(os, name)}
_AT_ONCE = select.PIPE_BUF  # a pipe that is writable takes so much


def _may_block(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False  # the call itself says what is wrong
    return (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)) and os.get_blocking(fd)


def read(fd: int, length: int, /) -> bytes:
    """As os.read."""
    if _may_block(fd):
        _gossamer._poll([(fd, select.POLLIN)], None)
    return _real_read(fd, length)


def write(fd: int, data: Any, /) -> int:
    """As os.write: all of data, unless the descriptor is non-blocking."""
    if not _may_block(fd):
        return _real_write(fd, data)
    with memoryview(data) as view, view.cast("B") as rest:
        sent = 0
        while True:
            _gossamer._poll([(fd, select.POLLOUT)], None)
            try:
                sent += _real_write(fd, rest[sent : sent + _AT_ONCE])
            except OSError:
                if sent:
                    return sent  # the next call gets the error
                raise
            if sent >= len(rest):
                return sent


def _until_it_ends(pid: int, options: int) -> bool:
    """Wait until the child has ended, or stay out of it: False."""
    if pid <= 0 or options or not hasattr(os, "pidfd_open"):
        return False
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        _gossamer._poll([(fd, select.POLLIN)], None)
    finally:
        os.close(fd)
    return True


def waitpid(pid: int, options: int, /) -> tuple[int, int]:
    """As os.waitpid."""
    if options & os.WNOHANG or _until_it_ends(pid, options):
        return _real_waitpid(pid, options)
    return call_async(_real_waitpid, pid, options)


def wait() -> tuple[int, int]:
    """As os.wait."""
    return call_async(_real_wait)


def wait3(options: int) -> Any:
    """As os.wait3."""
    return _real_waits["wait3"](options) if options & os.WNOHANG else call_async(_real_waits["wait3"], options)


def wait4(pid: int, options: int) -> Any:
    """As os.wait4."""
    if options & os.WNOHANG or _until_it_ends(pid, options):
        return _real_waits["wait4"](pid, options)
    return call_async(_real_waits["wait4"], pid, options)


def waitid(idtype: int, id: int, options: int, /) -> Any:
    """As os.waitid."""
    return _real_waits["waitid"](idtype, id, options) if options & os.WNOHANG else call_async(_real_waits["waitid"], idtype, id, options)


def system(command: Any) -> int:
    """As os.system."""
    return call_async(_real_system, command)


def changes() -> list[Change]:
    new = {"read": read, "write": write, "waitpid": waitpid, "wait": wait, "system": system,
           "wait3": wait3, "wait4": wait4, "waitid": waitid}  # fmt: skip
    return [Change("os", os, name, function) for name, function in new.items() if hasattr(os, name)]
