"""The command line: `python -m gossamer`."""

import os
import re
import signal
import subprocess
import sys
import zipfile

import pytest

import gossamer


def command(*arguments, cwd=None, text=None, **more):
    return subprocess.run(
        [sys.executable, "-m", "gossamer", *map(str, arguments)],
        input=text, capture_output=True, text=True, timeout=110, cwd=cwd, env=dict(os.environ, **more),
    )  # fmt: skip


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


class TestCommands:
    def test_version(self):
        done = command("--version")
        assert (done.returncode, done.stdout) == (0, f"gossamer {gossamer.__version__}\n")

    @pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
    def test_help(self, arguments):
        done = command(*arguments)
        assert done.returncode == 0 and "examples:" in done.stdout
        assert "gossamer run" in done.stdout and "gossamer demo index" in done.stdout

    @pytest.mark.parametrize("name", ["run", "demo"])
    def test_help_of_a_command(self, name):
        done = command(name, "--help")
        assert done.returncode == 0 and "examples:" in done.stdout

    @pytest.mark.parametrize(
        "arguments, hint",
        [
            (("rum",), "did you mean 'run'?"),
            (("dmeo",), "did you mean 'demo'?"),
            (("zzz",), "there is: run, demo"),
            (("demo", "indx"), "did you mean 'index'?"),
            (("demo",), "NAME"),
            (("run",), "gossamer run PROGRAM.py"),
            (("run", "-m"), "name of a module"),
            (("run", "-x", "y"), "unknown option '-x'"),
            (("--frobnicate",), "--frobnicate"),
        ],
    )
    def test_mistakes_get_a_hint_and_status_2(self, arguments, hint):
        done = command(*arguments)
        assert done.returncode == 2 and done.stdout == ""
        assert hint in done.stderr and "--help" in done.stderr


class TestRun:
    def test_the_program_is_main(self, tmp_path):
        program = write(tmp_path, "program.py", (
            "import sys, stackless\n"
            "print(sys.argv[1:], sys.path[0], __name__, __file__)\n"
            "print(vars(sys.modules['__main__']) is globals(), __spec__, __package__)\n"
            "print(sys.argv[0], stackless.TaskletExit is TaskletExit)\n"
        ))  # fmt: skip
        done = command("run", program, "a", "--help", "-m", "b")
        folder = os.path.realpath(tmp_path)
        assert done.stderr == ""
        assert done.stdout.splitlines() == [
            f"['a', '--help', '-m', 'b'] {folder} __main__ {program}", "True None None", f"{program} True",
        ]  # fmt: skip

    def test_taskletexit_is_a_builtin_without_any_import(self):
        done = command("run", "-", "x", text="print(TaskletExit.__name__)\nimport sys; print(sys.argv)")
        assert done.stdout == "TaskletExit\n['-', 'x']\n"

    def test_module_and_package(self, tmp_path):
        write(tmp_path, "thing.py", "import sys; print(__name__, __spec__.name, sys.argv)")
        write(tmp_path, "package/__init__.py", "")
        write(tmp_path, "package/__main__.py", "from . import part; print(__name__, __package__)")
        write(tmp_path, "package/part.py", "print(__name__)")
        done = command("run", "-m", "thing", "--help", cwd=tmp_path)
        assert done.stdout == f"__main__ thing {[str(tmp_path / 'thing.py'), '--help']}\n"
        done = command("run", "-mpackage", cwd=tmp_path)
        assert done.stdout == "package.part\n__main__ package\n"

    def test_folder_and_zip_file(self, tmp_path):
        write(tmp_path, "folder/__main__.py", "import other; print(other.x)")
        write(tmp_path, "folder/other.py", "x = 5")
        with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
            archive.write(tmp_path / "folder/__main__.py", "__main__.py")
            archive.write(tmp_path / "folder/other.py", "other.py")
        for name in ("folder", "app.pyz"):
            done = command("run", tmp_path / name)
            assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr

    @pytest.mark.parametrize(
        "arguments, hint",
        [
            (("no/such/file.py",), "there is no file"),
            (("-m", "no_such_module"), "there is no module"),
            (("-m", "no_such.module"), "cannot find the module"),
            (("-m", "json"), "no __main__"),
            (("-m", ".json"), "relative"),
        ],
    )
    def test_what_cannot_be_run(self, arguments, hint):
        done = command("run", *arguments)
        assert done.returncode == 2 and hint in done.stderr

    @pytest.mark.parametrize(
        "code, status, error",
        [
            ("raise SystemExit(7)", 7, ""),
            ("raise SystemExit", 0, ""),
            ("raise SystemExit('reason')", 1, "reason\n"),
            ("import os; os._exit(9)", 9, ""),
            ("import stackless; stackless.tasklet(lambda: 1 / 0)(); stackless.run()", 1, "ZeroDivisionError: division by zero\n"),
            ("raise TaskletExit", 1, "TaskletExit\n"),
            ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt\n"),
        ],
    )
    def test_exit_status(self, tmp_path, code, status, error):
        done = command("run", write(tmp_path, "p.py", code))
        assert done.returncode == status, done.stderr
        assert done.stderr.endswith(error) and bool(done.stderr) == bool(error)

    def test_tracebacks_show_the_program_only(self, tmp_path):
        program = write(tmp_path, "p.py", "def f():\n    1 / 0\nf()\n")
        done = command("run", program)
        plain = subprocess.run([sys.executable, program], capture_output=True, text=True)
        assert done.stderr == plain.stderr
        program.write_text("def f(:\n")
        done = command("run", program)
        plain = subprocess.run([sys.executable, program], capture_output=True, text=True)
        assert done.stderr == plain.stderr

    def test_excepthook_and_atexit_of_the_program(self, tmp_path):
        done = command("run", write(tmp_path, "p.py", (
            "import atexit, sys, traceback\n"
            "atexit.register(print, 'at exit')\n"
            "sys.excepthook = lambda kind, error, tb: print(kind.__name__, len(traceback.extract_tb(tb)))\n"
            "1 / 0\n"
        )))  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (1, "ZeroDivisionError 1\nat exit\n", "")

    def test_multiprocessing_finds_the_program(self, tmp_path):
        done = command("run", write(tmp_path, "p.py", (
            "import multiprocessing\n"
            "def double(x): return 2 * x\n"
            "if __name__ == '__main__':\n"
            "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(double, [1, 2]))\n"
        )))  # fmt: skip
        assert done.stdout == "[2, 4]\n", done.stderr


