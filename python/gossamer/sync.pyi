from ._gossamer import BoundedSemaphore as BoundedSemaphore
from ._gossamer import Condition as Condition
from ._gossamer import Event as Event
from ._gossamer import Lock as Lock
from ._gossamer import RLock as RLock
from ._gossamer import Semaphore as Semaphore

__all__ = ["BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore"]
