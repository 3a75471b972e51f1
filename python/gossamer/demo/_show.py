"""How the demos put things on the screen: colours, a progress bar, aligned tables.

On a terminal the bar moves and colours are used; anywhere else there are a few plain lines.
"""

import os
import shutil
import sys
import time
from typing import Sequence

_CODES = {"bold": "1", "dim": "2", "green": "32", "red": "31", "cyan": "36"}


class Screen:
    def __init__(self, plain: bool = False) -> None:
        self.live = sys.stdout.isatty() and not plain and os.environ.get("TERM") != "dumb"
        self.colours = self.live and not os.environ.get("NO_COLOR")

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.colours else text

    def say(self, text: str = "") -> None:
        print(text, flush=True)

    def title(self, text: str) -> None:
        self.say()
        self.say(self.paint(text, "bold"))

    def good(self, text: str) -> None:
        self.say("  " + self.paint("ok", "green") + "    " + text)

    def bad(self, text: str) -> None:
        self.say("  " + self.paint("WRONG", "red") + " " + text)

    def table(
        self, heads: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,), highlight: int | None = None
    ) -> None:
        """A table; the columns `left` are aligned to the left, the others to the right."""
        widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]

        def line(row: Sequence[str]) -> str:
            cells = [text.ljust(w) if i in left else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths))]
            return "  " + "   ".join(cells).rstrip()

        self.say(self.paint(line(heads), "dim"))
        for number, row in enumerate(rows):
            self.say(self.paint(line(row), "green") if number == highlight else line(row))


class Progress:
    """A bar on a terminal; elsewhere a line at each quarter."""

    def __init__(self, screen: Screen, what: str, total: int) -> None:
        self.screen = screen
        self.what = what
        self.total = max(total, 1)
        self.start = time.perf_counter()
        self._next = 0.0
        self._quarter = 1

    def update(self, done: int, detail: str = "") -> None:
        if self.screen.live:
            now = time.perf_counter()
            # Ten times a second is smooth enough, and costs nothing.
            if now >= self._next:
                self._next = now + 0.1
                self._draw(done, detail)
        elif done * 4 >= self._quarter * self.total and self._quarter < 4:
            self.screen.say(f"  {self.what}: {self._quarter * 25:3} %  {done:,} of {self.total:,}")
            self._quarter += 1

    def _draw(self, done: int, detail: str) -> None:
        columns = shutil.get_terminal_size().columns
        width = 28
        filled = min(width, done * width // self.total)
        bar = self.screen.paint("█" * filled, "cyan") + self.screen.paint("░" * (width - filled), "dim")
        text = f" {done * 100 // self.total:3} %  {done:,} of {self.total:,}  {detail}"
        room = max(0, columns - width - len(self.what) - 4)
        print(f"\r\x1b[2K  {self.what} {bar}{text[:room]}", end="", flush=True)

    def finish(self, text: str) -> None:
        if self.screen.live:
            print("\r\x1b[2K", end="")
        self.screen.say(f"  {self.what}: {text}")
