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


f = gossamer.spawn(forker)
me = os.getpid()
gossamer.set_preemption(500)
victim = gossamer.run(timeout=2000)
print("parent" if os.getpid() == me else "child", victim is not f and victim.alive)
sys.stdout.flush()
victim.kill()
