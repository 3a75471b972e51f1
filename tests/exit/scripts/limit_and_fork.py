# out: child True
# out: parent True
# quiet
"""Both sides of a fork keep their limits; the child needs a timekeeper of its own."""
import os
import sys
import warnings

import gossamer


warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of fork with threads; the timekeeper is one


def hog():
    while True:
        pass


def forker():
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    t = gossamer.spawn(hog)
    gossamer.schedule_remove(None)
    print("child" if not pid else "parent", "never")


# The timekeeper's thread must be up before the fork: the address sanitizer's allocator does not survive one that
# happens while another thread begins, and the child would hang in it.
first = gossamer.spawn(hog)
assert gossamer.run(timeout=2000) is first
first.kill()

f = gossamer.spawn(forker)
me = os.getpid()
gossamer.set_preemption(500)
victim = gossamer.run(timeout=100_000)  # us of CPU time; fork alone takes several thousand under a sanitizer
print("parent" if os.getpid() == me else "child", victim is not f and victim.alive)
sys.stdout.flush()
victim.kill()
