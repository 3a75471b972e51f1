"""stacklesslib.app, main, monkeypatch, magic and weakmethod."""
import contextlib
import gc
import subprocess
import sys
import threading
import time

import pytest

import stackless
import stacklesslib
from helpers import python, raises
from stacklesslib import app, locks, main, monkeypatch, weakmethod
from test_stacklesslib_util import go, installed, run  # noqa: F401


def test_package_is_empty():
    done = python("import sys, stacklesslib; print('stackless' in sys.modules, stacklesslib.__all__ if 0 else '')")
    assert done.stdout.split() == ["False"] and stacklesslib.__doc__


# ---- app ----


def test_app_switches():
    from stacklesslib.app import Event, Lock, event_queue, sleep
    for name in ("Event", "Lock", "RLock", "Condition", "Semaphore"):
        assert isinstance(getattr(app, name)(), getattr(locks, name))
    assert event_queue.time and len(main.event_queue) == 0
    event_queue.call_soon(len, "")
    assert len(main.event_queue) == 1 and event_queue.pump() == 1
    app.install_vanilla()
    assert isinstance(Event(), threading.Event) and type(Lock()) is type(threading.Lock())
    with raises(NotImplementedError, "events are not being pumped"):
        event_queue.pump()
    sleep(0)


def test_sleep():
    log = []

    def work(n):
        app.sleep(0.001 * n)
        log.append(n)

    sleepers = [stackless.tasklet(work)(n) for n in (3, 1, 2)]
    for t in sleepers:
        go(t)
    assert log == [1, 2, 3]


def test_sleepers_for_no_time_are_released_in_order():
    log = []
    for n in range(3):
        stackless.tasklet(lambda n=n: (app.sleep(0), log.append(n)))()
    stackless.run()
    assert log == []
    assert main.event_queue.pump() == 3
    stackless.run()
    assert log == [0, 1, 2]


# ---- main ----


def test_pumps():
    loop, log = main.MainLoop(), []
    first, second = (lambda: log.append(1)), (lambda: log.append(2))
    for pump in (first, second, first):
        loop.add_pump(pump)
    loop.pump_pumps()
    assert log == [1, 2]
    loop.remove_pump(first)
    loop.remove_pump(first)
    main.event_queue.call_soon(log.append, "event")
    loop.pump()
    assert log == [1, 2, 2, "event"]


def test_wait_time():
    loop = main.MainLoop()
    assert loop.event_queue is main.event_queue and loop.get_wait_time(0) == loop.max_wait_time == 0.01
    handle = main.event_queue.call_later(0.001, len, "")
    assert 0 <= loop.get_wait_time(0) <= 0.001
    loop.adjust_wait_times(-1)
    assert loop.get_wait_time(0) == 0
    handle.cancel()
    loop.adjust_wait_times(1)
    stackless.tasklet(len)("")
    assert loop.get_wait_time(0) == 0.0
    stackless.run()


@pytest.mark.parametrize("kind", [main.MainLoop, main.AsyncoreMainLoop])
def test_loop_runs_until_it_is_stopped(kind):
    loop, log = kind(), []

    def work():
        for n in range(3):
            app.sleep(0.001)
            log.append(n)
        loop.stop()

    stackless.tasklet(work)()
    loop.run()
    assert log == [0, 1, 2] and loop.running is False


def test_errors_of_tasklets(capsys):
    loop, log = main.MainLoop(), []
    stackless.tasklet(lambda: 1 / 0)()
    stackless.tasklet(log.append)(1)
    loop.loop()
    assert "ZeroDivisionError" in capsys.readouterr().err
    loop.loop()
    assert log == [1]


@pytest.mark.parametrize("kind", [main.MainLoop, main.AsyncoreMainLoop])
def test_wait_is_interrupted(kind):
    """By another thread, again and again; each time by one interrupt."""
    loop = kind()
    main.event_queue.call_soon(len, "")     # the polling one wants to see a reason
    for _ in range(3):
        thread = threading.Thread(target=lambda: (time.sleep(0.02), loop.interrupt_wait()))
        thread.start()
        loop.interruptable_wait(60)
        thread.join()
    loop.interruptable_wait(0.001)
    main.event_queue.pump()


def test_event_from_another_thread_wakes_the_loop():
    loop, log = main.mainloop, []
    old, loop.max_wait_time = loop.max_wait_time, 60
    try:
        thread = threading.Thread(target=lambda: (time.sleep(0.02), main.event_queue.call_later_threadsafe(0, log.append, 1)))
        thread.start()
        while not log:
            loop.loop()
        thread.join()
    finally:
        loop.max_wait_time = old


def test_set_mainloop():
    old, new = main.mainloop, main.mainloopClass()
    main.set_mainloop(new)
    try:
        assert main.mainloop is new
        main.event_queue.cancel_sleep()
        new.interruptable_wait(60)
    finally:
        main.set_mainloop(old)


# ---- monkeypatch ----


class Thing:
    attribute = 1


def test_patched_things():
    with monkeypatch.patched_dictitem(d := {"a": 1}, "a", 2), monkeypatch.patched_dictitem(d, "b", 3):
        assert d == {"a": 2, "b": 3}
    assert d == {"a": 1}
    with monkeypatch.patched_attribute(Thing, "attribute", 2), monkeypatch.patched_attribute(Thing, "new", 3):
        assert (Thing.attribute, Thing.new) == (2, 3)
    assert Thing.attribute == 1 and not hasattr(Thing, "new")
    with monkeypatch.patched(__name__ + ".Thing.attribute", 5):
        assert Thing.attribute == 5
    assert Thing.attribute == 1
    for name, kind in (("nodots", ValueError), ("no_such_module.x", ModuleNotFoundError), ("sys.nothing.x", AttributeError)):
        with raises(kind):
            monkeypatch.find_name(name)
    assert monkeypatch.find_name("os.path.join")[1] == "join"


