"""lean.Dict beyond what the standard library's tests ask of a dict: its own layouts, limits, and wild keys."""

import collections.abc
import copy
import gc
import itertools
import json
import pickle
import random
import re
import subprocess
import sys
import weakref

import pytest

from gossamer import lean
from gossamer.lean import Dict

SIZES = [0, 1, 2, 5, 15, 16, 17, 31, 33, 64, 65, 84, 85, 86, 87, 170, 171, 300, 1365, 1366, 5000]
MAKE = {
    "str": lambda i: f"k{i}",
    "int": lambda i: i * 7,
    "big int": lambda i: i * (1 << 40) - 1,
    "float": lambda i: i / 4,
    "bytes": lambda i: b"%d" % i,
    "tuple": lambda i: (i, str(i)),
    "mixed": lambda i: [f"k{i}", i, (i,), i + 0.5][i % 4],
}


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("n", SIZES)
def test_build_look_up_delete(kind, n):
    keys = [MAKE[kind](i) for i in range(n)]
    d, model = Dict(), {}
    for i, key in enumerate(keys):
        d[key] = model[key] = i
    assert len(d) == n and d == model and list(d.items()) == list(model.items())
    assert list(reversed(d)) == list(reversed(model))
    assert all(d[key] == i and key in d for i, key in enumerate(keys))
    assert all(other not in d for other in ("none", -3, (), 0.123, None, b"none"))
    assert Dict(model) == Dict(list(model.items())) == d.copy() == model
    for key in keys[::2]:
        del d[key], model[key]
    assert list(d.items()) == list(model.items())
    d.shrink()
    assert list(d.items()) == list(model.items())
    for key in keys:
        d[key] = model[key] = "again"
    assert list(d.items()) == list(model.items())
    while model:
        assert d.popitem() == model.popitem()
    assert not d


@pytest.mark.parametrize("n", SIZES[1:])
def test_first_in_first_out(n):
    """Holes at the beginning must not pile up."""
    d, model = Dict.fromkeys(range(n)), dict.fromkeys(range(n))
    for i in range(n, n + 3000):
        del d[i - n], model[i - n]
        d[i] = model[i] = i
    assert list(d.items()) == list(model.items())
    assert sys.getsizeof(d) < 2 * sys.getsizeof(Dict(model)) + 100


@pytest.mark.parametrize("n", [86, 100, 1365])
def test_last_in_first_out(n):
    """Taken and free tags of the index must not run out."""
    d = Dict.fromkeys(range(n))
    for i in range(20_000):
        d[n + i] = i
        assert d.popitem() == (n + i, i)
    assert list(d) == list(range(n))
    assert -1 not in d


class Same:
    """All have one hash, and each equals only itself."""

    def __hash__(self):
        return 42


