# out: end of main
# out: released
# quiet
"""A blocked tasklet that holds locks, one of them needed at exit."""
import atexit
import sys
import threading

import stackless

lock, rlock = threading.Lock(), threading.RLock()


def f():
    with lock, rlock:
        try:
            stackless.channel().receive()
        finally:
            print("released", flush=True)


atexit.register(lambda: sys.stdout.flush())
stackless.tasklet(f)()
stackless.run()
assert lock.locked()
print("end of main", flush=True)
