"""A sealed program runs as the unsealed one does: arguments, status, output, tracebacks, isolation."""
import json
import os
import signal
import subprocess
import sys

import pytest

from seal_commands import gossamer


def test_hello(seal, run):
    done = run(seal("import sys\nprint('hello', sys.argv[1:], __name__)\n"), "a", "--help")
    assert (done.stdout, done.stderr, done.returncode) == ("hello ['a', '--help'] __main__\n", "", 0)


@pytest.mark.parametrize("text, status, err", [
    ("import sys\nsys.exit(7)\n", 7, ""), ("import sys\nsys.exit()\n", 0, ""), ("import sys\nsys.exit('no')\n", 1, "no\n"),
    ("raise SystemExit(True)\n\n", 1, ""), ("import os\nos._exit(9)\n", 9, "")])
def test_status(seal, run, text, status, err):
    done = run(seal(text))
    assert (done.returncode, done.stderr) == (status, err)


def test_traceback_shows_the_place(seal, run):
    done = run(seal("def f():\n    raise ValueError('why')\nf()\n"))
    assert done.returncode == 1
    assert 'File "<sealed>/__main__.py", line 2, in f' in done.stderr
    assert done.stderr.endswith("ValueError: why\n")


def test_import_errors_do_not_show_importlib(seal, run, tmp_path):
    (tmp_path / "inner.py").write_text("1 / 0\n")
    done = run(seal("import inner\n"))
    assert done.returncode == 1 and "importlib" not in done.stderr and "<sealed>/inner.py" in done.stderr


def test_interrupt_ends_by_the_signal(seal, launcher):
    archive = seal("import sys, time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen([launcher, archive], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT and "KeyboardInterrupt" in err


def test_files_left_open_are_flushed(seal, run, tmp_path):
    target = tmp_path / "out.txt"
    assert run(seal(f"f = open({str(target)!r}, 'w')\nf.write('kept')\n")).returncode == 0
    assert target.read_text() == "kept"


def test_exit_functions_threads_and_finalizers_run(seal, run):
    done = run(seal("""
import atexit, threading, time
class Last:
    def __del__(self):
        print("finalizer")
last = Last()
atexit.register(print, "atexit")
threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
print("main")
"""))
    assert done.stdout.split() == ["main", "thread", "atexit", "finalizer"] and done.returncode == 0


def test_full_output_gives_status_120(seal, launcher):
    with open("/dev/full", "w") as full:
        done = subprocess.run([launcher, seal("print('x' * 10)\n\n")], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 120 and "No space left" in done.stderr


def test_isolated(seal, run, tmp_path):
    """No folder, no variable and no .pth file has a say."""
    archive = seal("""
import json, sys
print(json.dumps([sys.path, sys.flags.isolated, sys.flags.no_site, sys.flags.dont_write_bytecode, sys.path_hooks,
                  [type(f).__name__ if not isinstance(f, type) else f.__name__ for f in sys.meta_path], sys.stdout.encoding]))
try:
    import intruder
except ModuleNotFoundError as error:
    print(error)
""")
    (tmp_path / "intruder.py").write_text("print('foreign')\n")
    done = run(archive, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": "x", "PYTHONINSPECT": "1",
                                           "PYTHONHOME": str(tmp_path), "PYTHONIOENCODING": "latin-1", "LC_ALL": "C"})
    first, second = done.stdout.splitlines()
    assert json.loads(first) == [[str(archive)], 1, 1, 1, [], ["BuiltinImporter", "FrozenImporter", "Importer"], "utf-8"]
    assert second == "No module named 'intruder'"


def test_packages_namespaces_and_submodules(seal, run, tmp_path):
    (tmp_path / "pack" / "sub").mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").write_text("from . import one\nNAME = __name__\n")
    (tmp_path / "pack" / "one.py").write_text("from .sub.two import X\n")
    (tmp_path / "pack" / "sub" / "__init__.py").write_text("")
    (tmp_path / "pack" / "sub" / "two.py").write_text("X = __name__, __package__, __file__\n")
    (tmp_path / "pack" / "bare").mkdir()
    (tmp_path / "pack" / "bare" / "deep.py").write_text("Z = 6\n")
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "inner.py").write_text("Y = 5\n")
    archive = seal("import pack, pack.bare.deep, space.inner\nprint(pack.one.X, pack.bare.deep.Z, space.inner.Y, pack.__path__, list(space.__path__), pack.__spec__.origin)\n")
    done = run(archive)
    assert done.stdout == (f"('pack.sub.two', 'pack.sub', '{archive}/pack/sub/two.pyc') 6 5 ['{archive}/pack'] ['{archive}/space'] "
                           f"{archive}/pack/__init__.pyc\n"), done.stderr


def test_module_and_entry(seal, run, tmp_path):
    package = tmp_path / "tool"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("import sys\nprint(__name__, __package__, __spec__.name, sys.argv[1:])\n")
    (package / "cli.py").write_text("class App:\n    @staticmethod\n    def start():\n        print('started')\n        return 3\n")
    archive = tmp_path / "tool.gos"
    assert gossamer("seal", "-m", "tool", "--path", tmp_path, "-o", archive, "-q").returncode == 0
    assert run(archive, "x").stdout == "__main__ tool tool.__main__ ['x']\n"
    assert gossamer("seal", "--entry", "tool.cli:App.start", "--path", tmp_path, "-o", archive, "-q").returncode == 0
    done = run(archive)
    assert (done.stdout, done.returncode) == ("started\n", 3)


