# out: end of main
"""A trace function that is active in a tasklet suspended at exit."""
import sys

import stackless


def tracer(frame, event, arg):
    return tracer


def f():
    sys.settrace(tracer)
    stackless.schedule_remove(None)


t = stackless.tasklet(f)()
t.run()
print("end of main", flush=True)
