"""The value of a blocked sender is overwritten through tempval, and then the send fails.

It once dropped the value that it had been called with, although whoever overwrote it had
dropped that one already, and forgot the new one. In a process of its own, since one
reference too few ends in a crash somewhere else.
"""
import pytest

from helpers import python

PROGRAM = """
    import sys, stackless, gossamer
    a, b = object(), object()
    counts = sys.getrefcount(a), sys.getrefcount(b)

    def main_sends(wake, send=lambda c: c.send(a)):
        def f():
            stackless.main.tempval = b
            wake()
        stackless.tasklet(f)()
        try:
            send(stackless.channel())
        except (RuntimeError, KeyError, TaskletExit, TimeoutError):
            pass

    def bad():
        raise KeyError

    def worker_sends(how, send=lambda c: c.send(a)):
        def g():
            try:
                send(c)
            except (KeyError, TimeoutError):
                pass
        c = stackless.channel()
        t = stackless.tasklet(g)()
        t.run()
        t.tempval = b
        how(t, c)
        stackless.run()

    def worker_receives(how):
        def g():
            try:
                c.receive()
            except KeyError:
                pass
        c = stackless.channel()
        t = stackless.tasklet(g)()
        t.run()
        t.tempval = b
        how(t, c)
        stackless.run()

    timed = lambda c: c.send(a, timeout=0.01)
    main = stackless.main
    {case}
    stackless.schedule(None)
    counts = sys.getrefcount(a) - counts[0], sys.getrefcount(b) - counts[1]
    assert counts == (0, 0), counts
"""
CASES = [
    "main_sends(lambda: None)", "main_sends(bad)", "main_sends(lambda: main.kill())",
    "main_sends(lambda: main.throw(KeyError))", "main_sends(lambda: main.kill(pending=True))",
    "main_sends(lambda: None, timed)",
    "worker_sends(lambda t, c: c.receive())", "worker_sends(lambda t, c: t.kill())",
    "worker_sends(lambda t, c: t.kill(True))", "worker_sends(lambda t, c: t.throw(KeyError))",
    "worker_sends(lambda t, c: gossamer.sleep(0.03), timed)",
    "worker_sends(lambda t, c: t.kill(), timed)", "worker_sends(lambda t, c: c.receive(), timed)",
    "worker_sends(lambda t, c: t.kill(), lambda c: c.send_sequence([a]))",
    "worker_sends(lambda t, c: t.kill(), lambda c: gossamer.select([(c, a)]))",
    "worker_receives(lambda t, c: t.kill())", "worker_receives(lambda t, c: c.send(a))",
    "worker_receives(lambda t, c: t.throw(KeyError))",
]


@pytest.mark.parametrize("case", CASES)
def test_references(case):
    python(PROGRAM.replace("{case}", case))
