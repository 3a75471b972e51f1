"""Mappings that take less memory than dict.

`Dict` is a mapping like `dict`, smaller at every size.  `Record` is one whose keys lie in a table that all records with
the same keys share.  A `Policy` says how large tables are made.

    from gossamer import lean

    d = lean.Dict(name="Ada", born=1815)
    point = lean.Shape("x", "y")
    path = [point(n, n * n) for n in range(1_000_000)]

Neither is a subclass of `dict`: `dict(d)` makes one, and `json.dumps(d, default=dict)` writes one.
"""

import json as _json
from collections.abc import ItemsView as _ItemsView
from collections.abc import KeysView as _KeysView
from collections.abc import MutableMapping as _MutableMapping
from collections.abc import ValuesView as _ValuesView
from typing import IO as _IO
from typing import Any as _Any

from .._lean import (
    CPYTHON27,
    FAST,
    PS3,
    TIGHT,
    Dict,
    Policy,
    Record,
    Shape,
    _Maker,
    compact,
    get_default_policy,
    set_default_policy,
)
from ._audit import Audit, Group, audit

__all__ = [
    "Audit",
    "CPYTHON27",
    "Dict",
    "FAST",
    "Group",
    "PS3",
    "Policy",
    "Record",
    "Shape",
    "TIGHT",
    "audit",
    "compact",
    "get_default_policy",
    "load",
    "loads",
    "set_default_policy",
    "shrink",
]

_MutableMapping.register(Dict)
_MutableMapping.register(Record)
_KeysView.register(type(Dict().keys()))
_ValuesView.register(type(Dict().values()))
_ItemsView.register(type(Dict().items()))


def loads(text: str | bytes | bytearray, *, share: bool = True, **options: _Any) -> _Any:
    """Like `json.loads`, with a Record for each object, or a Dict for the first one with some set of keys.

    share: keep equal short strings, small ints and floats among the values of objects once.  The other options are those
    of `json.loads`, except `object_hook` and `object_pairs_hook`, which are ours: TypeError.
    """
    for name in ("object_hook", "object_pairs_hook"):
        if name in options:
            raise TypeError(f"lean.loads() makes the objects itself: no {name}")
    return _json.loads(text, object_pairs_hook=_Maker(share=share), **options)


def load(file: _IO[str] | _IO[bytes], *, share: bool = True, **options: _Any) -> _Any:
    """Like `json.load`: `loads` of what is in an open file."""
    return loads(file.read(), share=share, **options)


def shrink(obj: _Any, *, share: bool = True) -> _Any:
    """Make a nested structure of dicts, lists and tuples lean; returns what comes of it.

    Each dict becomes a Record, or a Dict where no second one has its keys; lists stay the same objects, with other items;
    a tuple is made anew if one of its items is.  What occurs in several places, or contains itself, still does.  Objects of
    other classes, subclasses of dict and list among them, are left as they are.  share: see `loads`.
    """
    return _Maker(share=share).shrink(obj)
