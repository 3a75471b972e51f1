"""lean.compact() looked for reversed iterators before it copied the dict, which compares keys and so can run code that makes
one; and not at all where the table had no holes any more. Such an iterator then read beyond the shorter table.
"""
from helpers import python

MADE_LATE = '''
from gossamer import lean

class Key:
    action = None
    def __hash__(self): return 1
    def __eq__(self, other):
        action, Key.action = Key.action, None
        if action: action()
        return self is other

def last_ones(count):
    d = {Key(): i for i in range(100)}
    for key in list(d)[:-count]:
        del d[key]
    return d

def iterate():
    kept.append(reversed(d))

kept, d = [], last_ones(5)
Key.action = iterate
try:
    lean.compact(d)
except RuntimeError as error:
    print(error)
assert len(list(kept.pop())) == 5
before = [last_ones(5) for _ in range(200)]
assert lean.compact(*before, *before, *[dict.fromkeys("abc")] * 3) > 0 and all(len(one) == 5 for one in before)
'''

NO_HOLES = '''
from gossamer import lean
d = dict.fromkeys(range(100))
for i in range(50, 100):
    del d[i]
back = reversed(d)  # its position is 99
d.popitem()
d[49] = None
assert len(d) == 50
try:
    lean.compact(d)
except RuntimeError as error:
    print(error)
list(back)
'''


def test_made_by_a_comparison():
    assert python(MADE_LATE, env={"PYTHONMALLOC": "debug"}).stdout == "the dict is being iterated in reverse\n"


def test_position_beyond_all_items():
    assert python(NO_HOLES, env={"PYTHONMALLOC": "debug"}).stdout == "the dict is being iterated in reverse\n"
