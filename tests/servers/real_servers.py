"""Starting servers and programs; running a program plain and patched, and comparing.

A server or a client that is not installed makes its tests skip, with the reason.
"""

import importlib.util
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import pytest

import gossamer

for _place in ("certdata/keycert.pem", "keycert.pem"):
    _spec = importlib.util.find_spec("test")
    _file = pathlib.Path(_spec.submodule_search_locations[0], _place) if _spec else None
    if _file is not None and _file.exists():
        CERTIFICATE = str(_file)  # of "localhost", with its key, signed by itself
        break
else:
    CERTIFICATE = None

PROGRAMS = pathlib.Path(__file__).parent / "programs"
LIMIT = 100  # seconds; against hanging only
# The package that is being tested, wherever the programs run.
ENV = {**os.environ, "PYTHONPATH": str(pathlib.Path(gossamer.__file__).parents[1])}


def need(*modules):
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed (requirements-dev.txt names it)")


def find(program, *places):
    """The server's program, in Debian's places as well."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", *places])
    found = shutil.which(program, path=path)
    if found is None:
        pytest.skip(f"{program} is not installed (.ci/run names its package)")
    return found


def line(mode, program, *arguments):
    how = ["-m", "gossamer", "run", "--patch"] if mode == "patched" else []
    return [sys.executable, "-X", "faulthandler", *how, str(PROGRAMS / program), *map(str, arguments)]


def run(mode, program, *arguments):
    """What the program prints, from JSON."""
    done = subprocess.run(line(mode, program, *arguments), capture_output=True, text=True, timeout=LIMIT, env=ENV)
    assert done.returncode == 0, f"{mode}:\n{done.stdout[-1000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout)


def compare(program, count, *arguments):
    """Run it plain and patched: the same results, all at once, one with threads and one without."""
    plain, patched = run("plain", program, *arguments), run("patched", program, *arguments)
    assert len(plain["results"]) == count and None not in plain["results"]
    assert patched["results"] == plain["results"]
    assert patched["most"] > count // 2, "hardly anything was under way at the same time"
    # The pool has 32 threads at most, for looking up names.
    assert patched["threads"] <= 34, "its threads are not tasklets"
    return patched


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for(server, port, log=None):
    until = time.monotonic() + LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert server.poll() is None, f"the server has ended\n{log.read_text() if log else ''}"
            assert time.monotonic() < until, "the server does not come up"
            time.sleep(0.02)


class Server:
    """A process that prints its port, or listens at one that it was given."""

    def __init__(self, command, port=None, **more):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE if port is None else subprocess.DEVNULL, text=True, **more)
        if port is None:
            port = int(self.process.stdout.readline())
        self.port = port

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def program_server(mode, program, *arguments):
    return Server(line(mode, program, *arguments), env=ENV)
