"""From 3.14 on a tuple keeps its hash. The one that an iterator over items uses again kept that of the item before."""
from gossamer import lean


def test_hash():
    d = lean.Dict((i, str(i)) for i in range(100))
    assert [hash(item) for item in d.items()] == [hash((i, str(i))) for i in range(100)]
    known = {(i, str(i)) for i in range(0, 100, 2)}
    assert sum(item in known for item in d.items()) == sum(item in known for item in reversed(d.items())) == 50
