"""The recorder: what a trace says about programs whose course is known."""

import gc
import os
import subprocess
import sys
import threading
import time

import pytest

import gossamer
import gossamer.pool
import gossamer.sync
from gossamer import trace
from gossamer.trace.reader import Timeline, Trace

TOLERANCE_NS = 200_000  # between our clock readings and the recorder's


@pytest.fixture(autouse=True)
def nothing_goes_on():
    yield
    if trace.stats()["on"]:
        trace.stop()


@pytest.fixture
def record(tmp_path):
    """record(function, *args): its timeline."""

    def run(function, *args, **options):
        path = tmp_path / "trace.gostrace"
        trace.start(path, **options)
        try:
            function(*args)
        finally:
            trace.stop()
        return Timeline(Trace(path))

    return run


def by_name(timeline, name):
    found = [tasklet for tasklet in timeline.tasklets if tasklet.name == name]
    assert len(found) == 1, (name, timeline.tasklets)
    return found[0]


def states(tasklet):
    return [(span.state, span.why) for span in tasklet.spans]


def check(timeline):
    """What holds in every timeline."""
    for tasklet in timeline.tasklets:
        for before, after in zip(tasklet.spans, tasklet.spans[1:]):
            assert before.end == after.begin
        for span in tasklet.spans:
            assert timeline.begin <= span.begin <= span.end <= timeline.end
        for zone in tasklet.zones:
            assert zone.begin <= zone.end
    for thread in timeline.threads:
        for before, after in zip(thread.runs, thread.runs[1:]):
            assert before.end <= after.begin
    running = sorted((s.begin, s.end) for t in timeline.tasklets for s in t.spans if s.state == "running")
    assert sum(s.state == "running" for thread in timeline.threads for s in thread.runs) <= len(running) + len(timeline.threads)


class TestSwitches:
    def test_their_number_and_order(self, record):
        seen = []

        def work():
            for _ in range(10):
                gossamer.schedule()

        def program():
            for name in "abc":
                gossamer.spawn(work, name=name)
            gossamer.set_schedule_callback(lambda prev, next: seen.append((prev.name if prev else None, next.name)))
            try:
                gossamer.run()
            finally:
                gossamer.set_schedule_callback(None)

        timeline = record(program)
        check(timeline)
        assert timeline.switches == len(seen)
        order = [span.tasklet.name for span in timeline.threads[0].runs if span.state == "running"]
        assert order == ["main"] + [name for _, name in seen]

    def test_why_a_tasklet_stopped(self, record):
        channel = gossamer.channel()
        done = []

        def work():
            gossamer.schedule()
            channel.receive()
            gossamer.sleep(0.001)
            gossamer.select([gossamer.channel(), channel])
            gossamer.schedule_remove()
            done.append(1)

        def program():
            t = gossamer.spawn(work, name="w")
            gossamer.schedule()
            gossamer.schedule()
            channel.send(1)
            gossamer.sleep(0.01)
            channel.send(2)
            gossamer.schedule()
            t.insert()
            gossamer.run()
            assert done

        timeline = record(program)
        check(timeline)
        stops = [span.why for span in by_name(timeline, "w").spans if span.why]
        assert stops == ["yield", "receive", "sleep", "select", "park"]
        assert by_name(timeline, "w").ended is not None
        main = [span.why for span in by_name(timeline, "main").spans if span.why and span.why != "yield"]
        assert main.count("sleep") == 1 and main[-1] == "run"

    def test_preempted(self, record):
        def busy():
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                pass

        def program():
            old = gossamer.set_preemption(2000)
            try:
                gossamer.spawn(busy, name="busy")
                gossamer.spawn(busy, name="other")
                gossamer.run()
            finally:
                gossamer.set_preemption(old or None)

        timeline = record(program)
        check(timeline)
        assert "preempted" in [span.why for span in by_name(timeline, "busy").spans]

    def test_thread_that_sleeps_is_idle(self, record):
        timeline = record(gossamer.sleep, 0.02)
        check(timeline)
        idle = [span for span in timeline.threads[0].runs if span.state == "idle"]
        assert len(idle) >= 1 and sum(span.end - span.begin for span in idle) > 15_000_000
        (sleep,) = [span for span in by_name(timeline, "main").spans if span.state == "waiting"]
        assert sleep.why == "sleep" and sleep.end - sleep.begin > 15_000_000


