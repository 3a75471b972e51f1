"""Finding what a program needs: modules, extension modules, data files and the metadata of distributions.

The standard library is followed import by import. Other packages come whole, since they import their parts by
computed names and read files beside their modules; folders of tests are left out.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.metadata
import os
import pathlib
import sys
import sysconfig
from dataclasses import dataclass, field

from .imports import imports

# Modules that somebody imports by a name which no import statement shows.
HIDDEN = {
    "encodings": [
        "encodings." + name
        for name in (
            "aliases", "ascii", "charmap", "cp1252", "cp437", "latin_1", "punycode", "raw_unicode_escape",
            "unicode_escape", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7", "utf_8", "utf_8_sig",
        )
    ],
    "socket": ["encodings.idna"],
    "_socket": ["encodings.idna"],
    "_elementtree": ["xml.etree.ElementPath", "copy"],
    "pickle": ["_compat_pickle"],
    "_pickle": ["_compat_pickle", "copyreg"],
    "_datetime": ["_strptime"],
    "_decimal": ["numbers", "collections"],
    "_sqlite3": ["sqlite3.dump"],
    "xml.sax": ["xml.sax.expatreader"],
    "xml.dom": ["xml.dom.minidom"],
    "dbm": ["dbm.dumb"],
    "curses": ["curses.has_key"],
    "multiprocessing": ["multiprocessing.popen_fork", "multiprocessing.resource_tracker"],
    "concurrent.futures": ["concurrent.futures.thread"],
    "_ctypes": ["ctypes"],
    "_asyncio": ["asyncio"],
    "_zoneinfo": ["zoneinfo._common"],
}
# Imports that the standard library offers but programs seldom want: followed when one of these words is in the program.
ON_DEMAND = {
    "concurrent.futures.process": ("ProcessPoolExecutor", "multiprocessing"),
    "_strptime": ("strptime",),
    "encodings.base64_codec": ("base64_codec", '"base64"', "'base64'"),
    "encodings.hex_codec": ("hex_codec", '"hex"', "'hex'"),
}
# Tools of developers: an import of them inside of a function of the standard library is not followed.
TOOLS = {
    "cProfile", "compileall", "distutils", "doctest", "ensurepip", "idlelib", "lib2to3", "pdb", "profile", "py_compile", "pydoc",
    "rlcompleter", "test", "tkinter", "turtle", "unittest", "venv", "zipimport", "_pyrepl",
}  # fmt: skip
# Parts of the interpreter whose own imports serve what a sealed program does not have.
NOT_FOLLOWED = {"importlib._bootstrap", "importlib._bootstrap_external", "zipimport", "site", "_sitebuiltins"}
SKIPPED_FOLDERS = {"__pycache__", "tests", "test", ".git", ".hg", ".mypy_cache", ".pytest_cache"}
HIDDEN["sysconfig"] = [sysconfig._get_sysconfigdata_name()]  # type: ignore[attr-defined]
SKIPPED_SUFFIXES = (".py", ".pyc", ".pyo", ".pyi", ".so", ".a", ".o", ".c", ".h", ".pyx", ".pxd")
METADATA = ("METADATA", "PKG-INFO", "entry_points.txt", "top_level.txt")


@dataclass
class Module:
    """One module of the program, not compiled yet."""

    name: str
    kind: str  # "module", "package", "extension" or "namespace"
    path: str  # of the source or of the extension; "" for a namespace
    group: str  # for the size report: a top-level package, or "(standard library)"
    source: bytes | None = None  # instead of a file's
    tree: ast.Module | None = None

    @property
    def member(self) -> str:
        """The name in the archive."""
        base = self.name.replace(".", "/")
        return base + {"module": ".pyc", "package": "/__init__.pyc", "extension": ".so"}[self.kind]

    def read(self) -> bytes:
        return self.source if self.source is not None else pathlib.Path(self.path).read_bytes()


@dataclass
class Missing:
    """An import whose module was not found."""

    name: str
    file: str
    line: int


@dataclass
class Graph:
    """All that was found."""

    modules: dict[str, Module] = field(default_factory=dict)
    data: dict[str, tuple[str, str]] = field(default_factory=dict)  # name in the archive -> (file, group)
    missing: list[Missing] = field(default_factory=list)
    distributions: dict[str, str] = field(default_factory=dict)  # name -> version


class NotFound(Exception):
    """A module that was asked for by name is not there."""


STDLIB_GROUP = "(standard library)"


def _stdlib_folders() -> list[str]:
    folders = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    dynload = getattr(sysconfig.get_config_vars(), "get")("DESTSHARED")
    return [os.path.realpath(f) for f in [*folders, dynload] if f and os.path.isdir(f)]


class Finder:
    """Follows imports from a few modules to all that they need."""

    def __init__(self, paths: list[str], exclude: list[str]) -> None:
        self.stdlib = list(dict.fromkeys(_stdlib_folders()))
        own = [os.path.realpath(p) for p in paths]
        inherited = [os.path.realpath(p) for p in sys.path if p and os.path.isdir(p)]
        inherited = [p for p in inherited if p not in self.stdlib]
        self.paths = list(dict.fromkeys([*own, *inherited, *self.stdlib]))
        self.exclude = exclude
        self.graph = Graph()
        self.failed: dict[str, Missing] = {}
        self.queue: list[Module] = []

    # ---- names to files ----

    def is_excluded(self, name: str) -> bool:
        return any(name == e or name.startswith(e + ".") for e in self.exclude)

    def in_stdlib(self, path: str) -> bool:
        real = os.path.realpath(path)
        if f"{os.sep}site-packages{os.sep}" in real or f"{os.sep}dist-packages{os.sep}" in real:
            return False
        return any(real.startswith(folder + os.sep) for folder in self.stdlib)

    def locate(self, name: str) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module found on our paths; parents are never imported."""
        paths: list[str] | None = self.paths
        spec, done = None, ""
        for part in name.split("."):
            done = f"{done}.{part}" if done else part
            try:
                spec = importlib.machinery.PathFinder.find_spec(done, paths)
            except KeyError:  # a namespace inside of a package: its path wants the parent to be imported
                spec = importlib.machinery.ModuleSpec(done, None, is_package=True)
                spec.submodule_search_locations = [os.path.join(p, part) for p in paths or [] if os.path.isdir(os.path.join(p, part))]
            if spec is None:
                return None
            paths = list(spec.submodule_search_locations or [])
        return spec

    def add(self, name: str) -> Module | None:
        """The module and its parents, put on the list; None when there is no such module to be packed."""
        if name in self.graph.modules:
            return self.graph.modules[name]
        if self.is_excluded(name) or name in self.failed:
            return None
        parent = name.rpartition(".")[0]
        if parent and self.add(parent) is None and parent not in sys.builtin_module_names:
            return None
        if name in sys.builtin_module_names or (not parent and importlib.machinery.FrozenImporter.find_spec(name)):
            self.hidden(name)
        if name in sys.builtin_module_names:
            return None
        spec = self.locate(name)
        if spec is None:
            return None
        module = self.module_of(name, spec)
        if module is None:
            return None
        self.graph.modules[name] = module
        self.queue.append(module)
        self.hidden(name)
        if not parent and module.group != STDLIB_GROUP:
            self.add_package(module, spec)
        return module

    def hidden(self, name: str) -> None:
        for more in HIDDEN.get(name, ()):
            self.add(more)

    def module_of(self, name: str, spec: importlib.machinery.ModuleSpec) -> Module | None:
        if spec.origin is None or spec.loader is None or isinstance(spec.loader, importlib.machinery.NamespaceLoader):
            return Module(name, "namespace", "", name.partition(".")[0])
        group = STDLIB_GROUP if self.in_stdlib(spec.origin) else name.partition(".")[0]
        if isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
            return Module(name, "extension", spec.origin, group)
        if isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            kind = "package" if spec.submodule_search_locations is not None else "module"
            return Module(name, kind, spec.origin, group)
        return None

    # ---- whole packages ----

    def add_package(self, module: Module, spec: importlib.machinery.ModuleSpec) -> None:
        """Everything in the folders of a package that is not the standard library's, and its metadata."""
        if spec.origin is not None or spec.submodule_search_locations:
            self.add_distribution(module.name)
        if module.kind == "namespace":
            return  # parts of many distributions may share it: only what is imported
        for folder in spec.submodule_search_locations or []:
            for base, folders, files in os.walk(folder):
                folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS)
                self.add_files(module.name, folder, base, sorted(files))

    def add_files(self, top: str, folder: str, base: str, files: list[str]) -> None:
        inner = os.path.relpath(base, folder)
        parts = [] if inner == "." else inner.split(os.sep)
        if any(not part.isidentifier() for part in parts):
            parts_are_modules = False
        else:
            parts_are_modules = True
        for file in files:
            stem, dot, suffix = file.partition(".")
            if file.endswith(SKIPPED_SUFFIXES):
                if parts_are_modules and suffix in ("py", "so") or (dot + suffix) in importlib.machinery.EXTENSION_SUFFIXES:
                    name = ".".join([top, *parts] + ([] if stem == "__init__" else [stem]))
                    if stem.isidentifier() and (stem != "__main__" or not parts):
                        self.add(name)
                continue
            self.graph.data["/".join([top, *parts, file])] = (os.path.join(base, file), top)

    def add_distribution(self, top: str) -> None:
        """The metadata of the distribution that a top-level module comes from."""
        for distribution in self.owners().get(top, ()):
            folder = getattr(distribution, "_path", None)
            if folder is None or distribution.metadata["Name"] in self.graph.distributions:
                continue
            self.graph.distributions[distribution.metadata["Name"]] = distribution.version
            for name in METADATA:
                file = os.path.join(folder, name)
                if os.path.isfile(file):
                    self.graph.data[f"{os.path.basename(folder)}/{name}"] = (file, top)

    def owners(self) -> dict[str, list[importlib.metadata.Distribution]]:
        if not hasattr(self, "_owners"):
            self._owners: dict[str, list[importlib.metadata.Distribution]] = {}
            for distribution in importlib.metadata.distributions(path=self.paths):
                tops = (distribution.read_text("top_level.txt") or "").split()
                for file in distribution.files or ():
                    first = file.parts[0]
                    if first.endswith(".py") or len(file.parts) > 1:
                        tops.append(first.removesuffix(".py"))
                for top in set(tops):
                    self._owners.setdefault(top, []).append(distribution)
        return self._owners

    # ---- imports ----

    def follow(self, module: Module) -> None:
        if module.kind in ("extension", "namespace"):
            return
        try:
            module.tree = ast.parse(module.read(), module.path)
        except (SyntaxError, ValueError) as error:
            if module.group != STDLIB_GROUP and module.name.count(".") == 0:
                raise NotFound(f"{module.path} does not compile: {error}") from None
            del self.graph.modules[module.name]  # a template or a file for another Python
            self.failed[module.name] = Missing(module.name, module.path, 1)
            return
        if module.name in NOT_FOLLOWED:
            return
        stdlib = module.group == STDLIB_GROUP
        if not stdlib:
            self.demand(module)
        for found in imports(module.tree, module.name, module.kind == "package", stdlib):
            if stdlib and (found.name == "concurrent.futures.process" or (found.inside and found.name.partition(".")[0] in TOOLS)):
                continue
            self.require(found.name, found.parts, module, found.line)

    def demand(self, module: Module) -> None:
        text = module.read().decode("utf-8", "replace")
        for name, words in ON_DEMAND.items():
            if any(word in text for word in words):
                self.add(name)

    def require(self, name: str, maybe: list[str], module: Module, line: int) -> None:
        found = self.add(name)
        if found is None and name not in sys.builtin_module_names:
            top = name.partition(".")[0]
            if top != "_gossamer_seal" and not importlib.machinery.FrozenImporter.find_spec(top) and not self.is_excluded(name) and name not in self.failed:
                self.failed[name] = Missing(name, module.path, line)
                self.graph.missing.append(self.failed[name])
            return
        for part in maybe:  # `from package import part`: a module, or a name inside of it
            if found is not None and found.kind in ("package", "namespace"):
                self.add(f"{name}.{part}")

    def run(self) -> Graph:
        while self.queue:
            self.follow(self.queue.pop())
        return self.graph
