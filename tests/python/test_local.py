"""gossamer.local: one set of attributes for each tasklet."""

import gc
import threading
import weakref

import pytest

import gossamer
from gossamer import local, schedule, spawn


def test_each_tasklet_has_its_own():
    mine = local()
    mine.x = "main"

    def work(n):
        assert not hasattr(mine, "x")
        mine.x = n
        schedule()
        return mine.x

    tasklets = [spawn(work, n) for n in range(3)]
    assert gossamer.joinall(tasklets) == [0, 1, 2]
    assert mine.x == "main"


def test_attribute_operations():
    mine = local()
    mine.a, mine.b = 1, 2
    assert mine.__dict__ == {"a": 1, "b": 2} == vars(mine)
    assert {"a", "b"} <= set(dir(mine))
    del mine.a
    with pytest.raises(AttributeError):
        mine.a
    with pytest.raises(AttributeError):
        del mine.a
    with pytest.raises(AttributeError):
        mine.__dict__ = {}
    with pytest.raises(AttributeError):
        del mine.__dict__
    with pytest.raises(TypeError):
        local(1)


def test_several_objects_do_not_mix():
    a, b = local(), local()
    a.x, b.x = 1, 2
    assert (a.x, b.x) == (1, 2)


class Counter(local):
    default = 10
    made = []

    def __init__(self, start, step=1):
        self.n = start
        self.step = step
        Counter.made.append(gossamer.current.name)

    def count(self):
        self.n += self.step
        return self.n

    @property
    def double(self):
        return self.n * 2

    @double.setter
    def double(self, value):
        self.n = value // 2


def test_subclass_init_runs_once_in_each_tasklet():
    Counter.made.clear()
    counter = Counter(5, step=2)
    assert len(Counter.made) == 1
    assert counter.count() == 7 and counter.count() == 9
    t = spawn(lambda: [counter.count(), counter.count()], name="other")
    assert t.join() == [7, 9]
    assert Counter.made[1:] == ["other"]
    assert counter.count() == 11


def test_subclass_attributes_and_properties():
    counter = Counter(1)
    assert counter.default == 10
    counter.default = 20
    assert counter.default == 20 and Counter.default == 10
    assert spawn(lambda: counter.default).join() == 10
    counter.double = 8
    assert counter.n == 4 and counter.double == 8 and "double" not in vars(counter)
    with pytest.raises(AttributeError):
        del counter.double


def test_failing_init_is_tried_again():
    calls = []

    class Picky(local):
        def __init__(self):
            calls.append(1)
            if len(calls) == 2:
                raise ValueError("not now")
            self.ok = True

    picky = Picky()

    def work():
        with pytest.raises(ValueError):
            picky.ok
        return picky.ok

    assert spawn(work).join() is True


class Thing:
    pass


def test_values_go_with_the_tasklet():
    mine = local()
    seen = []

    def work():
        mine.thing = Thing()
        seen.append(weakref.ref(mine.thing))

    spawn(work)
    gossamer.run()
    gc.collect()
    assert seen[0]() is None


def test_values_go_with_the_local():
    mine = local()
    mine.thing = Thing()
    ref = weakref.ref(mine.thing)
    kept = gossamer.current._locals()
    before = len(kept)
    del mine
    gc.collect()
    assert ref() is None and len(kept) == before - 1


def test_cycle_through_the_tasklet_is_collected():
    mine = local()
    refs = []

    def work():
        mine.me = gossamer.current
        refs.append(weakref.ref(gossamer.current))

    spawn(work)
    gossamer.run()
    gc.collect()
    assert refs[0]() is None


def test_threads_have_their_own_main():
    mine = local()
    mine.x = 1
    seen = []
    thread = threading.Thread(target=lambda: seen.append(hasattr(mine, "x")))
    thread.start()
    thread.join()
    assert seen == [False]
