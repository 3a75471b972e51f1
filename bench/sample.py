"""One sample: one workload on one peer in this process. Prints one line of JSON.

    python bench/sample.py gossamer W2a
    python bench/sample.py greenlet W4 --n 100000 --depth 5

bench/run.py starts it; by hand it is the thing to put under perf or callgrind.
"""

import argparse
import importlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import crossing
import deep
import harness
import slices
import syncs

WORKLOADS = "W1 W2a W2a0 W2b W3 W3all W4 W5 Tatomic " + " ".join(f"W6-{name}" for name in deep.WAYS) + " calls "
WORKLOADS += " ".join(f"S-{name}" for name in syncs.WORK) + " " + " ".join(f"L-{name}" for name in slices.WORK)
WORKLOADS += " wake leaving "
WORKLOADS += " ".join(f"X-{name}" for name in crossing.WORK) + " X2-messages"


def measure(peer, args):
    name = args.workload
    if name == "W1":
        return harness.short_rounds(peer.switching(args.units), args.units, args.budget, start=64)
    if name == "W2a":
        return harness.short_rounds(peer.one_way(), 1, args.budget, start=64)
    if name == "W2a0":
        return harness.short_rounds(peer.one_way(preference=0), 1, args.budget, start=64)
    if name == "W2b":
        return harness.short_rounds(peer.ping_pong(), 2, args.budget, start=64)
    if name == "W3":
        return harness.short_rounds(peer.spawn_batches(1000), 1000, args.budget)
    if name == "W3all":
        return harness.one_shot(peer.spawn_all(), args.n)
    if name == "W4":
        return harness.blocked(*peer.blocked(args.n, args.depth), args.n)
    if name == "W5":
        return harness.short_rounds(peer.ring(args.units), args.units, args.budget)
    if name == "Tatomic":
        return harness.short_rounds(peer.blocks(), 1, args.budget, start=64)
    if name.startswith("S-") and name[2:] in syncs.WORK:
        return harness.short_rounds(syncs.work(name[2:], args.peer), 1, args.budget, start=64)
    if name.startswith("L-") and name[2:] in slices.WORK:
        return slices.measure(name[2:], peer, args.budget)
    if name.startswith("X-") and name[2:] in crossing.WORK:
        return harness.short_rounds(crossing.WORK[name[2:]](args.peer), crossing.PER.get(name[2:], 1), args.budget, start=64)
    if name == "X2-messages":
        crossing.use_all_cores()
        return harness.short_rounds(crossing.round_trips(args.peer), 2, args.budget, start=64, now=time.monotonic_ns)
    if name == "wake":
        return crossing.wake_up(args.peer, args.budget, timeout=100)
    if name == "leaving":
        return harness.short_rounds(crossing.leaving(args.units), args.units, args.budget)
    if name == "calls":
        return harness.short_rounds(deep.calls(args.peer == "gossamer"), 1, args.budget, start=4096)
    if name.startswith("W6-") and name[3:] in deep.WAYS:
        return deep.levels(deep.WAYS[name[3:]], args.stack, args.n)
    raise SystemExit(f"sample.py: no workload {name!r}; there are {WORKLOADS}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", help="gossamer, greenlet, tealet, asyncio or threading; plain: CPython alone (calls)")
    parser.add_argument("workload", help=WORKLOADS)
    parser.add_argument("--budget", type=float, default=0.5, help="seconds of short rounds (W1 W2 W3 W5 T S X wake leaving calls)")
    parser.add_argument("--units", type=int, default=2, help="how many take part (W1, W5, leaving)")
    parser.add_argument("--n", type=int, default=100_000, help="how many in all (W3all, W4)")
    parser.add_argument("--depth", type=int, default=1, choices=(1, 5), help="Python call depth of the blocked (W4)")
    parser.add_argument("--stack", type=int, default=64, help="KiB of stack of the thread (W6)")
    args = parser.parse_args()
    peer = None if args.peer == "plain" else importlib.import_module(f"peers.{args.peer}_peer")
    print(json.dumps(measure(peer, args)), flush=True)
    os._exit(0)  # tearing down a million units is not measured, and asyncio would complain about its pending tasks


if __name__ == "__main__":
    main()
