"""When memory runs out: each allocation of an operation fails once, and nothing is lost, leaked or half done."""

import subprocess
import sys
import textwrap

import pytest

try:
    import _testcapi
except ImportError:
    _testcapi = None

# The interpreter itself allocates, too, and pytest does not survive that: each case is a process of its own.
FRAME = """
    import _testcapi, gc, json, sys
    from gossamer import lean
    from gossamer._lean import _Maker
    from gossamer.lean import Dict, Record, Shape

    def every_allocation(prepare, act, check):
        failures = 0
        for n in range(3000):
            state = prepare()
            gc.disable()
            try:
                _testcapi.set_nomemory(n, n + 1)
                try:
                    act(state)
                finally:
                    _testcapi.remove_mem_hooks()
            except MemoryError:
                failures += 1
                check(state, False)
            else:
                check(state, True)
                gc.enable()
                if quiet(n, prepare, act):
                    return failures
            gc.enable()
        raise SystemExit("it never succeeded")

    def quiet(n, prepare, act):
        '''Far beyond the last allocation of the operation?'''
        for m in range(n + 1, n + 12):
            state = prepare()
            try:
                _testcapi.set_nomemory(m, m + 1)
                try:
                    act(state)
                finally:
                    _testcapi.remove_mem_hooks()
            except MemoryError:
                return False
        return True

    class Odd:
        def __init__(self, n): self.n = n
        def __hash__(self): return self.n
        def __eq__(self, other): return self is other

    ODD = [Odd(i) for i in range(400)]
    NAMES = ["name %d" % i for i in range(400)]

    def dict_of(keys):
        return lambda: (Dict.fromkeys(keys, 1), list(keys))

    def same_or_done(state, done):
        d, keys = state
        assert list(d)[:len(keys)] == keys and len(list(d)) == len(d)
        assert all(d[key] == 1 for key in keys)

    def untouched(state, done):
        d, keys = state
        assert list(d) == keys and all(d[key] == 1 for key in keys)

    def set_one(state): state[0]["another"] = 1
    def set_odd(state): state[0][ODD[399]] = 1
"""

CASES = {
    "set": "[every_allocation(dict_of(NAMES[:n]), set_one, same_or_done) for n in (0, 1, 5, 21, 85, 86, 170, 300)]",
    "set of another kind": "[every_allocation(dict_of(NAMES[:n]), set_odd, same_or_done) for n in (0, 1, 5, 85, 86, 300)]",
    "set of ints": "[every_allocation(dict_of(range(n)), set_one, same_or_done) for n in (0, 1, 5, 85, 86, 300)]",
    "set of odd keys": "[every_allocation(dict_of(ODD[:n]), set_odd, same_or_done) for n in (1, 5, 85, 86, 300)]",
    "shrink": "[every_allocation(lambda: grown(n), lambda s: s[0].shrink(), untouched) for n in (10, 100, 300)]",
    "copy": "[every_allocation(dict_of(NAMES[:n]), lambda s: s[0].copy(), untouched) for n in (1, 85, 300)]",
    "update": "[every_allocation(dict_of(NAMES[:n]), lambda s: s[0].update(OTHER), same_or_done) for n in (0, 5, 100)]",
    "make": "[every_allocation(dict_of(NAMES[:n]), lambda s: (Dict(s[0]), Dict(dict(s[0])), Record(s[0])), untouched) for n in (1, 8, 85, 300)]",
    "record to dict": "[every_allocation(lambda: (Record.fromkeys(NAMES[:n], 1), NAMES[:n]), set_one, same_or_done) for n in (1, 8, 64)]",
    "shape": "[every_allocation(lambda: ([], ()), lambda s: s[0].append(Shape(*FRESH[len(s[0])::7])), lambda s, d: None)]",
    "views": "[every_allocation(dict_of(NAMES[:n]), lambda s: (list(s[0].items()), list(reversed(s[0].values())), s[0].keys() & NAMES), untouched)"
    " for n in (3, 100)]",
    "repr, compare": "[every_allocation(dict_of(NAMES[:n]), lambda s: (repr(s[0]), s[0] == dict(s[0]), s[0] | {1: 1}), untouched) for n in (3, 100)]",
    "loads": "[every_allocation(lambda: ([], ()), lambda s: load(), lambda s, d: None)]",
    "shrink of a tree": "[every_allocation(lambda: json.loads(TEXT), lambda s: lean.shrink(s), lambda s, d: s == json.loads(TEXT) or 1 / 0)]",
    "compact": "[every_allocation(lambda: heavy(), lambda s: lean.compact(s[0]), untouched)]",
    "popitem": "[every_allocation(lambda: (Record(a=1), []), lambda s: s[0].popitem(), lambda s, done: done or s[0] == {'a': 1} or 1 / 0)]",
}
MORE = """
    OTHER = {("o", i): i for i in range(100)}
    FRESH = [f"fresh {i}" for i in range(50)]
    TEXT = json.dumps([{"a": i, "b": [{"c": "x" * i}], "d": {"e": 1.5}} for i in range(4)])

    def load():
        # What json.loads calls, not json.loads itself: its scanner, too, would be judged by the blocks it leaves.
        maker = _Maker()
        for n in (1, 3, 3, 3, 70, 70):
            maker([("key %d" % i, "value %d" % i) for i in range(n)])

    def grown(n):
        d = Dict.fromkeys(NAMES[:n] + ["extra %d" % i for i in range(200)], 1)
        for i in range(200):
            del d["extra %d" % i]
        return d, NAMES[:n]

    def heavy():
        d = dict.fromkeys(range(1000), 1)
        for i in range(990):
            del d[i]
        return d, list(range(990, 1000))
"""


@pytest.mark.skipif(_testcapi is None, reason="this Python comes without _testcapi, which makes allocations fail")
@pytest.mark.parametrize("case", CASES)
def test_each_allocation_fails_once(case):
    program = textwrap.dedent(FRAME) + textwrap.dedent(MORE) + f"""
def once():
    count = sum({CASES[case]})
    gc.collect()
    return count, sys.getallocatedblocks()

once()
(first, before), (second, after) = once(), once()
print(min(first, second), after - before)
"""
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", program], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    failures, leaked = map(int, done.stdout.split())
    assert failures > 0, "no allocation has failed"
    assert leaked < 3 + failures / 4, f"{leaked} blocks stay behind after {failures} failures"

