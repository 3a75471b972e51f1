"""From what the command line says to the list of things that go into an archive."""

from __future__ import annotations

import importlib.machinery
import os
import pathlib
import pkgutil
import re
import sys
from dataclasses import dataclass, field

from . import elf, pack
from .finder import STDLIB_GROUP, Finder, Graph, Module, NotFound
from .shims import HELPERS, PYTHONS, SHIMS
from .shims.support import LARGE, SMALL, template_source


@dataclass
class Request:
    """One call of `gossamer seal`."""

    app: str = ""  # a file or a folder
    module: str = ""  # instead: run this module, as python -m does
    entry: str = ""  # instead: call MODULE:FUNCTION
    include: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    data: list[tuple[str, str]] = field(default_factory=list)  # name in the archive, file or folder
    extensions: str = "embed"  # or "refuse"


@dataclass
class Plan:
    graph: Graph
    main: str
    shims: dict[str, str]
    libraries: dict[str, list[str]]  # extension module -> shared libraries of the system that it needs


class PlanError(Exception):
    """Why nothing can be sealed; for people."""


def _main_of(request: Request) -> tuple[str, str, list[str]]:
    """-> what to run, the file that becomes __main__ ("" for none), folders to search first."""
    if request.module or request.entry:
        return request.entry or request.module, "", ["."]
    path = pathlib.Path(request.app)
    if path.is_dir():
        if not (path / "__main__.py").is_file():
            raise PlanError(f"{path} has no __main__.py; to seal a module or package that is installed, use -m MODULE")
        return "__main__", str(path / "__main__.py"), [str(path)]
    if not path.is_file():
        raise PlanError(f"there is no file or folder {path}; to seal a module that is installed, use -m MODULE")
    return "__main__", str(path), [str(path.parent)]


def _add(finder: Finder, name: str, whole: bool) -> Module:
    module = finder.add(name)
    if module is None:
        raise PlanError(f"there is no module {name} to seal (searched: {', '.join(finder.paths[:4])}, ...)")
    if whole and module.kind in ("package", "namespace"):
        spec = finder.locate(name)
        for found in pkgutil.iter_modules(list(spec.submodule_search_locations or []) if spec else []):
            if found.name != "__main__" and finder.add(f"{name}.{found.name}") and found.ispkg:
                _add(finder, f"{name}.{found.name}", True)
    return module


def _shims_for(finder: Finder) -> dict[str, str]:
    """Repairs for the modules that are there, in a package of their own; again until nothing new comes in."""
    used: dict[str, str] = {}
    _add_shim(finder, "")
    while True:
        before = len(finder.graph.modules)
        for module, shim in SHIMS.items():
            if module in finder.graph.modules:
                used[module] = shim
                _add_shim(finder, shim)
        for module, shim in HELPERS.items():
            if module in finder.graph.modules:
                _add_shim(finder, shim)
        finder.run()
        if len(finder.graph.modules) == before:
            return used


def _add_shim(finder: Finder, shim: str) -> None:
    """One repair, and what it imports from its own package."""
    name = f"{pack.SHIM_PACKAGE}.{shim}".rstrip(".")
    if name in finder.graph.modules:
        return
    path = pathlib.Path(__file__).parent / "shims" / f"{shim or 'base'}.py"
    module = Module(name, "module" if shim else "package", str(path), pack.SHIM_PACKAGE)
    if shim in TEMPLATES:
        module.source = template_source(*TEMPLATES[shim]).encode()
    finder.graph.modules[name] = module
    finder.queue.append(module)
    for other in re.findall(r"^ *from \.(\w+) import", module.read().decode(), re.M):
        _add_shim(finder, other)


# Modules of templates for functions, which are written only here.
TEMPLATES = {"templates_small": (0, SMALL), "templates_large": (SMALL + 1, LARGE)}


def _check_extensions(graph: Graph, how: str) -> dict[str, list[str]]:
    found = {m.name: m for m in graph.modules.values() if m.kind == "extension"}
    if found and how == "refuse":
        listing = "".join(f"\n  {name}  ({module.path})" for name, module in sorted(found.items()))
        raise PlanError(f"the program needs {len(found)} extension modules, which --extensions refuse does not allow:{listing}")
    libraries = {}
    for name, module in sorted(found.items()):
        try:
            needs = elf.read(module.path)
        except (ValueError, OSError) as error:
            raise PlanError(f"extension module {name}: {error}") from None
        beside = needs.beside(module.path)
        if beside:
            raise PlanError(
                f"extension module {name} needs {', '.join(beside)} at a place relative to itself, which an archive does not have; "
                f"leave it out with --exclude {name.partition('.')[0]}, or install a build that uses the system's library"
            )
        libraries[name] = [lib for lib in needs.libraries if not lib.startswith(("libc.", "libm.", "libpthread.", "ld-linux", "libdl."))]
    return libraries


def _add_data(graph: Graph, name: str, path: str) -> None:
    if os.path.isdir(path):
        for base, folders, files in os.walk(path):
            folders.sort()
            inner = os.path.relpath(base, path)
            for file in files:
                parts = [name] + ([] if inner == "." else inner.split(os.sep)) + [file]
                graph.data["/".join(parts)] = (os.path.join(base, file), "(data)")
    elif os.path.isfile(path):
        graph.data[name] = (path, "(data)")
    else:
        raise PlanError(f"--data {name}={path}: there is no such file or folder")


def make(request: Request) -> Plan:
    """Find everything. PlanError says what is in the way."""
    if sys.version_info[:2] not in PYTHONS:
        known = ", ".join(f"{major}.{minor}" for major, minor in PYTHONS)
        raise PlanError(f"sealing knows the standard library of Python {known}, not that of {sys.version_info[0]}.{sys.version_info[1]}")
    main, file, first = _main_of(request)
    finder = Finder([*first, *request.paths], request.exclude)
    try:
        if file:
            module = Module("__main__", "module", file, "(program)")
            finder.graph.modules["__main__"] = module
            finder.queue.append(module)
        else:
            name = main.partition(":")[0]
            top = _add(finder, name, False)
            if request.module and top.kind == "package":
                main = f"{main}.__main__"
                _add(finder, main, False)
        finder.add("encodings")
        for name in request.include:
            _add(finder, name, True)
        finder.run()
        shims = _shims_for(finder)
    except NotFound as error:
        raise PlanError(str(error)) from None
    for name, path in request.data:
        _add_data(finder.graph, name, path)
    for module in list(finder.graph.modules.values()):
        if module.group == STDLIB_GROUP and importlib.machinery.FrozenImporter.find_spec(module.name):
            del finder.graph.modules[module.name]  # the interpreter has it built in, and would not look further
    return Plan(finder.graph, main, shims, _check_extensions(finder.graph, request.extensions))