DEADLOCK = """\
import gossamer

requests = gossamer.channel()
answers = gossamer.channel()

def server():
    handle(answers)

def handle(channel):
    return channel.receive()

def main():
    gossamer.spawn(server, name="the server")
    requests.receive()

main()
"""


class TestDeadlock:
    def test_message_names_who_waits_where(self, tmp_path):
        program = write(tmp_path, "p.py", DEADLOCK)
        done = command("run", program)
        assert done.returncode == 1
        error = done.stderr
        assert "Deadlock: the last runnable tasklet cannot be blocked." in error
        assert re.search(r'tasklet "main" \(.*\) waits to receive on channel \'requests\' at 0x', error)
        assert re.search(r'tasklet "the server" \(.*\) waits to receive on channel \'answers\' at 0x', error)
        # Both stacks, to the innermost call, and nothing of what started the program.
        for line in ("line 10, in handle", "line 7, in server", "line 14, in main", "line 16, in <module>"):
            assert line in error
        assert "gossamer/_run.py" not in error and "gossamer/__main__.py" not in error
        assert "What would help:" in error
        assert error.count("Wait-for graph") == 1

    def test_a_deadlock_that_is_caught_is_no_end(self, tmp_path):
        program = write(tmp_path, "p.py", DEADLOCK.replace("\nmain()\n", "\ntry: main()\nexcept RuntimeError as e: print(e)\n"))
        done = command("run", program)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.environ.get("GOSSAMER_STACKS") == "own", reason="100,000 stacks of their own are too many")
def test_demo_in_small():
    done = command("demo", "index", GOSSAMER_DEMO_SIZE="small")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "both runs agree" in done.stdout and "100,000 tasklets wait" in done.stdout
    assert "\x1b" not in done.stdout and "\r" not in done.stdout
    for kind in ("gossamer", "asyncio", "greenlet"):
        assert kind in done.stdout


def test_demo_of_an_unknown_size():
    done = command("demo", "index", GOSSAMER_DEMO_SIZE="huge")
    assert done.returncode == 2 and "full or small" in done.stderr
