"""War story W1, scaled down; `make soak` has the million chunks."""
import json
import pathlib
import subprocess
import sys
import os

import pytest

PROGRAM = pathlib.Path(__file__).with_name("war_story.py")
WAYS = {
    "default": {},
    "one_slot": {"GOSSAMER_SLOTS": "1"},
    "evict": {"GOSSAMER_SLOTS": "2", "GOSSAMER_EVICT": "always"},
    "own": {"GOSSAMER_STACKS": "own"},
}


@pytest.mark.parametrize("way", WAYS)
def test_every_chunk_arrives(way):
    done = subprocess.run([sys.executable, str(PROGRAM), "20000"], capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, **WAYS[way]))
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["chunks"] == 20_000
    assert figures["died"] >= 19_000, "others must have died meanwhile"
    assert done.stderr == ""
