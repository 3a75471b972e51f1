# exit: 4
# out: now
# quiet
"""os._exit() asks nobody."""
import atexit
import os

import stackless


def f():
    try:
        print("now", flush=True)
        os._exit(4)
    finally:
        print("never", flush=True)


atexit.register(print, "never", flush=True)
stackless.tasklet(f)()
stackless.run()
