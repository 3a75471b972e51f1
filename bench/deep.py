"""W6: recursion that returns to Python through C at each level, on a thread with a small stack.

    python bench/deep.py                    the table: how deep each way gets, and how it ends
    python bench/sample.py gossamer W6-sorted --stack 64 --n 10000

For the table each case is a process of its own, since plain CPython ends in a crash.
"""

import argparse
import functools
import json
import resource
import subprocess
import sys
import threading

import harness

STACKS = (64, 256, 1024)  # KiB
LIMIT = 50_000  # of recursion, in the table


def through_sorted(n):
    def key(n):
        if n:
            sorted((n - 1,), key=key)
        return 0

    return key(n)


def through_partial(n):
    def step(n):
        return n and again(n - 1)

    again = functools.partial(step)
    return step(n)


def through_getattr(n):
    class Deep:
        def __getattr__(self, name):
            n = int(name[1:])
            return n and getattr(self, "a%d" % (n - 1))

    return getattr(Deep(), "a%d" % n)


def through_json(n):
    class Nest:
        def __init__(self, n):
            self.n = n

    def default(nest):  # a level of the encoder for each, as for any nested object that json does not know
        return json.dumps(Nest(nest.n - 1), default=default) and 0 if nest.n else 0

    return json.dumps(Nest(n), default=default) and 0


WAYS = {"sorted": through_sorted, "partial": through_partial, "getattr": through_getattr, "json": through_json}


def on_thread(kib, function):
    """function() on a thread with so much stack."""
    outcome = []
    threading.stack_size(kib * 1024)
    thread = threading.Thread(target=lambda: outcome.append(function()))
    thread.start()
    thread.join()
    return outcome[0]


def levels(way, kib, n):
    """Memory and time of n levels on a stack of so many KiB, which plain CPython does not survive."""
    import gossamer

    sys.setrecursionlimit(10 * n)

    def body():
        with gossamer.deep_stack():
            way(50)
            before = peak_bytes()
            t0 = harness.now()
            way(n)
            t1 = harness.now()
            return {"bytes": (peak_bytes() - before) / n, "level": (t1 - t0) / n, "n": n}

    return on_thread(kib, body)


def peak_bytes():
    """The most that was resident so far: segments are given back on the way up."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def calls(armed):
    """work(n) calls a Python function n times: what arming costs."""

    def function(x):
        return x

    def work(n):
        for i in range(n):
            function(i)

    if not armed:
        return work
    import gossamer

    return gossamer.deep_stack()(work)


# ---- the table ----


def attempt(name, kib, n, deep):
    """One case, in this process: prints the depth that was reached, or dies."""
    way = WAYS[name]
    sys.setrecursionlimit(LIMIT)

    def body():
        try:
            way(n)
            return "result"
        except RecursionError:
            return "RecursionError"

    def armed():
        import gossamer

        with gossamer.deep_stack():
            return body()

    print(on_thread(kib, armed if deep else body))


def ending(name, kib, n, deep):
    command = [sys.executable, __file__, "--attempt", name, str(kib), str(n), str(int(deep))]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "crash"


def deepest(name, kib, deep):
    """-> (levels, how the next one ends), by doubling and halving."""
    good, bad, end = 0, 1, None
    while (how := ending(name, kib, bad, deep)) == "result":
        good, bad = bad, bad * 2
    end = how
    while bad - good > max(1, good // 100):
        middle = (good + bad) // 2
        how = ending(name, kib, middle, deep)
        if how == "result":
            good = middle
        else:
            bad, end = middle, how
    return good, end


def table():
    print(f"| through | stack | plain CPython {sys.version.split()[0]} | Gossamer, recursion limit {LIMIT:,} |")
    print("|---|--:|---|---|")
    for name in WAYS:
        for kib in STACKS:
            plain, ours = deepest(name, kib, False), deepest(name, kib, True)
            print(f"| {name} | {kib} KiB | {plain[0]:,}, then {plain[1]} | {ours[0]:,}, then {ours[1]} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attempt", nargs=4, metavar=("WAY", "KIB", "N", "DEEP"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.attempt:
        name, kib, n, deep = args.attempt
        attempt(name, int(kib), int(n), int(deep))
    else:
        table()


if __name__ == "__main__":
    main()
