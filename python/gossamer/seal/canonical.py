"""Marshalled code whose bytes depend on the source alone.

marshal marks each object that has more than one reference at the moment of writing, so the same source may give
other bytes after other imports. Here marks that no later reference uses are dropped, and the rest are numbered anew.
"""

import marshal
import struct
from types import CodeType

_FLAG = 0x80
_PLAIN = {ord(c): 0 for c in "0NFTS."} | {ord("i"): 4, ord("I"): 8, ord("g"): 8, ord("y"): 16}
_COUNTED = frozenset(b"stuaA")  # a length of four bytes, then so many bytes
_SHORT = frozenset(b"zZ")  # a length of one byte
_CODE_NUMBERS = 5  # argcount, posonlyargcount, kwonlyargcount, stacksize, flags
_CODE_OBJECTS = 8  # code, consts, names, localsplusnames, localspluskinds, filename, name, qualname


class _Reader:
    """Splits marshalled bytes into pieces: bytes, ("flag", type, index) and ("ref", index)."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.count = 0
        self.used: set[int] = set()
        self.pieces: list[bytes | tuple[int, int]] = []

    def copy(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        self.at += size
        self.pieces.append(piece)
        return piece

    def length(self) -> int:
        return int.from_bytes(self.copy(4), "little", signed=True)

    def objects(self, count: int) -> None:
        for _ in range(count):
            self.object()

    def object(self) -> int:
        kind = self.data[self.at]
        self.at += 1
        flagged, kind = kind & _FLAG, kind & ~_FLAG
        if kind == ord("r"):
            index = int.from_bytes(self.data[self.at : self.at + 4], "little")
            self.at += 4
            self.used.add(index)
            self.pieces.append((-1, index))
            return kind
        if flagged:
            self.pieces.append((kind, self.count))
            self.count += 1
        else:
            self.pieces.append(bytes([kind]))
        self.body(kind)
        return kind

    def body(self, kind: int) -> None:
        if kind in _PLAIN:
            self.copy(_PLAIN[kind])
        elif kind in _COUNTED:
            self.copy(self.length())
        elif kind in _SHORT:
            self.copy(self.copy(1)[0])
        elif kind == ord(")"):
            self.objects(self.copy(1)[0])
        elif kind in b"([<>":
            self.objects(self.length())
        elif kind == ord("l"):
            self.copy(2 * abs(self.length()))
        elif kind == ord("{"):
            while self.object() != ord("0"):
                self.object()
        elif kind == ord(":"):
            self.objects(3)
        elif kind == ord("c"):
            self.copy(4 * _CODE_NUMBERS)
            self.objects(_CODE_OBJECTS)
            self.copy(4)  # the first line
            self.objects(2)  # line table, exception table
        else:
            raise ValueError(f"this Python marshals a type {chr(kind)!r} that Gossamer does not know")


def dumps(code: CodeType) -> bytes:
    """The code object as marshal.loads takes it. Equal sources give equal bytes."""
    reader = _Reader(marshal.dumps(code))
    reader.object()
    if reader.at != len(reader.data):
        raise ValueError("this Python marshals code in a form that Gossamer does not know")
    numbers: dict[int, int] = {}
    out = bytearray()
    for piece in reader.pieces:
        if isinstance(piece, bytes):
            out += piece
        elif piece[0] == -1:
            out += b"r" + struct.pack("<I", numbers[piece[1]])
        elif piece[1] in reader.used:
            numbers[piece[1]] = len(numbers)
            out.append(piece[0] | _FLAG)
        else:
            out.append(piece[0])
    return bytes(out)
