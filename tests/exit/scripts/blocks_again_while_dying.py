# out: end of main
# out: dying
"""One that blocks once more in its finally block, with nobody left to wake it."""
import stackless

c = stackless.channel()


def f():
    try:
        c.receive()
    finally:
        print("dying", flush=True)
        c.receive()


stackless.tasklet(f)()
stackless.run()
print("end of main", flush=True)
