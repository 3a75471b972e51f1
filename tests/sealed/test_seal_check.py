"""--check names what will ask for the compiler; close_compiler() does the same hardening without an archive."""
import subprocess
import sys

import pytest

from seal_commands import quick


def test_check_names_file_and_line(tmp_path):
    (tmp_path / "p.py").write_text("""import re, ast, types
from runpy import run_path as go
pattern = re.compile("x")
eval("1 + 1")
def f(text):
    exec(text)
    return ast.parse(text), ast.literal_eval(text)
go("x.py")
f.__code__.replace(co_name="g")
""")
    done = quick("seal", "--check", tmp_path / "p.py")
    assert done.returncode == 1
    lines = [line.partition(": ")[0].rpartition(":")[2] for line in done.stdout.splitlines() if line.startswith(str(tmp_path))]
    assert lines == ["4", "6", "7", "8", "9"]
    assert "5 places will ask for the compiler" in done.stdout and not (tmp_path / "p.gos").exists()


def test_check_of_a_clean_program(tmp_path):
    (tmp_path / "p.py").write_text("import re\ndef compile(x): return x\nre.compile(compile('x'))\n")
    done = quick("seal", "--check", tmp_path / "p.py")
    assert done.returncode == 0 and "0 places" in done.stdout


CLOSED = """
import sys
import collections, dataclasses, typing, marshal, json
from gossamer import seal
seal.close_compiler({options})
def refused(f, *a):
    try:
        f(*a)
    except seal.CompilerClosed as error:
        assert isinstance(error, NotImplementedError) and isinstance(error, SyntaxError)
        return True
assert refused(eval, "1") and refused(exec, "1") and refused(compile, "1", "x", "exec")
P = collections.namedtuple("P", "x y", defaults=[2])
assert P(1) == (1, 2) and repr(P(1)) == "P(x=1, y=2)"
@dataclasses.dataclass
class D:
    x: int
    y: list = dataclasses.field(default_factory=list)
assert D(1) == D(1) and repr(D(1)) == "D(x=1, y=[])"
assert typing.get_type_hints(type("C", (), dict(__annotations__=dict(a="list[int] | None"))))["a"] == list[int] | None
"""


def python(text, *options):
    return subprocess.run([sys.executable, *options, "-c", text], capture_output=True, text=True, timeout=120)


def test_close_compiler():
    done = python(CLOSED.format(options="") + """
assert refused(marshal.loads, marshal.dumps(refused.__code__)) and refused(lambda: refused.__code__.replace(co_name="x"))
try:
    import html.parser
except ImportError:
    pass
except NotImplementedError as error:
    print(error)
seal.close_compiler()
""")
    assert done.returncode == 0 and done.stdout.startswith("the compiler is closed: code objects"), done.stderr


def test_close_compiler_with_bytecode_goes_on_importing():
    done = python(CLOSED.format(options="bytecode=True") + """
import unittest.mock, timeit, html.parser, argparse
assert timeit.timeit(lambda: None, number=3) > 0
def f(a): return a
unittest.mock.create_autospec(f)(1)
assert refused(timeit.timeit, "1")
print("fine")
""")
    assert done.stdout == "fine\n", done.stderr


def test_close_compiler_denies_ctypes_and_checks_its_arguments():
    done = python("""
from gossamer import seal
try:
    seal.close_compiler(deny=["sockets"])
except ValueError as error:
    print(error)
seal.close_compiler(deny=["ctypes"], bytecode=True)
try:
    import ctypes
except ImportError as error:
    print(error)
""")
    assert done.stdout == "close_compiler() can deny ctypes, not sockets\nctypes is denied in this program\n", done.stderr


def test_a_hook_that_keeps_ours_out_is_noticed():
    done = python("""
import sys
def hook(event, args):
    if event == "sys.addaudithook":
        raise RuntimeError("no more hooks")
sys.addaudithook(hook)
from gossamer import seal
try:
    seal.close_compiler()
except RuntimeError as error:
    print(error)
eval("1")
""")
    assert done.stdout == "another audit hook refuses the one that would keep the compiler closed\n", done.stderr


@pytest.mark.parametrize("call, kind", [("derive((lambda a: a).__code__, ('x y',), 1, 0, 0, 'f', 'f')", "ValueError"),
                                        ("derive((lambda a, b: a).__code__, ('x', 'x'), 2, 0, 0, 'f', 'f')", "ValueError"),
                                        ("derive(1, (), 0, 0, 0, 'f', 'f')", "TypeError"), ("awaitable(1)", "TypeError"),
                                        ("derive((lambda a: lambda: a).__code__, ('x',), 1, 0, 0, 'f', 'f')", "ValueError"),
                                        ("Archive(b'/nothere')", "gossamer._seal.ArchiveError"), ("arm('x')", "TypeError")])
def test_misuse_of_the_inside(call, kind):
    done = python(f"from gossamer._seal import *\n{call}")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(kind), done.stderr
