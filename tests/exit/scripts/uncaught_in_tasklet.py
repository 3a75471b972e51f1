# exit: 1
# out: finally of the blocked
# err: in bad
# err: ZeroDivisionError
"""An uncaught error of a tasklet comes out of main's run() and ends the program."""
import stackless


def blocked():
    try:
        stackless.channel().receive()
    finally:
        print("finally of the blocked", flush=True)


def bad():
    1 / 0


stackless.tasklet(blocked)()
stackless.tasklet(bad)()
stackless.run()
