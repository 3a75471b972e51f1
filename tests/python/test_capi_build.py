"""The C API for those who build with it: the example of the page, C and C++ compilers, versions, what is installed."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

import gossamer
from capi.build import build, compile_with, compiler, header, include_flags
from capi.fixture import extension
from helpers import python

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "c-api.md").read_text()


def file_of_page(name):
    return re.search(rf"^```\w+ file={re.escape(name)}\n(.*?)^```$", PAGE, re.M | re.S)[1]


def output_after(start):
    """The text block that follows the code block which starts like this."""
    return re.search(rf"^```{re.escape(start)}\n.*?^```\n\n```text\n(.*?)^```$", PAGE, re.M | re.S)[1]


def run_in(folder, *command):
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), env.get("PYTHONPATH")]))
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestPage:
    def check_example(self, folder):
        block = re.search(r"^```python requires=squares\n(.*?)^```$", PAGE, re.M | re.S)[1]
        (folder / "use.py").write_text(block)
        assert run_in(folder, sys.executable, "use.py") == output_after("python requires=squares")

    def test_example(self, tmp_path):
        (tmp_path / "squares.c").write_text(file_of_page("squares.c"))
        build("squares", [tmp_path / "squares.c"], tmp_path)
        self.check_example(tmp_path)
        out = run_in(tmp_path, sys.executable, "-c", """if 1:
            import squares, stackless
            for call in (squares.start, lambda: squares.squares(5, 1), lambda: squares.start(5)):
                try: call()
                except TypeError as error: print(error)
            c = stackless.channel()
            t = squares.start(squares.squares, c, 3); t.run(); t.kill(); print(t.alive, c.balance)
            """)
        assert out.splitlines()[0] == "start() needs a function" and out.splitlines()[-1] == "False 0"
        assert len(out.splitlines()) == 4

    def test_example_with_setuptools(self, tmp_path):
        pytest.importorskip("setuptools")
        for name in ("squares.c", "setup.py"):
            (tmp_path / name).write_text(file_of_page(name))
        run_in(tmp_path, sys.executable, "setup.py", "--quiet", "build_ext", "--inplace")
        self.check_example(tmp_path)

    def test_c_library_example(self, tmp_path):
        """The core is compiled as it is, without Meson: it needs nothing but a C compiler."""
        (tmp_path / "hello.c").write_text(file_of_page("hello.c"))
        sources = [*ROOT.glob("core/*/*.c"), *ROOT.glob("core/stack/arch/*.c"), *ROOT.glob("core/stack/arch/*.S")]
        compile_with([*compiler(), "-std=gnu11", "-O1", "-pthread", '-DGOSSAMER_VERSION="0"', f"-I{ROOT / 'include'}",
                      f"-I{ROOT / 'core'}", str(tmp_path / "hello.c"), *map(str, sources), "-o", str(tmp_path / "hello")])
        assert run_in(tmp_path, str(tmp_path / "hello")) == output_after("c file=hello.c")

    def test_names(self):
        """The page has each name of the header, and no other."""
        wanted = set()
        for name in ("stackless_api.h", "gossamer/python.h"):
            text = pathlib.Path(header(name)).read_text()
            wanted |= set(re.findall(r"^static inline [\w ]+[ *](Py\w+[^\W_])\(", text, re.M))
            wanted |= set(re.findall(r"^#define (\w*(?:Py|PY)\w+)\b", text, re.M))
        wanted -= {"PYSTACKLESS_API_CAPSULE", "GOSSAMER_PYTHON_H"}
        tables = PAGE[PAGE.index("## 1. Types"):PAGE.index("### What Stackless has")]
        described = set(re.findall(r"\b(?:Py|PY)(?:Tasklet|Channel|Stackless|Bomb|CStack|STACKLESS|_WATCHDOG)_?\w+", tables))
        assert described - {"PyTaskletObject", "PyChannelObject"} == wanted


class TestCompilers:
    ONE = """
        #include <Python.h>
        #include <stackless_api.h>
        extern "C" int second(PyObject *t);
        extern "C" int first(PyObject *t)
        {
            if (PyStackless_Import() < 0 || !PyTasklet_Check(t) || PyChannel_CheckExact(t))
                return -1;
            PyObject *none = PyStackless_CallMethod_Main(t, "insert", NULL);
            Py_XDECREF(none);
            return second(t);
        }
        """
    TWO = """
        #include <Python.h>
        #include <stackless_api.h>
        extern "C" int second(PyObject *t) { return PyTasklet_Run((PyTaskletObject *)t); }
        """

    @pytest.mark.parametrize("standard", ["c11", "gnu17"])
    def test_c(self, tmp_path, standard):
        for name, text in (("one.c", self.ONE), ("two.c", self.TWO)):
            (tmp_path / name).write_text(text.replace('extern "C" ', ""))
        build("both", [tmp_path / "one.c", tmp_path / "two.c"], tmp_path,
              [f"-std={standard}", "-Wpedantic", "-Wshadow", "-Wundef"])

    def test_cxx(self, tmp_path):
        cxx = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
        if not cxx:
            pytest.skip("no C++ compiler")
        for name, text in (("one.cpp", self.ONE), ("two.cpp", self.TWO)):
            (tmp_path / name).write_text(text)
        compile_with([*cxx.split(), "-std=c++11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *include_flags(),
                      str(tmp_path / "one.cpp"), str(tmp_path / "two.cpp"), "-o", str(tmp_path / "both.so")])

    def test_pointer_is_shared_and_hidden(self):
        """Nothing of the API can clash with another extension: it is not even visible."""
        nm = shutil.which("nm")
        if not nm:
            pytest.skip("no nm")
        exported = subprocess.run([nm, "-D", "--defined-only", extension.path], capture_output=True, text=True).stdout
        assert "PyInit_capi_test" in exported and "PyStackless" not in exported


class TestVersions:
    FAKE = """
        import ctypes, sys
        sys.path.insert(0, {tests!r})
        import gossamer
        from capi.build import load
        class Table(ctypes.Structure):
            _fields_ = [("size", ctypes.c_size_t), ("version", ctypes.c_uint), ("release", ctypes.c_char_p)]
        {change}
        try:
            load("capi_test", {path!r})
        except ImportError as error:
            print(error)
        """
    CAPSULE = """
        table = Table({size}, {version}, b"9.9")
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        gossamer._C_API = new(ctypes.addressof(table), b"{name}", None)
        """

    def message(self, change):
        tests = str(ROOT / "tests")
        code = textwrap.dedent(self.FAKE).format(tests=tests, path=extension.path, change=textwrap.dedent(change).strip())
        return python(code).stdout.strip()

    def capsule(self, size=10_000, version=1, name="gossamer._C_API"):
        return self.CAPSULE.format(size=size, version=version, name=name)

    def test_fits(self):
        assert self.message("") == ""

    def test_other_version(self):
        assert self.message(self.capsule(version=2)) == (
            "this extension module was built for version 1 of Gossamer's C API, but gossamer 9.9 has version 2: "
            "rebuild the extension module with the installed gossamer")

    def test_too_small(self):
        assert self.message(self.capsule(size=64)) == (
            "this extension module was built with a newer gossamer than the installed one, 9.9, whose C API lacks "
            "functions: upgrade gossamer, or rebuild the extension module")

    @pytest.mark.parametrize("change", ["gossamer._C_API = 5", "del gossamer._C_API", None])
    def test_none(self, change):
        change = change or self.capsule(name="other._C_API")
        assert self.message(change) == "the installed gossamer has no C API: install gossamer 0.1.0 or later"

    def test_no_gossamer(self):
        message = self.message("sys.modules['gossamer'] = None")
        assert message.startswith("import of gossamer halted")


def test_installed_headers():
    """What get_include() leads to is what is in the sources."""
    folder = pathlib.Path(gossamer.get_include())
    for name in ("stackless_api.h", "gossamer.h", "gossamer/python.h", "gossamer/embed.h"):
        assert (folder / name).read_bytes() == (ROOT / "include" / name).read_bytes(), name
