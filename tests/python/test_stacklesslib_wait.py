"""stacklesslib.wait, futures, async_ and fittings."""
import gc
import sys
import weakref

import pytest

import stackless
from helpers import raises
from stacklesslib import app, async_, fittings, futures, locks, main, wait
from stacklesslib.errors import AsyncCallFailed, CancelledError, TimeoutError
from test_stacklesslib_util import go, installed, run  # noqa: F401


# ---- wait sites ----


def test_wait_site(capsys):
    class Site(wait.WaitSite):
        ready = False

        def waitsite_signalled(self):
            return self.ready

    site, log = Site(), []
    site.add_done_callback(log.append)
    site.add_done_callback(lambda s: 1 / 0)
    site.remove_done_callback(len)
    assert log == []
    site.waitsite_signal()
    assert log == [site] and "ZeroDivisionError" in capsys.readouterr().err
    site.waitsite_signal()
    assert log == [site]        # forgotten
    site.ready = True
    site.add_done_callback(log.append)
    assert log == [site] * 2    # at once, and it stays registered
    site.waitsite_signal()
    assert log == [site] * 3
    site.add_done_callback(log.append)
    site.remove_done_callback(log.append)
    site.waitsite_signal()
    assert log == [site] * 4


def test_observer():
    e, log = locks.Event(), []

    class Sometimes(wait.Observer):
        passes = False

        def filter(self):
            return self.passes

    o = Sometimes(e)
    o.add_done_callback(log.append)
    e.set()
    assert log == []
    e.clear()
    o.passes = True
    e.set()
    assert log == [o] and o.waitsite_signalled()
    o.add_done_callback(log.append)
    assert log == [o, o]
    o.close()
    e.clear()
    e.set()
    assert log == [o, o]


def test_observer_is_not_kept_alive():
    e = locks.Event()
    ref = weakref.ref(wait.Observer(e))
    gc.collect()
    assert ref() is None
    e.set()


# ---- tasklets ----


def test_waitable_tasklet():
    log = []
    t = wait.WaitableTasklet(log.append, (1,))
    assert t.paused and run(t.join, 0) is False
    t.insert()
    assert run(t.join) is True and log == [1] and t.join(0) is True
    killed = wait.WaitableTasklet(stackless.schedule_remove, (None,)).insert()
    stackless.run()
    killed.kill()
    assert killed.join(0)
    u = wait.WaitableTasklet(log.append)(2)
    assert wait.wait([u]) == [u] and log == [1, 2]


def test_waitable_tasklet_that_fails():
    t = wait.WaitableTasklet(lambda: 1 / 0, ()).insert()
    with raises(ZeroDivisionError):
        stackless.run()
    assert t.join(0)


def test_value_tasklet():
    t = wait.ValueTasklet(pow, (2, 5)).insert()
    with raises(TimeoutError):
        t.get(block=False)
    with raises(TimeoutError):
        run(t.get, True, 0) if t.remove() else None
    t.insert()
    assert t.get() == 32 == t.result()
    failed = wait.ValueTasklet(lambda: 1 / 0, ()).insert()
    stackless.run()     # main does not hear of it
    with raises(ZeroDivisionError):
        failed.get()
    killed = wait.ValueTasklet(stackless.schedule_remove, (None,)).insert()
    stackless.run()
    killed.kill()
    with raises(CancelledError):
        killed.get()


# ---- channels ----


def test_wait_channel():
    c, log = wait.WaitChannel(), []
    c.add_done_callback(lambda ch: log.append(ch.balance))
    stackless.tasklet(c.send)(1)
    stackless.run()
    assert log == [1] and c.balance == 1 and c.receive() == 1
    c.add_done_callback(lambda ch: log.append(ch.balance))
    t = stackless.tasklet(c.receive)()
    stackless.run()
    assert log == [1, -1]
    with raises(KeyError, "1"):
        c.send_exception(KeyError, 1)       # ends the receiver, and so comes back to main
    assert not t.alive


def test_receivable_and_sendable():
    c = wait.WaitChannel()
    receivable, sendable, log = wait.Receivable(c), wait.Sendable(c), []
    for site in (receivable, sendable):
        site.add_done_callback(lambda s: log.append(type(s).__name__))
    stackless.tasklet(c.receive)()
    stackless.run()
    assert log == ["Sendable"]
    c.send(1)
    stackless.tasklet(c.send)(2)
    stackless.run()
    assert log == ["Sendable", "Receivable"] and receivable.waitsite_signalled() and not sendable.waitsite_signalled()
    assert c.receive() == 2 and not receivable.waitsite_signalled()
    stackless.run()


# ---- waiting for several ----


def test_iwait_in_the_order_of_readiness():
    events = [locks.Event() for _ in range(4)]
    events[2].set()
    log = []
    t = stackless.tasklet(lambda: log.extend(events.index(e) for e in wait.iwait(events)))()
    stackless.run()
    for i in (3, 0, 1):
        events[i].set()
        stackless.run()
    assert log == [2, 3, 0, 1] and not t.alive


