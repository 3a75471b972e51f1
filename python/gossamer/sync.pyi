from queue import Empty as Empty
from queue import Full as Full
from threading import BrokenBarrierError as BrokenBarrierError

from ._gossamer import Barrier as Barrier
from ._gossamer import BoundedSemaphore as BoundedSemaphore
from ._gossamer import Condition as Condition
from ._gossamer import Event as Event
from ._gossamer import LifoQueue as LifoQueue
from ._gossamer import Lock as Lock
from ._gossamer import PriorityQueue as PriorityQueue
from ._gossamer import Queue as Queue
from ._gossamer import RLock as RLock
from ._gossamer import Semaphore as Semaphore
from ._gossamer import SimpleQueue as SimpleQueue

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

class ShutDown(Exception): ...  # queue.ShutDown from 3.13 on
