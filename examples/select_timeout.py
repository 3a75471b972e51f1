"""Wait for several channels at once, with a deadline."""

import gossamer


def producer(channel, items, pause):
    for item in items:
        gossamer.sleep(pause)
        channel.send(item)


words, digits = gossamer.channel(), gossamer.channel()
gossamer.spawn(producer, words, ["one", "two", "three"], 0.05, name="words")
gossamer.spawn(producer, digits, [1, 2], 0.08, name="digits")

received = {"words": [], "digits": []}
while True:
    try:
        # A case is a channel (receive) or a tuple (channel, value) (send).
        which, value = gossamer.select([words, digits], timeout=0.5)
    except TimeoutError:
        print("nothing for half a second: done")
        break
    received["words" if which == 0 else "digits"].append(value)
print(received)

# With block=False a select only looks.
print("anything left?", gossamer.select([words, digits], block=False))

# A send can be a case, too: whichever side is ready first.
box = gossamer.BufferedChannel(1)
print("send:", gossamer.select([words, (box, "kept")], timeout=1))
print("in the box:", box.receive())

# Single operations take a timeout as well.
try:
    words.receive(timeout=0.01)
except TimeoutError:
    print("receive gave up")
