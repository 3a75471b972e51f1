# exit: 3
# out: finally, atomic: True
# out: atexit: False
# quiet
"""sys.exit() inside a block, beside threads that do not stop."""
import atexit
import sys
import threading

import gossamer


def hot():
    while True:
        pass


for _ in range(2):
    threading.Thread(target=hot, daemon=True).start()
atexit.register(lambda: print("atexit:", gossamer.current.atomic))
with gossamer.atomic():
    try:
        sys.exit(3)
    finally:
        print("finally, atomic:", gossamer.current.atomic)
