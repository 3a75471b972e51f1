"""Records and shapes, lean.loads, lean.shrink."""

import copy
import gc
import io
import json
import pickle
import random
import sys
import weakref

import pytest

from gossamer import lean
from gossamer.lean import Dict, Record, Shape


def rows(n, keys="abcdefgh"):
    return [{key: i for key in keys} for i in range(n)]


# ---- shapes ----


def test_there_is_one_shape_for_the_same_keys():
    point = Shape("x", "y")
    assert point is Shape("x", "".join("y")) is Record(x=1, y=2).shape is Record([("x", 0), ("y", 0)]).shape
    assert point is not Shape("y", "x") and Shape("y", "x").keys == ("y", "x")
    assert point(1, 2) == {"x": 1, "y": 2} and type(point(1, 2)) is Record
    assert repr(point) == "Shape('x', 'y')" and repr(Shape("a")) == "Shape('a')"
    assert pickle.loads(pickle.dumps(point)) is point and copy.deepcopy(point) is point


def test_a_shape_goes_with_its_last_record():
    class Key(str):
        pass

    key = "".join(["only", " here"])
    before = sys.getrefcount(key)
    made = [Record({key: 1}) for _ in range(3)]
    assert sys.getrefcount(key) == before + 1
    made[0]["other"] = 1  # a Dict now, with a key of its own
    assert sys.getrefcount(key) == before + 2
    del made
    assert sys.getrefcount(key) == before


@pytest.mark.parametrize("arguments, kind, text", [
    ((), ValueError, "a Shape has from 1 to 64 keys, not 0"),
    (tuple(map(str, range(65))), ValueError, "a Shape has from 1 to 64 keys, not 65"),
    ((1,), TypeError, "the keys of a Shape must be str"),
    (("a", "b", "a"), ValueError, "the keys of a Shape must differ"),
])  # fmt: skip
def test_bad_shapes(arguments, kind, text):
    with pytest.raises(kind, match=f"^{text}$"):
        Shape(*arguments)
    with pytest.raises(TypeError, match=r"^this Shape takes 2 values, not 1$"):
        Shape("a", "b")(1)
    for act in (lambda: Shape(a=1), lambda: Shape("a")(a=1)):
        with pytest.raises(TypeError, match="no keyword arguments"):
            act()


def test_many_shapes():
    made = [Record({f"k{i}": i, f"l{i % 7}": i}) for i in range(3000)]
    assert all(record == {f"k{i}": i, f"l{i % 7}": i} for i, record in enumerate(made))
    assert len({id(record.shape) for record in made}) == 3000
    del made[::2]
    gc.collect()
    assert Record(k1=1, l1=1).shape is made[0].shape


# ---- records ----


@pytest.mark.parametrize("n", [1, 2, 8, 15, 16, 17, 33, 63, 64])
def test_reading_a_record(n):
    model = {f"key {i}": i for i in range(n)}
    record = Record(model)
    assert type(record) is Record and record == model and model == record and repr(record) == repr(model)
    assert all(record[key] == record.get(key) == value and key in record for key, value in model.items())
    assert "none" not in record and 3 not in record and record.get(3, "x") == "x" and None not in record
    assert list(record) == list(model) and list(reversed(record.items())) == list(reversed(model.items()))
    assert len(record) == n and dict(record) == {**record} == model and Dict(record) == model and record.copy() == model
    with pytest.raises(KeyError, match="'none'"):
        record["none"]
    for made in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record)), record.copy()):
        assert type(made) is Record and made == record and made.shape is record.shape and made is not record
    for key in model:
        record[key] = model[key] = "new"
        assert record.setdefault(key) == "new"
    assert type(record) is Record and record == model


CHANGES = {
    "new key": lambda r: r.__setitem__("new", 1),
    "odd key": lambda r: r.__setitem__((1, 2), 1),
    "setdefault": lambda r: r.setdefault("new", 1),
    "update": lambda r: r.update(a=5, new=1),
    "ior": lambda r: r.__ior__({"new": 2}),
    "delete": lambda r: r.__delitem__("b"),
    "pop": lambda r: r.pop("a"),
    "popitem": lambda r: r.popitem(),
    "clear": lambda r: r.clear(),
}


