"""Hooks that meet the very operation they interrupt, or do something while its tasklet is half gone.

A signal handler sent to the tasklet that it interrupted, and the value came back to the handler; a
dead tasklet, on whose stack the thread still waited, was set up again; and a few like these.
"""

import pytest

from helpers import python

PRELUDE = '''
import stackless, gossamer, signal, sys, gc, threading, weakref
class Value: pass
def on_alarm(function):
    signal.signal(signal.SIGALRM, lambda *args: function())
    signal.setitimer(signal.ITIMER_REAL, .03)
def refused(function, *args):
    try: function(*args)
    except RuntimeError: return True
'''

SEND = '''
c = stackless.channel(); c.preference = 1
on_alarm(lambda: c.send(42))
print(c.receive(timeout=5))
'''

SEND_AND_MORE = '''
c = stackless.channel(); c.preference = 1
log = gossamer.BufferedChannel(9)
on_alarm(lambda: (c.send(42), log.send(1), stackless.schedule(), log.receive()))
print(c.receive(timeout=5))
'''

RECEIVE = '''
c = stackless.channel()
on_alarm(lambda: print(refused(c.receive)))
try: c.send(1, timeout=.1)
except TimeoutError: print("timeout")
'''

TWO_CALLBACKS = '''
log, c, v = gossamer.BufferedChannel(9), stackless.channel(), Value()
t = stackless.tasklet(c.send)(v)
stackless.set_channel_callback(lambda *args: None)
stackless.set_schedule_callback(lambda a, b: log.send("event"))
t.run()
stackless.set_schedule_callback(None)
print(c.receive() is v)
stackless.run()
stackless.getcurrent().tempval = v
log.receive()
stackless.set_channel_callback(None)
print(sys.getrefcount(v))
'''

SETUP_OF_THE_DEAD = '''
def handler():
    t = stackless.getcurrent()
    assert not t.alive
    t.tempval = print
    print(refused(t, "again"))
stackless.tasklet(lambda: gossamer.sleep(.01))()
stackless.tasklet(on_alarm)(handler)
gossamer.sleep(.2)
'''

FRAME = '''
armed = []
class Resumes:
    def __del__(self):
        if armed and t.alive and not t.is_current: t.run()
def f(): stackless.schedule_remove(None)
for i in range(300):
    t = stackless.tasklet(f)(); t.run()
    gc.disable()
    d = Resumes(); d.d = d; del d
    armed.append(1)
    gc.set_threshold(1); gc.enable()
    frame = t.frame              # makes a frame object, which may collect
    gc.set_threshold(700); armed.clear()
    repr(frame)
    del frame
    gc.collect()
print("ok")
'''

TRAPPED_THREAD = '''
done = []
def paused():
    try: stackless.schedule_remove(None)
    finally: done.append(1)
def thread():
    global t
    t = stackless.tasklet(paused)(); t.run()
    stackless.switch_trap(1)
x = threading.Thread(target=thread); x.start(); x.join()
print(done, t.alive)
'''

MAIN_OF_AN_ENDED_THREAD = '''
done, box = [], []
def paused():
    try: stackless.schedule_remove(None)
    finally: done.append(1)
x = threading.Thread(target=lambda: box.append(stackless.getmain())); x.start(); x.join()
m = box.pop()
m.bind_thread(); m.bind(paused)(); m.run()
gone = weakref.ref(m)
del m
print(done, gone())
'''


@pytest.mark.parametrize("code, output", [
    (SEND, "42\n"), (SEND_AND_MORE, "42\n"), (RECEIVE, "True\ntimeout\n"), (TWO_CALLBACKS, "True\n2\n"),
    (SETUP_OF_THE_DEAD, "True\n"), (FRAME, "ok\n"), (TRAPPED_THREAD, "[1] False\n"),
    (MAIN_OF_AN_ENDED_THREAD, "[1] None\n"),
], ids=["send", "send_and_more", "receive", "two_callbacks", "setup_of_the_dead", "frame", "trapped_thread",
        "main_of_an_ended_thread"])
@pytest.mark.parametrize("env", [{}, {"GOSSAMER_SLOTS": "1", "GOSSAMER_EVICT": "always"}], ids=["", "evicted"])
def test_hook(code, output, env):
    assert python(PRELUDE + code, env=dict(env, PYTHONMALLOC="debug")).stdout == output
