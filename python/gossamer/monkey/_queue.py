"""queue: all of its classes.  Those of Python would do, being made of locks; that in C would not."""

import queue

from .. import sync
from ._change import Change


def changes() -> list[Change]:
    found = [Change("queue", queue, "SimpleQueue", sync.SimpleQueue)]
    for name in ("Queue", "LifoQueue", "PriorityQueue"):
        found.append(Change("queue", queue, name, getattr(sync, name), harmless=True))
    return found
