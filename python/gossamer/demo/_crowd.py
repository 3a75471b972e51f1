"""Players for the demo world who are not people: each a tasklet with a connection of its own."""

import random
import time
from typing import Any

import gossamer
from gossamer.net import socket
from gossamer.sync import Event

WORDS = "who has seen the key? rain again|I am looking for the tower|has anybody met the fox?|this way!|good evening|nobody here".split("|")


class Client:
    """Connects, gives a name, walks and talks until told to stop; counts what it reads and how long answers take."""

    def __init__(self, crowd: "Crowd", number: int) -> None:
        self.crowd = crowd
        self.name = f"bot{number}"
        self.dice = random.Random(number)
        self.rest = b""

    def live(self) -> None:
        with socket.create_connection(self.crowd.address) as self.connection:
            self.wait_for(b"Welcome")
            self.ask(self.name, b"You are")
            self.crowd.arrived += 1
            self.crowd.start.wait()
            while not self.crowd.over:
                self.listen(self.dice.uniform(0, 2 * self.crowd.pause))
                if not self.crowd.over:
                    self.act()
            self.ask("quit", b"You leave")
            while self.read():  # until the world closes the connection
                pass

    def act(self) -> None:
        if self.dice.random() < 0.5:
            self.ask(f"say {self.dice.choice(WORDS)}", b"You say")
        else:
            self.ask(self.dice.choice(("north", "east", "south", "west", "look")), b"You ")

    def listen(self, seconds: float) -> None:
        """Read what happens for a while."""
        try:
            with gossamer.timeout(seconds):
                while self.read():
                    pass
            raise ConnectionResetError(f"the world has closed the connection of {self.name}")
        except TimeoutError:
            pass

    def ask(self, command: str, answer: bytes) -> None:
        """Send a command, and read until its answer comes."""
        sent = time.perf_counter()
        self.connection.sendall(command.encode() + b"\n")
        self.wait_for(answer)
        if self.crowd.start.is_set():
            self.crowd.delays.append(time.perf_counter() - sent)

    def wait_for(self, answer: bytes) -> None:
        while lines := self.read():
            if any(line.startswith(answer) for line in lines):
                return
        raise ConnectionResetError(f"the world has closed the connection of {self.name}")

    def read(self) -> list[bytes]:
        """The next complete lines; none: the end."""
        while data := self.connection.recv(8192):
            *lines, self.rest = (self.rest + data).split(b"\n")
            if lines:
                self.crowd.lines += len(lines)
                return lines
        return []


class Crowd:
    """Many clients of one world."""

    def __init__(self, address: Any, count: int, pause: float) -> None:
        self.address = address
        self.pause = pause  # seconds between two commands of a client, on average
        self.start = Event()
        self.over = False
        self.arrived = self.lines = 0
        self.delays: list[float] = []
        self.clients = [gossamer.spawn(Client(self, number).live) for number in range(count)]

    def stop(self) -> None:
        """All leave, having read everything.  Errors of clients are raised here."""
        self.over = True
        gossamer.joinall(self.clients)
