"""Gossamer's benchmarks, beside greenlet, tealet, asyncio and Go in one run.

    python bench/run.py                        everything; under fifteen minutes
    python bench/run.py --quick                every workload once, small; under a minute
    python bench/run.py --workloads W1,W3      some of them (W3 means W3 and W3-all)
    python bench/run.py --markdown             the table for the README
    python bench/run.py --json results.json    all samples; --show results.json prints them again

Each sample is a fresh process on one core; the peers take turns, so that a
change of the machine's mood meets them all. See bench/README.md.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time

import report
import suite
import tools


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small sample of each; for a smoke test, not for figures")
    parser.add_argument("--workloads", default="", metavar="W1,W3", help="only these (a name or the beginning of names)")
    parser.add_argument("--peers", default="", metavar="A,B", help="only these, Gossamer always among them")
    parser.add_argument("--samples", type=int, default=0, metavar="K", help="processes for each row and peer")
    parser.add_argument("--cpu", type=int, default=None, metavar="N", help="which core (default: the last one allowed)")
    parser.add_argument("--json", metavar="FILE", help="write every sample here")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table instead of blocks")
    parser.add_argument("--show", metavar="FILE", help="measure nothing: print what --json has saved")
    parser.add_argument("--check", action="store_true", help="fail when a must of bench/targets.py does not hold")
    return parser.parse_args()


def find_peers(rows, wanted):
    """-> {peer: (command, version)}, {peer: why it is left out}."""
    found, missing = {}, {}
    for name in suite.PYTHON_PEERS:
        if not any(name in row.peers for row in rows if row not in suite.C_ROWS) or not wanted(name):
            continue
        version, why = tools.version_of_python_peer(name)
        if version:
            found[name] = ([sys.executable, "-P", str(tools.BENCH / "sample.py"), name], version)
        else:
            missing[name] = why
    if any("go" in row.peers for row in rows) and wanted("go"):
        command, why = tools.build_go()
        if command:
            found["go"] = (command, tools.go_version())
        else:
            missing["go"] = why
    return found, missing


def find_c_peers(rows):
    """-> {peer: (command, version)}, {peer: why it is left out}, for the C rows."""
    if not any(row in suite.C_ROWS for row in rows):
        return {}, {}
    command, boost, why = tools.build_c()
    if command is None:
        return {}, {"the C core": why}
    found = {name: ([*command, name], "") for name in ("gossamer", "ucontext")}
    if boost:
        found["boost"] = ([*command, "boost"], "")
    return found, {}


def command_of(row, peer, program, quick):
    """The sample's command line; Go and C parse the same long options."""
    mode = row.quick if quick else row.full
    command = [*program, row.workload]
    if mode.budget:
        command += ["--budget", str(mode.budget)]
    if row.units:
        command += ["--units", str(row.units)]
    if mode.n:
        command += ["--n", str(row.n_of(peer, quick))]
    if row.stack:
        command += ["--stack", str(row.stack)]
    if row.depth:
        command += ["--depth", str(row.depth)]
    return command


class Progress:
    """One line on standard error that says what is being measured."""

    def __init__(self):
        self.live = sys.stderr.isatty()

    def show(self, text):
        if self.live:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def clear(self):
        self.show("")


