"""Programs that know nothing of tasklets: blocking calls of the standard library let other tasklets run.

    import gossamer.monkey
    report = gossamer.monkey.patch()       # first of all imports
    ...
    gossamer.monkey.unpatch()

Nothing is patched unless a program asks for it.  What has been patched, and who had imported the old names before, is in the
report.  docs/reference/monkey.md has the table of what is patched and what is not.
"""

import importlib
import threading
from typing import Any

from .. import _gossamer
from ._change import Missed, Report, others

__all__ = ["PARTS", "Missed", "Report", "is_patched", "patch", "unpatch"]

PARTS = ("time", "select", "socket", "ssl", "threading", "queue", "os", "subprocess", "signal")

_in_place: dict[str, list[Any]] = {}


def _check_caller(function: str) -> None:
    if threading.current_thread() is not threading.main_thread() or _gossamer.getcurrent() is not _gossamer.getmain():
        raise RuntimeError(f"{function}() must be called by the main tasklet of the main thread")


def patch(*parts: str, threads: str = "tasklets", rebind: bool = False) -> Report:
    """Make blocking calls of the standard library let other tasklets run, until unpatch().

    parts: some of PARTS; none given: all.  Those that are patched already are left alone.  threads: "tasklets": a
    threading.Thread that is started on the main thread is a tasklet from now on; "real": it stays a thread.
    rebind: modules that had imported a name with `from ... import` get the new one as well; else only those of the standard
    library do, and the report names the others.  The main tasklet of the main thread only, else RuntimeError; ValueError.
    """
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ValueError(f"unknown part {unknown[0]!r}; there is: {', '.join(PARTS)}")
    if threads not in ("tasklets", "real"):
        raise ValueError(f"threads must be 'tasklets' or 'real', not {threads!r}")
    _check_caller("patch")
    report = Report()
    # All of them first: what replaces one part may import modules of another.
    wanted = {part: importlib.import_module(f"{__name__}._{part}") for part in PARTS
              if part not in _in_place and (part in parts or not parts)}  # fmt: skip
    changes = {part: module.changes(threads) if part == "threading" else module.changes() for part, module in wanted.items()}
    done: list[Any] = []
    try:
        for part, planned in changes.items():
            for change in planned:
                change.make()
                done.append(change)
                report.patched.append(change.name)
    except BaseException:
        for change in reversed(done):
            change.undo()
        raise
    _in_place.update(changes)
    for change, missed in others(done, rebind):
        if change is None:
            report.missed.append(missed)
        else:
            change.make()
            _in_place[missed.part].append(change)
            report.rebound.append(missed)
    return report


def unpatch() -> list[str]:
    """Put everything back.  Returns the names that somebody else has changed since, which stay as they are.

    RuntimeError, and nothing changed, while there are threads that are tasklets, or in another tasklet than the main one.
    """
    _check_caller("unpatch")
    if "threading" in _in_place:
        from ._threading import running

        names = running()
        if names:
            raise RuntimeError(f"{len(names)} threads that are tasklets have not ended yet ({names[0]}); join them first")
    left = []
    for part in reversed(PARTS):
        for change in reversed(_in_place.pop(part, ())):
            if not change.undo():
                left.append(change.name)
    return left


def is_patched(part: str) -> bool:
    """Whether this part of the standard library is patched now."""
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r}; there is: {', '.join(PARTS)}")
    return part in _in_place
