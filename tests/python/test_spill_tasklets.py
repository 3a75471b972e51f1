"""Deep stacks and tasklets: bytes in slots are evicted as ever, segments stay, and the value in transit survives."""
import contextlib
import gc
import random
import sys
import threading
import weakref

import pytest

import gossamer
import stackless
from helpers import python

pytestmark = pytest.mark.valgrind

KIB = 1024
# 64 slots are all there are: with more tasklets some share one, and are evicted.
MANY = 70


@pytest.fixture(autouse=True)
def each_call_spills():
    gossamer.set_spill(0)
    yield
    gossamer.set_spill(None)


def spills():
    return gossamer.get_spill()["spills"]


def segments():
    """Of this thread, in use; the test itself and what called it have some, too."""
    return gossamer.get_spill()["segments"]


def below_c(depth, function):
    """function() with so many calls of sorted between."""
    results = []

    def key(n):
        if n:
            sorted((n - 1,), key=key)
        else:
            results.append(function())
        return 0
    key(depth)
    return results[0]


def spawn_below_c(depth, function, *args):
    return gossamer.spawn(below_c, depth, lambda: function(*args))


class TestSuspended:
    @pytest.mark.parametrize("count", [3, MANY])
    def test_blocked_on_segments(self, count):
        """All wait at some depth; they are woken in another order."""
        before = segments()
        channels = [gossamer.channel() for _ in range(count)]
        waiting = [spawn_below_c(n % 7, channels[n].receive) for n in range(count)]
        gossamer.run()
        assert segments() - before >= sum(n % 7 for n in range(count))
        order = list(range(count))
        random.Random(1).shuffle(order)
        for n in order:
            channels[n].send(("for", n))
        gossamer.run()
        assert [t.join() for t in waiting] == [("for", n) for n in range(count)]
        assert segments() == before

    def test_taking_turns_at_depth(self):
        log = []

        def turns(name):
            for n in range(5):
                log.append((n, name))
                gossamer.schedule()
        for name in range(MANY):
            spawn_below_c(name % 5, turns, name)
        gossamer.run()
        assert log == sorted(log, key=lambda entry: entry[0]) and len(log) == 5 * MANY

    def test_going_deeper_and_back_between_switches(self):
        """A tasklet is resumed on a slot, a segment, a further one, and on the slot again."""
        def wander(seed):
            numbers, total = random.Random(seed), 0

            def step(n):
                nonlocal total
                total += n
                gossamer.schedule()
                if n:
                    if numbers.random() < 0.6:
                        sorted((n - 1,), key=step)
                    else:
                        step(n - 1)
                gossamer.schedule()
                return 0
            for _ in range(4):
                step(6)
            return total
        walkers = [gossamer.spawn(wander, seed) for seed in range(MANY)]
        gossamer.run()
        assert [t.join() for t in walkers] == [4 * 21] * MANY

    def test_stack_of_a_suspended_one(self):
        t = spawn_below_c(3, stackless.schedule_remove, None)
        gossamer.run()
        names = [frame.name for frame in t.stack()]
        assert names.count("key") == 4 and names[0] == "below_c"
        assert t.frame.f_back is not None
        t.run()
        assert not t.alive

    def test_exceptions_out_of_segments(self):
        def fail():
            gossamer.schedule()
            raise LookupError("deep")
        before = segments()
        failing = [spawn_below_c(4, fail) for _ in range(MANY)]
        for t in failing:
            with pytest.raises(LookupError, match="deep"):
                gossamer.run()
        assert not any(t.alive for t in failing) and segments() == before

    def test_thrown_into_segments(self):
        seen = []

        def wait():
            try:
                stackless.schedule_remove(None)
            except ValueError as error:
                seen.append(error.args)
                raise
        t = spawn_below_c(5, wait)
        gossamer.run()
        with contextlib.suppress(ValueError):
            t.throw(ValueError, "in")
        assert seen == [("in",)] and not t.alive

    def test_select_sleep_and_timeouts(self):
        a, b = gossamer.channel(), gossamer.channel()
        chosen = spawn_below_c(3, gossamer.select, [a, b])
        late = spawn_below_c(3, lambda: pytest.raises(TimeoutError, a.receive, timeout=0.001))
        slept = spawn_below_c(2, gossamer.sleep, 0.001)
        gossamer.run()
        b.send("b")
        gossamer.run()
        assert chosen.join() == (1, "b") and slept.join() is None and late.join()

    def test_run_inside_a_tasklet_on_a_segment(self):
        log = []

        def inner():
            stackless.tasklet(log.append)("from inside")
            stackless.run()
            log.append("after run")
        spawn_below_c(3, inner)
        gossamer.run()
        assert log == ["from inside", "after run"]

    def test_main_on_segments(self):
        channel, got = gossamer.channel(), []

        def in_main():
            for n in range(20):
                spawn_below_c(n % 4, channel.send, n)
            gossamer.run()
            got.extend(channel.receive() for _ in range(20))
            gossamer.run()
        below_c(6, in_main)
        assert got == list(range(20))

    def test_pinned_tasklet(self):
        t = gossamer.tasklet(below_c).pin()
        t(4, lambda: stackless.schedule_remove(None))
        gossamer.run()
        t.insert()
        gossamer.run()
        assert not t.alive


