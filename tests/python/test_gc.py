"""The collector and suspended tasklets: cycles through frames, blocked tasklets, refusals."""
import gc
import sys
import weakref

import pytest

import gossamer
import stackless
from helpers import nothing, pause, python, started_paused

pytestmark = pytest.mark.valgrind


class Thing:
    pass


class Loud:
    def __init__(self, log, what="del"):
        self.log, self.what = log, what

    def __del__(self):
        self.log.append(self.what)


def collect():
    gc.collect()
    stackless.run()
    gc.collect()


def blocked(body, *args):
    """Starts body, which blocks; returns a weak reference only."""
    w = weakref.ref(stackless.tasklet(body)(*args))
    stackless.run()
    assert w().blocked or w().paused
    return w


class TestCycles:
    def test_local_that_refers_to_the_tasklet(self):
        log = []

        def f():
            me, loud = stackless.current, Loud(log)
            try:
                pause()
            finally:
                log.append("finally")
            return me, loud
        w = weakref.ref(stackless.tasklet(f)())
        stackless.run()
        collect()
        assert sorted(log) == ["del", "finally"] and w() is None

    def test_through_an_object(self):
        log = []

        def f(thing):
            try:
                pause()
            finally:
                log.append(type(thing))
        thing = Thing()
        thing.tasklet = started_paused(f, thing)
        w = weakref.ref(thing)
        del thing
        collect()
        assert log == [Thing] and w() is None

    def test_channel_local_to_the_blocked(self):
        log = []

        def f(op):
            c, loud = stackless.channel(), Loud(log)
            try:
                op(c)
            finally:
                log.append("finally")
            return loud
        for op in (lambda c: c.receive(), lambda c: c.send(1), lambda c: [x for x in c],
                   lambda c: gossamer.select([c]), lambda c: c.receive(timeout=None)):
            w = blocked(f, op)
            collect()
            assert sorted(log) == ["del", "finally"] and w() is None, op
            del log[:]

    def test_operations_the_collector_may_not_see_through(self):
        """Documented: these may keep their channel alive. Collected or not, nothing crashes."""
        ops = (next, lambda c: next(c), lambda c: c.send_exception(KeyError),
               lambda c: c.send_throw(KeyError), lambda c: c.send_sequence([1, 2]), list)

        def f(op):
            c = stackless.channel()
            op(c)
        for op in ops:
            w = weakref.ref(stackless.tasklet(f)(op))
            stackless.run()
            collect()
            if w() is not None:
                assert w().blocked
                w().kill()

    def test_value_of_a_blocked_sender(self):
        def f(c, thing):
            c.send(thing)
        thing, c = Thing(), stackless.channel()
        thing.channel = c
        w, wt = blocked(f, c, thing), weakref.ref(thing)
        del thing, c
        collect()
        assert w() is None and wt() is None

    def test_two_that_wait_for_each_other(self):
        log = []

        def f(a, b, n):
            try:
                a.receive()
                b.send(1)
            finally:
                log.append(n)
        a, b = stackless.channel(), stackless.channel()
        w1, w2 = blocked(f, a, b, 1), blocked(f, b, a, 2)
        del a, b
        collect()
        assert sorted(log) == [1, 2] and w1() is None and w2() is None

    def test_a_ring_of_a_thousand(self):
        log = []

        def f(left, right):
            try:
                right.send(left.receive())
            finally:
                log.append(1)
        cs = [stackless.channel() for _ in range(1000)]
        for i in range(1000):
            stackless.tasklet(f)(cs[i - 1], cs[i])
        stackless.run()
        del cs
        collect()
        assert len(log) == 1000

    def test_deep_frames_and_generators(self):
        log = []

        def gen():
            loud = Loud(log)
            yield pause()
            return loud

        def deep(n):
            if n:
                return deep(n - 1)
            me = stackless.current
            for _ in gen():
                pass
            return me
        w = weakref.ref(stackless.tasklet(deep)(30))
        stackless.run()
        collect()
        assert log == ["del"] and w() is None

    def test_handled_exception_on_the_stack(self):
        log = []

        def f():
            e = KeyError()
            e.loud, e.me = Loud(log), stackless.current
            try:
                raise e
            except KeyError:
                del e
                pause()
        w = weakref.ref(stackless.tasklet(f)())
        stackless.run()
        collect()
        assert log == ["del"] and w() is None

    def test_context(self):
        import contextvars
        log, var = [], contextvars.ContextVar("v")

        def f():
            var.set((Loud(log), stackless.current))
            pause()
        t = stackless.tasklet(f).set_context(contextvars.copy_context())
        w = weakref.ref(t())
        stackless.run()
        del t
        collect()
        assert log == ["del"] and w() is None

    def test_arguments_of_one_never_started(self):
        log = []
        t = stackless.tasklet(nothing)
        t.bind(None, (t, Loud(log)))
        w = weakref.ref(t)
        del t
        collect()
        assert log == ["del"] and w() is None

    def test_tempval(self):
        log = []
        t = started_paused(pause)
        t.tempval = (t, Loud(log))
        w = weakref.ref(t)
        del t
        collect()
        assert log == ["del"] and w() is None

    def test_subclass_dict(self):
        class T(stackless.tasklet):
            pass
        t = T(pause)()
        t.run()
        t.me = t
        w = weakref.ref(t)
        del t
        collect()
        assert w() is None

    def test_channel_subclass_dict(self):
        class C(stackless.channel):
            pass
        c = C()
        c.me = c
        w = weakref.ref(c)
        del c
        collect()
        assert w() is None

    def test_bomb(self):
        t = started_paused(pause)
        t.tempval = stackless.bomb(KeyError, t)
        w = weakref.ref(t)
        del t
        collect()
        assert w() is None


