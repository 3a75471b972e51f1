"""gossamer trace view and svg: the reader of our Perfetto files, the page in a browser, the drawing."""
import html
import json
import os
import random
import re
import shutil
import subprocess
import xml.etree.ElementTree

import pytest

import gossamer
import gossamer.sync
from gossamer import trace
from gossamer.__main__ import main
from gossamer.trace import _pftrace, _svg, _view


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A trace whose truth is known: 30 values over a channel, a zone for each, a counter, a message, a lock."""
    path = tmp_path_factory.mktemp("trace") / "run.pftrace"
    jobs, lock = gossamer.channel(), gossamer.sync.Lock()

    def worker():
        for _ in range(30):
            jobs.receive()
            with trace.zone("work <&>"), lock:
                gossamer.schedule()

    def sender():
        for n in range(30):
            jobs.send(n)
            trace.counter("sent", n)
        trace.message("all sent")
    trace.start(path)
    trace.label(jobs, "jobs")
    gossamer.spawn(worker, name="the worker")
    gossamer.spawn(sender, name="the sender")
    gossamer.run()
    trace.stop()
    return path


def track(picture, name):
    return next(t for t in picture.tracks if t.name == name)


class TestReader:
    def test_truth(self, recorded):
        picture = _pftrace.read(recorded)
        worker = track(picture, "the worker")
        names = [picture.names[s.name] for s in worker.slices]
        assert names.count("work <&>") == 30 and "receive jobs" in names
        assert all(0 <= s.begin <= s.end <= picture.length for t in picture.tracks for s in t.slices)
        assert [v for _, v in track(picture, "sent").values] == list(range(30))
        assert [picture.names[n] for _, n in track(picture, "the sender").marks].count("all sent") == 1
        ends = {(picture.tracks[a.from_track].name, picture.tracks[a.to_track].name) for a in picture.arrows}
        assert ("the sender", "the worker") in ends and picture.arrows == sorted(picture.arrows)

    def test_file_of_the_recorder(self, tmp_path):
        trace.start(tmp_path / "run.gostrace")
        gossamer.spawn(gossamer.schedule, name="one")
        gossamer.run()
        trace.stop()
        assert track(_pftrace.read(tmp_path / "run.gostrace"), "one").slices

    def test_damaged_files(self, recorded, tmp_path):
        """Whatever is in it: a picture, or a ValueError."""
        data, chance = recorded.read_bytes(), random.Random(1)
        for n in range(300):
            damaged = bytearray(data[: chance.randrange(len(data))] if n % 2 else data)
            for _ in range(chance.randrange(1, 8)):
                damaged[chance.randrange(len(damaged) or 1) : 1] = b"" if not damaged else bytes([chance.randrange(256)])
                if damaged:
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            (tmp_path / "x").write_bytes(damaged)
            try:
                picture = _pftrace.read(tmp_path / "x")
            except ValueError as error:
                assert "is not a trace of gossamer, or is damaged: " in str(error)
            else:
                _view.encode(picture)

    @pytest.mark.parametrize("data", [b"", b"hello", b"\x0a\xff", b"\x0a\x00"])
    def test_no_traces(self, tmp_path, data):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(ValueError, match="is not a trace of gossamer"):
            _pftrace.read(tmp_path / "x")


class TestDrawing:
    def test_is_xml_with_its_tracks(self, recorded, tmp_path):
        assert main(["trace", "svg", str(recorded), "-o", str(tmp_path / "x.svg")]) == 0
        root = xml.etree.ElementTree.parse(tmp_path / "x.svg").getroot()
        texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
        assert "the worker" in texts and "sent" in texts
        titles = [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")]
        assert any(t.startswith("work <&>, ") for t in titles)

    def test_range(self, recorded):
        picture = _pftrace.read(recorded)
        whole, part = _svg.drawing(picture, 0, picture.length, 900), _svg.drawing(picture, 0, picture.length // 10, 900)
        assert 0 < part.count("<rect") < whole.count("<rect")

    @pytest.mark.parametrize("arguments, text", [
        (["--range", "5"], "--range needs two times, as in 2ms:5ms, not '5'"),
        (["--width", "9"], "--width needs a number from 300 to 10000, not '9'"),
        (["--range", "5s:9s"], "the range is empty: 'run.pftrace' lasts "),
    ])
    def test_errors(self, recorded, arguments, text, capsys):
        try:
            status = main(["trace", "svg", *arguments, str(recorded)])
        except SystemExit as end:
            status = end.code
        assert status and text in capsys.readouterr().err


class TestPage:
    def test_needs_no_network(self, recorded, tmp_path):
        assert main(["trace", "view", str(recorded), "-o", str(tmp_path / "x.html")]) == 0
        text = (tmp_path / "x.html").read_text()
        assert not re.search(r"https?://|src=|@import|fetch\(", text) and "@DATA@" not in text

    @pytest.mark.parametrize("name", ["view", "svg"])
    def test_no_such_file(self, name, tmp_path, capsys):
        assert main(["trace", name, str(tmp_path / "none")]) == 1
        assert "No such file or directory" in capsys.readouterr().err

    def test_in_a_browser(self, recorded, tmp_path):
        """What the page has understood, and that it draws: every track, slice, mark and value is as in the file."""
        browser = shutil.which("chromium")
        if not browser:
            pytest.skip("there is no chromium here (Debian package chromium)")
        _view.write(str(recorded), str(tmp_path / "x.html"))
        picture = _pftrace.read(recorded)
        wait = max((s for s in track(picture, "the worker").slices if picture.names[s.name] == "receive jobs"), key=lambda s: s.end - s.begin)
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
                   "--virtual-time-budget=10000", "--dump-dom", f"file://{tmp_path}/x.html#find=worker&select=the%20worker:{(wait.begin + wait.end) // 2}&test"]
        env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}  # the sanitizer is for Python
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=env)
        match = re.search(r'data-test="([^"]*)"', done.stdout)
        assert match, done.stderr[-2000:]
        seen = json.loads(html.unescape(match[1]))
        assert (seen["events"], seen["arrows"], seen["length"]) == (picture.events, len(picture.arrows), picture.length)
        assert seen["found"] == ["the worker"] and "receive jobs \u00b7 the worker" in seen["about"]
        assert "waited until the sender came" in seen["about"]
        for shown, t in zip(seen["tracks"], picture.tracks, strict=True):
            last = max(t.slices, key=lambda s: (s.begin, s.depth)) if t.slices else None
            assert shown == [t.kind, t.name, len(t.slices), len(t.marks), len(t.values), t.deepest + 1,
                             last.begin if last else -1, picture.names[last.name] if last else ""]
