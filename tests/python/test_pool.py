"""gossamer.pool: blocking calls on worker threads."""
import gc
import sys
import threading
import time
import traceback
import weakref

import pytest

import gossamer
import stackless
from gossamer.pool import Pool, call_async, default_pool
from helpers import python


@pytest.fixture
def pool():
    p = Pool(max_threads=4)
    yield p
    p.stop()


def test_result_on_another_thread():
    def f(a, b=0, *, c):
        return threading.get_ident(), a, b, c
    ident, *rest = call_async(f, 1, b=2, c=3)
    assert ident != threading.get_ident() and rest == [1, 2, 3]


def test_exception_with_its_traceback():
    def deep():
        raise KeyError("there")
    with pytest.raises(KeyError) as caught:
        call_async(lambda: deep())
    assert [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)][-1] == "deep"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), stackless.TaskletExit()])
def test_exceptions_that_end_programs_come_back_too(error):
    def f():
        raise error
    with pytest.raises(type(error)):
        call_async(f)


def test_others_run_meanwhile(pool):
    release, log = threading.Event(), []
    t = gossamer.spawn(lambda: log.append(call_async(release.wait, 60, pool=pool)))
    stackless.schedule()
    assert t.alive and log == []
    gossamer.spawn(log.append, "other")
    stackless.schedule()
    assert log == ["other"]
    release.set()
    stackless.run()                              # waits for the call, as for a sleeper
    assert log == ["other", True] and not t.alive


@pytest.mark.parametrize("tasklets, each", [(1000, 5)])
def test_nothing_is_lost_or_doubled(pool, tasklets, each):
    seen, back = [], []

    def f(base):
        for i in range(each):
            back.append(call_async(lambda n: (seen.append(n), n * 2)[1], base + i, pool=pool))
    for k in range(tasklets):
        gossamer.spawn(f, k * each)
    stackless.run()
    n = tasklets * each
    assert sorted(seen) == list(range(n)) and sorted(back) == list(range(0, 2 * n, 2))
    stats = pool.stats()
    assert stats["jobs"] == n and stats["queued"] == 0 and stats["threads"] <= 4


@pytest.mark.slow
def test_a_hundred_thousand_calls_of_ten_thousand_tasklets(pool):
    test_nothing_is_lost_or_doubled(pool, 10_000, 10)


def test_timeout_frees_the_tasklet_and_drops_the_late_result(pool):
    release, begun = threading.Event(), threading.Event()

    class Result:
        pass
    late = []

    def f():
        begun.set()
        release.wait(60)
        r = Result()
        late.append(weakref.ref(r))
        return r
    while not begun.is_set():  # on a busy machine the time may be up before the call begins: then it is withdrawn
        with pytest.raises(TimeoutError):
            call_async(f, pool=pool, timeout=0.01)
    release.set()
    while not late:
        time.sleep(0.001)
    assert call_async(int, 5, pool=pool) == 5
    stackless.run()
    gc.collect()
    assert late[0]() is None


def test_kill_frees_the_tasklet_at_once(pool):
    release, started = threading.Event(), threading.Event()
    t = gossamer.spawn(call_async, lambda: (started.set(), release.wait(60)), pool=pool)
    stackless.schedule()
    assert started.wait(60)
    t.kill()
    assert not t.alive
    release.set()
    stackless.run()


def test_a_call_that_has_not_begun_is_withdrawn():
    p, release, ran = Pool(max_threads=1), threading.Event(), []
    first = gossamer.spawn(call_async, release.wait, 60, pool=p)
    second = gossamer.spawn(call_async, ran.append, 1, pool=p)
    stackless.schedule()
    second.kill()
    release.set()
    stackless.run()
    assert not first.alive and ran == []
    p.stop()


def test_workers_end_when_idle():
    p = Pool(idle_timeout=0.01)
    call_async(int, pool=p)
    for _ in range(1000):
        if p.stats()["threads"] == 0:
            break
        time.sleep(0.01)
    assert p.stats() == {"threads": 0, "idle": 0, "queued": 0, "jobs": 1}
    assert call_async(int, pool=p) == 0


