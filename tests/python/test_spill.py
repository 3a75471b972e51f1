"""Deep recursion through C on stacks of any size: what ends it is Python's recursion limit."""
import contextlib
import functools
import json
import sys
import threading
import traceback

import pytest

import gossamer
from helpers import python

KIB = 1024
SIZES = [64 * KIB, 256 * KIB, KIB * KIB]
DEEP = 3000


@contextlib.contextmanager
def recursion_limit(limit):
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@pytest.fixture(autouse=True)
def disarmed():
    yield
    assert not gossamer.get_spill()["armed"], "the test left deep stacks armed"


def on_thread(size, function, *args):
    """function(*args) on a thread with a stack of so many bytes; its result or its exception."""
    outcome = []

    def body():
        try:
            outcome.append((True, function(*args)))
        except BaseException as error:
            outcome.append((False, error))
    before = threading.stack_size(size)
    try:
        thread = threading.Thread(target=body)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    good, value = outcome[0]
    if good:
        return value
    raise value


# ---- ways from C into Python, each of them counting its levels ----

def through_sorted(n):
    deepest = 0

    def key(n):
        nonlocal deepest
        deepest += 1
        if n:
            sorted((n - 1,), key=key)
        return 0
    try:
        key(n)
    finally:
        through_sorted.deepest = deepest
    return deepest - 1


def through_partial(n):
    deepest = 0

    def step(n):
        nonlocal deepest
        deepest += 1
        return n and again(n - 1)
    again = functools.partial(step)
    try:
        step(n)
    finally:
        through_partial.deepest = deepest
    return deepest - 1


def through_getattr(n):
    class Deep:
        seen = 0

        def __getattr__(self, name):
            Deep.seen += 1
            n = int(name[1:])
            return n and getattr(self, "a%d" % (n - 1))
    try:
        getattr(Deep(), "a%d" % n)
    finally:
        through_getattr.deepest = Deep.seen
    return Deep.seen - 1


def through_json(n):
    class Nest:
        def __init__(self, n):
            self.n = n

    deepest = 0

    def default(nest):
        nonlocal deepest
        deepest += 1
        return [json.loads(json.dumps(Nest(nest.n - 1), default=default))] if nest.n else []
    try:
        text = json.dumps(Nest(n), default=default)
    finally:
        through_json.deepest = deepest
    assert text == "[" * (n + 1) + "]" * (n + 1)
    return deepest - 1


def through_generators(n):
    deepest = 0

    def generator(n):
        nonlocal deepest
        deepest += 1
        yield sum(generator(n - 1)) + 1 if n else 0
    try:
        return sum(generator(n))
    finally:
        through_generators.deepest = deepest


WAYS = [through_sorted, through_partial, through_getattr, through_generators]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
class TestDepth:
    def test_result(self, way, size):
        with gossamer.deep_stack(), recursion_limit(10 * DEEP):
            assert on_thread(size, way, DEEP) == DEEP

    def test_recursion_error(self, way, size):
        def overflow():
            with pytest.raises(RecursionError, match="maximum recursion depth exceeded"):
                way(10**9)
            return way.deepest

        def body():
            return overflow(), overflow(), way(50)        # and the thread goes on
        with gossamer.deep_stack(), recursion_limit(DEEP):
            first, second, after = on_thread(size, body)
        assert DEEP / 3 < first < DEEP                  # some ways take two or three levels each
        assert abs(first - second) <= 20 and after == 50


@pytest.mark.parametrize("size", SIZES)
def test_json_nested_through_python(size):
    """Levels of json within json: C recursion grows inside of each level as well."""
    with gossamer.deep_stack(), recursion_limit(5000):
        assert on_thread(size, through_json, 120) == 120


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("depth", [100, 700])
def test_nesting_in_c_alone(size, depth):
    """No call into Python between: the room has to be there before."""
    def body():
        nested = []
        for _ in range(depth):
            nested = [nested]
        text = "[" * (depth + 1) + "]" * (depth + 1)
        assert repr(nested) == text == json.dumps(nested)
        assert json.loads(text) == nested
    with gossamer.deep_stack():
        on_thread(size, body)


