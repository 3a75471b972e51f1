# out: end of main
# out: from a tasklet in atexit
# out: received 5
# quiet
"""Everything still works in atexit handlers."""
import atexit

import stackless


def handler():
    stackless.tasklet(print)("from a tasklet in atexit", flush=True)
    stackless.run()
    c = stackless.channel()
    stackless.tasklet(c.send)(5)
    print("received", c.receive(), flush=True)
    stackless.run()
    stackless.tasklet(c.receive)().run()


atexit.register(handler)
print("end of main", flush=True)
