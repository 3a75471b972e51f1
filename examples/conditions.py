"""The same producers and consumers, with threading.Condition on threads and gossamer.sync.Condition on tasklets, traced.

    python examples/conditions.py FOLDER

writes a trace of each into FOLDER, for Perfetto's viewer, and tells where the time went. Without a folder it only checks itself.
"""

import os
import sys
import tempfile
import threading

import gossamer
import gossamer.sync
import gossamer.trace as trace
from gossamer.trace.reader import Timeline, Trace

ITEMS, PAIRS = 200, 3


def turn(condition, ready, change):
    with condition:
        while not ready():  # one item at a time: everybody has to wait for everybody
            with trace.zone("wait"):
                condition.wait()
        change()
        condition.notify_all()


def producer(condition, items):
    for i in range(ITEMS):
        turn(condition, lambda: not items, lambda: items.append(i))


def consumer(condition, items):
    for _ in range(ITEMS):
        turn(condition, lambda: items, items.pop)


def on_threads(condition, items):
    workers = [threading.Thread(target=f, args=(condition, items), name=f.__name__) for f in [producer, consumer] * PAIRS]
    for act in threading.Thread.start, threading.Thread.join:
        list(map(act, workers))


def on_tasklets(condition, items):
    for f in [consumer, producer] * PAIRS:
        gossamer.spawn(f, condition, items)
    gossamer.run()


def record(folder, name, run, condition):
    items, raw = [], os.path.join(folder, name + ".gostrace")
    trace.start(raw)
    with trace.zone("all"):
        run(condition, items)
    trace.stop()
    trace.convert(raw, os.path.join(folder, name + ".pftrace"))
    timeline = Timeline(Trace(raw))
    zones = [zone for track in timeline.tasklets + timeline.threads for zone in track.zones]
    length = next(zone.end - zone.begin for zone in zones if zone.name == "all")
    waits = [zone.end - zone.begin for zone in zones if zone.name == "wait"]
    assert not items
    return length, waits, timeline


def main(folder, tell):
    for kind, run, module in ("threads", on_threads, threading), ("threads", on_threads, gossamer.sync), ("tasklets", on_tasklets, gossamer.sync):
        name = f"{kind}, {module.__name__}.Condition"
        length, waits, timeline = record(folder, name.replace(", ", "-"), run, module.Condition())
        print(f"{name}: {ITEMS * PAIRS} items")
        if tell:
            print(f"    {length / 1e6:.1f} ms; {len(waits)} waits, {sum(waits) / 1e6:.1f} ms in all; {timeline.switches} switches of tasklets")
    ended_by = {span.tasklet.name for t in timeline.tasklets for span in t.spans if span.label == "Condition" and span.tasklet}
    print("on tasklets, waits for the condition were ended by:", *sorted(ended_by))


with tempfile.TemporaryDirectory() as temporary:
    main((sys.argv[1:] or [temporary])[0], tell=len(sys.argv) > 1)
