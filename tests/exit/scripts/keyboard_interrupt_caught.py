# out: caught by the tasklet
# out: end
# quiet
"""Ctrl-C that a tasklet catches ends nothing."""
import signal

import stackless

# A shell that starts us in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


def f():
    try:
        signal.raise_signal(signal.SIGINT)
        for _ in range(1000):
            pass
    except KeyboardInterrupt:
        print("caught by the tasklet", flush=True)


stackless.tasklet(f)()
stackless.run()
print("end", flush=True)
