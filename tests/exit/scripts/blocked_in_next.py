# out: end of main
# out: finally
# out: finally
# quiet
"""Blocked in operations that the collector may not see through; they are killed at exit."""
import stackless


def f(op):
    c = stackless.channel()
    try:
        op(c)
    finally:
        print("finally", flush=True)


for op in (next, lambda c: c.send_sequence([1])):
    stackless.tasklet(f)(op)
stackless.run()
print("end of main", flush=True)