@pytest.mark.parametrize("n", [3, 60, 200, 2000])
def test_collisions_on_purpose(n):
    keys = [Same() for _ in range(n)]
    d = Dict.fromkeys(keys, 1)
    assert len(d) == n and all(key in d for key in keys[:: max(1, n // 50)]) and Same() not in d
    for key in keys[: n // 2]:
        del d[key]
    assert list(d) == keys[n // 2 :]


@pytest.mark.parametrize("shift", [0, 8, 16, 24, 32, 40, 48, 56])
def test_hashes_that_differ_in_a_few_bits_only(shift):
    keys = [i << shift for i in range(1000)]
    assert list(Dict.fromkeys(keys)) == keys
    assert all(key in Dict.fromkeys(keys) for key in keys)


def test_equal_keys_of_different_types_are_one():
    for n in (1, 100, 1000):
        d = Dict.fromkeys(range(n))
        d[0.0] = "float"
        d[False] = "bool"
        assert len(d) == n and d[0] == "bool" and list(d)[0] is not False

        class Text(str):
            pass

        d = Dict.fromkeys(map(str, range(n)))
        d[Text("0")] = 1
        assert len(d) == n and d["0"] == d[Text("0")] == 1 and type(next(iter(d))) is str


class Evil:
    """Runs `action` when it is compared with something else of its hash."""

    def __init__(self, number, action=lambda: None):
        self.number, self.action = number, action

    def __hash__(self):
        return self.number % 3

    def __eq__(self, other):
        self.action()
        if isinstance(other, Evil):
            other.action()
        return isinstance(other, Evil) and self.number == other.number


@pytest.mark.parametrize("n", [5, 80, 200])
@pytest.mark.parametrize("damage", ["clear", "grow", "delete", "replace", "shrink", "many"])
def test_comparison_that_changes_the_dict(n, damage):
    d = Dict()
    calls = itertools.count()

    def action():
        at = next(calls)
        if at % 7 != 3:
            return
        if damage == "clear":
            d.clear()
        elif damage == "grow":
            d.update(dict.fromkeys(range(1000 + at, 1100 + at)))
        elif damage == "delete" and d:
            d.pop(next(iter(d)))
        elif damage == "replace":
            d.clear()
            d.update((i, i) for i in range(n))
        elif damage == "shrink":
            d.shrink()
        elif damage == "many" and at < 20:
            for i in range(4096):  # as many changes as make the version wrap
                d["extra"] = 1
                del d["extra"]

    for i in range(n):
        d[Evil(i)] = i
    for i in range(12):
        key = Evil(i * 3, action)
        for what in (lambda: d.get(key), lambda: key in d, lambda: d.setdefault(key, 1), lambda: d.pop(key, None),
                     lambda: d.__setitem__(key, 2), lambda: d == dict(d), lambda: Dict(d)):  # fmt: skip
            try:
                what()
            except RuntimeError as error:
                assert any(word in str(error) for word in ("during", "mutated", "keep changing"))
            except KeyError:
                pass  # dict(d) asks for the keys first, and for the values then
    assert len(list(d)) == len(d)


def test_comparison_that_fails_passes_its_error_on():
    def fail():
        raise ZeroDivisionError

    for n in (4, 100):
        d = Dict((Evil(i), i) for i in range(n))
        key = Evil(n * 3, fail)
        for what in (lambda: d[key], lambda: key in d, lambda: d.get(key), lambda: d.pop(key), lambda: d.__setitem__(key, 1),
                     lambda: d.setdefault(key), lambda: d.__delitem__(key)):  # fmt: skip
            with pytest.raises(ZeroDivisionError):
                what()
        assert len(d) == n


def test_texts_of_errors_are_those_of_dict():
    def text(cls, act):
        with pytest.raises(Exception) as caught:
            act(cls)
        said = str(caught.value).replace("gossamer.lean.", "").replace("Dict", "dict")
        # dict, from 3.14 on, says more about a key and less about a sequence; we say what it said before.
        if said == "object is not iterable":
            said = "cannot convert dictionary update sequence element #0 to a sequence"
        wrapped = re.fullmatch(r"cannot use '.*' as a dict key \((.*)\)", said)
        return type(caught.value), wrapped[1] if wrapped else said

    acts = [
        lambda cls: cls()["x"], lambda cls: cls()[("x", 1)], lambda cls: cls()[[]], lambda cls: cls().pop("x"), lambda cls: cls().popitem(),
        lambda cls: cls(1), lambda cls: cls([1]), lambda cls: cls(["abc"]), lambda cls: cls({}, {}), lambda cls: cls().update({}, {}),
        lambda cls: cls().get(), lambda cls: cls().get(1, 2, 3), lambda cls: cls().setdefault(), lambda cls: cls().pop(), lambda cls: cls(**{1: 2}),
        lambda cls: cls().__delitem__("x"), lambda cls: hash(cls()), lambda cls: cls({[]: 1} if False else [([], 1)]),
        lambda cls: cls.fromkeys(), lambda cls: [k for d in [cls(a=1)] for k in d if d.setdefault("b")],
    ]  # fmt: skip
    for act in acts:
        assert text(Dict, act) == text(dict, act)


def test_iteration_stops_after_a_change():
    for n in (3, 200):
        for change in (lambda d: d.__setitem__("new", 1), lambda d: d.pop(0), lambda d: d.clear(), lambda d: d.popitem()):
            for name in ("keys", "values", "items"):
                d = Dict.fromkeys(range(n))
                view = getattr(d, name)()
                running, back = iter(view), reversed(view)
                next(running), next(back)
                change(d)
                for it in (running, back):
                    for _ in range(2):  # it stays so
                        with pytest.raises(RuntimeError, match="^dictionary changed size during iteration$"):
                            next(it)
        d = Dict.fromkeys(range(n))
        it = iter(d)
        next(it)
        del d[0]
        d[0] = 1
        with pytest.raises(RuntimeError, match="^dictionary keys changed during iteration$"):
            next(it)
        d[1] = "new value"  # allowed
        assert len(list(d)) == n


@pytest.mark.parametrize("n", [3, 60, 200])
def test_as_many_changes_as_make_the_version_wrap(n):
    """An iterator cannot notice, but must stay within the table that is there now."""
    for left in (0, 1, n):
        d = Dict.fromkeys(range(n))
        walks = [iter(d), iter(d.items()), reversed(d)]
        for it in walks:
            next(it)
        changes = 1
        d.clear()
        for i in range(left):
            d[i] = None
            changes += 1
        while changes % 8192:
            if changes % 8192 == 8191:
                d["odd one"] = d.pop("odd one", None)
                break
            d["x"] = 1
            del d["x"]
            changes += 2
        for it in walks:
            try:
                assert len(list(it)) <= n + 2
            except RuntimeError:
                pass


def test_shrink_ends_iteration_over_holes():
    d = Dict.fromkeys(range(200))
    for i in range(0, 200, 2):
        del d[i]
    it = iter(d)
    next(it)
    d.shrink()
    with pytest.raises(RuntimeError, match="keys changed"):
        next(it)
    assert list(d) == list(range(1, 200, 2))


class Sub(Dict):
    def __missing__(self, key):
        return ("missing", key)


def test_subclass():
    d = Sub(a=1)
    assert d["b"] == ("missing", "b") and "b" not in d and d.get("b") is None
    d.attribute = 5
    assert weakref.ref(d)() is d
    with pytest.raises(TypeError):
        weakref.ref(Dict())
    with pytest.raises(AttributeError):
        Dict().attribute = 1
    for made in (copy.copy(d), copy.deepcopy(d), *(pickle.loads(pickle.dumps(d, p)) for p in range(2, pickle.HIGHEST_PROTOCOL + 1))):
        assert type(made) is Sub and made == d and made.attribute == 5
    assert type(d.copy()) is Dict and type(d | {}) is Dict
    assert type(Sub.fromkeys("ab")) is Sub


def test_missing_on_the_instance_does_not_count():
    class Odd(Dict):
        pass

    d = Odd()
    d.__missing__ = lambda key: 1
    with pytest.raises(KeyError):
        d["x"]


def test_copies_and_pickles():
    d = Dict(a=[1], b=Dict(c=2))
    d["self"] = d
    twin = copy.deepcopy(d)
    assert twin["self"] is twin and twin["a"] == [1] and twin["a"] is not d["a"]
    back = pickle.loads(pickle.dumps(d))
    assert back["self"] is back and type(back["b"]) is Dict
    assert repr(d) == "{'a': [1], 'b': {'c': 2}, 'self': {...}}"
    for it in (iter(d), iter(d.values()), reversed(d.items())):
        next(it)
        assert len(list(copy.copy(it))) == 2 and len(list(it)) == 2


def test_beside_dict():
    d = Dict(a=1, b=2)
    assert not isinstance(d, dict) and isinstance(d, collections.abc.MutableMapping)
    assert dict(d) == {"a": 1, "b": 2} == {**d} == d and (lambda **k: k)(**d) == d
    assert type({"c": 3} | d) is dict and list({"c": 3} | d) == ["c", "a", "b"]
    assert type(d | {"c": 3}) is Dict and list(d | {"c": 3}) == ["a", "b", "c"]
    d |= [("z", 26)]
    assert d.keys() == {"a", "b", "z"} and d.keys() & {"a"} == {"a"} and {"a": 1}.keys() <= d.keys()
    assert d.items() >= {("a", 1)} and d.keys().mapping["z"] == 26
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(d)
    assert json.dumps([d], default=dict) == '[{"a": 1, "b": 2, "z": 26}]'
    match d:
        case {"a": one, **rest}:
            assert one == 1 and rest == {"b": 2, "z": 26}
        case _:
            pytest.fail("a Dict matches a mapping pattern")
    assert eval("a + b", {}, d) == 3
    assert Dict[str, int].__origin__ is Dict
    with pytest.raises(TypeError):
        d | [1]
    with pytest.raises(TypeError):
        [] | d


def test_collector():
    assert not gc.is_tracked(Dict()) and not gc.is_tracked(Dict(a=1, b="x", c=1.5, d=(1, 2)[:1] and None))
    assert gc.is_tracked(Dict(a=[])) and gc.is_tracked(Dict([(frozenset([1]), 1)])) and gc.is_tracked(Sub())
    assert not gc.is_tracked(Dict(a=1).copy()) and gc.is_tracked(Dict(a=[]).copy())
    assert not gc.is_tracked(Dict(Dict(a=1))) and gc.is_tracked(Dict(Dict(a=[])))

    class Thing:
        pass

    for n in (1, 90, 1000):
        d = Dict.fromkeys(range(n))
        thing = Thing()
        thing.d = d
        d[0] = thing
        d[thing] = d  # as a key as well, in a table of another kind
        gone = weakref.ref(thing)
        del d, thing
        gc.collect()
        assert gone() is None


def test_deep_nesting_is_freed():
    d = Dict()
    for _ in range(200_000):
        d = Dict(inner=d)
    del d


def test_destructor_that_uses_the_dict():
    d = Dict()

    class Value:
        def __del__(self):
            d["from del"] = len(d)

    for n in (5, 200):
        d.update((i, Value()) for i in range(n))
        for i in range(n):
            d[i] = None
        d.update((i, Value()) for i in range(n))
        d.clear()
        assert len(list(d)) == len(d)
        d.update((i, Value()) for i in range(n))
        for i in range(n):
            d.pop(i)
        assert list(d) == ["from del"]
        d.clear()


def test_sizes_are_never_above_those_of_dict():
    """Bytes that are asked for, at every number of items and for each way of filling."""
    for make in (str, int, lambda i: (i,)):
        d, model = Dict(), {}
        for i in range(3000):
            key = make(i)
            d[key] = model[key] = None
            assert sys.getsizeof(d) <= sys.getsizeof(model), i + 1
        for n in range(0, 400, 7):
            pairs = [(make(i), None) for i in range(n)]
            assert sys.getsizeof(Dict(pairs)) <= sys.getsizeof(dict(pairs))
            assert sys.getsizeof(Dict(pairs).copy()) <= sys.getsizeof(Dict(pairs))
            assert sys.getsizeof(Dict(pairs + pairs)) <= sys.getsizeof(dict(pairs))
            assert sys.getsizeof(Dict.fromkeys(map(make, range(n)))) <= sys.getsizeof(dict(pairs))


@pytest.mark.parametrize("n", [21_845, 21_846, 200_000])
def test_large(n):
    d, model = Dict.fromkeys(range(n)), dict.fromkeys(range(n))
    assert sys.getsizeof(d) <= sys.getsizeof(model)
    assert all(i in d for i in range(n)) and n not in d and -1 not in d
    for i in range(0, n, 3):
        del d[i]
    assert len(d) == n - len(range(0, n, 3)) and list(d)[:3] == [1, 2, 4]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("policy", [lean.TIGHT, lean.FAST, lean.PS3, lean.CPYTHON27], ids="TIGHT FAST PS3 CPYTHON27".split())
def test_random_life(seed, policy):
    choose = random.Random(seed)
    n, make = choose.choice([5, 60, 100, 500]), MAKE[choose.choice(list(MAKE))]
    d, model = policy.dict(), {}
    assert d.policy is policy
    for step in range(1500):
        key, act = make(choose.randrange(n)), choose.random()
        if act < 0.5 + 0.3 * (step % 400 < 200):
            d[key] = model[key] = step
        elif act < 0.9:
            assert d.pop(key, None) == model.pop(key, None)
        elif act < 0.95:
            assert d.setdefault(key, step) == model.setdefault(key, step)
        elif act < 0.97 and model:
            assert d.popitem() == model.popitem()
        elif act < 0.98:
            d.shrink()
        else:
            assert d == model and list(d.items()) == list(model.items())
    assert list(d.items()) == list(model.items()) and list(reversed(d.values())) == list(reversed(model.values()))


def test_many_threads():
    """Single operations are atomic, as a dict's are."""
    import threading

    d = Dict()

    def work(me):
        for i in range(3000):
            d[i] = me
            d.setdefault(("own", me), 0)
            d[("own", me)] += 1
            d.pop(i % 7, None)
            list(d.items()) if i % 500 == 0 else None

    def guarded(me):
        try:
            work(me)
        except RuntimeError as error:  # list() of a view while another thread adds
            assert "during iteration" in str(error)
            work(me)

    threads = [threading.Thread(target=guarded, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(d)) == len(d) and all(d[i] in range(4) for i in range(7, 3000))


def test_subinterpreter_is_refused():
    code = "import _xxsubinterpreters as s" if sys.version_info < (3, 13) else "import _interpreters as s"
    code += """
i = s.create()
print(s.run_string(i, '''
try:
    import gossamer.lean
except ImportError as error:
    assert "subinterpreter" in str(error) or "loaded twice" in str(error), error
else:
    raise SystemExit("it can be imported")
'''))
s.destroy(i)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")
