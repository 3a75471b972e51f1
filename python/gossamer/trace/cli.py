"""The command `gossamer trace`."""

import atexit
import os
import sys
from typing import Any, Sequence

EPILOG = """\
examples:
  gossamer trace server.py --port 8000              run it; gossamer.pftrace opens in Perfetto's viewer
  gossamer trace -o run.json -m package.module      the same for speedscope
  gossamer trace --latest 100000 -o end.pftrace server.py    only the last 100,000 events of each thread
  gossamer trace --summary run.gostrace             what stands out in a recording that was kept
  gossamer trace --convert run.gostrace run.pftrace
  gossamer trace view run.pftrace                   make a page of it; gossamer trace svg: a drawing

The program runs as with `gossamer run`. When it ends, what stands out is written to standard error: waits, long runs, locks, the
GIL, memory. docs/guide/tracing.md explains it.
"""


def main(arguments: Sequence[str], make_parser: Any, run: Any) -> int:
    """make_parser, run: those of the other commands."""
    if arguments and arguments[0] in ("view", "svg"):
        from . import _show

        return _show.main(arguments[0], arguments[1:], make_parser)
    parser = make_parser(
        "gossamer trace", "Run a program and record what its tasklets, threads and locks do.", EPILOG,
        usage="gossamer trace [OPTIONS] PROGRAM.py [ARGUMENT ...]\n       gossamer trace [OPTIONS] -m MODULE [ARGUMENT ...]",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FILE", default="gossamer.pftrace",
                        help="what to write: .pftrace (Perfetto), .json (speedscope), else the recorder's own; %(default)s")  # fmt: skip
    parser.add_argument("--latest", metavar="N", help="keep the last N events of each thread only")
    parser.add_argument("--limit", metavar="MB", help="stop recording when the recorder's file has that many megabytes")
    parser.add_argument("--functions", action="store_true", help="record calls of Python functions as zones")
    parser.add_argument("--quiet", action="store_true", help="no summary")
    parser.add_argument("--summary", metavar="FILE", help="instead of running a program: the summary of the recorder's file")
    parser.add_argument("--convert", nargs=2, metavar=("FILE", "OUTPUT"), help="likewise: make another format of the recorder's file")
    own, rest = _split(list(arguments), parser)
    options = parser.parse_args(own)
    try:
        if options.summary is not None:
            print(_summary_of(options.summary))
            return 0
        if options.convert is not None:
            from . import convert

            convert(*options.convert)
            return 0
    except (OSError, ValueError) as error:
        print(f"gossamer trace: {_text(error, options.summary or options.convert[0])}", file=sys.stderr)
        return 1
    if not rest:
        parser.error("what shall be traced? Give a program (gossamer trace PROGRAM.py) or a module (gossamer trace -m MODULE)")
    _Recording(options, parser).begin()
    return int(run(rest))


TAKE_VALUE = {"-o": 1, "--output": 1, "--latest": 1, "--limit": 1, "--summary": 1, "--convert": 2}


def _split(arguments: list[str], parser: Any) -> tuple[list[str], list[str]]:
    """Ours, and what `gossamer run` gets: from the program's name or -m on."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] not in ("-", "--") and not arguments[at].startswith("-m"):
        at += 1 + TAKE_VALUE.get(arguments[at], 0)
    return arguments[:at], arguments[at:]


def _number(text: "str | None", name: str, parser: Any) -> int:
    if text is None:
        return 0
    if not text.isdecimal() or not 0 < int(text) < 1 << 40:
        parser.error(f"{name} needs a positive number, not '{text}'")
    return int(text)


def _text(error: BaseException, path: str) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"'{error.filename or path}': {error.strerror}"
    return f"'{path}': {error}" if str(path) not in str(error) else str(error)


def _summary_of(path: str) -> str:
    from ._summary import summary
    from .reader import Timeline, Trace

    return summary(Timeline(Trace(path)))


class _Recording:
    """From before the program to after its end."""

    def __init__(self, options: Any, parser: Any) -> None:
        self.output = os.path.abspath(options.output)
        self.quiet, self.functions = options.quiet, options.functions
        self.latest = _number(options.latest, "--latest", parser)
        self.limit = _number(options.limit, "--limit", parser) << 20
        self.raw = self.output
        self.pid = os.getpid()
        self.parser = parser

    def begin(self) -> None:
        from .. import trace

        if not trace._own_format(self.output):
            self.raw = f"{self.output}.{self.pid}.gostrace"
        try:
            open(self.output, "ab").close()
            trace.start(None if self.latest else self.raw, events=self.latest or 262144, limit=self.limit, functions=self.functions)
        except (OSError, RuntimeError) as error:
            self.parser.error(_text(error, self.output) if isinstance(error, OSError) else str(error))
        atexit.register(self.end)

    def end(self) -> None:
        from .. import trace

        if os.getpid() != self.pid or not trace.stats()["on"] and self.latest:
            return # a child of fork; or the program has ended the recording itself
        try:
            if self.latest:
                trace.save(self.raw)
            figures = trace.stop()
            if self.raw != self.output:
                trace.convert(self.raw, self.output)
            text = "" if self.quiet else _summary_of(self.raw)
            if self.raw != self.output:
                os.unlink(self.raw)
        except (OSError, ValueError, RuntimeError) as error:
            print(f"gossamer trace: {_text(error, self.raw)}", file=sys.stderr)
            return
        size = os.path.getsize(self.output)
        if text:
            print(text, file=sys.stderr)
            if figures["stalled"] > 0.001:
                print(f"The program waited {figures['stalled']:.3f} s for the recorder's file.", file=sys.stderr)
            print(f"\nWritten to {self.output} ({size / 1e6:.1f} MB)", file=sys.stderr)
