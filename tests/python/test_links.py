"""Every relative link in a Markdown file leads to a file that is there, and to a heading that is in it."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FOLDERS = ("", ".ci", "bench", "core", "cpython", "docs", "examples", "include", "python", "tests", "tools")
PAGES = sorted({path for folder in FOLDERS for path in ROOT.joinpath(folder).glob("**/*.md" if folder else "*.md")})


def without_code(text):
    return re.sub(r"`[^`\n]+`", "code", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))


def links(text):
    text = without_code(text)
    yield from re.findall(r"\]\(([^)\s]+)\)", text)
    yield from re.findall(r'(?:src|srcset|href)="([^"\s]+)"', text)


def anchors(path):
    """The names that GitHub and its like give to headings."""
    found = set()
    for line in re.sub(r"^```.*?^```", "", path.read_text(), flags=re.S | re.M).splitlines():
        match = re.match(r"#+ (.*)", line)
        if match:
            words = re.sub(r"[^\w\- ]", "", match[1].lower())
            name, n = words.replace(" ", "-"), 0
            while (name if not n else f"{name}-{n}") in found:
                n += 1
            found.add(name if not n else f"{name}-{n}")
    return found


def test_there_are_pages():
    assert ROOT / "README.md" in PAGES and len(PAGES) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page):
    broken = []
    for link in links(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue  # another site: not ours to test
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.is_relative_to(ROOT):
            broken.append(f"{link}: leads out of the repository")
        elif not path.exists():
            broken.append(f"{link}: there is no such file")
        elif anchor and anchor not in anchors(path):
            broken.append(f"{link}: there is no such heading")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tables(page):
    """Each row of a table has as many cells as its head."""
    lines = re.sub(r"^```.*?^```", lambda match: "\n" * match[0].count("\n"), page.read_text(), flags=re.S | re.M).splitlines()
    width = None
    for number, line in enumerate(lines, 1):
        if not line.startswith("|"):
            width = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line))) - 1
        assert width is None or cells == width, f"{page}, line {number}: {cells} cells, not {width}"
        width = cells
