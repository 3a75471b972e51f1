# out: end of main
"""Weak reference callbacks and finalizers on tasklets at exit."""
import weakref

import stackless


def f():
    stackless.schedule_remove(None)


ts = [stackless.tasklet(f)() for _ in range(10)]
stackless.run()
refs = [weakref.ref(t, lambda r: stackless.runcount) for t in ts]
for t in ts:
    weakref.finalize(t, list)
print("end of main", flush=True)
