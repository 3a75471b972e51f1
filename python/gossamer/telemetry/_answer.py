"""What the process says of itself when it is asked and the GIL can be had. Lines as in cpython/telemetry.c.

`report` is called on a thread that has no scheduler, and must not make one.
"""

import re
import sys
from typing import Any, Iterator

from .. import _gossamer, _report

_ORDER = {"running": 0, "ready": 1, "blocked": 2, "sleeping": 3, "paused": 4}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# A program with more tasklets than this is asked what each waits for only for those that are shown.
_EXAMINED = 10_000


def _plain(text: str) -> str:
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}", text).encode("ascii", "backslashreplace").decode()


def _thread_names() -> Iterator[str]:
    threading = sys.modules.get("threading")
    for thread in list(threading._active.values()) if threading else ():  # takes no lock
        yield f"name\t{thread.ident or 0:x}\t{_plain(thread.name)}"


def _stack(t: Any, frames: int) -> Iterator[str]:
    for n, (frame, line) in enumerate(_report._frames(t)):
        if n == frames:
            yield "  ..."
            return
        code = frame.f_code
        yield f'  File "{_plain(code.co_filename)}", line {line or code.co_firstlineno} in {_plain(code.co_qualname)}'


def _lines(limit: int, frames: int) -> Iterator[str]:
    found: list[tuple[str, Any]] = [(t.state, t) for t in _gossamer._tasklets()]
    counts: dict[str, int] = {}
    for state, _ in found:
        counts[state] = counts.get(state, 0) + 1
    yield from _thread_names()
    for state, count in counts.items():
        yield f"count\t{state}\t{count}"
    found.sort(key=lambda item: _ORDER.get(item[0], 9))
    shown = found[:limit]
    graph = _report._Graph(t for _, t in (found if len(found) <= _EXAMINED else shown))
    for state, t in shown:
        try:
            wait = graph.sentence(t)
        except Exception:  # repr() of what it waits for, and such
            wait = ""
        yield f"tasklet\t{id(t):#x}\t{_plain(t.name)}\t{t.thread_id:x}\t{state}\t{_plain(wait)}"
        if frames:
            yield from _stack(t, frames)
    if len(found) > len(shown):
        yield f"more\t{len(found) - len(shown)}"


def report(limit: int, frames: int) -> bytes:
    return ("\n".join(_lines(limit, frames)) + "\n").encode("ascii", "replace")
