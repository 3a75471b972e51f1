"""The demo's world, with clients of our own; and the demo as a whole, in small."""

import ast
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

import gossamer
from gossamer.demo import _world
from gossamer.net import socket

LIMIT = 60  # seconds; against hanging only


class Visitor:
    def __init__(self, world, name=None):
        self.connection = socket.socket()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.connection.connect(world.address)
        self.file = self.connection.makefile("rb")
        self.seen = []
        self.expect("Welcome. What is your name?")
        if name:
            self.do(name, f"You are {name} now.")

    def do(self, command, *answers):
        self.connection.sendall(command.encode() + b"\r\n")
        return [self.expect(answer) for answer in answers]

    def expect(self, text):
        """The first line, of those to come, in which text is."""
        with gossamer.timeout(LIMIT):
            while line := self.file.readline():
                assert line.endswith(b"\r\n")
                self.seen.append(line.decode().strip())
                if text in self.seen[-1]:
                    return self.seen[-1]
        raise AssertionError(f"no {text!r} in {self.seen}")

    def close(self):
        self.file.close()
        self.connection.close()


@pytest.fixture
def world():
    world, listener = _world.open_world("127.0.0.1", 0, side=1, creatures=0)
    world.address, world.listener = listener.getsockname(), listener
    server = gossamer.spawn(world.serve, listener)
    yield world
    server.kill()
    listener.close()
    gossamer.run()
    assert world.players == {} and not any(room.beings for room in world.rooms)


def test_names(world):
    anna, other = Visitor(world, "anna"), Visitor(world)
    other.do("not a name", "Letters and digits")
    other.do("x" * 21, "Letters and digits")
    other.do("anna", "There is somebody of that name already")
    other.do("bert", "You are bert now")
    anna.expect("Bert appears.")
    anna.do("who", "You are one of 2 players.")
    for visitor in (anna, other):
        visitor.close()


def test_talking_and_walking(world):
    anna, bert = Visitor(world, "anna"), Visitor(world, "bert")
    anna.do("say good evening", "You say: good evening")
    bert.expect("anna says: good evening")
    bert.do("north", "You go north.", "This is the ", "Here: anna.")
    anna.expect("Bert goes north.")
    anna.expect("Bert comes from the south.")
    for way, full in zip("nesw", ("north", "east", "south", "west")):
        bert.do(way, f"You go {full}.")
    bert.do("look", "You look around.", "Here: anna.")
    for nonsense in ("dance", "say", "\xff\xfe"):
        bert.do(nonsense, "You can: look")
    bert.do("stats", "You learn: ")
    bert.do("quit", "You leave the world.")
    assert bert.file.read() == b""
    anna.expect("Bert leaves the world.")
    for visitor in (anna, bert):
        visitor.close()


def test_who_just_goes_is_gone(world):
    anna = Visitor(world, "anna")
    Visitor(world).close()
    Visitor(world, "bert").close()
    anna.expect("Bert leaves the world.")
    reset = Visitor(world, "carl")
    reset.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    reset.close()
    anna.expect("Carl leaves the world.")
    endless = Visitor(world, "dora")
    endless.connection.sendall(b"x" * 5000)
    anna.expect("Dora leaves the world.")
    endless.close()
    anna.close()


def test_who_does_not_read_is_thrown_out(world, monkeypatch):
    monkeypatch.setattr(_world, "UNREAD", 20)
    world.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # those that it accepts have it from there
    deaf, anna = Visitor(world, "deaf"), Visitor(world, "anna")
    while "Deaf leaves the world." not in anna.seen:
        anna.do("say " + "x" * 900, "You say")
    for visitor in (anna, deaf):
        visitor.close()


def test_creatures_wander():
    world = _world.World(side=2, creatures=20)
    places = [{being.name for being in room.beings} for room in world.rooms]
    assert sum(len(room.beings) for room in world.rooms) == 20 and any(places)
    tasklets = [tasklet for tasklet in gossamer.tasklets() if tasklet is not gossamer.getmain()]
    creature = next(being for room in world.rooms for being in room.beings)
    before = creature.room
    for way in _world.WAYS:
        creature.go(way)
    assert creature.room is before and creature in before.beings
    for tasklet in tasklets:
        tasklet.kill()


def test_it_can_be_sealed():
    """No compiler is needed to run it: it is one of the programs of `gossamer seal`."""
    for name in ("_world.py", "world.py", "_crowd.py"):
        tree = ast.parse((pathlib.Path(_world.__file__).parent / name).read_text())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not names & {"compile", "eval", "exec", "namedtuple", "dataclass"}


def command(*arguments, **more):
    return [sys.executable, "-m", "gossamer", "demo", "world", *arguments], {**os.environ, **more}


def test_the_demo_in_small():
    line, env = command("--clients", "60", "--seconds", "1")
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "A world for 60 players" in done.stdout and "messages/s" in done.stdout and "bytes a connection" in done.stdout
    told = re.search(r"ok +the world has told ([\d,]+) lines, and the clients have read all of them", done.stdout)
    assert int(told[1].replace(",", "")) > 60 * 3
    assert "\x1b" not in done.stdout and "\r" not in done.stdout


def test_the_world_for_people():
    line, env = command("--serve", "127.0.0.1:0")
    with subprocess.Popen(line, env=env, stdout=subprocess.PIPE, text=True) as server:
        greeting = server.stdout.readline()
        host, _, port = greeting.split()[2].rstrip(",").rpartition(":")
        assert greeting.startswith("listening on 127.0.0.1:") and f"telnet {host} {port}" in greeting

        class There:
            address = (host, int(port))

        visitor = Visitor(There, "anna")
        visitor.do("quit", "You leave the world.")
        visitor.close()
        server.send_signal(signal.SIGINT)
        rest = server.communicate(timeout=LIMIT)[0]
    assert server.returncode == 0 and "the world ends: 1 commands" in rest


@pytest.mark.parametrize(
    "arguments, more, hint",
    [
        (("--serve", "here"), {}, "--serve needs PORT or HOST:PORT, not 'here'"),
        (("--serve", "99999"), {}, "--serve needs PORT"),
        (("--clients", "0"), {}, "it must be a positive number, not '0'"),
        (("--seconds", "x"), {}, "it must be a positive number, not 'x'"),
        ((), {"GOSSAMER_DEMO_SIZE": "huge"}, "full or small"),
    ],
)
def test_mistakes(arguments, more, hint):
    line, env = command(*arguments, **more)
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and hint in done.stderr


def test_options_of_the_other_demo():
    done = subprocess.run([sys.executable, "-m", "gossamer", "demo", "index", "--clients", "3"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "belong to demo world" in done.stderr
