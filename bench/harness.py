"""Timing and memory of one sample, inside the process that is measured.

Times are CPU time of this process, so that a busy machine disturbs them less.
A short round is a few milliseconds: many of them, and the best one counts,
because noise only ever adds. Nothing here touches the garbage collector's
settings: every peer runs with the collector as CPython ships it.
"""

import gc
import time

ROUND_NS = 4_000_000  # long enough to hide the clock, short enough to fit between two interruptions


def now():
    return time.process_time_ns()


def rss_bytes():
    """Resident memory of this process, exactly (statm may lag by some pages a core)."""
    with open("/proc/self/smaps_rollup") as f:
        for line in f:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    raise OSError("no Rss line in /proc/self/smaps_rollup: a Linux kernel 4.14 or later is needed")


def short_rounds(work, per, budget_s, start=1, now=now):
    """Best and median time of one operation. work(n) does n * per of them.

    n doubles until a round is long enough, then rounds repeat until the budget
    is spent; at least five are made however slow the peer is.
    """
    n = start
    while True:
        begin = now()
        work(n)
        taken = now() - begin
        if taken >= ROUND_NS:
            break
        n *= 2
    times = []
    spent = 0
    while spent < budget_s * 1e9 or len(times) < 5:
        begin = now()
        work(n)
        taken = now() - begin
        spent += taken
        times.append(taken / (n * per))
    times.sort()
    return {"best": times[0], "median": times[len(times) // 2], "rounds": len(times), "ops_a_round": n * per}


def one_shot(work, n):
    """A workload that is too big to repeat: once, time for each of n."""
    begin = now()
    work(n)
    return {"best": (now() - begin) / n, "rounds": 1, "ops_a_round": n}


def blocked(create, wake, kill, n):
    """Memory of n blocked units, and CPU time to create, wake and finish, and kill them all.

    The units are made twice, because both ways to end them want a full set;
    memory and the time to create come from the first, in a fresh process.
    """
    gc.collect()
    before = rss_bytes()
    t0 = now()
    create()
    t1 = now()
    after = rss_bytes()
    t2 = now()
    wake()
    t3 = now()
    result = {"bytes": (after - before) / n, "create": (t1 - t0) / n, "wake": (t3 - t2) / n, "n": n}
    if kill is not None:
        create()
        t4 = now()
        kill()
        result["kill"] = (now() - t4) / n
    return result
