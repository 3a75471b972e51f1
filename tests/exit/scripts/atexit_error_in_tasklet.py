# out: end of main
# out: second handler
# err: ZeroDivisionError
"""An error of a tasklet in an atexit handler is that handler's own; the next one runs."""
import atexit

import stackless


def bad():
    1 / 0


def handler():
    stackless.tasklet(bad)()
    stackless.run()


atexit.register(print, "second handler", flush=True)
atexit.register(handler)
print("end of main", flush=True)
