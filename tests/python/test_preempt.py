"""set_preemption(quantum_us): tasklets that do not yield take turns. See hogs.py.

Fairness is counted in turns, not in time. What has to happen in the end is waited for, however long it takes.
"""
import ctypes
import os
import signal
import sys
import threading
import time

import pytest

import gossamer
from hogs import HOGS, end, end_all, for_ever, in_new_thread
from helpers import python

QUANTUM = 500


@pytest.fixture(params=["main thread", "other thread"])
def somewhere(request):
    """Calls a function on the main thread, or on another one."""
    return (lambda f: f()) if request.param == "main thread" else in_new_thread


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    gossamer.set_preemption(None)
    end_all()


class Turns:
    """Who gets how many turns, counted by the schedule callback."""

    def __init__(self, tasklets):
        self.counts = {t: 0 for t in tasklets}
        self.order = []

    def __enter__(self):
        gossamer.set_schedule_callback(self.callback)
        return self

    def __exit__(self, *error):
        gossamer.set_schedule_callback(None)

    def callback(self, previous, following):
        if following in self.counts:
            self.counts[following] += 1
            self.order.append(following)

    def wait_for(self, n):
        """Main yields until each has had n turns; it takes turns like the others."""
        while min(self.counts.values()) < n:
            gossamer.schedule()


class TestFair:
    def test_every_kind_of_loop(self, somewhere):
        """As many turns for each, whatever it does: a busy loop, counting, exceptions, generators, calls, one that sleeps in C."""
        def sleeper():
            while True:
                time.sleep(0.001)

        def body():
            ts = [gossamer.spawn(hog) for hog in [*HOGS, sleeper]]
            gossamer.set_preemption(QUANTUM)
            with Turns(ts) as turns:
                turns.wait_for(10)
            gossamer.set_preemption(None)
            assert max(turns.counts.values()) - min(turns.counts.values()) <= 1
            end(ts)
        somewhere(body)

    def test_in_ring_order(self):
        ts = [gossamer.spawn(for_ever) for _ in range(5)]
        gossamer.set_preemption(QUANTUM)
        with Turns(ts) as turns:
            turns.wait_for(5)
        gossamer.set_preemption(None)
        assert turns.order[:25] == ts * 5
        end(ts)

    def test_main_takes_part(self, somewhere):
        """Main never yields here, and the others run nevertheless."""
        def body():
            done = []
            t = gossamer.spawn(lambda: done.append(1))
            gossamer.set_preemption(QUANTUM)
            while not done:
                pass
            gossamer.set_preemption(None)
            assert not t.alive
        somewhere(body)

    def test_sleepers_get_their_time(self):
        log = []

        def sleeper():
            for n in range(5):
                gossamer.sleep(0.001)
                log.append(n)
        gossamer.spawn(sleeper)
        gossamer.set_preemption(QUANTUM)
        while len(log) < 5:
            pass
        assert log == [0, 1, 2, 3, 4]

    def test_messages_from_another_thread(self):
        """A tasklet that waits for another thread is served, though nobody here yields."""
        channel, got = gossamer.channel(), []
        t = gossamer.spawn(lambda: got.append(channel.receive()))
        gossamer.schedule()
        gossamer.set_preemption(QUANTUM)
        th = threading.Thread(target=channel.send, args=("hello",))
        th.start()
        while not got:
            pass
        th.join()
        assert got == ["hello"] and not t.alive

    def test_under_run(self):
        stop, counts = [], {"a": 0, "b": 0}

        def count(name):
            while not stop:
                counts[name] += 1
                if min(counts.values()) > 1000:
                    stop.append(1)
        for name in counts:
            gossamer.spawn(count, name)
        gossamer.set_preemption(QUANTUM)
        assert gossamer.run() is None and stop

    def test_with_a_limited_run(self):
        ts = [gossamer.spawn(for_ever) for _ in range(3)]
        gossamer.set_preemption(200)
        with Turns(ts) as turns:
            victims = []
            for _ in range(4):
                victims.append(gossamer.run(budget_us=20000))
                victims[-1].insert()
        assert all(v in ts for v in victims) and min(turns.counts.values()) > 4
        end(ts)


