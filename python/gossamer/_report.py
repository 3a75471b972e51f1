"""What every tasklet does: stacks, the list of all tasklets, and the wait-for graph of a deadlock.

The extension calls `deadlock_graph` while it makes a DeadlockError, and `stack_of` for `tasklet.stack()`.
Nothing here may raise, switch, or change a tasklet: it is run in the middle of other people's trouble.
"""

import sys
import traceback
from types import FrameType
from typing import Any, Iterable, Iterator

from . import _gossamer

__all__ = ["deadlock_graph", "format_tasklets", "stack_of"]

# More than this many tasklets are not listed one by one; a report of a million lines helps nobody.
LIMIT = 20
# A program may catch deadlocks as a matter of course; with a million tasklets, looking at each would take a second.
EXAMINED = 10_000
# Of each other thread, this many are listed one by one.
FEW = 5
# The innermost frames are the interesting ones.
FRAMES = 8

# Frames that say nothing about the program.
_HIDDEN = ("gossamer._group",)
# Where `gossamer run` starts the program: what is outside of it is not the program either.
_STARTER = "gossamer._run"


# ---- frames ----


def _frames(t: Any) -> Iterator[tuple[FrameType, int]]:
    """The frames of a tasklet, innermost first, without ours."""
    frames: list[FrameType] = []
    frame = t.frame
    while frame is not None:
        if frame.f_globals.get("__name__") == __name__:
            # The tasklet is the current one: what it has called since it came here is the report itself.
            frames.clear()
        else:
            frames.append(frame)
        frame = frame.f_back
    for frame in frames:
        module = frame.f_globals.get("__name__")
        if module == _STARTER:
            return
        if module not in _HIDDEN:
            yield frame, frame.f_lineno


def stack_of(t: Any) -> traceback.StackSummary:
    """The Python stack of a tasklet, outermost call first; empty when it has not started or has ended."""
    stack = traceback.StackSummary.extract(_frames(t))
    stack.reverse()
    return stack


def _stack_lines(t: Any, limit: int = FRAMES) -> list[str]:
    try:
        stack = stack_of(t)
        lines = []
        if len(stack) > limit:
            lines.append(f"  ... {len(stack) - limit} outer calls not shown\n")
            stack = traceback.StackSummary.from_list(stack[-limit:])
        lines.extend(stack.format())
        return "".join(lines).splitlines()
    except Exception as error:
        return [f"  (its stack cannot be shown: {_say(error)})"]


# ---- words ----


def _say(thing: Any) -> str:
    """repr() that cannot fail."""
    try:
        return repr(thing)
    except Exception:
        return f"<{type(thing).__name__} at {id(thing):#x}>"


def _name(t: Any) -> str:
    try:
        name = "main" if t.is_main and str(t.name).startswith("tasklet-") else str(t.name)
    except Exception:
        name = f"tasklet at {id(t):#x}"
    return f'"{name}"'


def _names(tasklets: list[Any], limit: int = 5) -> str:
    shown = [_name(t) for t in tasklets[:limit]]
    if len(tasklets) > limit:
        shown.append(f"{len(tasklets) - limit:,} more")
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]


def _thread_id(t: Any) -> Any:
    return getattr(t, "thread_id", None)


def _thread(ident: Any) -> str:
    """A thread other than the calling one, in words."""
    threading = sys.modules.get("threading")
    for thread in threading.enumerate() if threading else ():
        if thread.ident == ident:
            return f"thread {thread.name}"
    return f"thread {ident}" if ident != -1 else "a thread that has ended"


def _global_name(channel: Any, users: Iterable[Any]) -> str | None:
    """The name of a module variable that holds the channel, as its users see it."""
    seen = set()
    for t in users:
        for depth, (frame, _) in enumerate(_frames(t)):
            if depth == 3:
                break
            names = frame.f_globals
            if id(names) in seen:
                continue
            seen.add(id(names))
            for name, value in list(names.items()):
                if value is channel and not name.startswith("__"):
                    return name
    return None


