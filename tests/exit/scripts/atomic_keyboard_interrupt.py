# exit: -2
# out: interrupted, atomic: True
# out: outside, atomic: False
# err: KeyboardInterrupt
"""SIGINT inside a block: the handler runs there, the error leaves it."""
import os
import signal

import gossamer

signal.signal(signal.SIGINT, signal.default_int_handler)      # a shell that starts us in the background ignores it
try:
    with gossamer.atomic():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                pass
        except KeyboardInterrupt:
            print("interrupted, atomic:", gossamer.current.atomic)
            raise
finally:
    print("outside, atomic:", gossamer.current.atomic, flush=True)