def test_modules():
    with monkeypatch.patched_module("not_there", Thing), monkeypatch.patched_module("nor_this", Thing, soft=True):
        import not_there
        assert not_there is Thing and "nor_this" not in sys.modules
    assert "not_there" not in sys.modules
    import colorsys
    with monkeypatch.cleared_modules(["colorsys", "not_there"]):
        import colorsys as again
        assert again is not colorsys
    assert sys.modules["colorsys"] is colorsys
    with monkeypatch.stored_modules(["colorsys"]):
        del sys.modules["colorsys"]
    assert sys.modules["colorsys"] is colorsys


def test_by_hand():
    log = []

    @contextlib.contextmanager
    def cm():
        yield log.append(1)
        log.append(2)

    it = cm()
    assert monkeypatch.cm_start(it) is None and log == [1]
    monkeypatch.cm_stop(it)
    assert log == [1, 2]


def test_patch_all():
    python("""
        import sys, time
        real_sleep = time.sleep
        from stacklesslib import monkeypatch, app, main
        real = sys.modules["threading"], sys.modules["_thread"]
        monkeypatch.patch_all()
        monkeypatch.patch_all()
        import _thread, threading
        assert threading.__name__ == "stacklesslib.replacements.threading" and threading.real_threading is real[0]
        assert _thread.__name__ == "stacklesslib.replacements.thread" and _thread.real_thread is real[1]
        assert time.sleep is main.sleep and time.real_sleep is real_sleep
        with monkeypatch.Unpatched():
            assert time.sleep is real_sleep
        assert time.sleep is main.sleep
    """)


# ---- magic ----


PROGRAM = """
import sys, threading, time
log = []
def work(n):
    time.sleep(0.001 * (3 - n))
    with lock:
        log.append(n)
lock = threading.Lock()
threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
for t in threads: t.start()
for t in threads: t.join()
print(__name__, sys.argv[1:], sorted(log), threading.active_count(), threading.current_thread() is threading.main_thread())
"""


def magic(*arguments, cwd=None):
    return subprocess.run([sys.executable, "-m", "stacklesslib.magic", *arguments], capture_output=True, text=True, timeout=60, cwd=cwd)


def test_magic(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    for arguments in ([str(tmp_path / "program.py")], ["-m", "program"]):
        done = magic(*arguments, "a", "-b", cwd=tmp_path)
        assert (done.stdout, done.stderr, done.returncode) == ("__main__ ['a', '-b'] [0, 1, 2] 1 True\n", "", 0)


@pytest.mark.parametrize("code, status, err", [
    ("import sys; sys.exit(5)", 5, ""), ("import sys; sys.exit()", 0, ""), ("raise SystemExit('said')", 1, "said"), ("1 / 0", 1, "ZeroDivisionError"),
    ("import stackless\nstackless.current.kill()", 0, ""),
    ("from stacklesslib import main\ntry: 1 / 0\nfinally: assert main.mainloop.exception is None", 1, "ZeroDivisionError"),
])
def test_magic_exit_status(tmp_path, code, status, err):
    (tmp_path / "program.py").write_text(code)
    done = magic(str(tmp_path / "program.py"))
    assert done.returncode == status and err in done.stderr and bool(err) == bool(done.stderr)


def test_magic_usage():
    for arguments in ((), ("-m",)):
        done = magic(*arguments)
        assert done.returncode == 2 and done.stderr.startswith("usage: python -m stacklesslib.magic")


def test_magic_keeps_the_exception():
    python("""
        import sys
        from stacklesslib import magic, main
        with open("/dev/null", "w") as sys.stderr:
            assert magic.run(["-m", "no_such_module_at_all"]) == 1
        assert isinstance(main.mainloop.exception, ImportError)
    """)


# ---- weak references ----


class Target:
    def method(self, *args):
        return (self, *args)


def test_weak_method_proxy():
    target, log = Target(), []
    proxy = weakmethod.WeakMethodProxy(target.method, log.append)
    other, fallback = weakmethod.WeakMethodProxy(target.method), weakmethod.WeakMethodProxy(target.method, None, lambda *a: ("fallback", *a))
    assert proxy(1) == (target, 1) and proxy == other and proxy != weakmethod.WeakMethodProxy(Target().method) and proxy != 1
    with raises(TypeError):
        hash(proxy)
    del target
    gc.collect()
    assert log == [proxy] or log[0] is proxy
    with raises(ReferenceError, "weakly-referenced object no longer exists"):
        proxy()
    assert fallback(2) == ("fallback", 2) and proxy != other
    with raises(TypeError):
        weakmethod.WeakMethod(len)


def test_ref_and_proxy():
    target, log = Target(), []
    method, plain = weakmethod.ref(target.method), weakmethod.ref(target, log.append)
    assert method()() == (target,) and plain() is target
    callable_, proxied = weakmethod.proxy(target.method, fallback=lambda: "gone"), weakmethod.proxy(target)
    assert callable_() == (target,) and proxied.method(1)[1] == 1
    del target
    gc.collect()
    assert method() is None is plain() and log == [plain] and callable_() == "gone"
    with raises(ReferenceError):
        proxied.method
