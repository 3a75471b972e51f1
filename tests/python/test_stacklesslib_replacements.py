"""stacklesslib.replacements: thread, threading, greenlet."""
import gc
import threading as real_threading
import weakref

import pytest

import stackless
from helpers import raises
from stacklesslib.replacements import greenlet as g
from stacklesslib.replacements import thread, threading
from test_stacklesslib_util import go, installed, run  # noqa: F401


# ---- _thread ----


def test_start_new_thread(capsys):
    log = []

    def work(*args, **kwargs):
        log.append((thread.get_ident(), args, kwargs, thread._count()))

    ident = thread.start_new_thread(work, (1,), {"a": 2})
    assert log == []
    stackless.run()
    assert log == [(ident, (1,), {"a": 2}, 1)] and thread._count() == 0
    for end in (thread.exit, lambda: 1 / 0):
        thread.start_new_thread(end, ())
        stackless.run()
    with pytest.raises(TypeError):
        thread.start_new_thread(1, ())
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_thread_lock():
    lock, log = thread.allocate_lock(), []
    assert type(lock) is thread.LockType and lock.acquire() and lock.locked() and not lock.acquire(False)
    assert run(lock.acquire, True, 0.001) is False
    thread.start_new_thread(lambda: (lock.acquire(), log.append(1)), ())
    stackless.run()
    assert log == []
    lock.release()
    stackless.run()
    assert log == [1]
    lock.release()
    with raises(RuntimeError, "release unlocked lock"):
        lock.release()
    assert thread.error is RuntimeError


def test_thread_small_things():
    assert thread.stack_size(65536) == 0 and thread.stack_size() == 65536
    assert thread.interrupt_main() is None and thread.get_ident() == id(stackless.current)
    assert thread.TIMEOUT_MAX == real_threading.TIMEOUT_MAX       # the real module's


# ---- threading ----


def test_threads():
    log = []

    def work(n):
        me = threading.current_thread()
        log.append((n, me.name, me in threading.enumerate(), me.ident == threading.get_ident()))

    ts = [threading.Thread(target=work, args=(n,), name=f"worker {n}") for n in range(2)]
    assert not ts[0].is_alive()
    for t in ts:
        t.start()
    assert ts[0].is_alive() and threading.active_count() == 3
    for t in ts:
        t.join()
    assert log == [(0, "worker 0", True, True), (1, "worker 1", True, True)]
    assert not ts[0].is_alive() and threading.activeCount() == 1
    assert threading.Thread().name.startswith("Thread-")


def test_thread_subclass_and_kwargs():
    class Mine(threading.Thread):
        def run(self):
            self.got = threading.currentThread() is self

    t = Mine()
    t.start()
    t.join()
    assert t.got
    log = []
    t = threading.Thread(target=lambda **k: log.append(k), kwargs={"a": 1})
    t.start()
    t.join()
    assert log == [{"a": 1}]


def test_thread_errors():
    t = threading.Thread(target=stackless.schedule)
    with raises(RuntimeError, "cannot join thread before it is started"):
        t.join()
    t.start()
    with raises(RuntimeError, "threads can only be started once"):
        t.start()
    with raises(RuntimeError, "cannot set daemon status of active thread"):
        t.daemon = True
    t.join()
    log = []

    def joins_itself():
        try:
            threading.current_thread().join()
        except RuntimeError as error:
            log.append(str(error))

    t = threading.Thread(target=joins_itself)
    t.start()
    t.join()
    assert log == ["cannot join current thread"]


def test_thread_that_fails(capsys):
    for target in (lambda: 1 / 0, lambda: exit(), thread.exit):
        t = threading.Thread(target=target, name="bad")
        t.start()
        t.join()
        assert not t.is_alive()
    err = capsys.readouterr().err
    assert "Exception in thread bad:" in err and err.count("Traceback") == 1


def test_join_with_timeout():
    ch = stackless.channel()
    t = threading.Thread(target=ch.receive)
    t.start()
    assert run(t.join, 0.001) is None and t.is_alive()
    ch.send(1)
    t.join()
    assert not t.is_alive()


def test_attributes_of_threads():
    t = threading.Thread(daemon=True)
    assert t.daemon and t.isDaemon() and t.ident is None and "initial daemon" in repr(t)
    t.setDaemon(False)
    t.setName("name")
    assert t.getName() == "name" and not t.daemon and t.native_id == real_threading.get_native_id()
    main = threading.main_thread()
    assert threading.current_thread() is main and main.name == "MainThread" and main.is_alive() and not main.daemon
    for call in (main.start, main.join):
        with pytest.raises(RuntimeError):
            call()
    log = []
    stackless.tasklet(lambda: log.append(threading.current_thread()))()
    stackless.run()
    assert log[0].name.startswith("Dummy-") and log[0] is not main


def test_ended_threads_are_freed():
    t = threading.Thread(target=len, args=("",))
    t.start()
    t.join()
    ref = weakref.ref(t)
    del t
    gc.collect()
    assert ref() is None


def test_timer():
    log = []
    early, late = threading.Timer(0.001, log.append, [1]), threading.Timer(60, log.append, [2])
    early.start()
    late.start()
    run(early.join)
    assert log == [1]
    late.cancel()
    run(late.join)
    assert log == [1]


