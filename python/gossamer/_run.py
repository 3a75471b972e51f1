"""`gossamer run`: a program runs as `__main__`, as though Python itself had started it.

The program gets a fresh module `__main__`, its own sys.argv and sys.path[0].  Exceptions leave through Python's own top
level, so that exit status, atexit handlers and Ctrl-C are Python's; only the traceback loses the frames of this file.
"""

import importlib.machinery
import importlib.util
import io
import os
import sys
import types
from types import CodeType, TracebackType
from typing import Any, NoReturn, Sequence

__all__ = ["run_module", "run_program"]



def _here() -> str:
    return _here.__code__.co_filename


_HERE = _here()


def _refuse(message: str) -> NoReturn:
    print(f"gossamer run: {message}", file=sys.stderr)
    raise SystemExit(2)


def run_program(path: str, arguments: Sequence[str]) -> int:
    """Run a file, a folder or zip file with a `__main__.py` in it, or standard input (`-`)."""
    sys.argv[:] = [path, *arguments]
    if path == "-":
        _set_path("")
        source = sys.stdin.buffer.read()
        return _execute(_compiler(source, "<stdin>"), _main_module("<stdin>", None))
    if not os.path.exists(path):
        _refuse(f"there is no file '{path}'")
    if os.path.isdir(path) or _is_zip(path):
        _set_path(path)
        spec = importlib.machinery.PathFinder.find_spec("__main__", [path])
        if spec is None:
            _refuse(f"there is no __main__.py in '{path}'")
        return _execute_spec(spec)
    _set_path(os.path.dirname(os.path.realpath(path)))
    try:
        with io.open_code(os.path.abspath(path)) as file:
            source = file.read()
    except OSError as error:
        _refuse(f"cannot read '{path}': {error.strerror}")
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    return _execute(_compiler(source, path), _main_module(path, loader))


def _is_zip(path: str) -> bool:
    if path.endswith(".py"):
        return False
    import zipfile

    return zipfile.is_zipfile(path)


def run_module(name: str, arguments: Sequence[str]) -> int:
    """Run a module as `python -m` does."""
    # While the module is being looked up, and its packages are imported, argv[0] is "-m".
    sys.argv[:] = ["-m", *arguments]
    _set_path(os.getcwd())
    if name.startswith("."):
        _refuse("the name of the module must not be relative")
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            package, name = name, name + ".__main__"
            spec = importlib.util.find_spec(name)
            if spec is None:
                _refuse(f"'{package}' is a package and has no __main__ module, so it cannot be run")
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        _refuse(f"cannot find the module '{name}': {error}")
    if spec is None:
        _refuse(f"there is no module '{name}'")
    return _execute_spec(spec)


def _set_path(first: str) -> None:
    """sys.path[0] as Python sets it; with `python -P` Python leaves the entry out, and so do we."""
    if not sys.flags.safe_path:
        sys.path[0] = first


def _main_module(file: str | None, loader: Any) -> types.ModuleType:
    module = types.ModuleType("__main__")
    namespace = vars(module)
    namespace["__builtins__"] = sys.modules["builtins"]
    namespace["__loader__"] = loader
    if file is not None and file != "<stdin>":
        namespace["__file__"] = os.path.abspath(file)
        namespace["__cached__"] = None
    return module


def _compiler(source: bytes, name: str) -> Any:
    return lambda: compile(source, name, "exec", dont_inherit=True)


def _execute_spec(spec: importlib.machinery.ModuleSpec) -> int:
    loader: Any = spec.loader
    if loader is None or not hasattr(loader, "get_code"):
        _refuse(f"'{spec.name}' has no Python code to run")
    module = _main_module(spec.origin, loader)
    module.__spec__ = spec
    module.__package__ = spec.parent
    if spec.has_location:
        vars(module)["__cached__"] = spec.cached
        sys.argv[0] = str(spec.origin)

    def code() -> CodeType:
        found = loader.get_code(spec.name)
        if found is None:
            _refuse(f"'{spec.name}' has no Python code to run")
        assert isinstance(found, CodeType)
        return found

    return _execute(code, module)


def _execute(code: Any, module: types.ModuleType) -> int:
    # Importing it makes TaskletExit a builtin, which it is on Stackless even for programs that import nothing.
    import stackless

    sys.modules["__main__"] = module
    try:
        exec(code(), vars(module))
    except stackless.TaskletExit as error:
        # To CPython it is a SystemExit and would end the program silently; on Stackless it is an error in main.
        _show(type(error), error, error.__traceback__)
        raise SystemExit(1) from None
    except SystemExit:
        raise
    except BaseException as error:
        # Python calls the hook when the exception has passed all our callers.
        error.__traceback__ = _strip(error.__traceback__)
        _hide_our_frames()
        raise
    return 0


def _strip(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames that started the program."""
    first = tb = traceback
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == _HERE:
            first = tb.tb_next
        tb = tb.tb_next
    while first is not None and first.tb_frame.f_code.co_filename.startswith("<frozen "):
        first = first.tb_next
    # A SyntaxError of the program has no frames at all then, which is how Python shows it, too.
    return first


def _show(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Show an error as Python would, and the graph of a deadlock even where the hook leaves notes out."""
    traceback = _strip(traceback)
    error.__traceback__ = traceback
    _hook(kind, error, traceback)
    graph = getattr(error, "graph", None)
    if isinstance(graph, str) and graph not in "\n".join(map(str, getattr(error, "__notes__", ()))):
        print(graph, file=sys.stderr)


_hook: Any = sys.excepthook


def _hide_our_frames() -> None:
    global _hook
    _hook = sys.excepthook
    sys.excepthook = _show
