"""Other things of Python inside tasklets: generators, asyncio, locks, imports, greenlet, fork."""
import asyncio
import contextlib
import functools
import importlib.util
import queue
import re
import sys
import threading

import pytest

import stackless
from helpers import pause, python, started_paused


class TestGenerators:
    def test_generator_advanced_by_several_tasklets(self):
        def gen():
            for n in range(20):
                stackless.schedule(None)
                yield n
        g, got, busy = gen(), [], []

        def f():
            while True:
                try:
                    got.append(next(g))
                except StopIteration:
                    return
                except ValueError:                 # another one is inside it
                    busy.append(1)
                    stackless.schedule(None)
        for _ in range(3):
            stackless.tasklet(f)()
        stackless.run()
        assert got == list(range(20)) and busy

    def test_generator_moves_from_one_to_another(self):
        def gen():
            n = 0
            while True:
                n += (yield n) or 1
        g, got = gen(), []
        got.append(next(g))
        for x in (10, 20, 30):
            stackless.tasklet(lambda x=x: got.append(g.send(x)))()
        stackless.run()
        assert got == [0, 10, 30, 60]

    def test_suspended_generator_dies_with_its_tasklet(self):
        log = []

        def gen():
            try:
                yield 1
            finally:
                log.append("closed")

        def f():
            for _ in gen():
                pause()
        t = started_paused(f)
        t.kill()
        assert log == ["closed"]

    def test_yield_from_and_switches(self):
        def inner():
            x = stackless.schedule("a")
            yield x
            yield stackless.schedule("b")

        def outer():
            yield from inner()
        got = []
        for _ in range(3):
            stackless.tasklet(lambda: got.append(list(outer())))()
        stackless.run()
        assert got == [["a", "b"]] * 3

    def test_context_manager(self):
        log = []

        @contextlib.contextmanager
        def cm(n):
            log.append(("in", n))
            stackless.schedule(None)
            try:
                yield n
            finally:
                log.append(("out", n))

        def f(n):
            with cm(n) as x:
                stackless.schedule(None)
                assert x == n
        for n in (1, 2):
            stackless.tasklet(f)(n)
        stackless.run()
        assert log == [("in", 1), ("in", 2), ("out", 1), ("out", 2)]


