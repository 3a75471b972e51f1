"""The wait protocol: things that can be waited for, one of them or several.

An object is waitable if it has add_done_callback(callback) and remove_done_callback(callback); callback(object) is called when
it gets ready, at once if it is already.
"""

import sys
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import stackless

from .base import atomic
from .errors import CancelledError, TimeoutError
from .util import Timeouts, channel_wait

__all__ = [
    "Observer", "Receivable", "Sendable", "ValueTasklet", "WaitChannel", "WaitChannelMixin", "WaitSite", "WaitableTasklet",
    "all", "any", "iwait", "iwait_no_raise", "swait", "wait",
]  # fmt: skip

_Callback = Callable[[Any], object]


class WaitSite:
    """Base of the waitable."""

    __waiters: list[_Callback] | None = None

    def add_done_callback(self, callback: _Callback) -> None:
        """Call callback(self) when this gets ready; now, too, if it is ready."""
        self._register(callback)
        if self.waitsite_signalled():
            self._call_back(callback)

    def _register(self, callback: _Callback) -> None:
        if self.__waiters is None:
            self.__waiters = []
        self.__waiters.append(callback)

    def remove_done_callback(self, callback: _Callback) -> None:
        """Do not call it any more. Nothing if it is not there."""
        if self.__waiters and callback in self.__waiters:
            self.__waiters.remove(callback)

    def waitsite_signalled(self) -> bool:
        """Is it ready? To be overridden."""
        return False

    def waitsite_signal(self) -> None:
        """It has got ready: call back, and forget, all who wait."""
        waiters, self.__waiters = self.__waiters, None
        for callback in waiters or ():
            self._call_back(callback)

    def _call_back(self, callback: _Callback) -> None:
        try:
            callback(self)
        except Exception:
            self.handle_exception(sys.exc_info())

    def handle_exception(self, exc_info: Any) -> None:
        """A callback has failed: prints the traceback. May be overridden."""
        traceback.print_exception(*exc_info)


class Observer(WaitSite):
    """Passes on what another wait site signals. That one does not keep it alive."""

    def __init__(self, observed: Any) -> None:
        self.observed = observed
        me = weakref.ref(self)

        def signalled(site: Any) -> None:
            observer = me()
            if observer is not None:
                observer.callback(site)

        self._hook = signalled
        observed.add_done_callback(signalled)

    def callback(self, site: Any) -> None:
        """The observed has signalled."""
        site._register(self._hook)  # it forgets those it has called
        if self.filter():
            self.waitsite_signal()

    def filter(self) -> bool:
        """Pass it on? To be overridden."""
        return True

    def waitsite_signalled(self) -> bool:
        return bool(self.observed.waitsite_signalled() and self.filter())

    def close(self) -> None:
        """Observe no longer."""
        self.observed.remove_done_callback(self._hook)

    def __del__(self) -> None:
        if hasattr(self, "_hook"):
            self.close()


# ---- tasklets ----


class WaitableTasklet(stackless.tasklet, WaitSite):
    """A tasklet that signals when its function has ended in any way."""

    def __new__(cls, func: Callable[..., Any] | None = None, args: Any = None, kwargs: Any = None) -> Self:
        return stackless.tasklet.__new__(cls)

    def __init__(self, func: Callable[..., Any] | None = None, args: Any = None, kwargs: Any = None) -> None:
        super().__init__()
        self._ended = False
        if func is not None:
            self.bind(func, args, kwargs)

    def bind(self, func: Any = None, args: Any = None, kwargs: Any = None) -> Self:
        self._ended = False
        return super().bind(None if func is None else self._wrap(func), args, kwargs)

    def _wrap(self, func: Callable[..., Any]) -> Callable[..., Any]:
        me = weakref.ref(self)

        def run(*args: Any, **kwargs: Any) -> None:
            self_ = me()
            assert self_ is not None  # it is running
            try:
                self_._call(func, args, kwargs)
            finally:
                self_._ended = True
                self_.waitsite_signal()

        return run

    def _call(self, func: Callable[..., Any], args: Any, kwargs: Any) -> None:
        func(*args, **kwargs)

    def waitsite_signalled(self) -> bool:
        return self._ended

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, for so many seconds at most. Has it?"""
        return bool(wait([self], timeout))


class ValueTasklet(WaitableTasklet):
    """A WaitableTasklet that keeps the result, or the error, of its function; main does not get that error."""

    _value: Any = None
    _error: BaseException | None = None

    def _call(self, func: Callable[..., Any], args: Any, kwargs: Any) -> None:
        try:
            self._value = func(*args, **kwargs)
        except stackless.TaskletExit as error:
            self._error = CancelledError(*error.args)
            raise
        except Exception as error:
            self._error = error
        except BaseException as error:
            self._error = error
            raise

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The result, or its error raised. TimeoutError if there is none (in time); CancelledError if it was killed."""
        if not (self._ended or (block and self.join(timeout))):
            raise TimeoutError("the tasklet has not ended")
        if not self._ended:
            raise TimeoutError("the tasklet has not ended")
        if self._error is not None:
            raise self._error
        return self._value

    def result(self, timeout: float | None = None) -> Any:
        """get(timeout=timeout)"""
        return self.get(True, timeout)


