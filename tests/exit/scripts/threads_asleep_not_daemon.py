# out: end of main
# out: told
# err: DeadlockError: Deadlock: the last runnable tasklet cannot be blocked.
"""Threads that main waits for, and that wait for main: one is told that nobody will come, and helps the others."""
import threading

import gossamer

channel, waiting = gossamer.channel(), gossamer.channel()


def work():
    try:
        channel.receive()
    except gossamer.DeadlockError:
        print("told", flush=True)
        channel.send(None)
        raise


for _ in range(2):
    threading.Thread(target=work).start()
while channel.balance > -2:
    pass
print("end of main", flush=True)
