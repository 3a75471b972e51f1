"""The rows of the bench: which workload, at which size, on which peers, how many samples.

`full` and `quick` give samples and arguments for the two modes. A peer that
cannot bear a row's size in reasonable time or memory has a smaller one of its
own in `sizes`, and the report then says so.
"""

from dataclasses import dataclass, field

PYTHON_PEERS = ("gossamer", "plain", "greenlet", "tealet", "asyncio", "threading")
ALL = ("gossamer", "go", "greenlet", "tealet", "asyncio")
ANY = (*ALL, "threading", "plain")


@dataclass(frozen=True)
class Mode:
    samples: int
    budget: float = 0.0  # seconds of short rounds in each sample
    n: int = 0
    slow_samples: int = 0  # samples for peers that take many seconds each; 0: as many as the others


@dataclass(frozen=True)
class Row:
    id: str
    title: str
    unit: str
    workload: str  # the name that the sample programs know
    full: Mode
    quick: Mode
    peers: tuple = ALL
    units: int = 0
    depth: int = 0
    stack: int = 0  # KiB
    sizes: dict = field(default_factory=dict)  # peer -> n in full mode, where it differs

    def n_of(self, peer, quick):
        mode = self.quick if quick else self.full
        return min(mode.n, self.sizes.get(peer, mode.n))


FAST = Mode(samples=7, budget=0.35)
FAST_QUICK = Mode(samples=1, budget=0.05)
SLOW = ("greenlet", "tealet", "asyncio")


