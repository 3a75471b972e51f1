"""lean.audit, lean.compact and the command `gossamer audit`."""

import gc
import json
import re
import subprocess
import sys

import pytest

from gossamer import lean
from gossamer.lean import Dict


def grown(n, left):
    """A dict that once held n items, and its last ones."""
    d = {i: str(i) for i in range(n)}
    for i in range(n - left):
        del d[i]
    return d


@pytest.mark.parametrize("left", [1, 5, 100, 999])
def test_compact(left):
    d = grown(100_000, left)
    model, before, address = dict(d.items()), sys.getsizeof(d), id(d)
    saved = lean.compact(d)
    assert before - sys.getsizeof(d) == saved > 0 and id(d) == address
    assert d == model and list(d) == list(model) and all(d[key] == value for key, value in model.items())
    assert sys.getsizeof(d) == sys.getsizeof(dict(list(model.items()))) and lean.compact(d) == 0
    for i in range(1000):
        d[("new", i)] = i
    assert len(d) == left + 1000


def test_compact_by_popitem_and_of_str_keys():
    d = {str(i): i for i in range(1000)}
    while len(d) > 10:
        d.popitem()
    assert lean.compact(d) > 20_000 and sys.getsizeof(d) == 272 and list(d.values()) == list(range(10))
    d[1] = 1
    del d[1]  # now each entry keeps a hash, which no key needs
    assert lean.compact(d) > 0 and sys.getsizeof(d) == 272


def test_compact_leaves_others_alone():
    class Thing:
        def __init__(self):
            self.a = 1

    assert lean.compact({}, {1: 2}, Thing().__dict__, globals(), lean.Record(a=1)) >= 0
    d = Dict.fromkeys(range(1000))
    for i in range(990):
        del d[i]
    assert lean.compact(d) > 0 and list(d) == list(range(990, 1000)) and sys.getsizeof(d) < 300
    assert lean.compact() == 0
    with pytest.raises(TypeError, match="^compact\\(\\) needs dicts, not list$"):
        lean.compact([])


def test_compact_of_globals_that_are_in_use():
    """Inline caches of running code must notice."""
    space = {f"v{i}": i for i in range(5000)}
    exec("def f():\n    return v4999 + len('abc')", space)
    assert [space["f"]() for _ in range(100)] == [5002] * 100
    for i in range(4990):
        del space[f"v{i}"]
    assert lean.compact(space) > 0 and [space["f"]() for _ in range(100)] == [5002] * 100
    space["v4999"] = 1
    assert space["f"]() == 4


def test_compact_of_a_dict_that_is_iterated_over():
    for name in ("keys", "values", "items"):
        d = grown(1000, 10)
        back = reversed(getattr(d, name)())
        with pytest.raises(RuntimeError, match="^the dict is being iterated in reverse$"):
            lean.compact(d)
        assert len(list(back)) == 10
        del back
        forth = iter(getattr(d, name)())
        next(forth)
        assert lean.compact(d) > 0
        assert len(list(forth)) < 10  # positions have changed; it ends early, and safely


def test_compact_when_comparisons_interfere():
    class Key:
        action = staticmethod(lambda: None)

        def __hash__(self):
            return 1

        def __eq__(self, other):
            Key.action()
            return self is other

    d = {Key(): i for i in range(100)}
    for key in list(d)[:90]:
        del d[key]
    Key.action = lambda: d.pop(next(iter(d)), None) if len(d) > 5 else None
    with pytest.raises(RuntimeError, match="^comparing its keys has changed the dict$"):
        lean.compact(d)
    Key.action = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        lean.compact(d)
    Key.action = lambda: None
    assert lean.compact(d) > 0 and len(d) == 5


