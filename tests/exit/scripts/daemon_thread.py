# out: end of main
"""A daemon thread with tasklets of its own, in the middle of things."""
import threading
import time

import stackless

ready = threading.Event()


def work():
    def f():
        stackless.schedule_remove(None)
    keep = [stackless.tasklet(f)() for _ in range(5)]
    stackless.run()
    ready.set()
    while keep:
        stackless.tasklet(len)("x")
        stackless.run()
        time.sleep(0.001)


threading.Thread(target=work, daemon=True).start()
ready.wait()
stackless.tasklet(stackless.schedule_remove)(None).run()
print("end of main", flush=True)
