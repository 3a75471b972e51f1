"""Deep recursion on small stacks: the decorator half of deep_stack. The work is done in C (deep.c, spill.c)."""

import functools as _functools
from typing import Any, Callable, TypeVar

from ._gossamer import deep_stack as _deep_stack

_R = TypeVar("_R")


def decorate(block: _deep_stack, function: Callable[..., _R]) -> Callable[..., _R]:
    """function, run inside of block each time it is called."""

    @_functools.wraps(function)
    def deep(*args: Any, **kwargs: Any) -> _R:
        with block:
            return function(*args, **kwargs)

    return deep
