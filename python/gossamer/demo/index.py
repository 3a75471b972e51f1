"""`gossamer demo index`: a pipeline of tasklets at real work, and then a great many tasklets that wait.

Environment: GOSSAMER_DEMO_SIZE=small makes it a matter of some seconds.
"""

import gc
import json
import os
import subprocess
import sys
import sysconfig
import time
from typing import Any

from . import _names
from ._show import Progress, Screen

# (files to index, None = all; units of gossamer, greenlet, asyncio)
SIZES: dict[str, tuple[int | None, dict[str, int]]] = {
    "full": (None, {"gossamer": 1_000_000, "greenlet": 50_000, "asyncio": 100_000}),
    "small": (120, {"gossamer": 100_000, "greenlet": 5_000, "asyncio": 10_000}),
}
WORKERS = 4


def build_index(screen: Screen, limit: int | None) -> bool:
    root = sysconfig.get_paths()["stdlib"]
    files = list(_names.python_files(root))
    total = len(files) if limit is None else min(limit, len(files))
    size = sum(os.path.getsize(os.path.join(root, path)) for path in files[:total])
    python = ".".join(map(str, sys.version_info[:3]))
    screen.title(f"1  A cross-reference of the standard library of Python {python}")
    screen.say(f"  {root}: {total:,} files, {size / 1e6:.1f} MB (without its tests)")
    screen.say(f"  walker > {WORKERS} readers > {WORKERS} tokenisers > merger, joined by channels, all on one thread; times are processor time")

    for path in files[:total]:
        # So that the first run does not wait for the disk while the second finds everything in memory.
        _names.read(root, path)

    progress = Progress(screen, "pipeline", total)
    start = time.process_time()
    index, indexed, messages = _names.pipeline(root, total, WORKERS, progress.update)
    by_pipeline = time.process_time() - start
    progress.finish(f"{by_pipeline:6.2f} s   {messages:,} messages through the last channel")

    # Or the garbage collector would look at the first index again and again while the second is being made.
    gc.collect()
    gc.freeze()
    start = time.process_time()
    expected, expected_files = _names.plain(root, total)
    by_loop = time.process_time() - start
    gc.unfreeze()
    screen.say(f"  one loop: {by_loop:6.2f} s   no tasklets: the same steps as nested calls")
    bare = _names.bare_messages(messages)
    screen.say(f"  channels: {bare:6.2f} s   as many messages and nothing else, {bare / max(messages, 1) * 1e9:,.0f} ns each")

    same = index == expected and indexed == expected_files
    defined = sum(len(entry[0]) for entry in index.values())
    used = sum(len(entry[1]) for entry in index.values())
    if same:
        screen.good(f"both runs agree on {len(index):,} names, {defined:,} definitions and {used:,} uses")
    else:
        names = [name for name in {**index, **expected} if index.get(name) != expected.get(name)]
        screen.bad(f"the pipeline and the loop disagree on {len(names):,} names, e.g. {', '.join(sorted(names)[:5])}")
    show_names(screen, index, indexed)
    return same


def show_names(screen: Screen, index: _names.Index, files: list[str]) -> None:
    """What the index knows: the most used names, those with most definitions, and where one name lives."""
    by_use = sorted(index, key=lambda name: (-len(index[name][1]), name))[:10]
    by_definition = sorted(index, key=lambda name: (-len(index[name][0]), name))[:10]
    rows = []
    for use, definition in zip(by_use, by_definition):
        spread = len({place // _names.LINES for place in index[use][1]})
        rows.append((use, f"{len(index[use][1]):,}", f"{spread:,}", " ", definition, f"{len(index[definition][0]):,}"))
    screen.say()
    screen.table(("most used", "uses", "in files", " ", "most defined", "times"), rows, left=(0, 4))
    unused = [name for name, (defined, used) in index.items() if defined and not used]
    if unused:
        longest = max(unused, key=lambda name: (len(name), name))
        number, line = divmod(index[longest][0][0], _names.LINES)
        screen.say()
        screen.say(f"  {len(unused):,} names are defined and never used in all these files. The longest of them:")
        screen.say(f"  {longest}, {files[number]}:{line}")


def measure(kind: str, count: int) -> dict[str, Any]:
    """Run _park.py in a process of its own."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_park.py")
    done = subprocess.run([sys.executable, script, kind, str(count)], capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return {"failed": last}
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def park(screen: Screen, counts: dict[str, int]) -> bool:
    screen.title(f"2  {counts['gossamer']:,} tasklets wait in receive() at once")
    screen.say("  each one function call deep; every kind in a process of its own, at a size it can bear")
    screen.say()
    rows = []
    notes = []
    good = True
    for kind, count in counts.items():
        if screen.live:
            print(f"\r\x1b[2K  measuring {kind} ...", end="", flush=True)
        figures = measure(kind, count)
        if screen.live:
            print("\r\x1b[2K", end="", flush=True)
        if "missing" in figures:
            notes.append(f"  {kind} is not installed here, so its row is missing (pip install {kind})")
            continue
        if "failed" in figures:
            good = good and kind != "gossamer"
            notes.append(f"  {kind} failed: {figures['failed']}")
            continue
        name = f"{kind} {figures['version']}" if "version" in figures else kind
        rows.append(
            (
                name,
                f"{count:,}",
                f"{figures['bytes'] / count:,.0f}",
                f"{figures['bytes'] / 1e6:,.0f} MB",
                f"{figures['park_s']:.2f} s",
                f"{figures['park_s'] / count * 1e9:,.0f} ns",
                f"{figures['wake_s']:.2f} s",
                f"{figures['wake_s'] / count * 1e9:,.0f} ns",
            )
        )
    heads = ("", "waiting", "bytes each", "in all", "create", "each", "wake, finish", "each")
    if rows:
        screen.table(heads, rows, highlight=0 if rows[0][0] == "gossamer" else None)
    for note in notes:
        screen.say(note)
    return good


def main(plain: bool = False) -> int:
    name = os.environ.get("GOSSAMER_DEMO_SIZE", "full") or "full"
    if name not in SIZES:
        print(f"gossamer demo: GOSSAMER_DEMO_SIZE is '{name}'; it must be {' or '.join(SIZES)}", file=sys.stderr)
        return 2
    limit, counts = SIZES[name]
    screen = Screen(plain)
    same = build_index(screen, limit)
    good = park(screen, counts)
    screen.say()
    return 0 if same and good else 1
