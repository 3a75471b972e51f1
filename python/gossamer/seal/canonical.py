"""Marshalled code whose bytes depend on the source alone.

marshal marks each object that has more than one reference at the moment of writing, and sorts sets by bytes in which
these marks show; so the same source may give other bytes after other imports. Here the bytes are read into nodes and
written again: sets in an order of their values, marks only where a later reference uses them.
"""

from __future__ import annotations

import marshal
import struct
from types import CodeType

_FLAG = 0x80
_PLAIN = {ord(c): 0 for c in "0NFTS."} | {ord("i"): 4, ord("I"): 8, ord("g"): 8, ord("y"): 16}
_COUNTED = frozenset(b"stuaA")  # a length of four bytes, then so many bytes
_SHORT = frozenset(b"zZ")  # a length of one byte
_CODE_NUMBERS = 5  # argcount, posonlyargcount, kwonlyargcount, stacksize, flags
_CODE_OBJECTS = 8  # code, consts, names, localsplusnames, localspluskinds, filename, name, qualname


# ASCII and other strings, not interned and interned
_INTERNED = {ord("a"): ord("A"), ord("z"): ord("Z"), ord("u"): ord("t")}
_PLAIN_STRING = {interned: plain for plain, interned in _INTERNED.items()}


def _without_interning(kind: int, text: bytes) -> int:
    """The type of a string by what it says. Strings of one character exist once in a process, so whether such a one is
    interned depends on everybody; names are interned when the code is loaded, whatever the type says."""
    plain = _PLAIN_STRING.get(kind, kind)
    if plain in _INTERNED and text.replace(b"_", b"a").isalnum():
        return _INTERNED[plain]
    return plain


class _Node:
    """One marshalled object: its type, and what follows, bytes and other nodes in turn."""

    __slots__ = ("kind", "parts", "uses", "number")

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.parts: list[bytes | _Node] = []
        self.uses = 1
        self.number = -1

    def plain(self) -> bytes:
        """Its value as bytes, without marks and references."""
        return bytes([self.kind]) + b"".join(part if isinstance(part, bytes) else part.plain() for part in self.parts)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.marked: list[_Node] = []

    def copy(self, node: _Node, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        self.at += size
        node.parts.append(piece)
        return piece

    def length(self, node: _Node) -> int:
        return int.from_bytes(self.copy(node, 4), "little", signed=True)

    def objects(self, node: _Node, count: int) -> None:
        for _ in range(count):
            node.parts.append(self.object())

    def object(self) -> _Node:
        kind = self.data[self.at]
        self.at += 1
        if kind & ~_FLAG == ord("r"):
            node = self.marked[int.from_bytes(self.data[self.at : self.at + 4], "little")]
            self.at += 4
            node.uses += 1
            return node
        node = _Node(kind & ~_FLAG)
        if kind & _FLAG:
            self.marked.append(node)
        self.body(node)
        return node

    def body(self, node: _Node) -> None:
        kind = node.kind
        if kind in _PLAIN:
            self.copy(node, _PLAIN[kind])
        elif kind in _COUNTED:
            node.kind = _without_interning(kind, self.copy(node, self.length(node)))
        elif kind in _SHORT:
            node.kind = _without_interning(kind, self.copy(node, self.copy(node, 1)[0]))
        elif kind == ord(")"):
            self.objects(node, self.copy(node, 1)[0])
        elif kind in b"([":
            self.objects(node, self.length(node))
        elif kind in b"<>":
            self.objects(node, self.length(node))
            node.parts[1:] = sorted(node.parts[1:], key=lambda part: part.plain() if isinstance(part, _Node) else part)
        elif kind == ord("l"):
            self.copy(node, 2 * abs(self.length(node)))
        elif kind == ord("{"):
            while (key := self.object()).kind != ord("0"):
                node.parts += [key, self.object()]
            node.parts.append(key)
        elif kind == ord(":"):
            self.objects(node, 3)
        elif kind == ord("c"):
            self.copy(node, 4 * _CODE_NUMBERS)
            self.objects(node, _CODE_OBJECTS)
            self.copy(node, 4)  # the first line
            self.objects(node, 2)  # line table, exception table
        else:
            raise ValueError(f"this Python marshals a type {chr(kind)!r} that Gossamer does not know")


def _write(node: _Node, out: bytearray, numbers: list[int]) -> None:
    if node.number >= 0:
        out += b"r" + struct.pack("<I", node.number)
        return
    if node.uses > 1:
        node.number = numbers[0]
        numbers[0] += 1
        out.append(node.kind | _FLAG)
    else:
        out.append(node.kind)
    for part in node.parts:
        if isinstance(part, bytes):
            out += part
        else:
            _write(part, out, numbers)


def dumps(code: CodeType) -> bytes:
    """The code object as marshal.loads takes it. Equal sources give equal bytes."""
    reader = _Reader(marshal.dumps(code))
    top = reader.object()
    if reader.at != len(reader.data):
        raise ValueError("this Python marshals code in a form that Gossamer does not know")
    out = bytearray()
    _write(top, out, [0])
    return bytes(out)
