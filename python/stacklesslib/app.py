"""The front end that can be switched: sleep, locks and an event queue, of threads or of tasklets.

Client code may say `from stacklesslib.app import sleep`: what is behind a name is looked up at each call.
`install_vanilla()`, the state at import, means the thread versions; `install_stackless()` those of tasklets, whose sleeps and
timeouts need somebody to pump `stacklesslib.main.event_queue`, for instance the main loop.
"""

import threading as _threading
import time as _time
from typing import Any

from .base import SignalChannel as _SignalChannel
from .events import DummyEventQueue as _DummyEventQueue

__all__ = [
    "Condition", "Event", "Lock", "RLock", "Semaphore", "event_queue", "install_stackless", "install_vanilla", "sleep",
]  # fmt: skip


class _Proxy:
    """Hands out the attributes of the event queue that is installed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_queue, name)


_queue: Any = _DummyEventQueue()
_home: Any = _threading  # where the locks come from
_sleep: Any = _time.sleep
_zero_sleepers = _SignalChannel()
event_queue: Any = _Proxy()


def sleep(delay: float) -> None:
    """Wait for so many seconds: the thread, or the tasklet."""
    _sleep(delay)


def Event(*args: Any, **kwargs: Any) -> Any:
    """A new Event of the kind that is installed."""
    return _home.Event(*args, **kwargs)


def Lock(*args: Any, **kwargs: Any) -> Any:
    """A new Lock of the kind that is installed."""
    return _home.Lock(*args, **kwargs)


def RLock(*args: Any, **kwargs: Any) -> Any:
    """A new RLock of the kind that is installed."""
    return _home.RLock(*args, **kwargs)


def Condition(*args: Any, **kwargs: Any) -> Any:
    """A new Condition of the kind that is installed."""
    return _home.Condition(*args, **kwargs)


def Semaphore(*args: Any, **kwargs: Any) -> Any:
    """A new Semaphore of the kind that is installed."""
    return _home.Semaphore(*args, **kwargs)


def _tasklet_sleep(delay: float) -> None:
    # All who sleep for no time share a channel, and each lets one go: they are released in order at the next pump.
    if delay > 0:
        channel = _SignalChannel()
        event_queue.call_later(delay, channel.signal)
    else:
        channel = _zero_sleepers
        event_queue.call_soon(channel.signal)
    channel.receive()


def install_vanilla() -> None:
    """Threads: the functions of `time` and `threading`, and no event queue."""
    global _queue, _home, _sleep
    _queue, _home, _sleep = _DummyEventQueue(), _threading, _time.sleep


def install_stackless() -> None:
    """Tasklets: `stacklesslib.locks`, and `stacklesslib.main.event_queue`."""
    global _queue, _home, _sleep
    from . import locks, main

    _queue, _home, _sleep = main.event_queue, locks, _tasklet_sleep
