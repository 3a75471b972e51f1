"""Deep stacks where they end: no memory, other frame evaluation hooks, greenlets."""
import importlib.util
import os
import sys
import textwrap

import pytest

import gossamer
from capi.build import HERE, build, load
from helpers import python

SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")


# ---- no memory ----

NO_MEMORY = """
    import resource, sys, threading, gossamer
    sys.setrecursionlimit(10**6)
    def key(n):
        if n:
            sorted((n - 1,), key=key)
        return 0
    def address_space():
        with open("/proc/self/statm") as f:
            return int(f.read().split()[0]) * resource.getpagesize()
    def limited(more, body):
        resource.setrlimit(resource.RLIMIT_AS, (address_space() + more, resource.RLIM_INFINITY))
        try:
            body()
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
"""


@pytest.mark.skipif(SANITIZED, reason="the sanitizer needs the address space that is taken away here")
class TestNoMemory:
    @pytest.mark.parametrize("kib", [64, 256])
    def test_clean_error_and_on(self, kib):
        out = python(textwrap.dedent(NO_MEMORY) + textwrap.dedent(f"""
            def body():
                with gossamer.deep_stack():
                    key(10)
                    for _ in range(2):
                        try:
                            limited(20 << 20, lambda: key(10**6))
                        except MemoryError as error:
                            print(error)
                    print(key(5000), gossamer.get_spill()["segments"])
            threading.stack_size({kib} * 1024)
            thread = threading.Thread(target=body)
            thread.start()
            thread.join()
        """)).stdout
        *errors, last = out.splitlines()
        assert last == "0 0" and len(errors) == 2
        assert set(errors) <= {"", "no memory for another segment of stack"}    # "": an object could not be had

    def test_smaller_segments_where_there_is_little(self):
        """Not even one of the usual size fits, so smaller ones are taken; later the usual ones again."""
        out = python(textwrap.dedent(NO_MEMORY) + textwrap.dedent("""
            def body():
                with gossamer.deep_stack():
                    limited(6 << 20, lambda: print(key(600)))
                    print(key(5000), gossamer.get_spill()["segments"])
            threading.stack_size(64 * 1024)
            thread = threading.Thread(target=body)
            thread.start()
            thread.join()
        """)).stdout
        assert out == "0\n0 0\n"

    def test_in_a_tasklet(self):
        out = python(textwrap.dedent(NO_MEMORY) + textwrap.dedent("""
            def body():
                try:
                    key(10**6)
                except MemoryError as error:
                    print(error)
            with gossamer.deep_stack():
                t = gossamer.spawn(key, 10)
                gossamer.run()
                t = gossamer.spawn(limited, 40 << 20, body)
                t.join()
                t = gossamer.spawn(key, 20000)
                print(t.join())
        """)).stdout
        assert out == "no memory for another segment of stack\n0\n"

    def test_generator_that_finds_no_memory(self):
        """It fails at its entry, and is finished, as after any error."""
        out = python(textwrap.dedent(NO_MEMORY) + textwrap.dedent("""
            def chain(n):
                yield sum(chain(n - 1)) if n else 0
            def body():
                with gossamer.deep_stack():
                    g = chain(10**6)
                    try:
                        limited(20 << 20, lambda: next(g))
                    except MemoryError:
                        print("MemoryError", list(g))
            threading.stack_size(64 * 1024)
            thread = threading.Thread(target=body)
            thread.start()
            thread.join()
        """)).stdout
        assert out == "MemoryError []\n"


# ---- other hooks ----

@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    path = build("evaluation", [os.path.join(HERE, "evaluation.c")], tmp_path_factory.mktemp("evaluation"), ["-std=c11"])
    return load("evaluation", path)


def depth(n):
    deepest = 0

    def key(n):
        nonlocal deepest
        deepest += 1
        if n:
            sorted((n - 1,), key=key)
        return 0
    key(n)
    return deepest


def spilled(n=20):
    before = gossamer.get_spill()["spills"]
    assert depth(n) == n + 1
    return gossamer.get_spill()["spills"] - before


@pytest.fixture
def always():
    gossamer.set_spill(0)
    yield
    gossamer.set_spill(None)


