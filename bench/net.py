"""Blocking sockets in tasklets beside event loops, gevent, threads, Go and plain C: a minimal HTTP responder, in one run.

    python bench/net.py                  everything; some five minutes
    python bench/net.py --quick          a smoke test, not for figures
    python bench/net.py --peers gossamer,gevent
    python bench/net.py --markdown       the table for the documentation
    python bench/net.py --json FILE      every sample
    python bench/net.py --check          exit code 2 when a must does not hold

The server runs on one core (--cpu), the load (bench/net/netbench.c, 50 connections, each asks anew when it has its answer)
on another.  The figure is CPU time of the server, of all its threads, by the kernel's account, divided by requests: requests
a second say more about the load generator.  It contains the kernel's own work, about what the C server takes.  Peers take
turns, round by round; the figure is the minimum of all rounds, since other work on the machine only adds; latencies are
medians of rounds.  Bytes an idle connection: growth of the server's resident memory when 10,000 connections have been opened
and have asked once.  Peers that are not installed (bench/requirements-net.txt, Go, a C compiler) are left out with a word.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time

import tools

HERE = pathlib.Path(__file__).resolve().parent / "net"
PYTHON_PEERS = ("gossamer", "gevent", "asyncio protocol", "asyncio streams", "uvloop protocol", "uvloop streams", "threads")
MODULES = {"gevent": "gevent", "uvloop": "uvloop"}
IDLE_MOST = {"threads": 1000}  # more threads than that are not what anybody does
# (level, figure, the peer that it is compared with or None, the factor or the bound)
TARGETS = (
    ("must", "cpu_us", "gevent", 0.6),
    ("must", "cpu_us", "asyncio protocol", 1.0),
    ("aim", "cpu_us", "C epoll", 1.2),
    ("aim", "cpu_us", "uvloop protocol", 1.0),
    ("must", "idle_bytes", None, 3000),
    ("aim", "idle_bytes", None, 1700),
    ("must", "p99_us", "Go", 1.5),
)
NAMES = {"cpu_us": "CPU us a request", "idle_bytes": "bytes an idle connection", "p99_us": "p99 latency"}


def build():
    """-> {peer: command}, the load generator's command; says who is missing, and why."""
    commands, missing = {}, {}
    cc = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    tools.OUT.mkdir(parents=True, exist_ok=True)
    load = tools.OUT / "netbench"
    trouble = tools.run_quietly([cc, "-O2", "-Wall", "-o", str(load), str(HERE / "netbench.c")]) if cc else "there is no C compiler here"
    if trouble:
        sys.exit(f"the load generator cannot be built: {trouble}")
    commands["C epoll"] = [str(load), "serve"]
    go = shutil.which("go")
    server = tools.OUT / "netserver"
    trouble = tools.run_quietly([go, "build", "-o", str(server), "."], cwd=HERE / "go") if go else "there is no `go` command here"
    if trouble:
        missing["Go"] = trouble
    else:
        commands["Go"] = [str(server)]
    for peer in PYTHON_PEERS:
        module = MODULES.get(peer.split()[0])
        trouble = module and tools.run_quietly([sys.executable, "-P", "-c", f"import {module}"])
        if trouble:
            missing[peer] = trouble.splitlines()[-1]
        else:
            commands[peer] = [sys.executable, str(HERE / "servers.py"), peer]
    return commands, missing, str(load)


