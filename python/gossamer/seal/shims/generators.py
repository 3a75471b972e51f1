"""types.coroutine: generators become awaitable without code.replace."""

from .support import awaitable

_GENERATOR, _COROUTINE, _AWAITABLE = 0x20, 0x80, 0x100  # flags of code objects


def apply(module):
    original = module.coroutine

    def coroutine(func):
        if type(func) is module.FunctionType:
            flags = func.__code__.co_flags
            if flags & _GENERATOR and not flags & (_COROUTINE | _AWAITABLE):
                func.__code__ = awaitable(func.__code__)
                return func
        return original(func)

    coroutine.__doc__ = original.__doc__
    module.coroutine = coroutine
