"""gossamer.sync: queues and barriers between tasklets."""

import gc
import random
import weakref

import pytest

import gossamer
import stackless
from gossamer import sync

QUEUES = [sync.Queue, sync.LifoQueue, sync.PriorityQueue]


class Coded(sync.Queue):
    """Stores in a list of its own."""

    def _init(self, maxsize):
        self.queue = []

    def _put(self, item):
        gossamer.schedule()  # others must not come in between
        self.queue.append(item)

    def _get(self):
        gossamer.schedule()
        return self.queue.pop(0)


class Unique(sync.Queue):
    def _init(self, maxsize):
        self.queue = set()

    def _put(self, item):
        self.queue.add(item)

    def _get(self):
        return self.queue.pop()


ALL = [*QUEUES, Coded]
names = lambda cls: cls.__name__  # noqa: E731


def getters(queue, n, got):
    ts = [gossamer.spawn(lambda n=n: got.append((n, queue.get()))) for n in range(n)]
    stackless.run()
    assert all(t.state == "blocked" and t.waiting_on is queue for t in ts)
    return ts


@pytest.mark.parametrize("cls", ALL, ids=names)
def test_getters_are_served_in_their_order(cls):
    queue, got = cls(), []
    getters(queue, 4, got)
    for item in range(4):
        queue.put(item)
    stackless.run()
    assert got == [(n, n) for n in range(4)]
    assert queue.empty() and queue.unfinished_tasks == 4


@pytest.mark.parametrize("cls", [*ALL, sync.SimpleQueue], ids=names)
@pytest.mark.parametrize("error", [None, ValueError])
def test_an_item_handed_to_one_that_is_killed_is_not_lost(cls, error):
    queue, got = cls(), []
    ts = getters(queue, 2, got)
    queue.put("x")
    assert ts[0].state == "ready"
    if error:
        ts[0].throw(error("thrown"), pending=True)
        with pytest.raises(ValueError, match="thrown"):
            stackless.run()
    else:
        ts[0].kill()
    stackless.run()
    assert got == [(1, "x")]
    ts = getters(queue, 1, got)
    queue.put("y")
    ts[0].kill()
    stackless.run()
    assert queue.get_nowait() == "y"


def test_what_is_given_back_is_the_oldest_again():
    queue, got = sync.Queue(), []
    (t,) = getters(queue, 1, got)
    queue.put(1)
    queue.put(2)
    t.kill()
    assert [queue.get(), queue.get()] == [1, 2]


@pytest.mark.parametrize("cls", ALL, ids=names)
def test_putters_wait_in_line(cls):
    queue = cls(2)
    put = []

    def body(n):
        queue.put(n)
        put.append(n)

    ts = [gossamer.spawn(body, n) for n in range(6)]
    stackless.run()
    assert put == [0, 1] and queue.full() and queue.qsize() == 2
    ts[3].kill()
    assert not ts[3].alive
    got = []
    while len(got) < 5:
        got.append(queue.get())
        stackless.run()
    assert sorted(got) == [0, 1, 2, 4, 5] and put == [0, 1, 2, 4, 5]
    assert got == sorted(got) or cls is sync.LifoQueue
    assert queue.empty() and queue.unfinished_tasks == 5


@pytest.mark.parametrize("cls", [sync.PriorityQueue, Coded], ids=names)
def test_a_place_reserved_for_one_that_is_killed_is_not_lost(cls):
    queue = cls(1)
    queue.put(0)
    ts = [gossamer.spawn(queue.put, n) for n in (1, 2)]
    stackless.run()
    assert queue.get() == 0
    assert ts[0].state == "ready" and ts[1].state == "blocked"
    ts[0].kill()
    stackless.run()
    assert not ts[1].alive and queue.get() == 2


def test_full_and_empty():
    queue = sync.Queue(1)
    with pytest.raises(sync.Empty):
        queue.get_nowait()
    with pytest.raises(sync.Empty):
        queue.get(timeout=0.01)
    queue.put(1)
    with pytest.raises(sync.Full):
        queue.put_nowait(2)
    with pytest.raises(sync.Full):
        queue.put(2, timeout=0.01)
    with pytest.raises(ValueError, match="'timeout' must be a non-negative number"):
        queue.put(2, timeout=-1)
    assert queue.get(timeout=1) == 1
    with pytest.raises(gossamer.DeadlockError):
        queue.get()
    with pytest.raises(AttributeError, match="get\\(\\) them"):
        queue.queue
    with pytest.raises(AttributeError, match="only the _init"):
        queue.queue = []
    with pytest.raises(IndexError, match="nothing is stored"):
        queue._get()


def test_a_queue_in_use_is_not_made_anew():
    queue = sync.Queue()
    queue.put(1)
    with pytest.raises(RuntimeError, match="of a queue in use"):
        queue.__init__()


def test_a_subclass_that_stores_less_than_was_put():
    queue = Unique()
    for item in (1, 1, 1):
        queue.put(item)
    assert queue.qsize() == 1 and queue.get() == 1 and queue.empty()
    got = []
    getters(queue, 1, got)
    queue.put(5)
    stackless.run()
    assert got == [(0, 5)]


def test_a_comparison_that_fails_loses_nothing():
    queue = sync.PriorityQueue()
    queue.put(1)
    with pytest.raises(TypeError):
        queue.put("x")
    assert queue.qsize() >= 1 and queue.queue[0] == 1
    assert queue.get() == 1


