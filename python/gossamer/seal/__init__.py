"""Sealed programs, and the closed compiler for ordinary ones.

`gossamer seal` and `gossamer-run` ship a program as one verified archive of compiled code (docs/guide/sealed.md).
close_compiler() gives a process that has started in the usual way the same hardening, without an archive.
"""

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Sequence

from .. import _seal
from .._seal import CompilerClosed
from .shims import PYTHONS, SHIMS

__all__ = ["CompilerClosed", "close_compiler"]


class _Repairing(Loader):
    """Another loader, and the repair of its module behind it."""

    def __init__(self, inner: Any, shim: str) -> None:
        self._inner = inner
        self._shim = shim

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        module.__loader__ = self._inner
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        _shim(self._shim).apply(module)


class _Finder(MetaPathFinder):
    """Comes first; lets the others find, and repairs what they found."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in SHIMS:
            return None
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(name, path, target)
                if spec is not None and spec.loader is not None:
                    spec.loader = _Repairing(spec.loader, SHIMS[name])
                    return spec
        return None


def _shim(name: str) -> Any:
    return importlib.import_module(f"{__name__}.shims.{name}")


def close_compiler(*, bytecode: bool = False, deny: Sequence[str] = ()) -> None:
    """Close the compiler of this process for good: compile(), eval() and exec() of text raise CompilerClosed.

    The standard library goes on working: the modules that use the compiler are repaired, those that are imported
    already and those to come. Without `bytecode`, code objects cannot be built or loaded either, so what has not
    been imported from a file by now cannot be; with it, modules are still imported from their .pyc files, and anybody
    who can write such a file can run code. `deny` may hold "ctypes". A second call can only close more.

    Raises NotImplementedError on a Python whose standard library the repairs do not know, RuntimeError when another
    audit hook keeps ours out.
    """
    unknown = set(deny) - {"ctypes"}
    if unknown:
        raise ValueError(f"close_compiler() can deny ctypes, not {', '.join(sorted(unknown))}")
    if sys.version_info[:2] not in PYTHONS:
        raise NotImplementedError("the standard library of this Python has no repairs in this release of Gossamer")
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        from .shims import support

        support.prepare()
        for shim in sorted(set(SHIMS.values())):
            _shim(shim)  # while they can still be compiled
        for name, shim in SHIMS.items():
            if name in sys.modules:
                _shim(shim).apply(sys.modules[name])
        sys.meta_path.insert(0, _Finder())
    what = _seal.NO_TEXT | _seal.NO_MEMORY | (0 if bytecode else _seal.NO_BYTECODE)
    _seal.arm(what | (_seal.NO_CTYPES if "ctypes" in deny else 0))
