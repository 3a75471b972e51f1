# out: end of main
# out: the daemon got stop
# quiet
"""A daemon thread that an exit handler still wants to talk to: it sleeps on, since main is not gone."""
import atexit
import threading

import gossamer

channel, answer = gossamer.channel(), gossamer.channel()


def work():
    answer.send("the daemon got %s" % channel.receive())
    channel.receive()


def stop():
    channel.send("stop")
    print(answer.receive(), flush=True)


threading.Thread(target=work, daemon=True).start()
atexit.register(stop)
print("end of main", flush=True)
