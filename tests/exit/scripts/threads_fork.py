# out: child: the threads are gone
# out: child: Deadlock: the last runnable tasklet cannot be blocked.
# out: child has ended with 0
# out: got value
# quiet
"""fork() while another thread sleeps on a channel: the child has main's tasklets only, and nobody waits there."""
import os
import threading
import warnings

import gossamer

warnings.simplefilter("ignore", DeprecationWarning)
channel, result = gossamer.channel(), gossamer.channel()
tasklets = []


def work():
    tasklets.append(gossamer.spawn(lambda: result.send("got " + channel.receive())))
    tasklets[0].join()


thread = threading.Thread(target=work)
thread.start()
while not channel.balance:
    pass
pid = os.fork()
if pid == 0:
    if channel.balance == 0 and not tasklets[0].alive and tasklets[0].thread_id == -1:
        print("child: the threads are gone", flush=True)
    try:
        channel.receive()
    except gossamer.DeadlockError as error:
        print("child:", error, flush=True)
    t = gossamer.spawn(channel.receive)
    gossamer.run()
    channel.send("still works")
    os._exit(t.join() != "still works")
print("child has ended with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
channel.send("value")
print(result.receive(), flush=True)
thread.join()
