# out: deep
# out: end of main
# quiet
"""A daemon thread that sits deep in segments, in main and in a tasklet of its own, when the process ends."""
import threading

import gossamer
import stackless

gossamer.set_spill(0)
there = threading.Event()


def stay(n):
    if n:
        sorted((n - 1,), key=stay)
    else:
        print("deep", flush=True)
        there.set()
        threading.Event().wait()
    return 0


def park(n):
    if n:
        sorted((n - 1,), key=park)
    else:
        stackless.schedule_remove(None)
    return 0


def body():
    gossamer.spawn(park, 5)
    gossamer.run()
    stay(10)


threading.stack_size(64 * 1024)
threading.Thread(target=body, daemon=True).start()
there.wait()
print("end of main", flush=True)
