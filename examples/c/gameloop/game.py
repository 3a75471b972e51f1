"""The tasklets of gameloop.c: some that wait for frames, one that calculates for ever, one that sorts for long."""

import gossamer

done = {"troll": 0, "knight": 0, "pathfinder": 0, "librarian": 0}
frames = gossamer.channel()
frames.preference = 1  # the host goes on; those that it wakes have their turn in run()


def creature(name):
    while True:
        frames.receive()
        done[name] += 1


def pathfinder():
    """Never yields: it is interrupted in the middle, and goes on in the next frame."""
    while True:
        total = 0
        for n in range(100_000):
            total += n * n
        done["pathfinder"] += 1


def librarian():
    """Sorts with a key function: no interruption while list.sort is at work, so its portions are small."""
    books = [f"volume {n * 7919 % 101}" for n in range(100)]
    while True:
        books.sort(key=lambda title: int(title.split()[1]))
        done["librarian"] += 1


def frame(n):
    """Called by the host at the beginning of each frame."""
    while frames.balance < 0:
        frames.send(n)


def report():
    for name, count in done.items():
        print(f"{name}: {'has got on' if count else 'has starved'}")


for name in ("troll", "knight"):
    gossamer.spawn(creature, name, name=name)
gossamer.spawn(pathfinder, name="pathfinder")
gossamer.spawn(librarian, name="librarian")
