"""Groups: several tasklets that are waited for together, and end together when one of them fails."""

import gossamer


def fetch(name, seconds):
    gossamer.sleep(seconds)
    return name.upper()


def broken():
    gossamer.sleep(0.02)
    raise ValueError("no such page")


# Wait for all, in any order of ending.
with gossamer.Group() as group:
    pages = [group.spawn(fetch, name, pause) for name, pause in (("one", 0.03), ("two", 0.01))]
print("results:", [page.join() for page in pages])

# One fails: the others are killed, and the error comes out of the block.
log = []


def slow():
    try:
        gossamer.sleep(60)
    finally:
        log.append("slow was ended")


try:
    with gossamer.Group() as group:
        group.spawn(slow)
        group.spawn(broken)
except* ValueError as errors:
    print("failed:", *errors.exceptions)
print(*log)

# Tasklet-local storage: every tasklet sees its own attributes.
mine = gossamer.local()


def count(n):
    mine.total = 0
    for _ in range(n):
        mine.total += 1
        gossamer.schedule()
    return mine.total


print("locals:", gossamer.joinall([gossamer.spawn(count, n) for n in (1, 2, 3)]))
