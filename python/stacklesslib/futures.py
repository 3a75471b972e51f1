"""Futures and executors, in the manner of `concurrent.futures`, for tasklets."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import stackless

from . import main, threadpool, util
from . import wait as _wait
from .errors import CancelledError, TimeoutError

__all__ = [
    "ALL_COMPLETED", "BoundedExecutorMixIn", "CANCELLED", "CANCELLED_AND_NOTIFIED", "DirectExecutor", "FINISHED",
    "FIRST_COMPLETED", "FIRST_EXCEPTION", "Future", "ImmediateTaskletExecutor", "NullExecutor", "PENDING", "RUNNING",
    "SimpleTaskletExecutor", "TaskletExecutor", "ThreadPoolExecutor", "ThreadPoolExecutorBase", "WaitingExecutorMixIn",
    "all_results", "any_result", "as_completed", "direct_executor", "immediate_tasklet_executor", "null_executor",
    "tasklet_executor", "thread_executor", "wait",
]  # fmt: skip

PENDING, RUNNING, CANCELLED, FINISHED = "PENDING", "RUNNING", "CANCELLED", "FINISHED"
CANCELLED_AND_NOTIFIED = "CANCELLED_AND_NOTIFIED"  # never used
FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED = 0, 1, 2


class Future(_wait.WaitSite):
    """The outcome of a call that somebody else makes."""

    def __init__(self) -> None:
        self.state = PENDING
        self.tasklet: stackless.tasklet | None = None
        self._result: Any = None
        self._error: tuple[Any, Any, Any] | None = None
        self._args: tuple[Any, ...] = ()

    # -- for who makes the call --

    def execute(self, fn: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] = {}) -> None:
        """Make the call in the current tasklet and keep the outcome. Nothing if it is cancelled already."""
        if self.attach():
            self._run(fn, args, kwargs)

    def _run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            result = fn(*args, **kwargs)
        except stackless.TaskletExit as error:
            self.set_cancelled(error.args)
        except BaseException:
            self.set_exception(*sys.exc_info())
        else:
            self.set_result(result)

    def attach(self) -> bool | None:
        """The current tasklet makes the call: True. None if it need not, since it was cancelled."""
        if self.state == CANCELLED:
            return None
        assert self.state == PENDING, f"the future is {self.state}"
        self.state, self.tasklet = RUNNING, stackless.getcurrent()
        return True

    def _finish(self, state: str) -> bool:
        if self.state == CANCELLED:
            return False
        assert self.state in (PENDING, RUNNING), f"the future is {self.state}"
        self.state, self.tasklet = state, None
        return True

    def set_result(self, value: Any) -> None:
        """The call has returned. Dropped if it was cancelled."""
        if self._finish(FINISHED):
            self._result = value
            self.waitsite_signal()

    def set_exception(self, exc: Any, val: Any = None, tb: Any = None) -> None:
        """The call has raised. Dropped if it was cancelled."""
        error = util.make_exception(exc, val, tb)
        if self._finish(FINISHED):
            self._error = (type(error), error, error.__traceback__)
            self.waitsite_signal()

    def set_cancelled(self, args: tuple[Any, ...] = ()) -> None:
        """The call will not be made, or was broken off."""
        if self._finish(CANCELLED):
            self._args = args
            self.waitsite_signal()

    # -- for who wants the outcome --

    def cancel(self, args: tuple[Any, ...] = ()) -> bool:
        """Break it off: raises TaskletExit(*args) in the tasklet that makes the call. True; too late changes nothing."""
        tasklet = self.tasklet
        if self.state in (PENDING, RUNNING):
            self.set_cancelled(args)
            if tasklet is not None and tasklet.alive:
                tasklet.raise_exception(stackless.TaskletExit, *args)
        return True

    def cancelled(self) -> bool:
        return self.state == CANCELLED

    def running(self) -> bool:
        return self.state == RUNNING

    def done(self) -> bool:
        return self.state in (CANCELLED, FINISHED)

    waitsite_signalled = done

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is done. False after so many seconds."""
        return bool(_wait.wait([self], timeout))

    def _settled(self, timeout: float | None) -> None:
        if not self.wait(timeout):
            raise TimeoutError(f"timed out after {timeout}s")
        if self.state == CANCELLED:
            raise CancelledError(*self._args)

    def result(self, timeout: float | None = None) -> Any:
        """What the call returned, or its error raised; CancelledError, TimeoutError."""
        self._settled(timeout)
        if self._error is not None:
            raise self._error[1].with_traceback(self._error[2])
        return self._result

    def exception(self, timeout: float | None = None) -> tuple[Any, Any, Any] | None:
        """(type, value, traceback) of what the call raised, or None; CancelledError, TimeoutError."""
        self._settled(timeout)
        return self._error


# ---- executors ----


class _Executor:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Future:
        """Have fn(*args, **kwargs) called; returns its Future."""
        return self.submit_args(fn, args, kwargs)

    def submit_args(self, fn: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] = {}) -> Future:
        """The same, with the arguments as tuple and dict."""
        future = Future()
        self.submit_future(future, (fn, args, kwargs))
        return future

    def submit_future(self, future: Future, job: tuple[Any, ...]) -> None:
        """Have the job, (fn, args, kwargs), called for this future."""
        raise NotImplementedError

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], timeout: float | None = None) -> Iterator[Any]:
        """The results of fn for each group of arguments; all are started at once."""
        futures = [self.submit(fn, *args) for args in zip(*iterables)]
        limit = util.Timeouts(timeout)

        def results() -> Iterator[Any]:
            for future in futures:
                left = limit.delay()
                yield future.result(None if left is None else max(0.0, left))

        return results()

    def shutdown(self, wait: bool = True) -> None:
        """Accept no more, and wait for what is there, where the executor knows of that."""


