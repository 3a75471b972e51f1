"""Replaces parts of the standard library by versions for tasklets, for modules that are imported or look them up afterwards.

Programs of today do better with `gossamer.monkey`, which reaches more and can be undone.
"""

import contextlib
import importlib
import select as _real_select
import sys
import time
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from . import main

__all__ = [
    "Unpatched", "cleared_modules", "cm_start", "cm_stop", "find_name", "patch_all", "patch_misc", "patch_select", "patch_socket",
    "patch_ssl", "patch_thread", "patch_threading", "patched", "patched_attribute", "patched_dictitem", "patched_module", "stored_modules",
]  # fmt: skip

_MISSING = object()
_real_sleep = time.sleep


# ---- for good ----


def patch_all() -> None:
    """All of the functions below."""
    patch_misc()
    patch_thread()
    patch_threading()
    patch_select()
    patch_socket()
    patch_ssl()


def patch_misc() -> None:
    """time.sleep() is the one of `stacklesslib.app`; the original is time.real_sleep()."""
    if time.sleep is not main.sleep:
        time.real_sleep = _real_sleep  # type: ignore[attr-defined]
        time.sleep = main.sleep  # type: ignore[assignment]


def patch_thread() -> None:
    """`import _thread` gives `stacklesslib.replacements.thread`; the original is its real_thread."""
    from .replacements import thread

    sys.modules["_thread"] = thread


def patch_threading() -> None:
    """`import threading` gives `stacklesslib.replacements.threading`; the original is its real_threading."""
    from .replacements import threading

    sys.modules["threading"] = threading


def patch_select() -> None:
    """`import select` gives `stacklesslib.replacements.select`; the original is its real_select."""
    from .replacements import select

    sys.modules["select"] = select


def patch_socket(will_be_pumped: bool = True) -> None:
    """socket.socket and its like are those of `stacklesslib.replacements.socket`.

    will_be_pumped: main loops run tasklets whose sockets are ready while they wait. Otherwise stackless.run() has to be called.
    """
    from .replacements import socket

    if not socket.is_installed():
        socket.install()
    if will_be_pumped:
        main.mainloop.sockets = True
        main.mainloop.add_pump(socket.pump)
    else:
        socket.StartManager()


def patch_ssl() -> None:
    """Contexts of ssl, all of them, wrap sockets in those of `gossamer.net.ssl`."""
    from gossamer.monkey import _ssl

    for change in _ssl.changes():
        change.make()


# ---- for a while ----


@contextlib.contextmanager
def Unpatched() -> Iterator[None]:
    """Inside, time.sleep() and select.select() are the real ones."""
    with patched_attribute(time, "sleep", _real_sleep), patched_dictitem(sys.modules, "select", _real_select):
        yield


@contextlib.contextmanager
def stored_modules(names: Iterable[str]) -> Iterator[None]:
    """Afterwards these entries of sys.modules are as they were."""
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.callback(_put, sys.modules, name, sys.modules.get(name, _MISSING))
        yield


@contextlib.contextmanager
def cleared_modules(names: Iterable[str]) -> Iterator[None]:
    """Inside, sys.modules does not have these, so that they are imported anew; afterwards it is as it was."""
    names = list(names)
    with stored_modules(names):
        for name in names:
            sys.modules.pop(name, None)
        yield


def _put(mapping: Any, key: Any, value: Any) -> None:
    if value is _MISSING:
        mapping.pop(key, None)
    else:
        mapping[key] = value


@contextlib.contextmanager
def patched_dictitem(mapping: Any, key: Any, value: Any) -> Iterator[None]:
    """Inside, mapping[key] is the value."""
    old = mapping.get(key, _MISSING)
    mapping[key] = value
    try:
        yield
    finally:
        _put(mapping, key, old)


@contextlib.contextmanager
def patched_attribute(obj: Any, name: str, value: Any) -> Iterator[None]:
    """Inside, the attribute is the value."""
    old = getattr(obj, name, _MISSING)
    setattr(obj, name, value)
    try:
        yield
    finally:
        if old is _MISSING:
            delattr(obj, name)
        else:
            setattr(obj, name, old)


@contextlib.contextmanager
def patched_module(name: str, module: ModuleType, soft: bool = False) -> Iterator[None]:
    """Inside, `import name` gives the module. soft: only if sys.modules has one of that name."""
    if soft and name not in sys.modules:
        yield
        return
    with patched_dictitem(sys.modules, name, module):
        yield


def find_name(targetname: str) -> tuple[Any, str]:
    """"package.module.Class.attribute" -> (the object that has the attribute, the attribute's name)"""
    path, _, name = targetname.rpartition(".")
    if not path:
        raise ValueError(f"{targetname!r} names no attribute of a module")
    parts = path.split(".")
    for n in range(len(parts), 0, -1):
        try:
            obj = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            if n == 1:
                raise
            continue
        break
    for part in parts[n:]:
        obj = getattr(obj, part)
    return obj, name


@contextlib.contextmanager
def patched(targetname: str, value: Any) -> Iterator[None]:
    """Inside, what "package.module.attribute" names is the value."""
    obj, name = find_name(targetname)
    with patched_attribute(obj, name, value):
        yield


def cm_start(cm: contextlib.AbstractContextManager[Any]) -> Any:
    """Enter a context manager by hand."""
    return cm.__enter__()


def cm_stop(cm: contextlib.AbstractContextManager[Any]) -> Any:
    """Leave it again."""
    return cm.__exit__(None, None, None)
