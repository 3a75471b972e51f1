"""Calls of Python functions as zones: switched on and off here, recorded in C (cpython/trace_calls.c)."""

import sys
import threading
from typing import Any

from .. import _gossamer

if sys.version_info >= (3, 12):
    _tool: int | None = None
    _mon = sys.monitoring
    _BEGINS = ("PY_START", "PY_RESUME", "PY_THROW")
    _ENDS = ("PY_RETURN", "PY_YIELD", "PY_UNWIND")

    def begin() -> None:
        """RuntimeError: other tools have taken all of sys.monitoring's numbers."""
        global _tool
        for number in (_mon.PROFILER_ID, 3, 4, _mon.DEBUGGER_ID, _mon.COVERAGE_ID):
            if _mon.get_tool(number) is None:
                break
        else:
            raise RuntimeError("another profiler is active: functions cannot be recorded")
        _mon.use_tool_id(number, "gossamer.trace")
        _tool = number
        mask = 0
        for names, callback in ((_BEGINS, _gossamer._trace_begins), (_ENDS, _gossamer._trace_ends)):
            for name in names:
                event = getattr(_mon.events, name)
                _mon.register_callback(number, event, callback)
                mask |= event
        _mon.set_events(number, mask)

    def end() -> None:
        global _tool
        if _tool is None:
            return
        _mon.set_events(_tool, 0)
        for name in _BEGINS + _ENDS:
            _mon.register_callback(_tool, getattr(_mon.events, name), None)
        _mon.free_tool_id(_tool)
        _tool = None

else:
    _on = False
    _before: Any = None

    def begin() -> None:
        """RuntimeError: this thread has a profile function."""
        global _on, _before
        _before = threading.getprofile()
        _gossamer._trace_calls(True)
        _on = True
        if _before is None:
            threading.setprofile(_gossamer._trace_thread_begins)

    def end() -> None:
        global _on
        if _on:
            if threading.getprofile() is _gossamer._trace_thread_begins:
                threading.setprofile(_before)
            _gossamer._trace_calls(False)
            _on = False
