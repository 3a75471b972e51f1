"""Reading the recorder's files: `Trace` gives the events as they are, `Timeline` what they mean.

    from gossamer.trace.reader import Timeline, Trace

    trace = Trace("run.gostrace")
    for event in trace:
        print(event.ns, event.kind, event.detail)

    timeline = Timeline(trace)
    for tasklet in timeline.tasklets:
        print(tasklet.name, [(span.state, span.end - span.begin) for span in tasklet.spans])

Times are nanoseconds of CLOCK_MONOTONIC. The layout of the file is described in docs/internals/trace.md. Damaged files raise
ValueError; a file that was cut off is read as far as it goes.
"""

import heapq
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any, Iterator, NamedTuple

__all__ = ["Event", "Lock", "Span", "Tasklet", "Thread", "Timeline", "Trace", "Wake", "Zone"]

KINDS = {
    1: "switch", 2: "idle", 3: "busy", 4: "resume", 5: "wake", 6: "keep", 7: "take", 8: "new", 9: "name", 10: "wait", 11: "waited",
    12: "hold", 13: "release", 14: "evict", 15: "restore", 16: "spill", 17: "spilled", 18: "job begin", 19: "job end",
    20: "gil leave", 21: "gil wait", 22: "gil take", 23: "gc begin", 24: "gc end", 25: "zone begin", 26: "zone end", 27: "counter",
    28: "message", 29: "label", 30: "thread",
}  # fmt: skip
WHYS = {1: "yield", 2: "receive", 3: "send", 4: "select", 5: "sleep", 6: "wait", 7: "park", 8: "run", 9: "finished", 10: "preempted"}
CAUSES = {1: "received", 2: "sent", 3: "time", 4: "granted", 5: "inserted", 6: "room"}

_HEADER = struct.Struct("<8sII")
_CHUNK = struct.Struct("<IIQ")
_RECORD = struct.Struct("<QQQQ")
_PAIR = struct.Struct("<Qq")
_CLOCK, _STRINGS, _THREAD, _RECORDS, _NAMES, _INFO, _END = range(1, 8)


class Event(NamedTuple):
    """One event: what the recorder's record says. Which of object, a and b mean what is told in gossamer/trace.h."""

    ns: int
    thread: int  # index in Trace.threads
    kind: str
    detail: "str | int"  # why a tasklet stopped, what woke it; else a number
    object: int  # address
    a: int
    b: int


@dataclass
class Thread:
    number: int
    tid: int = 0
    name: str = ""
    segments: list[tuple[int, int, int]] = field(default_factory=list, repr=False)  # offset, count, number of the first
    runs: "list[Span]" = field(default_factory=list, repr=False)  # Timeline: whom it ran, and when it was idle
    gil: "list[Span]" = field(default_factory=list, repr=False)  # Timeline: "waits" or "holds"
    zones: "list[Zone]" = field(default_factory=list, repr=False)  # Timeline: of code outside of any tasklet

    @property
    def recorded(self) -> int:
        """How many events it has recorded, those that were overwritten included."""
        return self.segments[-1][1] + self.segments[-1][2] if self.segments else 0


