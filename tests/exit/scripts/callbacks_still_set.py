# out: end of main
"""Callbacks and handlers that are still set when the tasklets are killed."""
import gossamer
import stackless


def f():
    c = stackless.channel()
    try:
        c.receive()
    finally:
        c.close()


stackless.tasklet(f)()
stackless.run()
print("end of main", flush=True)
stackless.set_schedule_callback(lambda prev, next: stackless.runcount)
stackless.set_channel_callback(lambda *args: None)
stackless.set_error_handler(lambda *args: None)
gossamer.set_uncaught_hook(lambda *args: True)
