# out: child: kept False
# out: child: kept True
# out: child has ended with 0
# quiet
"""fork() while another thread is inside a block: that thread does not exist in the child, nor what it needed."""
import os
import sys
import threading
import warnings

import gossamer

warnings.simplefilter("ignore", DeprecationWarning)
inside, over = threading.Event(), threading.Event()


def kept():
    return sys.getswitchinterval() > 0.5


def other():
    with gossamer.atomic():
        inside.set()
        over.wait()


thread = threading.Thread(target=other)
thread.start()
inside.wait()
old = sys.getswitchinterval()
pid = os.fork()
if pid == 0:
    print("child: kept", kept(), flush=True)
    with gossamer.atomic():
        print("child: kept", kept(), flush=True)
    os._exit(kept())
print("child has ended with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
over.set()
thread.join()
