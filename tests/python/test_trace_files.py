"""What the recorder writes: rings and files, Perfetto's format by an independent reader, speedscope's, damaged files, the command."""

import json
import os
import random
import subprocess
import sys
import threading

import pytest

import gossamer
import gossamer.sync
from gossamer import trace
from gossamer.trace.reader import Timeline, Trace

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)


@pytest.fixture(autouse=True)
def nothing_goes_on():
    yield
    if trace.stats()["on"]:
        trace.stop()


@pytest.fixture
def perfetto():
    pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2", reason="PyPI's package perfetto is not installed")
    import perfetto_reader

    return perfetto_reader.Reader


def busy_program(rounds=20):
    """A little of everything."""
    jobs, done = gossamer.channel(), gossamer.BufferedChannel(4)
    lock, condition, items = gossamer.sync.Lock(), gossamer.sync.Condition(), []

    def producer():
        for i in range(rounds):
            with trace.zone("make"):
                jobs.send(i)
            with condition:
                items.append(i)
                condition.notify()
            trace.counter("made", i)

    def worker():
        for job in jobs:
            with trace.zone("work"), lock:
                gossamer.schedule()
                with trace.zone("inner"):
                    done.send(job)

    def consumer():
        for _ in range(rounds):
            with condition:
                while not items:
                    condition.wait()
                items.pop()
            done.receive()
        trace.message("consumed")

    trace.label(jobs, "jobs")
    workers = [gossamer.spawn(worker, name=f"worker {i}") for i in range(3)]
    gossamer.spawn(producer)
    gossamer.spawn(consumer)
    gossamer.run()
    gossamer.sleep(0.001)
    for t in workers:
        t.kill()


def on_threads(program):
    threads = [threading.Thread(target=program, name=f"thread {i}") for i in range(2)]
    for thread in threads:
        thread.start()
    program()
    for thread in threads:
        thread.join()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "busy.gostrace"
    trace.start(path)
    on_threads(busy_program)
    trace.stop()
    return path