def cpu_ns(pid):
    """Of all its threads, those that have ended included: the clock that clock_getcpuclockid() names."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def resident(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Rss:"))


class Server:
    def __init__(self, command, cpu):
        environment = {**os.environ, "GOMAXPROCS": "1"}
        self.process = subprocess.Popen(["taskset", "-c", str(cpu), *command], stdout=subprocess.PIPE, text=True, env=environment)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise RuntimeError(f"{command} has not started")
        self.port, self.pid = line.strip(), self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def throughput(command, load, options):
    with Server(command, options.cpu) as server:
        pinned = ["taskset", "-c", str(options.load_cpu), load, "load", server.port, str(options.connections)]
        subprocess.run([*pinned, "0.3"], check=True, stdout=subprocess.DEVNULL)
        before = cpu_ns(server.pid)
        done = subprocess.run([*pinned, str(options.seconds)], check=True, stdout=subprocess.PIPE, text=True)
        used = cpu_ns(server.pid) - before
    sample = json.loads(done.stdout)
    sample["cpu_us"] = used / 1000 / sample["requests"]
    return sample


def idle(command, load, options, most):
    count = min(options.idle, most)
    with Server(command, options.cpu) as server:
        subprocess.run([load, "load", server.port, "20", "0.2"], check=True, stdout=subprocess.DEVNULL)
        before = resident(server.pid)
        holder = subprocess.Popen(
            ["taskset", "-c", str(options.load_cpu), load, "idle", server.port, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            if holder.stdout.readline().strip() != "ready":
                raise RuntimeError("the connections could not be opened")
            return (resident(server.pid) - before) / count
        finally:
            holder.stdin.close()
            holder.wait()
            holder.stdout.close()


def measure(commands, load, options):
    samples = {peer: [] for peer in commands}
    for number in range(options.rounds):
        tools.say(f"round {number + 1} of {options.rounds}")
        for peer, command in commands.items():
            samples[peer].append(throughput(command, load, options))
    figures = {}
    for peer, taken in samples.items():
        figures[peer] = {
            "cpu_us": min(one["cpu_us"] for one in taken),
            "per_second": max(one["requests"] / one["seconds"] for one in taken),
            "p50_us": statistics.median(one["p50_us"] for one in taken),
            "p99_us": statistics.median(one["p99_us"] for one in taken),
        }
    for peer, command in commands.items():
        tools.say(f"idle connections: {peer}")
        figures[peer]["idle_bytes"] = min(idle(command, load, options, IDLE_MOST.get(peer, 1 << 30)) for _ in range(options.idle_rounds))
    return samples, figures


def show(figures, markdown):
    head = ("server", "CPU us/request", "requests/s", "p50 us", "p99 us", "bytes/idle connection")
    rows = [
        (peer, f"{f['cpu_us']:.2f}", f"{f['per_second']:,.0f}", f"{f['p50_us']:.0f}", f"{f['p99_us']:.0f}", f"{f['idle_bytes']:,.0f}")
        for peer, f in sorted(figures.items(), key=lambda item: item[1]["cpu_us"])
    ]
    if markdown:
        print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for row in rows:
            print("| " + " | ".join(row) + " |")
        return
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))))


def judge(figures):
    """Print each promise; -> whether all musts hold."""
    ours, good = figures.get("gossamer"), True
    for level, figure, peer, limit in TARGETS if ours else ():
        if peer is not None and peer not in figures:
            print(f"{level}: {NAMES[figure]}, at most {limit} of {peer}: not measured")
            continue
        bound = limit * (figures[peer][figure] if peer else 1)
        holds = ours[figure] <= bound
        good &= holds or level != "must"
        versus = f"{ours[figure] / figures[peer][figure]:.2f} of {peer}, at most {limit}" if peer else f"{ours[figure]:.0f}, at most {limit}"
        print(f"{level}: {NAMES[figure]}: {versus}: {'holds' if holds else 'MISSED'}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peers", help="names, with commas between")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--idle", type=int, default=10000)
    parser.add_argument("--idle-rounds", type=int, default=2)
    parser.add_argument("--cpu", type=int, default=min(os.sched_getaffinity(0)))
    parser.add_argument("--load-cpu", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.idle, options.idle_rounds = 1, 0.3, 500, 1
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most < options.idle + 100:
        options.idle = most - 100
        print(f"only {options.idle} idle connections: RLIMIT_NOFILE is {most}")
    commands, missing, load = build()
    if options.peers:
        commands = {peer: command for peer, command in commands.items() if peer in options.peers.split(",")}
    for peer, why in missing.items():
        print(f"without {peer}: {why}")
    print(f"Python {platform.python_version()}, {tools.processor()}, {tools.source_revision()}; server on CPU {options.cpu}, load on {options.load_cpu}")
    samples, figures = measure(commands, load, options)
    show(figures, options.markdown)
    good = judge(figures)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"samples": samples, "figures": figures}, indent=1))
    if options.check and not good:
        sys.exit(2)


if __name__ == "__main__":
    main()