def test_stopped(pool):
    call_async(int, pool=pool)
    pool.stop()
    assert pool.stats()["threads"] == 0
    with pytest.raises(RuntimeError, match="the pool has been stopped: make another one"):
        call_async(int, pool=pool)
    pool.stop()


def test_bad_arguments(pool):
    for args, kwargs, error in [((), {}, TypeError), ((5,), {}, TypeError), ((int,), {"pool": 5}, TypeError),
                                ((int,), {"timeout": "x"}, TypeError), ((int,), {"timeout": -1}, ValueError)]:
        with pytest.raises(error):
            call_async(*args, **kwargs)
    for kwargs in ({"max_threads": 0}, {"stack_size": 1000}, {"idle_timeout": 0}, {"idle_timeout": float("nan")}):
        with pytest.raises(ValueError):
            Pool(**kwargs)
    assert default_pool() is default_pool()


def test_small_stacks():
    p = Pool(stack_size=65536)
    assert call_async(lambda: sum(range(100)), pool=p) == 4950
    p.stop()


def test_traps(pool):
    t = stackless.current
    t.block_trap = True
    try:
        with pytest.raises(RuntimeError, match="does not like to be blocked"):
            call_async(int, pool=pool)
    finally:
        t.block_trap = False
    stackless.switch_trap(1)
    try:
        with pytest.raises(RuntimeError, match="switch_trap"):
            call_async(int, pool=pool)
    finally:
        stackless.switch_trap(-1)


def test_arguments_are_released(pool):
    class C:
        pass
    c = C()
    ref = weakref.ref(c)
    call_async(lambda x: None, c, pool=pool)
    del c
    gc.collect()
    assert ref() is None


def test_from_many_threads(pool):
    out = []

    def body(k):
        for i in range(50):
            gossamer.spawn(lambda i=i: out.append(call_async(int, str(k * 50 + i), pool=pool)))
        stackless.run()
    threads = [threading.Thread(target=body, args=(k,)) for k in range(4)]
    for th in threads:
        th.start()
    for th in threads:
        th.join(60)
    assert sorted(out) == list(range(200))


def test_a_thread_that_ends_before_its_call(pool):
    release = threading.Event()

    def body():
        gossamer.spawn(call_async, release.wait, 60, pool=pool)
        stackless.schedule()
    th = threading.Thread(target=body)
    th.start()
    th.join(60)
    release.set()
    assert call_async(int, pool=pool) == 0


def test_tasklets_on_a_worker(pool):
    def f():
        c = stackless.channel()
        gossamer.spawn(c.send, 7)
        return c.receive()
    assert call_async(f, pool=pool) == 7


def test_an_idle_worker_keeps_no_deadlock_from_being_found():
    code = """
        import stackless
        from gossamer.pool import call_async
        call_async(int)
        try: stackless.channel().receive()
        except RuntimeError as e: print(e)"""
    assert "Deadlock" in python(code).stdout


def test_exit_waits_for_calls():
    code = """
        import gossamer, time, stackless
        from gossamer.pool import call_async
        def slow():
            time.sleep(0.2)
            print("done", flush=True)
        gossamer.spawn(call_async, slow)
        stackless.schedule()
        print("main ends", flush=True)"""
    assert python(code).stdout == "main ends\ndone\n"


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_fork_tells_who_waits_for_a_worker():
    code = """
        import gossamer, os, time, stackless, threading
        from gossamer.pool import call_async
        release = threading.Event()
        def waits():
            try: print("result", call_async(release.wait, 60), flush=True)
            except RuntimeError as e: print(e, flush=True)
        gossamer.spawn(waits)
        stackless.schedule()
        pid = os.fork()
        if pid == 0:
            stackless.run()
            print("child", call_async(int, 5), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        release.set()
        stackless.run()"""
    assert python(code).stdout == ("the call was lost: the process has been forked while a worker had it\n"
                                   "child 5\nresult True\n")