def test_folder_with_main(seal, run, tmp_path):
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "__main__.py").write_text("import helper\nprint(helper.V)\n")
    (folder / "helper.py").write_text("V = 'from the folder'\n")
    assert run(seal(folder)).stdout == "from the folder\n"


def test_data_and_metadata(seal, run, tmp_path):
    package = tmp_path / "site" / "datapack"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "table.txt").write_text("rows")
    info = tmp_path / "site" / "datapack-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: datapack\nVersion: 1.5\n")
    (info / "top_level.txt").write_text("datapack\n")
    (tmp_path / "extra.txt").write_text("extra")
    archive = seal("""
import importlib.resources, importlib.metadata, pkgutil, datapack
print(importlib.resources.files(datapack).joinpath("table.txt").read_text(), pkgutil.get_data("datapack", "table.txt"))
print(importlib.metadata.version("datapack"), [p.name for p in importlib.resources.files(datapack).iterdir()])
print(__loader__.get_data(__loader__.archive + "/more/extra.txt"))
try:
    __loader__.get_data("nothing")
except FileNotFoundError as error:
    print(error.filename, error.strerror)
""", "--path", tmp_path / "site", "--data", f"more/extra.txt={tmp_path / 'extra.txt'}")
    done = run(archive)
    assert done.stdout.splitlines() == ["rows b'rows'", "1.5 ['__init__.pyc', 'table.txt']", "b'extra'", "None not in the sealed archive"] or \
        done.stdout.splitlines()[3].endswith("not in the sealed archive"), done.stderr


def test_extension_modules_come_from_memory(seal, run):
    done = run(seal("""
import _json, json, math, array, unicodedata, _json as again
print(json.loads("[1, 2]"), math.sqrt(4), array.array("i", [3])[0], unicodedata.name("a"), again is _json)
print(_json.__file__.endswith("_json.so"), type(_json.__loader__).__name__)
"""))
    assert done.stdout.splitlines() == ["[1, 2] 2.0 3 LATIN SMALL LETTER A True", "True Importer"], done.stderr


def test_tasklets_work(seal, run):
    """The extension of this very project, embedded."""
    archive = seal("""
import stackless, gossamer
channel = stackless.channel()
def producer():
    for i in range(3):
        channel.send(i)
stackless.tasklet(producer)()
print([channel.receive() for _ in range(3)], gossamer.__version__ != "")
stackless.tasklet(lambda: print("deep", stackless.current.alive))()
stackless.run()
""")
    done = run(archive)
    assert done.stdout.splitlines() == ["[0, 1, 2] True", "deep True"], done.stderr


def test_one_file(seal, run, launcher, tmp_path):
    """Launcher and archive in one: all arguments are the program's."""
    program = seal("import sys\nprint(sys.argv[1:])\n", "--launcher", launcher, output=tmp_path / "single")
    done = run(None, "--help", "--key", program=program)
    assert (done.stdout, done.returncode) == ("['--help', '--key']\n", 0), done.stderr
    assert gossamer("inspect", "--verify", program).returncode == 0
    data = bytearray(program.read_bytes())
    data[data.rindex(b"__main__") - 200] ^= 1
    program.write_bytes(data)
    assert run(None, program=program).returncode == 2


def test_optimize_and_docstrings(seal, run):
    text = 'def f():\n    "text"\n    assert False, "checked"\nprint(f.__doc__, __debug__)\nf()\n'
    assert run(seal(text)).stdout == "text True\n"
    assert "checked" in run(seal(text, "--no-docstrings")).stderr
    assert run(seal(text, "--no-docstrings")).stdout == "None True\n"
    for level, doc in (("1", "text"), ("2", "None")):
        done = run(seal(text, "--optimize", level))
        assert (done.stdout, done.returncode) == (f"{doc} False\n", 0)


def test_compressed(seal, run):
    text = "import json, argparse\nprint(json.dumps([1]))\n"
    small, large = seal(text, "--compress", name="small"), seal(text, name="large")
    assert small.stat().st_size < 0.6 * large.stat().st_size
    assert run(small).stdout == run(large).stdout == "[1]\n"
    assert gossamer("inspect", "--verify", small).returncode == 0


def test_same_input_same_bytes(seal, tmp_path):
    """Other folder, other process, other hash seed, other modules imported before."""
    text = "import json, enum, dataclasses\nSET = {'a', 'b', 'c', 1, 2.5}\nprint('x' in {'p', 'q', 'r', 's'})\n"
    first = seal(text, name="program").read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    (other / "program.py").write_text(text)
    environment = {**os.environ, "PYTHONHASHSEED": "17"}
    done = subprocess.run([sys.executable, "-c", "import asyncio, unittest, sys\nfrom gossamer.seal import cli\nsys.exit(cli.seal(sys.argv[1:]))",
                           str(other / "program.py"), "-o", str(other / "o.gos"), "-q"], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (other / "o.gos").read_bytes() == first


def test_report_and_inspect(seal, tmp_path):
    (tmp_path / "program.py").write_text("import json, nothere\n")
    done = gossamer("seal", tmp_path / "program.py", "-o", tmp_path / "p.gos")
    assert "(standard library)" in done.stdout and "_json" in done.stdout
    assert "nothere" in done.stdout and "program.py:1" in done.stdout
    shown = gossamer("inspect", tmp_path / "p.gos")
    assert shown.returncode == 0 and "collections" in shown.stdout and "signed      no" in shown.stdout
    listed = gossamer("inspect", "--list", tmp_path / "p.gos").stdout
    assert "json/decoder.pyc" in listed
    manifest = gossamer("inspect", "--manifest", tmp_path / "p.gos").stdout
    assert manifest.startswith("gossamer-seal 1\npython ") and manifest.endswith("\nend\n")
