"""Module `stackless` for stock CPython: programs written for Stackless Python import it and run.

The tasklets and channels are those of package `gossamer`; this module gives them the names and the habits of Stackless 3.8.
Importing it makes `TaskletExit` a builtin, as it is in Stackless.
"""

import builtins as _builtins
import contextvars as _contextvars
import sys as _sys
from typing import Any as _Any

import gossamer as _gossamer_package
from gossamer import _gossamer as _stackless
from gossamer import (
    PICKLEFLAGS_PICKLE_CONTEXT,
    PICKLEFLAGS_PRESERVE_AG_FINALIZER,
    PICKLEFLAGS_PRESERVE_TRACING_STATE,
    PICKLEFLAGS_RESET_AG_FINALIZER,
    TaskletExit,
    atomic,
    bomb,
    channel,
    cstack,
    enable_softswitch,
    get_channel_callback,
    get_schedule_callback,
    get_thread_info,
    getcurrent,
    getcurrentid,
    getdebug,
    getmain,
    getruncount,
    getthreads,
    getuncollectables,
    pickle_flags,
    pickle_flags_default,
    run,
    schedule,
    schedule_remove,
    set_channel_callback,
    set_error_handler,
    set_schedule_callback,
    switch_trap,
    tasklet,
)
from gossamer._module import ComputedModule as _ComputedModule
from gossamer._module import computed as _computed

__version__ = _gossamer_package.__version__

__all__ = [
    "atomic",
    "channel",
    "enable_softswitch",
    "get_channel_callback",
    "get_schedule_callback",
    "get_thread_info",
    "getcurrent",
    "getcurrentid",
    "getdebug",
    "getmain",
    "getruncount",
    "getthreads",
    "getuncollectables",
    "pickle_with_tracing_state",
    "run",
    "schedule",
    "schedule_remove",
    "set_channel_callback",
    "set_error_handler",
    "set_schedule_callback",
    "switch_trap",
    "tasklet",
    "stackless",
]

# On Stackless the exception is a builtin of the interpreter itself: programs use it without importing anything.
_builtins.TaskletExit = TaskletExit  # type: ignore[attr-defined]


def _tasklet_get_unpicklable_state(tasklet: _Any, /) -> dict[str, _Any]:
    """The parts of a tasklet that a pickle leaves out; a copy of its context, since that itself cannot be reached."""
    if not isinstance(tasklet, _stackless.tasklet):
        raise TypeError(f"a tasklet is required, not {type(tasklet).__name__}")
    return {"context": tasklet.context_run(_contextvars.copy_context)}


def _get_pickle_with_tracing_state() -> bool:
    return bool(pickle_flags() & PICKLEFLAGS_PRESERVE_TRACING_STATE)


def _set_pickle_with_tracing_state(value: _Any) -> None:
    flag = PICKLEFLAGS_PRESERVE_TRACING_STATE if value else 0
    pickle_flags_default(flag, PICKLEFLAGS_PRESERVE_TRACING_STATE)
    pickle_flags(flag, PICKLEFLAGS_PRESERVE_TRACING_STATE)


class StacklessModuleType(_ComputedModule):
    """Class of module `stackless`: adds the attributes that are computed at each access."""

    current = _computed(lambda: getcurrent(), doc="The running tasklet.")
    main = _computed(lambda: getmain(), doc="The main tasklet of this thread.")
    runcount = _computed(lambda: getruncount(), doc="How many tasklets of this thread are runnable.")
    threads = _computed(lambda: getthreads(), doc="The ids of all threads.")
    uncollectables = _computed(lambda: getuncollectables(), doc="Tasklets that own a piece of C stack.")
    debug = _computed(lambda: getdebug(), doc="Whether this is a debug build.")
    pickle_with_tracing_state = _computed(
        _get_pickle_with_tracing_state,
        _set_pickle_with_tracing_state,
        doc="Whether trace and profile functions are pickled with a tasklet.",
    )

    def __reduce__(self) -> str:
        # A module cannot be pickled by content; this says "the global of that name", which is `stackless.stackless`.
        return "stackless"

    def __reduce_ex__(self, protocol: object) -> str:
        return "stackless"


def __getattr__(name: str) -> _Any:
    # A function of the module, not a method of its class: that would make each stackless.schedule() three times slower.
    if name == "cframe":
        raise AttributeError("stackless.cframe belongs to soft switching, which stock CPython does not have")
    raise AttributeError(f"module 'stackless' has no attribute {name!r}")


stackless = _sys.modules[__name__]
stackless.__class__ = StacklessModuleType
