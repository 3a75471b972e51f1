# out: end of main
# out: finally
# quiet
"""A tasklet in a cycle with a module global."""
import stackless


class Thing:
    pass


thing = Thing()


def f(thing):
    try:
        thing.channel.receive()
    finally:
        print("finally", flush=True)


thing.channel = stackless.channel()
thing.tasklet = stackless.tasklet(f)(thing)
thing.thing = thing
stackless.run()
print("end of main", flush=True)
