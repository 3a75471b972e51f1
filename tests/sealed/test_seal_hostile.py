"""Ways to run text or foreign code from inside of a sealed program; docs/reference/sealed.md lists the same ones."""
import importlib.util
import marshal
import pathlib
import py_compile
import re
import subprocess
import shutil
import sys
import sysconfig
import zipfile

import pytest

HERE = pathlib.Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "reference" / "sealed.md"


@pytest.fixture(scope="module")
def outcome(launcher, tmp_path_factory):
    """{way: what came of it}"""
    from seal_commands import quick

    folder = tmp_path_factory.mktemp("foreign")
    text = "import builtins\nbuiltins.marked = True\n"
    (folder / "foreign.py").write_text(text)
    (folder / "foreign.marshal").write_bytes(marshal.dumps(compile(text, "foreign", "exec")))
    py_compile.compile(str(folder / "foreign.py"), str(folder / "foreign.pyc"))
    with zipfile.ZipFile(folder / "foreign.zip", "w") as z:
        z.write(folder / "foreign.pyc", "foreign.pyc")
    real = importlib.util.find_spec("_json").origin
    shutil.copy(real, folder / "foreign.so")
    archive = folder / "hostile.gos"
    done = quick("seal", HERE / "hostile.py", "-o", archive)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([launcher, archive, folder], capture_output=True, text=True, timeout=300)
    found = dict(re.findall(r"^(\w+): (.*)$", done.stdout, re.M))
    assert done.returncode == 0, done.stdout + done.stderr
    return found


def test_there_are_many_ways(outcome):
    assert len(outcome) >= 30


def test_nothing_escapes(outcome):
    assert {name: what for name, what in outcome.items() if not what.startswith("refused ")} == {}


def test_what_names_the_compiler_says_so(outcome):
    """Refusals of text are the error that the documentation promises."""
    named = ["eval_text", "eval_bytes", "exec_text", "compile_text", "compile_to_tree", "compile_tree", "ast_parse", "interactive_console",
             "interactive_interact", "codeop_command", "debugger_expression", "doctest_examples", "timeit_text", "pickle_that_evaluates",
             "marshal_loads", "code_type", "code_replace", "source_file_loader", "path_finder_brought_back", "run_path_of_source",
             "sourceless_file_loader", "exec_kept_by_importlib", "in_a_thread", "at_exit"]
    assert {name: outcome.get(name) for name in named} == {name: "refused CompilerClosed" for name in named}


def test_the_end_of_python_is_guarded(outcome, seal, run):
    """Each finalizer that runs is refused. Those of the last things do not run: we leave when Python drops its hooks."""
    assert {what for name, what in outcome.items() if name.startswith("finalizer_")} <= {"refused CompilerClosed"}
    done = run(seal("""
class Last:
    def __del__(self, run=exec, say=print, error=NotImplementedError):
        try:
            run("1")
        except error as refusal:
            say("refused", type(refusal).__name__)
        else:
            say("ESCAPED")
last = Last()
"""))
    assert done.stdout == "refused CompilerClosed\n"


def test_the_documentation_lists_each(outcome):
    rows = re.findall(r"^\| `(\w+)` \| refused", DOCS.read_text(), re.M)
    late = {row for row in rows if row.startswith("finalizer_")}
    assert set(rows) - late <= set(outcome) <= set(rows)


def test_ctypes_can_be_denied(seal, run):
    text = """
try:
    import ctypes
except ImportError as error:
    print(error)
import sys, importlib.machinery
"""
    assert run(seal(text, "--deny", "ctypes")).stdout == "ctypes is denied in this program\n"