def memory(label, n, depth, samples, slow_samples, sizes, peers=ALL):
    return Row(
        f"W4-d{depth}-{label}", f"{n:,} blocked at depth {depth}", "bytes each", "W4",
        Mode(samples, n=n, slow_samples=slow_samples), Mode(1, n=n // 10 if n <= 100_000 else n // 20),
        depth=depth, sizes=sizes, peers=peers,
    )  # fmt: skip


def deep(way, text, kib):
    return Row(f"W6-{way}-{kib}K", f"recursion through {text}, on a thread with {kib} KiB of stack", "bytes a level", f"W6-{way}",
               Mode(3, n=10_000), Mode(1, n=2_000), peers=("gossamer",), stack=kib)  # fmt: skip


WAYS = {"sorted": "sorted(key=)", "partial": "functools.partial", "getattr": "__getattr__", "json": "json's encoder"}

ROWS = [
    Row("W1", "switch: two units yield to each other", "ns a switch", "W1", FAST, FAST_QUICK, units=2),
    Row("W1-65", "the same among 65, one more than Gossamer has stack slots", "ns a switch", "W1", FAST, FAST_QUICK, units=65),
    Row("W2a", "one channel, one way", "ns a message", "W2a", FAST, FAST_QUICK),
    Row("W2a-0", "the same, the channel preferring neither side (Go's rule)", "ns a message", "W2a0", FAST, FAST_QUICK,
        peers=("gossamer", "go")),
    Row("W2b", "two channels, ping-pong", "ns a message", "W2b", FAST, FAST_QUICK),
    Row("W3", "spawn, run, finish, in batches of 1,000", "ns each", "W3", FAST, FAST_QUICK),
    Row("W3-all", "1,000,000 created before any runs", "ns each", "W3all",
        Mode(5, n=1_000_000, slow_samples=2), Mode(1, n=50_000),
        sizes={"greenlet": 300_000, "tealet": 300_000}),
    Row("W5", "ring of 1,000 through channels", "ns a hop", "W5", FAST, FAST_QUICK, units=1000),
    memory("100k", 100_000, 1, 5, 2, {}),
    memory("100k", 100_000, 5, 5, 2, {}),
    memory("1M", 1_000_000, 1, 3, 1, {}, peers=("gossamer", "go", "asyncio")),
    memory("1M", 1_000_000, 5, 3, 1, {}, peers=("gossamer", "go", "asyncio")),
    *(deep(way, text, kib) for way, text in WAYS.items() for kib in (64, 256, 1024)),
    Row("W6-calls", "calls of a Python function while deep stacks are armed", "ns a call", "calls", FAST, FAST_QUICK,
        peers=("gossamer", "plain")),
]  # fmt: skip

# Beside the standard library's threads.
THREAD_ROWS = [
    Row("T-atomic", "an empty block: with atomic(), with threading.Lock()", "ns a block", "Tatomic", FAST, FAST_QUICK,
        peers=("gossamer", "threading")),
    *(Row(f"T-{name}", title, unit, f"S-{name}", FAST, FAST_QUICK, peers=("gossamer", "threading")) for name, title, unit in (
        ("condition", "Condition: with, notify, nobody waits", "ns a pair"),
        ("condition-calls", "Condition: acquire, notify, release by calls, nobody waits", "ns for the three"),
        ("event", "Event: set, clear", "ns a pair"),
        ("semaphore", "Semaphore: acquire, release", "ns a pair"),
        ("queue", "Queue: put, get", "ns a pair"),
        ("making", "a Condition is made", "ns each"),
        ("threads", "two Semaphores between two threads, there and back: CPU time of both", "ns a round trip"),
    )),
    Row("T-tasklets", "the same between two tasklets", "ns a round trip", "S-tasklets", FAST, FAST_QUICK, peers=("gossamer",)),
    Row("T-message", "from thread to thread and back: two channels; two queue.SimpleQueue", "ns a message", "X-messages",
        FAST, FAST_QUICK, peers=("gossamer", "threading")),
    Row("T-message-2", "the same on two cores, by the clock", "ns a message", "X2-messages", FAST, FAST_QUICK,
        peers=("gossamer", "threading")),
    Row("T-rendezvous", "one way between two threads: a channel without buffer; queue.Queue(1)", "ns a message",
        "X-rendezvous", FAST, FAST_QUICK, peers=("gossamer", "threading")),
    Row("T-buffered", "one way between two threads, SimpleQueue: the sender never waits", "ns a message", "X-buffered",
        FAST, FAST_QUICK, peers=("gossamer", "threading")),
    Row("T-wake", "Event: from set() to the end of a timed wait that has slept, by the clock", "ns (median)", "wake",
        FAST, FAST_QUICK, peers=("gossamer", "threading")),
    Row("T-calls", "call_async; loop.run_in_executor; concurrent.futures: a call on a worker thread", "ns a call", "X-calls",
        FAST, FAST_QUICK, peers=("gossamer", "asyncio", "threading")),
    *(Row(f"T-leave-{n}", f"{n:,} tasklets begin to wait for a Lock, and are killed in another order", "ns each", "leaving",
          FAST, FAST_QUICK, peers=("gossamer",), units=n) for n in (100, 10_000)),
]  # fmt: skip

# Time limits: beside the same without (W1 for the first).
LIMIT_ROWS = [
    Row("L-switch", "switch, as W1, while turns by force are on", "ns a switch", "L-switch", FAST, FAST_QUICK, peers=("gossamer",)),
    Row("L-plain-run", "run() of a tasklet that ends at once", "ns a call", "L-plain-run", FAST, FAST_QUICK, peers=("gossamer",)),
    Row("L-run", "the same with a time limit: run(quantum_us=)", "ns a call", "L-run", FAST, FAST_QUICK, peers=("gossamer",)),
    Row("L-interrupt", "from the limit until `while True: pass` is interrupted, in real time", "us", "L-interrupt", FAST, FAST_QUICK,
        peers=("gossamer",)),
]  # fmt: skip

# The core alone, from C. "ucontext" is the C library's swapcontext(); "boost"
# is Boost.Context, measured where its library is installed.
C_ROWS = [
    Row("C-switch", "C core: two coroutines yield to each other", "ns a switch", "switch",
        FAST, FAST_QUICK, peers=("gossamer", "boost", "ucontext")),
    Row("C-message", "C core: one channel, one way", "ns a message", "message", FAST, FAST_QUICK, peers=("gossamer",)),
    Row("C-message-0", "the same, the channel preferring neither side (libdill's rule)", "ns a message", "message0",
        FAST, FAST_QUICK, peers=("gossamer",)),
    Row("C-pingpong", "C core: two channels, ping-pong", "ns a message", "pingpong", FAST, FAST_QUICK, peers=("gossamer",)),
    Row("C-spawn", "C core: spawn, run, finish, in batches of 1,000", "ns each", "spawn",
        FAST, FAST_QUICK, peers=("gossamer",)),
    Row("C-blocked", "C core: 100,000 blocked in a receive", "bytes each", "blocked",
        Mode(5, n=100_000), Mode(1, n=20_000), peers=("gossamer",)),
]  # fmt: skip


def select(names):
    """Rows whose id is one of the names or begins with one ("W4", "C"); all of them for no names."""
    rows = ROWS + THREAD_ROWS + LIMIT_ROWS + C_ROWS
    if not names:
        return rows
    chosen = [row for row in rows if any(row.id == name or row.id.startswith(name) for name in names)]
    unknown = [name for name in names if not any(row.id.startswith(name) for row in rows)]
    if unknown:
        raise SystemExit(
            f"bench: no workload {', '.join(unknown)}; there are {' '.join(row.id for row in rows)}"
        )
    return chosen
