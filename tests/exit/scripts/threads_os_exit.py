# exit: 4
# out: leaving
# quiet
"""os._exit() in a tasklet of another thread, while main sleeps for that thread."""
import os
import threading

import gossamer

channel = gossamer.channel()


def leave():
    print("leaving", flush=True)
    os._exit(4)


def work():
    while not channel.balance:
        pass
    gossamer.spawn(leave)
    gossamer.run()


threading.Thread(target=work).start()
channel.receive()
