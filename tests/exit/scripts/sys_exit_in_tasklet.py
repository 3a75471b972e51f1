# exit: 7
# out: finally of main
# out: atexit
# out: finally of the other
# quiet
"""SystemExit goes to main like other errors, so its status is kept."""
import atexit
import sys

import stackless


def other():
    try:
        stackless.channel().receive()
    finally:
        print("finally of the other", flush=True)


atexit.register(print, "atexit", flush=True)
stackless.tasklet(other)()
stackless.tasklet(sys.exit)(7)
try:
    stackless.run()
finally:
    print("finally of main", flush=True)
