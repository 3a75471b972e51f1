# exit: 3
# out: finally of main
# quiet
"""sys.exit() in main while a daemon thread sleeps in a tasklet that waits for it."""
import sys
import threading

import gossamer

channel = gossamer.channel()


def work():
    gossamer.spawn(channel.receive)
    gossamer.channel().receive()


threading.Thread(target=work, daemon=True).start()
while not channel.balance:
    pass
try:
    sys.exit(3)
finally:
    print("finally of main", flush=True)
