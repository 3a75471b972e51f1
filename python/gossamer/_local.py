"""Tasklet-local storage: an object whose attributes each tasklet sees its own values of.

The values live in a dict that belongs to the tasklet (`tasklet._locals()`), keyed by the id of the `local` object,
so they go away with the tasklet, and the garbage collector sees them.  When the `local` object dies first, a weak
reference callback takes its values out of the tasklet's dict again; that also makes a reused id harmless.
"""

import weakref
from typing import Any

from . import _gossamer

__all__ = ["local"]

_get = object.__getattribute__


class _Entry(weakref.ref["local"]):
    """Weak reference to a `local`, kept in a tasklet's dict, together with that tasklet's attributes."""

    __slots__ = ("attributes", "key", "tasklet")

    attributes: dict[str, Any]
    key: int
    tasklet: Any


def _forget(entry: Any) -> None:
    tasklet = entry.tasklet()
    if tasklet is not None:
        tasklet._locals().pop(entry.key, None)


def _enter(self: "local", tasklet: Any) -> _Entry:
    """Give `self` an empty set of attributes in this tasklet."""
    entry = _Entry(self, _forget)
    entry.attributes = {}
    entry.key = id(self)
    # Weak, or each tasklet with a local would be part of a cycle and have to wait for the garbage collector.
    entry.tasklet = weakref.ref(tasklet)
    tasklet._locals()[entry.key] = entry
    return entry


def _attributes(self: "local") -> dict[str, Any]:
    tasklet = _gossamer.getcurrent()
    entry = tasklet._locals().get(id(self))
    if entry is not None:
        return entry.attributes  # type: ignore[no-any-return]
    entry = _enter(self, tasklet)
    cls = type(self)
    if cls.__init__ is not object.__init__:
        args, kwargs = _get(self, "_local__arguments")
        try:
            cls.__init__(self, *args, **kwargs)
        except BaseException:
            tasklet._locals().pop(id(self), None)
            raise
    return entry.attributes


class local:
    """Storage with one set of attributes a tasklet, as `threading.local` has one a thread.

    A subclass may have an `__init__`; it runs once in each tasklet that touches the object, with the arguments that
    the object was made with.
    """

    __slots__ = ("_local__arguments", "__weakref__")

    def __new__(cls, /, *args: Any, **kwargs: Any) -> "local":
        if (args or kwargs) and cls.__init__ is object.__init__:
            raise TypeError(f"{cls.__name__}() takes no arguments unless a subclass defines __init__")
        self = object.__new__(cls)
        object.__setattr__(self, "_local__arguments", (args, kwargs))
        if cls.__init__ is not object.__init__:
            # type.__call__ runs __init__ for the creator right after this; _attributes() must not run it again.
            _enter(self, _gossamer.getcurrent())
        return self

    def __getattribute__(self, name: str) -> Any:
        attributes = _attributes(self)
        if name in attributes:
            return attributes[name]
        if name == "__dict__":
            return attributes
        return _get(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "__dict__":
            raise AttributeError(f"{type(self).__name__!r} object attribute '__dict__' is read-only")
        descriptor = getattr(type(self), name, None)
        if descriptor is not None and hasattr(type(descriptor), "__set__"):
            object.__setattr__(self, name, value)
        else:
            _attributes(self)[name] = value

    def __delattr__(self, name: str) -> None:
        if name == "__dict__":
            raise AttributeError(f"{type(self).__name__!r} object attribute '__dict__' is read-only")
        descriptor = getattr(type(self), name, None)
        if descriptor is not None and hasattr(type(descriptor), "__delete__"):
            object.__delattr__(self, name)
            return
        try:
            del _attributes(self)[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r} in this tasklet") from None

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *_attributes(self)})
