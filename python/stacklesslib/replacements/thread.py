"""Module `_thread` made of tasklets. What is not replaced is that of the real module."""

import _thread as real_thread
import traceback
from collections.abc import Callable
from typing import Any, Never

import stackless

from ..locks import LockMixin, Semaphore

__all__ = [
    "LockType", "allocate_lock", "error", "exit", "get_ident", "interrupt_main", "real_thread", "stack_size", "start_new_thread",
]  # fmt: skip

error = RuntimeError
_count_of = 0
_stack_size = 0


def __getattr__(name: str) -> Any:
    return getattr(real_thread, name)


class LockType(LockMixin):
    """_thread.lock for tasklets."""

    def __init__(self) -> None:
        self._semaphore = Semaphore(1)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it. False if it is taken: at once, if not blocking, or for so many seconds."""
        return self._semaphore.acquire(blocking, None if timeout < 0 else timeout)

    def release(self) -> None:
        """Give it back."""
        if not self.locked():
            raise error("release unlocked lock")
        self._semaphore.release()

    def locked(self) -> bool:
        """Has somebody taken it?"""
        return self._semaphore._value == 0


def allocate_lock() -> LockType:
    """A new lock."""
    return LockType()


def start_new_thread(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] = {}) -> int:
    """A tasklet that will call the function; returns its identity."""
    if not callable(function):
        raise TypeError("first arg must be callable")
    return id(stackless.tasklet(_call)(function, args, kwargs))


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    global _count_of
    _count_of += 1
    try:
        function(*args, **kwargs)
    except SystemExit:  # TaskletExit is one, too
        pass
    except Exception:
        traceback.print_exc()
    finally:
        _count_of -= 1


def exit() -> Never:
    """End the current tasklet."""
    raise stackless.TaskletExit


def get_ident() -> int:
    """The identity of the current tasklet."""
    return id(stackless.getcurrent())


def interrupt_main(signum: int = 2) -> None:
    """Does nothing."""


def stack_size(size: int = 0) -> int:
    """Remembered, without effect; returns the one before."""
    global _stack_size
    old, _stack_size = _stack_size, size
    return old


def _count() -> int:
    return _count_of
