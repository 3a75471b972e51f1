"""gossamer.telemetry, `gossamer ps` and `gossamer top`: looking into a running program, stuck or not."""
import contextlib
import os
import socket
import stat
import subprocess
import sys
import textwrap

import pytest

import gossamer
import gossamer.telemetry
from gossamer.telemetry import cli
from gossamer.telemetry._protocol import Connection, Unreachable, parse
from gossamer.telemetry._top import Top, amount, span

ENV = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PYTHONIOENCODING="utf-8")


@contextlib.contextmanager
def program(text, path, said="here\n"):
    """A program that serves on path and has come to print('here'); it ends when its standard input does."""
    env = dict(ENV, GOSSAMER_TELEMETRY=str(path))
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(text)], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline().decode() == said
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


PARTS = """
    import ctypes, sys, gossamer, gossamer.sync
    jobs, lock = gossamer.channel(), gossamer.sync.Lock()
    class Special(gossamer.tasklet):
        pass
    def worker():
        jobs.receive()
    def sender():
        gossamer.select([(gossamer.channel(), 1)])
    def locker():
        with lock:
            pass
    def deep(n):
        if n:
            deep(n - 1)
        gossamer.sleep(1000)
    def never():
        gossamer.schedule()
    def say():
        print("here", flush=True)
    lock.acquire()
    a = gossamer.spawn(worker, name="a worker")
    gossamer.spawn(a.join, name="joiner")
    gossamer.spawn(locker, name="tab\\tand \\u20ac")
    gossamer.spawn(sender, name="selects")
    gossamer.spawn(deep, 3, name="deep")
    Special(worker)().name = "special"
"""


@pytest.fixture
def served(tmp_path):
    path = gossamer.telemetry.serve(tmp_path / "s")
    yield path
    gossamer.telemetry.stop()


def when_stuck(connection):
    """The report of a program that has said so, and is about to be."""
    while (report := connection.ask("ps 100 30")).exact:
        pass
    return report


def by_name(report):
    return {t.name: t for t in report.tasklets}


class TestSocket:
    def test_is_for_its_owner_only(self, served):
        assert stat.S_IMODE(os.stat(served).st_mode) == 0o600 and stat.S_ISSOCK(os.stat(served).st_mode)

    def test_default_place(self):
        path = gossamer.telemetry.serve()
        try:
            assert os.path.basename(path) == f"{os.getpid()}.sock" and gossamer.telemetry.path() == path
            folder = os.stat(os.path.dirname(path))
            assert stat.S_IMODE(folder.st_mode) & 0o077 == 0 and folder.st_uid == os.geteuid()
            connection = Connection(os.getpid())
            assert connection.ask("threads").pid == os.getpid()
            connection.close()
        finally:
            gossamer.telemetry.stop()
        assert not os.path.exists(path) and gossamer.telemetry.path() is None

    def test_folder_of_others_is_refused(self, tmp_path, monkeypatch):
        shared = tmp_path / "shared"
        shared.mkdir(mode=0o777)
        shared.chmod(0o777)
        monkeypatch.setattr(gossamer.telemetry, "_folders", lambda uid: [str(shared)])
        with pytest.raises(PermissionError, match="must be a folder that its owner alone can use"):
            gossamer.telemetry.serve()

    def test_once(self, served, tmp_path):
        with pytest.raises(RuntimeError, match="served already"):
            gossamer.telemetry.serve(tmp_path / "other")
        assert gossamer.telemetry.path() == served

    def test_again_after_stop(self, tmp_path):
        for _ in range(3):
            path = gossamer.telemetry.serve(tmp_path / "s")
            assert Connection(path).ask("threads").threads
            gossamer.telemetry.stop()
            gossamer.telemetry.stop()

    def test_too_long(self, tmp_path):
        with pytest.raises(ValueError, match="must be shorter than 108 bytes"):
            gossamer.telemetry.serve(tmp_path / ("x" * 120))

    def test_no_such_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            gossamer.telemetry.serve(tmp_path / "no" / "s")
        assert gossamer.telemetry.path() is None

    def test_other_file_is_left_alone(self, tmp_path):
        (tmp_path / "s").write_text("mine")
        with pytest.raises(OSError):
            gossamer.telemetry.serve(tmp_path / "s")
        assert (tmp_path / "s").read_text() == "mine"

    def test_left_over_is_replaced_but_not_one_in_use(self, tmp_path):
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(str(tmp_path / "s"))
            old.listen()
            with pytest.raises(OSError):
                gossamer.telemetry.serve(tmp_path / "s")
        gossamer.telemetry.serve(tmp_path / "s")
        gossamer.telemetry.stop()

    @pytest.mark.parametrize("request_", ["nonsense\n", "ps\n", "ps x y\n", "no newline", "x" * 200])
    def test_who_talks_nonsense_is_left(self, served, request_):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(served)
            client.sendall(request_.encode())
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(100) == b""
        assert Connection(served).ask("threads").threads

    def test_more_clients_than_it_takes(self, served):
        first = [Connection(served) for _ in range(16)]
        assert all(c.ask("threads").threads for c in first)
        late = Connection(served)
        first[3].close()
        assert late.ask("threads").threads
        for connection in [late, *first]:
            connection.close()

    def test_child_of_fork_does_not_serve(self, served):
        child = os.fork()
        if child == 0:
            gossamer.telemetry.stop()
            os._exit(gossamer.telemetry.path() is not None)
        assert os.waitpid(child, 0)[1] == 0
        assert Connection(served).ask("ps 10 1").exact


