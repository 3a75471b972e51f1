"""Helpers around tasklets and channels: timeouts, cancelling, calls in another tasklet, buffered channels.

Timeouts need somebody to pump the event queue, see `stacklesslib.app`.
"""

import contextlib
import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import stackless
from gossamer import local

from . import app, main
from .base import atomic, time
from .errors import CancelledError, TimeoutError

__all__ = [
    "ChannelSequenceMixin", "QueueChannel", "Timeouts", "WaitTimeoutError", "call_async", "cancellable", "channel_wait", "local", "make_exception",
    "send_throw", "tasklet_call", "tasklet_new", "tasklet_run", "tasklet_throw", "timeout", "timeout_call", "timeout_function",
]  # fmt: skip

WaitTimeoutError = TimeoutError


# ---- small ones ----


def send_throw(channel: stackless.channel[Any], exc: Any, val: Any = None, tb: Any = None) -> None:
    """channel.send_throw(exc, val, tb)"""
    channel.send_throw(exc, val, tb)


def tasklet_throw(tasklet: stackless.tasklet, exc: Any, val: Any = None, tb: Any = None, pending: bool = False) -> None:
    """tasklet.throw(exc, val, tb, pending)"""
    tasklet.throw(exc, val, tb, pending)


def channel_wait(chan: stackless.channel[Any], timeout: float | None = None, exc: Any = None) -> Any:
    """receive(), for so many seconds at most; then TimeoutError, or exc."""
    with _timeout(timeout, blocked=True, exc=exc):
        return chan.receive()


# ---- channels ----


class ChannelSequenceMixin:
    """Makes a channel class with `send` and `receive` a sequence: iteration ends when the channel is closed."""

    def send_sequence(self, sequence: Iterable[Any]) -> int:
        """Send each; returns how many."""
        n = 0
        for n, value in enumerate(sequence, 1):
            self.send(value)  # type: ignore[attr-defined]
        return n

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            return self.receive()  # type: ignore[attr-defined]
        except ValueError:
            if self.closing and not self.balance:  # type: ignore[attr-defined]
                raise StopIteration from None
            raise


class QueueChannel(ChannelSequenceMixin, stackless.channel[Any]):
    """A channel that keeps what nobody waits for: up to max_len values, negative: any number, 0: none.

    Exceptions are kept like values. What is kept can be received from a closed channel.
    """

    def __init__(self, max_len: int = -1) -> None:
        self.max_len = max_len
        self._kept: deque[tuple[bool, Any]] = deque()  # (True, value) or (False, error)

    @property
    def _waiting(self) -> int:
        """Blocked senders, or less than 0: blocked receivers."""
        return super().balance

    @property
    def balance(self) -> int:
        """How many values are kept, plus blocked senders, minus blocked receivers."""
        return len(self._kept) + super().balance

    @property
    def closed(self) -> bool:
        return self.closing and not self.balance

    def _put(self, *item: Any) -> None:
        with atomic():
            if self._waiting >= 0 and not self.closing and (self.max_len < 0 or len(self._kept) < self.max_len):
                self._kept.append(item)
            else:
                super().send(item)

    def send(self, value: Any, timeout: float | None = None) -> None:
        """Keep the value, or hand it over; waits if there is no room, for so many seconds at most."""
        if timeout is None:
            self._put(True, value)
        else:
            with _timeout(timeout, blocked=True):
                self._put(True, value)

    def send_exception(self, exc_class: type[BaseException], /, *args: Any) -> None:
        """Raise exc_class(*args) where it is received."""
        self._put(False, exc_class(*args))

    def send_throw(self, exc: Any, val: Any = None, tb: Any = None, /) -> None:
        """Raise where it is received, with the arguments of `throw`."""
        self._put(False, make_exception(exc, val, tb))

    def receive(self, timeout: float | None = None) -> Any:
        """The oldest value; waits if there is none, for so many seconds at most."""
        if timeout is not None:
            with _timeout(timeout, blocked=True):
                return self.receive()
        with atomic():
            if self._kept:
                item = self._kept.popleft()
                if self._waiting > 0:
                    self._kept.append(self._take())
            else:
                item = super().receive()
        good, value = item
        if good:
            return value
        try:
            raise value
        finally:
            del value, item

    def _take(self) -> tuple[bool, Any]:
        """From a sender that waits, without switching to it."""
        old, self.preference = self.preference, 0
        try:
            item: tuple[bool, Any] = super().receive()
            return item
        finally:
            self.preference = old


