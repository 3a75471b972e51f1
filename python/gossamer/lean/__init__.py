"""Mappings that take less memory than dict.

`Dict` is a mapping like `dict`, smaller at every size.  `Record` is one whose keys lie in a table that all records with
the same keys share.  A `Policy` says how large tables are made.

    from gossamer import lean

    d = lean.Dict(name="Ada", born=1815)
    point = lean.Shape("x", "y")
    path = [point(n, n * n) for n in range(1_000_000)]

Neither is a subclass of `dict`: `dict(d)` makes one, and `json.dumps(d, default=dict)` writes one.
"""

from collections.abc import ItemsView as _ItemsView
from collections.abc import KeysView as _KeysView
from collections.abc import MutableMapping as _MutableMapping
from collections.abc import ValuesView as _ValuesView

from .._lean import CPYTHON27, FAST, PS3, TIGHT, Dict, Policy, Record, Shape, get_default_policy, set_default_policy

__all__ = [
    "CPYTHON27",
    "Dict",
    "FAST",
    "PS3",
    "Policy",
    "Record",
    "Shape",
    "TIGHT",
    "get_default_policy",
    "set_default_policy",
]

_MutableMapping.register(Dict)
_MutableMapping.register(Record)
_KeysView.register(type(Dict().keys()))
_ValuesView.register(type(Dict().values()))
_ItemsView.register(type(Dict().items()))
