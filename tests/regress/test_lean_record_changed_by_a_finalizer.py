"""A finalizer that adds a key to a record while the record is being copied, or emptied by the collector: both went on with
the layout that the record no longer had.
"""
from helpers import python

COPY = '''
import gc
from gossamer import lean

class Cycle:
    def __init__(self, record): self.me, self.record = self, record
    def __del__(self): self.record["new"] = 1

for count in (1, 2, 8, 64):
    gc.disable()
    record = lean.Record({f"key {count} {i}": [i] for i in range(count)})
    before = dict(record)
    Cycle(record)
    gc.set_threshold(1)
    gc.enable()
    copy = record.copy()  # up to 3.11 the collector runs right in it
    gc.disable()
    gc.collect()
    assert copy == before and type(copy) is lean.Record, copy
    assert type(record) is lean.Dict and record["new"] == 1
print("fine")
'''

EMPTIED = '''
import gc, weakref
from gossamer import lean

def gone(ref):
    """The collector does not know code objects, so this runs in the middle of its work."""
    for one in gc.get_objects():
        if type(one) is tuple and len(one) == 2 and one[1] == "the tuple":
            one[0]["new"] = 1
            found.append(type(one[0]).__name__)

found = []
gc.disable()
for i in range(20):
    code = compile(str(i), "x", "eval")
    ref = weakref.ref(code, gone)
    record = lean.Record(a=code, b=None, c="c" * i, d=i)
    record["b"] = (record, "the tuple")
    code = record = None
    gc.collect()
    gc.collect()
print(found == ["Dict"] * 20 or found)
'''


def test_copied():
    assert python(COPY, env={"PYTHONMALLOC": "debug"}).stdout == "fine\n"


def test_emptied():
    assert python(EMPTIED, env={"PYTHONMALLOC": "debug"}).stdout == "True\n"