def make_exception(exc: Any, val: Any = None, tb: Any = None) -> BaseException:
    """The exception that `throw(exc, val, tb)` would raise."""
    if isinstance(exc, BaseException):
        if val is not None:
            raise TypeError("instance exception may not have a separate value")
        error = exc
    elif isinstance(exc, type) and issubclass(exc, BaseException):
        error = val if isinstance(val, exc) else exc() if val is None else exc(val)
    else:
        raise TypeError(f"exceptions must be classes, or instances, not {type(exc).__name__}")
    return error if tb is None else error.with_traceback(tb)


# ---- timeouts ----


class _Interrupt(BaseException):
    """Thrown into a tasklet to leave the block that `owner` stands for."""

    def __init__(self, owner: object) -> None:
        super().__init__()
        self.owner = owner


def _interrupt(tasklet: stackless.tasklet, owner: object) -> None:
    if tasklet is stackless.getcurrent():
        raise _Interrupt(owner)
    tasklet.throw(_Interrupt(owner), pending=True)


@contextlib.contextmanager
def timeout(delay: float | None, blocked: bool = False, exc: Any = None) -> Iterator[None]:
    """The block may take so many seconds; then it is left with TimeoutError, or with exc, a class or an instance.

    None, or less than 0: no limit. blocked: only if the tasklet waits on a channel at that moment.
    """
    if delay is None or delay < 0:
        yield
        return
    me, token, active = stackless.getcurrent(), object(), True

    def expired() -> None:
        if active and (me.blocked or not blocked):
            _interrupt(me, token)

    handle = app.event_queue.call_later(delay, expired)
    try:
        try:
            yield
        finally:
            active = False
            handle.cancel()
    except _Interrupt as interrupt:
        if interrupt.owner is not token:
            raise
        raise (TimeoutError(f"timed out after {delay}s") if exc is None else exc) from None


_timeout = timeout  # for functions with a parameter of that name


def timeout_call(function: Callable[[], Any], delay: float | None) -> tuple[bool, Any]:
    """(True, function()), or (False, the TimeoutError) after so many seconds."""
    error = TimeoutError(f"timed out after {delay}s")
    try:
        with timeout(delay, exc=error):
            return True, function()
    except TimeoutError as caught:
        if caught is not error:
            raise
        return False, error


