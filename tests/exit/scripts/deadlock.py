# exit: 1
# out: finally of the reader
# err: Deadlock: the last runnable tasklet cannot be blocked.
# err: reader
"""An unhandled deadlock."""
import gossamer


def reader(c):
    try:
        c.receive()
    finally:
        print("finally of the reader", flush=True)


gossamer.spawn(reader, gossamer.channel(), name="reader")
gossamer.run()
gossamer.channel().receive()
