# out: the thread exits
# out: finally in the thread
# out: Deadlock: the last runnable tasklet cannot be blocked.
# quiet
"""sys.exit() ends a thread, not the process; its tasklets die with it, and main, which sleeps for it, is told."""
import sys
import threading

import gossamer

channel = gossamer.channel()
for_ever = gossamer.channel()  # known here, or a collection that happens to come would end the tasklet earlier


def body():
    try:
        for_ever.receive()
    finally:
        print("finally in the thread", flush=True)


def work():
    gossamer.spawn(body)
    gossamer.run()
    while not channel.balance:
        pass
    print("the thread exits", flush=True)
    sys.exit(5)


threading.Thread(target=work).start()
try:
    channel.receive()
except gossamer.DeadlockError as error:
    print(error, flush=True)
