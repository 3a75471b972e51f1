"""A drawing of a time range of a trace, for documents. It needs no script, and follows the reader's dark or light scheme."""

import os
import zlib
from html import escape

from ._pftrace import Picture, Track, read

LEFT, ROW, GAP, TOP = 150, 16, 8, 26
_STYLE = """
text { font: 11px system-ui, "DejaVu Sans", sans-serif; fill: #24282c } .dim { fill: #747a80 } .back { fill: #fbfbf9 } .row { fill: #f2f2ed }
.line { stroke: #dcdcd4 } .arrow { stroke: #5b6670; fill: none; stroke-opacity: .55 } .tip { fill: #5b6670; fill-opacity: .7 } .value { fill: #0b6bcb; fill-opacity: .25; stroke: #0b6bcb }
@media (prefers-color-scheme: dark) { text { fill: #dfe3e6 } .dim { fill: #8a939b } .back { fill: #14171a } .row { fill: #1c2024 }
.line { stroke: #2d3338 } .slice { fill-opacity: .45 } .arrow { stroke: #aab3bb } .tip { fill: #aab3bb } }
"""
_MOST_SLICES = 20_000
_MOST_ARROWS = 300


def duration(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("\u00b5s", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.0f} ns"


def _colour(name: str, depth: int, kind: str, locks: "set[str]") -> str:
    if name == "idle":
        return "#e6e6e0"
    if name in ("runnable", "preempted"):
        return "#f2d77e"
    pale = kind == "track" and name.split(" ")[0] in ("receive", "send", "select", "sleep", "wait", "parked", "run()", "waits") or kind == "track" and name in locks
    hue = zlib.crc32(name.encode()) * 137 % 360
    return f"hsl({hue},{40 if pale else 55}%,{88 if pale else 74 if depth == 0 and kind == 'track' else 68}%)"


class _Drawing:
    def __init__(self, picture: Picture, begin: int, end: int, width: int) -> None:
        self.picture, self.begin, self.end, self.width = picture, begin, end, width
        self.scale = (width - LEFT) / (end - begin)
        self.out: list[str] = []
        processes = {t.uuid for t in picture.tracks if t.kind == "process"}
        self.locks = {t.name for t in picture.tracks if t.kind == "track" and t.parent in processes}  # waits are called after them
        self.top: dict[int, int] = {}  # of a track, by its index

    def x(self, ns: float) -> float:
        return min(max(LEFT + (ns - self.begin) * self.scale, LEFT), self.width)

    def has_events(self, track: Track) -> bool:
        inside = any(s.begin < self.end and s.end > self.begin for s in track.slices)
        return track.kind != "process" and (inside or bool(track.values) or any(self.begin <= ns <= self.end for ns, _ in track.marks))

    def slices(self, track: Track, y: int) -> None:
        latest: dict[int, float] = {}  # by depth: of those narrower than a pixel one stands for all
        for s in sorted(track.slices):
            if s.begin >= self.end or s.end <= self.begin:
                continue
            a, b = self.x(s.begin), self.x(s.end)
            if b - a < 0.7 and a < latest.get(s.depth, -1):
                continue
            if len(self.out) > _MOST_SLICES:
                raise ValueError(f"there are more than {_MOST_SLICES} slices to draw: give a shorter range")
            latest[s.depth] = a + 0.7
            name, top = self.picture.names[s.name], y + s.depth * ROW
            title = escape(f"{name}, {duration(s.end - s.begin)}")
            self.out.append(f'<rect class="slice" x="{a:.1f}" y="{top}" width="{max(b - a - 0.5, 0.7):.1f}" height="{ROW - 2}" rx="2" '
                            f'fill="{_colour(name, s.depth, track.kind, self.locks)}"><title>{title}</title></rect>')  # fmt: skip
            room = int((b - a - 6) / 6.2)
            if room >= 3:
                text = name if len(name) <= room else name[: room - 1] + "\u2026"
                self.out.append(f'<text x="{a + 4:.1f}" y="{top + 11}">{escape(text)}</text>')

    def values(self, track: Track, y: int) -> None:
        low, high = min(0.0, *(v for _, v in track.values)), max(v for _, v in track.values)
        points, last = [], low
        for ns, value in track.values:
            if self.begin <= ns <= self.end:
                points.append(f"H{self.x(ns):.1f}V{y + 2 * ROW - 2 - (value - low) / ((high - low) or 1) * (2 * ROW - 4):.1f}")
            elif ns < self.begin:
                last = value
        start = y + 2 * ROW - 2 - (last - low) / ((high - low) or 1) * (2 * ROW - 4)
        self.out.append(f'<path class="value" d="M{LEFT} {y + 2 * ROW - 2}V{start:.1f}{"".join(points)}H{self.width}V{y + 2 * ROW - 2}Z"/>')

    def tracks(self) -> int:
        y = TOP + GAP
        for index, track in enumerate(self.picture.tracks):
            if not self.has_events(track):
                continue
            self.top[index] = y
            height = 2 * ROW if track.kind == "counter" else max(track.deepest + 1, 1) * ROW
            weight = ' font-weight="bold"' if track.kind == "thread" else ""
            name = track.name if len(track.name) < 22 else track.name[:20] + "\u2026"
            self.out.append(f'<rect class="row" x="{LEFT}" y="{y - 2}" width="{self.width - LEFT}" height="{height + 2}"/>')
            self.out.append(f'<text x="8" y="{y + 11}"{weight}>{escape(name)}</text>')
            if track.kind == "counter" and track.values:
                self.values(track, y)
            else:
                self.slices(track, y)
            y += height + GAP
        return y

    def arrows(self) -> None:
        shown = [a for a in self.picture.arrows if a.begin >= self.begin and a.end <= self.end and a.from_track in self.top and a.to_track in self.top]
        for a in shown if len(shown) <= _MOST_ARROWS else ():
            x0, x1 = self.x(a.begin), self.x(a.end)
            y0, y1 = self.top[a.from_track] + ROW / 2 - 1, self.top[a.to_track] + ROW / 2 - 1
            bend = max(10.0, min(40.0, abs(y1 - y0) / 3))
            self.out.append(f'<path class="arrow" d="M{x0:.1f} {y0}C{x0 + bend:.1f} {y0} {x1 - bend:.1f} {y1} {x1 - 2:.1f} {y1}"/>'
                            f'<path class="tip" d="M{x1:.1f} {y1}l-5-2.6v5.2z"/>')  # fmt: skip

    def ruler(self, height: int) -> "list[str]":
        raw = (self.end - self.begin) / max((self.width - LEFT) / 110, 1)
        power = 10 ** (len(str(int(raw) or 1)) - 1)
        step = next(n * power for n in (1, 2, 5, 10) if n * power >= raw)
        out = []
        for at in range(-(-self.begin // step) * step, self.end + 1, step):
            x = self.x(at)
            out.append(f'<path class="line" d="M{x:.1f} {TOP - 6}V{height}"/><text class="dim" x="{x + 3:.1f}" y="{TOP - 10}">{duration(at)}</text>')
        return out


def drawing(picture: Picture, begin: int, end: int, width: int) -> str:
    """The text of an SVG file. begin, end: ns from the first event."""
    it = _Drawing(picture, begin, end, width)
    height = it.tracks()
    it.arrows()
    body = "\n".join([*it.ruler(height), *it.out])
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
            f'<style>{_STYLE}</style>\n<rect class="back" width="{width}" height="{height}"/>\n{body}\n</svg>\n')  # fmt: skip


def write(path: str, output: str, begin: "int | None", end: "int | None", width: int) -> None:
    """begin, end: ns from the first event; None: all. ValueError, OSError."""
    picture = read(path)
    first, last = begin or 0, picture.length if end is None else min(end, picture.length)
    if first >= last:
        raise ValueError(f"the range is empty: '{os.path.basename(path)}' lasts {duration(picture.length)}")
    text = drawing(picture, first, last, width)
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)
