"""speedscope's JSON: a flame graph over time of each tasklet and thread (https://www.speedscope.app/file-format-schema.json)."""

import json
from typing import Any

from .reader import Tasklet, Timeline, Trace, Zone

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


class _Profile:
    """Events of one profile; times never go back, and what opened last closes first."""

    def __init__(self, frames: dict[str, int], begin: int) -> None:
        self.frames, self.zero = frames, begin
        self.events: list[dict[str, Any]] = []
        self.open: list[tuple[int, int]] = []  # frame, end

    def _put(self, kind: str, frame: int, ns: int) -> None:
        self.events.append({"type": kind, "frame": frame, "at": ns - self.zero})

    def close(self, ns: int) -> None:
        """Close what has ended by then, innermost first."""
        while self.open and self.open[-1][1] <= ns:
            frame, end = self.open.pop()
            self._put("C", frame, end)

    def add(self, name: str, begin: int, end: int) -> None:
        """In order of begin; what is open and ends before `end` must have been opened by something outside of it."""
        self.close(begin)
        if self.open:
            end = min(end, self.open[-1][1])
        if end <= begin:
            return
        frame = self.frames.setdefault(name, len(self.frames))
        self.open.append((frame, end))
        self._put("O", frame, begin)


def _slices(tasklet: Tasklet) -> list[tuple[int, int, str]]:
    found = [(zone.begin, zone.end, zone.name) for zone in tasklet.zones]
    for span in tasklet.spans:
        if span.state != "running":
            found.append((span.begin, span.end, f"({span.why or span.state} {span.label}".strip() + ")"))
    # Those that begin together: the longer one is outside.
    return sorted(found, key=lambda item: (item[0], -item[1]))


def _evented(name: str, timeline: Timeline, frames: dict[str, int], slices: list[tuple[int, int, str]], begin: int, end: int) -> dict[str, Any]:
    profile = _Profile(frames, timeline.begin)
    profile.add(name, begin, end)
    for slice_begin, slice_end, slice_name in slices:
        profile.add(slice_name, max(slice_begin, begin), min(slice_end, end))
    profile.close(end)
    return {
        "type": "evented",
        "name": name,
        "unit": "nanoseconds",
        "startValue": begin - timeline.begin,
        "endValue": end - timeline.begin,
        "events": profile.events,
    }


def document(timeline: Timeline) -> dict[str, Any]:
    """The profile as JSON has it: one evented profile a thread (who ran), then one a tasklet."""
    frames: dict[str, int] = {}
    profiles = []
    for thread in timeline.threads:
        runs = [(s.begin, s.end, s.tasklet.name if s.tasklet else "(idle)") for s in thread.runs]
        zones: list[Zone] = thread.zones
        runs += [(zone.begin, zone.end, zone.name) for zone in zones]
        if runs:
            name = f"thread {thread.name} ({thread.tid})"
            runs.sort(key=lambda item: (item[0], -item[1]))
            profiles.append(_evented(name, timeline, frames, runs, timeline.begin, timeline.end))
    for tasklet in timeline.tasklets:
        if tasklet.spans and tasklet.spans[-1].end > tasklet.spans[0].begin:
            begin, end = tasklet.spans[0].begin, tasklet.spans[-1].end
            profiles.append(_evented(tasklet.name, timeline, frames, _slices(tasklet), begin, end))
    return {
        "$schema": SCHEMA,
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": profiles,
        "name": str(timeline.trace.info.get("program", "gossamer")),
        "activeProfileIndex": 0,
        "exporter": "gossamer",
    }


def write(path: str, output: str) -> None:
    timeline = Timeline(Trace(path))
    with open(output, "w") as file:
        json.dump(document(timeline), file, separators=(",", ":"))