class TestEnds:
    def test_kill(self):
        log, before = [], segments()

        def wait(n):
            try:
                stackless.schedule_remove(None)
            finally:
                log.append(n)
        waiting = [spawn_below_c(n % 6, wait, n) for n in range(MANY)]
        gossamer.run()
        assert segments() - before > MANY
        for t in waiting:
            t.kill()
        assert log == list(range(MANY)) and segments() == before

    def test_kill_of_one_that_spills_while_dying(self):
        log = []

        def wait():
            try:
                stackless.schedule_remove(None)
            finally:
                log.append(sorted((3, 1, 2), key=lambda x: below_c(3, lambda: x)))
        t = spawn_below_c(3, wait)
        gossamer.run()
        t.kill()
        assert log == [[1, 2, 3]]

    def test_collected_on_segments(self):
        """The collector kills it, and what it has on segments is unwound."""
        log = []

        class Waits:
            def __call__(self, n):
                try:
                    if n:
                        sorted((n - 1,), key=self)
                    else:
                        stackless.schedule_remove(None)
                finally:
                    log.append(n)
                return 0
        before = segments()
        t = gossamer.tasklet(Waits())(3)
        gossamer.run()
        alive = weakref.ref(t)
        assert segments() - before >= 3
        del t
        gc.collect()
        gc.collect()
        if alive() is not None:                  # references between two levels of C are not visited
            alive().kill()
        assert log == [0, 1, 2, 3] and segments() == before

    def test_thread_ends_with_tasklets_on_segments(self):
        log, left = [], []

        def wait(n):
            try:
                stackless.schedule_remove(None)
            finally:
                log.append(n)

        def body():
            for n in range(5):
                spawn_below_c(n, wait, n)
            gossamer.run()
            left.extend(gossamer.tasklets())
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        assert sorted(log) == [0, 1, 2, 3, 4]

    def test_thread_ends_with_one_that_refuses(self):
        """Its segments are given up with its stack, unwound by nobody."""
        done = python("""
            import gossamer, stackless, threading
            gossamer.set_spill(0)
            def key(n):
                if n:
                    sorted((n - 1,), key=key)
                else:
                    while True:
                        try:
                            stackless.schedule_remove(None)
                        except stackless.TaskletExit:
                            pass
                return 0
            kept = []
            def body():
                kept.append(gossamer.spawn(key, 5))
                gossamer.run()
                print(gossamer.get_spill()["segments"] > 5)
            for _ in range(3):
                thread = threading.Thread(target=body)
                thread.start()
                thread.join()
            print([t.alive for t in kept], [t.thread_id for t in kept])
        """)
        assert done.stdout.startswith("True\nTrue\nTrue\n") and done.stdout.endswith("[-1, -1, -1]\n")

    def test_fork_on_a_segment(self):
        done = python("""
            import os, sys, gossamer, stackless
            gossamer.set_spill(0)
            channel = gossamer.channel()
            def key(n):
                if n:
                    sorted((n - 1,), key=key)
                else:
                    pid = os.fork()
                    if pid:
                        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
                    channel.send(pid == 0)
                return 0
            gossamer.spawn(key, 4)
            in_child = channel.receive()
            gossamer.run()
            if in_child:
                os._exit(7 if gossamer.get_spill()["segments"] == 0 else 1)
        """)
        assert done.stdout == "7\n"