# ---- channels ----


class WaitChannelMixin(WaitSite):
    """For a channel class: signals when the channel changes from "would block" to "has a partner"."""

    _joining = 0  # this balance will be, once the operation in progress waits

    @property
    def balance(self) -> int:
        return int(super().balance) + self._joining  # type: ignore[misc]

    def waitsite_signalled(self) -> bool:
        return self.balance != 0

    def _announce(self, direction: int) -> None:
        if self.balance == 0:
            self._joining = direction
            try:
                self.waitsite_signal()
            finally:
                self._joining = 0

    def send(self, value: Any, *args: Any, **kwargs: Any) -> None:
        self._announce(1)
        super().send(value, *args, **kwargs)  # type: ignore[misc]

    def send_exception(self, exc_class: Any, /, *args: Any) -> None:
        self._announce(1)
        super().send_exception(exc_class, *args)  # type: ignore[misc]

    def send_throw(self, exc: Any, val: Any = None, tb: Any = None, /) -> None:
        self._announce(1)
        super().send_throw(exc, val, tb)  # type: ignore[misc]

    def receive(self, *args: Any, **kwargs: Any) -> Any:
        self._announce(-1)
        return super().receive(*args, **kwargs)  # type: ignore[misc]


class WaitChannel(WaitChannelMixin, stackless.channel[Any]):
    """A channel that can be waited for."""


class Receivable(Observer):
    """Signals when something can be received from a WaitChannel."""

    def filter(self) -> bool:
        return bool(self.observed.balance > 0)


class Sendable(Observer):
    """Signals when somebody wants to receive from a WaitChannel."""

    def filter(self) -> bool:
        return bool(self.observed.balance < 0)


# ---- waiting ----


def iwait(objects: Iterable[Any], timeout: float | None = None, raise_timeout: bool = False) -> Iterator[Any]:
    """The objects, in the order in which they get ready. TimeoutError when all of it takes longer than so many seconds.

    timeout=0 gives those that are ready, without waiting for others. raise_timeout has no effect.
    """
    ready: deque[Any] = deque()
    seen: set[int] = set()
    arrived: stackless.channel[Any] = stackless.channel()
    arrived.preference = 1
    waiting = list(objects)

    def callback(obj: Any) -> None:
        with atomic():
            if id(obj) in seen:
                return
            seen.add(id(obj))
            ready.append(obj)
            if arrived.balance < 0:
                arrived.send(None)

    limit = Timeouts(timeout)
    try:
        for obj in waiting:
            obj.add_done_callback(callback)
        for _ in range(len({id(obj) for obj in waiting})):
            if not ready:
                left = limit.delay()
                if left is not None and left <= 0:
                    raise TimeoutError(f"timed out after {timeout}s")
                channel_wait(arrived, left)
            yield ready.popleft()
    finally:
        for obj in waiting:
            obj.remove_done_callback(callback)


def iwait_no_raise(objects: Iterable[Any], timeout: float | None = None) -> Iterator[Any]:
    """iwait(), which ends when the time has passed."""
    waiting = iwait(objects, timeout)
    while True:
        try:
            obj = next(waiting)
        except (StopIteration, TimeoutError):
            return
        yield obj


def wait(objects: Iterable[Any], timeout: float | None = None, count: int | None = None) -> list[Any]:
    """The objects that got ready in so many seconds, in that order; no more than `count` of them."""
    found: list[Any] = []
    if count is not None and count <= 0:
        return found
    for obj in iwait_no_raise(objects, timeout):
        found.append(obj)
        if len(found) == count:
            break
    return found


def swait(waitable: Any, timeout: float | None = None) -> Any:
    """Wait for one object and return it; TimeoutError after so many seconds."""
    for obj in iwait([waitable], timeout):
        return obj


def any(iterable: Iterable[Any]) -> ValueTasklet:  # hides the builtin, like the next
    """A running tasklet whose result is the first of the objects that gets ready."""
    return ValueTasklet(lambda objects: next(iter(iwait(objects))), (list(iterable),)).insert()


def all(iterable: Iterable[Any]) -> ValueTasklet:
    """A running tasklet whose result is the list of the objects, once all of them are ready."""

    def wait_for_all(objects: list[Any]) -> list[Any]:
        for _ in iwait(objects):
            pass
        return objects

    return ValueTasklet(wait_for_all, (list(iterable),)).insert()
