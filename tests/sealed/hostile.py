"""Runs inside of a sealed archive and tries to run text or foreign code, each way once.

Prints "NAME: refused TYPE", or "NAME: ESCAPED" when a way ends without an error or the mark was made. The first
argument is a folder with foreign files (foreign.py, foreign.pyc, foreign.so, foreign.zip, foreign.marshal).
"""
import ast
import atexit
import builtins
import code
import codeop
import ctypes
import doctest
import gc
import importlib.machinery
import importlib.util
import inspect
import io
import logging.config
import marshal
import os
import pdb
import pickle
import runpy
import sys
import threading
import timeit
import types
import typing
import zipimport

import _gossamer_seal
import _imp

FOLDER = sys.argv[1]
MARK = "builtins.marked = True"
FOREIGN = open(os.path.join(FOLDER, "foreign.marshal"), "rb").read()  # compiled elsewhere: sets builtins.marked
TEXT = "import builtins\n" + MARK
WAYS = []


def way(function):
    WAYS.append(function)
    return function


def path(name):
    return os.path.join(FOLDER, name)


# ---- text ----


@way
def eval_text():
    eval("__import__('builtins').__dict__.update(marked=1)")


@way
def eval_bytes():
    eval(b"1 + 1")


@way
def exec_text():
    exec(TEXT)


@way
def compile_text():
    compile(TEXT, "x", "exec")


@way
def compile_to_tree():
    compile("1", "x", "eval", ast.PyCF_ONLY_AST)


@way
def compile_tree():
    tree = ast.Module(body=[ast.fix_missing_locations(ast.Expr(ast.Constant(1)))], type_ignores=[])
    exec(compile(tree, "x", "exec"))


@way
def ast_parse():
    ast.parse("1")


@way
def exec_found_by_the_collector():
    found = [f for f in gc.get_objects() if isinstance(f, types.BuiltinFunctionType) and f.__name__ == "exec"] or [builtins.exec]
    found[0](TEXT)


@way
def exec_kept_by_importlib():
    importlib._bootstrap._call_with_frames_removed(exec, TEXT, {})


@way
def class_of_a_replaced_builtin():
    type(builtins)("b").__dict__
    vars(builtins)["exec"](TEXT)


@way
def interactive_console():
    code.InteractiveConsole().push(MARK)


@way
def interactive_interact():
    code.interact(readfunc=lambda prompt: MARK)


@way
def codeop_command():
    codeop.compile_command(MARK)


@way
def debugger_expression():
    pdb.Pdb(stdin=io.StringIO("q\n"), stdout=io.StringIO()).runeval("1 + 1")


@way
def doctest_examples():
    doctest.run_docstring_examples(types.FunctionType(ast_parse.__code__, {}), {})


@way
def timeit_text():
    timeit.timeit("x = 1", number=1)


@way
def annotation_that_calls():
    typing.ForwardRef("__import__('builtins').setattr(int, 'x', 1)")._evaluate(globals(), globals(), frozenset()) \
        if sys.version_info < (3, 12, 4) else typing.get_type_hints(type("C", (), {"__annotations__": {"a": "print('x')"}}))


@way
def annotation_of_a_class():
    typing.get_type_hints(type("C", (), {"__annotations__": {"a": "__import__('os').getcwd()"}}))


@way
def evaluated_annotation():
    inspect.get_annotations(type("C", (), {"__annotations__": {"a": "__import__('os').getcwd()"}}), eval_str=True)


@way
def literal_that_calls():
    ast.literal_eval("__import__('os').getcwd()")


@way
def logging_configuration():
    logging.config.fileConfig(io.StringIO(
        "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n[handler_h]\nclass=StreamHandler\n"
        "args=(__import__('sys').stdout,)\n"))


@way
def text_signature():
    class Fake:
        __text_signature__ = "($self, x=__import__('os').getcwd())"

        def __call__(self):
            pass

    inspect.Signature.from_callable(type("C", (), {"__text_signature__": "(x=__import__('os').getcwd())", "__init__": object.__init__}))
    inspect._signature_fromstr(inspect.Signature, print, "(x=__import__('os').getcwd())")


@way
def pickle_that_evaluates():
    pickle.loads(b"cbuiltins\neval\n(V1 + 1\ntR.")


@way
def pickle_that_executes():
    class Call:
        def __reduce__(self):
            return exec, (TEXT,)

    pickle.loads(pickle.dumps(Call()))


# ---- foreign code objects ----


@way
def marshal_loads():
    exec(marshal.loads(FOREIGN))


@way
def marshal_load_of_a_file():
    with open(path("foreign.marshal"), "rb") as file:
        exec(marshal.load(file))


@way
def marshal_of_our_own_code():
    exec(marshal.loads(marshal.dumps(ast_parse.__code__)))


@way
def code_type():
    c = ast_parse.__code__
    more = (c.co_qualname,)
    types.CodeType(c.co_argcount, 0, 0, c.co_nlocals, c.co_stacksize, c.co_flags, c.co_code, c.co_consts, c.co_names, c.co_varnames,
                   "f", "n", *more, 1, c.co_linetable, c.co_exceptiontable)


@way
def code_replace():
    exec_text.__code__.replace(co_consts=("other",))


@way
def code_replace_of_names():
    ast_parse.__code__.replace(co_names=("eval",))


@way
def derive_with_fewer_arguments():
    _gossamer_seal.derive((lambda a, b: a).__code__, ("a",), 1, 0, 0, "f", "f")


@way
def derive_with_more_locals():
    _gossamer_seal.derive((lambda a, b: a).__code__, ("a", "b", "c"), 3, 0, 0, "f", "f")