class TestReport:
    def test_of_this_process(self, served):
        channel = gossamer.channel()
        t = gossamer.spawn(channel.receive, name="r\n\u20ac")
        gossamer.run()
        connection, found = Connection(served), []
        ask = gossamer.spawn(lambda: found.append(connection.ask("ps 1000 10")), name="asks")
        gossamer.run()
        report = found[0]
        connection.close()
        assert report.exact and report.pid == os.getpid() and not report.incomplete
        mine = by_name(report)[r"r\x0a\u20ac"]
        assert mine.state == "blocked" and f"{id(channel):#x}" in mine.wait
        assert by_name(report)["asks"].state == "running"
        assert "test_of_this_process" in by_name(report)["asks"].frames[-1].function
        assert len(report.threads) == 1 and report.threads[0].name == "MainThread"
        assert sum(report.counts.values()) == len(report.tasklets)
        t.kill()
        del ask

    def test_asking_makes_no_scheduler_and_calls_nobody(self, served):
        calls = []
        gossamer.set_schedule_callback(lambda *args: calls.append(args))
        try:
            assert Connection(served).ask("ps 10 10").exact
        finally:
            gossamer.set_schedule_callback(None)
        assert not calls

    def test_limit(self, served):
        channel = gossamer.channel()
        tasklets = [gossamer.spawn(channel.receive) for _ in range(50)]
        gossamer.run()
        for how in ("ps", "outside"):
            report = Connection(served).ask(f"{how} 10 0")
            assert len(report.tasklets) == 10 and report.more >= 41 and not report.tasklets[0].frames
        for t in tasklets:
            t.kill()

    def test_program_that_yields(self, tmp_path):
        text = PARTS + """
    def forever():
        say()
        while True:
            gossamer.schedule()
    gossamer.spawn(forever)
    gossamer.run()
"""
        with program(text, tmp_path / "s"):
            report = Connection(str(tmp_path / "s")).ask("ps 100 30")
        assert report.exact
        self.check(report, exact=True)

    @pytest.mark.parametrize("stuck", ["ctypes.PyDLL(None).sleep(1000)", "sum(iter(int, 1))"])
    def test_program_that_is_stuck(self, tmp_path, stuck):
        """In a C call that keeps the GIL: the answer is made without."""
        text = PARTS + f"""
    def hog():
        say()
        {stuck}
    gossamer.spawn(hog, name="hog")
    gossamer.run()
"""
        with program(text, tmp_path / "s"):
            connection = Connection(str(tmp_path / "s"))
            for report in (when_stuck(connection), connection.ask("outside 100 30")):
                assert not report.exact and by_name(report)["hog"].state == "running"
                assert by_name(report)["hog"].frames[0].function == "hog"
                self.check(report, exact=False)

    @pytest.mark.parametrize("way", ["slots", "own"])
    def test_stacks_that_have_moved_out(self, tmp_path, way, monkeypatch):
        monkeypatch.setenv("GOSSAMER_STACKS", way)
        monkeypatch.setenv("GOSSAMER_EVICT", "always")
        text = PARTS + """
    def hog():
        say()
        ctypes.PyDLL(None).sleep(1000)
    gossamer.spawn(hog, name="hog")
    gossamer.run()
"""
        with program(text, tmp_path / "s"):
            connection = Connection(str(tmp_path / "s"))
            self.check(when_stuck(connection), exact=False)

    def check(self, report, exact):
        found = by_name(report)
        assert found["a worker"].state == "blocked" and found["deep"].state == "sleeping" and found["main"].state == "paused"
        assert "waits to receive on channel" in found["a worker"].wait
        assert 'waits for the end of "a worker"' in found["joiner"].wait
        assert "waits in select()" in found["selects"].wait
        assert "gossamer.sync.Lock" in found[r"tab\x09and \u20ac"].wait
        assert found["special"].state == "blocked"
        assert [f.function for f in found["deep"].frames] == ["deep"] * 4
        assert [f.line - found["deep"].frames[1].line for f in found["deep"].frames] == [1, 0, 0, 0]
        assert found["a worker"].frames[0][0] == "<string>" and len(found["a worker"].frames) == 1
        assert not report.incomplete and report.threads[0].runnable >= 1

    def test_other_threads_while_they_are_busy(self, served):
        """The world goes on while it is looked at: whatever comes out, it is a report, and nothing breaks."""
        import threading

        ends = threading.Event()

        def busy():
            channel = gossamer.channel()
            while not ends.is_set():
                keep = [gossamer.spawn(channel.receive) for _ in range(20)]
                gossamer.run()
                for t in keep:
                    channel.send(1)
        threads = [threading.Thread(target=busy) for _ in range(2)]
        for thread in threads:
            thread.start()
        connection = Connection(served)
        try:
            for n in range(40):
                assert connection.ask(f"{'outside' if n % 2 else 'ps'} 1000 5").threads
        finally:
            ends.set()
            for thread in threads:
                thread.join()
        connection.close()

    def test_exit_while_somebody_asks(self, tmp_path):
        """The interpreter goes down with a question on its way."""
        text = f"""
            import ctypes, socket, gossamer
            s = socket.socket(socket.AF_UNIX)
            s.connect({str(tmp_path / "s")!r})
            s.sendall(b"ps 10 10\\n")
            ctypes.PyDLL(None).usleep(100000)
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(text)], env=dict(ENV, GOSSAMER_TELEMETRY=str(tmp_path / "s")),
                              capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, "") and not (tmp_path / "s").exists()

    def test_deadlock_is_still_seen(self, tmp_path):
        text = f"""
            import gossamer, threading
            from gossamer.telemetry._protocol import Connection
            print(Connection({str(tmp_path / "s")!r}).ask("ps 10 10").exact)
            try:
                gossamer.channel().receive()
            except gossamer.DeadlockError:
                print("deadlock")
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(text)], env=dict(ENV, GOSSAMER_TELEMETRY=str(tmp_path / "s")),
                              capture_output=True, text=True, timeout=120)
        assert (done.stdout, done.stderr) == ("True\ndeadlock\n", "")