def switch_storm(switches):
    def work():
        for _ in range(switches // 2):
            gossamer.schedule()

    gossamer.spawn(work)
    gossamer.spawn(work)
    gossamer.run()


class TestRings:
    def test_the_latest_are_kept(self, tmp_path):
        trace.start(events=1024)
        switch_storm(5000)
        figures = trace.stats()
        trace.save(tmp_path / "a.gostrace")
        trace.stop()
        saved = Trace(tmp_path / "a.gostrace")
        assert saved.complete and len(saved) <= 1024 and len(saved) + saved.lost >= figures["events"] > 5000
        timeline = Timeline(saved)
        moved = sum(event.kind in ("evict", "restore") for event in saved)  # many, where each switch moves stacks
        assert timeline.switches > (1000 - moved) // 2
        assert {tasklet.name for tasklet in timeline.tasklets if tasklet.spans} == {"main", "switch_storm.<locals>.work"}

    def test_saved_after_the_end_too(self, tmp_path):
        trace.start()
        switch_storm(10)
        trace.stop()
        trace.save(tmp_path / "a.gostrace")
        assert Timeline(Trace(tmp_path / "a.gostrace")).switches >= 10

    def test_a_file_gets_all_of_them(self, tmp_path):
        trace.start(tmp_path / "a.gostrace", events=1024)
        switch_storm(50_000)
        figures = trace.stop()
        file = Trace(tmp_path / "a.gostrace")
        assert (file.lost, figures["lost"], len(file)) == (0, 0, figures["events"])
        assert Timeline(file).switches >= 50_000

    def test_or_says_how_many_it_lacks(self, tmp_path):
        trace.start(tmp_path / "a.gostrace", events=1024, drop=True)
        switch_storm(50_000)
        figures = trace.stop()
        file = Trace(tmp_path / "a.gostrace")
        assert len(file) == figures["events"]
        assert file.lost == figures["lost"] and figures["events"] + figures["lost"] > 50_000

    def test_limit(self, tmp_path):
        trace.start(tmp_path / "a.gostrace", events=1024, limit=100_000)
        switch_storm(50_000)
        trace.stop()
        assert 100_000 <= os.path.getsize(tmp_path / "a.gostrace") < 100_000 + 64 * 1024
        assert Timeline(Trace(tmp_path / "a.gostrace")).switches > 1000

    def test_threads_that_have_ended(self, tmp_path):
        trace.start(tmp_path / "a.gostrace")
        for i in range(40):
            thread = threading.Thread(target=switch_storm, args=(10,), name=f"n{i}")
            thread.start()
            thread.join()
        trace.stop()
        timeline = Timeline(Trace(tmp_path / "a.gostrace"))
        assert [thread.name for thread in timeline.threads if thread.name.startswith("n")] == [f"n{i}" for i in range(40)]
        assert timeline.switches >= 400 and timeline.trace.lost == 0

    def test_bounded_with_threads_that_have_ended(self, tmp_path):
        trace.start(events=1024)
        for _ in range(40):
            thread = threading.Thread(target=switch_storm, args=(10,))
            thread.start()
            thread.join()
        figures = trace.stats()
        trace.save(tmp_path / "a.gostrace")
        trace.stop()
        file = Trace(tmp_path / "a.gostrace")
        assert sum(thread.recorded > 0 for thread in file.threads) <= 18
        assert file.lost > 0 and len(file) + file.lost >= figures["events"]

    def test_one_after_the_other(self, tmp_path):
        for i in range(3):
            trace.start(tmp_path / f"{i}.gostrace", events=1024 << i)
            with trace.zone(f"zone {i}"):
                switch_storm(10)
            trace.stop()
            timeline = Timeline(Trace(tmp_path / f"{i}.gostrace"))
            assert [zone.name for tasklet in timeline.tasklets for zone in tasklet.zones] == [f"zone {i}"]

    def test_a_child_of_fork_does_not_record(self, tmp_path):
        trace.start(tmp_path / "a.gostrace")
        switch_storm(10)
        child = os.fork()
        if not child:
            status = 1
            try:
                switch_storm(10)
                if not trace.stats()["on"]:
                    trace.start(tmp_path / "child.gostrace")
                    switch_storm(100)
                    trace.stop()
                    status = 0 if Timeline(Trace(tmp_path / "child.gostrace")).switches >= 100 else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        switch_storm(10)
        trace.stop()
        timeline = Timeline(Trace(tmp_path / "a.gostrace"))
        assert timeline.trace.complete and 20 <= timeline.switches < 100

    def test_a_process_that_is_killed_leaves_a_good_file(self, tmp_path):
        program = """if True:
            import os, sys, time, gossamer, gossamer.trace
            gossamer.trace.start(sys.argv[1], events=1024)
            def work():
                for _ in range(10000):
                    gossamer.schedule()
            gossamer.spawn(work); gossamer.spawn(work)
            gossamer.run()
            os.kill(os.getpid(), 9)
        """
        path = tmp_path / "a.gostrace"
        assert subprocess.run([sys.executable, "-c", program, path], timeout=100).returncode == -9
        file = Trace(path)
        assert not file.complete and Timeline(file).switches > 10_000
        trace.convert(path, tmp_path / "a.pftrace")


class TestErrors:
    def test_twice(self, tmp_path):
        trace.start()
        with pytest.raises(RuntimeError, match="a trace is being recorded already"):
            trace.start()
        with pytest.raises(RuntimeError, match="a trace is being recorded already"):
            trace.start(tmp_path / "x.pftrace")
        assert os.listdir(tmp_path) == []

    def test_not_at_all(self, tmp_path):
        with pytest.raises(RuntimeError, match="no trace is being recorded"):
            trace.stop()

    def test_save_of_one_that_has_a_file(self, tmp_path):
        trace.start(tmp_path / "a.gostrace")
        with pytest.raises(RuntimeError, match="no trace is being recorded"):
            trace.save(tmp_path / "b.gostrace")

    @pytest.mark.parametrize("name", ["no/such/a.gostrace", "no/such/a.pftrace", "."])
    def test_file_that_cannot_be_made(self, tmp_path, name):
        with pytest.raises(OSError):
            trace.start(tmp_path / name)
        assert not trace.stats()["on"]
        trace.start()
        with pytest.raises(OSError):
            trace.save(tmp_path / name)

    def test_file_that_gets_too_large(self, tmp_path):
        program = """if True:
            import resource, sys, gossamer, gossamer.trace
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            gossamer.trace.start(sys.argv[1], events=1024)
            def work():
                for _ in range(10000):
                    gossamer.schedule()
            gossamer.spawn(work); gossamer.spawn(work)
            gossamer.run()
            try:
                gossamer.trace.stop()
            except OSError as error:
                print(error.strerror)
            gossamer.trace.start()
            gossamer.trace.stop()
        """
        done = subprocess.run([sys.executable, "-c", program, tmp_path / "a.gostrace"], capture_output=True, text=True, timeout=100)
        assert (done.returncode, done.stdout, done.stderr) == (0, "File too large\n", "")
        assert Timeline(Trace(tmp_path / "a.gostrace")).switches > 1000

    @pytest.mark.parametrize("options", [dict(events=0), dict(limit=-1)])
    def test_options(self, options):
        with pytest.raises(ValueError):
            trace.start(**options)

    def test_convert(self, tmp_path, recorded):
        with pytest.raises(OSError):
            trace.convert(tmp_path / "none", tmp_path / "a.pftrace")
        with pytest.raises(OSError):
            trace.convert(recorded, tmp_path / "no" / "a.pftrace")
        with pytest.raises(ValueError, match="should end in"):
            trace.convert(recorded, tmp_path / "a.txt")
        (tmp_path / "other").write_text("this is something else, but long enough")
        with pytest.raises(ValueError, match="does not begin like"):
            trace.convert(tmp_path / "other", tmp_path / "a.pftrace")


class TestPerfetto:
    def test_independent_reader_agrees(self, tmp_path, recorded, perfetto):
        trace.convert(recorded, tmp_path / "a.pftrace")
        ours, theirs = Timeline(Trace(recorded)), perfetto(tmp_path / "a.pftrace")
        # Threads: who ran when.
        for thread, track in zip(sorted(t.name for t in ours.threads), sorted(t.name for t in theirs.threads())):
            assert thread == track
        for thread in ours.threads:
            (track,) = [t for t in theirs.threads() if t.name == thread.name]
            runs = [(s.tasklet.name, s.begin) for s in thread.runs if s.state == "running"]
            slices = sorted((s.begin, i, s.name) for i, s in enumerate(track.slices) if s.name not in ("idle", "gc 0", "gc 1", "gc 2"))
            assert abs(len(runs) - len(slices)) <= 1
            shown = [name for _, _, name in slices]
            assert shown[-len(runs) + 1 :] == [name for name, _ in runs][-len(shown) + 1 :] or set(shown) == {name for name, _ in runs}
        # Tasklets: their zones and waits.
        zones = sorted((t.name, zone.name) for t in ours.tasklets for zone in t.zones)
        assert sorted((s.track.name, s.name) for t in theirs.tracks.values() for s in t.slices if s.name in ("make", "work", "inner")) == zones
        waits = sum(s.state == "waiting" and s.why == "receive" for t in ours.tasklets for s in t.spans)
        assert sum(s.name.startswith("receive") for t in theirs.tracks.values() for s in t.slices) == waits
        # An arrow from each waker to the woken.
        arrows = sorted((begin[0].name, end[0].name) for begin, end in theirs.arrows() if end[2] == "runnable")
        assert arrows == sorted((wake.waker.name, wake.woken.name) for wake in ours.wakes if wake.waker)
        assert sorted(v for track in theirs.find("made") for _, v in track.values) == sorted(v for _, v in ours.counters["made"])
        assert sum(i.name == "consumed" for t in theirs.tracks.values() for i in t.instants) == 3

    def test_tasklets_are_below_their_thread(self, tmp_path, recorded, perfetto):
        trace.convert(recorded, tmp_path / "a.pftrace")
        theirs = perfetto(tmp_path / "a.pftrace")
        for track in theirs.find("worker 0"):
            assert theirs.tracks[track.parent].is_thread and theirs.tracks[theirs.tracks[track.parent].parent].is_process

    def test_values_go_from_sender_to_receiver(self, tmp_path, perfetto):
        channel, kept = gossamer.channel(), gossamer.BufferedChannel(2)
        trace.start(tmp_path / "a.pftrace")
        gossamer.spawn(channel.receive, name="receiver")
        gossamer.schedule()
        channel.send(1)
        gossamer.spawn(channel.send, 2, name="sender")
        gossamer.schedule()
        channel.receive()
        gossamer.run()
        gossamer.spawn(kept.send_sequence, range(3), name="filler")
        gossamer.schedule()
        for _ in range(3):
            kept.receive()
        gossamer.run()
        trace.stop()
        theirs = perfetto(tmp_path / "a.pftrace")
        arrows = {(begin[0].name, end[0].name, begin[2], end[2]) for begin, end in theirs.arrows()}
        assert ("main", "receiver", "send", "runnable") in arrows
        assert ("sender", "main", "send", "take") in arrows
        assert ("filler", "main", "send", "take") in arrows and ("filler", "main", "runnable", "take") in arrows

    def test_of_a_part_of_a_recording(self, tmp_path, perfetto):
        trace.start(events=1024)
        busy_program(200)
        trace.save(tmp_path / "a.pftrace")
        trace.stop()
        assert perfetto(tmp_path / "a.pftrace").events > 500

    def test_size(self, tmp_path, recorded, perfetto):
        trace.convert(recorded, tmp_path / "a.pftrace")
        theirs = perfetto(tmp_path / "a.pftrace")
        trace.start(tmp_path / "b.pftrace")
        switch_storm(20_000)
        trace.stop()
        storm = perfetto(tmp_path / "b.pftrace")
        assert storm.size / storm.events <= 17
        assert theirs.size / theirs.events <= 22


class TestSpeedscope:
    def test_slices_nest(self, tmp_path, recorded):
        trace.convert(recorded, tmp_path / "a.json")
        document = json.loads((tmp_path / "a.json").read_text())
        assert document["$schema"] == "https://www.speedscope.app/file-format-schema.json"
        frames = [frame["name"] for frame in document["shared"]["frames"]]
        names = [profile["name"] for profile in document["profiles"]]
        assert names.count("worker 0") == 3 and sum(name.startswith("thread ") for name in names) == 3
        for profile in document["profiles"]:
            open_frames, at = [], profile["startValue"]
            for event in profile["events"]:
                assert event["at"] >= at
                at = event["at"]
                if event["type"] == "O":
                    open_frames.append(event["frame"])
                else:
                    assert event["type"] == "C" and open_frames.pop() == event["frame"]
            assert not open_frames and at <= profile["endValue"]
        assert {"make", "work", "inner", "(receive jobs)", "(idle)"} <= set(frames)


def damaged(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 3, 20])):
        kind, at = rng.randrange(5), rng.randrange(len(data))
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            at &= ~7
            data[at : at + 8] = rng.choice([0, 1, 2**64 - 1, 2**63, 2**32, 5]).to_bytes(8, "little")
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + rng.randrange(64)]
        else:
            data[at:at] = data[: rng.randrange(200)]
        if not data:
            break
    return bytes(data)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "small.gostrace"
    trace.start(path)
    busy_program(3)
    trace.stop()
    return path.read_bytes()


