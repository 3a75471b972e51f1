# out: child: 2
# out: child has ended with 0
# quiet
"""fork() in a tasklet of a thread, while main and another thread sleep: that thread goes on in the child as the main one."""
import os
import threading
import warnings

import gossamer

warnings.simplefilter("ignore", DeprecationWarning)
never, done, asleep = gossamer.channel(), gossamer.channel(), gossamer.channel()


def fork():
    pid = os.fork()
    if pid == 0:
        local = gossamer.channel()
        t = gossamer.spawn(local.receive)
        gossamer.schedule()
        local.send(2)
        print("child:", t.join(), flush=True)
        os._exit(asleep.balance or done.balance)
    done.send(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    asleep.send(None)


def work():
    while not (asleep.balance and done.balance):
        pass
    t = gossamer.spawn(fork)
    gossamer.run()


threads = [threading.Thread(target=asleep.receive), threading.Thread(target=work)]
for thread in threads:
    thread.start()
print("child has ended with", done.receive(), flush=True)
for thread in threads:
    thread.join()
