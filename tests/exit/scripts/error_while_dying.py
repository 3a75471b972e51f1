# out: end of main
# out: second
"""An error in a finally block at exit; the others are killed all the same."""
import stackless


def f():
    try:
        stackless.schedule_remove(None)
    finally:
        raise KeyError("while dying")


def g():
    try:
        stackless.schedule_remove(None)
    finally:
        print("second", flush=True)


a, b = stackless.tasklet(f)(), stackless.tasklet(g)()
stackless.run()
print("end of main", flush=True)
