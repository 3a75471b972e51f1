from contextvars import Context
from types import ModuleType
from typing import Final

from gossamer import _gossamer as _stackless
from gossamer import (
    TaskletExit as TaskletExit,
    atomic as atomic,
    bomb as bomb,
    channel as channel,
    cstack as cstack,
    enable_softswitch as enable_softswitch,
    get_channel_callback as get_channel_callback,
    get_schedule_callback as get_schedule_callback,
    get_thread_info as get_thread_info,
    getcurrent as getcurrent,
    getcurrentid as getcurrentid,
    getdebug as getdebug,
    getmain as getmain,
    getruncount as getruncount,
    getthreads as getthreads,
    getuncollectables as getuncollectables,
    pickle_flags as pickle_flags,
    pickle_flags_default as pickle_flags_default,
    run as run,
    schedule as schedule,
    schedule_remove as schedule_remove,
    set_channel_callback as set_channel_callback,
    set_error_handler as set_error_handler,
    set_schedule_callback as set_schedule_callback,
    switch_trap as switch_trap,
    tasklet as tasklet,
)
from gossamer._module import ComputedModule

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

__version__: str

PICKLEFLAGS_PRESERVE_TRACING_STATE: Final = 1
PICKLEFLAGS_PRESERVE_AG_FINALIZER: Final = 2
PICKLEFLAGS_RESET_AG_FINALIZER: Final = 4
PICKLEFLAGS_PICKLE_CONTEXT: Final = 8

# Computed at each access; read-only, except pickle_with_tracing_state.
current: tasklet
main: tasklet
runcount: int
threads: list[int]
uncollectables: list[tasklet]
debug: bool
pickle_with_tracing_state: bool
stackless: ModuleType

class StacklessModuleType(ComputedModule):
    current: tasklet
    main: tasklet
    runcount: int
    threads: list[int]
    uncollectables: list[tasklet]
    debug: bool
    pickle_with_tracing_state: bool
    def __reduce__(self) -> str: ...
    def __reduce_ex__(self, protocol: object) -> str: ...

def _tasklet_get_unpicklable_state(tasklet: tasklet, /) -> dict[str, Context]: ...
