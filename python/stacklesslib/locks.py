"""Locks for tasklets, with the names of `threading`. They are for the tasklets of one thread, not for use between threads.

Timeouts need somebody to pump the event queue, see `stacklesslib.app`.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import stackless

from . import app
from .base import SignalChannel, atomic
from .errors import TimeoutError
from .util import Timeouts, channel_wait
from .wait import WaitSite

__all__ = [
    "Barrier", "BoundedSemaphore", "BrokenBarrierError", "Condition", "Event", "Lock", "LockMixin", "NLCondition", "RLock",
    "Semaphore", "ValueEvent", "lock_channel_wait", "released", "wait_for_condition",
]  # fmt: skip


def lock_channel_wait(chan: stackless.channel[Any], timeout: float | None) -> bool:
    """Receive; False after so many seconds."""
    try:
        channel_wait(chan, timeout)
    except TimeoutError:
        return False
    return True


@contextlib.contextmanager
def released(lock: Any) -> Iterator[None]:
    """Inside, the lock is released."""
    lock.release()
    try:
        yield
    finally:
        lock.acquire()


class LockMixin:
    """`with lock:` for classes with acquire() and release()."""

    def __enter__(self) -> None:
        self.acquire()  # type: ignore[attr-defined]

    def __exit__(self, *exception: object) -> None:
        self.release()  # type: ignore[attr-defined]


class Semaphore(LockMixin):
    """A counter that acquire() takes one from, and waits while it is 0.

    release() wakes who waits, but does not hand over: a running tasklet that asks in between gets it first.
    """

    def __init__(self, value: int = 1) -> None:
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        self._value = value
        self._channel = SignalChannel()

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take one. False if there was none: at once, if not blocking, or for so many seconds."""
        with atomic():
            if self._value > 0:
                self._value -= 1
                return True
            if not blocking:
                return False
            limit = Timeouts(timeout)
            while self._value == 0:
                try:
                    left = limit.delay()
                    if left is not None and left <= 0:
                        return False
                    channel_wait(self._channel, left)
                except TimeoutError:
                    if self._value == 0:
                        return False
                except BaseException:
                    self._wake()  # it may have been meant for us
                    raise
            self._value -= 1
            return True

    def release(self, count: int = 1) -> None:
        """Give back so many."""
        with atomic():
            self._value += count
            self._wake()

    def _wake(self) -> None:
        for _ in range(min(self._value, -self._channel.balance)):
            self._channel.asignal()


class BoundedSemaphore(Semaphore):
    """A Semaphore that refuses to be released more often than it was acquired."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._initial = value

    def release(self, count: int = 1) -> None:
        with atomic():
            if self._value + count > self._initial:
                raise ValueError("semaphore released too many times")
            super().release(count)


class Lock(Semaphore):
    """A semaphore of 1. Releasing one that is not acquired is no error, and lets one more in."""

    def __init__(self) -> None:
        super().__init__()

    def locked(self) -> bool:
        """Has somebody acquired it?"""
        return self._value == 0


class RLock(LockMixin):
    """A lock that its owner, a tasklet, may acquire again, and has to release as often."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner: stackless.tasklet | None = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take it. False if it is another's: at once, if not blocking, or for so many seconds."""
        me = stackless.getcurrent()
        if self._owner is not me:
            if not self._lock.acquire(blocking, timeout):
                return False
            self._owner = me
        self._count += 1
        return True

    def release(self) -> None:
        """Give it back, once."""
        if self._owner is not stackless.getcurrent():
            raise RuntimeError("cannot release un-aquired lock")
        self._count -= 1
        if self._count == 0:
            self._owner = None
            self._lock.release()

    # for Condition

    def _is_owned(self) -> bool:
        return self._owner is stackless.getcurrent()

    def _release_save(self) -> int:
        count, self._count, self._owner = self._count, 0, None
        self._lock.release()
        return count

    def _acquire_restore(self, count: int) -> None:
        self._lock.acquire()
        self._count, self._owner = count, stackless.getcurrent()


