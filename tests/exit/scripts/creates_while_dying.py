# out: end of main
# out: dying
"""A dying one starts another and schedules."""
import stackless


def f():
    try:
        stackless.schedule_remove(None)
    finally:
        stackless.tasklet(len)("new")
        stackless.schedule(None)
        print("dying", flush=True)


t = stackless.tasklet(f)()
t.run()
print("end of main", flush=True)
