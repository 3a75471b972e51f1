"""threading and _thread: locks, and threads that are tasklets.

The class Thread is not replaced: subclasses exist.  What it calls to start, to end and to be waited for is: CPython 3.11 and
3.12 have a lock that the end of a thread releases, 3.13 has handles.  Only the main thread's program gets tasklets for
threads; what another thread starts, a worker of a pool for one, is a real thread.
"""

import _thread
import contextvars
import os
import sys
import threading
import weakref
from typing import Any, Callable

from .. import _gossamer, local, spawn, sync
from ._change import Change

_start_new_thread = _thread.start_new_thread
_set_sentinel: Any = getattr(_thread, "_set_sentinel", None)  # up to 3.12
_start_joinable_thread: Any = getattr(_thread, "start_joinable_thread", None)  # from 3.13 on
_thread_shutdown: Any = getattr(_thread, "_shutdown", None)
_current_thread = threading.current_thread
_main_ident = threading.main_thread().ident
_get_ident = _thread.get_ident

get_ident = _gossamer.getcurrentid

# The running ones, by tasklet.
_runs: dict[Any, "_Run"] = {}


class _Run:
    """A thread that is a tasklet."""

    def __init__(self, daemon: bool) -> None:
        self.daemon = daemon
        self.thread: Any = None  # the object of threading, if it has one
        self.ended = sync.Lock()  # held until then
        self.ended.acquire()
        self.tasklet: Any = None


def _spawn(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], run: _Run) -> int:
    thread = getattr(function, "__self__", None)
    if isinstance(thread, threading.Thread):
        run.thread = thread
    run.tasklet = spawn(_body, function, args, kwargs, run)
    run.tasklet.set_context(contextvars.Context())  # threads begin with an empty one, tasklets share their maker's
    _runs[run.tasklet] = run
    return id(run.tasklet)


def _body(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], run: _Run) -> None:
    try:
        function(*args, **kwargs)
    except SystemExit:  # TaskletExit, too
        pass
    except BaseException:
        kind, value, traceback = sys.exc_info()
        threading.excepthook(threading.ExceptHookArgs((kind, value, traceback, None)))
        del value, traceback
    finally:
        _runs.pop(run.tasklet, None)
        run.ended.release()


def _is_main_thread() -> bool:
    return _get_ident() == _main_ident


def start_new_thread(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] = {}, /) -> int:
    """As _thread.start_new_thread."""
    if not callable(function):
        raise TypeError("first arg must be callable")
    if not isinstance(args, tuple):
        raise TypeError("2nd arg must be a tuple")
    if not isinstance(kwargs, dict):
        raise TypeError("optional 3rd arg must be a dictionary")
    if not _is_main_thread():
        return _start_new_thread(function, args, kwargs)
    return _spawn(function, args, kwargs, _Run(daemon=True))


# ---- 3.11, 3.12: the lock that is released at the end ----


def set_sentinel() -> Any:
    """A lock that the end of the calling thread releases."""
    run = _runs.get(_gossamer.getcurrent())
    if run is None:
        return _set_sentinel()
    run.ended.release()  # Thread acquires what it gets
    return run.ended


# ---- 3.13: handles ----


class ThreadHandle:
    """As _thread._ThreadHandle, for tasklets, or with one of those inside for threads."""

    def __init__(self) -> None:
        self.real: Any = None
        self.run: Any = None
        self.number: Any = None
        self.done = False

    @property
    def ident(self) -> Any:
        return self.real.ident if self.real is not None else self.number

    def is_done(self) -> bool:
        if self.real is not None:
            return bool(self.real.is_done())
        return self.done or self.run is not None and not self.run.ended.locked()

    def join(self, timeout: float | None = None) -> None:
        if self.real is not None:
            return self.real.join(timeout)  # type: ignore[no-any-return]
        if self.run is None:
            raise RuntimeError("thread not started")
        if self.run.tasklet is _gossamer.getcurrent():
            raise RuntimeError("Cannot join current thread")
        if not self.done and self.run.ended.acquire(timeout=-1 if timeout is None or timeout < 0 else timeout):
            self.run.ended.release()

    def _set_done(self) -> None:
        self.done = True


