"""Every block of Python code in README.md, docs/guide and docs/reference runs, and prints what the page says.

A block "```python" is a program of its own.  The "```text" block after it, if nothing but blank lines is between them, is its
exact output.  "```python requires=NAME" is left out where that package is not installed.
"""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ("", "docs/guide", "docs/reference", "docs/internals")
BLOCK = re.compile(r"^```python(?P<info>[^\n]*)\n(?P<code>.*?)^```\n(?:\s*^```text\n(?P<output>.*?)^```\n)?", re.S | re.M)


def blocks():
    pages = [os.path.join(folder, name) for folder in FOLDERS for name in sorted(os.listdir(os.path.join(ROOT, folder)))]
    for page in pages:
        if page.endswith(".md"):
            with open(os.path.join(ROOT, page)) as file:
                text = file.read()
            for match in BLOCK.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                yield pytest.param(page, line, match, id=f"{os.path.basename(page)[:-3]}-line-{line}")


@pytest.mark.parametrize("page, line, match", list(blocks()))
def test_block(page, line, match, tmp_path):
    for name in re.findall(r"requires=(\w+)", match["info"]):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    program = tmp_path / "block.py"
    # The empty lines make line numbers in tracebacks those of the page.
    program.write_text("\n" * line + match["code"])
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{page}, line {line}:\n{done.stdout}{done.stderr}"
    if match["output"] is not None:
        assert done.stdout == match["output"], f"{page}, line {line}"
    assert done.stderr == ""


def test_every_page_has_blocks():
    pages = {os.path.basename(param.values[0]) for param in blocks()}
    assert {"getting-started.md", "from-stackless.md", "from-greenlet.md", "from-gevent.md"} <= pages
