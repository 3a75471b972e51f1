"""A comparison that changes a lean.Dict exactly 8,192 times leaves it with the version that it had: the search went on among
entries that were gone, and read freed memory.
"""
import pytest
from helpers import python

CODE = '''
from gossamer import lean

class Key:
    action = None
    def __hash__(self): return 7
    def __eq__(self, other):
        action, Key.action = Key.action, None
        if action: action()
        return self is other

def come_round(d):
    """All items but two go; one comes and goes until the version is the same again."""
    changes = 0
    while len(d) > 2:
        d.popitem()
        changes += 1
    assert changes % 2 == 0
    for i in range((8192 - changes) // 2):
        d[1 << 40] = i
        del d[1 << 40]

d = lean.Dict((Key(), [i]) for i in range(SIZE))
Key.action = lambda: come_round(d)
assert Key() not in d and len(d) == 2
assert [value for value in d.values()] == [[0], [1]]
print("fine")
'''


@pytest.mark.parametrize("size", [50, 60, 300, 1000])
def test_search(size):
    """Without an index, and with one."""
    assert python(CODE.replace("SIZE", str(size)), env={"PYTHONMALLOC": "debug"}).stdout == "fine\n"