@way
def awaitable_of_no_generator():
    _gossamer_seal.awaitable(exec_text.__code__)


@way
def frozen_object_with_data():
    _imp.get_frozen_object("foreign", FOREIGN)


@way
def hook_that_loads_meanwhile():
    """An audit hook of ours runs while the runtime unmarshals: what it loads is not what was announced."""
    found = []

    def hook(event, arguments):
        if event == "marshal.loads" and not found:
            found.append(None)
            try:
                found.append(marshal.loads(FOREIGN))
            except BaseException as error:
                found.append(error)

    sys.addaudithook(hook)
    __loader__.get_code("keyword")
    if isinstance(found[1], BaseException):
        raise found[1]
    exec(found[1])


@way
def hook_during_derive():
    found = []

    def hook(event, arguments):
        if event == "code.__new__" and not found:
            found.append(None)
            try:
                found.append(exec_text.__code__.replace(co_consts=("other",), co_code=arguments[0]))
            except BaseException as error:
                found.append(error)

    sys.addaudithook(hook)
    _gossamer_seal.derive((lambda a: a).__code__, ("b",), 1, 0, 0, "f", "f")
    if isinstance(found[1], BaseException):
        raise found[1]


# ---- imports ----


@way
def source_file_loader():
    loader = importlib.machinery.SourceFileLoader("foreign", path("foreign.py"))
    spec = importlib.util.spec_from_loader("foreign", loader)
    loader.exec_module(importlib.util.module_from_spec(spec))


@way
def sourceless_file_loader():
    loader = importlib.machinery.SourcelessFileLoader("foreign", path("foreign.pyc"))
    spec = importlib.util.spec_from_loader("foreign", loader)
    loader.exec_module(importlib.util.module_from_spec(spec))


@way
def path_finder_brought_back():
    sys.path_hooks.append(importlib.machinery.FileFinder.path_hook((importlib.machinery.SourceFileLoader, [".py"])))
    sys.meta_path.append(importlib.machinery.PathFinder)
    sys.path.append(FOLDER)
    try:
        import foreign  # noqa: F401
    finally:
        sys.path.remove(FOLDER)
        sys.meta_path.remove(importlib.machinery.PathFinder)
        sys.path_hooks.clear()


@way
def zip_import():
    zipimport.zipimporter(path("foreign.zip")).load_module("foreign")


@way
def run_path_of_source():
    runpy.run_path(path("foreign.py"))


@way
def run_path_of_bytecode():
    runpy.run_path(path("foreign.pyc"))


@way
def extension_file():
    loader = importlib.machinery.ExtensionFileLoader("foreign", path("foreign.so"))
    loader.create_module(importlib.util.spec_from_loader("foreign", loader))


@way
def create_dynamic():
    _imp.create_dynamic(importlib.machinery.ModuleSpec("foreign", None, origin=path("foreign.so")))


@way
def another_importer():
    type(__loader__)()


@way
def importer_without_new():
    object.__new__(type(__loader__))


@way
def importer_of_another_archive():
    __loader__.archive = path("foreign.zip")


@way
def data_outside_of_the_archive():
    __loader__.get_data(__loader__.archive + "/../" + os.path.basename(FOLDER) + "/foreign.py")


@way
def subinterpreter():
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    interpreters.run_string(interpreters.create(), TEXT)


# ---- other roads ----


@way
def compile_string_through_ctypes():
    ctypes.pythonapi.Py_CompileString.restype = ctypes.py_object
    ctypes.pythonapi.Py_CompileString(TEXT.encode(), b"x", 257)


@way
def run_string_through_ctypes():
    if ctypes.pythonapi.PyRun_SimpleString(TEXT.encode()) != 0:
        raise SyntaxError("refused")


@way
def hooks_cleared_through_ctypes():
    """Python clears its audit hooks only at its end, whoever asks."""
    try:
        ctypes.pythonapi._PySys_ClearAuditHooks(None)
    except AttributeError:
        pass
    exec(TEXT)


@way
def writing_to_memory():
    open("/proc/self/mem", "r+b")


@way
def writing_to_memory_by_another_name():
    link = path("link")
    os.symlink(f"/proc/{os.getpid()}/mem", link)
    os.open(link, os.O_RDWR)


@way
def in_a_thread():
    errors = []

    def run():
        try:
            exec(TEXT)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


@way
def in_a_child():
    pid = os.fork()
    if not pid:
        try:
            exec(TEXT)
        except NotImplementedError:
            os._exit(5)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5:
        raise NotImplementedError


@way
def changed_exception_class():
    """Making the refusal look like something else does not lift it."""
    _gossamer_seal.CompilerClosed.__init__ = lambda self, *a: None
    exec(TEXT)


def report(name, function, builtins=builtins):  # the globals may be gone already
    try:
        function()
    except BaseException as error:
        escaped = hasattr(builtins, "marked")
        print(f"{name}: " + ("ESCAPED" if escaped else f"refused {type(error).__name__}"), flush=True)
    else:
        print(f"{name}: ESCAPED", flush=True)


class AtTheEnd:
    """A finalizer that runs while Python takes itself down."""

    def __init__(self, name, keep=exec, text=TEXT, say=report):
        self.__del__name = name, keep, text, say

    def __del__(self):
        name, keep, text, say = self.__del__name
        say(name, lambda: keep(text))


for function in WAYS:
    report(function.__name__, function)
atexit.register(report, "at_exit", exec_text)
last = AtTheEnd("finalizer_of_a_module")
sys.kept = AtTheEnd("finalizer_kept_by_sys")
builtins.kept = AtTheEnd("finalizer_kept_by_builtins")
cycle = [AtTheEnd("finalizer_in_a_cycle")]
cycle.append(cycle)