class TestWaits:
    def test_who_waited_for_whom_and_how_long(self, record):
        answers, times = gossamer.channel(), []

        def worker():
            times.append(time.monotonic_ns())
            end = time.monotonic_ns() + 3_000_000
            while time.monotonic_ns() < end:
                pass
            times.append(time.monotonic_ns())
            answers.send(42)
            times.append(time.monotonic_ns())

        def asker():
            trace.label(answers, "answers")
            times.append(time.monotonic_ns())
            assert answers.receive() == 42

        def program():
            gossamer.spawn(asker, name="asker")
            gossamer.spawn(worker, name="worker")
            gossamer.run()

        timeline = record(program)
        check(timeline)
        asker_t, worker_t = by_name(timeline, "asker"), by_name(timeline, "worker")
        (wait,) = [span for span in asker_t.spans if span.state == "waiting"]
        asked, began, ended, after = times
        assert (wait.why, wait.label, wait.tasklet) == ("receive", "answers", worker_t)
        assert asked - TOLERANCE_NS <= wait.begin <= began + TOLERANCE_NS
        assert ended - TOLERANCE_NS <= wait.end <= after + TOLERANCE_NS
        (wake,) = [wake for wake in timeline.wakes if wake.woken is asker_t and wake.cause == "received"]
        assert (wake.waker, wake.value, wake.object) == (worker_t, "to", wait.object)

    def test_a_sender_that_waits(self, record):
        channel = gossamer.channel()

        def program():
            gossamer.spawn(channel.send, 1, name="sender")
            gossamer.schedule()
            channel.receive()
            gossamer.run()

        timeline = record(program)
        check(timeline)
        (wake,) = [wake for wake in timeline.wakes if wake.cause == "sent"]
        assert (wake.waker.name, wake.woken.name, wake.value) == ("main", "sender", "from")

    def test_buffered_channel(self, record):
        channel = gossamer.BufferedChannel(2)

        def program():
            gossamer.spawn(channel.send_sequence, range(5), name="sender")
            gossamer.schedule()
            assert [channel.receive() for _ in range(5)] == list(range(5))
            gossamer.run()

        timeline = record(program)
        check(timeline)
        assert {wake.cause for wake in timeline.wakes if wake.woken.name == "sender"} == {"inserted", "room"}
        kinds, causes = [event.kind for event in timeline.trace], [wake.cause for wake in timeline.wakes]
        assert kinds.count("take") == kinds.count("keep") + causes.count("room")
        assert kinds.count("take") + causes.count("received") == 5

    def test_locks_have_holders_and_waiters(self, record):
        lock = gossamer.sync.Lock()

        def holder():
            with lock:
                gossamer.schedule()
                gossamer.schedule()

        def waiter():
            with lock:
                pass

        def program():
            trace.label(lock, "the lock")
            gossamer.spawn(holder, name="holder")
            gossamer.spawn(waiter, name="waiter")
            gossamer.run()

        timeline = record(program)
        check(timeline)
        (of_lock,) = timeline.locks.values()
        assert of_lock.name == "the lock"
        assert [span.tasklet.name for span in of_lock.holds] == ["holder", "waiter"]
        (wait,) = [span for span in by_name(timeline, "waiter").spans if span.state == "waiting"]
        assert (wait.label, wait.object, wait.tasklet.name) == ("the lock", of_lock.address, "holder")
        assert of_lock.holds[0].end <= wait.end + TOLERANCE_NS

    @pytest.mark.parametrize("make", [gossamer.sync.RLock, gossamer.sync.Lock])
    def test_condition(self, record, make):
        condition, items = gossamer.sync.Condition(make()), []

        def consumer():
            with condition:
                while not items:
                    condition.wait()

        def producer():
            with condition:
                items.append(1)
                condition.notify()

        def program():
            gossamer.spawn(consumer, name="consumer")
            gossamer.spawn(producer, name="producer")
            gossamer.run()

        timeline = record(program)
        check(timeline)
        (wait,) = [span for span in by_name(timeline, "consumer").spans if span.state == "waiting"]
        assert (wait.why, wait.label, wait.tasklet.name) == ("wait", "Condition", "producer")
        assert [span.tasklet.name for lock in timeline.locks.values() for span in lock.holds] == ["consumer", "producer", "consumer"]

    def test_across_threads(self, record):
        channel = gossamer.channel()
        ready = threading.Event()

        def other():
            gossamer.getcurrent()
            ready.wait(60)
            for i in range(3):
                channel.send(i)

        def program():
            thread = threading.Thread(target=other, name="the other")
            thread.start()
            gossamer.spawn(ready.set)
            assert [channel.receive() for _ in range(3)] == [0, 1, 2]
            thread.join()

        timeline = record(program)
        check(timeline)
        names = [thread.name for thread in timeline.threads]
        assert "the other" in names
        passed = [wake for wake in timeline.wakes if wake.value]
        assert len(passed) == 3
        assert all({wake.waker.thread, wake.woken.thread} == {0, names.index("the other")} for wake in passed)

    def test_pool_calls(self, record):
        def call():
            return gossamer.pool.call_async(lambda: 5)

        def program():
            assert gossamer.spawn(call, name="caller").join() == 5

        timeline = record(program)
        check(timeline)
        ((begin, end, thread, caller),) = timeline.jobs
        assert caller.name == "caller" and thread != caller.thread
        wait = next(span for span in caller.spans if span.state == "waiting")
        assert wait.begin <= begin + TOLERANCE_NS and end <= wait.end + TOLERANCE_NS
        assert any(span.state == "holds" for span in timeline.threads[thread].gil)