class TestEnvironment:
    def test_bad_value(self):
        done = subprocess.run([sys.executable, "-c", "import gossamer"], env=dict(ENV, GOSSAMER_TELEMETRY="yes"), capture_output=True, text=True)
        assert "GOSSAMER_TELEMETRY is 'yes', but must be 1 or the path of a socket" in done.stderr and done.returncode == 1

    def test_place_that_cannot_be(self, tmp_path):
        done = subprocess.run([sys.executable, "-c", "import gossamer; print('on')"], env=dict(ENV, GOSSAMER_TELEMETRY=f"{tmp_path}/no/s"),
                              capture_output=True, text=True)
        assert done.stdout == "on\n" and done.stderr.startswith("gossamer: GOSSAMER_TELEMETRY: ")

    def test_process_id(self, tmp_path):
        code = "import os, gossamer.telemetry as t; print(t.path().endswith(f'/{os.getpid()}.s'))"
        done = subprocess.run([sys.executable, "-c", code], env=dict(ENV, GOSSAMER_TELEMETRY=f"{tmp_path}/%p.s"), capture_output=True, text=True)
        assert done.stdout == "True\n"


class TestProtocol:
    @pytest.mark.parametrize("lines, text", [
        ([], "not that of a program"),
        (["gossamer\t2\t1\texact"], "speaks version 2"),
        (["gossamer\t1\t1"], "not understood"),
        (["gossamer\t1\t1\texact", "thread\tx"], "not understood"),
        (["gossamer\t1\tx\texact"], "invalid literal"),
    ])
    def test_damaged(self, lines, text):
        with pytest.raises(ValueError, match=text):
            parse(iter(lines))

    def test_frames(self):
        report = parse(iter(["gossamer\t1\t5\toutside", "tasklet\t0x1\tn\t5\tready\t", '  File "a b", line 3 in f', "  ???"]))
        assert report.tasklets[0].frames == [("a b", 3, "f"), None] and report.counts == {"ready": 1}

    def test_no_such_process(self):
        with pytest.raises(Unreachable, match="there is no process"):
            Connection(1 << 30)

    def test_process_that_does_not_serve(self):
        with pytest.raises(Unreachable, match="does not serve telemetry: start it with GOSSAMER_TELEMETRY=1"):
            Connection(os.getpid())

    def test_left_over(self, tmp_path):
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(str(tmp_path / "s"))
        with pytest.raises(Unreachable, match="left behind by a process that has ended"):
            Connection(str(tmp_path / "s"))

    def test_process_that_ends(self, tmp_path):
        path = gossamer.telemetry.serve(tmp_path / "s")
        connection = Connection(path)
        connection.ask("threads")
        gossamer.telemetry.stop()
        with pytest.raises(Unreachable, match="has ended, or serves no longer|does not answer"):
            connection.ask("threads")


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "gossamer", *arguments], env=ENV, capture_output=True, text=True, timeout=120)