class TestCallbacksFromC:
    """A switch below a C function that called back into Python."""

    def test_sorted_map_min(self):
        got = []

        def slow(x):
            stackless.schedule(None)
            return -x

        def f(n):
            data = [(n * 7 + i * 5) % 11 for i in range(8)]
            got.append(sorted(data, key=slow) == sorted(data, reverse=True))
            got.append(list(map(slow, data)) == [-x for x in data])
            got.append(min(data, key=slow) == max(data))
            got.append(functools.reduce(lambda a, b: a + slow(b), data, 0) == -sum(data))
        for n in range(5):
            stackless.tasklet(f)(n)
        stackless.run()
        assert got == [True] * 20

    def test_regular_expressions(self):
        got = []

        def replace(m):
            stackless.schedule(None)
            return m.group().upper()
        for w in ("abc def", "ghi jkl"):
            stackless.tasklet(lambda w=w: got.append(re.sub(r"\w+", replace, w)))()
        stackless.run()
        assert got == ["ABC DEF", "GHI JKL"]

    def test_special_methods(self):
        class S:
            def __init__(self, n):
                self.n = n

            def __eq__(self, other):
                stackless.schedule(None)
                return self.n == other.n

            def __hash__(self):
                stackless.schedule(None)
                return 1

            def __len__(self):
                stackless.schedule(None)
                return self.n

            def __getattr__(self, name):
                stackless.schedule(None)
                return name

            def __repr__(self):
                stackless.schedule(None)
                return "S%d" % self.n
        got = []

        def f(k):
            d = {S(i): i for i in range(5)}
            got.append((sorted(d.values()), len(S(k)), S(1).other, repr([S(1), S(2)])))
        for k in (3, 4):
            stackless.tasklet(f)(k)
        stackless.run()
        assert got == [([0, 1, 2, 3, 4], k, "other", "[S1, S2]") for k in (3, 4)]

    def test_exec_and_import(self, tmp_path, monkeypatch):
        (tmp_path / "imported_in_tasklet.py").write_text(
            "import stackless\nstackless.schedule(None)\nvalue = 5\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        got = []

        def f():
            import imported_in_tasklet
            got.append(imported_in_tasklet.value)
        stackless.tasklet(f)()
        stackless.tasklet(lambda: exec("import stackless; stackless.schedule(); got.append(1)",
                                       {"got": got}))()
        stackless.run()
        assert sorted(got) == [1, 5]


class TestAsyncio:
    def test_run_inside_a_tasklet(self):
        log = []

        async def main(n):
            await asyncio.sleep(0.001)
            r = await asyncio.gather(*(sub(i) for i in range(3)))
            log.append((n, r))
            return n

        async def sub(i):
            await asyncio.sleep(0)
            return i * i
        got = []
        for n in range(2):
            stackless.tasklet(lambda n=n: got.append(asyncio.run(main(n))))()
            stackless.run()
        assert got == [0, 1] and log == [(0, [0, 1, 4]), (1, [0, 1, 4])]

    def test_coroutines_driven_by_hand_in_many_tasklets(self):
        async def leaf(n):
            stackless.schedule(None)
            return n

        async def top(n):
            return await leaf(n) + await leaf(1)
        got = []

        def f(n):
            try:
                top(n).send(None)
            except StopIteration as e:
                got.append(e.value)
        for n in range(5):
            stackless.tasklet(f)(n)
        stackless.run()
        assert got == [1, 2, 3, 4, 5]

    def test_async_generator(self):
        async def agen():
            for n in range(3):
                yield n
                await asyncio.sleep(0)

        async def main():
            return [x async for x in agen()]
        got = []
        stackless.tasklet(lambda: got.append(asyncio.run(main())))()
        stackless.run()
        assert got == [[0, 1, 2]]

    def test_channel_between_a_task_and_a_tasklet(self):
        """A task may run the others while it waits."""
        c = stackless.channel()
        c.preference = 1

        async def main():
            stackless.tasklet(lambda: c.send("from a tasklet"))()
            while c.balance == 0:
                stackless.run()
                await asyncio.sleep(0)
            return c.receive()
        assert asyncio.run(main()) == "from a tasklet"
        stackless.run()


class TestThreadsAndLocks:
    def test_lock_held_across_switches(self):
        lock, log = threading.Lock(), []

        def f():
            with lock:
                stackless.schedule(None)
                log.append(lock.locked())
        stackless.tasklet(f)()
        stackless.run()
        assert log == [True] and not lock.locked()

    def test_worker_thread_and_queue(self):
        q, out = queue.Queue(), queue.Queue()
        th = threading.Thread(target=lambda: [out.put(x * 2) for x in iter(q.get, None)])
        th.start()
        got = []

        def f(n):
            q.put(n)
            stackless.schedule(None)
            got.append(out.get(timeout=10))
        for n in range(5):
            stackless.tasklet(f)(n)
        stackless.run()
        q.put(None)
        th.join()
        assert got == [0, 2, 4, 6, 8]

    def test_busy_threads_beside_switching(self):
        stop, counts = threading.Event(), [0, 0]

        def busy(i):
            while not stop.is_set():
                counts[i] += sum(range(100))
        ths = [threading.Thread(target=busy, args=(i,)) for i in range(2)]
        for th in ths:
            th.start()
        turns = []

        def f():
            for _ in range(2000):
                stackless.schedule(None)
            turns.append(1)
        for _ in range(5):
            stackless.tasklet(f)()
        stackless.run()
        stop.set()
        for th in ths:
            th.join()
        assert turns == [1] * 5


def test_fork_in_a_tasklet_works_in_the_child():
    out = python("""
        import os, stackless
        log = []
        c = stackless.channel()
        def other(n):
            log.append((n, c.receive()))
        for n in range(5): stackless.tasklet(other)(n)
        def forker():
            stackless.schedule(None)
            pid = os.fork()
            if pid == 0:
                for n in range(5): c.send(n * 10)
                stackless.tasklet(log.append)("new in the child")
                stackless.schedule(None)
                ok = sorted(map(str, log)) == sorted(map(str,
                    [(n, n * 10) for n in range(5)] + ["new in the child"]))
                os._exit(0 if ok else 9)
            _, status = os.waitpid(pid, 0)
            print("child", os.waitstatus_to_exitcode(status))
            for n in range(5): c.send(n)
        stackless.tasklet(forker)()
        stackless.run()
        print(sorted(log))""", env={"GOSSAMER_SLOTS": "2"}).stdout
    assert out == "child 0\n[(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]\n"


def test_fork_with_a_tasklet_in_control_of_exit():
    done = python("""
        import os, stackless, sys
        def f():
            pid = os.fork()
            if pid == 0:
                sys.exit(5)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        stackless.tasklet(f)()
        stackless.run()""")
    assert done.stdout == "5\n"


class TestGreenlet:
    """In processes of their own: once a process has used greenlets, deep stacks are refused in it."""

    @pytest.fixture(autouse=True)
    def greenlet(self):
        if importlib.util.find_spec("greenlet") is None:
            pytest.skip("greenlet is not installed: pip install greenlet")

    def test_greenlets_inside_a_tasklet(self):
        out = python("""
            import stackless
            from greenlet import getcurrent, greenlet
            def f(n):
                def g(x):
                    while True:
                        print(n, x)
                        x = top.switch(x * 2)
                top = getcurrent()
                child = greenlet(g)
                x = 1
                for _ in range(3):
                    x = child.switch(x)
                child.throw()
            stackless.tasklet(f)("A")
            stackless.run()""").stdout
        assert out == "A 1\nA 2\nA 4\n"

    def test_greenlets_of_main_while_tasklets_are_suspended(self):
        out = python("""
            import stackless
            from greenlet import greenlet
            log = []
            def task(n):
                for i in range(3):
                    stackless.schedule(None)
                    log.append((n, i))
            for n in "AB":
                stackless.tasklet(task)(n)
            stackless.schedule(None)
            greenlet(lambda: log.append("greenlet")).switch()
            stackless.run()
            assert log == ["greenlet"] + [(n, i) for i in range(3) for n in "AB"], log
            print("done")""").stdout
        assert out == "done\n"

    def test_many_switches_of_both(self):
        """Both switch many times, evictions included."""
        out = python("""
            import stackless, greenlet
            def task(n):
                for i in range(200):
                    stackless.schedule(None)
                done.append(n)
            done, hops = [], [0]
            for n in range(50): stackless.tasklet(task)(n)
            main = greenlet.getcurrent()
            def g():
                while True:
                    hops[0] += 1
                    main.switch()
            gs = [greenlet.greenlet(g) for _ in range(10)]
            for _ in range(50):
                for x in gs: x.switch()
                stackless.schedule(None)
            stackless.run()
            print(len(done), hops[0])""", env={"GOSSAMER_SLOTS": "2"}).stdout
        assert out == "50 500\n"


def test_signal_handler_that_raises_in_a_tasklet():
    done = python("""
        import os, signal, stackless
        class Alarm(Exception): pass
        def handler(*a): raise Alarm
        signal.signal(signal.SIGUSR1, handler)
        def f():
            try:
                os.kill(os.getpid(), signal.SIGUSR1)
                for _ in range(1000): pass
            except Alarm: print("in the tasklet")
            stackless.schedule(None)
        stackless.tasklet(f)()
        stackless.run()""")
    assert done.stdout == "in the tasklet\n"


def test_warnings_and_stdout_are_shared():
    import io
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        stackless.tasklet(print)("from a tasklet")
        stackless.run()
    assert out.getvalue() == "from a tasklet\n"


def test_deep_recursion_in_several_tasklets():
    def deep(n):
        if n == 0:
            stackless.schedule(None)
            return 0
        return 1 + deep(n - 1)
    got = []
    depth = sys.getrecursionlimit() // 2
    for _ in range(5):
        stackless.tasklet(lambda: got.append(deep(depth)))()
    stackless.run()
    assert got == [depth] * 5


def test_deep_recursion_through_c():
    """Each level is a C call that calls Python; the C stack grows, and is stored and restored."""
    def deep(n):
        if n == 0:
            stackless.schedule(None)
            return 0
        return 1 + max([n - 1], key=lambda x: 0) - (n - 1) + next(map(deep, [n - 1]))
    got = []
    for _ in range(3):
        stackless.tasklet(lambda: got.append(deep(60)))()
    stackless.run()
    assert got == [60] * 3


def test_pdb_breakpoint_in_a_tasklet():
    done = python("""
        import io, pdb, stackless, sys
        def f():
            x = 41
            pdb.Pdb(stdin=io.StringIO("p x + 1\\nn\\nw\\nc\\n"), stdout=sys.stdout,
                    nosigint=True).set_trace()
            stackless.schedule(None)
            x += 1
            print("x is", x)
        stackless.tasklet(f)()
        stackless.tasklet(print)("other")
        stackless.run()""")
    assert "42" in done.stdout and "x is 42" in done.stdout and "other" in done.stdout


def test_coverage_in_tasklets(tmp_path):
    if importlib.util.find_spec("coverage") is None:
        pytest.skip("coverage is not installed: pip install coverage")
    prog = tmp_path / "prog.py"
    prog.write_text("import stackless\ndef f():\n    x = 1\n    stackless.schedule(None)\n"
                    "    y = 2\n    if x == y:\n        never = 1\nfor _ in range(3):\n"
                    "    stackless.tasklet(f)()\nstackless.run()\n")
    done = python("""
        import coverage, runpy, sys
        cov = coverage.Coverage(data_file=None)
        cov.start()
        import stackless
        runpy.run_path(sys.argv[1])
        cov.stop()
        _, _, missing, _ = cov.analysis(sys.argv[1])
        print(missing)""", str(prog))
    assert done.stdout.strip().endswith("[7]"), done.stdout
