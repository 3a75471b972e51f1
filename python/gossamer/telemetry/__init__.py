"""A look into a running program: `gossamer ps PID` and `gossamer top PID` ask it over a Unix socket.

    import gossamer.telemetry

    gossamer.telemetry.serve()

or GOSSAMER_TELEMETRY=1 in the environment. The socket can be used by the owner of the process (and by root) alone. It is served by
a C thread that needs no GIL: the answer comes even if a tasklet never yields, or a call in C never returns.
docs/guide/telemetry.md tells more.
"""

import os as _os
import stat as _stat

from .. import _gossamer
from . import _answer

__all__ = ["path", "serve", "stop"]


def _folders(uid: int) -> "list[str]":
    """Where a user's sockets are: the first whose parent exists."""
    return [f"/run/user/{uid}/gossamer", f"/tmp/gossamer-{uid}"]


def _own_folder() -> str:
    uid = _os.geteuid()
    folder = next(f for f in _folders(uid) if _os.access(_os.path.dirname(f), _os.W_OK))
    try:
        _os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    found = _os.lstat(folder)
    if not _stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise PermissionError(f"'{folder}' must be a folder that its owner alone can use, and belong to user {uid}")
    return folder


def _remove_left_over(path: str) -> None:
    """A process that was killed leaves its socket behind."""
    import socket

    try:
        if not _stat.S_ISSOCK(_os.lstat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            _os.unlink(path)


def serve(path: "str | _os.PathLike[str] | None" = None) -> str:
    """From now on, answer who asks what the tasklets of this process do. Returns the path of the socket.

    path: where to make it; None: where `gossamer ps PID` looks for it. Only the user of this process and root can connect.
    RuntimeError: it is served already. OSError: the socket cannot be made. ValueError: the path is too long for one.
    A child of fork() does not serve.
    """
    where = _os.path.join(_own_folder(), f"{_os.getpid()}.sock") if path is None else _os.path.abspath(_os.fspath(path))
    if _gossamer._telemetry_path() is None:
        _remove_left_over(where)
    _gossamer._telemetry_serve(_os.fsencode(where), _answer.report)
    return where


def stop() -> None:
    """End that, and remove the socket. Nothing happens if it is not served. The end of the program does the same."""
    _gossamer._telemetry_stop()


def path() -> "str | None":
    """The path of the socket that is served, or None."""
    served = _gossamer._telemetry_path()
    return None if served is None else _os.fsdecode(served)


def _from_environment(value: str) -> None:
    """GOSSAMER_TELEMETRY: 1, or the path of a socket, in which %p stands for the process id."""
    import sys

    if value != "1" and "/" not in value:
        raise ImportError(f"environment variable GOSSAMER_TELEMETRY is '{value}', but must be 1 or the path of a socket (with a /)")
    try:
        serve(None if value == "1" else value.replace("%p", str(_os.getpid())))
    except (OSError, ValueError) as error:  # a program that cannot be watched is better than none
        print(f"gossamer: GOSSAMER_TELEMETRY: {error}", file=sys.stderr)
