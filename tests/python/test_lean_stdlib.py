"""The standard library's own tests of dict, run on lean.Dict and on records that turn into one."""

import importlib.util
import sys

import pytest

import lean_stdlib
from gossamer import lean

VERSION = "%d.%d" % sys.version_info[:2]
MISSING = importlib.util.find_spec("test.test_dict") is None if importlib.util.find_spec("test") else True


@pytest.mark.skipif(MISSING, reason="this Python comes without the package test of the standard library (test.test_dict)")
@pytest.mark.parametrize("display", [lean.Dict, lean.Record], ids=["Dict", "Record"])
def test_dict_of_the_standard_library(display):
    failed, every = lean_stdlib.outcome(lean_stdlib.load(f"lean_test_{display.__name__.lower()}", display, lean.Dict))
    listed = {name for name, (versions, _) in lean_stdlib.expected().items() if VERSION in versions} & every
    assert len(every) > 100
    new = sorted(set(failed) - listed)
    assert not new, "\n\n".join(f"{name}\n{failed[name]}" for name in new)
    assert not listed - set(failed), "these pass now: take them off the list"
