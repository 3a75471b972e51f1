# out: thread of the child: True
# out: child has ended with 0
# out: thread of the parent: True
# quiet
"""fork() inside a block, on a thread that becomes the main thread of the child."""
import os
import sys
import threading
import warnings

import gossamer

warnings.simplefilter("ignore", DeprecationWarning)


def body():
    with gossamer.atomic():
        pid = os.fork()
        if pid == 0:
            print("thread of the child:", gossamer.current.atomic, flush=True)
    if pid == 0:
        os._exit(gossamer.current.atomic or sys.getswitchinterval() > 0.5)
    print("child has ended with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    with gossamer.atomic():
        print("thread of the parent:", gossamer.current.atomic)


thread = threading.Thread(target=body)
thread.start()
thread.join()
