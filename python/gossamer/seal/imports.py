"""The import statements of one module, without those that cannot run on this platform."""

from __future__ import annotations

import ast
import os
import sys
from dataclasses import dataclass
from typing import Iterator


@dataclass
class Import:
    name: str  # the module, absolute
    parts: list[str]  # names that are taken from it: modules, or something inside
    line: int
    inside: bool  # of a function


_FACTS = {"sys.platform": sys.platform, "os.name": os.name, "__name__": "not __main__"}


def _holds(test: ast.expr) -> bool | None:
    """Whether a test of the platform is true; None when it is about something else."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.comparators[0], ast.Constant):
        known = _FACTS.get(ast.unparse(test.left))
        if known is not None and isinstance(test.ops[0], (ast.Eq, ast.NotEq)):
            return (known == test.comparators[0].value) is isinstance(test.ops[0], ast.Eq)
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "startswith" and test.args:
        known = _FACTS.get(ast.unparse(test.func.value))
        if known is not None and isinstance(test.args[0], ast.Constant) and isinstance(test.args[0].value, str):
            return known.startswith(test.args[0].value)
    if ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        return False
    return None


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def _statements(tree: ast.AST, stdlib: bool) -> Iterator[tuple[ast.AST, bool]]:
    """All statements below, and whether they are in a function; left out are branches for other platforms and, in the
    standard library, self-tests."""
    todo: list[tuple[ast.AST, bool]] = [(tree, False)]
    while todo:
        node, inside = todo.pop()
        yield node, inside
        blocks: tuple[str, ...] = _BLOCKS
        if isinstance(node, ast.If):
            holds = _holds(node.test)
            blocks = () if holds is not None else _BLOCKS
            todo += [(child, inside) for child in ((node.body if holds else node.orelse) if holds is not None else ())]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if stdlib and node.name.startswith(("_test", "_selftest")):
                continue
            inside = True
        for block in blocks:
            todo += [(child, inside) for child in getattr(node, block, ()) if isinstance(child, ast.AST)]


def _absolute(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".") if is_package else name.split(".")[:-1]
    if node.level > len(parts):
        return ""  # leads out of the package
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def imports(tree: ast.AST, name: str, is_package: bool, stdlib: bool = False) -> Iterator[Import]:
    """What the module `name` imports: by statements and, outside of the standard library, by calls with a literal name."""
    for node, inside in _statements(tree, stdlib):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, [], node.lineno, inside)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name, is_package)
            if base:
                yield Import(base, [alias.name for alias in node.names if alias.name != "*"], node.lineno, inside)
    if stdlib:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            literal = node.args[0].value
            if called in ("import_module", "__import__") and isinstance(literal, str):
                if all(part.isidentifier() for part in literal.split(".")):
                    yield Import(literal, [], node.lineno, True)