class TestDamagedFiles:
    @pytest.mark.parametrize("seed", range(6))
    def test_both_readers_survive_and_agree(self, tmp_path, small, seed, perfetto):
        rng, path, output = random.Random(seed), tmp_path / "a.gostrace", tmp_path / "a.pftrace"
        refused = 0
        for _ in range(50):
            path.write_bytes(damaged(small, rng))
            try:
                timeline = Timeline(Trace(path))
            except ValueError as error:
                refused += 1
                if "JSON" not in str(error):  # the converter takes little of that
                    with pytest.raises(ValueError):
                        trace.convert(path, output)
                continue
            trace.convert(path, output)
            theirs = perfetto(output)
            assert theirs.events or not timeline.switches
        assert 0 < refused < 50

    @pytest.mark.parametrize("length", [0, 1, 15, 16, 31, 32])
    def test_short(self, tmp_path, small, length):
        path = tmp_path / "a.gostrace"
        path.write_bytes(small[:length])
        if length < 16:
            with pytest.raises(ValueError, match="too short"):
                Trace(path)
            with pytest.raises(ValueError, match="too short"):
                trace.convert(path, tmp_path / "a.pftrace")
        else:
            assert len(Trace(path)) == 0
            trace.convert(path, tmp_path / "a.pftrace")


