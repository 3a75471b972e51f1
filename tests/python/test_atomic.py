"""atomic(): no other thread runs inside, whoever is hot; and no other thread starves for it.

Hot threads count. A count that changes inside a block was made by foreign bytecode. How long something takes is
never asserted: the limits only keep a hang from hanging the whole suite.
"""
import contextlib
import os
import signal
import sys
import threading
import time

import pytest

import gossamer
import stackless
from gossamer import atomic
from helpers import python, raises

HANG = 60       # seconds


def kept():
    """Does this thread keep the GIL? Then the switch interval is a second, which nobody sets by hand."""
    return sys.getswitchinterval() > 0.5


class Hot:
    """Threads that do nothing but count."""

    def __init__(self, n):
        self.counts, self.stop = [0] * n, False
        self.threads = [threading.Thread(target=self.count, args=(i,)) for i in range(n)]

    def count(self, i):
        counts = self.counts
        while not self.stop:
            counts[i] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_for_all()
        return self

    def __exit__(self, *exception):
        self.stop = True
        for thread in self.threads:
            thread.join(HANG)
        assert not any(thread.is_alive() for thread in self.threads)

    def wait_for_all(self, do=lambda: time.sleep(0)):
        """do() again and again until each of them has run."""
        before, end = list(self.counts), time.monotonic() + HANG
        while any(map(int.__eq__, before, self.counts)):
            assert time.monotonic() < end, "the other threads starve: %r" % self.counts
            do()


@contextlib.contextmanager
def switch_interval(seconds):
    old = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(old)


def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


# ---- other threads ----


def test_the_probe_sees_foreign_bytecode():
    with Hot(4) as hot, switch_interval(0.0001):
        end = time.monotonic() + HANG
        before = sum(hot.counts)
        while sum(hot.counts) == before:
            assert time.monotonic() < end


def test_long_blocks():
    with Hot(4) as hot:
        for _ in range(15):
            with atomic():
                before = sum(hot.counts)
                spin(0.03)
                assert sum(hot.counts) == before
            hot.wait_for_all()


def test_thousands_of_short_blocks():
    foreign = 0
    with Hot(4) as hot, switch_interval(0.0001):
        for i in range(20000):
            with atomic():
                before = sum(hot.counts)
                for _ in range(20):
                    pass
                foreign += sum(hot.counts) != before
            if i % 5000 == 0:
                hot.wait_for_all()
    assert foreign == 0


@pytest.mark.parametrize("interval", [0.0001, 0.005])
def test_blocks_without_end_starve_nobody(interval):
    """Each block restarts the clocks of those who wait."""
    with Hot(2) as hot, switch_interval(interval):
        def block():
            with atomic():
                pass
        for _ in range(3):
            hot.wait_for_all(block)


def test_atomic_tasklets_without_end_starve_nobody():
    """No block ends here: atomic code is left and come back to by switches only."""
    with Hot(2) as hot:
        def ping():
            while not done:
                stackless.schedule()
        done = []
        a, b = stackless.tasklet(ping)(), stackless.tasklet(ping)()
        a.set_atomic(True)
        for _ in range(3):
            hot.wait_for_all(stackless.schedule)
        done.append(True)
        stackless.run()
        assert not a.alive and not b.alive


