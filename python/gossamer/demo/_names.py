"""Building a cross-reference of Python files: every name, where it is defined and where it is used.

The same steps twice: `plain` calls them one after the other, `pipeline` makes each step a stage of tasklets, joined by
channels.  Both must give the same index.
"""

import io
import keyword
import os
import time
import tokenize
from typing import Callable, Iterator

import gossamer

# A place is one int, file number * LINES + line: a tuple for each of some 800,000 places would take 60 MB more.
LINES = 1 << 20

Index = dict[str, tuple[list[int], list[int]]]

# A statement begins after these; blank lines, comments and line ends within brackets change nothing.
_BEGINNINGS = (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
_NEUTRAL = (tokenize.NL, tokenize.COMMENT)
_KEYWORDS = frozenset(keyword.kwlist)
_SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}


def python_files(root: str) -> Iterator[str]:
    """The Python files below a folder, relative to it, in a fixed order; tests and installed packages are left out."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(names):
            if name.endswith(".py"):
                yield os.path.relpath(os.path.join(folder, name), root)


def read(root: str, path: str) -> bytes:
    with open(os.path.join(root, path), "rb") as file:
        return file.read()


def names(data: bytes) -> Iterator[tuple[str, int, bool]]:
    """(name, line, whether it is defined there) for every name in the source of a module.

    A name is defined by `def`, by `class`, and where a statement begins with `name =` or `name:`; all else is use.
    """
    waiting = None
    before = ""
    begins = True
    try:
        for kind, text, (line, _), _, _ in tokenize.tokenize(io.BytesIO(data).readline):
            if waiting is not None:
                # Only the token after it tells whether the name is assigned to.
                name, where, began = waiting
                waiting = None
                yield name, where, began and (text == "=" or text == ":")
            if kind == tokenize.NAME:
                if text in _KEYWORDS:
                    before = text
                elif before == "def" or before == "class":
                    yield text, line, True
                    before = ""
                else:
                    waiting = text, line, begins
                    before = ""
                begins = False
            elif kind == tokenize.OP:
                before = ""
                begins = text == ";"
            elif kind in _BEGINNINGS:
                begins = True
            elif kind not in _NEUTRAL:
                before = ""
                begins = False
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        # A few files of the library are broken on purpose; what was read of them so far counts.
        return


def add(index: Index, name: str, place: int, defined: bool) -> None:
    entry = index.get(name)
    if entry is None:
        entry = index[name] = ([], [])
    entry[0 if defined else 1].append(place)


def plain(root: str, limit: int) -> tuple[Index, list[str]]:
    """The index, in one loop."""
    index: Index = {}
    files = []
    for number, path in enumerate(python_files(root)):
        if number == limit:
            break
        files.append(path)
        for name, line, defined in names(read(root, path)):
            add(index, name, number * LINES + line, defined)
    return index, files


# ---- the pipeline ----


def walker(root: str, limit: int, paths: gossamer.channel) -> None:
    for number, path in enumerate(python_files(root)):
        if number == limit:
            break
        paths.send((number, path))


def reader(root: str, paths: gossamer.channel, texts: gossamer.channel) -> None:
    for number, path in paths:
        texts.send((number, path, read(root, path)))


def tokeniser(texts: gossamer.channel, places: gossamer.channel) -> None:
    for number, path, data in texts:
        for name, line, defined in names(data):
            places.send((name, number * LINES + line, defined))
        places.send((None, number, path))


def merger(places: gossamer.channel, progress: Callable[[int, str], None]) -> tuple[Index, list[str], int]:
    index: Index = {}
    files: dict[int, str] = {}
    messages = 0
    for name, place, more in places:
        messages += 1
        if name is None:
            files[place] = more
            progress(len(files), more)
        else:
            add(index, name, place, more)
    # Files were tokenised at the same time, so their places came mixed.
    for entry in index.values():
        entry[0].sort()
        entry[1].sort()
    return index, [files[number] for number in sorted(files)], messages


def pipeline(root: str, limit: int, workers: int, progress: Callable[[int, str], None]) -> tuple[Index, list[str], int]:
    """The index, by a pipeline: one walker, several readers and tokenisers, one merger."""
    paths, texts, places = gossamer.channel(), gossamer.channel(), gossamer.channel()
    spawn = gossamer.spawn
    walking = [spawn(walker, root, limit, paths, name="walker")]
    reading = [spawn(reader, root, paths, texts, name=f"reader {n + 1}") for n in range(workers)]
    tokenising = [spawn(tokeniser, texts, places, name=f"tokeniser {n + 1}") for n in range(workers)]
    merging = [spawn(merger, places, progress, name="merger")]
    # When a stage has ended, tell each tasklet of the next one that no more will come.
    for stage, channel, following in ((walking, paths, reading), (reading, texts, tokenising), (tokenising, places, merging)):
        gossamer.joinall(stage)
        for _ in following:
            channel.send_exception(StopIteration)
    return merging[0].join()  # type: ignore[no-any-return]


def bare_messages(count: int) -> float:
    """Seconds of processor time that `count` messages take between two tasklets that do nothing else."""
    channel = gossamer.channel()

    def send() -> None:
        for n in range(count):
            channel.send(n)

    gossamer.spawn(send, name="sender")
    receive = channel.receive
    start = time.process_time()
    for _ in range(count):
        receive()
    return time.process_time() - start