class TestZones:
    def test_they_follow_the_tasklet(self, record):
        def work(name):
            with trace.zone("outer " + name):
                gossamer.schedule()
                with trace.zone("inner " + name):
                    gossamer.schedule()
                gossamer.schedule()

        def program():
            for name in "ab":
                gossamer.spawn(work, name, name=name)
            gossamer.run()

        timeline = record(program)
        check(timeline)
        for name in "ab":
            zones = by_name(timeline, name).zones
            assert [(zone.name, zone.depth) for zone in zones] == [("outer " + name, 0), ("inner " + name, 1)]
            outer, inner = zones
            assert outer.begin <= inner.begin <= inner.end <= outer.end

    def test_decorator(self, record):
        @trace.zone("decorated")
        def add(a, b=1):
            "Adds."
            return a + b

        assert add.__name__ == "add" and add.__doc__ == "Adds."
        timeline = record(lambda: add(1, b=2))
        (zone,) = by_name(timeline, "main").zones
        assert zone.name == "decorated" and zone.depth == 0

    def test_ends_when_an_error_leaves_it(self, record):
        def program():
            with pytest.raises(KeyError), trace.zone("failing"):
                raise KeyError
            with trace.zone("after"):
                pass

        zones = by_name(record(program), "main").zones
        assert [(zone.name, zone.depth) for zone in zones] == [("failing", 0), ("after", 0)]

    def test_what_is_open_at_the_end_or_was_at_the_begin(self, record):
        zone, outer = trace.zone("open"), trace.zone("from before")
        outer.__enter__()
        timeline = record(lambda: (zone.__enter__(), outer.__exit__(None, None, None)))
        (only,) = by_name(timeline, "main").zones
        assert only.name == "open" and only.end == timeline.end

    def test_counters_messages_labels(self, record):
        def program():
            trace.counter("players", 3)
            trace.counter("players", 4.5)
            trace.message("naïve ✓")

        timeline = record(program)
        assert [value for _, value in timeline.counters["players"]] == [3.0, 4.5]
        assert [(who.name, text) for _, who, text in timeline.messages] == [("main", "naïve ✓")]

    def test_cheap_and_harmless_when_nothing_is_recorded(self):
        with trace.zone("x") as zone:
            trace.counter("c", 1)
            trace.message("m")
            trace.label(object(), "l")
        assert zone.name == "x" and repr(zone) == "zone('x')"
        assert not trace.stats()["on"]

    @pytest.mark.parametrize("call", [
        lambda: trace.zone(3), lambda: trace.zone(), lambda: trace.counter(1, 2), lambda: trace.counter("a", "b"),
        lambda: trace.counter("a"), lambda: trace.message(b"x"), lambda: trace.label(object(), 3), lambda: trace.zone("x")(),
    ])  # fmt: skip
    def test_wrong_arguments(self, call):
        with pytest.raises(TypeError):
            call()

    def test_text_that_is_no_utf8(self, record):
        timeline = record(trace.message, "\ud800")
        assert [text for _, _, text in timeline.messages] == ["?"]


