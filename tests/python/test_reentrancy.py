"""Every kind of hook does every kind of thing in the middle of every kind of operation.

A hook is code that the machinery calls: callbacks, handlers, trace functions, destructors,
weak reference callbacks. An action is what it does: create, switch, kill, raise, collect, or
drop the last reference to what is in hand. The scene around them is always the same. What is
asked afterwards is little, but it is asked of all pairs: nothing crashed, the ring and the
queues are consistent, everything can be ended, and nothing stays alive.
"""
import gc
import os
import random
import signal
import sys
import weakref

import pytest

import gossamer
import stackless
from helpers import pause, queue, ring


class Boom(Exception):
    pass


class Scene:
    """Some tasklets in every state, which do a bit of everything once they get a turn."""

    def __init__(self):
        self.refs = []
        self.c, self.d = stackless.channel(), stackless.channel()
        self.d.preference = 1
        self.buffered = gossamer.BufferedChannel(2)
        self.hold = {}
        for name, body in (("receiver", self.receive), ("sender", self.send), ("paused", pause),
                           ("selector", self.select), ("failing", self.fail)):
            self.add(name, body)
        stackless.schedule()
        for name, body in (("fresh", self.leaf), ("turns", self.turns), ("dying", self.fail)):
            self.add(name, body)

    def add(self, name, body):
        t = stackless.tasklet(body)()
        self.hold[name] = t
        self.refs.append(weakref.ref(t))
        return t

    def leaf(self):
        return [n for n in range(3)]

    def turns(self):
        for n in range(3):
            stackless.schedule(n)
            self.leaf()

    def receive(self):
        while True:
            self.c.receive()

    def send(self):
        while True:
            self.d.send([1, 2, 3])

    def select(self):
        while True:
            gossamer.select([self.buffered, self.c])

    def fail(self):
        stackless.schedule(None)
        raise Boom("planned")

    def quiet(self, operation, *args):
        """What surfaces in main is part of the show."""
        try:
            return operation(*args)
        except (Boom, RuntimeError, ValueError, TaskletExit) as e:
            return e

    def play(self, make=lambda: [0]):
        """Goes through the operations; make() gives the objects that are sent."""
        for _ in range(2):
            self.quiet(self.c.send, make())
            self.quiet(self.d.receive)
            self.quiet(stackless.schedule, make())
            self.quiet(self.c.send_exception, Boom, make())
            self.quiet(self.buffered.send, make())
            self.quiet(stackless.run)
            t = self.hold.get("paused")
            if t is not None and t.alive and not t.blocked:
                self.quiet(t.run)
            t = None
            self.quiet(gossamer.spawn(self.leaf).join)
            self.add("again", self.fail)
            self.quiet(stackless.tasklet(pause)(make()).run)
            self.quiet(stackless.run)

    def check(self):
        assert stackless.current is stackless.main
        ring()
        for t in queue(self.d):
            assert t.blocked and t.alive
        for c in (self.c, self.buffered):
            # One that waits in select() is in several queues, so these cannot be walked by next.
            assert c.queue is None or (c.queue.blocked and c.queue.alive)
        assert (self.c.queue is None) is (self.c.balance == 0)

    def end(self):
        self.check()
        self.hold.clear()
        for _ in range(20):
            others = [t for t in gossamer.tasklets() if not t.is_main]
            if not others:
                break
            for t in others:
                t.block_trap = True
                self.quiet(t.kill)
            others = t = None
            self.quiet(stackless.run)
        gc.collect()
        self.quiet(stackless.run)
        gc.collect()
        self.check()
        assert [r() for r in self.refs if r() is not None] == []


# ---- what a hook may do ----

def create(s):
    s.add("created", s.leaf)


def switch(s):
    stackless.schedule(None)


def run(s):
    stackless.run()


def kill(s):
    for name in list(s.hold):
        t = s.hold.get(name)
        if t is not None and t is not stackless.current and t.alive:
            return t.kill()


def kill_later(s):
    for t in list(s.hold.values()):
        if t is not stackless.current and t.alive:
            t.kill(pending=True)


def throw_at_the_blocked(s):
    for c in (s.c, s.d):
        if c.queue is not None:
            return c.queue.throw(Boom("thrown by a hook"))


def raise_error(s):
    raise Boom("raised by a hook")


def drop(s):
    """The last references to every tasklet of the scene that is not in a ring or queue."""
    s.hold.clear()


def drop_and_collect(s):
    s.hold.clear()
    gc.collect()


def channels(s):
    if s.c.balance < 0:
        s.c.send("from a hook")
    if s.d.balance > 0:
        s.d.receive()


def block(s):
    s.buffered.receive(timeout=0.001)


def shuffle(s):
    for t in list(s.hold.values()):
        if t.alive and not t.blocked and t is not stackless.current:
            t.remove()
            t.insert()


def steal_hooks(s):
    for put in (stackless.set_channel_callback, stackless.set_schedule_callback,
                gossamer.set_uncaught_hook, stackless.set_error_handler):
        put(None)
    sys.settrace(None)
    sys.setprofile(None)


def overwrite(s):
    for t in list(s.hold.values()):
        if t.alive and t is not stackless.current:
            t.tempval = [stackless.current]
            t.tempval = None


def evict(s):
    for _ in range(3):
        t = stackless.tasklet(stackless.schedule)()
        t.run()
        t = None


ACTIONS = [create, switch, run, kill, kill_later, throw_at_the_blocked, raise_error, drop,
           drop_and_collect, channels, block, shuffle, steal_hooks, overwrite, evict]


# ---- where it happens ----

