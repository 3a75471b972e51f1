"""subprocess: its pipes.  Waiting for the child is a matter of os, and communicate() of selectors."""

import io
import os
import subprocess
from typing import Any

from . import _os
from ._change import Change


class Pipe(io.RawIOBase):
    """An end of a pipe: a raw stream of which only the calling tasklet waits."""

    def __init__(self, fd: int, mode: str) -> None:
        self._fd = fd
        self.mode = mode
        self.name = fd

    def readable(self) -> bool:
        return "r" in self.mode

    def writable(self) -> bool:
        return "w" in self.mode

    def fileno(self) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return self._fd

    def readinto(self, buffer: Any) -> int:
        data = _os.read(self.fileno(), len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        return _os.write(self.fileno(), data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._fd)


class Streams:
    """Stands for module io in subprocess."""

    def open(self, fd: int, mode: str, buffering: int = -1) -> Any:
        raw = Pipe(fd, mode)
        if buffering == 0:
            return raw
        size = io.DEFAULT_BUFFER_SIZE if buffering < 0 else buffering
        return (io.BufferedReader if "r" in mode else io.BufferedWriter)(raw, max(size, 2))

    def __getattr__(self, name: str) -> Any:
        return getattr(io, name)


def changes() -> list[Change]:
    return [Change("subprocess", subprocess, "io", Streams())]