def one_sample(command, environment):
    """-> (dict, None) or (None, why)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    except subprocess.TimeoutExpired:
        return None, "took more than 300 s"
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        return None, f"{how}: {said[-1] if said else 'no output'}"
    return json.loads(done.stdout.splitlines()[-1]), None


def measure(row, programs, args, progress):
    """-> {peer: Result}, {peer: why it failed}. The peers take turns, sample by sample."""
    mode = row.quick if args.quick else row.full
    samples, failures = {}, {}
    peers = [peer for peer in row.peers if peer in programs]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    for turn in range(args.samples or mode.samples):
        for peer in peers:
            most = mode.slow_samples if mode.slow_samples and peer in suite.SLOW else mode.samples
            if peer in failures or (turn >= most and not args.samples):
                continue
            progress.show(f"{row.id}  {peer}  sample {turn + 1}")
            result, why = one_sample(command_of(row, peer, programs[peer][0], args.quick), environment)
            if why:
                failures[peer] = why
                samples.pop(peer, None)
            else:
                samples.setdefault(peer, []).append(result)
    progress.clear()
    return {peer: report.Result(samples[peer], row.n_of(peer, args.quick)) for peer in peers if peer in samples}, failures


def command_line(args):
    """What a reader types for the same figures: without the options that only say where they go."""
    words = ["python bench/run.py"]
    words += ["--quick"] * args.quick
    for name in ("workloads", "peers", "samples"):
        if getattr(args, name):
            words += [f"--{name}", str(getattr(args, name))]
    return " ".join(words)


def describe(args, peers):
    versions = [f"CPython {platform.python_version()}"]
    versions += [f"{name} {version}" for name, (_, version) in peers.items() if name not in tools.STANDARD]
    versions.append(tools.c_compiler_version())
    revision = tools.source_revision()
    return {
        "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
        "machine": f"{tools.processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}",
        "command": command_line(args),
        "versions": ", ".join(versions) + (f", commit {revision}" if revision else ""),
        "cpu": args.cpu,
        "quick": args.quick,
    }


def save(path, meta, all_results):
    rows = {
        row: {peer: {"n": result.n, "samples": result.samples} for peer, result in results.items()}
        for row, results in all_results.items()
    }
    with open(path, "w") as f:
        json.dump({"meta": meta, "rows": rows}, f, indent=1)


def load(path):
    """-> meta, {row id: {peer: Result}}"""
    with open(path) as f:
        saved = json.load(f)
    rows = {
        row: {peer: report.Result(one["samples"], one["n"]) for peer, one in results.items()}
        for row, results in saved["rows"].items()
    }
    return saved["meta"], rows


def heading(meta, paint):
    print(f"{paint.bold('Gossamer bench')}  {meta['date']}  {meta['machine']}, core {meta['cpu']}")
    print(meta["versions"])
    print(paint.dim("minimum over fresh processes, first and third quartile; each the best of many short rounds, CPU time"))
    if meta["quick"]:
        print(paint.bad("--quick: a smoke test; do not quote these figures"))


def verdict(rows, all_results):
    """-> the musts that were judged, and the missed ones as text."""
    judged = [(row, limit, holds) for row in rows for limit, holds in report.judge(row, all_results.get(row.id, {}))]
    musts = [one for one in judged if one[1].level == "must"]
    return musts, [f"{row.id} {limit.text()}" for row, limit, holds in musts if not holds]


def show_saved(args, rows, paint):
    meta, all_results = load(args.show)
    if args.markdown:
        print(report.markdown(rows, all_results, meta))
        return
    heading(meta, paint)
    for row in rows:
        if all_results.get(row.id):
            print("\n" + report.terminal_row(row, all_results[row.id], {}, paint))


def main():
    args = arguments()
    rows = suite.select([name for name in args.workloads.split(",") if name])
    only = {name for name in args.peers.split(",") if name}
    if unknown := only - set(suite.ANY):
        raise SystemExit(f"bench: no peer {', '.join(sorted(unknown))}; there are {', '.join(suite.ANY)}")
    paint = report.Paint(sys.stdout.isatty() and not args.markdown and "NO_COLOR" not in os.environ)
    if args.show:
        return show_saved(args, rows, paint)

    started = time.monotonic()
    peers, missing = find_peers(rows, lambda name: not only or name == "gossamer" or name in only)
    c_peers, c_missing = find_c_peers(rows)
    if args.cpu is None:
        args.cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {args.cpu})  # the samples inherit it; the builds above used every core
    meta = describe(args, peers)
    for name, why in {**missing, **c_missing}.items():
        print(f"== {name} is left out: {why}", file=sys.stderr)
    if not args.markdown:
        heading(meta, paint)

    progress = Progress()
    all_results, failed = {}, 0
    for row in rows:
        results, failures = measure(row, c_peers if row in suite.C_ROWS else peers, args, progress)
        failed += len(failures)
        if failures and args.markdown:
            print(f"== {row.id}: {failures}", file=sys.stderr)
        if not results and not failures:
            continue
        all_results[row.id] = results
        if not args.markdown:
            print("\n" + report.terminal_row(row, results, failures, paint), flush=True)

    musts, missed = verdict(rows, all_results)
    if args.markdown:
        print(report.markdown(rows, all_results, meta))
    else:
        end = f"{len(musts) - len(missed)} of {len(musts)} musts hold" + (f"; missed: {', '.join(missed)}" if missed else "")
        print(f"\n{time.monotonic() - started:.0f} s; {end}")
    if args.json:
        save(args.json, meta, all_results)
    if failed:
        raise SystemExit(f"bench: {failed} samples failed (see above)")
    if args.check and missed:
        raise SystemExit(2)


if __name__ == "__main__":
    main()