@pytest.mark.parametrize("size", SIZES)
def test_nesting_in_c_without_end(size):
    """CPython's own counters, or from 3.14 on its bounds, fit the segment: an error, no crash."""
    def body():
        nested = []
        for _ in range(50_000 if sys.version_info < (3, 14) else 500_000):
            nested = [nested]
        with pytest.raises(RecursionError):
            repr(nested)
        with pytest.raises(RecursionError):
            json.dumps(nested)
        one, other = [], []
        one.append(one), other.append(other)
        with pytest.raises(RecursionError):
            one == other
    with gossamer.deep_stack():
        on_thread(size, body)


@pytest.mark.parametrize("size", SIZES)
def test_nesting_in_c_where_the_block_is(size):
    """What the block's own frame does in C stays on its stack: the counters fit that one as well."""
    if sys.version_info < (3, 12):
        pytest.skip("3.11 has one counter for all recursion: that is the recursion limit's business")

    def body():
        nested = []
        for _ in range(9_000):
            nested = [nested]
        with gossamer.deep_stack():
            with gossamer.deep_stack():
                with pytest.raises(RecursionError):
                    repr(nested)
            with pytest.raises(RecursionError):
                repr(nested)
            tower = None
            for _ in range(100_000):
                tower = (tower, [])
            del tower, nested
    on_thread(size, body)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("whole", [False, True], ids=["block", "set_spill"])
def test_error_is_freed_after_the_block(size, whole):
    """The traceback of a deep recursion is freed on the small stack: 3.13 goes as deep for that as its counters allow."""
    def body():
        if whole:
            gossamer.set_spill(sys.maxsize)
        try:
            with gossamer.deep_stack():
                through_partial(10**9)
        except RecursionError as error:
            last, levels = error.__traceback__, 1
            while last.tb_next:
                last, levels = last.tb_next, levels + 1
            del last
        if whole:
            gossamer.set_spill(None)
        return levels
    with recursion_limit(40_000):
        assert on_thread(size, body) > 10_000


@pytest.mark.parametrize("size", SIZES)
def test_nesting_in_c_below_much_python(size):
    """At any depth there is room for both, whatever the counters have come to."""
    def body():
        nested = []
        for _ in range(300):
            nested = [nested]

        def key(n):
            repr(nested)
            if n:
                sorted((n - 1,), key=key)
            return 0
        key(600)
    with gossamer.deep_stack(), recursion_limit(DEEP):
        on_thread(size, body)


def test_pure_python_recursion():
    """Python calls use the C stack as well, while the hook is there."""
    def down(n):
        return n and 1 + down(n - 1)
    with gossamer.deep_stack(), recursion_limit(50_000):
        assert on_thread(64 * KIB, down, 20_000) == 20_000
        assert down(20_000) == 20_000


# ---- 100,000 levels ----

DEEPEST = """
    import resource, sys, threading, gossamer
    def key(n):
        if n:
            sorted((n - 1,), key=key)
        return 0
    def body():
        with gossamer.deep_stack():
            {body}
    sys.setrecursionlimit({limit})
    threading.stack_size(64 * 1024)
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    print(gossamer.get_spill()["segments"])
"""


LEVELS_EACH = 2 if sys.version_info < (3, 12) else 1    # 3.11 counts sorted's C function, too


def test_100_000_levels_on_64_kib():
    out = python(DEEPEST.format(limit=100_100 * LEVELS_EACH, body="print(key(100_000))")).stdout
    assert out == "0\n0\n"


def test_100_000_levels_on_64_kib_end_in_an_error():
    body = """
            try:
                key(10**9)
            except RecursionError as error:
                levels, tb = 0, error.__traceback__
                while tb:
                    levels, tb = levels + 1, tb.tb_next
                print(levels > 99_000, error)"""
    out = python(DEEPEST.format(limit=100_000 * LEVELS_EACH, body=body)).stdout
    assert out.startswith("True maximum recursion depth exceeded") and out.endswith("\n0\n")


