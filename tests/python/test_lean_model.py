"""A stateful machine: lean.Dict, a Record and dict live the same life, with keys of every kind and hashes that collide."""

import copy
import pickle

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gossamer import lean


class Key:
    """One of few hashes, equal by number."""

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return self.number % 5

    def __eq__(self, other):
        return isinstance(other, Key) and self.number == other.number

    def __repr__(self):
        return f"Key({self.number})"


POOL = [Key(i) for i in range(200)]
KEYS = {
    "str": st.integers(0, 300).map(str),
    "int": st.integers(-300, 300) | st.integers(-(1 << 70), 1 << 70),
    "collisions": st.sampled_from(POOL),
    "any": st.integers(0, 40) | st.text(max_size=2) | st.floats(0, 4).map(lambda x: round(x, 1)) | st.booleans() | st.none()
    | st.binary(max_size=1) | st.tuples(st.integers(0, 5)) | st.sampled_from(POOL[:40]),
}  # fmt: skip


def machine(kind):
    keys = KEYS[kind]
    lots = st.lists(st.tuples(keys, st.integers(0, 9)), max_size=400)

    class Machine(RuleBasedStateMachine):
        @initialize(policy=st.sampled_from([lean.TIGHT, lean.FAST, lean.PS3, lean.CPYTHON27]), pairs=lots, record=st.booleans())
        def start(self, policy, pairs, record):
            self.model = dict(pairs)
            self.ours = lean.Record(pairs) if record else policy.dict(pairs)

        @rule(key=keys, value=st.integers())
        def set(self, key, value):
            self.ours[key] = self.model[key] = value

        @rule(pairs=lots)
        def update(self, pairs):
            self.ours.update(pairs)
            self.model.update(pairs)

        @rule(pairs=lots, side=st.integers(0, 3))
        def merge(self, pairs, side):
            if side == 0:
                self.ours |= dict(pairs)
            elif side == 1:
                self.ours |= lean.Dict(pairs)
            elif side == 2:
                self.ours = self.ours | lean.Record(pairs)
            else:
                self.ours.update(lean.Dict(pairs).items())
            self.model |= dict(pairs)

        @rule(key=keys)
        def pop(self, key):
            assert self.ours.pop(key, "none") == self.model.pop(key, "none")

        @rule(key=keys)
        def setdefault(self, key):
            assert self.ours.setdefault(key, 7) == self.model.setdefault(key, 7)

        @rule(part=st.floats(0, 1))
        def delete_many(self, part):
            for key in list(self.model)[: int(part * len(self.model))]:
                del self.ours[key], self.model[key]

        @rule(count=st.integers(1, 50))
        def popitems(self, count):
            for _ in range(min(count, len(self.model))):
                assert self.ours.popitem() == self.model.popitem()

        @rule()
        def shrink(self):
            self.ours.shrink()

        @rule(how=st.sampled_from([copy.copy, lambda d: d.copy(), lean.Dict, lean.Record, lambda d: pickle.loads(pickle.dumps(d))]))
        def replace(self, how):
            if how is not lean.Dict and any(isinstance(key, Key) for key in self.model):
                how = lean.Dict  # a pickled Key would be another object
            self.ours = how(self.ours)

        @rule(key=keys)
        def look(self, key):
            assert (key in self.ours) == (key in self.model) and self.ours.get(key, "none") == self.model.get(key, "none")
            assert (key in self.ours.keys()) == (key in self.model.keys())

        @rule(pairs=lots)
        def compare(self, pairs):
            other = dict(pairs)
            assert (self.ours == other) == (self.model == other)
            assert self.ours.keys() & other.keys() == self.model.keys() & other.keys()
            assert self.ours.items() ^ other.items() == self.model.items() ^ other.items()
            assert self.ours.keys().isdisjoint(other) == self.model.keys().isdisjoint(other)

        @invariant()
        def same(self):
            if hasattr(self, "model"):
                assert list(self.ours.items()) == list(self.model.items()) and len(self.ours) == len(self.model)
                assert list(reversed(self.ours)) == list(reversed(self.model)) and self.ours == self.model
                assert all(self.ours[key] == value for key, value in self.model.items())

    Machine.__name__ = f"Machine_{kind}"
    return Machine


@pytest.mark.parametrize("kind", KEYS)
def test_life_beside_dict(kind):
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(machine(kind), settings=settings(max_examples=40, stateful_step_count=30, deadline=None))