class NullExecutor(_Executor):
    """Never makes the call."""

    def submit_future(self, future: Future, job: tuple[Any, ...]) -> None:
        pass


class DirectExecutor(_Executor):
    """Makes the call before submit() returns."""

    def submit_future(self, future: Future, job: tuple[Any, ...]) -> None:
        future.execute(*job)


class SimpleTaskletExecutor(_Executor):
    """Makes the call in a new tasklet, at its turn."""

    def submit_future(self, future: Future, job: tuple[Any, ...]) -> None:
        util.tasklet_new(future.execute, job)


class ImmediateTaskletExecutor(_Executor):
    """Makes the call in a new tasklet, which runs at once."""

    def submit_future(self, future: Future, job: tuple[Any, ...]) -> None:
        util.tasklet_run(future.execute, job)


class ThreadPoolExecutorBase(_Executor):
    """Makes the call on a thread of the pool. What runs there already cannot be broken off: its result is dropped."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool

    def submit_future(self, future: Future, job: tuple[Any, ...]) -> None:
        def work() -> None:
            if future.attach():
                future.tasklet = None  # it is the thread itself
                future._run(*job)
                main.mainloop.interrupt_wait()

        self.pool.submit(work)

    def shutdown(self, wait: bool = True) -> None:
        self.pool.shutdown(wait)


class WaitingExecutorMixIn(_Executor):
    """Knows which futures are not done, so that shutdown() can wait for them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: set[Future] = set()
        self._shut = False

    def submit_future(self, future: Future, job: tuple[Any, ...]) -> None:
        if self._shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self._open.add(future)
        future.add_done_callback(self._open.discard)
        super().submit_future(future, job)

    def shutdown(self, wait: bool = True) -> None:
        self._shut = True
        if wait:
            _wait.wait(list(self._open))


class BoundedExecutorMixIn(_Executor):
    """Makes at most max_workers calls at a time (None: any number); the others wait their turn."""

    def __init__(self, max_workers: int | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_workers = max_workers
        self._busy = 0
        self._queue: deque[tuple[Future, tuple[Any, ...]]] = deque()

    def submit_future(self, future: Future, job: tuple[Any, ...]) -> None:
        self._queue.append((future, job))
        self._start()

    def _start(self) -> None:
        while self._queue and (self.max_workers is None or self._busy < self.max_workers):
            future, job = self._queue.popleft()
            if future.done():
                continue  # cancelled meanwhile
            self._busy += 1
            try:
                super().submit_future(Future(), (self._work, (future, job), {}))
            except BaseException:
                self._busy -= 1
                raise

    def _work(self, future: Future, job: tuple[Any, ...]) -> None:
        try:
            future.execute(*job)
        finally:
            self._busy -= 1
            self._start()


class TaskletExecutor(WaitingExecutorMixIn, BoundedExecutorMixIn, SimpleTaskletExecutor):
    """Makes the calls in tasklets, at most max_workers at a time."""


class ThreadPoolExecutor(WaitingExecutorMixIn, ThreadPoolExecutorBase):
    """Makes the calls on threads of its own, at most max_workers (None: one for each call)."""

    def __init__(self, max_workers: int | None = None) -> None:
        super().__init__(threadpool.DummyThreadPool() if max_workers is None else threadpool.SimpleThreadPool(max_workers))

    def shutdown(self, wait: bool = True) -> None:
        super().shutdown(wait)
        self.pool.shutdown(wait)


null_executor = NullExecutor()
direct_executor = DirectExecutor()
tasklet_executor = SimpleTaskletExecutor()
immediate_tasklet_executor = ImmediateTaskletExecutor()
thread_executor = ThreadPoolExecutorBase(threadpool.DummyThreadPool())


# ---- several ----


def wait(fs: Iterable[Future], timeout: float | None = None, return_when: int = ALL_COMPLETED) -> tuple[set[Future], set[Future]]:
    """(done, not done) once the first is done, the first has failed, or all are, or after so many seconds."""
    futures = set(fs)
    done = {future for future in futures if future.done()}

    def enough() -> bool:
        if return_when == FIRST_COMPLETED:
            return bool(done)
        return return_when == FIRST_EXCEPTION and any(future.state == FINISHED and future._error for future in done)

    if not enough():
        for future in _wait.iwait_no_raise(futures - done, timeout):
            done.add(future)
            if enough():
                break
    done.update(future for future in futures if future.done())
    return done, futures - done


def as_completed(fs: Iterable[Future], timeout: float | None = None) -> Iterator[Future]:
    """The futures in the order in which they are done; TimeoutError after so many seconds in all."""
    return _wait.iwait(fs, timeout)


def all_results(fs: Iterable[Future], timeout: float | None = None) -> list[Any]:
    """The results, in the order of the futures."""
    futures = list(fs)
    for _ in _wait.iwait(futures, timeout):
        pass
    return [future.result() for future in futures]


def any_result(fs: Iterable[Future], timeout: float | None = None) -> Any:
    """The result of the first that is done."""
    for future in _wait.iwait(fs, timeout):
        return future.result()
    raise ValueError("any_result() needs at least one future")