def test_iwait_times_out():
    ready, never = locks.Event(), locks.Event()
    ready.set()
    found = []
    with raises(TimeoutError):
        run(lambda: found.extend(wait.iwait([never, ready], 0)) or [found.append(e) for e in wait.iwait([never, ready], 0.005)])
    waiting = wait.iwait([never, ready], 0)
    assert next(waiting) is ready
    with raises(TimeoutError):
        next(waiting)
    assert run(lambda: list(wait.iwait_no_raise([never, ready], 0.005))) == [ready]
    assert never._WaitSite__waiters == []       # nothing is left behind


def test_iwait_same_object_twice():
    e = locks.Event()
    e.set()
    assert list(wait.iwait([e, e])) == [e]


def test_wait_counts():
    events = [locks.Event() for _ in range(3)]
    for e in events:
        e.set()
    assert wait.wait(events, count=2) == events[:2] and wait.wait(events, count=0) == [] == wait.wait([])
    assert run(wait.wait, [locks.Event()], 0.001) == []


def test_swait():
    e = locks.Event()
    with raises(TimeoutError):
        run(wait.swait, e, 0)
    e.set()
    assert wait.swait(e) is e


def test_any_and_all():
    events = [locks.Event() for _ in range(3)]
    first, every = wait.any(events), wait.all(events)
    stackless.run()
    events[1].set()
    stackless.run()
    assert first.result() is events[1] and every.alive
    events[0].set()
    events[2].set()
    assert every.result() == events


# ---- futures ----


def test_future():
    f, seen = futures.Future(), []
    f.add_done_callback(seen.append)
    assert f.state == futures.PENDING and not f.done() and not f.running() and run(f.wait, 0) is False
    with raises(TimeoutError):
        run(f.result, 0)
    f.execute(lambda a, b: seen.append(f.running()) or a + b, (1,), {"b": 2})
    assert seen == [True, f] and f.done() and f.result() == 3 and f.exception() is None
    assert f.cancel() is True and not f.cancelled() and f.result() == 3
    with pytest.raises(AssertionError):
        f.set_result(4)


def test_future_with_an_error():
    f = futures.Future()
    f.execute(lambda: 1 / 0)
    kind, value, traceback = f.exception()
    assert kind is ZeroDivisionError is type(value) and traceback is not None
    for _ in range(2):
        with raises(ZeroDivisionError):
            f.result()
    g = futures.Future()
    g.set_exception(KeyError, 5)
    with raises(KeyError, "5"):
        g.result()


def test_future_cancelled():
    f = futures.Future()
    assert f.cancel(("why",)) is True and f.cancelled() and f.done() and f.attach() is None
    f.execute(pytest.fail)
    f.set_result("dropped")
    for call in (f.result, f.exception):
        with raises(CancelledError, "why"):
            call()


def test_future_cancelled_while_running():
    f, log = futures.Future(), []

    def body():
        try:
            stackless.channel().receive()
        finally:
            log.append(sys.exc_info()[1].args)

    t = stackless.tasklet(f.execute)(body)
    stackless.run()
    assert f.running() and f.tasklet is t
    f.cancel((1, 2))
    stackless.run()
    assert log == [(1, 2)] and f.cancelled() and not t.alive


def test_killed_tasklet_cancels_its_future():
    f = futures.Future()
    t = stackless.tasklet(f.execute)(stackless.channel().receive)
    stackless.run()
    t.kill()
    with raises(CancelledError):
        f.result()


# ---- executors ----


@pytest.mark.parametrize("executor, before", [
    (futures.direct_executor, True), (futures.immediate_tasklet_executor, True), (futures.tasklet_executor, False),
    (futures.TaskletExecutor(), False), (futures.TaskletExecutor(1), False),
])
def test_executors(executor, before):
    with executor as same:
        assert same is executor
        f = executor.submit(pow, 2, 3)
        assert f.done() is before and f.result() == 8
        assert executor.submit_args(pow, (2,), {"exp": 4}).result() == 16
        assert list(executor.map(pow, [1, 2, 3], [3, 2, 1])) == [1, 4, 3]
        with raises(ZeroDivisionError):
            executor.submit(lambda: 1 / 0).result()


def test_null_executor():
    f = futures.null_executor.submit(pytest.fail)
    stackless.run()
    assert f.state == futures.PENDING


def test_bounded_executor():
    executor, log, running = futures.TaskletExecutor(2), [], set()

    def work(n):
        running.add(n)
        log.append(len(running))
        stackless.schedule()
        running.discard(n)
        return n

    fs = [executor.submit(work, n) for n in range(6)]
    fs[4].cancel()
    executor.shutdown()
    assert [f.result() for f in fs if not f.cancelled()] == [0, 1, 2, 3, 5] and max(log) == 2
    with raises(RuntimeError, "cannot schedule new futures after shutdown"):
        executor.submit(len, "")


def test_shutdown_without_waiting():
    executor = futures.TaskletExecutor()
    f = executor.submit(len, "abc")
    executor.shutdown(wait=False)
    assert not f.done() and f.result() == 3


