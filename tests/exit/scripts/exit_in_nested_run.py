# exit: 8
# out: finally 0
# out: finally 1
# out: finally 2
# quiet
"""sys.exit() at the bottom of nested run() calls passes through all of them."""
import sys

import stackless


def level(n):
    if n == 0:
        sys.exit(8)
    try:
        stackless.tasklet(level)(n - 1)
        stackless.run()
    finally:
        print("finally", n - 1, flush=True)


stackless.tasklet(level)(3)
stackless.run()
