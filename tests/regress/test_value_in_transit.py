"""A value on its way to a tasklet survives whatever the switch that wakes it sets off.

The bug this stands for: a tasklet wakes with a value waiting for it; the switch drops the
last reference to the previous tasklet, which has ended; its weak reference callback and its
__del__ run Python code; that code switches, which puts every C stack away and stores other
values, and the one in transit was overwritten or freed.

Here each message is followed by such a death, and both callbacks switch through enough other
tasklets to evict every slot. A million messages in all, in several ways of travelling.
"""
import os

import pytest

from helpers import python

PROGRAM = r'''
import gc, sys, weakref
import gossamer, stackless

kind, messages, spinners = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
MAGIC = 0x5EED
c, d = gossamer.channel(), gossamer.channel()
c.preference = 1                 # the sender runs on, and ends while the value is in transit
altered, counts, refs, stop = [], {"del": 0, "ref": 0, "seen": 0}, set(), []

class Error(Exception): pass

def disturb():
    # Allocate what reuses memory that was just freed, then let everybody else run.
    junk = [(-1, -1) for _ in range(6)] + [[] for _ in range(6)]
    stackless.schedule(junk)
    return junk

class Dying(stackless.tasklet):
    def __del__(self):
        counts["del"] += 1
        disturb()

def gone(ref):
    refs.discard(ref)
    counts["ref"] += 1
    disturb()

def spinner(depth):
    if depth: return spinner(depth - 1)
    while not stop:
        stackless.schedule(None)

def check(i, value):
    counts["seen"] += 1
    if value != (i, i ^ MAGIC) or type(value) is not tuple:
        altered.append((i, value))

def send(i): c.send((i, i ^ MAGIC))
def send_exception(i): c.send_exception(Error, i, i ^ MAGIC)
def throw(i): receiver.throw(Error, Error(i, i ^ MAGIC), None, True)
def insert(i):
    receiver.tempval = (i, i ^ MAGIC)
    receiver.insert()

def receive(): return c.receive()
def select(): return gossamer.select([d, c])[1]
def caught():
    try: return c.receive()
    except Error as e: return e.args
def thrown():
    try: return stackless.schedule_remove(None)
    except Error as e: return e.args
def removed(): return stackless.schedule_remove(None)

SEND, RECEIVE = {"send": (send, receive), "late": (send, receive), "all": (send, receive),
    "exception": (send_exception, caught), "throw": (throw, thrown), "tempval": (insert, removed),
    "select": (send, select), "join": (None, None)}[kind]
c.schedule_all = kind == "all"

def receive_all():
    for i in range(messages):
        if kind == "late":
            while not c.balance: stackless.schedule(None)      # the sender blocks first
        check(i, RECEIVE())
    stop.append(1)

def start(i):
    t = Dying(SEND)(i)
    refs.add(weakref.ref(t, gone))

def produce():
    for i in range(messages):
        start(i)
        while counts["seen"] <= i: stackless.schedule(None)

def join_all():
    for i in range(messages):
        t = gossamer.spawn(lambda v: v, (i, i ^ MAGIC))
        refs.add(weakref.ref(t, gone))
        box = [t]
        del t
        check(i, box.pop().join())
    stop.append(1)

for n in range(spinners): stackless.tasklet(spinner)(n % 4)
if kind == "join":
    stackless.tasklet(join_all)()
else:
    receiver = stackless.tasklet(receive_all)()
    stackless.tasklet(produce)()
while not stop: stackless.run()
stackless.run()
assert not altered, (len(altered), altered[:3])
assert counts["seen"] == messages
assert counts["ref"] == messages, counts
assert kind == "join" or counts["del"] == messages, counts
print("unaltered", counts["seen"])
'''

ONE, TWO, EVICT = {"GOSSAMER_SLOTS": "1"}, {"GOSSAMER_SLOTS": "2"}, {"GOSSAMER_EVICT": "always"}
PACKED = {"GOSSAMER_SLOTS": "1", "GOSSAMER_COMPRESS": "always"}
# (how it travels, messages, other tasklets, environment); the messages add up to a million.
RUNS = [
    ("send", 200_000, 2, ONE), ("send", 150_000, 3, TWO), ("send", 4_000, 70, {}),
    ("send", 96_000, 3, EVICT), ("send", 50_000, 2, PACKED),
    ("late", 100_000, 3, ONE), ("all", 100_000, 3, ONE), ("exception", 100_000, 3, ONE),
    ("throw", 50_000, 3, ONE), ("tempval", 50_000, 3, ONE),
    ("select", 50_000, 3, ONE), ("join", 50_000, 3, ONE),
]
assert sum(run[1] for run in RUNS) == 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("kind, messages, spinners, env", RUNS,
                         ids=["%s-%d" % (r[0], n) for n, r in enumerate(RUNS)])
def test_a_million_messages_are_unaltered(kind, messages, spinners, env):
    done = python(PROGRAM, kind, str(messages), str(spinners), env=env, timeout=110)
    assert done.stdout == "unaltered %d\n" % messages


@pytest.mark.parametrize("kind", sorted({run[0] for run in RUNS}))
def test_a_few_with_every_allocation_checked(kind):
    """The same with the debug hooks of Python's allocators, which notice what is used after its end."""
    env = dict(TWO, PYTHONMALLOC="debug") if "LD_PRELOAD" not in os.environ else TWO
    done = python(PROGRAM, kind, "300", "4", env=env)
    assert done.stdout == "unaltered 300\n"
