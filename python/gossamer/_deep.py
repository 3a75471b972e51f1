"""Deep recursion on small stacks: the decorator half of deep_stack. The work is done in C (deep.c, spill.c)."""

import functools as _functools


def decorate(block, function):
    """function, run inside of block each time it is called."""

    @_functools.wraps(function)
    def deep(*args, **kwargs):
        with block:
            return function(*args, **kwargs)

    return deep
