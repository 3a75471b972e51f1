"""Subclasses of tasklet and channel, weak references, and odd users of the types."""
import copy
import gc
import weakref

import pytest

import stackless
from helpers import nothing, pause, paused_tasklet, python


class TestTasklet:
    def test_example_c16(self):
        log = []

        class Named(stackless.tasklet):
            def __new__(cls, func, name):
                return stackless.tasklet.__new__(cls)

            def __init__(self, func, name):
                super().__init__(func)
                self.label = name

            def __repr__(self):
                return "<%s>" % self.label
        t = Named(lambda: log.append(repr(stackless.current)), "bob")()
        stackless.run()
        assert log == ["<bob>"] and t.label == "bob"

    def test_new_ignores_arguments(self):
        class T(stackless.tasklet):
            def __init__(self, *a, **k):
                self.got = a, k
        t = T(1, 2, x=3)
        assert t.got == ((1, 2), {"x": 3})
        assert not t.alive and t.tempval is None       # the base __init__ was not called
        t.bind(nothing)()
        stackless.run()

    def test_new_alone_gives_a_valid_one(self):
        t = stackless.tasklet.__new__(stackless.tasklet, 1, 2, x=3)
        assert not t.alive
        t.bind(nothing)()
        stackless.run()

    def test_init_again_is_bind(self):
        log = []
        t = stackless.tasklet(nothing)
        t.__init__(log.append, (1,))
        t.insert()
        stackless.run()
        assert log == [1]

    def test_slots(self):
        class T(stackless.tasklet):
            __slots__ = ("x",)
        t = T(nothing)
        t.x = 1
        with pytest.raises(AttributeError):
            t.y = 1
        t()
        stackless.run()

    def test_dict_and_weakref(self):
        class T(stackless.tasklet):
            pass
        t = T(nothing)()
        t.anything = [t]
        w = weakref.ref(t)
        stackless.run()
        del t
        gc.collect()
        assert w() is None

    def test_call_can_be_overridden(self):
        log = []

        class T(stackless.tasklet):
            def __call__(self, *args):
                log.append("call")
                return super().__call__(*args)

            def bind(self, *args):
                log.append("bind")
                return super().bind(*args)
        T(log.append)("ran")
        stackless.run()
        assert log[-2:] == ["call", "ran"]

    def test_equality_and_hash_can_be_overridden(self):
        class T(stackless.tasklet):
            def __eq__(self, other):
                raise RuntimeError("must not be compared")

            def __hash__(self):
                raise RuntimeError("must not be hashed")

            def __bool__(self):
                raise RuntimeError("must not be tested")
        log = []
        t = T(log.append)(1)
        t.remove()
        t.insert()
        t.run()
        c = stackless.channel()
        T(c.receive)()
        stackless.run()
        c.send(2)
        stackless.run()
        assert log == [1]

    def test_del_of_a_subclass(self):
        log = []

        class T(stackless.tasklet):
            def __del__(self):
                log.append("T.__del__")
        T(nothing)()
        stackless.run()
        gc.collect()
        assert log == ["T.__del__"]

    def test_multiple_inheritance(self):
        class Mixin:
            def hello(self):
                return "hello"

        class T(Mixin, stackless.tasklet):
            pass
        t = T(nothing)()
        assert t.hello() == "hello"
        stackless.run()

    def test_current_is_the_instance(self):
        class T(stackless.tasklet):
            pass
        seen = []
        t = T(lambda: seen.append(stackless.current))()
        stackless.run()
        assert seen == [t]

    def test_abc_and_generic_alias_do_not_crash(self):
        repr(stackless.channel[int])
        issubclass(stackless.tasklet, object)


class TestChannel:
    def test_any_constructor(self):
        class C(stackless.channel):
            def __init__(self, label, *, more=None):
                self.label, self.more = label, more
        c = C("x", more=1)
        assert (c.label, c.more) == ("x", 1) and isinstance(c, stackless.channel)
        stackless.tasklet(c.send)(5)
        assert c.receive() == 5
        stackless.run()

    def test_overridden_methods(self):
        class C(stackless.channel):
            def send(self, value):
                super().send(("wrapped", value))

            def receive(self):
                return super().receive()[1]
        c, got = C(), []
        stackless.tasklet(lambda: got.append(c.receive()))()
        stackless.run()
        c.send(1)
        stackless.run()
        assert got == [1]

    def test_slots(self):
        class C(stackless.channel):
            __slots__ = ("x",)
        C().x = 1
        with pytest.raises(AttributeError):
            C().y = 1

    def test_weakref(self):
        c = stackless.channel()
        w = weakref.ref(c)
        del c
        assert w() is None


class TestWeakReferences:
    def test_proxy(self):
        t = stackless.tasklet(nothing)
        p = weakref.proxy(t)
        p.setup()
        assert p.scheduled
        stackless.run()
        del t
        with pytest.raises(ReferenceError):
            p.alive

    def test_containers(self):
        log = []
        ws, wd = weakref.WeakSet(), weakref.WeakKeyDictionary()
        for n in range(10):
            t = stackless.tasklet(log.append)(n)
            ws.add(t)
            wd[t] = n
        del t
        assert len(ws) == len(wd) == 10
        stackless.run()
        assert len(ws) == len(wd) == 0 and log == list(range(10))

    def test_callback_order(self):
        log = []
        t = paused_tasklet()
        w = weakref.ref(t, lambda r: log.append(r() is None))
        del t
        assert log == [True] and w() is None

    def test_finalize(self):
        log = []
        t = paused_tasklet()
        weakref.finalize(t, log.append, "finalized")
        del t
        assert log == ["finalized"]


def test_copying_is_refused():
    for thing in (stackless.tasklet(nothing), stackless.channel(), paused_tasklet()):
        with pytest.raises((NotImplementedError, TypeError)):
            copy.copy(thing)


def test_reference_cycle_through_a_class():
    def make():
        class T(stackless.tasklet):
            pass
        T(pause)().run()
        return weakref.ref(T)
    w = make()
    gc.collect()
    stackless.run()
    gc.collect()
    gc.collect()
    assert w() is None


def test_methods_of_the_type_called_on_wrong_objects():
    for f in (stackless.tasklet.run, stackless.tasklet.insert, stackless.channel.receive):
        with pytest.raises(TypeError):
            f(1)
        with pytest.raises(TypeError):
            f()


def test_two_copies_of_the_extension_in_one_process():
    """Importing the extension under a second name must not crash."""
    python("""
        import importlib.util, gossamer._gossamer as g
        spec = importlib.util.spec_from_file_location("gossamer._gossamer", g.__file__)
        try:
            m = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(m)
        except ImportError as e:
            print(e)
        import stackless
        t = stackless.tasklet(print)("ran")
        stackless.run()""")
