# out: end of main
# out: started one ends
# quiet
"""Runnable ones are not run to completion; one that had started is killed, a fresh one never runs."""
import stackless


def f():
    try:
        while True:
            stackless.schedule(None)
    finally:
        print("started one ends", flush=True)


stackless.tasklet(f)()
stackless.schedule()
stackless.tasklet(print)("never")
print("end of main", flush=True)
