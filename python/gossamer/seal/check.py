"""`gossamer seal --check`: the places of a program and its dependencies that will ask for the compiler.

Found by reading, not by running: a call that is never made is listed too, one through another name is not.
"""

from __future__ import annotations

import ast
import pathlib
from dataclasses import dataclass
from typing import Iterator

from .finder import STDLIB_GROUP, Module
from .pack import SHIM_PACKAGE
from .plan import Plan

# A call by a plain name, unless the module has given the name another meaning.
_PLAIN = {
    "eval": "evaluates text",
    "exec": "executes text, unless it is a code object that was compiled before",
    "compile": "compiles text",
    "execfile": "executes a file",
}
# A call of an attribute of a module.
_DOTTED = {
    "builtins.eval": "evaluates text",
    "builtins.exec": "executes text, unless it is a code object that was compiled before",
    "builtins.compile": "compiles text",
    "ast.parse": "parses text",
    "code.interact": "runs text",
    "codeop.compile_command": "compiles text",
    "marshal.loads": "loads code",
    "marshal.load": "loads code",
    "types.CodeType": "builds code",
    "runpy.run_path": "runs a source file",
    "imp.load_source": "imports a source file",
    "importlib.util.spec_from_file_location": "imports a file outside of the archive",
    "importlib.machinery.SourceFileLoader": "imports a source file",
    "timeit.timeit": "runs text, unless it is given callables",
    "cProfile.run": "runs text",
    "pdb.set_trace": "evaluates what is typed",
}
# Modules of the standard library whose work is to compile.
_BY_NATURE = {"code", "codeop", "doctest", "pdb", "py_compile", "compileall", "symtable"}


@dataclass(frozen=True)
class Place:
    file: str
    line: int
    what: str  # the call, as it is written
    why: str


def _own_names(tree: ast.AST) -> set[str]:
    """Names that the module defines or imports, so that they are not the builtins."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def _imported(tree: ast.AST) -> dict[str, str]:
    """{name here: dotted name it stands for}"""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def places(module: Module) -> Iterator[Place]:
    tree = module.tree or ast.parse(module.read(), module.path)
    own, imported = _own_names(tree), _imported(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if any(keyword.arg and keyword.arg.startswith("co_") for keyword in node.keywords):
            yield Place(module.path, node.lineno, ast.unparse(node.func), "builds code")
            continue
        name = _dotted(node.func)
        first, _, rest = name.partition(".")
        full = imported.get(first, first) + ("." + rest if rest else "")
        if name in _PLAIN and name not in own:
            yield Place(module.path, node.lineno, name, _PLAIN[name])
        elif full in _DOTTED and first in imported:
            yield Place(module.path, node.lineno, name, _DOTTED[full])


def report(plan: Plan) -> int:
    """Print them, package by package. The exit status: 1 when there are any, else 0."""
    found = 0
    modules = [m for m in plan.graph.modules.values() if m.kind in ("module", "package") and m.group not in (STDLIB_GROUP, SHIM_PACKAGE)]
    for module in sorted(modules, key=lambda m: (m.group, m.name)):
        lines = None
        for place in sorted(places(module), key=lambda p: p.line):
            lines = lines or pathlib.Path(place.file).read_text(encoding="utf-8", errors="replace").splitlines()
            print(f"{place.file}:{place.line}: {place.what}() {place.why}\n    {lines[place.line - 1].strip()}")
            found += 1
    used = sorted(_BY_NATURE & set(plan.graph.modules))
    wanted = [name for name in used if any(name in text for text in _texts(modules))]
    for name in wanted:
        print(f"module {name} of the standard library is used, which compiles by nature")
    print(f"\n{found} place{'s' if found != 1 else ''} will ask for the compiler, in {len(modules)} modules of the program and its dependencies")
    return 1 if found else 0


def _texts(modules: list[Module]) -> Iterator[set[str]]:
    for module in modules:
        yield set(_imported(module.tree or ast.parse(module.read())).values())
