# out: end of main
# quiet
"""Daemon threads that sleep on channels: in main, in a tasklet, in a select, in a join."""
import threading

import gossamer

channels = [gossamer.channel() for _ in range(3)]
forever = gossamer.channel()


def in_tasklet():
    t = gossamer.spawn(channels[1].receive)
    gossamer.spawn(t.join)
    forever.receive()


for work in (channels[0].receive, in_tasklet, lambda: gossamer.select([channels[2], forever])):
    threading.Thread(target=work, daemon=True).start()
while not all(channel.balance for channel in channels):
    pass
print("end of main", flush=True)