class TestOtherHooks:
    def test_that_was_there_before(self, evaluation):
        evaluation.install()
        try:
            gossamer.set_spill(0)
            evaluation.calls()
            assert spilled() > 20 and evaluation.calls() > 20
            gossamer.set_spill(None)
            assert spilled() == 0 and evaluation.calls() > 20     # ours is gone, the other one is back
        finally:
            evaluation.uninstall()
            gossamer.set_spill(None)
        evaluation.calls()
        assert depth(20) and evaluation.calls() == 0

    def test_that_came_later_and_stays_longer(self, evaluation):
        gossamer.set_spill(0)
        evaluation.install()
        try:
            assert spilled() > 20 and evaluation.calls() > 20
            gossamer.set_spill(None)
            assert spilled() == 0 and evaluation.calls() > 20     # ours is passed through
            gossamer.set_spill(0)                                 # and wakes up where it is
            assert spilled() > 20 and evaluation.calls() > 20
            gossamer.set_spill(None)
        finally:
            evaluation.uninstall()                                # puts ours back, asleep
            gossamer.set_spill(None)
        assert spilled() == 0
        gossamer.set_spill(0)
        try:
            assert spilled() > 20
        finally:
            gossamer.set_spill(None)

    def test_that_takes_ours_away(self, evaluation, always):
        evaluation.wipe()
        assert spilled() == 0
        gossamer.set_spill(0)
        assert spilled() > 20


# ---- greenlets ----

@pytest.mark.skipif(importlib.util.find_spec("greenlet") is None, reason="greenlet is not installed: pip install greenlet")
class TestGreenlets:
    def test_refused_once_they_are_used(self):
        out = python("""
            import greenlet, gossamer
            with gossamer.deep_stack():
                print("imported")
            greenlet.getcurrent()
            for arm in (gossamer.deep_stack().__enter__, lambda: gossamer.set_spill(0)):
                try:
                    arm()
                except RuntimeError as error:
                    print(error)
            print(gossamer.get_spill()["armed"], gossamer.set_spill(None))
        """).stdout
        refused = "deep stacks cannot be used together with greenlets, whose stacks must be of one piece\n"
        assert out == "imported\n" + 2 * refused + "False None\n"

    @pytest.mark.skipif(SANITIZED, reason="greenlet copies the sanitizer's red zones, and is reported for it")
    def test_made_while_armed(self):
        """Calls stay where they are from then on, and what segments greenlets lie on is left alone."""
        out = python("""
            import gossamer
            gossamer.set_spill(0)
            def key(n):
                if n:
                    sorted((n - 1,), key=key)
                return 0
            def work():
                import greenlet
                main = greenlet.getcurrent()
                def body(n):
                    for m in range(5):
                        key(10 + n + m)
                        main.switch(n)
                return [greenlet.greenlet(body) for _ in range(4)]
            def start(greenlets):
                return [g.switch(n) for n, g in enumerate(greenlets)]
            greenlets = work()
            spills = gossamer.get_spill()["spills"]
            print(start(greenlets))
            key(50)
            for _ in range(4):
                print(sorted((g.switch() for g in greenlets), key=lambda n: n + key(20)))
            for g in greenlets:
                g.switch()
            print(all(g.dead for g in greenlets), gossamer.get_spill()["spills"] - spills)
        """).stdout
        assert out == "[0, 1, 2, 3]\n" * 5 + "True 0\n"

    @pytest.mark.skipif(SANITIZED, reason="greenlet copies the sanitizer's red zones, and is reported for it")
    def test_made_on_a_segment(self):
        """Main leaves the segment while a greenlet that began on it is suspended."""
        out = python("""
            import gossamer
            def key(n):
                if n:
                    sorted((n - 1,), key=key)
                return 0
            kept = []
            def below(n):
                if n:
                    sorted((n - 1,), key=below)
                else:
                    import greenlet
                    main = greenlet.getcurrent()
                    def body():
                        for m in range(10):
                            key(5)
                            main.switch(m)
                    kept.append(greenlet.greenlet(body))
                    kept.append(kept[0].switch())
                return 0
            gossamer.set_spill(0)
            below(6)
            gossamer.set_spill(None)
            key(60)
            print(kept[1:], [kept[0].switch() for _ in range(9)], kept[0].switch(), kept[0].dead)
        """).stdout
        assert out == "[0] [1, 2, 3, 4, 5, 6, 7, 8, 9] None True\n"