def test_bytes_a_level():
    """Stackless: 6.8 KB. The C frame of sorted alone has 4.3 KB, the sanitizers' more."""
    if sys.flags.dev_mode or "asan" in __import__("os").environ.get("LD_PRELOAD", ""):
        pytest.skip("frames are larger in this build")
    body = """
            key(100)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            key(20_000)
            print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 // 20_000)"""
    out = python(DEEPEST.format(limit=30_000 * LEVELS_EACH, body=body)).stdout
    assert int(out.split()[0]) <= 6800


# ---- arming ----

class TestArming:
    def test_never_by_itself(self):
        before = gossamer.get_spill()
        assert before["armed"] is False
        on_thread(64 * KIB, through_sorted, 2)
        assert gossamer.get_spill() == before

    def test_blocks_nest(self):
        with gossamer.deep_stack() as outer:
            with gossamer.deep_stack():
                assert gossamer.get_spill()["armed"]
            with outer:
                assert gossamer.get_spill()["armed"]
            assert gossamer.get_spill()["armed"]
        assert not gossamer.get_spill()["armed"]

    def test_block_left_by_an_error(self):
        with pytest.raises(ZeroDivisionError):
            with gossamer.deep_stack():
                1 / 0
        assert not gossamer.get_spill()["armed"]

    def test_decorator(self):
        @gossamer.deep_stack()
        def deep(n, *, twice=False):
            "Documented."
            assert gossamer.get_spill()["armed"]
            return through_sorted(n) * (2 if twice else 1)
        with recursion_limit(10 * DEEP):
            assert on_thread(64 * KIB, deep, DEEP) == DEEP
            assert deep(DEEP, twice=True) == 2 * DEEP
        assert deep.__name__ == "deep" and deep.__doc__ == "Documented."
        assert not gossamer.get_spill()["armed"]

    def test_armed_by_another_thread(self):
        with gossamer.deep_stack(), recursion_limit(10 * DEEP):
            assert on_thread(64 * KIB, through_sorted, DEEP) == DEEP

    def test_disarmed_in_the_middle_of_a_recursion(self):
        block = gossamer.deep_stack()

        def key(n):
            if n:
                sorted((n - 1,), key=key)
            else:
                block.__exit__(None, None, None)
            return 0

        def body():
            block.__enter__()
            key(500)
            return gossamer.get_spill()["segments"]
        with recursion_limit(5000):
            assert on_thread(64 * KIB, body) == 0

    def test_left_more_often_than_entered(self):
        with pytest.raises(RuntimeError, match=r"^deep_stack\(\) was left more often than entered$"):
            gossamer.deep_stack().__exit__(None, None, None)

    def test_segments_are_given_back(self):
        with gossamer.deep_stack(), recursion_limit(10 * DEEP):
            through_sorted(DEEP)
            inside = gossamer.get_spill()
            assert inside["segments"] == 0 and inside["spills"] > 0
        assert gossamer.get_spill()["pooled"] == 0

    def test_segments_in_use_are_counted(self):
        counts = []

        def body():
            counts.append(gossamer.get_spill()["segments"])
            sorted((1,), key=lambda x: counts.append(gossamer.get_spill()["segments"]))
        gossamer.set_spill(0)
        try:
            body()
        finally:
            gossamer.set_spill(None)
        assert counts == [1, 2]