class TestObstacles:
    def test_atomic(self):
        log = []

        def other():
            log.append("other")

        def body():
            with gossamer.atomic():
                end = time.monotonic() + 0.02
                while time.monotonic() < end:
                    pass
                log.append("atomic")
            while "other" not in log:
                pass
        gossamer.spawn(body), gossamer.spawn(other)
        gossamer.set_preemption(QUANTUM)
        gossamer.run()
        assert log == ["atomic", "other"]

    def test_nesting(self):
        data, seen = [], []

        def key(x):
            end = time.monotonic() + 0.01
            while time.monotonic() < end:
                pass
            return x

        def body():
            data[:] = [3, 1, 2]
            data.sort(key=key)
            data.append("sorted")
            seen.append("end")

        def watch():
            while "end" not in seen:
                seen.append(tuple(data))
                gossamer.schedule()
        gossamer.spawn(body), gossamer.spawn(watch)
        gossamer.set_preemption(QUANTUM)
        gossamer.run()
        assert set(seen) <= {(), (3, 1, 2), (1, 2, 3), (1, 2, 3, "sorted"), "end"}
        assert () not in seen[1:]

    def test_ignore_nesting(self):
        t, other = gossamer.spawn(lambda: list(map(lambda _: for_ever(), [1]))), gossamer.spawn(for_ever)
        t.set_ignore_nesting(1)
        gossamer.set_preemption(QUANTUM)
        with Turns([t, other]) as turns:
            turns.wait_for(3)
        end([t, other])

    def test_group(self):
        """The package's own code is not interrupted in the middle."""
        def member(n):
            total = 0
            for i in range(2000):
                total += i * n
            return total
        gossamer.set_preemption(100)
        for _ in range(20):
            with gossamer.Group() as group:
                ts = [group.spawn(member, n) for n in range(20)]
            assert [t.join() for t in ts] == [1999000 * n for n in range(20)]


class TestEnding:
    def test_kill(self, somewhere):
        def body():
            log = []

            def hog():
                try:
                    n = 0
                    while True:
                        n += 1
                finally:
                    log.append("finally")
            ts = [gossamer.spawn(hog) for _ in range(3)]
            gossamer.set_preemption(QUANTUM)
            with Turns(ts) as turns:
                turns.wait_for(3)
            end(ts)
            assert log == ["finally"] * 3 and not any(t.alive for t in ts)
        somewhere(body)

    def test_throw_from_another_thread(self):
        """A tasklet that never schedules gets what is thrown into it at the end of its turn."""
        log = []

        def hog():
            try:
                n = 0
                while True:
                    n += 1
            except KeyError as error:
                log.append(error.args)
        t = gossamer.spawn(hog)
        other = gossamer.spawn(for_ever)
        gossamer.set_preemption(QUANTUM)
        gossamer.schedule()
        th = threading.Thread(target=lambda: t.throw(KeyError, "from outside"))
        th.start()
        while t.alive:
            gossamer.schedule()
        th.join()
        assert log == [("from outside",)]
        end([other])

    def test_thread_ends_with_preemption_on(self):
        def body():
            gossamer.spawn(for_ever)
            gossamer.set_preemption(QUANTUM)
            end_at = time.monotonic() + 0.02
            while time.monotonic() < end_at:
                pass
            return True
        for _ in range(5):
            assert in_new_thread(body)

    def test_switched_off(self):
        ts = [gossamer.spawn(for_ever) for _ in range(2)]
        gossamer.set_preemption(QUANTUM)
        with Turns(ts) as turns:
            turns.wait_for(2)
            gossamer.set_preemption(0)
            before = dict(turns.counts)
            end_at = time.monotonic() + 0.02
            while time.monotonic() < end_at:
                pass
            assert turns.counts == before
        end(ts)


