"""Marshalled code whose bytes depend on the source alone."""
import marshal
import pathlib
import sys
import sysconfig

import pytest

from gossamer.seal import canonical

SAMPLES = ["ast", "dataclasses", "enum", "typing", "inspect", "decimal", "tarfile", "string"]


def flatten(code):
    """All that a code object says, as something that compares."""
    def value(x):
        if isinstance(x, type(code)):
            return flatten(x)
        if isinstance(x, (tuple, frozenset)):
            return type(x), sorted(map(repr, map(value, x))) if isinstance(x, frozenset) else [value(y) for y in x]
        return type(x), repr(x)
    return {name: value(getattr(code, name)) for name in dir(code) if name.startswith("co_") and not callable(getattr(code, name))
            and name != "co_lnotab"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_is_lost(name):
    path = pathlib.Path(sysconfig.get_path("stdlib")) / f"{name}.py"
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    code = compile(path.read_bytes(), name, "exec", dont_inherit=True)
    again = marshal.loads(canonical.dumps(code))
    assert again == code and flatten(again) == flatten(code)
    assert canonical.dumps(again) == canonical.dumps(code)


def test_interned_characters():
    """Seen on 3.11: somebody else may have interned the only string "{" that there is."""
    before = canonical.dumps(compile("x = '\\x7f'", "x", "exec"))
    sys.intern("\x7f")
    assert canonical.dumps(compile("x = '\\x7f'", "x", "exec")) == before


def test_sets_do_not_follow_what_else_holds_their_elements():
    """Seen on 3.11: marshal sorts the elements by bytes that show whether somebody else refers to them."""
    text = "x in {'unheard_of_%d', 'unheard_of_%d', 'unheard_of_%d'}" % (1, 2, 3)
    first = canonical.dumps(compile(text, "x", "eval"))
    kept = [sys.intern("unheard_of_" + number) for number in "2"]
    assert canonical.dumps(compile(text, "x", "eval")) == first and kept
