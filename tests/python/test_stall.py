"""on_stall(after_ms, callback): who hogs the thread? A report at once, without the GIL, and a callback when it is free."""
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import gossamer
from hogs import end, end_all, in_new_thread
from helpers import python


def start(program):
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PYTHONIOENCODING="utf-8")
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], env=env, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    gossamer.on_stall(None)
    end_all()


@pytest.fixture(params=["main thread", "other thread"])
def somewhere(request):
    return (lambda f: f()) if request.param == "main thread" else in_new_thread


class TestCallback:
    """Who is to be reported sets the limit itself: on a loaded machine it might be reached before that tasklet runs at all."""

    def test_names_the_tasklet(self, somewhere):
        def body():
            seen = []

            def hog():
                gossamer.on_stall(5, lambda *args: seen.append((*args, threading.get_ident())), dump=False)
                while not seen:
                    pass
                gossamer.on_stall(None)
            t = gossamer.spawn(hog, name="hog")
            gossamer.run()
            (tasklet, ms, thread), = seen
            assert tasklet is t and ms >= 5 and thread != threading.get_ident()
        somewhere(body)

    def test_once_for_each_stall(self):
        seen = []

        def hog(n):
            if n == 1:
                gossamer.on_stall(5, lambda t, ms: seen.append(t), dump=False)
            while len(seen) < n:
                pass
            gossamer.sleep(0)
            for _ in range(20):
                gossamer.schedule()
        ts = [gossamer.spawn(hog, n) for n in (1, 2, 3)]
        gossamer.run()
        assert seen[:3] == ts

    def test_main_can_be_the_hog(self):
        seen = []
        t = gossamer.spawn(lambda: None)
        gossamer.on_stall(5, lambda t, ms: seen.append(t), dump=False)
        while not seen:
            pass
        assert seen == [gossamer.main] and t.alive

    def test_nobody_waits(self):
        """Main alone keeps nobody waiting, and a thread that sleeps is no stall."""
        seen = []
        t = gossamer.spawn(gossamer.sleep, 0.05)
        gossamer.schedule()
        gossamer.on_stall(10, lambda t, ms: seen.append(t), dump=False)
        gossamer.run()
        gossamer.sleep(0.03)
        end_at = time.monotonic() + 0.03
        while time.monotonic() < end_at:
            pass
        gossamer.on_stall(None)
        assert seen == [] and not t.alive

    def test_hog_that_has_switched_meanwhile(self):
        """The callback is about the tasklet that has stalled, not about whoever runs when the GIL is free at last."""
        process = start("""
            import ctypes, gossamer
            read = ctypes.PyDLL(None).read          # keeps the GIL, until the test has seen the report
            seen = []
            def hog():
                gossamer.on_stall(20, lambda t, ms: seen.append(t.name))
                read(0, ctypes.create_string_buffer(1), 1)
            def following():
                while not seen: pass
            gossamer.spawn(hog, name="hog")
            gossamer.spawn(following, name="following")
            gossamer.run()
            print(seen[0])
            """)
        assert b"tasklet hog has not switched" in process.stderr.readline()
        out, _ = process.communicate(b"x", timeout=60)
        assert out == b"hog\n"

    def test_errors_are_unraisable(self):
        seen = []

        def hook(args):
            seen.append((args.exc_type, args.object))

        def callback(t, ms):
            raise KeyError("x")

        def hog():
            while not seen:
                pass
        old, sys.unraisablehook = sys.unraisablehook, hook
        try:
            gossamer.spawn(hog)
            gossamer.on_stall(5, callback, dump=False)
            gossamer.run()
        finally:
            sys.unraisablehook = old
        assert seen[0] == (KeyError, callback)

    def test_may_look_at_the_tasklet(self):
        seen = []

        def hog():
            gossamer.on_stall(5, callback, dump=False)
            while not seen:
                pass

        def callback(t, ms):
            seen.append((t.state, [f.name for f in t.stack()], gossamer.format_tasklets([t])))
        gossamer.spawn(hog, name="the hog")
        gossamer.run()
        state, stack, text = seen[0]
        assert stack == ["hog"] and "the hog" in text

    def test_replaced(self):
        seen = []

        def hog():
            while not seen:
                pass
        t = gossamer.spawn(hog)
        gossamer.on_stall(10**6, lambda *_: seen.append("first"), dump=False)
        gossamer.on_stall(5, lambda *_: seen.append("second"), dump=False)
        gossamer.run()
        assert seen == ["second"] and not t.alive

    def test_several_threads(self):
        def body():
            seen = []

            def hog():
                gossamer.on_stall(5, lambda t, ms: seen.append(t), dump=False)
                while not seen:
                    pass
            t = gossamer.spawn(hog)
            gossamer.run()
            return seen == [t]
        out = []
        ths = [threading.Thread(target=lambda: out.append(body())) for _ in range(4)]
        for th in ths:
            th.start()
        for th in ths:
            th.join(100)
        assert out == [True] * 4


