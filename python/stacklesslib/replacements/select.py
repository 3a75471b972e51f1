"""Module `select` of which only the calling tasklet waits: that of `gossamer.net`.  The real one is real_select."""

import select as real_select
from typing import Any

from gossamer.net import select as _select
from gossamer.net.select import *  # noqa: F403

_names: list[str] = getattr(_select, "__all__")
__all__ = [*_names, "real_select"]


def __getattr__(name: str) -> Any:
    return getattr(_select, name)
