"""Runs a program with everything replaced by tasklet versions, in a tasklet, under the main loop.

    python -m stacklesslib.magic program.py arguments...
    python -m stacklesslib.magic -m module arguments...

The program ends when its main code ends. An error of that code is printed, and kept as `stacklesslib.main.mainloop.exception`.
"""

import os
import runpy
import sys
from typing import Any

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Run the program that argv names: [program, arguments...] or ["-m", module, arguments...]. Returns the exit status."""
    if not argv or argv == ["-m"]:
        print("usage: python -m stacklesslib.magic (PROGRAM | -m MODULE) [ARGUMENT ...]", file=sys.stderr)
        return 2
    import stackless

    from . import app, main, monkeypatch
    from .replacements import threading

    monkeypatch.patch_all()
    app.install_stackless()
    loop = main.mainloop
    loop.exception = None  # type: ignore[attr-defined]
    threading._program = stackless.tasklet(_program)(argv, loop)
    loop.run()
    error = loop.exception  # type: ignore[attr-defined]
    if isinstance(error, SystemExit) or error is None:
        return _status(error)
    return 1


def _program(argv: list[str], loop: Any) -> None:
    try:
        if argv[0] == "-m":
            sys.argv = argv[1:]
            sys.path.insert(0, os.getcwd())
            runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = argv
            sys.path.insert(0, os.path.dirname(os.path.abspath(argv[0])))
            runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as error:
        loop.exception = error
    except BaseException as error:
        loop.exception = error
        loop.handle_error(sys.exc_info())
    finally:
        loop.stop()


def _status(error: SystemExit | None) -> int:
    code = None if error is None else error.code
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
