"""Calls to be made later. Nothing happens by itself: somebody has to pump the queue.

All methods may be called on any thread; the calls are made on the thread that pumps.
"""

import heapq
import itertools
import sys
import traceback
from collections.abc import Callable
from threading import Lock  # the real one, whatever is patched later
from typing import Any, Never

from .base import time as _time

__all__ = ["DummyEventQueue", "EventQueue", "Handle"]

_COMPACT = 64  # cancelled handles stay in the heap until they are this many, and half of it


class Handle:
    """What the call_... methods return: a call that can be cancelled."""

    __slots__ = ("args", "callback", "cancelled", "deadline", "interval", "pending", "queue", "sequence")

    def __init__(self, queue: "EventQueue", sequence: int, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.queue, self.sequence, self.callback, self.args = queue, sequence, callback, args
        self.cancelled: bool | None = None
        self.interval: float | None = None  # of a repeated call
        self.deadline = 0.0  # by the queue's own time
        self.pending = False  # is it going to be called?

    def __lt__(self, other: "Handle") -> bool:
        return (self.deadline, self.sequence) < (other.deadline, other.sequence)

    def cancel(self) -> bool:
        """True if the call will not be made (again), False if it has been made, or cancelled, already."""
        return self.queue._cancel(self)


class EventQueue:
    """A queue of calls, by the time they are due. Among equal times the first submitted comes first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._heap: list[Handle] = []  # cancelled ones among them
        self._batch: list[Handle] = []  # taken out by pump() and not yet called, the next one last
        self._live = 0  # how many will be called
        self._offset = 0.0  # add it to a deadline to get the time of the clock
        self._sequence = itertools.count()

    def __len__(self) -> int:
        return self._live

    @staticmethod
    def time() -> float:
        """The clock that deadlines refer to."""
        return _time()

    # -- adding --

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Call at the next pump."""
        return self.call_later(0, callback, *args)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call after so many seconds, which may be negative."""
        return self.call_at(self.time() + delay, callback, *args)

    def call_later_threadsafe(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle:
        """call_later(), and end the sleep of whoever waits for the queue."""
        handle = self.call_later(delay, callback, *args)
        self.cancel_sleep()
        return handle

    def call_at(self, deadline: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call when time() has reached the deadline."""
        handle = Handle(self, next(self._sequence), callback, args)
        self._add(deadline, handle)
        return handle

    def call_repeatedly(self, interval: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call after `interval` seconds, and again so long after each time it was called, until it is cancelled."""
        handle = Handle(self, next(self._sequence), callback, args)
        handle.interval = interval
        self._add(self.time() + interval, handle)
        return handle

    def _add(self, deadline: float, handle: Handle) -> None:
        with self._lock:
            if handle.cancelled:
                return
            handle.deadline = deadline - self._offset
            handle.pending = True
            self._live += 1
            heapq.heappush(self._heap, handle)

    def _cancel(self, handle: Handle) -> bool:
        with self._lock:
            # A repeated call that is being made right now is not pending, but would be again.
            if handle.cancelled or not (handle.pending or handle.interval is not None):
                return False
            handle.cancelled = True
            if handle.pending:
                handle.pending = False
                self._live -= 1
            dead = len(self._heap) + len(self._batch) - self._live
            if dead > _COMPACT and dead > self._live:
                self._heap = [other for other in self._heap if other.pending]
                heapq.heapify(self._heap)
            return True

    def cancel_sleep(self) -> None:
        """Hook for those who wait until an event is due."""

    def reschedule(self, delta_t: float) -> None:
        """Shift all events that are there now by so many seconds; later ones are not concerned."""
        with self._lock:
            self._offset += delta_t

    # -- calling --

    def pump(self) -> int:
        """Make the calls that are due now. What they add waits for the next pump. Returns how many were made."""
        made = 0
        self._take_due()
        try:
            while (handle := self._next()) is not None:
                made += 1
                self._call(handle)
        finally:
            self._put_back()
        return made

    def _take_due(self) -> None:
        with self._lock:
            now = self.time() - self._offset
            due = []
            while self._heap and (self._heap[0].deadline <= now or not self._heap[0].pending):
                due.append(heapq.heappop(self._heap))
            self._batch[:0] = reversed(due)  # not empty if a callback pumps, or another tasklet: those are older

    def _next(self) -> Handle | None:
        with self._lock:
            while self._batch:
                handle = self._batch.pop()
                if handle.pending:
                    handle.pending = False
                    self._live -= 1
                    return handle
            return None

    def _put_back(self) -> None:
        """An error that is not caught, like KeyboardInterrupt, leaves the rest for the next pump."""
        with self._lock:
            for handle in self._batch:
                heapq.heappush(self._heap, handle)
            self._batch.clear()

    def _call(self, handle: Handle) -> None:
        try:
            handle.callback(*handle.args)
        except Exception:
            self.handle_exception(sys.exc_info())
        finally:
            if handle.interval is not None:
                self._add(self.time() + handle.interval, handle)

    @property
    def is_due(self) -> bool:
        """Is there anything for pump() to do?"""
        delay = self.due_delay()
        return delay is not None and delay <= 0

    def due_delay(self) -> float | None:
        """Seconds until the next event, at least 0; None if there is none."""
        with self._lock:
            while self._heap and not self._heap[0].pending:
                heapq.heappop(self._heap)
            if any(handle.pending for handle in self._batch):
                return 0.0
            return max(0.0, self._heap[0].deadline + self._offset - self.time()) if self._heap else None

    def handle_exception(self, exc_info: Any) -> None:
        """A callback has failed: prints the traceback. May be overridden."""
        traceback.print_exception(*exc_info)


class DummyEventQueue:
    """Refuses: nobody pumps."""

    def _refuse(self, *args: Any) -> Never:
        raise NotImplementedError("events are not being pumped")

    call_later = call_soon = call_repeatedly = pump = _refuse
