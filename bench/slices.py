"""Time limits: what they cost the switches, and how soon a tasklet that never yields is interrupted.

The switches are those of W1, with a limit that nobody reaches. An interruption is measured in real time: the timekeeper has to
wake up for it, and the one core that a sample has must be given to it.
"""

import time

import gossamer
import harness

LIMIT_US = 1000


def armed(work):
    """The same work with turns by force switched on, every ten milliseconds: tasklets that switch are never interrupted."""

    def limited(n):
        gossamer.set_preemption(10_000)
        work(n)
        gossamer.set_preemption(None)

    return limited


def runs(limited):
    def nothing():
        pass

    def work(n):
        for _ in range(n):
            gossamer.tasklet(nothing)()
            if limited:
                gossamer.run(quantum_us=10_000)
            else:
                gossamer.run()

    return work


def interruptions(budget_s):
    """Microseconds from the limit until run() has returned the tasklet."""

    def hog():
        while True:
            pass

    t = gossamer.tasklet(hog)()
    late = []
    end = time.monotonic() + budget_s
    while time.monotonic() < end or len(late) < 20:
        begin = time.monotonic_ns()
        victim = gossamer.run(quantum_us=LIMIT_US)
        late.append((time.monotonic_ns() - begin) / 1000 - LIMIT_US)
        victim.insert()
    t.remove()
    t.kill()
    late.sort()
    return {"best": late[len(late) // 2], "median": late[len(late) // 2], "longest": late[-1], "rounds": len(late), "ops_a_round": 1}


WORK = ("switch", "run", "plain-run", "interrupt")


def measure(name, peer, budget):
    if name == "switch":
        return harness.short_rounds(armed(peer.switching(2)), 2, budget, start=64)
    if name == "interrupt":
        return interruptions(budget)
    return harness.short_rounds(runs(name == "run"), 1, budget, start=64)
