"""Real threads for calls that block, while the calling tasklet alone waits."""

import sys
import threading as _threading  # the real one, whatever is patched later
from collections import deque
from collections.abc import Callable
from typing import Any

from . import util

__all__ = ["DummyThreadPool", "SimpleThreadPool", "call_on_thread"]

_stack_size_lock = _threading.Lock()  # the stack size is a setting of the process


class DummyThreadPool:
    """A new thread for each job."""

    def __init__(self, stack_size: int | None = None) -> None:
        self.stack_size = stack_size

    def submit(self, job: Callable[[], object]) -> None:
        """Have job() called on a thread."""
        self.start_thread(job)

    def start_thread(self, target: Callable[[], object]) -> None:
        """Start a daemon thread that calls target()."""
        thread = _threading.Thread(target=target, daemon=True)
        if self.stack_size is None:
            thread.start()
            return
        with _stack_size_lock:
            old = _threading.stack_size(self.stack_size)
            try:
                thread.start()
            finally:
                _threading.stack_size(old)

    def shutdown(self, wait: bool = True) -> None:
        """Does nothing: the threads end with their jobs."""


class SimpleThreadPool(DummyThreadPool):
    """Up to n_threads threads, made on demand and kept; jobs are called in the order of submission."""

    def __init__(self, n_threads: int = 1, stack_size: int | None = None) -> None:
        if n_threads < 1:
            raise ValueError("n_threads must be at least 1")
        super().__init__(stack_size)
        self.n_threads = n_threads
        self._changed = _threading.Condition()
        self._jobs: deque[Callable[[], object]] = deque()
        self._threads = self._idle = 0
        self._shut = False

    def submit(self, job: Callable[[], object]) -> None:
        """Have job() called on a thread. RuntimeError after shutdown()."""
        with self._changed:
            if self._shut:
                raise RuntimeError("cannot submit jobs after shutdown")
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._changed.notify()
                return
            if self._threads == self.n_threads:
                return
            self._threads += 1
        try:
            self.start_thread(self._work)
        except BaseException:
            with self._changed:
                self._threads -= 1
                if not self._threads and job in self._jobs:
                    self._jobs.remove(job)  # nobody would ever come to do it
                    raise

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                try:
                    job()
                except Exception:
                    _threading.excepthook(_threading.ExceptHookArgs((*sys.exc_info(), _threading.current_thread())))
                del job
        finally:
            with self._changed:
                self._threads -= 1
                self._changed.notify_all()

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            self._idle += 1
            try:
                while not self._jobs and not self._shut:
                    self._changed.wait()
            finally:
                self._idle -= 1
            return None if self._shut else self._jobs.popleft()

    def shutdown(self, wait: bool = True) -> None:
        """Drop the jobs that wait, and let the threads end after their present one; wait for that."""
        with self._changed:
            self._shut = True
            self._jobs.clear()
            self._changed.notify_all()
            while wait and self._threads:
                self._changed.wait()


_default_pool = DummyThreadPool()


def call_on_thread(
    function: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] = {}, stack_size: int | None = None,
    pool: Any = None, timeout: float | None = None, on_abandoned: Callable[[], object] | None = None,
) -> Any:  # fmt: skip
    """util.tasklet_call(), on a thread of the pool; without one, on a thread of its own with that stack size."""
    if pool is None:
        pool = _default_pool if stack_size is None else DummyThreadPool(stack_size)
    return util.tasklet_call(function, args, kwargs, pool.submit, timeout, on_abandoned)