class TestSettings:
    def test_returns_what_was_set(self):
        assert gossamer.set_spill(10_000) is None
        assert gossamer.set_spill(20_000, 512 * KIB) == (10_000, gossamer.get_spill()["segment_bytes"] and 1_060_864)
        assert gossamer.set_spill(sys.maxsize) == (20_000, 512 * KIB)
        assert gossamer.set_spill(None) == (sys.maxsize, 8 * KIB * KIB)
        assert gossamer.set_spill(None) is None

    def test_keywords(self):
        gossamer.set_spill(mark_bytes=5, segment_bytes=1 << 20)
        got = gossamer.get_spill()
        gossamer.set_spill(None)
        assert (got["mark_bytes"], got["segment_bytes"], got["armed"]) == (5, 1 << 20, True)
        assert gossamer.get_spill()["mark_bytes"] is None

    def test_with_deep_stack_inside(self):
        gossamer.set_spill(sys.maxsize)
        with gossamer.deep_stack():
            pass
        assert gossamer.get_spill()["armed"]
        with gossamer.deep_stack():
            gossamer.set_spill(None)
            assert gossamer.get_spill()["armed"]

    @pytest.mark.parametrize("args, text", [
        ((-1,), f"mark_bytes must be from 0 to {sys.maxsize}, not -1"),
        ((0, 1000), "segment_bytes must be from 262144 to 1073741824, not 1000"),
        ((0, 1 << 40), f"segment_bytes must be from 262144 to 1073741824, not {1 << 40}"),
    ])
    def test_bad_values(self, args, text):
        with pytest.raises(ValueError) as caught:
            gossamer.set_spill(*args)
        assert str(caught.value) == text

    @pytest.mark.parametrize("args, text", [
        (("1",), "mark_bytes must be int or None, not str"),
        ((1.0,), "mark_bytes must be int or None, not float"),
        ((0, "1"), "segment_bytes must be int or None, not str"),
    ])
    def test_bad_types(self, args, text):
        with pytest.raises(TypeError) as caught:
            gossamer.set_spill(*args)
        assert str(caught.value) == text

    def test_too_big_for_c(self):
        with pytest.raises(OverflowError):
            gossamer.set_spill(1 << 80)

    def test_a_mark_beyond_the_stack_is_no_mark(self):
        """On Stackless a mark beyond the end of the stack was a crash."""
        gossamer.set_spill(sys.maxsize)
        try:
            with recursion_limit(10 * DEEP):
                assert on_thread(64 * KIB, through_sorted, DEEP) == DEEP
        finally:
            gossamer.set_spill(None)

    @pytest.mark.parametrize("mark", [0, 1, 10_000, 50_000, 1_000_000])
    @pytest.mark.parametrize("segment", [None, 256 * KIB, 4 << 20])
    def test_any_mark_and_segment(self, mark, segment):
        gossamer.set_spill(mark, segment)
        try:
            with recursion_limit(10 * DEEP):
                for way in WAYS:
                    assert on_thread(64 * KIB, way, 400) == 400
        finally:
            gossamer.set_spill(None)


# ---- what a segment must not change ----

@contextlib.contextmanager
def each_call_spills():
    gossamer.set_spill(0)
    try:
        before = gossamer.get_spill()["spills"]
        yield lambda: gossamer.get_spill()["spills"] - before
    finally:
        gossamer.set_spill(None)


