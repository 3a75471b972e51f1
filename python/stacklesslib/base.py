"""A clock, context managers for the flags of a tasklet, and the channel that signals are sent on."""

import contextlib
import time as _time
from collections.abc import Iterator
from typing import Any

import stackless

__all__ = ["SignalChannel", "atomic", "block_trap", "ignore_nesting", "switch_trap", "time"]

time = _time.monotonic
atomic = stackless.atomic


@contextlib.contextmanager
def block_trap(trap: bool = True) -> Iterator[None]:
    """Inside, channel operations of the current tasklet that would block raise RuntimeError (or do not, for False)."""
    me = stackless.getcurrent()
    old, me.block_trap = me.block_trap, trap
    try:
        yield
    finally:
        me.block_trap = old


@contextlib.contextmanager
def ignore_nesting(flag: bool = True) -> Iterator[None]:
    """Inside, run(timeout) may interrupt the current tasklet in nested calls, too."""
    me = stackless.getcurrent()
    old = me.set_ignore_nesting(flag)
    try:
        yield
    finally:
        me.set_ignore_nesting(old)


@contextlib.contextmanager
def switch_trap() -> Iterator[None]:
    """Inside, whatever would switch raises RuntimeError."""
    stackless.switch_trap(1)
    try:
        yield
    finally:
        stackless.switch_trap(-1)


class SignalChannel(stackless.channel[Any]):
    """A channel to wake those who wait in receive(). Signalling never switches and never waits."""

    __slots__: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.preference = 1

    def signal(self, value: Any = None) -> None:
        """Send the value if somebody waits."""
        with atomic():
            if self.balance < 0:
                self.send(value)

    def signal_all(self, value: Any = None) -> None:
        """Send the value to each tasklet that waits now."""
        with atomic():
            for _ in range(-self.balance):
                self.send(value)

    def asignal(self) -> None:
        """signal(), for callers that are atomic already."""
        if self.balance < 0:
            self.send(None)

    def asignal_all(self) -> None:
        """signal_all(), for callers that are atomic already."""
        for _ in range(-self.balance):
            self.send(None)
