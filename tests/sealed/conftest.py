"""Fixtures of the tests of sealed programs: a launcher and a way to seal and run, one build for the whole run."""
import ast
import dataclasses
import os
import pathlib
import subprocess
import sys
import sysconfig
import tempfile

import pytest

from gossamer.seal import finder, pack
from seal_commands import gossamer, quick

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def clean_scheduler():
    """These tests run other processes; the scheduler of this one is not touched."""
    yield


def _build(name, *options):
    """A launcher, compiled once for all processes of a parallel run."""
    import fcntl

    folder = pathlib.Path(tempfile.gettempdir()) / f"gossamer-tests-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    sources = sorted((ROOT / "runtime").glob("*.[ch]")) + [ROOT / "python/gossamer/seal/build.py"]
    stamp = "-".join([sysconfig.get_python_version(), name, str(max(int(p.stat().st_mtime_ns) for p in sources)), sys.base_prefix.strip("/").replace("/", "-")])
    launcher = folder / stamp
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not launcher.exists():
            done = gossamer("runtime", "build", "-o", str(launcher) + ".new", *options)
            assert done.returncode == 0, done.stderr
            os.replace(str(launcher) + ".new", launcher)
    return launcher


@pytest.fixture(scope="session")
def launcher():
    return _build("plain")


@pytest.fixture(scope="session")
def build_launcher():
    return _build


def _sealer(folder):
    def function(program, *options, output=None, name="program"):
        if isinstance(program, str) and "\n" in program:
            path = folder / f"{name}.py"
            path.write_text(program)
            program = path
        output = output or folder / f"{name}.gos"
        done = quick("seal", program, "-o", output, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return output

    return function


@pytest.fixture
def seal(tmp_path):
    """seal(text or path, *options) -> the path of the archive."""
    return _sealer(tmp_path)


@pytest.fixture(scope="module")
def sealed_once(tmp_path_factory):
    """The same for an archive that a whole file of tests reads."""
    return _sealer(tmp_path_factory.mktemp("once"))


@pytest.fixture(autouse=True, scope="session")
def remembered_modules():
    """The standard library's modules are read and compiled once for all archives that this process makes: nearly all of
    the work. Other processes make theirs from nothing, and tests compare the bytes."""
    parse, imports, compiled = ast.parse, finder.imports, pack.compiled
    seen, code = {}, {}

    class Seen:
        def __init__(self, path):
            self.path = path

    class Ast:
        @staticmethod
        def parse(source, path):
            if path in seen:
                return Seen(path)
            tree = parse(source, path)
            tree.path = path
            return tree

    def remembered_imports(tree, name, is_package, stdlib):
        if isinstance(tree, Seen):
            return seen[tree.path]
        found = list(imports(tree, name, is_package, stdlib))
        if stdlib:
            seen[tree.path] = found
        return found

    def remembered_code(module, options):
        key = module.name, options.optimize, options.docstrings
        if module.group != finder.STDLIB_GROUP:
            return compiled(module, options)
        if key not in code:
            code[key] = compiled(dataclasses.replace(module, tree=None), options)
        return code[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finder, "ast", Ast)
        patch.setattr(finder, "imports", remembered_imports)
        patch.setattr(pack, "compiled", remembered_code)
        yield


@pytest.fixture
def run(launcher):
    """run(archive, *arguments) -> CompletedProcess."""

    def function(archive, *arguments, program=None, options=(), **more):
        more.setdefault("timeout", 120)
        command = [str(program or launcher), *options, *([str(archive)] if archive else []), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, **more)

    return function
