# exit: -2
# out: finally of the tasklet
# out: finally of main
# err: KeyboardInterrupt
"""Ctrl-C while a tasklet computes: raised there, goes to main, ends the process as Python does."""
import signal

import stackless

# A shell that starts us in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


def f():
    try:
        signal.raise_signal(signal.SIGINT)
        for _ in range(1000):
            pass
    finally:
        print("finally of the tasklet", flush=True)


stackless.tasklet(f)()
try:
    stackless.run()
finally:
    print("finally of main", flush=True)
