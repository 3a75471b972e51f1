"""How results look: blocks for a terminal, one table for the README."""

from targets import QUOTED, verdicts


def quartiles(values):
    """(first, third) quartile by linear interpolation."""
    ordered = sorted(values)

    def at(fraction):
        place = fraction * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

    return at(0.25), at(0.75)


class Result:
    """One peer's samples of one row."""

    def __init__(self, samples, n):
        self.samples = samples
        self.n = n
        key = "bytes" if "bytes" in samples[0] else "best"
        values = [sample[key] for sample in samples]
        self.figure = min(values)
        self.low, self.high = quartiles(values)

    def best(self, key):
        values = [sample[key] for sample in self.samples if key in sample]
        return min(values) if values else None


def number(value):
    if value is None:
        return "-"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def judge(row, results):
    """-> [(limit, holds)] for Gossamer's figure in this row."""
    if "gossamer" not in results or results["gossamer"].n != row.full.n:
        return []  # a smaller N, as in --quick: fixed costs would count too much
    peers = {name: result.figure for name, result in results.items() if name != "gossamer"}
    return verdicts(row.id, results["gossamer"].figure, peers)


class Paint:
    """Colours on a terminal, nothing elsewhere."""

    def __init__(self, on):
        self.on = on

    def _wrap(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.on else text

    def bold(self, text):
        return self._wrap("1", text)

    def dim(self, text):
        return self._wrap("2", text)

    def good(self, text):
        return self._wrap("32", text)

    def bad(self, text):
        return self._wrap("31", text)


def terminal_row(row, results, failures, paint):
    lines = [f"{paint.bold(f'{row.id:<11}')} {row.title}  {paint.dim(row.unit)}"]
    ours = results.get("gossamer")
    for peer in row.peers:
        if peer in failures:
            lines.append(f"    {peer:<9} {paint.bad('failed')}: {failures[peer]}")
        if peer not in results:
            continue
        result = results[peer]
        spread = f"{number(result.low)} .. {number(result.high)}" if len(result.samples) > 1 else ""
        line = f"    {peer:<9} {number(result.figure):>9}  {paint.dim(f'{spread:<18}')}"
        if ours and peer != "gossamer":
            ratio = result.figure / ours.figure
            word = paint.good("ahead ") if ratio > 1 else paint.bad("behind")
            line += f" {word} {ratio:6.2f}x"
        if row.workload.startswith(("W4", "W6-", "blocked")):
            kinds = ("level",) if row.workload.startswith("W6-") else ("create", "wake", "kill")
            times = [f"{what} {number(result.best(what)):<6}" for what in kinds]
            line += ("  " if ours and peer != "gossamer" else " " * 17) + paint.dim(" ".join(times) + " ns")
        if result.n != row.full.n:
            line += paint.dim(f"  (N={result.n:,})")
        lines.append(line.rstrip())
    for name, figure in QUOTED.get(row.id, {}).items():
        lines.append(f"    {name:<9} {number(figure):>9}  {paint.dim('quoted, not measured in this run')}")
    words = [
        f"{limit.level} {limit.text()}: {paint.good('holds') if holds else paint.bad('MISSED')}"
        for limit, holds in judge(row, results)
    ]
    if words:
        lines.append("    " + "   ".join(words))
    return "\n".join(lines)


def cell(row, result, ours):
    if result is None:
        return "-"
    text = number(result.figure)
    if ours is not None and result is not ours:
        text += f" ({result.figure / ours.figure:.1f}x)"
    if result.n != row.full.n:
        text += f", N={result.n:,}"
    return text


def ahead_behind(ours, results):
    if ours is None:
        return "not run"
    if len(results) == 1:
        return ""  # nobody to compare with
    behind = [name for name, result in results.items() if result is not ours and result.figure <= ours.figure]
    return "behind " + ", ".join(behind) if behind else "ahead"


def limits(row, results, level):
    """A cell: each limit of this level with its verdict."""
    found = [(limit, holds) for limit, holds in judge(row, results) if limit.level == level]
    return "; ".join(f"{limit.text()}: {'yes' if holds else '**no**'}" for limit, holds in found) or ""


def markdown_table(rows, all_results, peers):
    lines = [
        "| workload | " + " | ".join(peers) + " | | must | aim |",
        "|---|" + "--:|" * len(peers) + "---|---|---|",
    ]
    for row in rows:
        results = all_results.get(row.id)
        if not results:
            continue
        ours = results.get("gossamer")
        cells = [cell(row, results.get(peer), ours) for peer in peers]
        if ours:
            cells[peers.index("gossamer")] = f"**{cells[peers.index('gossamer')]}**"
        lines.append(
            f"| {row.id}: {row.title}, {row.unit} | {' | '.join(cells)} | {ahead_behind(ours, results)} "
            f"| {limits(row, results, 'must')} | {limits(row, results, 'aim')} |"
        )
    return "\n".join(lines)


def markdown_memory_times(rows, all_results):
    """The times beside the bytes, for the rows that have them."""
    lines = ["| ns each | peer | create and block | wake and finish | kill |", "|---|---|--:|--:|--:|"]
    for row in rows:
        for peer, result in all_results.get(row.id, {}).items():
            if "create" in result.samples[0]:
                times = " | ".join(number(result.best(what)) for what in ("create", "wake", "kill"))
                lines.append(f"| {row.title} | {peer} | {times} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def quoted_note(rows):
    parts = []
    for row in rows:
        if row.id in QUOTED:
            figures = ", ".join(f"{name} {number(figure)}" for name, figure in QUOTED[row.id].items())
            parts.append(f"{row.id}: {figures}")
    if not parts:
        return ""
    return "Quoted for comparison, measured earlier and not in this run: " + "; ".join(parts) + "."


def markdown(rows, all_results, meta):
    python_rows = [row for row in rows if not row.id.startswith(("C-", "T-"))]
    thread_rows = [row for row in rows if row.id.startswith("T-")]
    c_rows = [row for row in rows if row.id.startswith("C-")]
    parts = [
        f"Measured {meta['date']} on {meta['machine']}, with `{meta['command']}`; {meta['versions']}. "
        "Minimum over fresh processes of the best of many short rounds, CPU time; the factor in brackets is how many "
        "times Gossamer's figure it is.",
    ]
    for group, peers in (
        (python_rows, ["gossamer", "go", "greenlet", "tealet", "asyncio", "plain"]),
        (thread_rows, ["gossamer", "threading"]),
        (c_rows, ["gossamer", "boost", "ucontext"]),
    ):
        present = [peer for peer in peers if any(peer in all_results.get(row.id, {}) for row in group)]
        if present:
            parts.append(markdown_table(group, all_results, present))
    parts.append(markdown_memory_times(rows, all_results))
    parts.append(quoted_note([row for row in rows if row.id in all_results]))
    return "\n\n".join(part for part in parts if part) + "\n"