def test_facts_agree_with_sys_getsizeof():
    from gossamer._lean import _dict_facts, _instance_facts, _size_facts

    for make in (str, int):
        for n in list(range(100)) + [1000, 30_000, 100_000]:
            d = {}
            for i in range(n):
                d[make(i)] = i
            items, room, own, table, users, address, split, general = _dict_facts(d)
            assert items == n and room >= n and own + table == sys.getsizeof(d) and not split
            builtin, ours, record = _size_facts(n, make is int)
            assert (builtin == table or n == 0) and ours == sys.getsizeof(Dict(d))
            if make is str and 0 < n <= 64:
                assert record == sys.getsizeof(lean.Record(d))
    for wrong in (lambda: _dict_facts([]), lambda: _size_facts("x", 1)):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(ValueError):
        _size_facts(-1, False)

    class Thing:
        def __init__(self):
            self.a = self.b = 1

    one, two = Thing(), Thing()
    assert _instance_facts(one)[0] is None and _instance_facts(one)[1] > 16 and _instance_facts(one)[2] == 2
    assert two.__dict__ is _instance_facts(two)[0]
    assert _instance_facts(3) == (None, 0, 0) and _instance_facts(Thing)[0] is None


class Owner:
    def __init__(self, i):
        self.first, self.second = i, i


class Holder:
    __slots__ = ("dict",)


def test_audit_finds_who_owns_what():
    rows = [{"alpha": i, "beta": i, "gamma": i} for i in range(500)]
    plain = [Owner(i) for i in range(300)]
    touched = [Owner(i) for i in range(200)]
    for one in touched:
        one.__dict__
    holder = Holder()
    holder.dict = grown(50_000, 5)
    report = lean.audit()
    groups = {(group.owner, group.keys): group for group in report}
    mine = groups["in a list", ("alpha", "beta", "gamma")]
    assert (mine.count, mine.items, mine.bytes, mine.oversized) == (500, 1500, 500 * sys.getsizeof(rows[0]), 0)
    assert mine.saves["Record"] == 500 * (sys.getsizeof(rows[0]) - sys.getsizeof(lean.Record(rows[0]))) - 64 - 17 * 3
    assert mine.best[0] == "Record" and mine.repeated > 0 and mine.slack == 500 * 2 * 16
    name = f"{__name__}.Owner"
    assert groups[f"{name}.__dict__", ("first", "second")].count == 200
    assert groups[f"{name} (no dict made)", None].count == 300 and groups[f"{name} (no dict made)", None].saves["__slots__"] > 0
    large = next(group for group in report if group.owner == f"in {__name__}.Holder")
    assert large.saves["compact"] == large.oversized > 1_000_000 and large.count == 1
    lean.compact(holder.dict)
    assert not any(group.owner == f"in {__name__}.Holder" and group.oversized for group in lean.audit())
    assert report.total("count") >= 1000 and report.saves()["Record"] > 0
    back = json.loads(json.dumps(report.data()))
    assert back["bytes"] == report.total("bytes") and len(back["groups"]) == len(report.groups)
    text = str(report)
    assert "best remedy" in text and "more groups" in text and max(map(len, text.splitlines())) <= 120
    assert len(plain) == 300


def test_audit_of_a_dict_that_the_collector_does_not_know():
    outer = [[{"untracked one": 1}]]
    assert not gc.is_tracked(outer[0][0]) or sys.version_info >= (3, 14)
    assert any(group.keys == ("untracked one",) for group in lean.audit())


def command(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "gossamer", "audit", *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def test_command(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import sys\nrows = [{'one': i, 'two': i} for i in range(1000)]\nprint(sys.argv[1:])\nsys.exit(3)\n")
    data = tmp_path / "data.json"
    done = command("--top", 5, "--json", data, program, "--top", "x")
    assert (done.returncode, done.stdout) == (3, "['--top', 'x']\n")
    assert re.search(r"^ +1,000 +2\.0 .*Record .* in a list +one, two$", done.stderr, re.M), done.stderr
    assert any(group["keys"] == ["one", "two"] and group["count"] == 1000 for group in json.loads(data.read_text())["groups"])
    done = command("-m", "json.tool", "--help")
    assert done.returncode == 0 and "best remedy" in done.stderr
    done = command("--json", tmp_path / "no" / "such" / "folder", program)
    assert done.returncode == 3 and "cannot write" in done.stderr and "best remedy" in done.stderr


@pytest.mark.parametrize("arguments, text", [
    ((), "what shall be audited"),
    (("--top",), "--top needs a value"),
    (("--top", "0", "x.py"), "--top needs a positive number, not '0'"),
])  # fmt: skip
def test_command_line_errors(arguments, text):
    done = command(*arguments)
    assert done.returncode == 2 and text in done.stderr
    assert command("--help").returncode == 0
