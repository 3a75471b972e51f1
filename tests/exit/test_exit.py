"""How processes with tasklets end: each script's exit status and output, and never a crash.

The head of each script says what must come of it:

    # exit: 3              exit status; -N means ended by signal N (default 0)
    # out: text            a line of standard output; all of them, in order
    # err: text            something that standard error contains
    # quiet                standard error must be empty

Every script runs in several ways, because what is torn down depends on where stacks are.
"""
import os
import pathlib
import subprocess
import sys

import pytest

SCRIPTS = sorted(pathlib.Path(__file__).with_name("scripts").glob("*.py"))
WAYS = {
    "default": ([], {}),
    "one_slot": ([], {"GOSSAMER_SLOTS": "1"}),
    "own": ([], {"GOSSAMER_STACKS": "own"}),
    "dev": (["-X", "dev"], {"GOSSAMER_EVICT": "always"}),
}


class Expected:
    def __init__(self, path):
        self.status, self.out, self.err, self.quiet = 0, [], [], False
        for line in path.read_text().splitlines():
            if not line.startswith("# "):
                break
            key, _, value = line[2:].partition(": ")
            if key == "exit":
                self.status = int(value)
            elif key == "out":
                self.out.append(value)
            elif key == "err":
                self.err.append(value)
            elif key == "quiet":
                self.quiet = True


def test_there_are_scripts():
    assert len(SCRIPTS) >= 30


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_exit(path, way):
    options, env = WAYS[way]
    full = dict(os.environ, **env)
    sanitized = "asan" in full.get("LD_PRELOAD", "")
    if not sanitized:
        full["PYTHONFAULTHANDLER"] = "1"
    done = subprocess.run([sys.executable, *options, str(path)], capture_output=True, text=True,
                          timeout=60, env=full, stdin=subprocess.DEVNULL)
    expected = Expected(path)
    report = "exit status %d\n--- out\n%s--- err\n%s" % (done.returncode, done.stdout, done.stderr)
    assert done.returncode == expected.status, report
    assert done.stdout.splitlines() == expected.out, report
    for text in expected.err:
        assert text in done.stderr, report
    assert "Fatal Python error" not in done.stderr, report
    if expected.quiet and not sanitized:
        assert done.stderr == "", report
