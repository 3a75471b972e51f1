"""The picture of `gossamer top`: made of reports and samples of another process."""

import os
import select
import shutil
import sys
import time
from typing import Iterator

from ._protocol import Connection, Report

SAMPLES = 20
LISTED = 2000  # tasklets asked for
COLOURS = {"running": "32", "ready": "33", "blocked": "34", "sleeping": "36", "paused": "35"}


def amount(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes}:{seconds:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _process(pid: int) -> "tuple[str, float, int]":
    """Its command line, CPU seconds so far, resident bytes; zeros where the system does not tell."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return command, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return "", 0.0, 0


class Top:
    def __init__(self, connection: Connection, interval: float) -> None:
        self._connection = connection
        self._interval = interval
        self._since: dict[tuple[str, str, str], float] = {}  # address, state, wait: when it was first seen so
        self._before: "dict[str, int]" = {}
        self._cpu = 0.0
        self._memory: "list[int]" = []

    # ---- figures ----

    def _sample(self, pause: "Iterator[bool]") -> "tuple[dict[str, dict[str, int]], int]":
        """Whom each thread ran, by sample, until the interval is over."""
        seen: dict[str, dict[str, int]] = {}
        count = 0
        for _ in pause:
            count += 1
            for thread in self._connection.ask("threads").threads:
                names = seen.setdefault(thread.ident, {})
                who = "" if thread.waits else thread.current
                names[who] = names.get(who, 0) + 1
        return seen, count

    def _waiters(self, report: Report, now: float) -> "list[tuple[float, str, str, str]]":
        keys = {(t.address, t.state, t.wait): t for t in report.tasklets if t.state not in ("running", "ready")}
        self._since = {key: self._since.get(key, now) for key in keys}
        rows = [(now - self._since[key], t.name, t.state, t.wait or t.state) for key, t in keys.items()]
        return sorted(rows, key=lambda row: -row[0])

    # ---- the picture ----

    def lines(self, report: Report, seen: "dict[str, dict[str, int]]", samples: int, elapsed: float, width: int, height: int,
              colour: bool) -> "list[str]":  # fmt: skip
        def paint(code: str, text: str) -> str:
            return f"\x1b[{code}m{text}\x1b[0m" if colour else text

        command, cpu, resident = _process(report.pid)
        self._memory.append(resident)
        del self._memory[:-60]
        used = max(cpu - self._cpu, 0) / elapsed * 100 if self._cpu else 0
        self._cpu = cpu
        total = sum(report.counts.values())
        rates = {t.ident: (t.switches - self._before.get(t.ident, t.switches)) / elapsed for t in report.threads}
        self._before = {t.ident: t.switches for t in report.threads}
        growth = resident - self._memory[0]
        out = [
            paint("1", f"gossamer top   {report.pid}  {command}")[: width + (8 if colour else 0)],
            f"cpu {used:.0f} %   memory {amount(resident)} ({'+' if growth >= 0 else '-'}{amount(abs(growth))} while watched)   "
            f"switches {sum(rates.values()):,.0f}/s   tasklets {total:,}"
            + ("" if report.exact else paint("31", "   it does not give up the GIL: seen from outside")),
            "",
        ]
        bar = max(width - 28, 10)
        for state, code in COLOURS.items():
            n = report.counts.get(state, 0)
            length = max(round(n / total * bar), 1) if n else 0
            out.append(f"  {state:9}{n:>10,}  {paint(code, '█' * length)}")
        out += ["", paint("7", f"  {'thread':18}{'runs now':>22}{'runnable':>10}{'switches/s':>13}{'evicted':>9}{'bytes':>11}{'busy':>7}".ljust(width))]
        for t in report.threads:
            names = seen.get(t.ident, {})
            busy = 100 - 100 * names.get("", 0) // samples if samples and names else 0
            out.append(f"  {(t.name or '0x' + t.ident)[:18]:18}{('-' if t.waits else t.current)[-21:]:>22}{t.runnable:>10,}"
                       f"{rates[t.ident]:>13,.0f}{t.evicted:>9,}{amount(t.evicted_bytes):>11}{busy:>5} %")  # fmt: skip
        shares = sorted(((n, name) for names in seen.values() for name, n in names.items() if name), reverse=True)
        waiters = self._waiters(report, time.monotonic())
        room = max(height - len(out) - 5, 6)
        hogs = shares[: min(5, room // 2)]
        if hogs:
            out += ["", paint("7", "  hogs: seen running".ljust(width))]
            out += [f"  {100 * n // samples:>3} %  {name}"[:width] for n, name in hogs]
        if waiters:
            out += ["", paint("7", "  longest waiters: seen waiting".ljust(width))]
            out += [f"  {span(age):>9}  {name[:24]:24}  {wait}"[:width] for age, name, _, wait in waiters[: max(room - len(hogs), 3)]]
        return out

    # ---- the terminal ----

    def _pauses(self, keys: "int | None") -> Iterator[bool]:
        begun = time.monotonic()
        for n in range(1, SAMPLES + 1):
            yield True
            left = begun + self._interval * n / SAMPLES - time.monotonic()
            if keys is None:
                time.sleep(max(left, 0))
            elif select.select([keys], [], [], max(left, 0))[0]:
                key = os.read(keys, 1)
                if key in (b"q", b"Q", b"\x03", b"\x04", b""):
                    raise KeyboardInterrupt
                if key == b" ":
                    return

    def _picture(self, keys: "int | None", colour: bool) -> "list[str]":
        begun = time.monotonic()
        seen, samples = self._sample(self._pauses(keys))
        report = self._connection.ask(f"ps {LISTED} 0")
        size = shutil.get_terminal_size((100, 40))
        return self.lines(report, seen, samples, max(time.monotonic() - begun, 0.001), size.columns, size.lines, colour)

    def run(self, once: bool) -> None:
        first = self._connection.ask(f"ps {LISTED} 0")
        self._before = {t.ident: t.switches for t in first.threads}
        self._cpu = _process(first.pid)[1]
        self._waiters(first, time.monotonic())
        if once:
            print("\n".join(line.rstrip() for line in self._picture(None, colour=False)))
            return
        import termios
        import tty

        keys = sys.stdin.fileno() if sys.stdin.isatty() else None
        saved = termios.tcgetattr(keys) if keys is not None else None
        try:
            if keys is not None:
                tty.setcbreak(keys)
            sys.stdout.write("\x1b[?1049h\x1b[?25l")
            while True:
                lines = self._picture(keys, colour=True)
                sys.stdout.write("\x1b[H" + "\x1b[K\n".join(lines[: shutil.get_terminal_size().lines - 1]) + "\x1b[K\x1b[J")
                sys.stdout.flush()
        finally:
            sys.stdout.write("\x1b[?25h\x1b[?1049l")
            sys.stdout.flush()
            if saved is not None and keys is not None:
                termios.tcsetattr(keys, termios.TCSADRAIN, saved)
