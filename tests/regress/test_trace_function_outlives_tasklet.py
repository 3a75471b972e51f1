"""Trace functions that are set at an odd moment, or seen twice.

A callback that is called for a tasklet which has ended sets one: on CPython 3.11 a flag of the
interpreter was written over a pointer of ours. And a thread that ended while its main tasklet was
traced released the trace function twice.
"""
import pytest

from helpers import python

ENDED = '''
import stackless, sys, gc
def trace(*args): return None
def callback(previous, next):
    if previous is not None and not previous.alive:
        sys.settrace(trace)
kept = [stackless.tasklet(len)("x") for _ in range(3)]
stackless.set_schedule_callback(callback)
stackless.run()
stackless.set_schedule_callback(None)
sys.settrace(None)
gc.collect()
del kept
gc.collect()
print(sys.getrefcount(trace))
'''

THREAD = '''
import stackless, sys, threading
class Trace:
    def __call__(self, *args): return None
trace = Trace()
def thread():
    sys.settrace(trace)
    stackless.tasklet(lambda: None)()
    stackless.run()
for i in range(20):
    t = threading.Thread(target=thread); t.start(); t.join()
print(sys.getrefcount(trace))
'''


@pytest.mark.parametrize("code", [ENDED, THREAD], ids=["ended", "thread"])
def test_released_once(code):
    assert python(code, env={"PYTHONMALLOC": "debug"}).stdout == "2\n"
