"""What an extension module needs from the dynamic linker: enough of the ELF format to list it."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRTAB, _RPATH, _RUNPATH = 1, 5, 15, 29


@dataclass
class Needs:
    """The libraries by name, and the folders that the module itself names for them."""

    libraries: list[str]
    folders: list[str]

    def beside(self, path: str) -> list[str]:
        """Libraries that lie at a place relative to the module, which an archive does not have."""
        found = []
        for folder in self.folders:
            if "$ORIGIN" in folder or "${ORIGIN}" in folder:
                place = folder.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", os.path.dirname(path))
                found += [name for name in self.libraries if os.path.exists(os.path.join(place, name))]
        return found


def read(path: str) -> Needs:
    """Of a 64-bit little-endian ELF file; ValueError for others."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError(f"{path} is no 64-bit little-endian ELF file")
    offset, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", data, offset + i * size) for i in range(count)]

    def place(address: int) -> int:
        for kind, _, at, virtual, _, length, _, _ in headers:
            if kind == _LOAD and virtual <= address < virtual + length:
                return int(at + address - virtual)
        raise ValueError(f"{path} is damaged")

    entries: list[tuple[int, int]] = []
    for kind, _, at, _, _, length, _, _ in headers:
        if kind == _DYNAMIC:
            entries = [struct.unpack_from("<QQ", data, at + i) for i in range(0, length, 16)]
    strings = next((place(value) for tag, value in entries if tag == _STRTAB), 0)

    def text(index: int) -> str:
        return data[strings + index : data.index(b"\0", strings + index)].decode()

    folders = [f for tag, value in entries if tag in (_RPATH, _RUNPATH) for f in text(value).split(":")]
    return Needs([text(value) for tag, value in entries if tag == _NEEDED], folders)