def test_wait_for_futures():
    def failing():
        return 1 / 0

    ex = futures.tasklet_executor
    ch = stackless.channel()
    fs = [ex.submit(ch.receive), ex.submit(len, ""), ex.submit(failing)]
    done, rest = futures.wait(fs, return_when=futures.FIRST_COMPLETED)
    assert fs[1] in done and fs[0] in rest
    done, rest = futures.wait(fs, return_when=futures.FIRST_EXCEPTION)
    assert done == set(fs[1:]) and rest == {fs[0]}
    assert run(futures.wait, fs, 0.001) == (set(fs[1:]), {fs[0]})
    ch.send("late")
    assert futures.wait(fs) == (set(fs), set())
    assert set(futures.as_completed(fs)) == set(fs)
    assert futures.all_results(fs[:2]) == ["late", 0] and futures.any_result(fs[1:2]) == 0
    with raises(ZeroDivisionError):
        futures.all_results(fs)
    with raises(ValueError):
        futures.any_result([])
    with raises(TimeoutError):
        run(lambda: list(futures.as_completed([futures.Future()], 0.001)))


# ---- async_ ----


def test_async():
    log, gate = [], futures.Future()

    @async_.async_
    def inner(awaiter, n):
        """Text."""
        log.append("inner")
        value = awaiter.await_(gate)
        log.append("inner goes on")
        return value + n

    @async_.async_
    def outer(awaiter):
        log.append("outer")
        result = awaiter.await_(inner(1))
        log.append("outer goes on")
        return result

    f = outer()
    assert log == ["outer", "inner"] and not f.done() and inner.__doc__ == "Text."
    gate.set_result(10)
    assert f.result() == 11 and log[2:] == ["inner goes on", "outer goes on"]


def test_async_that_never_waits():
    @async_.async_
    def quick(awaiter, n):
        done = futures.Future()
        done.set_result(n)
        return awaiter.await_(done)

    f = quick(4)
    assert f.done() and f.result() == 4

    @async_.async_
    def fails(awaiter):
        1 / 0

    with raises(ZeroDivisionError):
        fails().result()


def test_async_that_switches_otherwise():
    """The caller is paused until the body waits by its awaiter, or ends."""
    @async_.async_
    def body(awaiter):
        stackless.schedule()
        return 7

    f = body()
    assert f.done() and f.result() == 7


def test_future_decorator():
    @async_.future()
    def add(a, b):
        return a + b

    @async_.future(futures.direct_executor)
    def now():
        return 1

    f = add(1, b=2)
    assert not f.done() and f.result() == 3 and now().done()
    assert async_.create_future(len, ("abc",)).result() == 3


# ---- fittings ----


def service(answer):
    """A SyncToAsync whose service does `answer(fitting)` in a tasklet."""
    fitting = fittings.SyncToAsync()
    fitting.initiate_call = lambda args, kwargs: stackless.tasklet(answer)(fitting)
    return fitting


def test_sync_to_async():
    assert service(lambda s: s.on_success("value"))() == "value"
    assert service(lambda s: s.on_success_va(1, 2))() == (1, 2)
    assert service(lambda s: s.on_success_vakw(1, a=2))() == ((1,), {"a": 2})
    with raises(AsyncCallFailed, "no"):
        service(lambda s: s.on_failure("no"))()
    with pytest.raises(AsyncCallFailed) as caught:
        service(lambda s: s.on_failure_vakw(1, a=2))()
    assert caught.value.args == (((1,), {"a": 2}),)
    with pytest.raises(AsyncCallFailed):
        service(lambda s: s.on_failure_va(1, 2))()
    with raises(CancelledError, "enough"):
        service(lambda s: s.cancel("enough"))()


def test_sync_to_async_that_answers_at_once():
    fitting = fittings.SyncToAsync()
    fitting.initiate_call = lambda args, kwargs: fitting.on_success((args, kwargs))
    assert fitting(1, a=2) == ((1,), {"a": 2})


def test_sync_to_async_whose_caller_has_gone():
    log = []

    class Fitting(fittings.SyncToAsync):
        def initiate_call(self, args, kwargs):
            pass

        def abandoned_success(self, value):
            log.append(value)

    fitting = Fitting()
    t = stackless.tasklet(fitting)()
    stackless.run()
    t.kill()
    fitting.on_success("late")
    fitting.on_failure("late, too")
    assert log == ["late", "late, too"] and not fitting.return_value(1) and not fitting.raise_exception(KeyError)


def test_async_to_sync():
    log = []
    fittings.AsyncToSync(pow, log.append, log.append).initiate_call((2, 3))
    fittings.AsyncToSync(lambda: 1 / 0, None, lambda info: log.append(info[0])).initiate_call()
    fittings.AsyncToSync(lambda: stackless.current.kill(), log.append, lambda info: log.append(info[0])).initiate_call()
    assert log == [8, ZeroDivisionError, stackless.TaskletExit]
    assert main.event_queue.due_delay() is None and app.event_queue is not None
