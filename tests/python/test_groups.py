"""Beyond Stackless: Group, joinall, local, and the reports on all tasklets."""
import gc
import weakref

import pytest

import gossamer
import stackless
from helpers import nothing, pause, raises, started_paused


class Boom(Exception):
    pass


def fail(*args):
    raise Boom(*args)


class TestJoinall:
    def test_results_in_order(self):
        ts = [gossamer.spawn(lambda n=n: (gossamer.sleep((5 - n) / 500), n)[1]) for n in range(5)]
        assert gossamer.joinall(ts) == [0, 1, 2, 3, 4]
        assert gossamer.joinall([]) == []

    def test_error(self):
        ts = [gossamer.spawn(nothing), gossamer.spawn(fail, "x"), gossamer.spawn(nothing)]
        with raises(Boom, "x"):
            gossamer.joinall(ts)
        stackless.run()

    def test_timeout(self):
        c = gossamer.channel()
        ts = [gossamer.spawn(c.receive) for _ in range(3)]
        with raises(TimeoutError):
            gossamer.joinall(ts, timeout=0.02)
        for _ in ts:
            c.send(1)
        assert gossamer.joinall(ts, timeout=5) == [1, 1, 1]


class TestGroup:
    def test_waits_for_all(self):
        done = []
        with gossamer.Group() as g:
            ts = [g.spawn(done.append, n) for n in range(10)]
            assert done == [] and len(ts) == 10
        assert done == list(range(10))

    def test_spawn_returns_the_tasklet(self):
        with gossamer.Group() as g:
            t = g.spawn(lambda: 5, name="five")
        assert t.join() == 5 and t.name == "five"

    def test_members_can_spawn_members(self):
        done = []

        def f(n):
            if n:
                g.spawn(f, n - 1)
            done.append(n)
        with gossamer.Group() as g:
            g.spawn(f, 5)
        assert sorted(done) == [0, 1, 2, 3, 4, 5]

    def test_error_of_a_member_comes_out_and_the_others_end(self):
        c = gossamer.channel()
        with pytest.raises(BaseException) as caught:
            with gossamer.Group() as g:
                t = g.spawn(c.receive)
                g.spawn(fail, "member")
        e = caught.value
        errors = e.exceptions if isinstance(e, BaseExceptionGroup) else (e,)
        assert [type(x) for x in errors] == [Boom]
        assert not t.alive and c.balance == 0

    def test_error_of_the_block_kills_the_members(self):
        log = []

        def f():
            try:
                pause()
            finally:
                log.append("killed")
        with pytest.raises(Boom, match="block"):
            with gossamer.Group() as g:
                t = g.spawn(f)
                stackless.schedule()
                raise Boom("block")
        assert log == ["killed"] and not t.alive

    def test_kill(self):
        g = gossamer.Group()
        ts = [g.spawn(pause) for _ in range(5)]
        stackless.run()
        g.kill()
        stackless.run()
        assert not any(t.alive for t in ts)
        g.join()

    def test_join_timeout(self):
        g = gossamer.Group()
        t = g.spawn(gossamer.channel().receive)
        with raises(TimeoutError):
            g.join(timeout=0.02)
        assert t.alive
        g.kill()

    def test_join_of_an_empty_one(self):
        gossamer.Group().join()
        with gossamer.Group():
            pass

    def test_error_of_a_member_does_not_reach_run(self):
        g = gossamer.Group()
        g.spawn(fail, "kept for join")
        stackless.run()
        with pytest.raises(BaseException) as caught:
            g.join()
        assert "Boom" in repr(caught.value)

    def test_nested(self):
        log = []

        def outer():
            with gossamer.Group() as inner:
                for n in range(3):
                    inner.spawn(log.append, n)
            log.append("inner done")
        with gossamer.Group() as g:
            g.spawn(outer)
        assert log == [0, 1, 2, "inner done"]


class TestLocal:
    def test_each_tasklet_its_own(self):
        x, got = gossamer.local(), []
        x.value = "main"

        def f(n):
            with pytest.raises(AttributeError):
                x.value
            x.value = n
            stackless.schedule(None)
            got.append(x.value)
        for n in range(5):
            stackless.tasklet(f)(n)
        stackless.run()
        assert got == [0, 1, 2, 3, 4] and x.value == "main"

    def test_several_locals(self):
        a, b = gossamer.local(), gossamer.local()
        a.x, b.x = 1, 2
        assert (a.x, b.x) == (1, 2)
        del a.x
        with pytest.raises(AttributeError):
            a.x
        with pytest.raises(AttributeError):
            del a.x
        assert b.x == 2

    def test_values_go_with_the_tasklet(self):
        class V:
            pass
        x, refs = gossamer.local(), []

        def f():
            x.v = V()
            refs.append(weakref.ref(x.v))
            stackless.schedule(None)
            assert refs[-1]() is not None
        stackless.tasklet(f)()
        stackless.run()
        gc.collect()
        assert refs[0]() is None

    def test_values_go_with_the_local(self):
        class V:
            pass
        x = gossamer.local()
        x.v = V()
        w = weakref.ref(x.v)
        del x
        gc.collect()
        assert w() is None

    def test_subclass_with_init(self):
        class L(gossamer.local):
            def __init__(self, start):
                self.count = start
        x, got = L(10), []

        def f(n):
            x.count += n
            got.append(x.count)
        for n in (1, 2):
            stackless.tasklet(f)(n)
        stackless.run()
        assert got == [11, 12] and x.count == 10

    def test_rebound_tasklet_starts_empty(self):
        x, got = gossamer.local(), []

        def f():
            got.append(hasattr(x, "v"))
            x.v = 1
        t = stackless.tasklet(f)()
        stackless.run()
        t.bind(f)()
        stackless.run()
        assert got[0] is False


class TestReports:
    def test_tasklets(self):
        c = gossamer.channel()
        ts = [gossamer.spawn(c.receive), stackless.tasklet(nothing)(), started_paused(pause)]
        stackless.schedule()
        everyone = gossamer.tasklets()
        assert stackless.main in everyone and len(everyone) == len(set(map(id, everyone)))
        assert ts[0] in everyone and ts[2] in everyone and ts[1] not in everyone
        for t in ts:
            t.kill()
        assert not any(t in gossamer.tasklets() for t in ts)

    def test_format(self):
        c = gossamer.channel()

        def function_to_look_for():
            c.receive()
        name = "-".join(["look", "for", "me"])      # the report shows our own lines, too
        t = gossamer.spawn(function_to_look_for, name=name)
        stackless.run()
        text = gossamer.format_tasklets()
        assert name in text and "function_to_look_for" in text and "main" in text
        assert "blocked" in text
        t.kill()
        assert name not in gossamer.format_tasklets()

    def test_format_inside_a_tasklet(self):
        out = []
        stackless.tasklet(lambda: out.append(gossamer.format_tasklets()))()
        stackless.run()
        assert "running" in out[0]

    def test_include(self):
        import os
        assert os.path.exists(os.path.join(gossamer.get_include(), "gossamer.h"))