class NLCondition:
    """A condition without a lock: for tasklets that do not switch between looking and waiting."""

    def __init__(self) -> None:
        self._channel = SignalChannel()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Does nothing; True."""
        return True

    def release(self) -> None:
        """Does nothing."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait to be notified. False after so many seconds."""
        return lock_channel_wait(self._channel, timeout)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until predicate() is true, or so many seconds have passed; returns its last value."""
        return wait_for_condition(self, predicate, timeout)

    def notify(self, n: int = 1) -> None:
        """Wake so many of those who wait now."""
        with atomic():
            for _ in range(min(n, -self._channel.balance)):
                self._channel.asignal()

    def notify_all(self) -> None:
        """Wake all who wait now."""
        self._channel.signal_all()

    notifyAll = notify_all


class Condition(LockMixin):
    """threading.Condition for tasklets."""

    def __init__(self, lock: Any = None) -> None:
        self.lock = RLock() if lock is None else lock
        self.acquire, self.release = self.lock.acquire, self.lock.release
        self._queue = NLCondition()

    @property
    def nWaiting(self) -> int:
        """How many wait."""
        return -self._queue._channel.balance

    def _check(self) -> None:
        owned = getattr(self.lock, "_is_owned", None)
        if owned is not None:
            good = owned()
        else:
            good = not self.lock.acquire(False)
            if not good:
                self.lock.release()
        if not good:
            raise RuntimeError("cannot wait for or notify a condition without its lock")

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock, wait to be notified, and acquire the lock again. False after so many seconds."""
        with atomic():
            self._check()
            save, restore = getattr(self.lock, "_release_save", None), getattr(self.lock, "_acquire_restore", None)
            state = save() if save else self.lock.release()
            try:
                return self._queue.wait(timeout)
            finally:
                restore(state) if restore else self.lock.acquire()

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until predicate() is true, or so many seconds have passed; returns its last value."""
        return wait_for_condition(self, predicate, timeout)

    def notify(self, n: int = 1) -> None:
        """Wake so many of those who wait."""
        self._check()
        self._queue.notify(n)

    def notify_all(self) -> None:
        """Wake all who wait."""
        self._check()
        self._queue.notify_all()

    notifyAll = notify_all


def wait_for_condition(cond: Any, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
    """cond.wait() until predicate() is true, or so many seconds have passed; returns its last value."""
    limit = Timeouts(timeout)
    while not (value := predicate()):
        left = limit.delay()
        if left is not None and left <= 0:
            break
        cond.wait(left)
    return value


class BrokenBarrierError(RuntimeError):
    """The barrier was reset or aborted while a tasklet waited, or is broken."""


class Barrier:
    """threading.Barrier for tasklets: `parties` tasklets wait for each other."""

    def __init__(self, parties: int, action: Callable[[], object] | None = None, timeout: float | None = None) -> None:
        if parties < 1:
            raise ValueError("parties must be > 0")
        self._parties, self._action, self._timeout = parties, action, timeout
        self._waiting = 0
        self._broken = False
        self._round = _Round()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the others; each of a round gets another index. BrokenBarrierError if the round fails."""
        if self._broken:
            raise BrokenBarrierError
        this, index = self._round, self._waiting
        self._waiting += 1
        if self._waiting == self._parties:
            self._complete()
            return index
        try:
            limit = Timeouts(self._timeout if timeout is None else timeout)
            while this.state is None:
                left = limit.delay()
                if left is not None and left <= 0 or not this.waiters.wait(left):
                    if this.state is None:
                        self.abort()
        except BaseException:
            if this.state is None:
                self.abort()
            raise
        if this.state is not True:
            raise BrokenBarrierError
        return index

    def _complete(self) -> None:
        try:
            if self._action is not None:
                self._action()
        except BaseException:
            self.abort()
            raise
        self._end(True)

    def _end(self, good: bool) -> None:
        this, self._round, self._waiting = self._round, _Round(), 0
        this.state = good
        this.waiters.notify_all()

    def reset(self) -> None:
        """Empty again; those who wait get BrokenBarrierError."""
        self._end(False)
        self._broken = False

    def abort(self) -> None:
        """Broken from now on; those who wait get BrokenBarrierError."""
        self._broken = True
        self._end(False)

    @property
    def parties(self) -> int:
        """How many tasklets it is for."""
        return self._parties

    @property
    def n_waiting(self) -> int:
        """How many wait."""
        return self._waiting

    @property
    def broken(self) -> bool:
        """Is it?"""
        return self._broken


class _Round:
    def __init__(self) -> None:
        self.state: bool | None = None  # True: complete, False: broken
        self.waiters = NLCondition()


class Event(WaitSite):
    """threading.Event for tasklets; can be waited for with `stacklesslib.wait`, too."""

    def __init__(self) -> None:
        self._set = False
        self._channel = SignalChannel()

    def is_set(self) -> bool:
        """Is it set?"""
        return self._set

    isSet = waitsite_signalled = is_set

    def set(self) -> None:
        """Set it, and wake all who wait, without switching."""
        if not self._set:
            self._set = True
            self._channel.signal_all()
            self.waitsite_signal()

    def clear(self) -> None:
        """Not set any longer."""
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set. False after so many seconds."""
        with atomic():
            return self._set or lock_channel_wait(self._channel, timeout) or self._set


class ValueEvent(stackless.channel[Any]):
    """Happens once, with a value or an error for those who wait. Who comes later gets RuntimeError, or the error."""

    def __new__(cls, timeout: float | None = None, timeoutException: Any = None, timeoutExceptionValue: Any = None) -> "ValueEvent":
        return super().__new__(cls)

    def __init__(self, timeout: float | None = None, timeoutException: Any = None, timeoutExceptionValue: Any = None) -> None:
        self.preference = 1
        self._error: tuple[Any, tuple[Any, ...]] | None = None
        self._handle: Any = None
        if timeout is not None and timeout > 0:
            value = "Event timed out" if timeoutExceptionValue is None else timeoutExceptionValue
            kind = TimeoutError if timeoutException is None else timeoutException
            self._handle = app.event_queue.call_later(timeout, self._expire, kind, value)

    def _expire(self, kind: Any, value: Any) -> None:
        if not self.closing:
            self.abort(kind, value)

    def _finish(self) -> None:
        if self.closing:
            raise RuntimeError("ValueEvent object already signaled or aborted.")
        if self._handle is not None:
            self._handle.cancel()

    def set(self, value: Any = None) -> None:
        """It has happened: everybody who waits gets the value."""
        self._finish()
        self._error = (RuntimeError, ("Already resumed",))
        with atomic():
            while self.balance < 0:
                self.send(value)
            self.close()

    def abort(self, exception: Any = None, *value: Any) -> None:
        """It will not happen: exception(*value) for everybody who waits."""
        self._finish()
        self._error = (RuntimeError if exception is None else exception, value)
        with atomic():
            while self.balance < 0:
                self.send_exception(*self._error[:1], *self._error[1])
            self.close()

    def wait(self) -> Any:
        """Its value, when it happens."""
        if self._error is not None:
            raise self._error[0](*self._error[1])
        return self.receive()
