"""The commands `gossamer ps` and `gossamer top`."""

import linecache
import sys
from typing import Any, Iterator, Sequence

from ._protocol import Connection, Report, Tasklet, Unreachable

PS_EPILOG = """\
examples:
  gossamer ps 4711                what each tasklet of process 4711 does
  gossamer ps --limit 20 4711
  gossamer ps --socket run.sock

The process must serve telemetry: GOSSAMER_TELEMETRY=1 in its environment, or gossamer.telemetry.serve(). If it does not give up
the GIL within half a second, because a tasklet never yields or a call in C does not return, it is looked at from outside.
"""
TOP_EPILOG = """\
examples:
  gossamer top 4711
  gossamer top --once 4711        one picture, for a file or another program

Keys: q ends it, a blank refreshes at once. Shares are of samples, 20 for each picture; "seen waiting" counts from when this command
first saw the tasklet in that wait. The process must serve telemetry, as for `gossamer ps`.
"""


def _target(options: Any, parser: Any) -> "int | str":
    if options.socket is not None and options.pid is None:
        return str(options.socket)
    if options.socket is not None or options.pid is None:
        parser.error("give the id of a process, or --socket PATH")
    if not options.pid.isdecimal() or int(options.pid) == 0:
        parser.error(f"a process id is a positive number, not '{options.pid}'")
    return int(options.pid)


def _count(text: str, name: str, parser: Any) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        parser.error(f"{name} needs a positive number, not '{text}'")
    return int(text)


def _add_target(parser: Any) -> None:
    parser.add_argument("pid", metavar="PID", nargs="?", help="the process")
    parser.add_argument("--socket", metavar="PATH", help="its socket instead, if serve() was given a path")


def _frames(t: Tasklet) -> Iterator[str]:
    for frame in reversed(t.frames):
        if frame is None:
            yield "    ..."
            continue
        yield f'    File "{frame.file}", line {frame.line or "???"}, in {frame.function}'
        source = linecache.getline(frame.file, frame.line).strip() if frame.line else ""
        if source:
            yield f"      {source}"


def listing(report: Report) -> str:
    """The text of `gossamer ps`."""
    lines = []
    total = sum(report.counts.values()) if report.exact else len(report.tasklets) + report.more
    states = ", ".join(f"{n} {state}" for state, n in sorted(report.counts.items(), key=lambda item: -item[1]))
    lines.append(f"process {report.pid}: {total} tasklet{'s' * (total != 1)} ({states}), {len(report.threads)} "
                 f"thread{'s' * (len(report.threads) != 1)} with tasklets")  # fmt: skip
    if not report.exact:
        lines.append("It did not give up the GIL within half a second: this is what could be seen from outside.")
    names = {}
    for thread in report.threads:
        names[thread.ident] = thread.name or f"thread 0x{thread.ident}"
        marks = ", has the GIL" if thread.has_gil else ""
        doing = "waits" if thread.waits else f'runs "{thread.current}"'
        lines.append(f"{names[thread.ident]}: {doing}, {thread.runnable} runnable, {thread.switches} switches{marks}")
    for t in report.tasklets:
        where = names.get(t.thread, "no thread any more")
        lines += ["", f'tasklet "{t.name}" ({t.state}, {where}){" " + t.wait if t.wait else ""}', *_frames(t)]
    if report.more:
        lines += ["", f"and {report.more} more (--limit shows more of them)"]
    if report.incomplete:
        lines += ["", f"Some may be missing: {report.incomplete}."]
    return "\n".join(lines)


def ps(arguments: Sequence[str], make_parser: Any) -> int:
    parser = make_parser("gossamer ps", "Show what each tasklet of a running program does, with its stack.", PS_EPILOG)
    _add_target(parser)
    parser.add_argument("--limit", metavar="N", default="1000", help="show at most N tasklets; %(default)s")
    parser.add_argument("--frames", metavar="N", default="30", help="and so many calls of each, the innermost; %(default)s")
    parser.add_argument("--outside", action="store_true", help="do not ask for the GIL: look from outside at once")
    options = parser.parse_args(arguments)
    target = _target(options, parser)
    limit, frames = _count(options.limit, "--limit", parser), _count(options.frames, "--frames", parser)
    try:
        report = Connection(target).ask(f"{'outside' if options.outside else 'ps'} {limit} {frames}")
    except (Unreachable, ValueError) as error:
        print(f"gossamer ps: {error}", file=sys.stderr)
        return 1
    print(listing(report))
    return 0


def top(arguments: Sequence[str], make_parser: Any) -> int:
    parser = make_parser("gossamer top", "Show what a running program does, refreshed each second.", TOP_EPILOG)
    _add_target(parser)
    parser.add_argument("--interval", metavar="SECONDS", default="1", help="between pictures; %(default)s")
    parser.add_argument("--once", action="store_true", help="print one picture and end")
    options = parser.parse_args(arguments)
    target = _target(options, parser)
    try:
        interval = float(options.interval)
    except ValueError:
        interval = 0
    if not 0.05 <= interval <= 3600:
        parser.error(f"--interval needs seconds, from 0.05 to 3600, not '{options.interval}'")
    from ._top import Top

    try:
        Top(Connection(target), interval).run(once=options.once or not sys.stdout.isatty())
    except (Unreachable, ValueError) as error:
        print(f"gossamer top: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0
