# out: end of main
# out: atexit 30
# out: del 30
# quiet
"""Armed to the very end: recursion in atexit functions and in destructors of the last objects."""
import atexit

import gossamer

gossamer.set_spill(0)


def depth(n, sort=sorted):
    deepest = [0]

    def key(m):
        deepest[0] += 1
        if m:
            sort((m - 1,), key=key)
        return 0
    key(n - 1)
    return deepest[0]


class Last:
    def __del__(self, depth=depth, print=print):
        print("del", depth(30), flush=True)


last = Last()
atexit.register(lambda: print("atexit", depth(30), flush=True))
print("end of main", flush=True)
