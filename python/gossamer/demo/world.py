"""`gossamer demo world`: a small multi-user world, and a crowd of clients that walk and talk in it.

The world is a process of its own, one thread, three tasklets or so a client; the crowd is this one.  `--serve` opens the world
for people instead.  Environment: GOSSAMER_DEMO_SIZE=small makes it a matter of seconds.
"""

import os
import resource
import subprocess
import sys
import time
from typing import Any

import gossamer
from gossamer.net import socket

from ._crowd import Crowd
from ._park import resident
from ._show import Progress, Screen
from ._world import open_world

# clients, seconds
SIZES = {"full": (2000, 30.0), "small": (200, 3.0)}
PAUSE = 1.0  # seconds between two commands of a client, on average
SPARE = 50  # descriptors for other things


def serve(host: str, port: int) -> int:
    """Be the world, until the connection on standard input, or Ctrl-C, ends it."""
    world, listener = open_world(host, port)
    host, port = listener.getsockname()[:2]
    print(f"listening on {host}:{port}, {len(world.rooms)} rooms. Come in: telnet {host} {port}; Ctrl-C ends the world", flush=True)
    try:
        world.serve(listener)
    except KeyboardInterrupt:
        print(f"\nthe world ends: {world.commands:,} commands, {world.lines:,} lines told")
    return 0


def allowed(count: int) -> int:
    """How many clients this process may have descriptors for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))  # the world inherits it
    return count if soft == resource.RLIM_INFINITY else min(count, soft - SPARE)


def told(address: Any) -> int:
    """How many lines the world has sent before those of this connection."""
    with socket.create_connection(address) as connection, connection.makefile("rwb") as file:
        before = 0
        for text in (b"visitor", b"stats"):
            file.write(text + b"\n")
            file.flush()
        while not (line := file.readline()).startswith(b"You learn: "):
            if not line:
                raise ConnectionResetError("the world has closed the connection")
            before += 1
        return int(line.split()[2]) - before


def wait_until(progress: Progress, crowd: Crowd, count: int) -> None:
    while crowd.arrived < count:
        progress.update(crowd.arrived)
        gossamer.sleep(0.02)
        for client in crowd.clients:
            if not client.alive:
                client.join()  # raises what has ended it


def play(screen: Screen, world: "subprocess.Popen[str]", address: Any, count: int, seconds: float) -> bool:
    empty = resident(world.pid)
    progress = Progress(screen, "arriving", count)
    crowd = Crowd(address, count, PAUSE)
    wait_until(progress, crowd, count)
    each = (resident(world.pid) - empty) / count
    progress.finish(f"{count:,} players are in the world; each takes {each:,.0f} bytes of it: socket, player, tasklets, buffers")

    progress = Progress(screen, "playing", int(seconds * 10))
    before, cpu_before = crowd.lines, cpu_seconds(world.pid)
    crowd.start.set()
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        progress.update(int(passed * 10), f"{(crowd.lines - before) / max(passed, 0.1):,.0f} lines a second")
        gossamer.sleep(0.1)
    passed = time.perf_counter() - began
    lines, commands, delays = crowd.lines - before, len(crowd.delays), sorted(crowd.delays)
    cpu = cpu_seconds(world.pid) - cpu_before
    progress.finish(f"{passed:.1f} s, {commands:,} commands, {lines:,} lines")
    crowd.stop()

    screen.say()
    screen.table(
        ("clients", "commands/s", "messages/s", "answer: median", "90 %", "99 %", "slowest", "bytes a connection", "busy"),
        [(f"{count:,}", f"{commands / passed:,.0f}", f"{(commands + lines) / passed:,.0f}",
          *(f"{delays[min(int(part * commands), commands - 1)] * 1e3:.1f} ms" for part in (0.5, 0.9, 0.99, 1)),
          f"{each:,.0f}", f"{cpu / passed * 100:.0f} %")],
        left=(), highlight=0,
    )  # fmt: skip
    screen.say()
    expected = told(address)
    if crowd.lines == expected:
        screen.good(f"the world has told {expected:,} lines, and the clients have read all of them")
        return True
    screen.bad(f"the world has told {expected:,} lines, the clients have read {crowd.lines:,}")
    return False


def cpu_seconds(pid: int) -> float:
    """Processor time that the process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def demo(plain: bool, clients: int, seconds: float) -> int:
    screen = Screen(plain)
    count = allowed(clients)
    screen.title(f"A world for {count:,} players")
    if count < clients:
        screen.say(f"  {clients:,} would need a higher limit on open files: ulimit -n {clients + SPARE}")
    screen.say("  the world: one process, one thread, each player and each creature a tasklet; the clients: real TCP, another process")
    with subprocess.Popen(
        [sys.executable, "-m", "gossamer", "demo", "world", "--serve", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    ) as world:
        try:
            assert world.stdout is not None
            greeting = world.stdout.readline()
            if not greeting.startswith("listening on "):
                screen.bad("the world has not come up")
                return 1
            host, _, port = greeting.split()[2].rstrip(",").rpartition(":")
            good = play(screen, world, (host, int(port)), count, seconds)
        finally:
            world.terminate()
    screen.say("  visit it yourself: gossamer demo world --serve 4000, and telnet localhost 4000")
    screen.say()
    return 0 if good else 1


def main(plain: bool = False, clients: int | None = None, seconds: float | None = None, address: str | None = None) -> int:
    """The demo, or with an address ("PORT" or "HOST:PORT") the world itself."""
    if address is not None:
        host, _, port = address.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            print(f"gossamer demo: --serve needs PORT or HOST:PORT, not '{address}'", file=sys.stderr)
            return 2
        return serve(host or "127.0.0.1", int(port))
    size = os.environ.get("GOSSAMER_DEMO_SIZE", "full") or "full"
    if size not in SIZES:
        print(f"gossamer demo: GOSSAMER_DEMO_SIZE is '{size}'; it must be {' or '.join(SIZES)}", file=sys.stderr)
        return 2
    return demo(plain, clients or SIZES[size][0], seconds or SIZES[size][1])
