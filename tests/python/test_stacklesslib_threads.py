"""stacklesslib.threadpool, and what else takes its results from real threads."""
import threading
import time
import traceback

import pytest

import gossamer
import stackless
from helpers import raises
from stacklesslib import app, async_, futures, main, threadpool, util, wait
from stacklesslib.errors import CancelledError, TimeoutError
from test_stacklesslib_util import go, installed, run  # noqa: F401

HANG = 60


@pytest.fixture
def pool():
    pool = threadpool.SimpleThreadPool(2)
    yield pool
    pool.shutdown()


def test_call_on_thread():
    main_thread = threading.get_ident()
    other, value = run(lambda: threadpool.call_on_thread(lambda a, b: (threading.get_ident(), a + b), (1,), {"b": 2}))
    assert value == 3 and other != main_thread
    assert run(util.call_async, lambda job: threading.Thread(target=job).start(), pow, (2, 5)) == 32


def test_on_the_main_tasklet():
    assert threadpool.call_on_thread(len, ("abc",)) == 3


def test_others_run_meanwhile():
    release, log = threading.Event(), []

    def works_on():
        for n in range(5):
            log.append(n)
            app.sleep(0)
        release.set()

    caller = gossamer.spawn(threadpool.call_on_thread, release.wait, (HANG,))
    stackless.tasklet(works_on)()
    go(caller)
    assert caller.join() is True and log == [0, 1, 2, 3, 4]


def test_the_loop_is_woken():
    old, main.mainloop.max_wait_time = main.mainloop.max_wait_time, HANG
    try:
        run(threadpool.call_on_thread, time.sleep, (0.02,))
    finally:
        main.mainloop.max_wait_time = old


def test_errors_come_with_their_traceback():
    def fails_there():
        raise KeyError("there")

    def work():
        try:
            threadpool.call_on_thread(fails_there)
        except KeyError as error:
            return [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    assert run(work)[-1] == "fails_there"
    with raises(CancelledError):
        run(threadpool.call_on_thread, lambda: stackless.current.kill())


def test_given_up():
    release, ended, log = threading.Event(), threading.Event(), []

    def slow():
        release.wait(HANG)
        ended.set()
        return "late"

    with raises(TimeoutError):
        run(lambda: threadpool.call_on_thread(slow, timeout=0.005, on_abandoned=lambda: log.append(1)))
    assert log == [1]
    release.set()
    assert ended.wait(HANG)


def test_stack_size():
    before = threading.stack_size()
    assert run(lambda: threadpool.call_on_thread(len, ("ab",), stack_size=256 * 1024)) == 2
    assert threading.stack_size() == before
    with pytest.raises(ValueError):
        run(lambda: threadpool.call_on_thread(len, ("ab",), stack_size=1))
    assert threading.stack_size() == before


def test_thousands_of_calls(pool):
    results = []

    def caller(n):
        for i in range(20):
            results.append(threadpool.call_on_thread(lambda n=n, i=i: [n, i], pool=pool))

    callers = [stackless.tasklet(caller)(n) for n in range(100)]
    for t in callers:
        go(t)
    assert sorted(results) == [[n, i] for n in range(100) for i in range(20)]


def test_simple_pool(pool):
    names, barrier = set(), threading.Barrier(2, timeout=HANG)

    def work():
        barrier.wait()
        names.add(threading.get_ident())

    for _ in range(2):
        callers = [gossamer.spawn(threadpool.call_on_thread, work, (), {}, None, pool) for _ in range(2)]
        for t in callers:
            go(t)
    assert len(names) == 2 and pool._threads == 2
    with raises(ValueError, "n_threads must be at least 1"):
        threadpool.SimpleThreadPool(0)


def test_simple_pool_is_a_queue():
    pool, log, gate = threadpool.SimpleThreadPool(), [], threading.Event()
    pool.submit(lambda: gate.wait(HANG))
    for n in range(5):
        pool.submit(lambda n=n: log.append(n))
    gate.set()
    done = threading.Event()
    pool.submit(done.set)
    assert done.wait(HANG) and log == [0, 1, 2, 3, 4]
    pool.shutdown()
    assert pool._threads == 0
    with raises(RuntimeError, "cannot submit jobs after shutdown"):
        pool.submit(len)


def test_shutdown_drops_what_waits():
    pool, log, gate, inside = threadpool.SimpleThreadPool(), [], threading.Event(), threading.Event()
    pool.submit(lambda: (inside.set(), gate.wait(HANG), log.append("present")))
    pool.submit(lambda: log.append("waits"))
    assert inside.wait(HANG)
    pool.shutdown(wait=False)
    gate.set()
    pool.shutdown()
    assert log == ["present"]


def test_job_that_fails(monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda what: seen.append(what.exc_type))
    pool, done = threadpool.SimpleThreadPool(), threading.Event()
    pool.submit(lambda: 1 / 0)
    pool.submit(done.set)
    assert done.wait(HANG)
    pool.shutdown()
    assert seen == [ZeroDivisionError]


def test_thread_that_cannot_be_made(monkeypatch):
    pool = threadpool.SimpleThreadPool(2)

    def fail(target):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool, "start_thread", fail)
    with raises(RuntimeError, "can't start new thread"):
        pool.submit(pytest.fail)
    assert pool._threads == 0 and not pool._jobs


# ---- futures ----


@pytest.mark.parametrize("make", [lambda: futures.thread_executor, futures.ThreadPoolExecutor, lambda: futures.ThreadPoolExecutor(2)])
def test_thread_executors(make):
    def work():
        with make() as executor:
            assert executor.submit(threading.get_ident).result() != threading.get_ident()
            assert list(executor.map(pow, range(20), [2] * 20)) == [n * n for n in range(20)]
            with raises(ZeroDivisionError):
                executor.submit(lambda: 1 / 0).result()
            fs = [executor.submit(time.sleep, 0) for _ in range(5)]
            assert futures.wait(fs) == (set(fs), set())
        return True

    assert run(work)


def test_cancelled_thread_future():
    release, inside = threading.Event(), threading.Event()

    def slow():
        inside.set()
        release.wait(HANG)

    def work():
        f = futures.thread_executor.submit(slow)
        inside.wait(HANG)
        assert f.running() and f.cancel() and f.cancelled()
        with raises(CancelledError):
            f.result()
        release.set()

    run(work)


def test_future_of_a_thread_in_async_code():
    @async_.async_
    def body(awaiter):
        return awaiter.await_(async_.create_future(pow, (2, 3), executor=futures.thread_executor))

    assert run(lambda: body().result()) == 8


def test_waiting_for_threads_in_order():
    gates = [threading.Event() for _ in range(3)]

    def work():
        fs = [futures.thread_executor.submit(gate.wait, HANG) for gate in gates]
        order = []
        gates[1].set()
        for f in wait.iwait(fs):
            order.append(fs.index(f))
            gates[(order[-1] + 1) % 3].set()
        return order

    assert run(work) == [1, 2, 0]
