"""Park many units in a receive, then wake and finish them: `python _park.py KIND COUNT` prints the figures as JSON.

KIND is gossamer, greenlet or asyncio.  Each runs in a process of its own, which imports nothing of the others: Gossamer
makes CPython recycle some memory blocks, which would make greenlet look faster than it is.
"""

import json
import resource
import sys
import time
from typing import Any

if sys.path and sys.path[0].replace("\\", "/").endswith("gossamer/demo"):
    # Started as a file, Python would look for modules here first.
    del sys.path[0]


def resident(pid: int | str = "self") -> int:
    """Bytes of memory that this process, or another one, uses now."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Watch:
    """Time and memory between two points."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.memory = resident()
        self.last = time.perf_counter()

    def parked(self) -> None:
        self.figures["park_s"] = time.perf_counter() - self.last
        self.figures["bytes"] = resident() - self.memory
        self.last = time.perf_counter()

    def woken(self) -> None:
        self.figures["wake_s"] = time.perf_counter() - self.last


def gossamer_units(count: int) -> dict[str, Any]:
    import gossamer

    channel = gossamer.channel()
    woken = 0

    def unit() -> None:
        nonlocal woken
        # Not `woken += channel.receive()`: that reads woken before it waits, and forgets what others add meanwhile.
        value = channel.receive()
        woken += value

    watch = Watch()
    for _ in range(count):
        gossamer.tasklet(unit)()
    gossamer.run()
    assert channel.balance == -count
    watch.parked()
    for _ in range(count):
        channel.send(1)
    gossamer.run()
    assert woken == count
    watch.woken()
    return watch.figures


def greenlet_units(count: int) -> dict[str, Any]:
    import greenlet

    main = greenlet.getcurrent()
    woken = 0

    def unit() -> None:
        nonlocal woken
        value = main.switch()
        woken += value

    watch = Watch()
    units = [greenlet.greenlet(unit) for _ in range(count)]
    for g in units:
        g.switch()
    watch.parked()
    for g in units:
        g.switch(1)
    assert woken == count
    watch.woken()
    return {**watch.figures, "version": greenlet.__version__}


def asyncio_units(count: int) -> dict[str, Any]:
    import asyncio

    async def main() -> dict[str, Any]:
        queue: asyncio.Queue[int] = asyncio.Queue()
        woken = 0

        async def unit() -> None:
            nonlocal woken
            value = await queue.get()
            woken += value

        watch = Watch()
        units = [asyncio.create_task(unit()) for _ in range(count)]
        await asyncio.sleep(0)
        watch.parked()
        for _ in range(count):
            queue.put_nowait(1)
        for task in units:
            await task
        assert woken == count
        watch.woken()
        return watch.figures

    return asyncio.run(main())


def main() -> None:
    kind, count = sys.argv[1], int(sys.argv[2])
    try:
        figures = {"gossamer": gossamer_units, "greenlet": greenlet_units, "asyncio": asyncio_units}[kind](count)
    except ImportError as error:
        figures = {"missing": str(error)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
