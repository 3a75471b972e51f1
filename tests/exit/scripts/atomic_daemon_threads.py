# out: the end of main
# quiet
"""Daemon threads inside blocks when the interpreter goes down: in a long wait, and in blocks without end."""
import threading
import time

import gossamer

inside = [threading.Event() for _ in range(3)]


def waits():
    with gossamer.atomic():
        inside[0].set()
        time.sleep(3600)


def again_and_again(event):
    while True:
        with gossamer.atomic():
            event.set()


threading.Thread(target=waits, daemon=True).start()
for event in inside[1:]:
    threading.Thread(target=again_and_again, args=(event,), daemon=True).start()
for event in inside:
    event.wait()
with gossamer.atomic():
    print("the end of main")