class TestPython:
    def test_each_callback_spills(self):
        with each_call_spills() as spilled:
            sorted(range(10), key=lambda x: x)
            assert spilled() >= 10

    def test_exception_with_its_traceback(self):
        class Own(Exception):
            pass

        def key(n):
            try:
                if not n:
                    raise Own("bottom")
                sorted((n - 1,), key=key)
            finally:
                log.append(n)
        for arm in (contextlib.nullcontext, each_call_spills):
            log = []
            with arm():
                with pytest.raises(Own, match="bottom") as caught:
                    key(30)
            names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
            assert names[-31:] == ["key"] * 31 and names.count("key") == 31
            assert log == list(range(31))

    def test_exception_context_and_exc_info(self):
        def key(n):
            try:
                raise KeyError(n)
            except KeyError:
                if n:
                    sorted((n - 1,), key=key)
                assert sys.exc_info()[1].args == (n,)
                if n == 3:
                    raise ValueError
            return 0
        with each_call_spills():
            with pytest.raises(ValueError) as caught:
                key(6)
        assert isinstance(caught.value.__context__, KeyError) and caught.value.__context__.args == (3,)
        assert sys.exc_info() == (None, None, None)

    def test_generators(self):
        def counter(n):
            got = []
            try:
                while True:
                    got.append((yield sorted([n], key=lambda x: -x)[0]))
            except GeneratorExit:
                closed.append(got)
                raise
            except ValueError as error:
                yield error
        closed = []
        with each_call_spills():
            g = counter(5)
            assert [next(g), g.send(1), g.send(2)] == [5, 5, 5]
            error = ValueError("thrown")
            assert g.throw(error) is error
            h = counter(6)
            next(h), h.send("x")
            h.close()
            with pytest.raises(RuntimeError, match="thrown in"):
                counter(1).throw(RuntimeError("thrown in"))
        assert closed == [["x"]]

    def test_generator_moves_between_segment_and_stack(self):
        def numbers():
            for n in range(6):
                yield n
        g = numbers()
        got = [next(g)]
        with each_call_spills():
            got.append(next(g))
            sorted((1,), key=lambda x: got.append(next(g)))
        got.append(next(g))
        assert got == [0, 1, 2, 3]

    def test_frames(self):
        def names():
            frame, out = sys._getframe(1), []
            while frame:
                out.append(frame.f_code.co_name)
                frame = frame.f_back
            return out

        def outer(n):
            local = n
            if n:
                return max([n - 1], key=lambda x: result.append(outer(x)) or 0) + local
            return result.append(names()) or 0
        seen = []
        for arm in (contextlib.nullcontext, each_call_spills):
            result = []
            with arm():
                outer(4)
            seen.append(next(entry for entry in result if isinstance(entry, list)))
        assert seen[0] == seen[1]
        assert seen[0][:9] == ["outer", "<lambda>"] * 4 + ["outer"]

    def test_frame_objects_outlive_the_segment(self):
        frames = []

        def key(n):
            frames.append(sys._getframe())
            if n:
                sorted((n - 1,), key=key)
            return 0
        with each_call_spills():
            key(5)
        assert [frame.f_locals["n"] for frame in frames] == [5, 4, 3, 2, 1, 0]

    @pytest.mark.parametrize("setter", [sys.settrace, sys.setprofile], ids=["trace", "profile"])
    def test_tracing(self, setter):
        def traced(n):
            x = n
            if n:
                sorted((n - 1,), key=traced)
            return x
        if sys.gettrace() is not None:
            pytest.skip("somebody traces this process already")
        seen = []
        for arm in (contextlib.nullcontext, each_call_spills):
            events = []

            def trace(frame, event, arg):
                if frame.f_code is traced.__code__:
                    events.append((event, frame.f_lineno - traced.__code__.co_firstlineno))
                return trace
            with arm():
                setter(trace)
                try:
                    traced(5)
                finally:
                    setter(None)
            seen.append(events)
        assert seen[0] == seen[1] and len(seen[0]) >= 12

    def test_coroutines(self):
        import asyncio

        async def deep(n):
            await asyncio.sleep(0)
            return await deep(n - 1) + 1 if n else 0
        with each_call_spills():
            assert asyncio.run(deep(40)) == 40

    def test_del_and_weakref_callbacks(self):
        import weakref
        log = []

        class Thing:
            def __del__(self):
                log.append("del")
        with each_call_spills() as spilled:
            thing = Thing()
            ref = weakref.ref(thing, lambda r: log.append("callback"))
            before = spilled()
            del thing
            assert spilled() - before >= 2
        assert sorted(log) == ["callback", "del"] and ref() is None

    def test_import_compile_and_exec(self):
        with each_call_spills():
            assert eval("(" * 50 + "1" + ")" * 50) == 1
            scope = {}
            exec("\n".join("def f%d(x): return x + %d" % (i, i) for i in range(200)), scope)
            assert scope["f7"](1) == 8
            sys.modules.pop("colorsys", None)
            import colorsys
            assert colorsys.rgb_to_hsv(1, 0, 0) == (0.0, 1.0, 1)
