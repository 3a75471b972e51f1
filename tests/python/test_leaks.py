"""Leaks: reference counts, object counts and bytes stay flat over 100,000 cycles of every kind."""
import ctypes
import gc
import os
import sys

import pytest

import gossamer
import stackless
from helpers import nothing

CYCLES = 100_000
PAGE = os.sysconf("SC_PAGE_SIZE")


def sanitizer():
    """The address sanitizer's count of the bytes in use, if it is loaded: what it keeps back of freed blocks, up
    to 256 MiB, makes the resident size grow for a long time."""
    count = getattr(ctypes.CDLL(None), "__sanitizer_get_current_allocated_bytes", None)
    if count:
        count.restype = ctypes.c_size_t
    return count


IN_USE = sanitizer()
TOTAL = getattr(sys, "gettotalrefcount", lambda: 0)  # all references of the process, in a debug build


def resident():
    if IN_USE:
        return IN_USE()
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * PAGE


class Watched:
    """Everything a cycle touches; its counts must come back."""

    def __init__(self):
        self.c = stackless.channel()
        self.c1 = stackless.channel()
        self.c1.preference = 1
        self.value = object()
        self.error = KeyError("shared")
        self.buffered = gossamer.BufferedChannel(4)

    def counts(self):
        return [sys.getrefcount(x) for x in (
            None, True, (), 0, self.c, self.c1, self.value, self.error, self.buffered, nothing,
            pause, block, catcher, KeyError, TaskletExit, stackless.tasklet, stackless.channel,
            stackless.main)]


def pause(w):
    stackless.schedule_remove(None)


def block(w):
    w.c.receive()


def catcher(w):
    try:
        stackless.schedule_remove(w.value)
    except KeyError:
        pass


def finish(w):
    stackless.tasklet(nothing)(w.value, x=w)
    stackless.run()


def unstarted(w):
    stackless.tasklet(nothing, (w.value,), {"x": w})


def unbound(w):
    t = stackless.tasklet(nothing)
    t.bind(nothing, (w,))
    t.bind(None)


def insert_remove(w):
    t = stackless.tasklet(nothing)(w)
    t.remove()
    t.insert()
    t.kill()


def kill_fresh(w):
    stackless.tasklet(nothing)(w.value).kill()


def kill_paused(w):
    t = stackless.tasklet(pause)(w)
    t.run()
    t.kill()


def kill_blocked(w):
    t = stackless.tasklet(block)(w)
    t.run()
    t.kill()


def kill_pending(w):
    t = stackless.tasklet(block)(w)
    t.run()
    t.kill(pending=True)
    stackless.run()


def drop_paused(w):
    stackless.tasklet(pause)(w).run()


def throw_caught(w):
    t = stackless.tasklet(catcher)(w)
    t.run()
    t.throw(KeyError, w.error)
    w.error.__traceback__ = None


def throw_pending_twice(w):
    t = stackless.tasklet(catcher)(w)
    t.run()
    t.throw(KeyError, 1, None, True)
    t.throw(KeyError, 2, None, True)
    stackless.run()


def error_to_main(w):
    stackless.tasklet(raiser)(w)
    try:
        stackless.run()
    except KeyError:
        pass


def raiser(w):
    raise KeyError(w)


def send_to_waiting(w):
    stackless.tasklet(block)(w).run()
    w.c.send(w.value)
    stackless.run()


def receive_from_waiting(w):
    stackless.tasklet(w.c1.send)(w.value)
    stackless.schedule(None)
    w.c1.receive()
    stackless.run()


def send_exception(w):
    t = stackless.tasklet(swallow)(w)
    t.run()
    w.c.send_exception(KeyError, w.value)
    stackless.run()


def swallow(w):
    try:
        w.c.receive()
    except KeyError:
        pass


def failing_operations(w):
    for op in (w.c.receive, lambda: w.c.send(w.value)):
        try:
            op()
        except RuntimeError:
            pass


def closed_operations(w):
    w.c.close()
    for op in (w.c.receive, lambda: w.c.send(w.value), lambda: next(w.c)):
        try:
            op()
        except (ValueError, StopIteration):
            pass
    w.c.open()


def trapped_operations(w):
    stackless.switch_trap(1)
    t = stackless.tasklet(nothing)(w)
    for op in (stackless.schedule, w.c.receive, t.kill, t.run):
        try:
            op()
        except RuntimeError:
            pass
    stackless.switch_trap(-1)
    stackless.run()