class TestOthers:
    """Signals, interrupts and other people's pending calls."""

    def hogs(self):
        ts = [gossamer.spawn(for_ever) for _ in range(2)]
        gossamer.set_preemption(QUANTUM)
        return ts

    def test_signals(self):
        got = []
        old = signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
        ts = self.hogs()
        stop = []

        def send():
            for n in range(100):
                os.kill(os.getpid(), signal.SIGUSR1)
                while len(got) <= n:
                    time.sleep(0.0001)
            stop.append(1)
        th = threading.Thread(target=send)
        th.start()
        try:
            while not stop:
                gossamer.schedule()
        finally:
            th.join()
            gossamer.set_preemption(None)
            signal.signal(signal.SIGUSR1, old)
        assert len(got) == 100
        end(ts)

    def test_keyboard_interrupt_reaches_whoever_runs(self):
        done = python("""
            import gossamer, os, signal, threading, time
            signal.signal(signal.SIGINT, signal.default_int_handler)    # a shell may have had it ignored
            def hog(n):
                gossamer.set_preemption(500)    # main is in run() by now, and gets no turns
                turns.append(n)
                while True: pass
            turns = []
            ts = [gossamer.spawn(hog, n) for n in range(3)]
            def interrupt():
                while len(turns) < 3:
                    time.sleep(0.001)
                os.kill(os.getpid(), signal.SIGINT)
            threading.Thread(target=interrupt).start()
            try:
                gossamer.run()
            except KeyboardInterrupt:
                print("interrupted", sum(t.alive for t in ts))
            """)
        assert done.stdout == "interrupted 2\n"

    def test_pending_calls_of_others(self):
        """All of them are made, though the calls before them have switched away. They call functions of Python while others wait
        in the queue, where a trace function of 3.11 sees no event."""
        made = []

        def record(depth):
            return record(depth - 1) if depth else made.append(1) or 0
        call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(lambda _: record(20))
        add = ctypes.pythonapi.Py_AddPendingCall
        sent = [0]
        ts = self.hogs()

        def send():
            while sent[0] < 2000:
                if add(call, None) == 0:
                    sent[0] += 1
                if sent[0] % 10 == 0:
                    time.sleep(0.0002)
        th = threading.Thread(target=send)
        th.start()
        while th.is_alive() or len(made) < sent[0]:
            gossamer.schedule()
        th.join()
        gossamer.set_preemption(None)
        assert len(made) == sent[0] == 2000
        end(ts)

    def test_threads_beside(self):
        """Other Python threads get the GIL as ever, and each has limits of its own."""
        stop, beats = [], [0]

        def beside():
            while not stop:
                beats[0] += 1
        th = threading.Thread(target=beside)
        th.start()
        ts = self.hogs()
        try:
            with Turns(ts) as turns:
                turns.wait_for(5)
                before = beats[0]
                while beats[0] == before:
                    gossamer.schedule()
        finally:
            stop.append(1)
            th.join()
        end(ts)

    def test_several_threads(self):
        def body():
            ts = [gossamer.spawn(for_ever) for _ in range(2)]
            counts = [0]
            gossamer.set_preemption(QUANTUM)
            for _ in range(5):
                gossamer.schedule()
                counts[0] += 1
            gossamer.set_preemption(None)
            end(ts)
            return counts
        out = []
        ths = [threading.Thread(target=lambda: out.append(body())) for _ in range(3)]
        for th in ths:
            th.start()
        for th in ths:
            th.join(100)
        assert out == [[5]] * 3

    def test_trace_function(self):
        lines = [0]

        def trace(frame, event, arg):
            lines[0] += 1
            return trace

        def count():
            n = 0
            while not stop:
                n += 1

        def traced():
            sys.settrace(trace)
            count()
            sys.settrace(None)
        stop = []
        t, other = gossamer.spawn(traced), gossamer.spawn(for_ever)
        gossamer.set_preemption(QUANTUM * 4)
        with Turns([t, other]) as turns:
            turns.wait_for(3)
        seen = lines[0]
        assert seen > 0
        while lines[0] == seen:
            gossamer.schedule()
        stop.append(1)
        while t.alive:
            gossamer.schedule()
        end([other])


class TestArguments:
    def test_old_value(self):
        assert gossamer.set_preemption(1000) == 0
        assert gossamer.set_preemption(0.5) == 1000
        assert gossamer.set_preemption(None) == 0.5
        assert gossamer.set_preemption(10**15) == 0
        assert gossamer.set_preemption(0) > 10**11

    @pytest.mark.parametrize("bad", ["x", [1], {}])
    def test_type(self, bad):
        with pytest.raises(TypeError):
            gossamer.set_preemption(bad)

    @pytest.mark.parametrize("bad", [-1, -0.1, float("nan"), float("-inf")])
    def test_value(self, bad):
        with pytest.raises(ValueError) as e:
            gossamer.set_preemption(bad)
        assert str(e.value) == "quantum_us must not be negative"

    def test_each_thread_has_its_own(self):
        gossamer.set_preemption(1000)
        assert in_new_thread(lambda: gossamer.set_preemption(5)) == 0
        assert gossamer.set_preemption(None) == 1000


def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_minute():
    """A thousand interruptions a second for a minute, with signals: none is lost, nothing leaks, and everybody has as many turns."""
    got, sent = [0], [0]

    def handler(*_):
        got[0] += 1
    old = signal.signal(signal.SIGALRM, handler)
    ts = [gossamer.spawn(hog) for hog in HOGS]
    gossamer.set_preemption(1000)
    try:
        with Turns(ts) as turns:
            turns.wait_for(20)
            turns.order.clear()
            settled = rss()
            stop = time.monotonic() + 60
            while time.monotonic() < stop:
                turns.order.clear()
                signal.raise_signal(signal.SIGALRM)
                sent[0] += 1
                gossamer.schedule()
            grown = rss() - settled
    finally:
        gossamer.set_preemption(None)
        signal.signal(signal.SIGALRM, old)
    print(sum(turns.counts.values()), "turns,", sent[0], "signals,", grown, "bytes more")
    assert got == sent and sent[0] > 10
    assert max(turns.counts.values()) - min(turns.counts.values()) <= 1
    assert grown < 2 << 20
    end(ts)
