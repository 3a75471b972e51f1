# out: limited True
# out: refused
# quiet
"""Limits work in functions that atexit calls before ours, and are refused clearly afterwards."""
import atexit


def late():
    gossamer.spawn(print, "never")
    try:
        gossamer.run(quantum_us=300)
    except RuntimeError:
        print("refused")


atexit.register(late)

import gossamer  # noqa: E402 (so that its function runs before `late`)


def early():
    t = gossamer.spawn(hog)
    print("limited", gossamer.run(quantum_us=300) is t)
    t.kill()


def hog():
    while True:
        pass


atexit.register(early)
