"""Module `selectors` for tasklets: the standard library's classes, on `gossamer.net.select`."""

import sys as _sys

from . import select as _select
from ._again import again as _again

_module = _again("selectors", select=_select)
__all__ = getattr(_module, "__all__", None) or [name for name in vars(_module) if not name.startswith("_")]
globals().update({name: value for name, value in vars(_module).items() if not (name.startswith("__") and name.endswith("__"))})
for _value in list(vars(_module).values()):
    if isinstance(_value, type) and _value.__module__ == _module.__name__:
        _value.__module__ = __name__
_sys.modules[__name__].__dict__.pop("_value", None)
