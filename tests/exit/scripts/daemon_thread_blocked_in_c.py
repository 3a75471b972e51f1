# out: end of main
"""A daemon thread whose tasklet sits in a blocking C call."""
import threading

import stackless

ready, never = threading.Event(), threading.Event()


def work():
    def f():
        ready.set()
        never.wait()
    stackless.tasklet(f)()
    stackless.run()


threading.Thread(target=work, daemon=True).start()
ready.wait()
print("end of main", flush=True)