def callbacks(w):
    stackless.set_channel_callback(nothing)
    stackless.set_schedule_callback(nothing)
    send_to_waiting(w)
    stackless.set_channel_callback(None)
    stackless.set_schedule_callback(None)


def attributes(w):
    t = stackless.tasklet(pause)(w)
    t.run()
    t.tempval = w.value
    t.trace_function = t.profile_function = None
    (t.frame, t.next, t.prev, t.tempval, t.cstate, t._channel, t.context_id, t.name, t.state)
    w.c.queue
    t.kill()


def spawn_join(w):
    gossamer.spawn(identity, w.value).join()


def identity(x):
    return x


def spawn_unjoined(w):
    gossamer.spawn(identity, w.value, name="n")
    stackless.run()


def select_ready(w):
    stackless.tasklet(w.c.send)(w.value)
    stackless.schedule(None)
    gossamer.select([w.c1, w.c])
    gossamer.select([w.c1, (w.c, w.value)], block=False)
    stackless.run()


def select_blocked(w):
    stackless.tasklet(gossamer.select)([w.c, w.c1]).run()
    w.c.send(w.value)
    stackless.run()


def buffered(w):
    for _ in range(3):
        w.buffered.send(w.value)
    for _ in range(3):
        w.buffered.receive()


def group(w):
    with gossamer.Group() as g:
        g.spawn(identity, w)


def nested_run(w):
    stackless.tasklet(finish)(w)
    stackless.run()


def bombs(w):
    t = stackless.tasklet(catcher)(w)
    t.run()
    t.tempval = stackless.bomb(KeyError, w.error)
    t.insert()
    stackless.run()


def subclass(w):
    t = Sub(nothing)()
    t.w = w
    stackless.run()


class Sub(stackless.tasklet):
    pass


KINDS = [finish, unstarted, unbound, insert_remove, kill_fresh, kill_paused, kill_blocked,
         kill_pending, drop_paused, throw_caught, throw_pending_twice, error_to_main,
         send_to_waiting, receive_from_waiting, send_exception, failing_operations,
         closed_operations, trapped_operations, callbacks, attributes, spawn_join, spawn_unjoined,
         select_ready, select_blocked, buffered, group, nested_run, bombs, subclass]
# These make long texts or many Python objects each time.
SLOW = {failing_operations: 5_000, group: 20_000, closed_operations: 50_000,
        trapped_operations: 50_000}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda f: f.__name__)
def test_flat(kind):
    w = Watched()
    cycles = SLOW.get(kind, CYCLES)
    for _ in range(max(1000, cycles // 10)):
        kind(w)
    gc.collect()
    before, objects, bytes_, total = w.counts(), len(gc.get_objects()), resident(), TOTAL()
    for _ in range(cycles):
        kind(w)
    gc.collect()
    after = w.counts()
    assert abs(TOTAL() - total) < 1000
    grown = len(gc.get_objects()) - objects
    assert max(abs(b - a) for a, b in zip(before, after)) < 50, list(zip(before, after))
    assert abs(grown) < 200, "%d more objects" % grown
    assert resident() - bytes_ < 6_000_000, "%d more bytes" % (resident() - bytes_)
    assert len(gossamer.tasklets()) < 20


@pytest.mark.parametrize("kind", KINDS, ids=lambda f: f.__name__)
def test_flat_a_few_hundred(kind):
    """The same, short enough for the sanitizers and the torture build."""
    w = Watched()
    for _ in range(100):
        kind(w)
    gc.collect()
    before, objects, total = w.counts(), len(gc.get_objects()), TOTAL()
    for _ in range(300):
        kind(w)
    gc.collect()
    assert abs(TOTAL() - total) < 100
    assert max(abs(b - a) for a, b in zip(before, w.counts())) < 50
    assert abs(len(gc.get_objects()) - objects) < 100


def test_collected_cycles_are_flat():
    def f():
        me, c = stackless.current, stackless.channel()
        c.receive()
        return me
    counts = []
    for _ in range(12):
        for _ in range(500):
            stackless.tasklet(f)()
        stackless.run()
        gc.collect()
        stackless.run()
        gc.collect()
        counts.append((len(gc.get_objects()), resident()))
    assert abs(counts[-1][0] - counts[3][0]) < 200
    assert counts[-1][1] - counts[3][1] < 4_000_000
