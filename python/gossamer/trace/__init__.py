"""A recording of what tasklets, threads, locks and the GIL do, and where the time goes.

    import gossamer.trace

    gossamer.trace.start("game.pftrace")
    with gossamer.trace.zone("ai"):
        ...
    gossamer.trace.stop()

The suffix of the file says what it becomes: `.pftrace` is Perfetto's format (open it in its viewer), `.json` that of
speedscope, anything else the recorder's own, which `gossamer.trace.reader` reads. Without a file the latest events are kept
in memory, for `save()`. docs/guide/tracing.md tells more.
"""

import functools as _functools
import gc as _gc
import inspect as _inspect
import json as _json
import os as _os
import sys as _sys
import tempfile as _tempfile
import threading as _threading
from typing import Any as _Any

from .. import _gossamer
from . import _calls
from .._gossamer import _trace_counter as counter
from .._gossamer import _trace_label as label
from .._gossamer import _trace_message as message
from .._gossamer import _trace_zone as zone

__all__ = ["counter", "convert", "label", "message", "save", "start", "stats", "stop", "zone"]

_output: str | None = None  # what the recording becomes when it ends
_raw: str | None = None  # the file that the recorder writes


def _own_format(path: str) -> bool:
    return not path.endswith((".pftrace", ".perfetto-trace", ".json"))


def start(
    path: "str | _os.PathLike[str] | None" = None, *, events: int = 65536, limit: int = 0, drop: bool = False, gc: bool = True, functions: bool = False
) -> None:
    """Begin to record.

    path: the file; None: keep the latest in memory, until save() or stop(). events: how many each thread's ring holds (of 32
    bytes). limit: recording ends when the recorder's file has about that many bytes; 0: no limit. drop: when the file cannot be
    written as fast as events come, lose some, instead of letting the program wait. gc: record the collector's pauses.
    functions: record calls of Python functions as zones, in every tasklet and thread.
    RuntimeError: a trace is being recorded already; another profiler is active. OSError: the file cannot be made.
    """
    global _output, _raw
    if events < 1 or limit < 0:
        raise ValueError("events must be at least 1, and limit at least 0")
    output = None if path is None else _os.path.abspath(_os.fspath(path))
    raw = output
    if _gossamer._trace_stats()["on"]:
        raise RuntimeError("a trace is being recorded already")
    if output is not None and not _own_format(output):
        open(output, "ab").close()  # now rather than at the end: can it be written at all?
        handle, raw = _tempfile.mkstemp(suffix=".gostrace", prefix=_os.path.basename(output) + ".", dir=_os.path.dirname(output))
        _os.close(handle)
    try:
        _gossamer._trace_start(None if raw is None else _os.fsencode(raw), events, limit, drop)
    except BaseException:
        if raw is not None and raw != output:
            _os.unlink(raw)
        raise
    _output, _raw = output, raw
    if functions:
        try:
            _calls.begin()
        except BaseException:
            _calls.end()
            _gossamer._trace_stop("{}")
            if raw is not None and raw != output:
                _os.unlink(raw)
            raise
    if gc:
        _gc.callbacks.append(_gossamer._trace_gc)


def _info() -> str:
    threads = {str(t.native_id): t.name for t in _threading.enumerate() if t.native_id is not None}
    program = _os.path.basename(_sys.argv[0]) if _sys.argv and _sys.argv[0] else "python"
    about = {
        "program": program.translate({ord(c): "_" for c in '"\\'}),
        "pid": _os.getpid(),
        "python": ".".join(map(str, _sys.version_info[:3])),
        "threads": threads,
    }
    return _json.dumps(about)


def stop() -> dict[str, _Any]:
    """End the recording, and complete its file. The result is that of stats(). RuntimeError: none is being recorded."""
    global _output, _raw
    while _gossamer._trace_gc in _gc.callbacks:
        _gc.callbacks.remove(_gossamer._trace_gc)
    _calls.end()
    output, raw = _output, _raw
    _output = _raw = None
    _gossamer._trace_stop(_info())
    figures = stats()
    if output is not None and raw is not None and raw != output:
        try:
            convert(raw, output)
        except BaseException as error:
            error.add_note(f"the recording is in '{raw}'")
            raise
        _os.unlink(raw)
    return figures


def save(path: "str | _os.PathLike[str]") -> None:
    """Write the latest events, which a recording without a file keeps in memory, to one; recording goes on, if it is on.

    RuntimeError: there is no such recording. OSError: the file cannot be written.
    """
    output = _os.path.abspath(_os.fspath(path))
    if _own_format(output):
        _gossamer._trace_save(_os.fsencode(output), _info())
        return
    with _tempfile.TemporaryDirectory() as folder:
        raw = _os.path.join(folder, "trace.gostrace")
        _gossamer._trace_save(_os.fsencode(raw), _info())
        convert(raw, output)


def stats() -> dict[str, _Any]:
    """Figures of the present recording, or the last: on, events, lost, threads, bytes, stalled (seconds)."""
    return _gossamer._trace_stats()


def convert(path: "str | _os.PathLike[str]", output: "str | _os.PathLike[str]") -> None:
    """Make a Perfetto trace (`.pftrace`) or a speedscope profile (`.json`) of a file of the recorder.

    ValueError: it is no such file, or damaged; or the suffix of output is none of those. OSError.
    """
    source, target = _os.fspath(path), _os.fspath(output)
    if target.endswith(".json"):
        from . import _speedscope

        _speedscope.write(source, target)
    elif _own_format(target):
        raise ValueError(f"'{target}' should end in .pftrace (Perfetto) or .json (speedscope)")
    else:
        _gossamer._trace_convert(_os.fsencode(source), _os.fsencode(target))


def _from_environment(path: str) -> None:
    """GOSSAMER_TRACE: the whole program, from the import on. %p in the name stands for the process id."""
    import atexit

    pid = _os.getpid()

    def end() -> None:
        if _os.getpid() == pid and stats()["on"]:
            try:
                stop()
            except (OSError, ValueError) as error:
                print(f"gossamer: GOSSAMER_TRACE: {error}", file=_sys.stderr)

    try:
        start(path.replace("%p", str(pid)))
    except OSError as error:
        raise ImportError(f"environment variable GOSSAMER_TRACE is '{path}', which cannot be written: {error.strerror}") from None
    atexit.register(end)


def _decorate(zone: _Any, function: _Any) -> _Any:
    if _inspect.iscoroutinefunction(function):

        @_functools.wraps(function)
        async def zoned_coroutine(*args: _Any, **kwargs: _Any) -> _Any:
            with zone:
                return await function(*args, **kwargs)

        return zoned_coroutine

    @_functools.wraps(function)
    def zoned(*args: _Any, **kwargs: _Any) -> _Any:
        with zone:
            return function(*args, **kwargs)

    return zoned
