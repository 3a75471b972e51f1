"""The standard library's own tests of locks and queues, on gossamer.sync."""

import json
import pathlib
import subprocess
import sys

import pytest

import sync_stdlib

VERSION = "%d.%d" % sys.version_info[:2]


@pytest.mark.skipif(not sync_stdlib.available(), reason="this Python comes without the package test of the standard library "
                    "(test.lock_tests, test.test_queue)")
def test_locks_and_queues_of_the_standard_library():
    done = subprocess.run([sys.executable, "-X", "faulthandler", str(pathlib.Path(sync_stdlib.__file__))], capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    failed = found["failed"]
    listed = {name for name, (versions, _) in sync_stdlib.expected().items() if VERSION in versions}
    assert len(found["every"]) > 120 and len(found["skipped"]) < 5, found["skipped"]
    new = sorted(set(failed) - listed)
    assert not new, "\n\n".join(f"{name}\n{failed[name]}" for name in new)
    assert not listed - set(failed), "these pass now: take them off the list"
