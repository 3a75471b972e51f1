# out: end of main
# out: finally of the blocked one
# quiet
"""A tasklet blocked in a receive gets TaskletExit, and its finally block runs."""
import stackless

c = stackless.channel()


def f():
    try:
        c.receive()
    finally:
        print("finally of the blocked one", flush=True)


stackless.tasklet(f)()
stackless.run()
print("end of main", flush=True)
