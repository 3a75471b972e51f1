# out: child of a block: atomic True, kept True
# out: child after it: atomic False, kept False
# out: child: another block, and a thread beside it
# out: child has ended with 0
# out: parent of a block: atomic True, kept True
# quiet
"""fork() inside a block: the child is inside as well, with a ticker of its own, and leaves it."""
import os
import sys
import threading
import time
import warnings

import gossamer

warnings.simplefilter("ignore", DeprecationWarning)     # from 3.12 on, for the ticker is a thread


def show(what):
    print("%s: atomic %s, kept %s" % (what, gossamer.current.atomic, sys.getswitchinterval() > 0.5), flush=True)


# The ticker's thread must be up before the fork: the address sanitizer's allocator does not survive one that happens while
# another thread begins, and the child would hang in it.
with gossamer.atomic():
    time.sleep(0.2)

with gossamer.atomic():
    pid = os.fork()
    if pid == 0:
        show("child of a block")
if pid == 0:
    show("child after it")
    with gossamer.atomic():
        thread = threading.Thread(target=print, args=("child: another block, and a thread beside it",), kwargs={"flush": True})
        thread.start()
        thread.join()
    sys.exit(0)
with gossamer.atomic():
    print("child has ended with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    sys.stdout.flush()
with gossamer.atomic():
    show("parent of a block")