@pytest.mark.parametrize("n", [1, 2, 8, 64])
@pytest.mark.parametrize("change", CHANGES)
def test_a_record_turns_into_a_dict(n, change):
    keys = ["b", "a", *map(str, range(n))][:n] if n > 1 else ["b"]
    model = {key: [key] for key in keys}
    record, other = Record(model), Record(model)
    if change == "pop" and n == 1:
        with pytest.raises(KeyError):
            CHANGES[change](record)
        assert type(record) is Record
        return
    it = iter(record)
    alias = record
    assert CHANGES[change](record) == CHANGES[change](model) or change == "ior"
    assert record is alias and type(record) is Dict and record == model and list(record) == list(model)
    with pytest.raises(RuntimeError):
        next(it)
    assert type(other) is Record and len(other) == n
    record["more"] = model["more"] = record  # a cycle through the changed object
    gone = weakref.ref(type("Watched", (), {})())
    record["watched"] = gone
    assert gc.is_tracked(record)
    del record["more"]


def test_what_makes_no_record():
    assert type(Record()) is Dict and type(Record({})) is Dict
    assert type(Record({1: 2})) is Dict and type(Record([((), 2), ("a", 1)])) is Dict
    assert type(Record({str(i): i for i in range(65)})) is Dict
    assert type(Record.fromkeys("abc", 0)) is Record and type(Record.fromkeys([1])) is Dict
    record = Record(a=1)
    assert type(record | {"b": 2}) is Dict and ({"b": 2} | record) == {"b": 2, "a": 1}
    assert type(Record(record)) is Record and Record(record) is not record
    for act in (lambda: Record(1), lambda: Record({}, {}), lambda: hash(record), lambda: record[[]]):
        with pytest.raises(TypeError):
            act()
    with pytest.raises(TypeError):
        class Own(Record):
            pass


def test_comparison_that_changes_the_record():
    class Evil:
        def __init__(self, text, action):
            self.text, self.action = text, action

        def __hash__(self):
            return hash(self.text)

        def __eq__(self, other):
            self.action()
            return self.text == other

    for act in (lambda r, k: r.get(k), lambda r, k: k in r, lambda r, k: r.__setitem__(k, 1), lambda r, k: r.pop(k, None), lambda r, k: r[k]):
        for key in ("a", "b"):
            record = Record(a=1, b=2)
            try:
                act(record, Evil(key, lambda: record.__setitem__("new", 1) if "new" not in record else None))
            except KeyError:
                pass
            assert type(record) is Dict and "new" in record
            record = Record(a=1, b=2)
            try:
                act(record, Evil(key, record.clear))
            except (KeyError, RuntimeError):
                pass
            assert len(list(record)) == len(record)
    with pytest.raises(ZeroDivisionError):
        Record(a=1).get(Evil("a", lambda: 1 / 0))


def test_records_and_the_collector():
    assert not gc.is_tracked(Record(a=1, b="x")) and gc.is_tracked(Record(a=[]))
    record = Record(a=1)
    record["a"] = record
    assert gc.is_tracked(record)

    class Watched:
        pass

    watched = Watched()
    watched.record = Record(me=watched, other=1)
    gone = weakref.ref(watched)
    del watched
    gc.collect()
    assert gone() is None
    deep = Record(inner=None)
    for _ in range(200_000):
        deep = Record(inner=deep)
    del deep


def test_sizes():
    """A head of 40 bytes (collector's included) and a pointer for each value, on 64 bits."""
    for n in range(1, 65):
        model = {str(i): i for i in range(n)}
        assert sys.getsizeof(Record(model)) == 40 + 8 * n < sys.getsizeof(model)
    assert Record(a=1).shape.__sizeof__() > 0


# ---- loads and shrink ----

TEXTS = ['{}', '[]', '3', '"x"', 'null', '{"a": {"b": [1, {"c": null}]}}', '[{"a": 1}, {"a": 2}, {"a": 3, "b": 1}]', '{"a": 1, "a": 2}',
         '[{"a": 1, "a": 2}, {"a": 3, "a": 4}, {"a": 5}]', '[1.5, -0.0, 0.0, 1e300, 123456789012345678901234567890, true]']  # fmt: skip


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_loads_means_what_json_loads_means(text, share):
    assert lean.loads(text, share=share) == json.loads(text) == lean.loads(text.encode()) == lean.load(io.StringIO(text))
    assert repr(lean.loads(text)) == repr(json.loads(text)) == repr(lean.shrink(json.loads(text)))


