"""inspect: signatures of C functions, which are text, and annotations in quotes."""

import sys

from .binding import describe_waiting
from .expression import evaluate, read
from .support import CompilerClosed


def _split(text):
    """The pieces between commas at the top level, inside the outer parentheses."""
    if not text.startswith("("):
        raise ValueError
    pieces, depth, quote, begin, at = [], 0, "", 1, 0
    while at < len(text):
        c = text[at]
        if quote:
            if c == "\\":
                at += 1
            elif c == quote:
                quote = ""
        elif c in "\"'":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
            if depth == 0:
                pieces.append(text[begin:at].strip())
                return [piece for piece in pieces if piece]
        elif c == "," and depth == 1:
            pieces.append(text[begin:at].strip())
            begin = at + 1
        at += 1
    raise ValueError


_SIMPLE = (str, int, float, bytes, bool, type(None))


def _default(text, names):
    """The value of a default: a literal, or a constant of the module that the function is from."""
    try:
        value = read(text).evaluate(names, names)
    except (SyntaxError, NameError, AttributeError, KeyError, TypeError):
        raise ValueError from None
    if not isinstance(value, _SIMPLE) and value is not ...:
        if type(value) not in (tuple, list, dict, set, complex):
            raise ValueError
    return value


class _Names(dict):
    """Names of a module, then of all modules: `sys.maxsize` is one of the defaults."""

    def __missing__(self, name):
        return sys.modules[name]


def _parameters(module, pieces, names):
    """-> [Parameter], whether the first one is self."""
    of = module.Parameter
    kind, found, has_self = of.POSITIONAL_OR_KEYWORD, [], False
    for piece in pieces:
        name, _, default = (part.strip() for part in piece.partition("="))
        name = name.partition(":")[0].strip()
        if piece == "/":
            found = [p.replace(kind=of.POSITIONAL_ONLY) for p in found]
            continue
        if piece == "*":
            kind = of.KEYWORD_ONLY
            continue
        value = _default(default, names) if default else of.empty
        if name.startswith("**"):
            found.append(of(name[2:], of.VAR_KEYWORD))
        elif name.startswith("*"):
            found.append(of(name[1:], of.VAR_POSITIONAL))
            kind = of.KEYWORD_ONLY
        else:
            if name.startswith("$"):
                has_self, name = True, name[1:]
            found.append(of(name, kind, default=value))
    return found, has_self


def apply(module):
    def _signature_fromstr(cls, obj, s, skip_bound_arg=True):
        home = sys.modules.get(getattr(obj, "__module__", None) or "")
        names = _Names(vars(home) if home else {})
        try:
            parameters, has_self = _parameters(module, _split(s.strip()), names)
        except (ValueError, CompilerClosed):
            raise ValueError(f"{s!r} builtin has invalid signature") from None
        if has_self:
            owner = getattr(obj, "__self__", None)
            if owner is not None and (module.ismodule(owner) or skip_bound_arg):
                parameters.pop(0)
            else:
                parameters[0] = parameters[0].replace(kind=module.Parameter.POSITIONAL_ONLY)
        return cls(parameters, return_annotation=cls.empty)

    describe_waiting(module)
    module._signature_fromstr = _signature_fromstr
    module.eval = evaluate