class Trace:
    """A file of the recorder: its threads, strings and `info`, and when iterated, its events in order of time."""

    def __init__(self, path: "str | os.PathLike[str]") -> None:
        with open(path, "rb") as file:
            self._data = file.read()
        self.threads: list[Thread] = []
        self.strings: list[str] = [""]  # by number, from 1
        self.names: list[tuple[int, bool, str]] = []  # address, whether it is from the end, name
        self.info: dict[str, Any] = {}
        self.lost = 0
        self.complete = False  # the recording was ended, not cut off
        self._clock = ((0, 0), (1, 1))
        self._has_clock = False
        self._read_chunks()
        for thread in self.threads:
            name = self.info.get("threads", {}).get(str(thread.tid)) if isinstance(self.info.get("threads"), dict) else None
            thread.name = name if isinstance(name, str) else thread.name

    # ---- chunks ----

    def _read_chunks(self) -> None:
        data = self._data
        if len(data) < _HEADER.size:
            raise ValueError("it is too short")
        magic, version, size = _HEADER.unpack_from(data)
        if magic != b"gostrace":
            raise ValueError("it does not begin like a trace of the recorder")
        if version != 1 or size != _RECORD.size:
            raise ValueError(f"it is of version {version}, with records of {size} bytes: not known here")
        at = _HEADER.size
        while len(data) - at >= _CHUNK.size:
            kind, length, size = _CHUNK.unpack_from(data, at)
            at += _CHUNK.size
            if size % 8:
                raise ValueError("a chunk has an odd size")
            if size > len(data) - at:
                break
            if length > size:
                raise ValueError("a chunk is longer than its place")
            try:
                self._read_chunk(kind, at, length or size)
            except struct.error as error:
                raise ValueError(f"a chunk is too short: {error}") from None
            at += size

    def _read_chunk(self, kind: int, at: int, size: int) -> None:
        data, end = self._data, at + size
        if kind == _CLOCK:
            if size < 2 * _PAIR.size:
                raise ValueError("the clock has no two points")
            self._clock = (_PAIR.unpack_from(data, at), _PAIR.unpack_from(data, at + size // 16 * 16 - 16))
            self._has_clock = True
        elif kind == _STRINGS:
            self._read_strings(at, end)
        elif kind == _THREAD:
            if size < 24:
                raise ValueError("a description of a thread is too short")
            number, tid, name = struct.unpack_from("<II16s", data, at)
            thread = self._thread(number)
            thread.tid, thread.name = tid, name.split(b"\0")[0].decode("utf-8", "replace")
        elif kind == _RECORDS:
            self._read_records(at, size)
        elif kind == _NAMES:
            for where in range(at, end - 15, 16):
                address, string = struct.unpack_from("<QQ", data, where)
                self.names.append((address & ~1, bool(address & 1), self.string(string)))
        elif kind == _INFO:
            try:
                info = json.loads(data[at:end])
            except (ValueError, RecursionError):
                raise ValueError("what it says about the program is not JSON") from None
            self.info = info if isinstance(info, dict) else {}
        elif kind == _END:
            if size < 16:
                raise ValueError("the end is too short")
            _, lost = struct.unpack_from("<QQ", data, at)
            self.lost = max(self.lost, lost)
            self.complete = True

    def _read_strings(self, at: int, end: int) -> None:
        if end - at < 8:
            raise ValueError("a chunk of strings is too short")
        first, count = struct.unpack_from("<II", self._data, at)
        if first != len(self.strings):
            raise ValueError("strings are out of order")
        at += 8
        for _ in range(count):
            if end - at < 4:
                raise ValueError("a string is longer than its chunk")
            (length,) = struct.unpack_from("<I", self._data, at)
            at += 4
            if length > end - at:
                raise ValueError("a string is longer than its chunk")
            self.strings.append(self._data[at : at + length].decode("utf-8", "replace"))
            at += length

    def _thread(self, number: int) -> Thread:
        if number > len(self.threads) + 65536:
            raise ValueError("a thread has an impossible number")
        while len(self.threads) <= number:
            self.threads.append(Thread(len(self.threads)))
        return self.threads[number]

    def _read_records(self, at: int, size: int) -> None:
        if size < 16 or (size - 16) % _RECORD.size:
            raise ValueError("records have the wrong size")
        number, _, first = struct.unpack_from("<IIQ", self._data, at)
        thread = self._thread(number)
        if first < thread.recorded or first + (size - 16) // _RECORD.size >= 1 << 64:
            raise ValueError("records come twice")
        self.lost += first - thread.recorded
        if size > 16:
            thread.segments.append((at + 16, (size - 16) // _RECORD.size, first))

    # ---- events ----

    def string(self, number: int) -> str:
        return self.strings[number] if 0 < number < len(self.strings) else "?"

    def __len__(self) -> int:
        """How many events the file holds."""
        return sum(count for thread in self.threads for _, count, _ in thread.segments)

    def _of_thread(self, thread: Thread) -> Iterator[tuple[int, int, int, int, int]]:
        latest = 0
        for offset, count, _ in thread.segments:
            for ticks, what, a, b in _RECORD.iter_unpack(memoryview(self._data)[offset : offset + count * _RECORD.size]):
                latest = max(latest, ticks)  # a thread's records are in order, whatever the clock says
                yield latest, thread.number, what, a, b

    def __iter__(self) -> Iterator[Event]:
        (ticks0, ns0), (ticks1, ns1) = self._clock
        slope = (ns1 - ns0) / (ticks1 - ticks0) if ticks1 > ticks0 and ns1 > ns0 else 1.0
        latest = max(ns0, 0)
        for ticks, thread, what, a, b in heapq.merge(*map(self._of_thread, self.threads), key=lambda record: record[0]):
            if not self._has_clock:
                ticks0, ns0, self._has_clock = ticks, 0, True
            latest = max(latest, ns0 + int((ticks - ticks0) * slope))
            kind, detail = KINDS.get(what & 255, "?"), what >> 8 & 255
            word: str | int = detail
            if kind in ("switch", "idle"):
                word = WHYS.get(detail, "?")
            elif kind == "wake":
                word = CAUSES.get(detail, "?")
            yield Event(latest, thread, kind, word, what >> 16, a, b)


# ---- what it means ----


@dataclass(slots=True)
class Span:
    """A stretch of time. state of a tasklet: "running", "runnable", "waiting"; of a thread: "running", "idle"."""

    begin: int
    end: int
    state: str
    why: str = ""  # of "waiting" and "runnable": why it stopped; what it waited in ("Condition") if known
    object: int = 0  # what it waited for: address of a channel, a lock...
    label: str = ""  # its name, or type
    tasklet: "Tasklet | None" = None  # of a thread's span: who runs. Of "waiting": who ended it
    thread: int = 0


@dataclass(slots=True)
class Zone:
    begin: int
    end: int
    name: str
    depth: int
    function: bool = False


@dataclass(slots=True)
class Wake:
    """An arrow. value: "" or, if a value passed, "to" (waker to woken) or "from"."""

    ns: int
    waker: "Tasklet | None"
    woken: "Tasklet"
    cause: str
    object: int = 0
    value: str = ""


class Tasklet:
    """One tasklet: `spans` follow one another without gaps while it was in the trace; `zones` nest."""

    __slots__ = ("address", "ended", "identity", "name", "spans", "thread", "zones", "_state", "_open", "_waits", "_wait_name", "_stack")

    def __init__(self, identity: int, address: int, name: str, thread: int) -> None:
        self.identity, self.address, self.name, self.thread = identity, address, name, thread
        self.spans: list[Span] = []
        self.zones: list[Zone] = []
        self.ended: int | None = None
        self._state = "new"
        self._waits: tuple[int, str] | None = None
        self._stack: list[Zone] = []

    def __repr__(self) -> str:
        return f"<Tasklet {self.identity} {self.name!r}>"

    def time(self, state: str) -> int:
        """Nanoseconds that it has been in a state."""
        return sum(span.end - span.begin for span in self.spans if span.state == state)


@dataclass
class Lock:
    address: int
    name: str
    holds: list[Span] = field(default_factory=list)  # tasklet: who held it


class Timeline:
    """What the events of a trace mean: tasklets and their states, who woke whom, zones, locks, counters.

    tasklets, threads (with runs), wakes, locks by address, counters and messages by name; begin and end of the trace.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.threads = trace.threads
        self.tasklets: list[Tasklet] = []
        self.wakes: list[Wake] = []
        self.locks: dict[int, Lock] = {}
        self.labels: dict[int, str] = {}
        self.counters: dict[str, list[tuple[int, float]]] = {}
        self.messages: list[tuple[int, Tasklet | None, str]] = []
        self.collections: list[tuple[int, int, int, int]] = []  # begin, end, generation, objects freed
        self.jobs: list[tuple[int, int, int, Tasklet | None]] = []  # begin, end, thread, for whom
        self.memory: dict[int, list[tuple[int, int]]] = {}  # thread: when, bytes of evicted stacks
        self.switches = 0
        self.events = 0
        self.begin = self.end = 0
        self._by_address: dict[int, Tasklet] = {}
        self._names: dict[int, str] = {}  # of those that no record of their own names
        self._current: dict[int, Tasklet | None] = {}
        self._zones: dict[int, list[Zone]] = {}
        self._gc: dict[int, tuple[int, int]] = {}
        self._jobs: dict[int, tuple[int, int]] = {}
        self._build()

    # ---- identity ----

    def _new(self, address: int, name: str = "tasklet") -> Tasklet:
        tasklet = Tasklet(len(self.tasklets), address, name, self._thread)
        self.tasklets.append(tasklet)
        self._by_address[address] = tasklet
        return tasklet

    def _tasklet(self, address: int) -> Tasklet:
        return self._by_address.get(address) or self._new(address, self._names.get(address, "tasklet"))

    def _who(self, thread: int) -> "Tasklet | None":
        return self._current.get(thread)

    # ---- states ----

    def _enter(self, tasklet: Tasklet, state: str, why: str = "", object: int = 0, label: str = "") -> None:
        self._leave(tasklet)
        tasklet._state = state
        tasklet.spans.append(Span(self._ns, -1, state, why, object, label, thread=self._thread))

    def _leave(self, tasklet: Tasklet) -> None:
        if tasklet.spans and tasklet.spans[-1].end < 0:
            tasklet.spans[-1].end = self._ns

    def _stops(self, tasklet: Tasklet, why: str, object: int) -> None:
        if tasklet._state != "running":
            return
        if why == "finished":
            self._leave(tasklet)
            for zone in tasklet._stack:
                zone.end = self._ns
            tasklet._stack.clear()
            tasklet._state, tasklet.ended = "ended", self._ns
            return
        label = self.labels.get(object, "")
        if why == "wait" and tasklet._waits:
            object, label = tasklet._waits
        self._enter(tasklet, "runnable" if why in ("yield", "preempted") else "waiting", why, object, label)

    def _runs(self, thread: int, tasklet: Tasklet) -> None:
        self._current[thread] = tasklet
        runs = self.threads[thread].runs
        if not runs or runs[-1].end >= 0 or runs[-1].tasklet is not tasklet:
            self._line_stops(thread)
            runs.append(Span(self._ns, -1, "running", tasklet=tasklet, thread=thread))
        if tasklet._state != "running":
            self._enter(tasklet, "running")

    def _line_stops(self, thread: int) -> None:
        runs = self.threads[thread].runs
        if runs and runs[-1].end < 0:
            runs[-1].end = self._ns

    def _must_run(self, thread: int, address: int) -> Tasklet:
        tasklet = self._tasklet(address)
        if self._current.get(thread) is not tasklet:
            self._line_stops(thread)
        if tasklet._state == "new":
            self._runs(thread, tasklet)
        return tasklet

    # ---- events ----

    def _on_switch(self, e: Event) -> None:
        self._stops(self._must_run(e.thread, e.object), str(e.detail), e.b)
        self._line_stops(e.thread)
        self._runs(e.thread, self._tasklet(e.a))
        self.switches += 1

    def _on_idle(self, e: Event) -> None:
        tasklet = self._must_run(e.thread, e.object)
        self._stops(tasklet, str(e.detail), e.b)
        self._line_stops(e.thread)
        self._current[e.thread] = tasklet
        self.threads[e.thread].runs.append(Span(self._ns, -1, "idle", thread=e.thread))

    def _on_busy(self, e: Event) -> None:
        self._line_stops(e.thread)

    def _on_resume(self, e: Event) -> None:
        self._runs(e.thread, self._must_run(e.thread, e.object))

    def _on_wake(self, e: Event) -> None:
        woken = self._tasklet(e.object)
        if woken._state not in ("waiting", "new"):
            return
        waker = self._tasklet(e.a) if e.a and e.a != e.object else None
        value = {"received": "to", "sent": "from"}.get(str(e.detail), "")
        if woken._state == "waiting" and woken.spans:
            woken.spans[-1].tasklet = waker
        self.wakes.append(Wake(e.ns, waker, woken, str(e.detail), e.b, value))
        self._enter(woken, "runnable")

    def _on_new(self, e: Event) -> None:
        old = self._by_address.get(e.object)
        if old:
            self._leave(old)
        self._new(e.object)

    def _on_name(self, e: Event) -> None:
        tasklet = self._tasklet(e.object)
        if tasklet._state == "ended":  # bound again: another life of the same object
            tasklet = self._new(e.object)
        tasklet.name = self.trace.string(e.a)

    def _on_wait(self, e: Event) -> None:
        tasklet = self._who(e.thread)
        if tasklet:
            tasklet._waits = (e.object, self.labels.get(e.object) or self.trace.string(e.b))

    def _on_waited(self, e: Event) -> None:
        tasklet = self._who(e.thread)
        if tasklet:
            tasklet._waits = None

    def _on_hold(self, e: Event) -> None:
        lock = self.locks.get(e.object)
        if not lock:
            lock = self.locks[e.object] = Lock(e.object, self.labels.get(e.object) or self.trace.string(e.b))
        self._on_release(e)
        holder = self._tasklet(e.a) if e.a else self._who(e.thread)
        lock.holds.append(Span(e.ns, -1, "held", object=e.object, tasklet=holder, thread=e.thread))

    def _on_release(self, e: Event) -> None:
        lock = self.locks.get(e.object)
        if lock and lock.holds and lock.holds[-1].end < 0:
            lock.holds[-1].end = e.ns

    def _on_memory(self, e: Event) -> None:
        self.memory.setdefault(e.thread, []).append((e.ns, e.b))

    def _on_gil(self, e: Event) -> None:
        spans = self.threads[e.thread].gil
        if spans and spans[-1].end < 0:
            spans[-1].end = e.ns
        if e.kind != "gil leave":
            spans.append(Span(e.ns, -1, "waits" if e.kind == "gil wait" else "holds", thread=e.thread))

    def _stack(self, thread: int) -> tuple[list[Zone], list[Zone]]:
        tasklet = self._who(thread)
        if tasklet:
            return tasklet._stack, tasklet.zones
        return self._zones.setdefault(thread, []), self.threads[thread].zones

    def _on_zone_begin(self, e: Event) -> None:
        stack, zones = self._stack(e.thread)
        zone = Zone(e.ns, -1, self.trace.string(e.a), len(stack), e.detail == 1)
        stack.append(zone)
        zones.append(zone)

    def _on_zone_end(self, e: Event) -> None:
        stack, _ = self._stack(e.thread)
        name = self.trace.string(e.a)
        for at in range(len(stack) - 1, -1, -1):
            if stack[at].name == name:
                stack.pop(at).end = e.ns
                return

    def _on_counter(self, e: Event) -> None:
        (value,) = struct.unpack("<d", struct.pack("<Q", e.b))
        self.counters.setdefault(self.trace.string(e.a), []).append((e.ns, value))

    def _on_message(self, e: Event) -> None:
        self.messages.append((e.ns, self._who(e.thread), self.trace.string(e.a)))

    def _on_label(self, e: Event) -> None:
        self.labels[e.object] = self.trace.string(e.a)
        if e.object in self.locks:
            self.locks[e.object].name = self.labels[e.object]

    def _on_thread(self, e: Event) -> None:
        self.threads[e.thread].name = self.trace.string(e.a)

    def _on_gc_begin(self, e: Event) -> None:
        self._gc[e.thread] = (e.ns, int(e.detail))

    def _on_gc_end(self, e: Event) -> None:
        begun = self._gc.pop(e.thread, None)
        if begun:
            self.collections.append((begun[0], e.ns, begun[1], e.a))

    def _on_job_begin(self, e: Event) -> None:
        self._jobs[e.thread] = (e.ns, e.a)

    def _on_job_end(self, e: Event) -> None:
        begun = self._jobs.pop(e.thread, None)
        if begun:
            self.jobs.append((begun[0], e.ns, e.thread, self._by_address.get(begun[1])))

    def _find_first(self) -> None:
        """Who ran on each thread when its records begin: the first that names the current tasklet tells."""
        for thread in self.threads:
            for _, _, what, _, _ in self.trace._of_thread(thread):
                if what & 255 in (1, 2, 4):
                    self._thread = thread.number
                    self._current[thread.number] = self._tasklet(what >> 16)
                    break

    def _build(self) -> None:
        handlers = {name: getattr(self, "_on_" + name.replace(" ", "_"), None) for name in KINDS.values()}
        handlers.update(dict.fromkeys(("evict", "restore"), self._on_memory))
        handlers.update(dict.fromkeys(("gil leave", "gil wait", "gil take"), self._on_gil))
        self._thread = 0
        for address, _, name in self.trace.names:  # those of the begin come first
            self._names.setdefault(address, name)
        self._find_first()
        for event in self.trace:
            self._ns, self._thread = event.ns, event.thread
            self.begin = self.begin or event.ns
            self.events += 1
            handler = handlers.get(event.kind)
            if handler:
                handler(event)
            self.end = event.ns
        self._close()

    def _close(self) -> None:
        spans = [span for tasklet in self.tasklets for span in tasklet.spans[-1:]]
        spans += [span for thread in self.threads for span in thread.runs[-1:] + thread.gil[-1:]]
        spans += [span for lock in self.locks.values() for span in lock.holds[-1:]]
        for span in spans:
            span.end = self.end if span.end < 0 else span.end
        for stack in [tasklet._stack for tasklet in self.tasklets] + list(self._zones.values()):
            for zone in stack:
                zone.end = self.end
