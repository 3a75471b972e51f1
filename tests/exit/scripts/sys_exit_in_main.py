# exit: 3
# out: finally
# quiet
"""sys.exit(3) in main while others are blocked."""
import sys

import stackless


def f():
    try:
        stackless.channel().receive()
    finally:
        print("finally", flush=True)


stackless.tasklet(f)()
stackless.run()
sys.exit(3)
