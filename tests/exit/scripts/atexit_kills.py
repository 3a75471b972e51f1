# out: end of main
# out: killed in atexit
# quiet
"""A handler that kills everybody itself leaves nothing for the end."""
import atexit

import gossamer
import stackless


def f():
    try:
        stackless.schedule_remove(None)
    finally:
        print("killed in atexit", flush=True)


def handler():
    for t in gossamer.tasklets():
        if not t.is_main:
            t.kill()


atexit.register(handler)
t = stackless.tasklet(f)()
t.run()
print("end of main", flush=True)