class _Graph:
    """Who waits for what."""

    def __init__(self, tasklets: Iterable[Any], current: Any = None, wanted: Any = None, direction: int = 0) -> None:
        self.tasklets = list(tasklets)
        self.listed = self.tasklets
        self.current = current
        self.wanted = wanted
        self.direction = direction
        # id(thing waited for) -> (thing, tasklets); ids, since a subclass of channel may be unhashable
        self.waiters: dict[int, tuple[Any, list[Any]]] = {}
        for t in self.tasklets:
            for thing in self.targets(t):
                self.waiters.setdefault(id(thing), (thing, []))[1].append(t)
        self._labels: dict[int, str] = {}

    def wait_of(self, t: Any) -> Any:
        """What the tasklet waits for; for the one whose operation is failing, what it was about to wait for."""
        waiting_on = t.waiting_on
        if waiting_on is None and t is self.current:
            return self.wanted
        return waiting_on

    def targets(self, t: Any) -> list[Any]:
        wait = self.wait_of(t)
        if wait is None:
            return []
        return list(wait) if isinstance(wait, (list, tuple)) else [wait]

    def sends(self, t: Any, channel: Any) -> bool | None:
        """Whether it waits to send on the channel; None: unknown (a select)."""
        if t is self.current and self.direction:
            return self.direction > 0
        if isinstance(self.wait_of(t), (list, tuple)):
            return None
        balance = channel.balance
        if balance:
            return bool(balance > 0)
        return None

    def label(self, channel: Any) -> str:
        known = self._labels.get(id(channel))
        if known is None:
            known = "buffered channel" if type(channel).__name__ == "BufferedChannel" else "channel"
            try:
                name = getattr(channel, "name", None) or _global_name(channel, self.waiters[id(channel)][1])
            except Exception:
                name = None
            if name:
                known += f" {str(name)!r}"
            known += f" at {id(channel):#x}"
            self._labels[id(channel)] = known
        return known

    def verb(self, t: Any, channel: Any) -> str:
        return {True: "send on", False: "receive on", None: "select on"}[self.sends(t, channel)]

    def sentence(self, t: Any) -> str:
        """What one tasklet waits for, and with whom."""
        wait = self.wait_of(t)
        if wait is None:
            return ""
        if isinstance(wait, _gossamer.tasklet):
            return f"waits for the end of {_name(wait)} ({wait.state})"
        if isinstance(wait, (list, tuple)):
            return "waits in select() for " + ", or ".join(self.label(c) for c in wait)
        if not hasattr(wait, "balance"):
            return f"waits for {_say(wait)}"
        text = f"waits to {self.verb(t, wait)} {self.label(wait)} (balance {wait.balance}"
        others = [other for other in self.waiters[id(wait)][1] if other is not t]
        return text + (f"; so does {_names(others)})" if len(others) == 1 else f"; so do {_names(others)})" if others else ")")

    def tasklet_lines(self, t: Any) -> list[str]:
        try:
            state = "running" if t is self.current else t.state
            marks = [state] if not t.is_main or _name(t) == '"main"' else ["main tasklet", state]
            if _thread_id(t) != _thread_id(_gossamer.getcurrent()):
                marks.append(_thread(t.thread_id))
            sentence = self.sentence(t)
            head = f"tasklet {_name(t)} ({', '.join(marks)})" + (f" {sentence}" if sentence else "")
        except Exception as error:
            head = f"tasklet {_name(t)} (cannot be described: {_say(error)})"
        return [head, *_stack_lines(t)]

    def summary_lines(self, tasklets: list[Any]) -> list[str]:
        """Many tasklets, one line for each thing they do."""
        kinds: dict[str, int] = {}
        for t in tasklets:
            try:
                targets = self.targets(t)
                if not targets:
                    kind = f"{'is' if t.is_main else 'are'} {t.state}"
                elif isinstance(self.wait_of(t), (list, tuple)):
                    kind = "wait in select()"
                elif hasattr(targets[0], "balance"):
                    kind = f"wait to {self.verb(t, targets[0])} {self.label(targets[0])}"
                elif isinstance(targets[0], _gossamer.tasklet):
                    kind = "wait for other tasklets to end"
                else:
                    kind = f"wait for {_say(targets[0])}"
            except Exception:
                kind = "cannot be described"
            kinds[kind] = kinds.get(kind, 0) + 1
        most = sorted(kinds.items(), key=lambda item: -item[1])
        lines = [f"  {count:,} more {kind}" for kind, count in most[:LIMIT]]
        if len(most) > LIMIT:
            lines.append(f"  {sum(count for _, count in most[LIMIT:]):,} more wait for other things")
        return lines

    def list_lines(self) -> list[str]:
        # The one that failed comes first, then main, then the others as they are.
        def rank(t: Any) -> int:
            return 0 if t is self.current else 1 if t.is_main else 2

        ordered = sorted(self.listed, key=rank)
        lines = [line for t in ordered[:LIMIT] for line in self.tasklet_lines(t)]
        return lines + self.summary_lines(ordered[LIMIT:])

    def other_threads(self, tasklets: list[Any]) -> list[str]:
        """Each other thread with tasklets: its name, and what these do."""
        threads: dict[Any, list[Any]] = {}
        for t in tasklets:
            threads.setdefault(_thread_id(t), []).append(t)
        lines = []
        for ident, members in list(threads.items())[:LIMIT]:
            lines.append(f"{_thread(ident)[:1].upper()}{_thread(ident)[1:]}, {len(members):,} tasklet{'s' if len(members) != 1 else ''}:")
            members.sort(key=lambda t: not t.is_main)
            lines += [f"  {line}" for t in members[:FEW] for line in self.tasklet_lines(t)]
            if len(members) > FEW:
                lines += [f"  {line}" for line in self.summary_lines(members[FEW:EXAMINED])]
        if len(threads) > LIMIT:
            lines.append(f"and {len(threads) - LIMIT:,} more threads")
        return lines

    # -- what would help --

    def cycle(self) -> list[Any] | None:
        """Tasklets of which each waits for the end of the next."""
        seen: set[int] = set()
        for start in self.tasklets:
            path: list[Any] = []
            t = start
            while isinstance(t, _gossamer.tasklet) and id(t) not in seen:
                seen.add(id(t))
                path.append(t)
                t = self.wait_of(t)
            for position, other in enumerate(path):
                if other is t:
                    return path[position:]
        return None

    def few(self, text: str, channels: list[Any]) -> str:
        return f"{text} {self.label(channels[0])}" if len(channels) == 1 else f"{text} any of {len(channels):,} channels"

    def advice(self) -> str:
        cycle = self.cycle()
        if cycle:
            who = _names(cycle)
            return f"{who} wait for each other's end in join(): let one of them return without that join()."
        senders: list[Any] = []
        receivers: list[Any] = []
        selects = False
        for channel, tasklets in self.waiters.values():
            if not hasattr(channel, "balance"):
                continue
            directions = {self.sends(t, channel) for t in tasklets[:LIMIT]}
            selects = selects or None in directions
            if True in directions:
                senders.append(channel)
            if False in directions:
                receivers.append(channel)
        if senders and receivers:
            return (
                f"nobody receives from {self.label(senders[0])} and nobody sends to {self.label(receivers[0])}: let the two sides "
                "use the same channel, or let one side do its operations in the other order."
            )
        if receivers:
            who = self.few("nobody is left who could send to", receivers)
            return (
                f"{who}: spawn() the sender before the receive(), end the "
                "receivers with send_exception(StopIteration) when there is no more to come, or use receive(timeout=...)."
            )
        if senders:
            who = self.few("nobody is left who could receive from", senders)
            return (
                f"{who}: spawn() the receiver before the send(), use a "
                "BufferedChannel, or use send(timeout=...)."
            )
        if selects:
            return "no case of the select() can become ready any more: give it a timeout, or block=False."
        if any(isinstance(thing, _gossamer.tasklet) for thing, _ in self.waiters.values()):
            return "the tasklet that is waited for cannot run any more: wake it, kill it, or use join(timeout=...)."
        locks = [thing for thing, _ in self.waiters.values() if not hasattr(thing, "balance")]
        if locks:
            return (
                f"nobody is left who could release, set, notify or fill {_say(locks[0])}: let its holder go on (a tasklet that is "
                "paused, or has ended, does not release it), or use a timeout."
            )
        return "keep one tasklet runnable that can wake the others, or let the wait have a timeout."

    def paused(self) -> str:
        paused = [t for t in self.tasklets if t.state == "paused" and not t.is_main]
        if not paused:
            return ""
        return f"{_names(paused)} {'is' if len(paused) == 1 else 'are'} paused: insert() makes a paused tasklet run again."


