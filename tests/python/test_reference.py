"""The reference pages keep up with the code: names in the Python API, texts of errors, environment variables."""
import importlib
import pathlib
import re

import pytest

import gossamer

ROOT = pathlib.Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
API = (REFERENCE / "python-api.md").read_text()
ERRORS = (REFERENCE / "errors.md").read_text()
PROSE = re.sub(r"^```.*?^```$", "", API, flags=re.S | re.M)
SHOWN = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", PROSE))))


# ---- Python API ----


@pytest.mark.parametrize("name", sorted(set(gossamer.__all__) | {"current", "main", "runcount", "threads", "uncollectables", "debug"}))
def test_name_is_described(name):
    assert name in SHOWN, f"docs/reference/python-api.md says nothing about gossamer.{name}"


@pytest.mark.parametrize("cls", [gossamer.tasklet, gossamer.channel, gossamer.BufferedChannel, gossamer.bomb, gossamer.Group,
                                 gossamer.DeadlockError], ids=lambda cls: cls.__name__)
def test_members_are_described(cls):
    members = {name for name in vars(cls) if not name.startswith("_")}
    assert members - SHOWN == set(), f"docs/reference/python-api.md says nothing about these members of {cls.__name__}"


# ---- stacklesslib ----


def stacklesslib_names():
    folder = ROOT / "python" / "stacklesslib"
    for path in sorted(folder.glob("*.py")):
        module = importlib.import_module(f"stacklesslib.{path.stem}") if path.stem != "__init__" else None
        for name in getattr(module, "__all__", ()):
            yield pytest.param(path.stem, name, id=f"{path.stem}.{name}")


@pytest.mark.parametrize("module, name", list(stacklesslib_names()))
def test_stacklesslib_name_is_described(module, name):
    page = (REFERENCE / "stacklesslib.md").read_text()
    section = page.split(f"\n## {module}\n")[1].split("\n## ")[0]
    assert name in re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", section)))
    assert hasattr(importlib.import_module(f"stacklesslib.{module}"), name)


# ---- errors ----


def c_strings(text):
    """String literals of C, adjacent ones joined."""
    for match in re.finditer(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', text):
        yield "".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', match[0])).replace('\\"', '"')


def sources():
    """Everything that texts of errors are made of, as one text."""
    parts = []
    for pattern in ("core/**/*.c", "cpython/**/*.c", "include/**/*.h"):
        for path in sorted(ROOT.glob(pattern)):
            strings = list(c_strings(path.read_text()))
            parts.extend(strings)
            parts.extend(f"{what} is not in this release of Gossamer" for what in strings)  # gosp_not_yet
    for pattern in ("python/**/*.py", "meson.build", "cpython/check/meson.build"):
        for path in sorted(ROOT.glob(pattern)):
            parts.append(path.read_text())
    return "\n".join(parts)


def catalogue():
    for line in ERRORS.splitlines():
        match = re.match(r"\| `(.+?)` \|", line)
        if match:
            yield match[1]


@pytest.mark.parametrize("text", list(catalogue()))
def test_text_exists(text):
    """Each text of the catalogue is in the sources; `...` stands for what differs from case to case."""
    found = sources()
    for fixed in text.split("..."):
        assert fixed.strip(" '") in found, f"no source contains {fixed!r}"


def raised_by_the_extension():
    """The texts of errors in cpython/*.c that are more than an argument's type."""
    for path in sorted((ROOT / "cpython").glob("**/*.c")):
        text = path.read_text()
        calls = r'(?:PyErr_SetString|PyErr_Format)\(\s*[\w.]+,\s*(?:\w+ [<>=]+ \d+ \? )?'
        for match in re.finditer(rf'(?:{calls}|problem = (?:[^;"]*\? )?)((?:"(?:[^"\\\n]|\\.)*"\s*)+)', text):
            yield path.name, "".join(c_strings(match[1]))


def test_every_text_is_in_the_catalogue():
    known = [[part.strip(" '") for part in text.split("...")] for text in catalogue()]
    usual = re.compile(r"\(\) (takes|missing|got|needs an int)|expected at most|must be an int, not")  # what CPython says, too
    missing = []
    for file, text in raised_by_the_extension():
        listed = any(all(part in text for part in parts) for parts in known)
        if not listed and not usual.search(text) and text != "%s is not in this release of Gossamer":
            missing.append(f"{file}: {text}")
    assert not missing, "add these to docs/reference/errors.md:\n" + "\n".join(missing)


# ---- environment ----


def test_every_variable_is_described():
    page = (REFERENCE / "environment.md").read_text()
    described = set(re.findall(r"`(GOSSAMER_\w+)", page))
    read = set()
    for pattern in ("cpython/*.c", "core/**/*.c", "python/**/*.py"):
        for path in ROOT.glob(pattern):
            read |= set(re.findall(r'"(GOSSAMER_[A-Z_]+)"', path.read_text()))
    assert read == described
