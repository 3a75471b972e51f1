"""Reading Perfetto traces that `gossamer trace` has written, for the page and the drawing: tracks with their slices, marks,
arrows and values.

Only what our own exporter writes is understood (core/trace/perfetto.c); other packets and fields are passed over. The file is
not trusted: whatever is wrong with it is a ValueError.
"""

import os
import struct
from dataclasses import dataclass, field
from typing import Iterator, NamedTuple

BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4
_MOST_OPEN = 10_000


class Slice(NamedTuple):
    begin: int  # ns from the first event
    end: int
    name: int  # index in Picture.names
    depth: int


class Arrow(NamedTuple):
    """From whoever wakes, or sends, to the woken, or the receiver."""

    begin: int
    from_track: int  # index in Picture.tracks
    end: int
    to_track: int


@dataclass
class Track:
    uuid: int
    parent: int
    kind: str  # "process", "thread", "counter" or "track"
    name: str
    slices: "list[Slice]" = field(default_factory=list)
    marks: "list[tuple[int, int]]" = field(default_factory=list)  # ns, name
    values: "list[tuple[int, float]]" = field(default_factory=list)
    open: "list[tuple[int, int, int]]" = field(default_factory=list, repr=False)  # begin, name, place in slices

    @property
    def deepest(self) -> int:
        return max((s.depth for s in self.slices), default=-1)


@dataclass
class Picture:
    tracks: "list[Track]" = field(default_factory=list)  # parents before children, siblings in order of their first event
    names: "list[str]" = field(default_factory=list)
    arrows: "list[Arrow]" = field(default_factory=list)
    length: int = 0  # ns
    events: int = 0


