# out: end of main
# out: dying
"""A dying one starts another and schedules; each gets one TaskletExit, so it is left there."""
import stackless


def f():
    try:
        stackless.schedule_remove(None)
    finally:
        print("dying", flush=True)
        stackless.tasklet(len)("new")
        stackless.schedule(None)


t = stackless.tasklet(f)()
t.run()
print("end of main", flush=True)
