"""Writing a sealed archive: compile, lay out, list in the manifest, sign.

The bytes depend on the sources, the options and the Python alone: no times, no absolute paths, members in the
order of their names. runtime/archive.h describes the format.
"""

from __future__ import annotations

import ast
import binascii
import hashlib
import importlib.util
import os
import platform
import struct
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass, field
from typing import Callable

from . import canonical
from .finder import Graph, Module

MANIFEST = "META-SEAL/manifest"
SIGNATURE = "META-SEAL/manifest.minisig"
MAGIC = importlib.util.MAGIC_NUMBER.hex()
SHIM_PACKAGE = "_gossamer_shims"


@dataclass
class Options:
    optimize: int = 0
    docstrings: bool = True
    compress: bool = False
    strip: bool = False  # extension modules, by the tool of that name
    deny: list[str] = field(default_factory=list)


@dataclass
class Member:
    name: str
    kind: str
    group: str
    stored: bytes
    size: int
    crc: int
    deflated: bool
    offset: int = 0

    def common(self) -> bytes:
        name = self.name.encode()
        return struct.pack(
            "<HHHHHIIIHH", 20, 1 << 11, 8 if self.deflated else 0, 0, 0x21, self.crc, len(self.stored), self.size, len(name), 0
        )

    def local(self) -> bytes:
        return b"PK\3\4" + self.common() + self.name.encode()

    def central(self) -> bytes:
        made_by = struct.pack("<H", 3 << 8 | 20)
        return b"PK\1\2" + made_by + self.common() + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, self.offset) + self.name.encode()

    def line(self) -> str:
        digest = hashlib.sha256(self.stored).hexdigest()
        method = "deflated" if self.deflated else "stored"
        return f"member {self.kind} {method} {self.offset} {len(self.stored)} {self.size} {self.crc:08x} {digest} {self.name}"


# ---- compiling ----


class _NoDocstrings(ast.NodeTransformer):
    def _strip(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body = node.body  # type: ignore[attr-defined]
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
            rest = body[1:] or [ast.copy_location(ast.Pass(), body[0])]
            node.body = rest  # type: ignore[attr-defined]
        return node

    visit_Module = visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _strip


def compiled(module: Module, options: Options) -> bytes:
    """A .pyc file for the module, of the kind that is never checked against a source."""
    source = module.read()
    shown = module.name.replace(".", "/") + ("/__init__.py" if module.kind == "package" else ".py")
    tree = module.tree or ast.parse(source, module.path)
    if not options.docstrings:
        tree = _NoDocstrings().visit(tree)
    code = compile(tree, f"<sealed>/{shown}", "exec", dont_inherit=True, optimize=options.optimize)
    head = importlib.util.MAGIC_NUMBER + struct.pack("<I", 1) + importlib.util.source_hash(source)
    return head + canonical.dumps(code)


def _stripped(path: str) -> bytes:
    """An extension module without what only a debugger reads."""
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "stripped")
        done = subprocess.run(["strip", "--strip-unneeded", "-o", copy, path], capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"strip {path}: {done.stderr.strip()}")
        with open(copy, "rb") as file:
            return file.read()


def _member(name: str, kind: str, group: str, data: bytes, compress: bool) -> Member:
    crc = binascii.crc32(data)
    if compress:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        small = packer.compress(data) + packer.flush()
        if len(small) < len(data):
            return Member(name, kind, group, small, len(data), crc, True)
    return Member(name, kind, group, data, len(data), crc, False)


# Python reads these before anything could unpack them.
_BOOT = {"encodings/__init__.pyc", "encodings/aliases.pyc", "encodings/utf_8.pyc"}


def members(graph: Graph, options: Options, progress: Callable[[int, int, str], None]) -> list[Member]:
    found = []
    work = sorted((m.member, m) for m in graph.modules.values() if m.kind != "namespace")
    total = len(work) + len(graph.data)
    for i, (name, module) in enumerate(work):
        progress(i, total, module.name)
        if module.kind == "extension":
            data = _stripped(module.path) if options.strip else module.read()
        else:
            data = compiled(module, options)
        found.append(_member(name, module.kind, module.group, data, options.compress and name not in _BOOT))
    taken = {m.name for m in found}
    for i, (name, (file, group)) in enumerate(sorted(graph.data.items())):
        progress(len(work) + i, total, name)
        if name not in taken:
            with open(file, "rb") as source:
                found.append(_member(name, "data", group, source.read(), options.compress))
    progress(total, total, "")
    return sorted(found, key=lambda m: m.name.encode())


# ---- laying out ----


def manifest(found: list[Member], main: str, options: Options, shims: dict[str, str]) -> bytes:
    lines = ["gossamer-seal 1", f"python {platform.python_version()} {sys.implementation.cache_tag} {MAGIC}"]
    if any(m.kind == "extension" for m in found):
        lines.append(f"platform {sys.platform}-{platform.machine()}")
    lines += [f"main {main}", f"optimize {options.optimize}", f"docstrings {'yes' if options.docstrings else 'no'}"]
    lines += [f"deny {what}" for what in sorted(options.deny)]
    lines += [f"shim {module} {shim}" for module, shim in sorted(shims.items())]
    lines += [m.line() for m in found]
    return ("\n".join([*lines, "end"]) + "\n").encode()


def archive(found: list[Member], main: str, options: Options, shims: dict[str, str], sign: Callable[[bytes], bytes] | None) -> bytes:
    """The bytes of the whole file. ValueError when a limit of the format is passed."""
    offset = 0
    for member in found:
        member.offset = offset
        offset += len(member.local()) + len(member.stored)
    text = manifest(found, main, options, shims)
    own = [Member(MANIFEST, "data", "", text, len(text), binascii.crc32(text), False)]
    if sign:
        signature = sign(text)
        own.append(Member(SIGNATURE, "data", "", signature, len(signature), binascii.crc32(signature), False))
    manifest_offset = offset
    for member in own:
        member.offset = offset
        offset += len(member.local()) + len(member.stored)
    if len(found) > 60000 or offset > 0xFFFF0000:
        raise ValueError("a sealed archive holds at most 60000 members and 4 GB")
    directory = b"".join(m.central() for m in [*found, *own])
    comment = f"gossamer-seal 1 {manifest_offset:016x} {len(text):08x} {hashlib.sha256(text).hexdigest()}".encode()
    count = len(found) + len(own)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), offset, len(comment)) + comment
    return b"".join([*(part for m in [*found, *own] for part in (m.local(), m.stored)), directory, end])


def write(path: str, data: bytes, mode: int = 0o644) -> None:
    """All of it or nothing: a crash leaves no half archive at `path`."""
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".sealing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
