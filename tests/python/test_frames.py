"""Frames of suspended tasklets: f_back, tracebacks, stack(), also while evicted."""
import inspect
import sys
import traceback

import pytest

import gossamer
import stackless
from helpers import pause, python, started_paused

pytestmark = pytest.mark.valgrind


def names(frame):
    out = []
    while frame is not None:
        out.append(frame.f_code.co_name)
        frame = frame.f_back
    return out


def level_two(value):
    inner = value * 2
    pause()
    return inner


def level_one(value):
    outer = value
    level_two(value)
    return outer


def test_f_back_of_a_suspended_one():
    t = started_paused(level_one, 21)
    assert names(t.frame) == ["pause", "level_two", "level_one"]
    f = t.frame.f_back
    assert f.f_locals == {"value": 21, "inner": 42}
    assert f.f_back.f_locals == {"value": 21, "outer": 21}
    assert f.f_lineno == level_two.__code__.co_firstlineno + 2
    t.kill()


def test_f_back_ends_at_the_function_of_the_tasklet():
    seen = []

    def f():
        seen.append(names(sys._getframe()))
    stackless.tasklet(f)()
    stackless.run()
    assert seen == [["f"]]


def test_traceback_module_on_a_suspended_frame():
    t = started_paused(level_one, 1)
    text = "".join(traceback.format_stack(t.frame))
    assert "level_one" in text and "level_two(value)" in text
    assert [f.name for f in traceback.extract_stack(t.frame)] == ["level_one", "level_two", "pause"]
    assert inspect.getouterframes(t.frame)
    t.kill()


def test_stack_is_outermost_first():
    t = started_paused(level_one, 1)
    s = t.stack()
    assert isinstance(s, traceback.StackSummary)
    assert [f.name for f in s] == ["level_one", "level_two", "pause"]
    t.kill()
    assert list(t.stack()) == []


def test_stack_of_the_current():
    assert [f.name for f in stackless.current.stack()][-1] == "test_stack_of_the_current"


def test_frame_object_outlives_the_tasklet():
    t = started_paused(level_one, 5)
    f = t.frame
    t.kill()
    assert names(f)[0] == "pause"
    assert isinstance(f.f_lineno, int) and repr(f)


def test_frame_taken_before_runs_on_after():
    frames = []

    def f():
        frames.append(sys._getframe())
        x = 1
        pause()
        x = 2
        pause()
        return x
    t = started_paused(f)
    assert frames[0].f_locals["x"] == 1
    assert t.frame.f_back is frames[0]
    t.run()
    assert frames[0].f_locals["x"] == 2
    t.run()
    assert not t.alive and frames[0].f_locals["x"] == 2


def test_traceback_object_kept_by_a_suspended_one():
    def f():
        try:
            level_bad(3)
        except KeyError:
            pause()
            out.append([x.name for x in traceback.extract_tb(sys.exc_info()[2])])

    def level_bad(n):
        if n:
            level_bad(n - 1)
        raise KeyError
    out = []
    ts = [started_paused(f) for _ in range(10)]
    for t in ts:
        t.run()
    assert out == [["f"] + ["level_bad"] * 4] * 10


def test_current_frames():
    me = sys._current_frames()
    assert names(list(me.values())[0])
    seen = []

    def f():
        import threading
        seen.append(names(sys._current_frames()[threading.get_ident()]))
    stackless.tasklet(f)()
    stackless.run()
    assert seen == [["f"]]


def test_inspect_reads_arguments_of_a_suspended_frame():
    t = started_paused(level_one, 1)
    assert inspect.getargvalues(t.frame.f_back).locals["value"] == 1
    t.kill()


def test_generator_frames():
    def gen():
        yield 1
        pause()
        yield 2

    def f():
        return list(gen())
    t = started_paused(f)
    assert names(t.frame) == ["pause", "gen", "f"]
    t.run()
    assert not t.alive


def test_every_tasklet_has_its_own_chain():
    def rec(n, tag):
        if n:
            return rec(n - 1, tag)
        return pause()
    ts = [started_paused(rec, n % 7, n) for n in range(200)]
    for n, t in enumerate(ts):
        assert names(t.frame) == ["pause"] + ["rec"] * (n % 7 + 1)
        assert {f["tag"] for f in locals_of(t.frame.f_back)} == {n}
    for t in ts:
        t.kill()


def locals_of(frame):
    while frame is not None:
        yield frame.f_locals
        frame = frame.f_back


EVICTED = """
    import gc, sys, traceback, stackless, gossamer
    def rec(n, tag):
        if n:
            return rec(n - 1, tag)
        return c.receive()
    c = stackless.channel()
    ts = [stackless.tasklet(rec)(n %% 9, n) for n in range(%(many)d)]
    stackless.run()
    gc.collect()
    def walk(t):
        f, out = t.frame, []
        while f is not None:
            out.append((f.f_code.co_name, f.f_locals["tag"], f.f_lineno > 0))
            f = f.f_back
        return out
    for again in range(2):
        for n, t in enumerate(ts):
            assert walk(t) == [("rec", n, True)] * (n %% 9 + 1), (n, walk(t))
            assert len(t.stack()) == n %% 9 + 1
        kept = [t.frame for t in ts]
    text = gossamer.format_tasklets()
    assert "in rec" in text and "more" in text        # the first ones, and a sum
    for n in range(%(many)d): c.send(n)
    stackless.run()
    assert not any(t.alive for t in ts)
    for n, f in enumerate(kept):
        assert f.f_locals["tag"] == n
    print("walked")
"""


@pytest.mark.parametrize("env", [{"GOSSAMER_SLOTS": "1"}, {"GOSSAMER_SLOTS": "2"},
                                 {"GOSSAMER_EVICT": "always"}, {"GOSSAMER_STACKS": "own"},
                                 {"GOSSAMER_SLOTS": "1", "GOSSAMER_COMPRESS": "always"}, {}],
                         ids=lambda e: "-".join("%s=%s" % kv for kv in e.items()) or "default")
def test_frames_of_many_while_evicted(env):
    many = 200 if "GOSSAMER_STACKS" in env else 1000
    assert python(EVICTED % {"many": many}, env=env).stdout == "walked\n"


def test_tracebacks_made_while_others_are_evicted():
    python("""
        import traceback, stackless
        def bad(n):
            if n: bad(n - 1)
            else:
                c.receive()
                raise KeyError(n)
        def body(n):
            try: bad(n)
            except KeyError as e: errors.append((n, e))
        c, errors = stackless.channel(), []
        for n in range(300): stackless.tasklet(body)(n % 10)
        stackless.run()
        for n in range(300): c.send(n)
        stackless.run()
        assert len(errors) == 300
        for n, e in errors:
            assert len(traceback.extract_tb(e.__traceback__)) == n + 2
        """, env={"GOSSAMER_SLOTS": "1"})


def test_tasklets_lists_everyone():
    t = started_paused(pause)
    everyone = gossamer.tasklets()
    assert stackless.main in everyone and t in everyone
    t.kill()
    assert t not in gossamer.tasklets()
