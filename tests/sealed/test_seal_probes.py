"""The probes: what works in a sealed program and what refuses, as tests/sealed/probes.py says."""
import pathlib
import re
import subprocess
import sys

PROBES = pathlib.Path(__file__).with_name("probes.py")


def outcomes(text):
    return dict(re.findall(r"^(\w+): (.*)$", text, re.M))


def test_sealed(seal, run):
    done = run(seal(PROBES), timeout=300)
    found = outcomes(done.stdout)
    source = PROBES.read_text()
    expected = {name: kind for kind, name in re.findall(r"^@(works|refuses)\ndef (\w+)", source, re.M)}
    assert len(expected) >= 45 and found == expected, done.stderr


def test_unsealed():
    """The probes themselves are right: an ordinary Python refuses nothing."""
    done = subprocess.run([sys.executable, "-W", "ignore", str(PROBES)], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    assert set(outcomes(done.stdout).values()) == {"works"}, done.stdout + done.stderr
