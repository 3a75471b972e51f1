"""timeit with callables; statements in text are refused."""

from .support import CompilerClosed


def _callable(what, globals):
    if callable(what):
        return what
    if isinstance(what, str) and what.strip() in ("pass", ""):
        return None
    if isinstance(what, str):
        raise CompilerClosed("the compiler is closed: timeit takes callables here, no statements in text")
    raise ValueError("stmt and setup must be strings or callables")


def apply(module):
    def __init__(self, stmt="pass", setup="pass", timer=module.default_timer, globals=None):
        """Constructor.  See class doc string."""
        self.timer = timer
        self.src = ""
        run, prepare = _callable(stmt, globals), _callable(setup, globals)

        def inner(_it, _timer):
            if prepare:
                prepare()
            begun = _timer()
            if run:
                for _ in _it:
                    run()
            else:
                for _ in _it:
                    pass
            return _timer() - begun

        self.inner = inner

    module.Timer.__init__ = __init__
