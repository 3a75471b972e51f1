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


def producer(condition, items):
    for i in range(ITEMS):
        with condition:
            while items:  # one at a time: everybody has to wait for everybody
                with trace.zone("wait"):
                    condition.wait()
            items.append(i)
            condition.notify_all()


def consumer(condition, items):
    for _ in range(ITEMS):
        with condition:
            while not items:
                with trace.zone("wait"):
                    condition.wait()
            items.pop()
            condition.notify_all()


def on_threads(condition, items):
    workers = [threading.Thread(target=f, args=(condition, items), name=f.__name__) for f in [producer, consumer] * PAIRS]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


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
    cases = [
        ("threads, threading.Condition", on_threads, threading.Condition()),
        ("threads, gossamer.sync.Condition", on_threads, gossamer.sync.Condition()),
        ("tasklets, gossamer.sync.Condition", on_tasklets, gossamer.sync.Condition()),
    ]
    for name, run, condition in cases:
        length, waits, timeline = record(folder, name.replace(", ", "-"), run, condition)
        print(f"{name}: {ITEMS * PAIRS} items")
        if tell:
            print(f"    {length / 1e6:.1f} ms; {len(waits)} waits, {sum(waits) / 1e6:.1f} ms in all; {timeline.switches} switches of tasklets")
    ended_by = {span.tasklet.name for t in timeline.tasklets for span in t.spans if span.label == "Condition" and span.tasklet}
    print("on tasklets, waits for the condition were ended by:", *sorted(ended_by))


if len(sys.argv) > 1:
    main(sys.argv[1], tell=True)
else:
    with tempfile.TemporaryDirectory() as folder:
        main(folder, tell=False)