class TestNotCollected:
    """What is still reachable must stay untouched."""

    def test_reachable_channel(self):
        c = stackless.channel()
        w = blocked(c.receive)
        collect()
        assert w().blocked
        c.send(1)
        stackless.run()

    def test_reachable_through_another_blocked_one(self):
        outer = stackless.channel()

        def f(inner):
            outer.receive()
            inner.send("alive")
        got = []

        def g(inner):
            got.append(inner.receive())
        inner = stackless.channel()
        w1, w2 = blocked(f, inner), blocked(g, inner)
        del inner
        collect()
        assert w1().blocked and w2().blocked
        outer.send(None)
        stackless.run()
        assert got == ["alive"]

    def test_in_the_ring(self):
        log = []

        def f():
            me = stackless.current
            stackless.schedule(None)
            log.append(me.alive)
        stackless.tasklet(f)()
        stackless.schedule()
        collect()
        assert log == [True]

    def test_locals_of_suspended_frames(self):
        def f():
            thing = Thing()
            refs.append(weakref.ref(thing))
            c.receive()
            return thing
        refs, c = [], stackless.channel()
        for _ in range(100):
            stackless.tasklet(f)()
        stackless.run()
        collect()
        assert all(r() is not None for r in refs)
        for _ in range(100):
            c.send(1)
        stackless.run()
        assert all(r() is None for r in refs)

    def test_collect_inside_tasklets(self):
        got = []

        def f(n):
            data = [n, Thing()]
            data.append(data)
            for _ in range(3):
                gc.collect()
                stackless.schedule(None)
            got.append(data[0])
        for n in range(30):
            stackless.tasklet(f)(n)
        stackless.run()
        assert got == list(range(30))


class TestRefusals:
    def test_collected_with_block_trap_set(self):
        """While the collector kills it, it may not block again."""
        log = []

        def f():
            me, c = stackless.current, stackless.channel()
            try:
                c.receive()
            finally:
                log.append(me.block_trap)
                try:
                    c.receive()
                except RuntimeError as e:
                    log.append(str(e))
        w = blocked(f)
        collect()
        assert log == [True, "this tasklet does not like to be blocked."] and w() is None

    def test_one_that_keeps_refusing_goes_to_garbage(self):
        count = []

        def f():
            me = stackless.current
            while len(count) < 100:
                try:
                    pause()
                except TaskletExit:
                    count.append(me.alive)
        number = id(stackless.tasklet(f)())
        stackless.run()
        gc.collect()
        assert len(count) == 10 and [id(t) for t in gc.garbage] == [number]
        survivor = gc.garbage.pop()
        while survivor.alive:
            survivor.kill()

    def test_error_while_being_collected(self, monkeypatch):
        """Main, which runs the collector, cannot raise it from there."""
        seen = []
        monkeypatch.setattr(sys, "unraisablehook", lambda u: seen.append(u.exc_type))

        def f():
            me = stackless.current
            try:
                pause()
            finally:
                raise KeyError("while dying", me.alive)
        stackless.tasklet(f)()
        stackless.run()
        gc.collect()
        stackless.run()
        assert seen == [KeyError]

    def test_error_while_being_collected_by_a_tasklet(self):
        def f():
            me = stackless.current
            try:
                pause()
            finally:
                raise KeyError("while dying", me.alive)
        stackless.tasklet(f)()
        stackless.run()
        stackless.tasklet(gc.collect)()
        with pytest.raises(KeyError):
            stackless.run()
        stackless.run()

    def test_cleanup_that_sends(self):
        log, c = [], stackless.channel()

        def f():
            me = stackless.current
            try:
                pause()
            finally:
                c.send(me.alive)
        r = stackless.tasklet(lambda: log.append(c.receive()))()
        r.run()
        stackless.tasklet(f)()
        stackless.run()
        collect()
        assert log == [True]

    def test_cleanup_that_schedules(self):
        log = []

        def f(n):
            me = stackless.current
            try:
                pause()
            finally:
                log.append((n, me.alive))
                stackless.schedule(None)         # it gets its second TaskletExit here
                log.append("never")
        for n in range(20):
            stackless.tasklet(f)(n)
        stackless.run()
        collect()
        assert sorted(log) == [(n, True) for n in range(20)]


def test_get_referents_and_objects_do_not_crash():
    c = stackless.channel()

    def f(n):
        if n:
            return f(n - 1)
        c.receive()
    ts = [stackless.tasklet(f)(5) for _ in range(50)]
    stackless.run()
    for t in ts + [c]:
        for o in gc.get_referents(t):
            repr(type(o))
    for o in gc.get_objects():
        gc.is_tracked(o)
    gc.get_referrers(c)
    assert len(gossamer.tasklets()) >= 51
    for t in ts:
        t.kill()


def test_frames_survive_collection_when_evicted():
    """Under one slot every suspended tasklet is evicted; the collector still sees its locals."""
    python("""
        import gc, weakref, stackless
        class Thing: pass
        c, refs = stackless.channel(), []
        def f():
            thing = Thing(); refs.append(weakref.ref(thing))
            c.receive()
            assert refs and thing
        for _ in range(300): stackless.tasklet(f)()
        stackless.run(); gc.collect()
        assert all(r() is not None for r in refs)
        log = []
        def g():
            c2 = stackless.channel()
            try: c2.receive()
            finally: log.append(1)
        for _ in range(300): stackless.tasklet(g)()
        stackless.run(); gc.collect(); stackless.run()
        assert len(log) == 300, len(log)
        for _ in range(300): c.send(1)
        stackless.run()
        assert all(r() is None for r in refs)""", env={"GOSSAMER_SLOTS": "1"})
