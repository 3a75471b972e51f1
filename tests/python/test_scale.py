"""Big numbers: a million tasklets alive at once, long rings, deep nesting."""
import gc
import time

import pytest

import stackless
from helpers import pause, python


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_million_alive_at_once():
    out = python("""
        import gc, os, time, stackless
        N = 1_000_000
        def resident():
            with open("/proc/self/statm") as f:
                return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        gc.disable()
        c, total = stackless.channel(), [0]
        def f():
            x = c.receive()
            total[0] += x
        base, start = resident(), time.monotonic()
        for n in range(N // 10000):
            for _ in range(10000):
                stackless.tasklet(f)()
            stackless.run()
        made = time.monotonic()
        assert c.balance == -N
        each = (resident() - base) / N
        for n in range(N):
            c.send(n)
        stackless.run()
        done = time.monotonic()
        assert total[0] == N * (N - 1) // 2 and c.balance == 0 and stackless.runcount == 1
        print("bytes", each, "made", made - start, "served", done - made)
        assert each < 1500, each
        assert done - start < 120, done - start
        """, timeout=280).stdout
    print(out)


@pytest.mark.slow
def test_ring_of_a_hundred_thousand_by_channels():
    n = 100_000

    def station(left, right):
        for _ in range(2):
            right.send(left.receive() + 1)
    first = left = stackless.channel()
    for _ in range(n):
        right = stackless.channel()
        stackless.tasklet(station)(left, right)
        left = right
    got = []

    def end():
        got.append(left.receive())
        first.send(got[0])
        got.append(left.receive())
    stackless.tasklet(end)()
    stackless.run()
    first.send(0)
    stackless.run()
    assert got == [n, 2 * n]


@pytest.mark.slow
def test_a_hundred_thousand_in_the_ring():
    n, turns = 100_000, [0]

    def f():
        for _ in range(3):
            stackless.schedule(None)
            turns[0] += 1
    for _ in range(n):
        stackless.tasklet(f)()
    assert stackless.runcount == n + 1
    stackless.run()
    assert turns[0] == 3 * n


@pytest.mark.slow
def test_kill_a_hundred_thousand():
    log = [0]

    def f():
        try:
            pause()
        finally:
            log[0] += 1
    ts = [stackless.tasklet(f)() for _ in range(100_000)]
    stackless.run()
    assert all(t.paused for t in ts)
    for t in ts:
        t.kill()
    assert log[0] == 100_000 and not any(t.alive for t in ts)


@pytest.mark.slow
def test_collect_fifty_thousand_at_once():
    log = [0]

    def f():
        c = stackless.channel()
        try:
            c.receive()
        finally:
            log[0] += 1
    for _ in range(50_000):
        stackless.tasklet(f)()
    stackless.run()
    start = time.monotonic()
    gc.collect()
    stackless.run()
    gc.collect()
    assert log[0] == 50_000
    assert time.monotonic() - start < 60


def test_removing_from_the_middle_is_quick():
    """kill() of one in a long queue, remove() of one in a long ring: no walk along the chain."""
    c = stackless.channel()
    ts = [stackless.tasklet(c.receive)() for _ in range(20_000)]
    stackless.run()
    start = time.monotonic()
    for t in ts[::-1]:
        t.kill()
    assert c.balance == 0 and time.monotonic() - start < 10
    ts = [stackless.tasklet(pause)() for _ in range(20_000)]
    start = time.monotonic()
    for t in ts[::2] + ts[1::2]:
        t.remove()
    assert stackless.runcount == 1 and time.monotonic() - start < 10


def test_deep_python_stacks_alive_together():
    """Each has a few hundred frames, and is put away and brought back."""
    def deep(n, c):
        if n:
            return deep(n - 1, c) + 1
        return c.receive()
    c, got = stackless.channel(), []
    for _ in range(200):
        stackless.tasklet(lambda: got.append(deep(300, c)))()
    stackless.run()
    for n in range(200):
        c.send(n)
    stackless.run()
    assert got == [n + 300 for n in range(200)]


def test_big_c_stacks_alive_together():
    """Through sorted(), so that much C stack is used by each."""
    def deep(n, c):
        if n == 0:
            return c.receive()
        return sorted([n], key=lambda x: deep(n - 1, c))[0]
    c, done = stackless.channel(), []
    for _ in range(100):
        stackless.tasklet(lambda: done.append(deep(40, c)))()
    stackless.run()
    assert c.balance == -100
    for _ in range(100):
        c.send(1)
    stackless.run()
    assert done == [40] * 100


@pytest.mark.parametrize("env", [{}, {"GOSSAMER_SLOTS": "1"}, {"GOSSAMER_STACKS": "own"},
                                 {"GOSSAMER_COMPRESS": "always"}, {"GOSSAMER_COMPRESS": "never"},
                                 {"GOSSAMER_EVICT": "always"}, {"GOSSAMER_ARENA": "0"},
                                 {"GOSSAMER_SLOTS": "64"}, {"GOSSAMER_SLOTS": "3"}],
                         ids=lambda e: "-".join("%s=%s" % kv for kv in e.items()) or "default")
def test_every_back_end_gives_the_same_answers(env):
    out = python("""
        import stackless, gc
        def worker(n, left, right):
            total = 0
            for _ in range(20):
                x = left.receive()
                total += sorted([x], key=lambda v: (stackless.schedule(None), v)[1])[0]
                right.send(x + n)
            sums.append(total)
        sums, n = [], 60
        chans = [stackless.channel() for _ in range(n + 1)]
        for i in range(n): stackless.tasklet(worker)(i, chans[i], chans[i + 1])
        got = []
        def sink():
            for _ in range(20): got.append(chans[n].receive())
        stackless.tasklet(sink)()
        def source():
            for i in range(20):
                chans[0].send(i)
                if i % 5 == 0: gc.collect()
        stackless.tasklet(source)()
        stackless.run()
        print(got[0], got[-1], len(got), sum(sums), stackless.runcount)""", env=env).stdout
    expected = sum(sum(range(20)) + 20 * (i * (i - 1) // 2) for i in range(60))
    assert out == "%d %d 20 %d 1\n" % (1770, 1789, expected)