def test_loads_makes_records():
    made = lean.loads(json.dumps(rows(5)))
    assert [type(row) for row in made] == [Dict, Record, Record, Record, Record] and made == rows(5)
    assert len({id(row.shape) for row in made[1:]}) == 1
    with pytest.raises(json.JSONDecodeError):
        lean.loads("{")
    for name in ("object_hook", "object_pairs_hook"):
        with pytest.raises(TypeError, match=rf"^lean.loads\(\) makes the objects itself: no {name}$"):
            lean.loads("1", **{name: dict})
    assert lean.loads("[1.5]", parse_float=str) == ["1.5"]


def test_loads_keeps_equal_values_once():
    text = json.dumps([{"name": "a name", "f": 0.25, "i": 12345, "zero": zero} for zero in (0.0, -0.0)] * 3)
    made = lean.loads(text)
    assert all(row["name"] is made[0]["name"] and row["f"] is made[0]["f"] and row["i"] is made[0]["i"] for row in made)
    assert [repr(row["zero"]) for row in made] == ["0.0", "-0.0"] * 3
    made = lean.loads(text, share=False)
    assert made[1]["name"] is not made[2]["name"]


def test_shrink():
    inner = {"c": 1}
    tree = [{"a": 1, "b": inner}, {"a": 2, "b": (inner, 5)}, ({"x": 1},), (1, 2), "text", {1: 2}, Dict(z=[{"deep": 1}])]
    model = copy.deepcopy(tree)
    plain = tree[3]
    made = lean.shrink(tree)
    assert made is tree and made == model and repr(made) == repr(model)
    assert [type(item) for item in made[:2]] == [Dict, Record]
    assert made[0]["b"] is made[1]["b"][0] and type(made[0]["b"]) is Dict
    assert type(made[2][0]) is Dict and made[3] is plain and type(made[5]) is Dict and type(made[6]["z"][0]) is Dict

    class Own(dict):
        pass

    own = Own(a={})
    assert lean.shrink([own])[0] is own and type(own["a"]) is dict


def test_shrink_cycles():
    d, x, t = {}, [], []
    d.update(me=d, x=x)
    x.extend([x, d])
    made = lean.shrink(d)
    assert made["me"] is made and made["x"] is x and x[0] is x and x[1] is made
    t.append((t, {"t": t}))
    made = lean.shrink(t)
    assert made is t and made[0][0] is t and made[0][1]["t"] is t


def test_shrink_of_deep_nesting_is_an_error():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecursionError, match="shrink"):
        lean.shrink(deep)
    while deep:
        deep = deep.pop()


@pytest.mark.parametrize("seed", range(20))
def test_shrink_of_anything(seed):
    choose = random.Random(seed)

    def make(depth):
        kind = choose.randrange(8 if depth else 4)
        if kind < 4:
            return [choose.randrange(1000), choose.random(), str(choose.randrange(30)), None][kind]
        if kind == 4:
            return tuple(make(depth - 1) for _ in range(choose.randrange(4)))
        if kind == 5:
            return [make(depth - 1) for _ in range(choose.randrange(6))]
        keys = choose.choice(["ab", "abc", [str(i) for i in range(70)], [1, "a"]])
        return {key: make(depth - 1) for key in keys}

    tree = [make(4) for _ in range(30)]
    text = repr(tree)
    assert repr(lean.shrink(tree)) == text


def test_maker_refuses_nonsense():
    from gossamer._lean import _Maker

    for arguments in ((), (1,), ([1],), ([(1, 2, 3)],), ([], [])):
        with pytest.raises(TypeError):
            _Maker()(*arguments)
    with pytest.raises(TypeError):
        _Maker()([], a=1)
    with pytest.raises(TypeError):
        _Maker()([([], 1)])
    assert _Maker()([(1, 2)]) == {1: 2}
    assert _Maker()([(i, i) for i in range(1000)]) == {i: i for i in range(1000)}


def test_a_hundred_thousand_records_in_tasklets():
    """Tasklets make, change and check records in turns; the million of it is a row of bench/lean.py."""
    import gossamer

    shape = Shape("number", "owner", "next")
    all_records = []

    def work(owner):
        before = None
        for number in range(1000):
            record = shape(number, owner, before)
            if number % 100 == 99:
                record["odd"] = owner
                gossamer.schedule()
            all_records.append(record)
            before = record if number % 100 else None
        return owner

    tasklets = [gossamer.spawn(work, owner) for owner in range(100)]
    gossamer.run()
    assert [t.join() for t in tasklets] == list(range(100)) and len(all_records) == 100_000
    assert all(record["number"] % 100 == 99 if type(record) is Dict else len(record) == 3 for record in all_records)
    assert sum(record["owner"] for record in all_records) == 1000 * sum(range(100))
