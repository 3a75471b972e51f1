"""One HTML page that shows a trace: everything in it, nothing from the network. The page's code is _page.html."""

import base64
import json
import os
import struct
import sys
import zlib
from array import array
from typing import Iterable

from ._pftrace import Picture, read

_HERE = os.path.dirname(os.path.abspath(__file__))


def _column(numbers: "Iterable[int]") -> bytes:
    """32-bit words, little endian."""
    column = array("I", numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _gaps(times: "Iterable[int]") -> "Iterable[int]":
    """Each time as the distance to the one before, in two words: times are long and their distances short."""
    before = 0
    for time in times:
        gap, before = time - before, time
        yield gap & 0xFFFFFFFF
        yield gap >> 32 & 0xFFFFFFFF


def encode(picture: Picture) -> bytes:
    """The data of the page: a length, that much JSON, and columns of words, as _page.html takes them apart."""
    tracks, columns = [], []
    index = {track.uuid: n for n, track in enumerate(picture.tracks)}
    for track in picture.tracks:
        order = sorted(track.slices, key=lambda s: (s.begin, s.depth))
        tracks.append({
            "name": track.name, "kind": track.kind, "parent": index.get(track.parent, -1),
            "slices": len(order), "marks": len(track.marks), "values": len(track.values),
        })  # fmt: skip
        columns.append(_column(_gaps(s.begin for s in order)))
        columns.append(_column(word for s in order for word in ((s.end - s.begin) & 0xFFFFFFFF, (s.end - s.begin) >> 32)))
        columns.append(_column(s.name | s.depth << 20 for s in order))
        columns.append(_column(_gaps(ns for ns, _ in track.marks)))
        columns.append(_column(name for _, name in track.marks))
        columns.append(_column(_gaps(ns for ns, _ in track.values)))
        columns.append(_column(word for _, value in track.values for word in struct.unpack("<II", struct.pack("<d", value))))
    columns.append(_column(_gaps(a.begin for a in picture.arrows)))
    columns.append(_column(a.from_track for a in picture.arrows))
    columns.append(_column(_gaps(a.end - a.begin for a in picture.arrows)))
    columns.append(_column(a.to_track for a in picture.arrows))
    head = json.dumps({"tracks": tracks, "names": picture.names, "arrows": len(picture.arrows), "length": picture.length,
                       "events": picture.events}).encode()  # fmt: skip
    head += b" " * (-len(head) % 4)
    return struct.pack("<I", len(head)) + head + b"".join(columns)


def page(picture: Picture, title: str) -> str:
    if len(picture.names) >= 1 << 20 or any(track.deepest >= 1 << 12 for track in picture.tracks):
        raise ValueError("it has more than a million names, or more than 4095 nested slices: too much for a page")
    with open(os.path.join(_HERE, "_page.html"), encoding="utf-8") as file:
        template = file.read()
    safe = title.replace("&", "&amp;").replace("<", "&lt;")
    data = base64.b64encode(zlib.compress(encode(picture), 6)).decode()
    return template.replace("@TITLE@", safe).replace("@DATA@", data)


def write(path: str, output: str) -> Picture:
    """ValueError: it is no trace of ours. OSError."""
    picture = read(path)
    text = page(picture, os.path.basename(path))
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)
    return picture