# ---- what others call ----


def deadlock_graph(
    kind: str = "", tasklets: Iterable[Any] | None = None, current: Any = None, channel: Any = None, direction: int = 0
) -> str:
    """The wait-for graph of a deadlock, as text.

    `kind` is the message of the error.  `current` is the tasklet whose operation fails and `channel` what it wanted to wait for
    (a channel, a list of channels, a tasklet); `direction` is 1 to send, -1 to receive.
    """
    try:
        everyone = list(_gossamer.tasklets() if tasklets is None else tasklets)
        here = _thread_id(_gossamer.getcurrent())
        # Those of this thread first: the others sleep as well, or do not end the waits of these.
        mine = [t for t in everyone if _thread_id(t) == here]
        others = [t for t in everyone if _thread_id(t) != here]
        count = len(mine)
        shown = mine[:EXAMINED]
        if count > EXAMINED:
            # Those that matter most must not be left out.
            main = _gossamer.getmain()
            shown += [t for t in mine[EXAMINED:] if t is current or t is main]
        graph = _Graph(shown + others[: EXAMINED - min(len(shown), EXAMINED)], current, channel, direction)
        graph.listed = shown
        lines = [f"Wait-for graph ({count:,} tasklet{'s' if count != 1 else ''}, and none of them can run):"]
        lines += graph.list_lines()
        if count > len(shown):
            lines.append(f"  {count - len(shown):,} more, not looked at")
        lines += graph.other_threads(others)
        for hint in (graph.advice(), graph.paused()):
            if hint:
                lines.append(f"What would help: {hint}")
        return "\n".join(lines)
    except Exception as error:
        return f"(the wait-for graph cannot be shown: {_say(error)})"


def format_tasklets(tasklets: Iterable[Any] | None = None) -> str:
    """Every tasklet (or those given) with its state, what it waits for, and its Python stack, as text.

    The first ones are listed one by one, the others summed up.
    """
    graph = _Graph(_gossamer.tasklets() if tasklets is None else tasklets)
    count = len(graph.tasklets)
    return "\n".join([f"{count:,} tasklet{'s' if count != 1 else ''}:", *graph.list_lines()])
