"""Asking another process what its tasklets do: the client of cpython/telemetry.c, which describes the lines."""

import os
import re
import socket
from dataclasses import dataclass, field
from typing import Iterator, NamedTuple

from . import _folders

TIMEOUT = 30  # seconds without a byte: it is stopped, or somebody else answers


class Unreachable(Exception):
    """The process cannot be asked; the text says why."""


@dataclass
class Thread:
    ident: str
    current: str
    runnable: int
    switches: int
    evictions: int
    evicted: int
    evicted_bytes: int
    waits: bool
    has_gil: bool
    name: str = ""


class Frame(NamedTuple):
    file: str
    line: int
    function: str


@dataclass
class Tasklet:
    address: str
    name: str
    thread: str
    state: str
    wait: str
    frames: "list[Frame | None]" = field(default_factory=list)  # innermost first; None: more are not shown, or cannot be read


@dataclass
class Report:
    pid: int = 0
    exact: bool = False
    threads: "list[Thread]" = field(default_factory=list)
    tasklets: "list[Tasklet]" = field(default_factory=list)
    counts: "dict[str, int]" = field(default_factory=dict)
    more: int = 0
    incomplete: str = ""


_FRAME = re.compile(r'  File "(.*)", line (\d+|\?\?\?) in (.*)')


def parse(lines: "Iterator[str]") -> Report:
    """A report of its lines. ValueError: they are no report."""
    report = Report()
    names: dict[str, str] = {}
    for line in lines:
        if line.startswith("  "):
            match = _FRAME.fullmatch(line)
            frame = Frame(match[1], int(match[2]) if match[2].isdigit() else 0, match[3]) if match else None
            if report.tasklets:
                report.tasklets[-1].frames.append(frame)
            continue
        kind, *fields = line.split("\t")
        try:
            if kind == "gossamer":
                if fields[0] != "1":
                    raise ValueError(f"the process speaks version {fields[0]} of the protocol, and this command version 1")
                report.pid, report.exact = int(fields[1]), fields[2] == "exact"
            elif kind == "thread":
                n = [int(f) for f in fields[2:7]]
                report.threads.append(Thread(fields[0], fields[1], n[0], n[1], n[2], n[3], n[4], fields[7] == "1", fields[8] == "1"))
            elif kind == "name":
                names[fields[0]] = fields[1]
            elif kind == "tasklet":
                report.tasklets.append(Tasklet(fields[0], fields[1], fields[2], fields[3], fields[4]))
            elif kind == "count":
                report.counts[fields[0]] = int(fields[1])
            elif kind == "more":
                report.more = int(fields[0])
            elif kind == "incomplete":
                report.incomplete = fields[0]
        except (IndexError, TypeError) as error:
            raise ValueError(f"a line is not understood: {line!r} ({error})") from None
    if not report.pid:
        raise ValueError("the answer is not that of a program with gossamer.telemetry")
    for thread in report.threads:
        thread.name = names.get(thread.ident, "")
    if not report.counts:
        for tasklet in report.tasklets:
            report.counts[tasklet.state] = report.counts.get(tasklet.state, 0) + 1
    return report


def _find(pid: int) -> str:
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
    except FileNotFoundError:
        raise Unreachable(f"there is no process {pid}") from None
    for folder in _folders(uid):
        path = os.path.join(folder, f"{pid}.sock")
        if os.path.exists(path):
            return path
        if os.path.isdir(folder) and not os.access(folder, os.X_OK):
            raise Unreachable(f"process {pid} belongs to another user: only that user and root can look into it")
    raise Unreachable(
        f"process {pid} does not serve telemetry: start it with GOSSAMER_TELEMETRY=1, or call gossamer.telemetry.serve() in it"
    )


class Connection:
    """To a process, by its id or the path of its socket."""

    def __init__(self, target: "int | str") -> None:
        path = _find(target) if isinstance(target, int) else target
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT)
        try:
            self._socket.connect(path)
        except ConnectionRefusedError:
            raise Unreachable(f"'{path}' was left behind by a process that has ended") from None
        except OSError as error:
            raise Unreachable(f"'{path}': {error.strerror or error}") from None

    def close(self) -> None:
        self._socket.close()

    def ask(self, request: str) -> Report:
        """Unreachable: it has ended. ValueError: the answer makes no sense."""
        received = bytearray()
        try:
            self._socket.sendall(request.encode() + b"\n")
            while not received.endswith(b"\nend\n"):
                piece = self._socket.recv(1 << 16)
                if not piece:
                    raise Unreachable("the process has ended, or serves no longer")
                received += piece
        except OSError as error:
            raise Unreachable(f"the process does not answer: {error.strerror or error}") from None
        return parse(iter(received.decode("ascii", "replace").split("\n")[:-2]))
