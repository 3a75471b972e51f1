"""Functions with more arguments than any template has: their arguments are bound by hand."""

import sys


def _list(names):
    quoted = [repr(name) for name in names]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return ", ".join(quoted[:-1]) + ", and " + quoted[-1]


def _missing(name, names, kind):
    count = len(names)
    return TypeError(f"{name}() missing {count} required {kind} argument{'s' if count > 1 else ''}: {_list(names)}")


def make_general(name, first, names, call, defaults, keyword_only, keyword_defaults):
    """As support.make_function, for any number of names."""
    positional = names[: len(names) - keyword_only] if keyword_only else names
    known = dict(zip(positional[len(positional) - len(defaults) :], defaults)) if defaults else {}
    known.update(keyword_defaults)
    index = {argument: i for i, argument in enumerate(names)}
    unset = object()

    def function(*args, **kwargs):
        if not args:
            raise _missing(name, [first], "positional")
        if len(args) - 1 > len(positional):
            raise TypeError(f"{function.__qualname__}() takes {len(positional) + 1} positional arguments but {len(args)} were given")
        values = [*args[1:], *[unset] * (len(names) - len(args) + 1)]
        for argument, value in kwargs.items():
            at = index.get(argument)
            if at is None:
                raise TypeError(f"{function.__qualname__}() got an unexpected keyword argument {argument!r}")
            if values[at] is not unset:
                raise TypeError(f"{function.__qualname__}() got multiple values for argument {argument!r}")
            values[at] = value
        if unset in values:
            values = [known.get(argument, unset) if value is unset else value for argument, value in zip(names, values)]
            left = [argument for argument, value in zip(names, values) if value is unset]
            if left:
                kind = "positional" if left[0] in positional else "keyword-only"
                raise _missing(function.__qualname__, left, kind)
        return call(args[0], tuple(values))

    function.__name__ = function.__qualname__ = name
    parts = function, first, names, positional, known
    if "inspect" in sys.modules:
        _describe(sys.modules["inspect"], *parts)
    else:
        _waiting.append(parts)
    return function


# Functions made before module inspect was imported; importing it for them would cost more than all the rest.
_waiting = []


def describe_waiting(inspect):
    """Give these functions their signatures; called when inspect comes in."""
    while _waiting:
        _describe(inspect, *_waiting.pop())


def _describe(inspect, function, first, names, positional, known):
    of = inspect.Parameter
    parameters = [of(first, of.POSITIONAL_OR_KEYWORD)]
    for name in names:
        kind = of.POSITIONAL_OR_KEYWORD if name in positional else of.KEYWORD_ONLY
        parameters.append(of(name, kind, default=known.get(name, of.empty)))
    function.__signature__ = inspect.Signature(parameters)
