"""The examples run, and print what they are expected to print."""

import os
import subprocess
import sys

import pytest

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "examples")
NAMES = sorted(name[:-3] for name in os.listdir(EXAMPLES) if name.endswith(".py") and name != "run_all.py")


@pytest.mark.parametrize("name", NAMES)
def test_example(name):
    done = subprocess.run(
        [sys.executable, os.path.join(EXAMPLES, "run_all.py"), name], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_examples_are_short():
    for name in NAMES:
        with open(os.path.join(EXAMPLES, name + ".py")) as file:
            assert len(file.readlines()) < 80, name