def timeout_function(delay: float | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: each call may take so many seconds; then TimeoutError."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def limited(*args: Any, **kwargs: Any) -> Any:
            with timeout(delay):
                return function(*args, **kwargs)

        return limited

    return decorate


class Timeouts:
    """One deadline for several waits: each `with timeouts.timeout():` gets what is left."""

    def __init__(self, delay: float | None, blocked: bool = False, exc: Any = None) -> None:
        self._deadline = None if delay is None or delay < 0 else time() + delay
        self._delay, self._blocked, self._exc = delay, blocked, exc

    def delay(self) -> float | None:
        """Seconds that are left, less than 0 if they have passed; None: no limit."""
        return None if self._deadline is None else self._deadline - time()

    def timeout(self) -> contextlib.AbstractContextManager[None]:
        """A timeout() for the rest. If nothing is left it raises at once, unless `blocked` was given."""
        left = self.delay()
        if left is not None and left <= 0:
            if not self._blocked:
                raise TimeoutError(f"timed out after {self._delay}s") if self._exc is None else self._exc
            left = 0.0
        return timeout(left, self._blocked, self._exc)


# ---- cancelling ----


class cancellable:
    """Context manager whose block another tasklet can cancel; it is left with CancelledError(*args) then.

    Cancelling before and after the block does nothing.
    """

    def __init__(self) -> None:
        self._tasklet: stackless.tasklet | None = None
        self._args: tuple[Any, ...] = ()
        self._cancelled = False
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        assert self._tasklet is None, "a cancellable is already inside its block"
        self._tasklet, self._cancelled, self._error = stackless.getcurrent(), False, None
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        self._tasklet = None
        if isinstance(value, _Interrupt) and value.owner is self:
            self._error = CancelledError(*self._args)
            raise self._error from None

    def cancel(self, *args: Any) -> None:
        """Leave the block. The first call counts."""
        if self._tasklet is not None and not self._cancelled:
            self._cancelled, self._args = True, args
            _interrupt(self._tasklet, self)

    def cancelled(self) -> bool:
        """Has it been cancelled?"""
        return self._cancelled

    def match(self, exc: BaseException) -> bool:
        """Is this the error of this handle, inside of the block or outside?"""
        return (isinstance(exc, _Interrupt) and exc.owner is self) or (self._error is not None and exc is self._error)


# ---- calls ----


def tasklet_new(function: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] = {}) -> stackless.tasklet:
    """A new tasklet that will call the function, in the run queue."""
    return stackless.tasklet(function)(*args, **kwargs)


def tasklet_run(function: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] = {}) -> stackless.tasklet:
    """A new tasklet that has run already, until it gave up control."""
    tasklet = tasklet_new(function, args, kwargs)
    tasklet.run()
    return tasklet


class _Call:
    """A function that is called elsewhere, and the channel that its outcome comes back through."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.channel: stackless.channel[Any] = stackless.channel()
        self.channel.preference = 1  # the helper ends first
        self.thread_id = stackless.getcurrent().thread_id
        self.finished = False

    def __call__(self) -> None:
        try:
            outcome = (True, self.function(*self.args, **self.kwargs))
        except stackless.TaskletExit as error:
            outcome = (False, CancelledError(*error.args))
        except BaseException as error:
            outcome = (False, error)
        self.finished = True
        try:
            self.channel.send(outcome)
        except ValueError:
            pass  # closed: the caller has gone
        finally:
            if stackless.getcurrent().thread_id != self.thread_id:
                main.mainloop.interrupt_wait()
            del outcome  # it may hold an exception, whose traceback holds this frame


def call_async(
    dispatcher: Callable[[Callable[[], None]], object], func: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] = {}
) -> Any:
    """Have dispatcher(job) see to it that job() is called, on another thread for instance, and wait for what func returns or raises."""
    return tasklet_call(func, args, kwargs, dispatcher)


def tasklet_call(
    function: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] = {},
    dispatcher: Callable[[Callable[[], None]], object] = tasklet_run, timeout: float | None = None,
    on_abandoned: Callable[[], object] | None = None,
) -> Any:  # fmt: skip
    """Call the function in another tasklet, or wherever the dispatcher calls what it is given, and wait for the result.

    Its exception is raised here, with its traceback; a kill as CancelledError. After `timeout` seconds: TimeoutError. If
    the caller leaves early, the result is dropped, and on_abandoned() is called unless the function has ended.
    """
    call = _Call(function, args, kwargs)
    try:
        dispatcher(call)
        good, value = channel_wait(call.channel, timeout)
    except BaseException:
        call.channel.close()
        if call.channel.balance > 0:
            call.channel.receive()  # it has just come: let the helper end
        elif not call.finished and on_abandoned is not None:
            on_abandoned()
        raise
    if good:
        return value
    try:
        raise value
    finally:
        del value
