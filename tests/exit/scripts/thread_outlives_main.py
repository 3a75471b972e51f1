# out: end of main
# out: thread done
# out: finally in the thread
# quiet
"""A thread that goes on after main's code has ended; its tasklets are killed when it ends."""
import threading
import time

import stackless


def f():
    try:
        stackless.schedule_remove(None)
    finally:
        print("finally in the thread", flush=True)


def work():
    t = stackless.tasklet(f)()
    t.run()
    time.sleep(0.2)
    print("thread done", flush=True)


threading.Thread(target=work).start()
print("end of main", flush=True)
