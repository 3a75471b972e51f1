"""The standard library's own tests of select, selectors and socket, run on gossamer.net."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

import net_stdlib

VERSION = "%d.%d" % sys.version_info[:2]
MISSING = importlib.util.find_spec("test.test_select") is None if importlib.util.find_spec("test") else True


def expected(module):
    """Names of the tests that fail, by the list."""
    for line in net_stdlib.LIST.read_text().splitlines():
        if not line.startswith("#"):
            where, name, versions, why = (part.strip() for part in line.split("|"))
            assert why
            if where == module and VERSION in versions.split():
                yield name


@pytest.mark.skipif(MISSING, reason="this Python comes without the package test of the standard library (test.test_select)")
@pytest.mark.parametrize("module, least", [
    ("test_select", 5), ("test_epoll", 8), pytest.param("test_selectors", 60, marks=pytest.mark.slow),
    pytest.param("test_poll", 6, marks=pytest.mark.slow), pytest.param("test_ssl", 120, marks=pytest.mark.slow),
    pytest.param("test_socket", 500, marks=pytest.mark.slow)])
def test_module_of_the_standard_library(module, least, tmp_path):
    """In a process of its own: it has threads, and changes signal handlers."""
    program = pathlib.Path(net_stdlib.__file__)
    done = subprocess.run([sys.executable, str(program), module, "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.stdout, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    failed, listed = outcome["failures"], set(expected(module))
    new = sorted(set(failed) - listed)
    assert not new, "\n\n".join(f"{name}\n{failed[name]}" for name in new)
    assert outcome["run"] >= least
    assert not listed - set(failed), "these pass now: take them off the list"
