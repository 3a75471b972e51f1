"""Code that never yields, for the tests of time limits.

Nothing in those tests measures time. What must be interrupted would otherwise run for ever, and the test with it; what must
not be interrupted works for many times the limit first.
"""
import itertools
import threading
import time

import gossamer

SOON = 2000         # a limit, in units


def spin(units=SOON * 10):
    """Work for so many microseconds of CPU time, in Python."""
    end = time.thread_time() + units / 1e6
    while time.thread_time() < end:
        pass


def until_due(more=2000):
    """Work until a limit is reached, and a while longer: the interruption would come now."""
    while not gossamer._gossamer._stats()["due"]:
        pass
    spin(more)


def for_ever():
    while True:
        pass


def counting(n=0):
    while True:
        n += 1


def for_loop():
    for _ in itertools.count():
        pass


def raising():
    while True:
        try:
            raise ValueError
        except ValueError:
            pass


def generating():
    def numbers():
        while True:
            yield 1
    for _ in numbers():
        pass


def calling():
    def f(n):
        return f(n - 1) if n else 0
    while True:
        f(20)


def making():
    class Point:
        def __init__(self, x):
            self.x = x
    while True:
        Point(1)


def with_c_callbacks():
    while True:
        sorted([3, 1, 2], key=lambda x: -x)


def with_finally():
    while True:
        try:
            pass
        finally:
            pass


def interrupted(t, log):
    """Run until t is interrupted after it has come to its point, and has written that to log. On a loaded machine anybody may
    take long to get there."""
    victim = gossamer.run(SOON)
    while victim is not None and (victim is not t or not log):
        victim.insert()
        victim = gossamer.run(SOON)
    return victim is t


def end(tasklets):
    """Kill them without giving the others a turn: a kill continues in ring order."""
    for t in tasklets:
        if t.scheduled and not t.blocked:
            t.remove()
    for t in tasklets:
        t.kill()


HOGS = [for_ever, counting, for_loop, raising, generating, calling, making, with_c_callbacks, with_finally]


def in_new_thread(f):
    out = []

    def body():
        try:
            out.append((True, f()))
        except BaseException as e:
            out.append((False, e))
    th = threading.Thread(target=body)
    th.start()
    th.join(100)
    assert out
    if not out[0][0]:
        raise out[0][1]
    return out[0][1]


def end_all():
    """Whatever the test has left on this thread."""
    end([t for t in gossamer.tasklets() if not t.is_main and t.thread_id == threading.get_ident()])
    assert gossamer.runcount == 1
