from typing import Final

from ._gossamer import (
    BufferedChannel as BufferedChannel,
    DeadlockError as DeadlockError,
    TaskletExit as TaskletExit,
    atomic as atomic,
    bomb as bomb,
    channel as channel,
    cstack as cstack,
    deep_stack as deep_stack,
    enable_softswitch as enable_softswitch,
    get_channel_callback as get_channel_callback,
    get_schedule_callback as get_schedule_callback,
    get_spill as get_spill,
    get_thread_info as get_thread_info,
    get_uncaught_hook as get_uncaught_hook,
    getcurrent as getcurrent,
    getcurrentid as getcurrentid,
    getdebug as getdebug,
    getmain as getmain,
    getruncount as getruncount,
    getthreads as getthreads,
    getuncollectables as getuncollectables,
    on_stall as on_stall,
    pickle_flags as pickle_flags,
    pickle_flags_default as pickle_flags_default,
    run as run,
    schedule as schedule,
    schedule_remove as schedule_remove,
    select as select,
    set_channel_callback as set_channel_callback,
    set_error_handler as set_error_handler,
    set_preemption as set_preemption,
    set_schedule_callback as set_schedule_callback,
    set_spill as set_spill,
    set_uncaught_hook as set_uncaught_hook,
    sleep as sleep,
    spawn as spawn,
    switch_trap as switch_trap,
    tasklet as tasklet,
    tasklets as tasklets,
    timeout as timeout,
)
from ._group import Group as Group, joinall as joinall
from ._local import local as local
from ._report import format_tasklets as format_tasklets

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

__version__: str

PICKLEFLAGS_PRESERVE_TRACING_STATE: Final = 1
PICKLEFLAGS_PRESERVE_AG_FINALIZER: Final = 2
PICKLEFLAGS_RESET_AG_FINALIZER: Final = 4
PICKLEFLAGS_PICKLE_CONTEXT: Final = 8

# Computed at each access; read-only.
current: tasklet
main: tasklet
runcount: int
threads: list[int]
uncollectables: list[tasklet]
debug: bool

def get_include() -> str: ...
