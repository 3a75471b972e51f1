# out: atexit, early True
# out: del True
# quiet
"""Blocks in atexit functions and in destructors, where the ticker may be gone already."""
import atexit
import threading


def early():        # registered before gossamer is: runs after it has cleaned up
    with gossamer.atomic():
        print("atexit, early", gossamer.current.atomic)


atexit.register(early)
import gossamer


class Late:
    def __del__(self, atomic=gossamer.atomic, current=gossamer.getcurrent, print=print):
        with atomic():
            print("del", current().atomic)


late = Late()
late.itself = late      # left to the last collection
with gossamer.atomic():
    pass
