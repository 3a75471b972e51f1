# exit: 5
# out: finally in main
# out: finally in the tasklet
# quiet
"""sys.exit() deep in segments of main, while a tasklet waits deep in its own."""
import sys

import gossamer
import stackless

gossamer.set_spill(0)


def wait(n):
    if n:
        sorted((n - 1,), key=wait)
    else:
        try:
            stackless.schedule_remove(None)
        finally:
            print("finally in the tasklet", flush=True)
    return 0


def leave(n):
    if n:
        sorted((n - 1,), key=leave)
    else:
        try:
            sys.exit(5)
        finally:
            print("finally in main", flush=True)
    return 0


keep = gossamer.spawn(wait, 20)
gossamer.run()
leave(20)
