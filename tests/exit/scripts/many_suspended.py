# out: end of main
# out: 5000
# quiet
"""Thousands at once, in queues, paused and in the ring."""
import stackless

c, ended = stackless.channel(), []


def f(op):
    try:
        op()
    finally:
        ended.append(1)
        if len(ended) == 5000:
            print(5000, flush=True)


def pause():
    stackless.schedule_remove(None)


def spin():
    while True:
        stackless.schedule(None)


keep = [stackless.tasklet(f)((c.receive, pause, spin)[n % 3]) for n in range(5000)]
stackless.schedule()
print("end of main", flush=True)