PROGRAM = """
import sys, gossamer
def work():
    for _ in range(5):
        gossamer.schedule()
for _ in range(2):
    gossamer.spawn(work)
gossamer.run()
print(*sys.argv[1:])
sys.exit(3)
"""


def command(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "gossamer", "trace", *map(str, arguments)],
        capture_output=True, text=True, timeout=110, cwd=cwd, env=dict(os.environ, **environment),
    )  # fmt: skip


class TestCommand:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "program.py").write_text(PROGRAM)
        return tmp_path

    def test_runs_and_reports(self, folder, perfetto):
        done = command("-o", "out.pftrace", "program.py", "-o", "x", cwd=folder)
        assert (done.returncode, done.stdout) == (3, "-o x\n")
        assert "switches" in done.stderr and "Longest runs" in done.stderr and "out.pftrace" in done.stderr
        assert sorted(os.listdir(folder)) == ["out.pftrace", "program.py"]
        theirs = perfetto(folder / "out.pftrace")
        assert len(theirs.find("work")) == 2 and len(theirs.find("program.py")) == 1

    def test_module_latest_quiet(self, folder):
        done = command("--quiet", "--latest", "2000", "-o", "out.gostrace", "-m", "program", cwd=folder)
        assert (done.returncode, done.stderr) == (3, "")
        assert Timeline(Trace(folder / "out.gostrace")).switches >= 10
        shown = command("--summary", "out.gostrace", cwd=folder)
        assert shown.returncode == 0 and "switches" in shown.stdout
        assert command("--convert", "out.gostrace", "out.json", cwd=folder).returncode == 0
        assert json.loads((folder / "out.json").read_text())["profiles"]

    def test_a_program_with_an_error_is_traced_too(self, folder):
        (folder / "bad.py").write_text("import gossamer\ngossamer.spawn(lambda: 1 / 0)\ngossamer.run()\n")
        done = command("bad.py", cwd=folder)
        assert done.returncode == 1 and "ZeroDivisionError" in done.stderr and "switches" in done.stderr
        assert os.path.exists(folder / "gossamer.pftrace")

    @pytest.mark.parametrize("arguments, hint", [
        ((), "what shall be traced?"), (("--latest", "x", "program.py"), "positive number"), (("--limit", "0", "program.py"), "positive number"),
        (("-o", "no/such/x.pftrace", "program.py"), "No such file"), (("--frobnicate", "program.py"), "--frobnicate"),
    ])  # fmt: skip
    def test_mistakes(self, folder, arguments, hint):
        done = command(*arguments, cwd=folder)
        assert done.returncode == 2 and hint in done.stderr and "Traceback" not in done.stderr

    @pytest.mark.parametrize("arguments", [("--summary", "none"), ("--convert", "none", "x.pftrace"), ("--summary", "program.py"),
                                           ("--convert", "program.py", "x.pftrace")])  # fmt: skip
    def test_files_that_are_none(self, folder, arguments):
        done = command(*arguments, cwd=folder)
        assert done.returncode == 1 and "gossamer trace: " in done.stderr and "Traceback" not in done.stderr

    def test_environment_variable(self, folder):
        done = subprocess.run([sys.executable, "program.py"], capture_output=True, text=True, timeout=100, cwd=folder,
                              env=dict(os.environ, GOSSAMER_TRACE="run.gostrace"))  # fmt: skip
        assert (done.returncode, done.stderr) == (3, "")
        assert Timeline(Trace(folder / "run.gostrace")).switches >= 10
