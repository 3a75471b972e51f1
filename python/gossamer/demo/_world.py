"""A small world over TCP: rooms, players, creatures that wander, talk.  `telnet` or `nc` will do as a client.

Each player is two tasklets, one that reads what the player types and one that writes what the player sees; each creature is
one.  They wait in plain calls (recv, sendall, sleep), and since only waiting lets others run, the world needs no locks: what a
tasklet does between two waits, nobody sees half done.
"""

import random
import time
from typing import Any, Iterator

import gossamer
from gossamer.net import socket

WAYS = {"north": (0, -1), "east": (1, 0), "south": (0, 1), "west": (-1, 0)}
OPPOSITE = {"north": "south", "east": "west", "south": "north", "west": "east"}
LOOKS = "mossy sunlit windy crooked silent golden flooded frosty painted narrow".split()
PLACES = "courtyard bridge orchard library harbour stairway market cellar meadow tower".split()
KINDS = "a fox|an owl|a cat|a heron|a badger|a moth|a goat|a raven".split("|")
DOINGS = "yawns|looks at you|scratches itself|finds something to eat|listens|turns round twice".split("|")
HELP = "look, north, east, south, west (or n, e, s, w), say WORDS, who, stats, quit"
UNREAD = 500  # lines a player may be behind; then the connection is too slow for this world


class Room:
    """A place, and who is there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ways: dict[str, "Room"] = {}
        self.beings: set["Being"] = set()

    def tell(self, line: str, but: "Being | None" = None) -> None:
        """Everybody here, except one, sees this."""
        for being in list(self.beings):
            if being is not but:
                being.see(line)


class World:
    """Rooms on a grid whose edges meet, and everything in them."""

    def __init__(self, side: int, creatures: int, seed: int = 1) -> None:
        self.dice = random.Random(seed)
        self.players: dict[str, Player] = {}
        self.commands = self.lines = 0
        self.began = time.monotonic()
        grid = {(x, y): Room(f"the {self.dice.choice(LOOKS)} {self.dice.choice(PLACES)}") for x in range(side) for y in range(side)}
        for (x, y), room in grid.items():
            for way, (dx, dy) in WAYS.items():
                room.ways[way] = grid[(x + dx) % side, (y + dy) % side]
        self.rooms = list(grid.values())
        for _ in range(creatures):
            creature = Creature(self, self.dice.choice(KINDS))
            creature.enter(self.dice.choice(self.rooms), "appears")
            gossamer.spawn(creature.live)

    def serve(self, listener: Any) -> None:
        """Let players in, for ever."""
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or lines wait for acknowledgements
            gossamer.spawn(Player(self, connection).live)


class Being:
    """What can be somewhere, and go elsewhere."""

    __slots__ = ("name", "room", "world")

    room: Room

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name

    def see(self, line: str) -> None:
        """Something happens in the room."""

    def enter(self, room: Room, how: str) -> None:
        room.tell(f"{self.name[0].upper()}{self.name[1:]} {how}.")
        room.beings.add(self)
        self.room = room

    def leave(self, how: str) -> None:
        self.room.beings.discard(self)
        self.room.tell(f"{self.name[0].upper()}{self.name[1:]} {how}.")

    def go(self, way: str) -> None:
        there = self.room.ways[way]
        self.leave(f"goes {way}")
        self.enter(there, f"comes from the {OPPOSITE[way]}")


class Creature(Being):
    """It wanders."""

    __slots__ = ()

    def live(self) -> None:
        dice = self.world.dice
        while True:
            gossamer.sleep(dice.uniform(1, 9))
            if dice.random() < 0.3:
                self.room.tell(f"{self.name[0].upper()}{self.name[1:]} {dice.choice(DOINGS)}.", but=self)
            else:
                self.go(dice.choice(list(WAYS)))


class Player(Being):
    """Somebody at the other end of a connection."""

    __slots__ = ("connection", "news", "unread")

    def __init__(self, world: World, connection: Any) -> None:
        super().__init__(world, "somebody")
        self.connection = connection
        self.unread: list[bytes] = []
        self.news = gossamer.channel()  # wakes the writer, and does not wait for it
        self.news.preference = 1

    # ---- two tasklets ----

    def live(self) -> None:
        """Read what the player types, until the connection ends."""
        writer = gossamer.spawn(self.write)
        try:
            lines = self.lines()
            if self.introduce(lines):
                try:
                    self.play(lines)
                finally:
                    del self.world.players[self.name]
                    self.leave("leaves the world")
        except OSError:
            pass  # the connection is gone
        finally:
            self.news.close()
            writer.join()
            self.connection.close()

    def write(self) -> None:
        """Send what the player sees, as many lines at a time as there are."""
        try:
            self.flush()
            for _ in self.news:
                self.flush()
        except OSError:
            pass  # nobody reads any more

    def flush(self) -> None:
        while self.unread:
            text = b"".join(self.unread)
            self.unread.clear()
            self.connection.sendall(text)

    def lines(self) -> Iterator[str]:
        rest = b""
        while data := self.connection.recv(1024):
            *complete, rest = (rest + data).split(b"\n")
            for line in complete:
                yield line.decode("utf-8", "replace").strip()
            if len(rest) > 1000:
                return

    # ---- playing ----

    def see(self, line: str) -> None:
        if len(self.unread) >= UNREAD:
            self.connection.shutdown(socket.SHUT_RDWR)  # ends both tasklets
            return
        self.world.lines += 1
        self.unread.append(line.encode() + b"\r\n")
        if self.news.balance < 0:
            self.news.send(None)

    def introduce(self, lines: Iterator[str]) -> bool:
        self.see("Welcome. What is your name?")
        for name in lines:
            if not name.isalnum() or len(name) > 20:
                self.see("Letters and digits, please, 20 at most. What is your name?")
            elif name in self.world.players:
                self.see("There is somebody of that name already. What is yours?")
            else:
                self.name = name
                self.world.players[name] = self
                self.see(f"You are {name} now. You can: {HELP}")
                self.enter(self.world.dice.choice(self.world.rooms), "appears")
                self.look()
                return True
        return False

    def play(self, lines: Iterator[str]) -> None:
        short = {way[0]: way for way in WAYS}
        for line in lines:
            self.world.commands += 1
            verb, _, rest = line.partition(" ")
            verb = short.get(verb, verb)
            if verb in WAYS:
                self.see(f"You go {verb}.")
                self.go(verb)
                self.look()
            elif verb == "say" and rest:
                self.see(f"You say: {rest}")
                self.room.tell(f"{self.name} says: {rest}", but=self)
            elif verb == "look":
                self.see("You look around.")
                self.look()
            elif verb == "who":
                self.see(f"You are one of {len(self.world.players)} players.")
            elif verb == "stats":
                world = self.world
                self.see(f"You learn: {world.lines} lines told, {world.commands} commands, up {time.monotonic() - world.began:.0f} s")
            elif verb == "quit":
                self.see("You leave the world.")
                return
            elif verb:
                self.see(f"You can: {HELP}")

    def enter(self, room: Room, how: str) -> None:
        super().enter(room, how)
        self.see(f"This is {room.name}.")

    def look(self) -> None:
        others = sorted(being.name for being in self.room.beings if being is not self)
        if others:
            self.see(f"Here: {', '.join(others)}.")


def open_world(host: str, port: int, side: int = 20, creatures: int = 200) -> tuple[World, Any]:
    """A world, and the socket it listens on.  World.serve(socket) lets players in."""
    listener = socket.create_server((host, port), backlog=1024)
    return World(side, creatures), listener
