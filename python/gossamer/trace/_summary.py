"""What stands out in a trace, as text: waits, long runs, locks, the GIL, memory."""

from collections import defaultdict
from typing import Iterable, Sequence

from .reader import Span, Tasklet, Timeline

Rows = Sequence[tuple[str, ...]]

TOP = 5


def _time(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns < 1000 * size else f"{ns / size:.0f} {unit}"
    return f"{ns:.0f} ns"


def _bytes(size: float) -> str:
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} bytes"


def _table(title: str, header: tuple[str, ...], rows: Rows) -> Iterable[str]:
    if not rows:
        return
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    yield ""
    yield title
    for row in [header, *rows]:
        cells = [cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        yield "  " + "  ".join(cells).rstrip()


def _name(tasklet: "Tasklet | None") -> str:
    return (tasklet.name if len(tasklet.name) <= 40 else tasklet.name[:37] + "...") if tasklet else "-"


def _waits(timeline: Timeline) -> Rows:
    """By who waited for what: main's wait in run() is no news."""
    found: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for tasklet in timeline.tasklets:
        for span in tasklet.spans:
            if span.state == "waiting" and span.why not in ("run", "sleep"):
                what = f"{span.why} {span.label}".strip() if span.why != "wait" else span.label or "wait"
                found[_name(tasklet), what].append(span)
    rows = []
    for (who, what), spans in sorted(found.items(), key=lambda item: -sum(s.end - s.begin for s in item[1]))[:TOP]:
        times = [span.end - span.begin for span in spans]
        wakers: dict[str, int] = defaultdict(int)
        for span in spans:
            if span.tasklet:
                wakers[_name(span.tasklet)] += 1
        by = max(wakers, key=lambda name: wakers[name]) if wakers else "-"
        rows.append((who, what, str(len(spans)), _time(sum(times)), _time(max(times)), by))
    return rows


def _runs(timeline: Timeline) -> Rows:
    runs = [(span, thread) for thread in timeline.threads for span in thread.runs if span.state == "running"]
    runs.sort(key=lambda item: item[0].begin - item[0].end)
    return [(_name(s.tasklet), _time(s.end - s.begin), _time(s.begin - timeline.begin), t.name) for s, t in runs[:TOP]]


def _locks(timeline: Timeline) -> Rows:
    waited: dict[int, list[int]] = defaultdict(list)
    for tasklet in timeline.tasklets:
        for span in tasklet.spans:
            if span.state == "waiting" and span.why == "wait" and span.object in timeline.locks:
                waited[span.object].append(span.end - span.begin)
    rows = []
    for address, times in sorted(waited.items(), key=lambda item: -sum(item[1]))[:TOP]:
        lock = timeline.locks[address]
        held = [span.end - span.begin for span in lock.holds]
        longest = max(lock.holds, key=lambda span: span.end - span.begin) if lock.holds else None
        name = lock.name if lock.name not in ("Lock", "RLock") else f"{lock.name} {address:#x}"
        rows.append((name, str(len(held)), _time(sum(held)), str(len(times)), _time(sum(times)), _name(longest.tasklet if longest else None)))
    return rows


def _gil(timeline: Timeline) -> Rows:
    rows = []
    for thread in timeline.threads:
        waits = [span.end - span.begin for span in thread.gil if span.state == "waits"]
        if waits:
            rows.append((thread.name, str(len(waits)), _time(sum(waits)), _time(max(waits))))
    return sorted(rows, key=lambda row: row[0])[:TOP]


def _memory(timeline: Timeline) -> Iterable[str]:
    for thread, points in sorted(timeline.memory.items()):
        yield (
            f"Evicted stacks, {timeline.threads[thread].name}: {_bytes(points[0][1])} at first, "
            f"{_bytes(max(size for _, size in points))} at most, {_bytes(points[-1][1])} at the end"
        )
    if timeline.collections:
        times = [end - begin for begin, end, _, _ in timeline.collections]
        yield f"Garbage collections: {len(times)}, {_time(sum(times))} in all, the longest {_time(max(times))}"


def summary(timeline: Timeline) -> str:
    """What stands out, in lines for a terminal."""
    length = max(timeline.end - timeline.begin, 1)
    started = sum(1 for tasklet in timeline.tasklets if tasklet.spans)
    lines = [
        f"{_time(length)}, {timeline.events} events, {len(timeline.threads)} threads, {started} tasklets; "
        f"{timeline.switches} switches, {timeline.switches / (length / 1e9):,.0f} a second"
    ]
    if timeline.trace.lost:
        lines.append(f"{timeline.trace.lost} events are missing: overwritten, or dropped")
    lines += _table("Waits, by time", ("tasklet", "for", "times", "in all", "longest", "mostly ended by"), _waits(timeline))
    lines += _table("Longest runs without giving way", ("tasklet", "for", "at", "thread"), _runs(timeline))
    lines += _table("Locks that were waited for", ("lock", "held", "in all", "waits", "in all", "longest holder"), _locks(timeline))
    lines += _table("Waits for the GIL", ("thread", "times", "in all", "longest"), _gil(timeline))
    memory = list(_memory(timeline))
    return "\n".join(lines + ([""] + memory if memory else []))