class TestCommands:
    def test_ps(self, tmp_path):
        text = PARTS + """
    def hog():
        say()
        ctypes.PyDLL(None).sleep(1000)
    gossamer.spawn(hog, name="hog")
    gossamer.run()
"""
        with program(text, tmp_path / "s") as process:
            when_stuck(Connection(str(tmp_path / "s")))
            done = command("ps", "--socket", str(tmp_path / "s"), "--limit", "3")
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and done.stderr == ""
        assert lines[0].startswith(f"process {process.pid}: 8 tasklets (")
        assert "this is what could be seen from outside" in lines[1]
        assert "and 5 more (--limit shows more of them)" in lines

    def test_listing_shows_source_outermost_first(self):
        report = parse(iter(["gossamer\t1\t5\texact", "thread\tab\tx\t1\t2\t0\t0\t0\t0\t1", "name\tab\tMainThread",
                             "tasklet\t0x1\tn\tab\trunning\twaits for x", f'  File "{__file__}", line 1 in g', '  File "no", line 2 in f',
                             "incomplete\tbusy"]))
        assert cli.listing(report).splitlines()[1:] == [
            'MainThread: runs "x", 1 runnable, 2 switches, has the GIL', "", 'tasklet "n" (running, MainThread) waits for x',
            '    File "no", line 2, in f', f'    File "{__file__}", line 1, in g', "      " + __doc__.join(['"""'] * 2),
            "", "Some may be missing: busy."]

    @pytest.mark.parametrize("name", ["ps", "top"])
    @pytest.mark.parametrize("arguments, text, status", [
        ([], "give the id of a process, or --socket PATH", 2),
        (["x"], "a process id is a positive number, not 'x'", 2),
        (["0"], "a process id is a positive number, not '0'", 2),
        (["1", "--socket", "x"], "give the id of a process, or --socket PATH", 2),
        (["--socket", "/nowhere/x"], "'/nowhere/x': No such file or directory", 1),
        (["1073741824"], "there is no process 1073741824", 1),
    ])
    def test_errors(self, name, arguments, text, status, capsys):
        from gossamer.__main__ import main

        try:
            result = main([name, *arguments])
        except SystemExit as end:
            result = end.code
        assert result == status and f"gossamer {name}: {text}" in capsys.readouterr().err

    @pytest.mark.parametrize("arguments, text", [
        (["top", "--interval", "0", "1"], "--interval needs seconds, from 0.05 to 3600, not '0'"),
        (["top", "--interval", "x", "1"], "--interval needs seconds"),
        (["ps", "--limit", "0", "1"], "--limit needs a positive number, not '0'"),
        (["ps", "--frames", "x", "1"], "--frames needs a positive number, not 'x'"),
    ])
    def test_bad_numbers(self, arguments, text, capsys):
        from gossamer.__main__ import main

        with pytest.raises(SystemExit):
            main(arguments)
        assert text in capsys.readouterr().err

    def test_top_once(self, tmp_path):
        text = PARTS + """
    def busy():
        say()
        while True:
            gossamer.schedule()
    gossamer.spawn(busy, name="the hog")
    gossamer.spawn(busy, name="the other hog").kill()
    gossamer.run()
"""
        with program(text, tmp_path / "s") as process:
            done = command("top", "--once", "--interval", "0.2", "--socket", str(tmp_path / "s"))
        assert done.returncode == 0 and done.stderr == ""
        assert f"gossamer top   {process.pid}" in done.stdout
        assert "the hog" in done.stdout and "longest waiters: seen waiting" in done.stdout and "a worker" in done.stdout

    def test_waiters_are_remembered(self):
        top = Top(None, 1)
        lines = ["gossamer\t1\t5\texact", "tasklet\t0x1\tn\tab\tblocked\tc", "tasklet\t0x2\tm\tab\tblocked\tc", "tasklet\t0x3\tr\tab\tready\t"]
        assert [row[:2] for row in top._waiters(parse(iter(lines)), 10)] == [(0, "n"), (0, "m")]
        lines[1] = lines[1].replace("\tc", "\td")  # it waits for something else now
        assert [row[:2] for row in top._waiters(parse(iter(lines)), 13)] == [(3, "m"), (0, "n")]

    def test_picture_fits(self):
        top = Top(None, 1)
        report = parse(iter(["gossamer\t1\t5\texact", "thread\tab\tx\t1\t2\t0\t0\t0\t0\t1", *(
            f"tasklet\t{n:#x}\tn{n}\tab\tblocked\t{'long ' * 50}" for n in range(100))]))
        lines = top.lines(report, {"ab": {"x": 3, "": 1}}, 4, 1.0, 80, 24, False)
        assert len(lines) <= 24 and max(map(len, lines)) <= 100 and any("75 %" in line for line in lines)

    @pytest.mark.parametrize("value, text", [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB")])
    def test_amount(self, value, text):
        assert amount(value) == text

    @pytest.mark.parametrize("value, text", [(1.26, "1.3 s"), (61, "1:01"), (3723, "1:02:03")])
    def test_span(self, value, text):
        assert span(value) == text
