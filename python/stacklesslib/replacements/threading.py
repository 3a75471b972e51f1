"""Module `threading` made of tasklets. What is not replaced is that of the real module."""

import itertools
import sys
import threading as real_threading
import traceback
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import stackless
from gossamer import format_tasklets

from ..locks import Barrier, BoundedSemaphore, BrokenBarrierError, Condition, Event, RLock, Semaphore
from ..util import local, tasklet_new
from .thread import LockType, get_ident, stack_size

__all__ = [
    "Barrier", "BoundedSemaphore", "BrokenBarrierError", "Condition", "Event", "Lock", "RLock", "Semaphore", "TaskletDump", "Thread",
    "ThreadError", "Timer", "activeCount", "active_count", "currentThread", "current_thread", "enumerate", "get_ident", "local",
    "main_thread", "real_threading", "stack_size",
]  # fmt: skip

ThreadError = RuntimeError
Lock = LockType
_names = itertools.count(1)
_active: dict[int, "Thread"] = {}  # by identity of the tasklet
_program: stackless.tasklet | None = None  # what stacklesslib.magic runs; its tasklet counts as the main thread
_dummies: "weakref.WeakKeyDictionary[stackless.tasklet, _DummyThread]" = weakref.WeakKeyDictionary()


def __getattr__(name: str) -> Any:
    return getattr(real_threading, name)


def _shutdown() -> None:
    """Nothing to wait for among the tasklets; real threads may be there, too."""
    real_threading._shutdown()  # type: ignore[attr-defined]


class Thread:
    """threading.Thread as a tasklet."""

    def __init__(
        self, group: None = None, target: Callable[..., object] | None = None, name: str | None = None, args: Iterable[Any] = (),
        kwargs: dict[str, Any] | None = None, *, daemon: bool | None = None,
    ) -> None:  # fmt: skip
        assert group is None, "group argument must be None for now"
        self._target, self._args, self._kwargs = target, tuple(args), dict(kwargs or {})
        self.name = str(name) if name is not None else f"Thread-{next(_names)}"
        self._daemon = current_thread().daemon if daemon is None else bool(daemon)
        self._tasklet: stackless.tasklet | None = None
        self._ended = Event()
        self.ident: int | None = None

    def start(self) -> None:
        """Have run() called in a new tasklet."""
        if self._tasklet is not None:
            raise RuntimeError("threads can only be started once")
        self._tasklet = tasklet_new(self._bootstrap)
        self.ident = id(self._tasklet)
        _active[self.ident] = self

    def _bootstrap(self) -> None:
        try:
            self.run()
        except SystemExit:  # TaskletExit is one, too
            pass
        except Exception:
            print(f"Exception in thread {self.name}:", file=sys.stderr)
            traceback.print_exc()
        finally:
            assert self.ident is not None
            _active.pop(self.ident, None)
            self._ended.set()

    def run(self) -> None:
        """What the thread does; calls the target unless overridden."""
        try:
            if self._target is not None:
                self._target(*self._args, **self._kwargs)
        finally:
            del self._target, self._args, self._kwargs

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, or for so many seconds."""
        if self._tasklet is None:
            raise RuntimeError("cannot join thread before it is started")
        if self is current_thread():
            raise RuntimeError("cannot join current thread")
        self._ended.wait(None if timeout is None else max(0.0, timeout))

    def is_alive(self) -> bool:
        """Has it been started, and not ended?"""
        return self._tasklet is not None and not self._ended.is_set()

    @property
    def native_id(self) -> int:
        """The id of the real thread."""
        return real_threading.get_native_id()

    @property
    def daemon(self) -> bool:
        """Kept, without effect: a program does not wait for its tasklets."""
        return self._daemon

    @daemon.setter
    def daemon(self, daemonic: bool) -> None:
        if self._tasklet is not None:
            raise RuntimeError("cannot set daemon status of active thread")
        self._daemon = bool(daemonic)

    def isDaemon(self) -> bool:
        return self.daemon

    def setDaemon(self, daemonic: bool) -> None:
        self.daemon = daemonic

    def getName(self) -> str:
        return self.name

    def setName(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        state = "initial" if self._tasklet is None else "started" if self.is_alive() else "stopped"
        return f"<{type(self).__name__}({self.name}, {state}{' daemon' if self.daemon else ''})>"


class _DummyThread(Thread):
    """Stands for a tasklet that no Thread has started; for the main tasklet as well."""

    def __init__(self, tasklet: stackless.tasklet) -> None:
        is_main = tasklet is _main_tasklet()
        super().__init__(name="MainThread" if is_main else f"Dummy-{next(_names)}", daemon=not is_main)
        self._ref = weakref.ref(tasklet)
        self.ident = id(tasklet)
        _dummies[tasklet] = self

    def start(self) -> None:
        raise RuntimeError("threads can only be started once")

    def is_alive(self) -> bool:
        tasklet = self._ref()
        return tasklet is not None and tasklet.alive

    def join(self, timeout: float | None = None) -> None:
        raise RuntimeError("cannot join a dummy thread")


class Timer(Thread):
    """A thread that calls a function after so many seconds, unless it is cancelled before."""

    def __init__(
        self, interval: float, function: Callable[..., object], args: Iterable[Any] | None = None, kwargs: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.interval, self.function = interval, function
        self.args, self.kwargs = list(args or ()), dict(kwargs or {})
        self.finished = Event()

    def cancel(self) -> None:
        """Do not call it."""
        self.finished.set()

    def run(self) -> None:
        if not self.finished.wait(self.interval):
            self.function(*self.args, **self.kwargs)
        self.finished.set()


def _main_tasklet() -> stackless.tasklet:
    return _program or stackless.getmain()


def _thread_of(tasklet: stackless.tasklet) -> Thread:
    return _active.get(id(tasklet)) or _dummies.get(tasklet) or _DummyThread(tasklet)


def current_thread() -> Thread:
    """The Thread of the current tasklet."""
    return _thread_of(stackless.getcurrent())


def main_thread() -> Thread:
    """The Thread of the main tasklet."""
    return _thread_of(_main_tasklet())


def enumerate() -> list[Thread]:
    """All that are alive, the main one and the current one among them."""
    threads = {id(thread): thread for thread in (main_thread(), current_thread(), *_active.values())}
    return [thread for thread in threads.values() if thread.is_alive()]


def active_count() -> int:
    """How many are alive."""
    return len(enumerate())


currentThread, activeCount = current_thread, active_count


def TaskletDump() -> None:
    """Print all tasklets with what they wait for."""
    print(format_tasklets())