def _varint(data: bytes, at: int) -> "tuple[int, int]":
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _fields(data: bytes, at: int, end: int) -> "Iterator[tuple[int, int, int]]":
    """Number, value, and for bytes their length (value is where they begin); else -1."""
    while at < end:
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, value, -1
        elif wire == 2:
            length, at = _varint(data, at)
            if length > end - at:
                raise ValueError("a field is longer than its message")
            yield key >> 3, at, length
            at += length
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            if size > end - at:
                raise ValueError("a field is longer than its message")
            yield key >> 3, int.from_bytes(data[at : at + size], "little"), -1
            at += size
        else:
            raise ValueError(f"a field has wire type {wire}")
    if at != end:
        raise ValueError("a message ends within a field")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.ns = 0
        self.begun: "int | None" = None
        self.tracks: dict[int, Track] = {}
        self.names: list[str] = []
        self.name_of: dict[int, int] = {}
        self.flows: dict[int, list[tuple[int, int]]] = {}  # ns and uuid of both ends
        self.events = 0

    def read(self) -> Picture:
        data = self.data
        try:
            for number, at, length in _fields(data, 0, len(data)):
                if number == 1 and length >= 0:
                    self._packet(at, at + length)
        except IndexError:
            raise ValueError("it ends within a number") from None
        if not self.events:
            raise ValueError("it holds no events")
        return self._picture()

    def _text(self, at: int, length: int) -> str:
        return self.data[at : at + max(length, 0)].decode("utf-8", "replace")

    def _packet(self, at: int, end: int) -> None:
        event = None
        for number, value, length in _fields(self.data, at, end):
            if number == 8 and length < 0:
                self.ns += value
            elif number == 11 and length >= 0:
                event = (value, value + length)
            elif number == 60 and length >= 0:
                self._track(value, value + length)
            elif number == 12 and length >= 0:
                self._names(value, value + length)
        if event:
            self._event(*event)

    def _track(self, at: int, end: int) -> None:
        uuid = parent = 0
        kind, name = "track", ""
        for number, value, length in _fields(self.data, at, end):
            if number == 1:
                uuid = value
            elif number == 5:
                parent = value
            elif number == 2 and length >= 0:
                name = self._text(value, length)
            elif number == 8:
                kind = "counter"
            elif number in (3, 4) and length >= 0:
                kind = "process" if number == 3 else "thread"
                for inner, place, size in _fields(self.data, value, value + length):
                    if inner == (6 if number == 3 else 5) and size >= 0:
                        name = self._text(place, size)
        self.tracks.setdefault(uuid, Track(uuid, parent, kind, name))

    def _names(self, at: int, end: int) -> None:
        for number, value, length in _fields(self.data, at, end):
            if number == 2 and length >= 0:
                iid, text = 0, ""
                for inner, place, size in _fields(self.data, value, value + length):
                    if inner == 1:
                        iid = place
                    elif inner == 2 and size >= 0:
                        text = self._text(place, size)
                self.name_of[iid] = len(self.names)
                self.names.append(text)

    def _name(self, iid: int) -> int:
        if iid not in self.name_of:
            raise ValueError("a name is used before it is defined")
        return self.name_of[iid]

    def _event(self, at: int, end: int) -> None:
        kind = uuid = iid = bits = 0
        flows: list[int] = []
        for number, value, _ in _fields(self.data, at, end):
            if number == 9:
                kind = value
            elif number == 11:
                uuid = value
            elif number == 10:
                iid = value
            elif number in (47, 48):
                flows.append(value)
            elif number == 44:
                bits = value
        track = self.tracks.get(uuid)
        if track is None:
            raise ValueError("an event is on a track that was not described before")
        if self.begun is None:
            self.begun = self.ns
        ns = self.ns - self.begun
        self.events += 1
        for flow in flows:
            self.flows.setdefault(flow, []).append((ns, uuid))
        if kind == BEGIN:
            if len(track.open) >= _MOST_OPEN:
                raise ValueError("slices are nested too deep")
            name = self._name(iid)
            track.open.append((ns, name, len(track.slices)))
            track.slices.append(Slice(ns, -1, name, len(track.open) - 1))
        elif kind == END:
            if track.open:
                self._close(track, ns)
        elif kind == INSTANT:
            track.marks.append((ns, self._name(iid)))
        elif kind == COUNTER:
            (value_,) = struct.unpack("<d", bits.to_bytes(8, "little"))
            track.values.append((ns, value_))

    def _close(self, track: Track, ns: int) -> None:
        begin, name, place = track.open.pop()
        track.slices[place] = Slice(begin, ns, name, len(track.open))

    def _picture(self) -> Picture:
        length = self.ns - (self.begun or 0)
        for track in self.tracks.values():
            while track.open:
                self._close(track, length)
        children: dict[int, list[Track]] = {}
        for track in self.tracks.values():
            children.setdefault(track.parent if track.parent in self.tracks else 0, []).append(track)
        ordered: list[Track] = []
        seen: set[int] = set()
        stack = list(reversed(children.get(0, [])))
        while stack:
            track = stack.pop()
            if track.uuid not in seen:
                seen.add(track.uuid)
                ordered.append(track)
                stack.extend(reversed(children.get(track.uuid, [])))
        index = {track.uuid: n for n, track in enumerate(ordered)}
        arrows = [
            Arrow(ends[0][0], index[ends[0][1]], ends[1][0], index[ends[1][1]])
            for ends in self.flows.values()
            if len(ends) == 2 and ends[0][1] in index and ends[1][1] in index
        ]
        arrows.sort()
        return Picture(ordered, self.names, arrows, max(length, 1), self.events)


def read(path: "str | os.PathLike[str]") -> Picture:
    """A Perfetto trace of ours, or a file of the recorder, which is converted first. ValueError, OSError."""
    source = os.fspath(path)
    with open(source, "rb") as file:
        data = file.read()
    if data[:8] == b"gostrace":
        import tempfile

        from . import convert

        with tempfile.TemporaryDirectory() as folder:
            converted = os.path.join(folder, "trace.pftrace")
            convert(source, converted)
            with open(converted, "rb") as file:
                data = file.read()
    try:
        return _Reader(data).read()
    except ValueError as error:
        raise ValueError(f"'{source}' is not a trace of gossamer, or is damaged: {error}") from None
