"""docs/reference/compatibility.md says the truth.

The tables behind a comment "<!-- names: SCOPE -->" are read: a name that works or differs exists, with the parameters shown; one
that is not yet there raises NotImplementedError when it is called; "never" does not exist; and what exists is listed.
"""
import builtins
import copy
import gc
import inspect
import pathlib
import pickle
import re
import subprocess
import sys
import threading

import pytest

import gossamer
import stackless
from helpers import blocked_tasklet, nothing, paused_tasklet

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "compatibility.md"
STATES = {"works", "differs", "not yet", "never", "new"}
SCOPES = {
    "stackless": stackless, "builtins": builtins, "tasklet": stackless.tasklet, "channel": stackless.channel,
    "bomb": stackless.bomb, "atomic": stackless.atomic,
}


class Row:
    def __init__(self, scope, cell, state, remark):
        self.scope, self.cell, self.state, self.remark = scope, cell, state, remark
        match = re.fullmatch(r"`(\w+)(?:\((.*)\))?`", cell)
        self.name = match[1] if match else None
        self.parameters = match[2] if match else None

    def __str__(self):
        return f"{self.scope}: {self.cell}"

    def value(self):
        """What the name stands for; the class itself for the row of a constructor."""
        home = SCOPES[self.scope]
        return home if self.name == self.scope else inspect.getattr_static(home, self.name, None) or getattr(home, self.name)


def read():
    rows, scope = [], None
    for line in PAGE.read_text().splitlines():
        marker = re.fullmatch(r"<!-- names: (\w+) -->", line)
        if marker:
            scope = marker[1]
        elif scope and line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if cells[0] not in ("Name", "---") and not cells[0].startswith("---"):
                assert len(cells) == 3, line
                rows.append(Row(scope, cells[0], cells[1], cells[2].strip(" |")))
        elif not line.startswith("|"):
            scope = None
    return rows


ROWS = read()
NAMES = [row for row in ROWS if row.scope in SCOPES]


def each(rows):
    return pytest.mark.parametrize("row", rows, ids=str)


def test_tables_are_read():
    assert {row.scope for row in ROWS} == {*SCOPES, "rules", "c"}
    assert len(ROWS) > 100
    for row in ROWS:
        assert row.state in STATES, row
        assert row.state not in ("differs", "never") or row.remark, f"{row} says {row.state}, but not why"
    assert all(row.name for row in NAMES)


@each([row for row in NAMES if row.state in ("works", "differs", "new")])
def test_exists(row):
    assert row.name == row.scope or hasattr(SCOPES[row.scope], row.name)


@each([row for row in NAMES if row.parameters is not None and not row.name.startswith("__")])
def test_parameters(row):
    try:
        found = inspect.signature(row.value())
    except (TypeError, ValueError):
        return  # the texts of some cannot be read by machine
    shown = [p for p in found.parameters.values() if p.name not in ("self", "$self")]
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    words = ", ".join(stars.get(p.kind, "") + p.name for p in shown)
    if words not in ("*args, **kwargs", ""):  # what CPython shows for slots says nothing
        assert row.parameters == words


@each([row for row in NAMES if row.state == "never"])
def test_never(row):
    with pytest.raises(AttributeError):
        getattr(SCOPES[row.scope], row.name)


@pytest.mark.parametrize("scope", ["stackless", "tasklet", "channel", "bomb", "atomic"])
def test_nothing_is_left_out(scope):
    home = SCOPES[scope]
    names = dir(home) if scope == "stackless" else vars(home)
    public = {name for name in names if not name.startswith("_")}
    public |= {name for name in ("__reduce__", "__reduce_ex__", "__setstate__", "__next__", "__call__") if name in vars(home)}
    listed = {row.name for row in NAMES if row.scope == scope}
    assert public - listed == set(), "add these to docs/reference/compatibility.md"


def test_all():
    listed = {row.name for row in NAMES if row.scope == "stackless" and row.state in ("works", "differs")}
    assert set(stackless.__all__) <= listed
    new = PAGE.read_text().split("## What Stackless does not have")[1]
    named = set(re.findall(r"`(\w+)`", new))
    computed = {"current", "main", "runcount", "threads", "uncollectables", "debug"}
    assert set(gossamer.__all__) - listed - computed - {"TaskletExit"} <= named


