# out: end of main
# out: atexit: t is paused True
# out: tasklet ends
# quiet
"""atexit handlers come first, while everything still works; then the tasklets are killed."""
import atexit

import stackless


def f():
    try:
        stackless.schedule_remove(None)
    finally:
        print("tasklet ends", flush=True)


def handler():
    print("atexit: t is paused", t.paused, flush=True)


atexit.register(handler)
t = stackless.tasklet(f)()
t.run()
print("end of main", flush=True)
