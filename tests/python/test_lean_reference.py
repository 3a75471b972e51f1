"""docs/reference/lean.md keeps up with gossamer.lean."""

import pathlib
import re

import pytest

from gossamer import lean

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "lean.md").read_text()
SHOWN = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", PAGE))))
# What is for our own Python files, or cannot happen from outside.
INTERNAL = re.compile(r"Maker|_restore\(\)|a (dict|type) is needed|there is no builtin iter|cannot be loaded twice|must not be negative")


@pytest.mark.parametrize("name", lean.__all__)
def test_name_is_described(name):
    assert name in SHOWN
    members = [member for member in vars(getattr(lean, name)) if not member.startswith("_")] if isinstance(getattr(lean, name), type) else []
    assert [member for member in members if member not in SHOWN] == []


def sources():
    return {path.name: path.read_text() for path in [*ROOT.glob("lean/*.[ch]"), *ROOT.glob("cpython/compat/lean/*.h"), *ROOT.glob("python/gossamer/lean/*.py")]}


def joined(text):
    return re.sub(r'"\s*\n?\s*"', "", text)


def test_every_text_exists():
    everything = joined("\n".join(sources().values())).replace("%d", "255")
    for text in re.findall(r"^\| `([^|]+)` \| \w+ \|", PAGE, re.M):
        for one in text.split("`, `"):
            for part in one.split("..."):
                part = part.strip().replace("from 1 to 64", "from 1 to 255")
                assert part in everything, part


def test_every_text_is_described():
    """Texts that lean/*.c raises and dict does not have."""
    page = PAGE.replace("...", "")
    usual = re.compile(r"expected at (most|least)|keywords must|dictionary (update|changed size|keys)|dict mutated|popitem|as a dict key|cannot convert dictionary")
    missing = []
    for name, text in sources().items():
        for match in re.finditer(r'PyErr_(?:SetString|Format)\(\w+,\s*(?:[^",;]*\? )?((?:"[^"]*"\s*)+)', text):
            said = joined(match[1]).strip().strip('"')
            parts = [part.strip() for part in re.split(r"%\w*(?:\.\d+)?[a-z]+", said.replace("%d different", "255 different").replace("to %d keys", "to 64 keys"))]
            if not usual.search(said) and not INTERNAL.search(said) and not all(part in page for part in parts):
                missing.append(f"{name}: {said}")
    assert not missing, "\n".join(missing)
