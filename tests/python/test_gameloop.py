"""examples/c/gameloop: a C program that embeds Python gives its tasklets a budget in each frame. It is built and run here.

The times that it reports are not held to more than a machine under load can keep; nobody starves, and Python comes to an end
in each frame, or the program would not.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig

import pytest

from capi.build import compile_with, header

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "c" / "gameloop"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    header()
    if "asan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("the address sanitizer is loaded into Python, not linked into programs that embed it")
    folder = pathlib.Path(sysconfig.get_config_var("LIBDIR"))
    if not list(folder.glob(f"libpython{sysconfig.get_config_var('LDVERSION')}.*")):
        pytest.skip(f"this Python has no libpython in {folder}, which programs that embed it need")
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    out = tmp_path_factory.mktemp("gameloop")
    compile_with(["make", "-s", "-f", str(EXAMPLE / "Makefile"), f"PYTHON={sys.executable}", f"OUT={out}", "CFLAGS=-O2 -g -Wall -Wextra -Werror",
                  str(out / "gameloop")])
    return out / "gameloop"


def play(program, *args):
    paths = [str(EXAMPLE), *sys.path]
    env = dict(os.environ, GAMELOOP_PYTHON=sys.executable, PYTHONPATH=os.pathsep.join(filter(None, paths)), PYTHONDONTWRITEBYTECODE="1")
    return subprocess.run([str(program), *args], env=env, capture_output=True, text=True, timeout=100)


def test_frames(program):
    done = play(program, "--frames", "60", "--budget-us", "2000", "--slack-us", "100000000")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"60 frames, 2000 us for Python in each: \d+ us used, \d+ at most", lines[0])
    interrupted = int(re.match(r"interrupted in (\d+) frames", lines[1])[1])
    assert interrupted == 60   # two that never yield: somebody is always interrupted
    assert lines[2:] == [f"{name}: has got on" for name in ("troll", "knight", "pathfinder", "librarian")]


def test_budget_that_is_too_small_for_the_slack(program):
    """The check of the program itself can fail."""
    done = play(program, "--frames", "20", "--budget-us", "3000", "--slack-us", "0")
    assert done.returncode == 1 and "over the budget" in done.stderr


@pytest.mark.parametrize("args", [["--frames"], ["--frames", "x"], ["--fps", "5"], ["--budget-us", "-1"], ["--frames", "0"]])
def test_usage(program, args):
    done = play(program, *args)
    assert done.returncode == 2