class TestNames:
    def test_of_functions_and_given_ones(self, record):
        class Callable:
            def __call__(self):
                pass

            def method(self):
                pass

        def function():
            pass

        def program():
            for what in (function, Callable().method, Callable(), len, "given"):
                gossamer.spawn(what if callable(what) else function, *([""] if what is len else []), name=what if what == "given" else None)
            gossamer.tasklet(function)().name = "later"
            gossamer.run()

        names = {tasklet.name for tasklet in record(program).tasklets}
        here = "TestNames.test_of_functions_and_given_ones.<locals>."
        assert names == {"main", here + "function", here + "Callable.method", "Callable", "len", "given", "later"}

    def test_of_those_that_exist_already(self, record):
        channel = gossamer.channel()
        started, bound = gossamer.spawn(channel.receive), gossamer.tasklet()
        bound.bind(lambda: None, ())

        def waits():
            channel.receive()

        python = gossamer.spawn(waits)
        gossamer.schedule()

        def program():
            channel.send(1)
            channel.send(2)
            bound.insert()
            gossamer.run()

        timeline = record(program)
        names = [tasklet.name for tasklet in timeline.tasklets if tasklet.spans]
        assert len(names) == 4 and {"main", "TestNames.test_of_those_that_exist_already.<locals>.waits"} <= set(names)
        assert not started.alive and not python.alive

    def test_one_object_bound_again_is_another_tasklet(self, record):
        def program():
            t = gossamer.tasklet(lambda: None)
            for _ in range(3):
                t.bind(lambda: None, ())
                t.insert()
                gossamer.run()

        timeline = record(program)
        check(timeline)
        assert sum(tasklet.ended is not None for tasklet in timeline.tasklets) == 3

    def test_addresses_that_are_used_again(self, record):
        def program():
            for i in range(200):
                gossamer.spawn(lambda: None, name=f"t{i}")
                gossamer.run()

        timeline = record(program)
        check(timeline)
        names = [tasklet.name for tasklet in timeline.tasklets if tasklet.ended is not None]
        assert names == [f"t{i}" for i in range(200)]


class TestMemory:
    def test_garbage_collections(self, record):
        timeline = record(gc.collect)
        assert any(generation == 2 and end >= begin for begin, end, generation, _ in timeline.collections)
        assert gossamer._gossamer._trace_gc not in gc.callbacks

    def test_not_recorded_if_not_wanted(self, record):
        assert record(gc.collect, gc=False).collections == []

    def test_evictions(self, tmp_path):
        if "asan" in os.environ.get("LD_PRELOAD", ""):
            pytest.skip("the address sanitizer's build moves no stacks")
        program = """if True:
            import sys, gossamer, gossamer.trace
            gossamer.trace.start(sys.argv[1])
            for i in range(4):
                gossamer.spawn(lambda: [gossamer.schedule() for _ in range(3)])
            gossamer.run()
            gossamer.trace.stop()
        """
        path = tmp_path / "t.gostrace"
        subprocess.run([sys.executable, "-c", program, path], check=True, timeout=100, env=dict(os.environ, GOSSAMER_SLOTS="1", GOSSAMER_STACKS="slots",
                                GOSSAMER_COMPRESS="never"))  # compressed later, a stack takes less when it comes back than when it went
        timeline = Timeline(Trace(path))
        check(timeline)
        events = [event for event in timeline.trace if event.kind in ("evict", "restore")]
        assert events and max(event.b for event in events) > 0
        balance = 0
        for event in events:
            balance += event.a if event.kind == "evict" else -event.a
            assert event.b == balance

    def test_spills(self, record):
        def recursion(n):
            return sorted([n], key=lambda m: recursion(m - 1) if m else 0)

        def program():
            with gossamer.deep_stack():
                recursion(20)

        old = gossamer.set_spill(7 << 20)
        try:
            timeline = record(program)
        finally:
            gossamer.set_spill(*old) if old else gossamer.set_spill(None)
        kinds = [event.kind for event in timeline.trace]
        assert kinds.count("spill") == kinds.count("spilled")