class TestValueInTransit:
    """What a switch carries is claimed before anything runs that may spill."""

    def test_send_and_receive_with_callbacks(self):
        before, events = spills(), []
        gossamer.set_channel_callback(lambda *what: events.append(len(what)) or below_c(2, int))
        stackless.set_schedule_callback(lambda old, new: events.append(0) or below_c(2, int))
        try:
            channel, got = gossamer.channel(), []

            def sender(values):
                for value in values:
                    channel.send([value])
                channel.close()
            gossamer.spawn(sender, range(300))
            gossamer.spawn(lambda: got.extend(channel))
            gossamer.run()
        finally:
            gossamer.set_channel_callback(None)
            stackless.set_schedule_callback(None)
        assert got == [[value] for value in range(300)]
        assert len(events) > 600 and spills() - before > 3 * len(events)

    @pytest.mark.parametrize("depth", [0, 3])
    def test_destructor_of_the_previous_tasklet(self, depth):
        """The fault of the first port: dropping the last reference to who ran before ran code that spilled the stack."""
        log = []

        class Loud:
            def __init__(self, n):
                self.n = n

            def __del__(self):
                log.append(self.n)
                below_c(4, lambda: None)
        channel = gossamer.channel()

        def sends(n):
            loud = Loud(n)
            below_c(depth, lambda: channel.send(("value", loud.n)))
        for n in range(MANY):
            stackless.tasklet(sends)(n)
        got = [below_c(depth, channel.receive) for _ in range(MANY)]
        gossamer.run()
        assert got == [("value", n) for n in range(MANY)]
        gc.collect()
        assert sorted(log) == list(range(MANY))

    def test_destructor_of_an_overwritten_value(self):
        log = []

        class Loud:
            def __del__(self):
                below_c(3, lambda: log.append("del"))
        channel, got = gossamer.channel(), []
        t = stackless.tasklet(lambda: got.append(channel.receive()))()
        t.run()
        t.tempval = Loud()
        t.tempval = Loud()
        channel.send("the value")
        gossamer.run()
        assert got == ["the value"] and log == ["del", "del"]

    def test_weakref_callbacks_in_between(self):
        class Value:
            pass
        channel, log, refs = gossamer.channel(), [], []

        def sender():
            for n in range(50):
                value = Value()
                value.n = n
                refs.append(weakref.ref(value, lambda ref: below_c(2, lambda: log.append(1))))
                channel.send(value)
        gossamer.spawn(sender)
        got = []

        def receiver():
            for _ in range(50):
                got.append(channel.receive().n)
        t = gossamer.spawn(receiver)
        gossamer.run()
        t.join()
        assert got == list(range(50)) and len(log) == 50

    def test_channel_of_values_with_python_methods(self):
        """next() on a channel, a subclass with Python methods, and a bomb."""
        class Counting(gossamer.channel):
            def receive(self, *args, **kwargs):
                return below_c(1, lambda: super(Counting, self).receive(*args, **kwargs))
        channel = Counting()
        gossamer.spawn(lambda: [channel.send(n) for n in range(20)])
        assert [channel.receive() for _ in range(20)] == list(range(20))
        gossamer.spawn(channel.send_exception, KeyError, "bomb")
        with pytest.raises(KeyError, match="bomb"):
            channel.receive()
        gossamer.run()


class TestThreads:
    @pytest.mark.parametrize("size", [64 * KIB, 256 * KIB])
    def test_tasklets_of_threads_with_small_stacks(self, size):
        results = []

        def body(seed):
            channel = gossamer.channel()
            for n in range(20):
                spawn_below_c(n % 5, channel.send, (seed, n))
            results.append(sorted(below_c(3, channel.receive) for _ in range(20)))
            gossamer.run()
        before = threading.stack_size(size)
        try:
            threads = [threading.Thread(target=body, args=(seed,)) for seed in range(4)]
            for thread in threads:
                thread.start()
        finally:
            threading.stack_size(before)
        for thread in threads:
            thread.join()
        assert sorted(results) == [[(seed, n) for n in range(20)] for seed in range(4)]

    def test_many_short_threads(self):
        """Stacks and segments of ended threads are used by others: what was cached about them is forgotten."""
        total = []

        def body():
            total.append(below_c(3, lambda: 1))
        sizes = [64 * KIB, 8 * KIB * KIB, 128 * KIB, 1024 * KIB]
        before = threading.stack_size()
        try:
            for n in range(60):
                threading.stack_size(sizes[n % len(sizes)])
                thread = threading.Thread(target=body)
                thread.start()
                thread.join()
        finally:
            threading.stack_size(before)
        assert len(total) == 60

    def test_gil_released_on_segments(self):
        """Two threads alternate while both are deep."""
        ping, pong, log = threading.Event(), threading.Event(), []

        def one():
            for n in range(20):
                below_c(n % 4, ping.wait)
                ping.clear()
                log.append("one")
                pong.set()

        def two():
            for n in range(20):
                ping.set()
                below_c(n % 3, pong.wait)
                pong.clear()
                log.append("two")
        threads = [threading.Thread(target=f) for f in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert log == ["one", "two"] * 20