class Act:
    """Calls the action a few times, never inside itself, and keeps quiet about what is refused."""

    def __init__(self, scene, action):
        self.scene, self.action, self.left, self.busy = scene, action, 25, False

    def __call__(self, *args):
        if self.busy or not self.left:
            return
        self.left -= 1
        self.busy = True
        try:
            self.action(self.scene)
        except (RuntimeError, ValueError, TimeoutError):
            pass
        finally:
            self.busy = False


def in_channel_callback(s, act):
    stackless.set_channel_callback(act)
    s.play()
    stackless.set_channel_callback(None)


def in_schedule_callback(s, act):
    stackless.set_schedule_callback(act)
    s.play()
    stackless.set_schedule_callback(None)


def in_error_handler(s, act):
    stackless.set_error_handler(act)
    s.play()
    stackless.set_error_handler(None)


def in_uncaught_hook(s, act):
    gossamer.set_uncaught_hook(act)
    s.play()
    gossamer.set_uncaught_hook(None)


def in_del_of_values(s, act):
    class Value:
        def __del__(self):
            act()
    s.play(Value)


def in_weakref_callbacks_of_values(s, act):
    class Value:
        pass
    refs = []

    def make():
        v = Value()
        refs.append(weakref.ref(v, act))
        return v
    s.play(make)


def in_weakref_callbacks_of_tasklets(s, act):
    refs = [weakref.ref(t, act) for t in s.hold.values()]
    s.play()
    s.hold.clear()
    return refs


def in_del_of_tasklets(s, act):
    class T(stackless.tasklet):
        def __del__(self):
            act()
    for n in range(6):
        T((s.leaf, s.turns, s.fail)[n % 3])()
    s.play()


def in_finally(s, act):
    def f():
        try:
            pause()
        finally:
            act()
    for n in range(4):
        s.add("f%d" % n, f)
    s.play()
    s.hold.clear()


def in_trace_functions(s, act):
    def trace(frame, event, arg):
        act()
        return trace

    def f():
        sys.settrace(trace)
        s.turns()
        sys.settrace(None)
    s.add("traced", f)
    t = s.hold.get("turns")
    if t is not None and t.alive:
        t.trace_function = trace
    t = None
    s.play()


def in_profile_functions(s, act):
    def f():
        sys.setprofile(act)
        s.turns()
        sys.setprofile(None)
    s.add("profiled", f)
    s.play()


def in_the_collector(s, act):
    def callback(phase, info):
        act()
    gc.callbacks.append(callback)
    old = gc.get_threshold()
    gc.set_threshold(50)
    try:
        s.play(lambda: [[] for _ in range(50)])
    finally:
        gc.set_threshold(*old)
        gc.callbacks.remove(callback)


def in_signal_handlers(s, act):
    signal.signal(signal.SIGUSR1, act)
    try:
        s.add("signalled", lambda: [signal.raise_signal(signal.SIGUSR1) for _ in range(3)])
        s.play(lambda: signal.raise_signal(signal.SIGUSR1))
    except Boom:
        pass
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)      # some of it may still be to come


def in_iterators(s, act):
    def items():
        for n in range(3):
            act()
            yield n
    s.add("sequence", lambda: s.buffered.send_sequence(items()))
    s.play()


def in_comparisons_of_exceptions(s, act):
    class Odd(Boom):
        def __init__(self, *args):
            super().__init__(*args)
            act()
    s.quiet(s.c.send_exception, Odd, 1)
    t = s.hold.get("paused")
    if t is not None and t.alive:
        s.quiet(t.throw, Odd, 2, None, True)
    t = None
    s.play()


HOOKS = [in_channel_callback, in_schedule_callback, in_error_handler, in_uncaught_hook,
         in_del_of_values, in_weakref_callbacks_of_values, in_weakref_callbacks_of_tasklets,
         in_del_of_tasklets, in_finally, in_trace_functions, in_profile_functions,
         in_the_collector, in_signal_handlers, in_iterators, in_comparisons_of_exceptions]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("hook", HOOKS, ids=lambda f: f.__name__)
def test_pair(hook, action, monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", lambda u: None)
    s = Scene()
    act = Act(s, action)
    try:
        s.quiet(hook, s, act)
    finally:
        act.left = 0
        steal_hooks(s)
    s.end()


@pytest.mark.parametrize("seed", range(2000 if os.environ.get("GOSSAMER_SIM") == "long" else 60))
def test_all_hooks_at_once(seed, monkeypatch):
    """Each time any of them is called, chance picks what it does."""
    monkeypatch.setattr(sys, "unraisablehook", lambda u: None)
    chance = random.Random(seed)
    s = Scene()

    def anything(scene):
        if chance.random() < 0.3:
            chance.choice(ACTIONS)(scene)
    act = Act(s, anything)
    act.left = 300

    class Value:
        def __del__(self):
            act()

    class T(stackless.tasklet):
        def __del__(self):
            act()

    def make():
        v = Value()
        refs.append(weakref.ref(v, act))
        return v

    def in_all_hooks(s, act):
        stackless.set_channel_callback(act)
        stackless.set_schedule_callback(act)
        stackless.set_error_handler(chance.choice((act, None)))
        gossamer.set_uncaught_hook(chance.choice((act, None)))
        for n in range(4):
            T((s.leaf, s.turns, s.fail, pause)[n % 4])()
        refs.extend(weakref.ref(t, act) for t in s.hold.values())
        for t in s.hold.values():
            if t.alive and chance.random() < 0.3:
                t.trace_function = lambda *a: act()
        t = None
        s.play(make)
    refs = []
    try:
        s.quiet(in_all_hooks, s, act)
    finally:
        act.left = 0
        steal_hooks(s)
    s.end()
