"""Policies: their arithmetic, which reproduces two old tables of sizes, and how they reach a Dict."""

import copy
import pickle
import sys

import pytest

from gossamer import lean
from gossamer.lean import CPYTHON27, FAST, PS3, TIGHT, Dict, Policy

READY = {"CPYTHON27": CPYTHON27, "PS3": PS3, "TIGHT": TIGHT, "FAST": FAST}

# Bytes of a dict with n int keys in a 32-bit build: as it was in CPython 2.7, and as it was tuned for a console.
DEFAULT_TABLE = {range(0, 6): 148, range(6, 20): 532}
TUNED_TABLE = {range(0, 1): 64, range(1, 2): 88, range(2, 3): 112, range(3, 6): 160, range(6, 12): 256, range(12, 20): 448}


@pytest.mark.parametrize("policy, table", [(CPYTHON27, DEFAULT_TABLE), (PS3, TUNED_TABLE)], ids=["default", "tuned"])
def test_the_old_tables_of_sizes(policy, table):
    sizes = {n: size for some, size in table.items() for n in some}
    assert sorted(sizes) == list(range(20))
    assert {n: policy.classic_bytes(n) for n in range(20)} == sizes
    for n, size in sizes.items():  # 52 bytes of head, 12 for each slot, the first slots included
        slots = policy.slots(n)
        assert size == 52 + 12 * (policy.min_slots + (slots if slots > policy.min_slots else 0))


def test_the_tuned_table_fits_no_limit_of_four_fifths():
    """Three items in four slots are below 4/5, yet the table says eight slots; up to 11/16 it would keep more."""
    wanted = [PS3.classic_bytes(n) for n in range(20)]

    def fits(limit):
        policy = Policy(1, limit, 1.5, powers_of_two=True)
        return [policy.classic_bytes(n) for n in range(20)] == wanted

    assert fits(0.75) and fits(0.70) and not fits(0.8) and not fits(0.6875)


def test_slots_of_a_growing_table():
    assert [CPYTHON27.slots(n) for n in (0, 5, 6, 21, 22, 85, 86)] == [8, 8, 32, 32, 128, 128, 512]
    assert CPYTHON27.slots(60_000) == 131_072  # twice, not four times, beyond 50,000
    assert [CPYTHON27.usable(slots) for slots in (8, 32, 128)] == [5, 21, 85]
    for policy in READY.values():
        for n in range(0, 3000, 13):
            assert policy.usable(policy.slots(n)) >= n


def test_policies_are_interned_and_immutable():
    assert Policy(8, 2 / 3, 4, 2, True) is CPYTHON27 and Policy(1, 0.5, 2.0) is Policy(min_slots=1, max_load=0.5, growth=2, growth_large=2)
    assert pickle.loads(pickle.dumps(PS3)) is PS3 and copy.deepcopy(PS3) is PS3
    assert eval(repr(PS3)) is PS3
    assert (PS3.min_slots, PS3.max_load, PS3.growth, PS3.growth_large, PS3.powers_of_two, PS3.bounded) == (1, 0.75, 1.5, 1.5, True, False)
    with pytest.raises(AttributeError):
        PS3.growth = 2
    with pytest.raises(TypeError):
        class Own(Policy):
            pass


@pytest.mark.parametrize("arguments, text", [
    ((1, 0.99, 2), "max_load must be from 0.1 to 0.98"),
    ((1, float("nan"), 2), "max_load must be from 0.1 to 0.98"),
    ((1, 0.5, 0.9), "growth must be from 1 to 16"),
    ((1, 0.5, 2, 17), "growth must be from 1 to 16"),
    ((0, 0.5, 2), "min_slots must be from 1 to 65536"),
    ((-1, 0.5, 2), "min_slots must be from 1 to 65536"),
    ((70_000, 0.5, 2), "min_slots must be from 1 to 65536"),
    ((3, 0.5, 2, 2, True), "min_slots must be a power of two where powers_of_two is true"),
])  # fmt: skip
def test_bad_policies(arguments, text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        Policy(*arguments)


def test_bad_counts():
    for act in (PS3.slots, PS3.usable, PS3.classic_bytes):
        for n in (-1, 1 << 32):
            with pytest.raises(ValueError, match="^the number of items must be from 0 to 4294967295$"):
                act(n)
        with pytest.raises(TypeError):
            act("3")


@pytest.mark.parametrize("name", ["CPYTHON27", "PS3", "FAST"])  # TIGHT is bounded: test_lean_dict.py holds it to that
def test_a_dict_follows_its_policy(name):
    """The table is made anew exactly when the policy's slots change, and holds what they hold."""
    policy = READY[name]
    d, changes = policy.dict(), []
    for n in range(1, 200):
        before = sys.getsizeof(d)
        d[n] = n
        if sys.getsizeof(d) != before:
            changes.append(n)
    slots = [policy.slots(n) for n in range(200)]
    assert changes == [n for n in range(1, 200) if n == 1 and policy.usable(slots[0]) or slots[n] != slots[n - 1]]


def test_where_a_policy_comes_from():
    class Roomy(Dict, policy=FAST):
        pass

    class Child(Roomy):
        pass

    class Plain(Dict):
        pass

    assert Roomy().policy is Child().policy is FAST and Plain().policy is Dict().policy is TIGHT
    assert PS3.dict(a=1).copy().policy is PS3 and PS3.dict([("a", 1)], b=2) == {"a": 1, "b": 2}
    before = lean.set_default_policy(PS3)
    try:
        assert before is TIGHT and lean.get_default_policy() is PS3
        assert Dict().policy is Plain().policy is PS3 and Roomy().policy is FAST
    finally:
        lean.set_default_policy(before)
    d = Dict()
    d.policy = FAST
    assert d.policy is FAST
    for made in (copy.copy(d), copy.deepcopy(d), pickle.loads(pickle.dumps(d))):
        assert made.policy is FAST and type(made) is Dict
    with pytest.raises(TypeError, match="^policy must be a Policy$"):
        d.policy = 3
    with pytest.raises(TypeError, match="^policy must be a Policy$"):
        del d.policy
    with pytest.raises(TypeError, match="^a Policy is needed, not int$"):
        lean.set_default_policy(3)
    with pytest.raises(TypeError, match="^policy must be a Policy$"):
        class Wrong(Dict, policy=3):
            pass

    class Spoilt(Dict):
        __lean_policy__ = 3

    with pytest.raises(TypeError, match="^__lean_policy__ of a class must be a Policy or None, not int$"):
        Spoilt()


def test_there_is_a_limit_to_policies():
    import helpers

    done = helpers.python("""
        from gossamer.lean import Policy
        kept = []
        try:
            for n in range(300):
                kept.append(Policy(n + 1, 0.5, 2))
        except OverflowError as error:
            print(error)
        print(len(kept), kept[0].dict(a=1), kept[-1].dict(b=2), Policy(1, 0.5, 2) is kept[0])
    """)
    assert done.stdout == "there are 255 different policies already, which is the limit\n251 {'a': 1} {'b': 2} True\n"


def test_restore_refuses_nonsense():
    from gossamer import _lean

    with pytest.raises(TypeError):
        _lean._restore(dict, PS3)
    with pytest.raises(TypeError):
        _lean._restore(Dict, 3)