class TestReport:
    HOG = """
        import ctypes, gossamer, os
        read = ctypes.PyDLL(None).read
        def innermost():
            gossamer.on_stall(10{more}); read(0, ctypes.create_string_buffer(1), 1)   # holds the GIL until the test writes
        def outer():
            innermost()
        gossamer.spawn(outer, name="h\\u00f6g \\u20ac")
        called = []
        gossamer.run()
        while {waits} and not called: pass
        print("done")
        """

    def run(self, more="", waits=False):
        """The report, which must come while the GIL is held; and what the program says when it goes on."""
        process = start(self.HOG.format(more=more, waits=waits))
        lines = []
        while not lines or "outer" not in lines[-1]:
            line = process.stderr.readline().decode("ascii")
            assert line, "".join(lines)
            lines.append(line)
        out, err = process.communicate(b"x", timeout=60)
        assert process.returncode == 0, err
        return lines, out.decode(), err.decode()

    def test_comes_while_the_gil_is_held(self):
        lines, out, err = self.run()
        assert "tasklet h\\xf6g \\u20ac has not switched for" in lines[0]
        assert [line.strip() for line in lines[1:]] == ['File "<string>", line 5 in innermost', 'File "<string>", line 7 in outer']
        assert out == "done\n" and err == ""

    def test_callback_comes_afterwards(self):
        lines, out, err = self.run(", lambda t, ms: called.append(print(t.name))", waits=True)
        assert sorted(out.split("\n")) == ["", "done", "h\u00f6g \u20ac"]

    def test_names(self):
        """A tasklet without a name, one with a default name, and main."""
        done = python("""
            import gossamer
            def hog():
                seen = []
                gossamer.on_stall(10, lambda *args: seen.append(args))
                while not seen: pass
                gossamer.on_stall(None)
            t = gossamer.tasklet(hog)()
            gossamer.run()
            u = gossamer.tasklet(hog)()
            print(u.name)
            gossamer.run()
            gossamer.tasklet(hog)()
            hog()
            """)
        heads = [line for line in done.stderr.splitlines() if line.startswith("gossamer:")]
        assert len(heads) == 3, done.stderr
        assert "tasklet at 0x" in heads[0] and f"tasklet {done.stdout.strip()} has" in heads[1] and "tasklet main has" in heads[2]
        assert " in hog" in done.stderr and " in <module>" in done.stderr

    def test_deep(self):
        """Forty frames are enough for a report."""
        done = python("""
            import gossamer
            seen = []
            def hog(n):
                if n: return hog(n - 1)
                gossamer.on_stall(10, lambda *args: seen.append(args))
                while not seen: pass
            gossamer.spawn(hog, 300)
            gossamer.run()
            gossamer.on_stall(None)
            """)
        lines = done.stderr.splitlines()
        assert len(lines) == 42 and lines[-1] == "  ..." and all(" in hog" in line for line in lines[1:-1])

    def test_under_fire(self):
        """Frames that change all the time are read from outside, again and again: no crash, and lines that can be read."""
        done = python("""
            import gossamer
            seen = []
            def f(n):
                return f(n - 1) + len([0] * n) if n else 0
            def hog(n):
                while len(seen) <= n:
                    f(30)
            for n in range(100):
                gossamer.spawn(hog, n)
            gossamer.on_stall(1, lambda *args: seen.append(args))
            gossamer.run()
            print("alive")
            """)
        assert done.stdout == "alive\n"
        assert done.stderr.count("gossamer: tasklet") >= 100

    def test_no_descriptors_left(self):
        done = python("""
            import gossamer, resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
            seen = []
            def hog():
                while not seen: pass
            gossamer.spawn(hog)
            gossamer.on_stall(20, lambda *args: seen.append(args))
            gossamer.run()
            """)
        assert "no file descriptors left" in done.stderr

    def test_closed_stderr(self):
        done = python("""
            import gossamer, os
            os.close(2)
            seen = []
            def hog():
                while not seen: pass
            gossamer.spawn(hog)
            gossamer.on_stall(5, lambda t, ms: seen.append(1))
            gossamer.run()
            print("alive")
            """)
        assert done.stdout == "alive\n"

    def test_after_fork(self):
        done = python("""
            import gossamer, os, warnings
            warnings.simplefilter("ignore", DeprecationWarning)
            seen = []
            def hog():
                while not seen: pass
            gossamer.on_stall(5, lambda t, ms: seen.append(1), dump=False)
            gossamer.spawn(hog)
            pid = os.fork()
            gossamer.run()
            if pid:
                _, status = os.waitpid(pid, 0)
                print(status)
            """)
        assert done.stdout == "0\n" and done.stderr == ""


class TestArguments:
    @pytest.mark.parametrize("args", [("x",), (5, 5), (5, "x"), (), (5, None, True, 1)])
    def test_type(self, args):
        with pytest.raises(TypeError):
            gossamer.on_stall(*args)

    def test_value(self):
        with pytest.raises(ValueError) as e:
            gossamer.on_stall(-1)
        assert str(e.value) == "after_ms must not be negative"

    @pytest.mark.parametrize("off", [None, 0, 0.0])
    def test_off(self, off):
        log = []
        gossamer.on_stall(5, log.append, dump=False)
        assert gossamer.on_stall(off) is None

    @pytest.mark.parametrize("late", [10**9, 1e30, float("inf")])
    def test_late(self, late):
        log = []
        gossamer.on_stall(late, log.append, dump=False)
        t = gossamer.spawn(lambda: None)
        gossamer.run()
        assert not t.alive and log == []
        end([t])
