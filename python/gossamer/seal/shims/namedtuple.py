"""collections.namedtuple without text: the constructor is a renamed template, everything else are closures."""

import sys
from _collections import _tuplegetter
from keyword import iskeyword

from .support import make_function

_tuple_new = tuple.__new__


def _checked_names(typename, field_names, rename):
    names = field_names.replace(",", " ").split() if isinstance(field_names, str) else field_names
    names = [str(name) for name in names]
    typename = sys.intern(str(typename))
    if rename:
        seen = set()
        for index, name in enumerate(names):
            if not name.isidentifier() or iskeyword(name) or name.startswith("_") or name in seen:
                names[index] = f"_{index}"
            seen.add(name)
    for name in [typename, *names]:
        if type(name) is not str:
            raise TypeError("Type names and field names must be strings")
        if not name.isidentifier():
            raise ValueError(f"Type names and field names must be valid identifiers: {name!r}")
        if iskeyword(name):
            raise ValueError(f"Type names and field names cannot be a keyword: {name!r}")
    seen = set()
    for name in names:
        if name.startswith("_") and not rename:
            raise ValueError(f"Field names cannot start with an underscore: {name!r}")
        if name in seen:
            raise ValueError(f"Encountered duplicate field name: {name!r}")
        seen.add(name)
    return typename, tuple(map(sys.intern, names))


def _methods(typename, names, defaults):
    """The functions of the class, by name."""
    count = len(names)
    shown = ", ".join(names) + ("," if count == 1 else "")
    form = "(" + ", ".join(f"{name}=%r" for name in names) + ")"
    namespace = {"_tuple_new": _tuple_new, "__builtins__": {}, "__name__": f"namedtuple_{typename}"}
    new = make_function("__new__", "_cls", names, _tuple_new, namespace, defaults)
    new.__doc__ = f"Create new instance of {typename}({shown})"

    @classmethod
    def _make(cls, iterable):
        made = _tuple_new(cls, iterable)
        if len(made) != count:
            raise TypeError(f"Expected {count} arguments, got {len(made)}")
        return made

    def _replace(self, /, **kwds):
        made = self._make(map(kwds.pop, names, self))
        if kwds:
            kind = TypeError if sys.version_info >= (3, 13) else ValueError
            raise kind(f"Got unexpected field names: {list(kwds)!r}")
        return made

    def __repr__(self):
        "Return a nicely formatted representation string"
        return self.__class__.__name__ + form % self

    def _asdict(self):
        "Return a new dict which maps field names to their values."
        return dict(zip(self._fields, self))

    def __getnewargs__(self):
        "Return self as a plain tuple.  Used by copy and pickle."
        return tuple(self)

    _make.__func__.__doc__ = f"Make a new {typename} object from a sequence or iterable"
    _replace.__doc__ = f"Return a new {typename} object replacing specified fields with new values"
    for method in (new, _make.__func__, _replace, __repr__, _asdict, __getnewargs__):
        method.__qualname__ = f"{typename}.{method.__name__}"
    found = {"__new__": new, "_make": _make, "_replace": _replace}
    if sys.version_info >= (3, 13):
        found["__replace__"] = _replace
    return {**found, "__repr__": __repr__, "_asdict": _asdict, "__getnewargs__": __getnewargs__}


def namedtuple(typename, field_names, *, rename=False, defaults=None, module=None):
    typename, names = _checked_names(typename, field_names, rename)
    known = {}
    if defaults is not None:
        defaults = tuple(defaults)
        if len(defaults) > len(names):
            raise TypeError("Got more default values than field names")
        known = dict(zip(names[len(names) - len(defaults) :], defaults))
    shown = ", ".join(names) + ("," if len(names) == 1 else "")
    methods = _methods(typename, names, defaults or ())
    namespace = {
        "__doc__": f"{typename}({shown})",
        "__slots__": (),
        "_fields": names,
        "_field_defaults": known,
        **methods,
        "__match_args__": names,
    }
    for index, name in enumerate(names):
        namespace[name] = _tuplegetter(index, sys.intern(f"Alias for field number {index}"))
    made = type(typename, (tuple,), namespace)
    if module is None:
        try:
            module = sys._getframe(1).f_globals.get("__name__", "__main__")
        except (AttributeError, ValueError):
            module = None
    if module is not None:
        made.__module__ = module
    return made


def apply(module):
    namedtuple.__doc__ = module.namedtuple.__doc__
    namedtuple.__module__ = "collections"
    module.namedtuple = namedtuple
