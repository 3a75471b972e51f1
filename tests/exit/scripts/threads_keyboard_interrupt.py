# exit: -2
# out: finally of main
# err: KeyboardInterrupt
"""Ctrl-C while main sleeps for another thread, which sleeps in C."""
import os
import signal
import threading
import time

import gossamer

signal.signal(signal.SIGINT, signal.default_int_handler)
channel, done = gossamer.channel(), threading.Event()


def interrupt():
    while not channel.balance:
        time.sleep(0.001)
    while not done.wait(0.05):      # again, if it has come before main slept
        os.kill(os.getpid(), signal.SIGINT)


threading.Thread(target=interrupt, daemon=True).start()
try:
    channel.receive()
finally:
    done.set()
    print("finally of main", flush=True)