def test_comparisons_that_switch():
    class Item:
        def __init__(self, n):
            self.n = n

        def __lt__(self, other):
            gossamer.schedule()
            return self.n < other.n

    queue = sync.PriorityQueue()
    ts = [gossamer.spawn(queue.put, Item(n)) for n in random.Random(3).sample(range(50), 50)]
    for t in ts:
        t.join()
    assert [queue.get().n for _ in range(50)] == list(range(50))


def test_join():
    queue = sync.Queue()
    queue.put(1)
    queue.put(2)
    t = gossamer.spawn(queue.join)
    stackless.run()
    queue.task_done()
    stackless.run()
    assert t.blocked and t.waiting_on is queue
    queue.task_done()
    stackless.run()
    assert not t.alive
    with pytest.raises(ValueError, match="called too many times"):
        queue.task_done()


@pytest.mark.parametrize("cls", ALL, ids=names)
@pytest.mark.parametrize("immediate", [False, True])
def test_shutdown(cls, immediate):
    queue = cls(1)
    queue.put(1)
    outcome = []

    def put():
        try:
            queue.put(2)
        except sync.ShutDown:
            outcome.append("put")

    gossamer.spawn(put)
    stackless.run()
    queue.shutdown(immediate)
    stackless.run()
    assert outcome == ["put"] and queue.is_shutdown
    if not immediate:
        assert queue.get() == 1
    for use in (queue.get, lambda: queue.put(3)):
        with pytest.raises(sync.ShutDown):
            use()


def test_blocked_garbage_is_collected():
    class Thing:
        pass

    ended = []

    def body(queue, thing):
        try:
            queue.get()
        finally:
            ended.append(1)

    def begin():
        queue, thing = sync.Queue(), Thing()
        gossamer.spawn(body, queue, thing)
        stackless.run()
        full = sync.Queue(1)
        full.put(full)
        gossamer.spawn(lambda: full.put(thing))
        stackless.run()
        return weakref.ref(thing), weakref.ref(queue)

    gone = begin()
    gc.collect()
    gc.collect()
    assert ended == [1] and [ref() for ref in gone] == [None, None]


@pytest.mark.parametrize("cls", [*ALL, sync.SimpleQueue], ids=names)
def test_at_random(cls):
    """Many producers and consumers, some killed at a bad moment: each item arrives once."""
    rng = random.Random(11)
    queue = cls() if cls is sync.SimpleQueue else cls(3)
    put, got = [], []

    def producer(k):
        for n in range(40):
            queue.put((k, n))
            put.append((k, n))
            if rng.random() < 0.3:
                gossamer.schedule()

    def consumer():
        while True:
            got.append(queue.get())
            if rng.random() < 0.3:
                gossamer.schedule()

    producers = [gossamer.spawn(producer, k) for k in range(8)]
    consumers = [gossamer.spawn(consumer) for _ in range(5)]
    while any(t.alive for t in producers):
        gossamer.schedule()
        if rng.random() < 0.2:
            at = rng.randrange(len(consumers))
            if consumers[at].blocked or cls in (sync.Queue, sync.SimpleQueue, sync.LifoQueue):
                consumers[at].kill()
                consumers[at] = gossamer.spawn(consumer)
    for _ in range(400):
        gossamer.schedule()
    for t in consumers:
        t.kill()
    assert sorted(got) == sorted(put) and len(put) == 320


# ---- barrier ----


def test_barrier():
    acted, out = [], []
    barrier = sync.Barrier(3, action=lambda: (acted.append(1), gossamer.schedule()))

    def body():
        for _ in range(4):
            out.append(barrier.wait())

    ts = [gossamer.spawn(body) for _ in range(3)]
    stackless.run()
    assert not any(t.alive for t in ts)
    assert len(acted) == 4
    assert [sorted(out[n : n + 3]) for n in range(0, 12, 3)] == [[0, 1, 2]] * 4


@pytest.mark.parametrize("how", ["kill", "timeout", "abort", "reset", "action"])
def test_barrier_breaks(how):
    def fail():
        raise KeyError("action")

    barrier = sync.Barrier(2 if how == "action" else 3, action=fail)
    out = []

    def body(timeout=None):
        try:
            barrier.wait(timeout)
        except (sync.BrokenBarrierError, KeyError) as error:
            out.append(type(error).__name__)

    first = gossamer.spawn(body)
    second = gossamer.spawn(body, 0.01 if how == "timeout" else None)
    stackless.run()
    if how == "kill":
        assert barrier.n_waiting == 2
        second.kill()
    elif how in ("abort", "reset"):
        getattr(barrier, how)()
    stackless.run()
    assert not first.alive and not second.alive
    assert barrier.broken == (how != "reset")
    assert sorted(out) == {"kill": ["BrokenBarrierError"], "action": ["BrokenBarrierError", "KeyError"]}.get(
        how, ["BrokenBarrierError"] * 2)
    if how != "reset":
        with pytest.raises(sync.BrokenBarrierError):
            barrier.wait()
        barrier.reset()
    assert not barrier.broken and barrier.n_waiting == 0


def test_barrier_errors():
    with pytest.raises(ValueError, match="parties must be > 0"):
        sync.Barrier(0)

    class Lazy(sync.Barrier):
        def __init__(self):
            pass

    with pytest.raises(RuntimeError, match="has not been called"):
        Lazy().wait()
