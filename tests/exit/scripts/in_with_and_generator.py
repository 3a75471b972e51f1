# out: end of main
# out: generator closed
# out: exit of with
# quiet
"""Generators and context managers of a suspended tasklet are closed in order."""
import contextlib

import stackless


@contextlib.contextmanager
def cm():
    try:
        yield
    finally:
        print("exit of with", flush=True)


def gen():
    try:
        yield stackless.schedule_remove(None)
    finally:
        print("generator closed", flush=True)


def f():
    with cm():
        for _ in gen():
            pass


t = stackless.tasklet(f)()
t.run()
print("end of main", flush=True)