class TestFunctions:
    @staticmethod
    def of(tasklet, here):
        return [(zone.name.removeprefix(here), zone.depth, zone.function) for zone in tasklet.zones if zone.name.startswith(here)]

    def test_calls_are_zones_on_their_tasklets_track(self, record):
        def leaf():
            gossamer.schedule()

        def work():
            leaf()
            leaf()

        def program():
            a, b = gossamer.spawn(work, name="a"), gossamer.spawn(work, name="b")
            gossamer.run()
            assert not a.alive and not b.alive

        timeline = record(program, functions=True)
        check(timeline)
        here = "TestFunctions.test_calls_are_zones_on_their_tasklets_track.<locals>."
        for name in "ab":
            tasklet = by_name(timeline, name)
            assert self.of(tasklet, here) == [("work", 0, True), ("leaf", 1, True), ("leaf", 1, True)]
            work, *leaves = [zone for zone in tasklet.zones if zone.function]
            assert all(work.begin <= leaf.begin <= leaf.end <= work.end for leaf in leaves)
        assert self.of(by_name(timeline, "main"), here) == [("program", 0, True)]

    def test_errors_generators_and_kills_close_what_they_leave(self, record):
        def generator():
            yield 1
            yield 2

        def failing():
            for _ in generator():
                raise KeyError

        def waits():
            gossamer.channel().receive()

        def program():
            t = gossamer.spawn(waits, name="killed")
            gossamer.schedule()
            with pytest.raises(KeyError):
                failing()
            t.kill()
            with trace.zone("after"):
                pass

        timeline = record(program, functions=True)
        here = "TestFunctions.test_errors_generators_and_kills_close_what_they_leave.<locals>."
        assert self.of(by_name(timeline, "killed"), here) == [("waits", 0, True)]
        main = by_name(timeline, "main")
        assert [name for name, _, _ in self.of(main, here)][:3] == ["program", "failing", "generator"]
        (after,) = [zone for zone in main.zones if zone.name == "after"]
        assert after.depth == 1, "something was left open"

    def test_in_every_thread_and_tasklet_that_exists_or_comes(self, record):
        channel, go, ready = gossamer.channel(), threading.Event(), threading.Event()

        def leaf():
            pass

        def waits():
            channel.receive()
            leaf()

        def thread():
            ready.set()
            go.wait(60)
            leaf()
            gossamer.spawn(leaf, name="in the old thread")
            gossamer.run()

        old_tasklet, old = gossamer.spawn(waits, name="old"), threading.Thread(target=thread)
        old.start()
        ready.wait(60)
        gossamer.schedule()

        def program():
            new = threading.Thread(target=leaf)
            new.start()
            new.join()
            go.set()
            old.join()
            channel.send(1)
            gossamer.run()

        timeline = record(program, functions=True)
        check(timeline)
        here = "TestFunctions.test_in_every_thread_and_tasklet_that_exists_or_comes.<locals>."
        found = [zone.name for t in timeline.tasklets for zone in t.zones] + [zone.name for t in timeline.threads for zone in t.zones]
        assert found.count(here + "leaf") == 4
        assert not old_tasklet.alive

    def test_nothing_is_left_behind(self, record):
        before = sys.getprofile(), threading.getprofile()
        record(lambda: gossamer.spawn(lambda: None) and gossamer.run(), functions=True)
        assert (sys.getprofile(), threading.getprofile()) == before
        if sys.version_info >= (3, 12):
            assert all(sys.monitoring.get_tool(number) != "gossamer.trace" for number in range(6))

    def test_another_profiler(self, record):
        if sys.version_info >= (3, 12):
            taken = [number for number in range(6) if sys.monitoring.get_tool(number) is None]
            for number in taken:
                sys.monitoring.use_tool_id(number, "another")
        else:
            sys.setprofile(lambda *args: None)
        try:
            with pytest.raises(RuntimeError, match="another profiler is active"):
                trace.start(functions=True)
        finally:
            if sys.version_info >= (3, 12):
                for number in taken:
                    sys.monitoring.free_tool_id(number)
            else:
                sys.setprofile(None)
        assert not trace.stats()["on"]

    def test_a_tasklet_with_its_own_profiler_keeps_it(self, record):
        seen = []

        def leaf():
            pass

        def profiled():
            sys.setprofile(lambda frame, event, arg: seen.append(event))
            gossamer.schedule()
            leaf()
            sys.setprofile(None)

        def program():
            gossamer.spawn(profiled, name="profiled")
            gossamer.spawn(leaf, name="other")
            gossamer.run()

        timeline = record(program, functions=True)
        check(timeline)
        assert "call" in seen
        assert [zone.name.rpartition(".")[2] for zone in by_name(timeline, "other").zones] == ["leaf"]
