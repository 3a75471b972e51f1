"""The standard library inside of a sealed program: each module is imported, and its own tests of what was repaired run."""
import os
import pathlib
import re
import subprocess
import sys
import sysconfig

import pytest

from seal_commands import quick

HERE = pathlib.Path(__file__).parent
STDLIB = pathlib.Path(sysconfig.get_path("stdlib"))
# Not for use at run time, or not for this platform; idlelib and the like want a screen.
LEFT_OUT = {"antigravity", "this", "idlelib", "lib2to3", "test", "turtledemo", "tkinter", "turtle", "__phello__", "__hello__", "pydoc_data"}


BOOTSTRAP = {"_frozen_importlib", "_frozen_importlib_external"}  # there from the start, found by nobody
ONE_INTERPRETER = {"_interpreters", "_xxsubinterpreters"}  # refused, see below

PROBE = """
import sys, os
out = os.dup(1)
for name in sys.argv[1:]:
    pid = os.fork()
    if not pid:
        for number in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        try:
            __import__(name)
        except BaseException:
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1] == 0:
        os.write(out, (name + " ").encode())
"""


def importable():
    """What an ordinary Python imports here: some modules are for other systems, or were not built."""
    names = sorted(sys.stdlib_module_names - LEFT_OUT - ONE_INTERPRETER)
    done = subprocess.run([sys.executable, "-I", "-W", "ignore", "-c", PROBE, *names], capture_output=True, text=True, check=True, timeout=300)
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_module_imports(run, tmp_path):
    names = importable()
    assert len(names) > 200
    (tmp_path / "names").write_text("\n".join(names))
    options = [part for name in names if name not in {*sys.builtin_module_names, *BOOTSTRAP} for part in ("--include", name)]
    done = quick("seal", HERE / "stdlib_imports.py", "-o", tmp_path / "all.gos", "-q", *options,
                 "--exclude", "pip", "--exclude", "setuptools")
    assert done.returncode == 0, done.stderr
    done = run(tmp_path / "all.gos", tmp_path / "names", timeout=300)
    assert done.stdout == "done\n" and done.returncode == 0, done.stdout + done.stderr


def test_no_further_interpreters(run, seal):
    done = run(seal("""
try:
    try:
        import _interpreters
    except ModuleNotFoundError:
        import _xxsubinterpreters
except ImportError as error:
    print(error)
"""))
    assert done.stdout == "a sealed program has one interpreter: another one would not import from the archive\n", done.stderr


# ---- its own tests ----

SUITES = {
    "test_collections": ["test.test_collections.TestNamedTuple"],
    "test_dataclasses": ["test.test_dataclasses"],
    "test_enum": ["test.test_enum"],
    "test_typing": ["test.test_typing.NamedTupleTests"],
    "test_urlparse": ["test.test_urlparse"],
}
RUNNER = """
import sys, unittest, io
suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)
for kind, found in (("FAIL", result.failures), ("ERROR", result.errors)):
    for case, text in found:
        print(kind, case.id(), "|", text.strip().splitlines()[-1][:160])
print("ran", result.testsRun, "failed", len(result.failures) + len(result.errors), "skipped", len(result.skipped))
"""


def expected():
    """{suite: {test}} of stdlib_failures.txt"""
    found = {}
    for line in (HERE / "stdlib_failures.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            suite, test, reason = (part.strip() for part in line.split("|"))
            assert reason
            found.setdefault(suite, set()).add(test)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("suite", sorted(SUITES))
def test_own_tests_of_the_standard_library(suite, run, tmp_path):
    if not (STDLIB / "test").is_dir():
        pytest.skip(f"this Python has no folder {STDLIB / 'test'}: its distributor left the tests of the standard library out")
    (tmp_path / "runner.py").write_text(RUNNER)
    names = SUITES[suite]
    module = ".".join(names[0].split(".")[:2])
    done = quick("seal", tmp_path / "runner.py", "-o", tmp_path / "t.gos", "-q", "--include", module, "--include", "test.support", "--include", "pydoc")
    assert done.returncode == 0, done.stderr
    done = run(tmp_path / "t.gos", *names, timeout=300, cwd=tmp_path)
    last = re.search(r"^ran (\d+) failed (\d+)", done.stdout, re.M)
    assert last and int(last[1]) > 10, done.stdout + done.stderr
    known = expected().get(suite, set())
    failed = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith(("FAIL ", "ERROR "))}
    assert {name: line for name, line in failed.items() if name not in known} == {}, "new failures"
    assert known - set(failed) == set(), "these no longer fail"