# ---- C API ----


def header():
    """The headers of the C API without their comments."""
    files = ("stackless_api.h", "gossamer/python.h")
    return re.sub(r"/\*.*?\*/", "", "".join((ROOT / "include" / name).read_text() for name in files), flags=re.S)


@each([row for row in ROWS if row.scope == "c"])
def test_c_name(row):
    assert row.name and bool(re.search(rf"\b{row.name}\b", header())) == (row.state != "never")


def test_no_c_name_is_left_out():
    text = header()
    there = set(re.findall(r"^static inline [^(;]*?(\w+)\(", text, re.M)) | set(re.findall(r"^#define (\w+)[ (].", text, re.M))
    there = {name for name in there if not name.endswith("_") and not name.startswith("PYSTACKLESS_API_")}
    assert there - {row.name for row in ROWS if row.scope == "c"} == set(), "add these to docs/reference/compatibility.md"


# ---- not yet ----


def refused(call, *args, **kwargs):
    with pytest.raises(NotImplementedError) as caught:
        call(*args, **kwargs)
    assert "is not in this release of Gossamer" in str(caught.value)


def copies(*makers):
    def check():
        for make in makers:
            thing = make()
            for operation in (pickle.dumps, copy.copy, copy.deepcopy):
                refused(operation, thing)
    return check


RULES = {
    "pickling or copying a tasklet":
        copies(stackless.tasklet, lambda: stackless.tasklet(nothing, ()), paused_tasklet, blocked_tasklet),
    "pickling or copying a channel": copies(stackless.channel),
}


@each([row for row in ROWS if row.scope == "rules"])
def test_rule_is_not_yet_there(row):
    assert row.state == "not yet" and row.cell in RULES, "RULES needs a call that shows it"
    RULES[row.cell]()


@each([row for row in NAMES if row.state == "not yet"])
def test_name_is_not_yet_there(row):
    thing = paused_tasklet() if row.scope == "tasklet" else stackless.channel()
    refused(getattr(thing, row.name), *([()] if row.parameters else []))


# ---- differs ----


def test_differences():
    """The cheap ones; the others have tests of their own."""
    t = stackless.tasklet(nothing)
    assert t.cstate is None and t.nesting_level == 0 and not hasattr(stackless, "cframe")
    assert stackless.enable_softswitch(True) is False and stackless.enable_softswitch(None) is False
    with pytest.raises(TypeError):
        stackless.cstack()
    with pytest.raises(AttributeError):
        del t.tempval
    assert repr(t).startswith("<gossamer.tasklet object at 0x") and repr(t).endswith(", bound>")
    assert {c.__module__ for c in (stackless.tasklet, stackless.channel, stackless.bomb, TaskletExit)} == {"gossamer"}
    assert len(stackless.get_thread_info(-1, 1 << 31)) == 3
    assert issubclass(gossamer.DeadlockError, RuntimeError)


def test_unstarted_tasklet_of_an_ended_thread():
    made, log = [], []
    thread = threading.Thread(target=lambda: made.append(stackless.tasklet(log.append)(1)))
    thread.start()
    thread.join()
    t = made[0]
    assert not t.alive and t.thread_id == -1
    t.bind_thread()
    assert t.alive and t.thread_id == threading.get_ident()
    t.insert()
    stackless.run()
    assert log == [1]


def test_pickle_flags_are_for_all_threads():
    old = stackless.pickle_flags(1)
    try:
        seen = []
        thread = threading.Thread(target=lambda: seen.append(stackless.pickle_flags()))
        thread.start()
        thread.join()
        assert seen == [1]
    finally:
        stackless.pickle_flags(old)


def test_taskletexit_under_both_starters(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import stackless\nraise TaskletExit\n")
    plain = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    assert (plain.returncode, plain.stderr) == (0, "")
    ours = subprocess.run([sys.executable, "-m", "gossamer", "run", program], capture_output=True, text=True, timeout=60)
    assert ours.returncode == 1 and "TaskletExit" in ours.stderr
