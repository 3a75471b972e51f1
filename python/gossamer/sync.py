"""Locks, conditions, semaphores, events, barriers and queues, for tasklets and threads together.

The classes of `threading` and `queue`, under the same names and with the same methods, in C.  A tasklet that waits lets the
other tasklets of its thread run; a thread with nothing else to run sleeps.  First come, first served, everywhere: who
releases hands over to the first in line, and goes on.
"""

import queue as _queue
from queue import Empty, Full
from threading import BrokenBarrierError

from . import _gossamer

ShutDown: "type[Exception]"
if hasattr(_queue, "ShutDown"):
    ShutDown = _queue.ShutDown
else:

    class ShutDown(Exception):  # type: ignore[no-redef]  # Python 3.13 has it
        """Raised by put() and get() of a queue that has been shut down."""


_gossamer._init_sync(Empty, Full, ShutDown, BrokenBarrierError)

Barrier = _gossamer.Barrier
BoundedSemaphore = _gossamer.BoundedSemaphore
Condition = _gossamer.Condition
Event = _gossamer.Event
LifoQueue = _gossamer.LifoQueue
Lock = _gossamer.Lock
PriorityQueue = _gossamer.PriorityQueue
Queue = _gossamer.Queue
RLock = _gossamer.RLock
Semaphore = _gossamer.Semaphore
SimpleQueue = _gossamer.SimpleQueue

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Empty",
    "Event",
    "Full",
    "LifoQueue",
    "Lock",
    "PriorityQueue",
    "Queue",
    "RLock",
    "Semaphore",
    "ShutDown",
    "SimpleQueue",
]
