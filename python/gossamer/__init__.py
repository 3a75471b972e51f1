"""Gossamer: microthreads (tasklets) and channels for CPython.

Everything that module `stackless` offers, under the same names, and what Stackless never had: `spawn`, `sleep`, `select`,
deadlines, `BufferedChannel`, `Group`, `tasklet.join()`, and reports that say what each tasklet waits for.

    import gossamer

    def worker(n, results):
        results.send(n * n)

    results = gossamer.channel()
    for n in range(3):
        gossamer.spawn(worker, n, results)
    print([results.receive() for n in range(3)])
"""

import os as _os
import sys as _sys

from . import _gossamer
from ._gossamer import (
    PICKLEFLAGS_PICKLE_CONTEXT,
    PICKLEFLAGS_PRESERVE_AG_FINALIZER,
    PICKLEFLAGS_PRESERVE_TRACING_STATE,
    PICKLEFLAGS_RESET_AG_FINALIZER,
    BufferedChannel,
    DeadlockError,
    TaskletExit,
    __version__,
    atomic,
    bomb,
    channel,
    cstack,
    deep_stack,
    enable_softswitch,
    get_channel_callback,
    get_schedule_callback,
    get_spill,
    get_thread_info,
    get_uncaught_hook,
    getcurrent,
    getcurrentid,
    getdebug,
    getmain,
    getruncount,
    getthreads,
    getuncollectables,
    on_stall,
    pickle_flags,
    pickle_flags_default,
    run,
    schedule,
    schedule_remove,
    select,
    set_channel_callback,
    set_error_handler,
    set_preemption,
    set_schedule_callback,
    set_spill,
    set_uncaught_hook,
    sleep,
    spawn,
    switch_trap,
    tasklet,
    tasklets,
    timeout,
)
from ._group import Group, joinall
from ._local import local
from ._module import ComputedModule as _ComputedModule
from ._module import computed as _computed
from ._report import format_tasklets


__all__ = [
    "BufferedChannel",
    "DeadlockError",
    "Group",
    "PICKLEFLAGS_PICKLE_CONTEXT",
    "PICKLEFLAGS_PRESERVE_AG_FINALIZER",
    "PICKLEFLAGS_PRESERVE_TRACING_STATE",
    "PICKLEFLAGS_RESET_AG_FINALIZER",
    "TaskletExit",
    "atomic",
    "bomb",
    "channel",
    "cstack",
    "deep_stack",
    "enable_softswitch",
    "format_tasklets",
    "get_channel_callback",
    "get_include",
    "get_schedule_callback",
    "get_spill",
    "get_thread_info",
    "get_uncaught_hook",
    "getcurrent",
    "getcurrentid",
    "getdebug",
    "getmain",
    "getruncount",
    "getthreads",
    "getuncollectables",
    "joinall",
    "local",
    "on_stall",
    "pickle_flags",
    "pickle_flags_default",
    "run",
    "schedule",
    "schedule_remove",
    "select",
    "set_channel_callback",
    "set_error_handler",
    "set_preemption",
    "set_schedule_callback",
    "set_spill",
    "set_uncaught_hook",
    "sleep",
    "spawn",
    "switch_trap",
    "tasklet",
    "tasklets",
    "timeout",
]


def get_include() -> str:
    """The folder with the C headers (`gossamer.h` and others), for extension modules that use tasklets."""
    return _os.path.join(_os.path.dirname(_os.path.abspath(__file__)), "include")


class _GossamerModule(_ComputedModule):
    """Class of module `gossamer`: adds the attributes that are computed at each access."""

    current = _computed(lambda: getcurrent(), doc="The running tasklet.")
    main = _computed(lambda: getmain(), doc="The main tasklet of this thread.")
    runcount = _computed(lambda: getruncount(), doc="How many tasklets of this thread are runnable.")
    threads = _computed(lambda: getthreads(), doc="The ids of all threads.")
    uncollectables = _computed(lambda: getuncollectables(), doc="Tasklets that own a piece of C stack.")
    debug = _computed(lambda: getdebug(), doc="Whether this is a debug build.")


_sys.modules[__name__].__class__ = _GossamerModule

if _os.environ.get("GOSSAMER_TRACE"):
    from .trace import _from_environment

    _from_environment(_os.environ["GOSSAMER_TRACE"])

if _os.environ.get("GOSSAMER_TELEMETRY"):
    from .telemetry import _from_environment as _serve_telemetry

    _serve_telemetry(_os.environ["GOSSAMER_TELEMETRY"])
