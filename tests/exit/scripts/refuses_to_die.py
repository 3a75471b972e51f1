# out: end of main
"""One that catches every TaskletExit must not keep the process from ending."""
import stackless


def f():
    while True:
        try:
            stackless.schedule_remove(None)
        except TaskletExit:
            pass


t = stackless.tasklet(f)()
t.run()
print("end of main", flush=True)