def start_joinable_thread(function: Callable[[], Any], handle: Any = None, daemon: bool = True) -> Any:
    """As _thread.start_joinable_thread."""
    if handle is None:
        handle = ThreadHandle()
    if not isinstance(handle, ThreadHandle):  # of a Thread that was made before
        return _start_joinable_thread(function, handle=handle, daemon=daemon)
    if handle.run is not None or handle.real is not None:
        raise RuntimeError("thread already started")
    if not _is_main_thread():
        handle.real = _start_joinable_thread(function, daemon=daemon)
        return handle
    handle.run = _Run(daemon)
    handle.number = _spawn(function, (), {}, handle.run)
    return handle


def thread_shutdown() -> None:
    """The program is about to end: wait for those that are no daemons."""
    waiting = [run for run in list(_runs.values()) if not run.daemon]
    while waiting:
        for run in waiting:
            run.ended.acquire()
            run.ended.release()
        waiting = [run for run in list(_runs.values()) if not run.daemon]
    _thread_shutdown()


def running() -> list[str]:
    """The names of the tasklets that are threads, while there are some."""
    return [run.thread.name if run.thread is not None else run.tasklet.name for run in list(_runs.values())]


# ---- whose thread object? ----


class TaskletThread(threading._DummyThread):
    """What current_thread() is in a tasklet that no Thread has started."""

    def __init__(self, tasklet: Any) -> None:
        threading.Thread.__init__(self, name=tasklet.name, daemon=True)
        self._started.set()  # type: ignore[attr-defined]
        self._ident = get_ident()
        self._tasklet = weakref.ref(tasklet)
        threading._dangling.discard(self)  # type: ignore[attr-defined]

    def is_alive(self) -> bool:
        tasklet = self._tasklet()
        return tasklet is not None and bool(tasklet.alive)

    def join(self, timeout: float | None = None) -> None:
        tasklet = self._tasklet()
        if tasklet is None:
            return
        try:
            tasklet.join(timeout)
        except TimeoutError:
            if not tasklet.alive:
                raise

    def __repr__(self) -> str:
        return f"<TaskletThread({self.name}, {'started' if self.is_alive() else 'stopped'} daemon {self._ident})>"


_own = local()


def current_thread() -> Any:
    """As threading.current_thread."""
    tasklet = _gossamer.getcurrent()
    if tasklet is _gossamer.getmain():
        return _current_thread()
    found = threading._active.get(get_ident())  # type: ignore[attr-defined]
    if found is None:
        found = getattr(_own, "thread", None)
    if found is None:
        _own.thread = found = TaskletThread(tasklet)
    return found


# ---- fork: threading believes that only the caller has survived, but tasklets have ----


def _after_fork() -> None:
    if threading.get_ident is not get_ident:
        return
    for run in list(_runs.values()):
        thread = run.thread
        if thread is None or run.tasklet is None or not run.tasklet.alive:
            continue
        threading._active[thread._ident] = thread  # type: ignore[attr-defined]
        if hasattr(thread, "_tstate_lock"):
            thread._is_stopped = False
            thread._tstate_lock = run.ended


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# ---- the table ----

LOCKS = ("Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier")


def _of_locks() -> list[Change]:
    found = [
        Change("threading", threading, "Lock", sync.Lock),
        Change("threading", threading, "RLock", sync.RLock),
        Change("threading", threading, "_allocate_lock", sync.Lock),
        Change("threading", threading, "local", local),
        Change("threading", threading, "get_ident", get_ident),
        Change("threading", threading, "current_thread", current_thread),
        Change("threading", _thread, "allocate_lock", sync.Lock),
        Change("threading", _thread, "RLock", sync.RLock),
        Change("threading", _thread, "get_ident", get_ident),
        Change("threading", _thread, "_local", local),
    ]
    return found + [Change("threading", threading, name, getattr(sync, name), harmless=True) for name in LOCKS]


def _of_threads() -> list[Change]:
    found = [Change("threading", _thread, "start_new_thread", start_new_thread)]
    if _set_sentinel is not None:
        found.append(Change("threading", threading, "_start_new_thread", start_new_thread))
        found.append(Change("threading", threading, "_set_sentinel", set_sentinel))
    else:
        found.append(Change("threading", _thread, "start_joinable_thread", start_joinable_thread))
        found.append(Change("threading", threading, "_start_joinable_thread", start_joinable_thread))
        found.append(Change("threading", threading, "_ThreadHandle", ThreadHandle))
        found.append(Change("threading", threading, "_thread_shutdown", thread_shutdown))
    return found


def changes(threads: str) -> list[Change]:
    return _of_locks() + (_of_threads() if threads == "tasklets" else [])
