"""gossamer.sync between threads, with and without tasklets of their own."""

import threading

import pytest

import gossamer
from gossamer import sync


def run_threads(*functions):
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not errors, errors


@pytest.mark.parametrize("make", [sync.Lock, sync.RLock, sync.Condition, lambda: sync.Condition(sync.Lock()),
                                  lambda: sync.Semaphore(1), lambda: sync.Condition(threading.RLock())])
def test_threads_exclude_each_other(make):
    lock = make()
    count = [0]

    def work():
        for _ in range(2000):
            with lock:
                seen = count[0]
                if not seen % 100:
                    gossamer.sleep(0)
                count[0] = seen + 1

    run_threads(*[work] * 4)
    assert count == [8000]


@pytest.mark.parametrize("lock", [None, sync.Lock, threading.Lock, threading.RLock])
def test_condition_between_tasklets_and_threads(lock):
    condition = sync.Condition(lock and lock())
    items, got = [], []

    def take(n):
        for _ in range(n):
            with condition:
                assert condition.wait_for(lambda: items, timeout=60)
                got.append(items.pop())

    def give():
        for n in range(300):
            with condition:
                items.append(n)
                condition.notify()

    def tasklets():
        group = [gossamer.spawn(take, 50) for _ in range(2)]
        for t in group:
            t.join()

    if lock in (threading.Lock, threading.RLock):  # these know nothing of tasklets, which would stop their thread
        run_threads(lambda: take(100), lambda: take(100), give, lambda: take(100))
    else:
        run_threads(tasklets, lambda: take(100), give, tasklets)
    assert sorted(got) == list(range(300))


@pytest.mark.parametrize("make", [sync.Queue, lambda: sync.Queue(1), sync.LifoQueue, sync.PriorityQueue, sync.SimpleQueue,
                                  lambda: sync.PriorityQueue(2)])
def test_queue_between_tasklets_and_threads(make):
    queue, got = make(), []

    def give(start):
        for n in range(start, start + 500):
            queue.put(n)

    def take():
        while (item := queue.get()) < 10_000:
            got.append(item)

    def tasklets():
        group = [gossamer.spawn(give, 0), gossamer.spawn(give, 500)]
        for t in group:
            t.join()

    consumers = [threading.Thread(target=take) for _ in range(2)]
    for thread in consumers:
        thread.start()
    run_threads(tasklets, lambda: give(1000))
    while not queue.empty():  # a LifoQueue would deliver the ends first
        gossamer.sleep(0.01)
    queue.put(10_000)
    queue.put(10_001)
    for thread in consumers:
        thread.join(60)
        assert not thread.is_alive()
    assert sorted(got) == list(range(1500))


def test_event_and_barrier():
    event, barrier, out = sync.Event(), sync.Barrier(4), []

    def body():
        assert event.wait(60)
        out.append(barrier.wait(60))

    def tasklets():
        for t in [gossamer.spawn(body) for _ in range(3)]:
            t.join()

    run_threads(tasklets, body, event.set)
    assert sorted(out) == [0, 1, 2, 3]


def test_a_thread_that_ends_leaves_the_line():
    lock = sync.Lock()
    lock.acquire()

    def leave():
        gossamer.spawn(lock.acquire)
        gossamer.schedule()

    run_threads(leave)
    lock.release()
    assert not lock.locked()


@pytest.mark.parametrize("wait", ["lock", "channel"])
def test_kill_from_another_thread(wait):
    """Its thread sleeps meanwhile, on the stack of that very tasklet."""
    lock, channel = sync.Lock(), gossamer.channel()
    lock.acquire()
    started, ended, ts = threading.Event(), [], []

    def body():
        try:
            started.set()
            lock.acquire() if wait == "lock" else channel.receive()
        finally:
            ended.append(1)

    def other():
        ts.append(gossamer.spawn(body))
        ts[0].join()

    thread = threading.Thread(target=other)
    thread.start()
    assert started.wait(60)
    gossamer.sleep(0.05)  # likely, not surely, it waits by now; either way it has to end
    ts[0].kill()
    thread.join(60)
    assert ended == [1]
    lock.release()
    assert not lock.locked()
