"""What the repairs share: the C helpers, and functions whose arguments have names that are known only at run time."""

try:
    from _gossamer_seal import CompilerClosed, awaitable, derive  # in a sealed program
except ImportError:
    from ..._seal import CompilerClosed, awaitable, derive

FunctionType = type(lambda: None)

__all__ = ["CompilerClosed", "awaitable", "derive", "make_function", "SMALL", "LARGE"]

SMALL, LARGE = 14, 64  # functions with up to so many arguments are compiled beforehand, in two modules


class _Cell:
    """Gives cells for closures."""

    @staticmethod
    def of(value):
        return (lambda: value).__closure__[0]


def template_source(first: int, last: int) -> str:
    """The text of a module with functions of `first` to `last` arguments; compiled when the archive is packed."""
    lines = ["def make(call):", "    return ["]
    for count in range(first, last + 1):
        names = [f"a{i}" for i in range(count)]
        values = "".join(name + ", " for name in names)
        lines.append(f"        lambda first, {values}: call(first, ({values})),".replace(", :", ":") if names else "        lambda first: call(first, ()),")
    return "\n".join([*lines, "    ]", "", f"CODES = [function.__code__ for function in make(None)]", ""])


_codes = []


def prepare() -> None:
    """Outside of an archive: compile them while there is a compiler."""
    if not _codes:
        names = {}
        exec(template_source(0, LARGE), names)
        _codes.extend(names["CODES"])


def _template(count):
    if not _codes:
        from .templates_small import CODES

        _codes.extend(CODES)
    if count >= len(_codes) and len(_codes) <= SMALL + 1:
        from .templates_large import CODES

        _codes.extend(CODES)
    return _codes[count]


def make_function(name, first, names, call, namespace, defaults=(), keyword_only=0, keyword_defaults=None):
    """A function NAME(FIRST, *names) that returns call(FIRST, (values, ...)).

    The last `keyword_only` names are keyword-only arguments. Errors of a wrong call are Python's own.
    """
    count = len(names)
    if count <= LARGE:
        code = derive(_template(count), (first, *names), 1 + count - keyword_only, 0, keyword_only, name, name)
        function = FunctionType(code, namespace, name, tuple(defaults) or None, (_Cell.of(call),))
        function.__kwdefaults__ = dict(keyword_defaults) if keyword_defaults else None
        return function
    from .binding import make_general

    return make_general(name, first, names, call, tuple(defaults), keyword_only, keyword_defaults or {})
