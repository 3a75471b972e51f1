"""A tasklet is never freed while it owns a stack.

CPython calls the finalizer of an object once in its life, and the __del__ of a subclass instead of
the inherited one. In both cases the kill was skipped and the object freed; its stack stayed bound to
the freed memory, and the next tasklet that needed the place crashed.
"""
import pytest

from helpers import python

ENVIRONMENTS = [{}, {"GOSSAMER_SLOTS": "1", "GOSSAMER_EVICT": "always"}]

SUBCLASS = '''
import stackless, gc
done = []
class T(stackless.tasklet):
    def __del__(self): done.append("del")
def paused():
    try: stackless.schedule_remove(None)
    finally: done.append("finally")
def blocked():
    c = stackless.channel()
    try: c.receive()
    finally: done.append("finally")
def in_a_cycle():
    me = stackless.getcurrent()
    try: stackless.schedule_remove(None)
    finally: done.append("finally")
for function in (paused, blocked, in_a_cycle):
    for i in range(100):
        T(function)().run()
        for k in range(3): stackless.tasklet(stackless.schedule)()
        stackless.run()
gc.collect()
print(done.count("del"), done.count("finally"))
'''

TWICE = '''
import stackless, gc
kills = 0
def refuses():
    global kills
    while kills < 25:
        try: stackless.schedule_remove(None)
        except stackless.TaskletExit: kills += 1
stackless.tasklet(refuses)().run()
while kills < 25:
    before = kills
    gc.garbage.clear()
    assert kills > before
    for k in range(100): stackless.tasklet(stackless.schedule)()
    stackless.run()
print(kills, gc.garbage)
'''

FOREIGN = '''
import stackless, gc, threading
gc.disable()
made, collected = threading.Event(), threading.Event()
ended = []
def other():
    def blocked():
        c = stackless.channel()
        try: c.receive()
        finally: ended.append(1)
    for i in range(100): stackless.tasklet(blocked)()
    stackless.run()
    made.set(); collected.wait()
    for k in range(100): stackless.tasklet(stackless.schedule)()
    stackless.run()
thread = threading.Thread(target=other)
thread.start()
made.wait()
gc.collect()                 # they are killed over there
print(len(gc.garbage)); gc.garbage.clear(); gc.collect()
collected.set(); thread.join()
gc.garbage.clear()
print(len(ended))
'''

RESURRECTED = '''
import stackless, gc
c = stackless.channel()
class T(stackless.tasklet):
    again = True
    def __del__(self):
        if self.again:
            self.again = False
            self.bind(c.receive); self.setup()
T(len)("x")
stackless.run(); stackless.run()
print(c.balance); gc.collect(); c.send(1); stackless.run(); print(c.balance)
'''


@pytest.mark.parametrize("env", ENVIRONMENTS, ids=["", "evicted"])
@pytest.mark.parametrize("code, output", [
    (SUBCLASS, "300 300\n"), (TWICE, "25 []\n"), (FOREIGN, "0\n100\n"), (RESURRECTED, "-1\n0\n"),
], ids=["subclass", "twice", "foreign", "resurrected"])
def test_killed_before_freed(code, output, env):
    assert python(code, env=dict(env, PYTHONMALLOC="debug")).stdout == output