def test_local_and_the_rest(capsys):
    data, log = threading.local(), []
    data.x = 1
    t = threading.Thread(target=lambda: log.append(hasattr(data, "x")))
    t.start()
    t.join()
    assert log == [False] and data.x == 1
    assert threading.TIMEOUT_MAX == real_threading.TIMEOUT_MAX and threading.ThreadError is RuntimeError
    threading.TaskletDump()
    assert "main" in capsys.readouterr().out
    with pytest.raises(AttributeError):
        threading.nothing_of_that_name


# ---- greenlet ----


def test_switching():
    log = []

    def body(a, b):
        log.append((a, b))
        log.append(here.switch("one"))
        log.append(here.switch(1, 2))
        log.append(here.switch(k=3))
        return "end"

    here, child = g.getcurrent(), g.greenlet(body)
    assert not child and not child.dead and child.parent is here and child.gr_frame is None
    assert child.switch("a", b="b") == "one" and child and child.gr_frame is not None
    assert child.switch() == (1, 2)
    assert child.switch(5, k=6) == {"k": 3}
    assert child.switch("last") == "end" and child.dead and not child
    assert log == [("a", "b"), (), ((5,), {"k": 6}), "last"]
    assert stackless.runcount == 1


def test_dead_ones_pass_on():
    child = g.greenlet(lambda: "result")
    assert child.switch() == "result" and child.switch(7) == 7
    grandchild = g.greenlet(lambda: "deep", parent=child)
    assert grandchild.switch() == "deep"        # its parent is dead: goes to its parent's


def test_errors_go_to_the_parent():
    def bad():
        raise KeyError("bad")

    child = g.greenlet(bad)
    with raises(KeyError, "'bad'"):
        child.switch()
    assert child.dead

    def catches():
        try:
            g.greenlet(bad, parent=g.getcurrent()).switch()
        except KeyError:
            return "caught"

    assert g.greenlet(catches).switch() == "caught"


def test_throw():
    log = []

    def body():
        try:
            here.switch()
        except ValueError as error:
            log.append(str(error))
            here.switch("went on")

    here, child = g.getcurrent(), g.greenlet(body)
    child.switch()
    assert child.throw(ValueError, "thrown") == "went on" and log == ["thrown"]
    assert isinstance(child.throw(), g.GreenletExit) and child.dead
    assert isinstance(child.throw(), g.GreenletExit)
    with raises(KeyError, "1"):
        child.throw(KeyError(1))
    unstarted = g.greenlet(pytest.fail)
    with raises(ValueError, "early"):
        unstarted.throw(ValueError("early"))
    assert unstarted.dead
    other = g.greenlet(pytest.fail)
    assert isinstance(other.throw(), g.GreenletExit) and other.dead


def test_several_levels():
    log = []
    here = g.getcurrent()

    def a():
        log.append("a")
        b_.switch()
        log.append("a again")
        return "from a"

    def b():
        log.append("b")
        a_.switch()

    a_, b_ = g.greenlet(a), g.greenlet(b)
    assert a_.switch() == "from a" and log == ["a", "b", "a again"] and b_ and not b_.dead
    b_.parent = here
    assert b_.switch() is None and b_.dead


def test_parents():
    a = g.greenlet(len)
    b = g.greenlet(len, a)
    with raises(ValueError, "cyclic parent chain"):
        a.parent = b
    with raises(TypeError):
        a.parent = 1
    assert g.getcurrent().parent is None and g.getcurrent() is g.getcurrent()


def test_subclass_with_run():
    class Mine(g.greenlet):
        def run(self, n):
            return n, g.getcurrent() is self

    assert Mine().switch(5) == (5, True)


def test_switch_to_itself():
    me = g.getcurrent()
    assert me.switch(1) == 1
    with raises(KeyError):
        me.throw(KeyError)


def test_dropped():
    log = []

    def body():
        try:
            here.switch()
        except g.GreenletExit:
            log.append("exit")

    here, child = g.getcurrent(), g.greenlet(body)
    child.switch()
    ref = weakref.ref(child)
    del child
    assert log == ["exit"] and ref() is None
    assert g.getcurrent() is here


def test_generator():
    def produce(n):
        for i in range(n):
            consumer.switch(i)

    consumer, producer = g.getcurrent(), g.greenlet(produce)
    got = [producer.switch(1000)]
    while True:
        value = producer.switch()
        if producer.dead:
            break
        got.append(value)
    assert got == list(range(1000)) and stackless.runcount == 1


def test_beside_tasklets():
    log, ch = [], stackless.channel()

    def body():
        log.append(ch.receive())        # a tasklet operation inside a greenlet
        return "done"

    stackless.tasklet(ch.send)("value")
    assert g.greenlet(body).switch() == "done" and log == ["value"]
    stackless.run()

    def in_a_tasklet():
        log.append(g.greenlet(lambda: g.getcurrent().parent.parent).switch())

    stackless.tasklet(in_a_tasklet)()
    stackless.run()
    assert log == ["value", None]


def test_another_thread():
    here, errors = g.greenlet(lambda: g.getcurrent().parent.switch()), []
    here.switch()

    def body():
        try:
            here.switch()
        except g.error as error:
            errors.append(str(error))

    t = real_threading.Thread(target=body)
    t.start()
    t.join()
    assert errors == ["can't switch to a different thread"]
    here.switch()
    assert here.dead and g.__version__ == "0.3.2"
