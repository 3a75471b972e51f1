# out: 5
# quiet
"""The first import of the module happens in an atexit handler."""
import atexit


def handler():
    import stackless
    c = stackless.channel()
    stackless.tasklet(c.send)(5)
    print(c.receive(), flush=True)
    stackless.run()


atexit.register(handler)
