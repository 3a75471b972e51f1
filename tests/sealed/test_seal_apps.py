"""Real programs, sealed, signed and run under a pinned key: a web application on Bottle, which answers real requests, HTTPie,
which makes them, and this project's own world server.

The packages of the first two are installed from the package index into a folder of the run; without network these tests are skipped.
"""
import fcntl
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import urllib.request

import pytest

from seal_commands import quick

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PACKAGES = ["bottle==0.13.4", "httpie==3.2.4", "werkzeug==3.1.3", "jinja2==3.1.6"]
WEB = """
import json
from wsgiref.simple_server import WSGIRequestHandler, make_server

import bottle

app = bottle.Bottle()


@app.get("/hello/<name>")
def hello(name):
    return {"hello": name}


@app.post("/sum")
def total():
    return {"sum": sum(bottle.request.json)}


@app.get("/eval")
def evaluate():
    try:
        return {"value": eval(bottle.request.query.text)}
    except NotImplementedError as error:
        return {"refused": type(error).__name__}


class Quiet(WSGIRequestHandler):
    def log_message(self, *what):
        pass


server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="session")
def packages():
    """A folder with the packages, installed once for all processes of a parallel run."""
    folder = pathlib.Path(tempfile.gettempdir()) / f"gossamer-tests-{os.getuid()}" / ("packages-" + sysconfig.get_python_version())
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / ".done"
        if not done.exists() or done.read_text() != repr(PACKAGES):
            pip = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", folder, *PACKAGES], capture_output=True, text=True)
            if pip.returncode:
                pytest.skip(f"the packages cannot be installed here: {pip.stderr.strip().splitlines()[-1]}")
            done.write_text(repr(PACKAGES))
    return folder


@pytest.fixture
def signed(tmp_path, run):
    """(options of `gossamer seal`, options of the launcher): sign with a new key, and pin it."""
    pytest.importorskip("nacl", reason="signing needs PyNaCl, which is not installed here")
    if "no (built without libsodium)" in run(None, "--version").stdout:
        pytest.skip("the launcher was built without libsodium: no headers on this machine")
    assert quick("seal", "--new-key", tmp_path / "mine").returncode == 0
    return ["--key", tmp_path / "mine.key"], ["--key", tmp_path / "mine.pub"]


@pytest.fixture
def server(seal, launcher, packages, signed):
    """The address of the sealed web application."""
    sign, pin = signed
    archive = seal(WEB, *sign, "--path", packages, "--exclude", "gevent", "--exclude", "greenlet", name="web")  # servers that Bottle could use
    process = subprocess.Popen([launcher, *pin, archive], stdout=subprocess.PIPE, text=True)
    port = process.stdout.readline().strip()
    assert port
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


def test_web_application_answers(server):
    with urllib.request.urlopen(server + "/hello/world", timeout=60) as answer:
        assert json.load(answer) == {"hello": "world"}
    request = urllib.request.Request(server + "/sum", b"[1, 2, 3]", {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer) == {"sum": 6}
    with urllib.request.urlopen(server + "/eval?text=1%2B1", timeout=60) as answer:
        assert json.load(answer) == {"refused": "CompilerClosed"}


def test_command_line_tool_with_its_dependencies(server, packages, run, signed, tmp_path):
    sign, pin = signed
    archive = tmp_path / "http.gos"
    done = quick("seal", "--entry", "httpie.__main__:main", *sign, "--path", packages, "-o", archive)
    assert done.returncode == 0, done.stderr
    home = {**os.environ, "HOME": str(tmp_path)}
    done = run(archive, "--version", env=home, options=pin)
    assert done.stdout == "3.2.4\n", done.stderr
    done = run(archive, "--ignore-stdin", "--body", "--pretty=none", server + "/hello/httpie", env=home, options=pin)
    assert json.loads(done.stdout) == {"hello": "httpie"}, done.stderr
    done = run(archive, "--ignore-stdin", "--body", "--pretty=none", server + "/sum", "--raw=[4, 5]", env=home, options=pin)
    assert json.loads(done.stdout) == {"sum": 9}, done.stderr


WORLD = """
from gossamer.demo import world
raise SystemExit(world.serve("127.0.0.1", 0))
"""


def visit(address, *commands):
    """What the world tells somebody who says this and leaves."""
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall("".join(f"{command}\n" for command in commands).encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


def test_world_server(seal, launcher, signed):
    """This project's own server: tasklets, sockets and the extension, out of a signed archive."""
    sign, pin = signed
    archive = seal(WORLD, *sign, name="world")
    process = subprocess.Popen([launcher, *pin, archive], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), line
        address = "127.0.0.1", int(line.split()[2].rstrip(",").rpartition(":")[2])
        with socket.create_connection(address, timeout=60) as first, first.makefile("rwb") as file:
            file.write(b"ada\nwho\n")
            file.flush()
            while b"You are one of 1 players" not in (line := file.readline()):
                assert line
            told = visit(address, "grace", "say hello", "who", "stats", "quit")
            for line in ("You are grace now", "You say: hello", "You are one of 2 players", "You learn: ", "You leave the world"):
                assert line in told
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and out.startswith("\nthe world ends: "), out
    finally:
        process.kill()


def test_check_names_frameworks_that_compile(packages, tmp_path):
    """Werkzeug's routing and Jinja's templates make code at run time."""
    (tmp_path / "site.py").write_text("import werkzeug.routing, jinja2\n")
    done = quick("seal", "--check", tmp_path / "site.py", "--path", packages)
    assert done.returncode == 1
    assert "werkzeug/routing/rules.py:" in done.stdout and "jinja2/environment.py:" in done.stdout