def test_blocks_of_several_threads():
    shared, errors = [0], []

    def work(n):
        for _ in range(n):
            with atomic():
                seen = shared[0]
                for _ in range(10):
                    pass
                shared[0] = seen + 1

    with Hot(1), switch_interval(0.0001):
        threads = [threading.Thread(target=work, args=(3000,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG)
    assert shared == [12000] and not errors and not kept()


def test_waiting_inside():
    """The GIL goes to others meanwhile, and comes back."""
    with Hot(4) as hot:
        for _ in range(10):
            with atomic():
                before = sum(hot.counts)
                time.sleep(0.001)
                hot.wait_for_all()
                assert sum(hot.counts) != before


def test_waiting_inside_for_another_block():
    """Two threads that are atomic and need each other."""
    there, back, log = threading.Semaphore(0), threading.Semaphore(0), []

    def other():
        for _ in range(50):
            with atomic():
                assert there.acquire(timeout=HANG)
                log.append(1)
                back.release()

    with Hot(1):
        thread = threading.Thread(target=other)
        thread.start()
        for _ in range(50):
            with atomic():
                there.release()
                assert back.acquire(timeout=HANG)
        thread.join(HANG)
    assert len(log) == 50


def test_atomic_again_after_waiting():
    end = time.monotonic() + HANG
    with Hot(2) as hot, atomic():
        time.sleep(0.01)
        while not kept():       # a millisecond later, or two
            assert time.monotonic() < end
        before = sum(hot.counts)
        spin(0.03)
        assert sum(hot.counts) == before


def test_thread_made_inside():
    log = []
    with atomic():
        thread = threading.Thread(target=log.append, args=(1,))
        thread.start()
        thread.join(HANG)
        assert log == [1]
    assert not kept()


# ---- the block ----


def test_the_flag():
    me = stackless.current
    assert not me.atomic and not kept()
    with atomic() as value:
        assert value is None and me.atomic is True and kept()
    assert me.atomic is False and not kept()


def test_nesting():
    me = stackless.current
    with atomic():
        with atomic():
            assert me.atomic and kept()
        assert me.atomic and kept()
        me.set_atomic(False)
        with atomic():
            assert kept()
        assert not me.atomic and not kept()
        me.set_atomic(True)
    assert not me.atomic and not kept()


def test_very_deep_nesting():
    def nest(n):
        with atomic():
            if n:
                nest(n - 1)
            assert kept()
    nest(200)
    assert not kept()


def test_an_instance_again():
    block = atomic()
    for _ in range(3):
        with block:
            assert kept()
        assert not kept()


def test_left_by_an_error():
    with raises(ValueError, "inside"), atomic():
        raise ValueError("inside")
    assert not stackless.current.atomic and not kept()


def test_flag_that_was_set_stays():
    me = stackless.current
    assert me.set_atomic(True) is False
    with atomic():
        pass
    assert me.atomic and kept()
    assert me.set_atomic(0) is True and not kept()


def test_set_atomic_twice():
    me = stackless.current
    assert [me.set_atomic(True), me.set_atomic(True), me.set_atomic(False), me.set_atomic(False)] == [False, True, True, False]
    assert not kept()


def test_many_instances_at_a_time():
    blocks = [atomic() for _ in range(100)]
    assert len(set(map(id, blocks))) == 100
    with contextlib.ExitStack() as stack:
        for block in blocks:
            stack.enter_context(block)
        assert kept()
    assert not kept()


def test_by_hand():
    block = atomic()
    assert block.__enter__() is None and kept()
    assert block.__exit__(None, None, None) is None and not kept()
    atomic.__enter__(block)
    assert kept()
    atomic.__exit__(block, None, None, None)
    assert not kept()


@pytest.mark.parametrize("call", [
    lambda: atomic(1), lambda: atomic(flag=True), lambda: atomic.__new__(atomic, 1), lambda: atomic().__enter__(1),
    lambda: atomic().__exit__(), lambda: atomic().__exit__(None), lambda: atomic.__exit__(atomic(), None),
    lambda: atomic.__enter__(1), lambda: type("Sub", (atomic,), {}), lambda: stackless.current.set_atomic(),
    lambda: stackless.current.set_atomic("yes"),
])
def test_wrong_arguments(call):
    with pytest.raises(TypeError):
        call()
    assert not kept() and not stackless.current.atomic


def test_made_by_new():
    with atomic.__new__(atomic):
        assert kept()


def test_program_that_sets_the_switch_interval_inside():
    old = sys.getswitchinterval()
    try:
        with atomic():
            sys.setswitchinterval(0.002)
        assert sys.getswitchinterval() == 0.002
        with atomic():
            sys.setswitchinterval(0.003)
            time.sleep(0.02)
            with atomic():
                time.sleep(0.02)
        assert sys.getswitchinterval() == 0.003
        with atomic():
            assert kept()
        assert sys.getswitchinterval() == 0.003
    finally:
        sys.setswitchinterval(old)


# ---- tasklets ----


def test_a_switch_suspends_it():
    log = []

    def calm():
        log.append(("calm", kept(), stackless.current.atomic))

    def busy():
        with atomic():
            log.append(("busy", kept(), stackless.current.atomic))
            stackless.schedule()
            log.append(("busy", kept(), stackless.current.atomic))
        stackless.schedule()
        log.append(("busy", kept(), stackless.current.atomic))

    stackless.tasklet(busy)()
    stackless.tasklet(calm)()
    stackless.run()
    assert log == [("busy", True, True), ("calm", False, False), ("busy", True, True), ("busy", False, False)]
    assert not kept()


def test_through_a_channel():
    ch, log = stackless.channel(), []

    def receiver():
        with atomic():
            log.append((ch.receive(), kept()))

    stackless.tasklet(receiver)()
    stackless.run()
    assert not kept()
    ch.send("value")
    stackless.run()
    assert log == [("value", True)] and not kept()


def test_ends_with_the_tasklet():
    log = []

    def ends():
        stackless.current.set_atomic(True)
        log.append(kept())

    t = stackless.tasklet(ends)()
    stackless.run()
    assert log == [True] and not kept() and not t.atomic


def test_killed_inside():
    log = []

    def body():
        try:
            with atomic():
                stackless.schedule_remove(None)
        finally:
            log.append(kept())

    t = stackless.tasklet(body)()
    stackless.run()
    assert t.atomic and not kept()
    t.kill()
    assert log == [False] and not t.alive and not kept()


def test_set_before_the_start():
    log = []
    t = stackless.tasklet(lambda: log.append(kept()))
    t.set_atomic(True)
    assert not kept()
    t()
    stackless.run()
    assert log == [True] and not kept()


def test_main_is_atomic_and_others_are_not():
    log = []
    with atomic():
        stackless.tasklet(lambda: log.append(kept()))()
        stackless.run()
        assert kept()
    assert log == [False]


def test_one_atomic_tasklet_after_the_other():
    log = []
    for _ in range(3):
        stackless.tasklet(lambda: log.append(kept()))().set_atomic(True)
    stackless.run()
    assert log == [True] * 3 and not kept()


def test_value_survives_the_yield():
    """A thread whose turn is over yields right after a switch; what that switch carried is safe."""
    ch = stackless.channel()
    got = []

    def receiver():
        for _ in range(20000):
            got.append(ch.receive())

    def sender():
        for i in range(20000):
            ch.send([i])

    with Hot(2):
        stackless.tasklet(receiver)()
        stackless.tasklet(sender)().set_atomic(True)
        stackless.run()
    assert got == [[i] for i in range(20000)]


def test_set_from_another_thread():
    """It concerns the running code of that thread from its next millisecond on."""
    ready, end = threading.Event(), time.monotonic() + HANG
    shared, log = [], []

    def body():
        shared.append(stackless.current)
        ready.set()
        while not kept() and time.monotonic() < end:
            pass
        log.append(stackless.current.atomic)
        while stackless.current.atomic and time.monotonic() < end:
            time.sleep(0.001)
        while kept() and time.monotonic() < end:
            time.sleep(0.001)
        log.append(kept())

    thread = threading.Thread(target=body)
    thread.start()
    assert ready.wait(HANG)
    assert shared[0].set_atomic(True) is False
    while not log:
        time.sleep(0.001)
    assert shared[0].set_atomic(False) is True
    thread.join(HANG)
    assert log == [True, False] and not kept()


def test_thread_that_ends_atomic():
    def body():
        stackless.current.set_atomic(True)

    for _ in range(20):
        thread = threading.Thread(target=body)
        thread.start()
        thread.join(HANG)
        end = time.monotonic() + HANG
        while kept():
            assert time.monotonic() < end
            time.sleep(0)
    with atomic():
        assert kept()


def test_bound_to_another_thread():
    t, log = stackless.tasklet(lambda: log.append(kept())), []
    t.set_atomic(True)

    def body():
        t.bind_thread()
        t()
        stackless.run()
        log.append(kept())

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(HANG)
    assert log == [True, False]


# ---- signals ----


def test_signal_handler_runs_inside():
    seen = []
    old = signal.signal(signal.SIGUSR1, lambda *what: seen.append((kept(), stackless.current.atomic)))
    try:
        with atomic():
            os.kill(os.getpid(), signal.SIGUSR1)
            for _ in range(1000):
                pass
            assert seen == [(True, True)]
    finally:
        signal.signal(signal.SIGUSR1, old)


# ---- the ticker ----


def test_ticker_stops():
    """It sleeps when there is no atomic code for a while, and is awake when there is."""
    python("""
        import os, sys, time
        from gossamer import atomic
        tasks = lambda: set(os.listdir("/proc/self/task"))
        before = tasks()
        with atomic():
            pass
        ticker, = tasks() - before

        def woken():
            with open(f"/proc/self/task/{ticker}/status") as f:
                return next(line for line in f if line.startswith("voluntary_ctxt_switches"))

        def wait(awake):
            end = time.monotonic() + 60
            while True:
                first = woken()
                time.sleep(0.1)
                if (woken() != first) == awake:
                    return
                assert time.monotonic() < end, awake

        for _ in range(2):
            wait(awake=False)
            with atomic():
                wait(awake=True)
        wait(awake=False)
        assert len(tasks()) == len(before) + 1
    """)


def test_no_thread_before_the_first_block():
    python("""
        import os, gossamer
        assert len(os.listdir("/proc/self/task")) == 1
        gossamer.current.set_atomic(False)
        assert len(os.listdir("/proc/self/task")) == 1
    """)


def test_thread_that_cannot_be_made():
    python("""
        import resource, sys, gossamer
        with open("/proc/self/statm") as f:
            pages = int(f.read().split()[0])
        size = pages * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 65536, -1))
        texts = []
        for use in (lambda: gossamer.atomic().__enter__(), lambda: gossamer.current.set_atomic(True)):
            try:
                use()
            except RuntimeError as error:
                texts.append(str(error))
            assert not gossamer.current.atomic and sys.getswitchinterval() < 0.5
        assert texts == ["atomic() cannot start the thread that looks after it: out of threads or memory"] * 2, texts
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        with gossamer.atomic():
            assert gossamer.current.atomic
    """)


# ---- a GIL that is not as expected ----


def test_failing_self_check():
    python("""
        import sys
        sys.getswitchinterval = lambda: 0.0123
        import gossamer
        text = "atomic() does not work on this Python: its switch interval is not where we look for it"
        uses = [lambda: gossamer.atomic().__enter__(), lambda: gossamer.current.set_atomic(True),
                lambda: gossamer.tasklet().set_atomic(1)]
        for use in uses:
            try:
                use()
            except NotImplementedError as error:
                assert str(error) == text, error
            else:
                raise AssertionError("it does not say so")
            assert not gossamer.current.atomic
        try:
            with gossamer.atomic():
                raise AssertionError("the block has run")
        except NotImplementedError:
            pass
        assert gossamer.current.set_atomic(False) is False
        gossamer.spawn(print, "the rest works")
        gossamer.run()
    """)


def test_self_check_that_cannot_ask():
    done = python("""
        import sys
        sys.getswitchinterval = lambda: 1 / 0
        import gossamer
    """, check=False)
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr
