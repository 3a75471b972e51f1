# exit: -2
# out: finally of main
# err: KeyboardInterrupt
"""Ctrl-C while everybody sleeps."""
import os
import signal
import threading

import gossamer

# A shell that starts us in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

gossamer.spawn(gossamer.sleep, 60)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    gossamer.run()
finally:
    print("finally of main", flush=True)
