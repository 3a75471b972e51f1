# out: end of main
# out: finally 1
# quiet
"""Blocked in select, with values in a buffer that die at exit."""
import gossamer


class V:
    def __del__(self):
        pass


def f(a, b):
    try:
        gossamer.select([a, (b, V())])
    finally:
        print("finally", 1, flush=True)


b = gossamer.BufferedChannel(2)
b.send(V())
b.send(b)
gossamer.spawn(f, gossamer.channel(), b)
gossamer.run()
print("end of main", flush=True)
