"""Spec section 7: exceptions that leave a tasklet, and the error handler."""
import sys
import traceback

import pytest

import stackless
from helpers import blocked_tasklet, nothing, pause, python, raises, ring, started_paused


class Boom(Exception):
    pass


def fail(kind=Boom, *args):
    raise kind(*args)


KINDS = [Boom, KeyError, KeyboardInterrupt, GeneratorExit, BaseException, StopIteration,
         MemoryError, RecursionError]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reaches_run(kind):
    stackless.tasklet(fail)(kind, "x")
    with raises(kind):
        stackless.run()


@pytest.mark.parametrize("args", [(), (3,)])
def test_taskletexit_is_silent(args):
    t = stackless.tasklet(fail)(TaskletExit, *args)
    stackless.run()
    assert not t.alive


def test_subclass_of_taskletexit_is_silent():
    class Mine(TaskletExit):
        pass
    stackless.tasklet(fail)(Mine)
    stackless.run()


def test_system_exit_goes_to_main():
    """[REC] of 7.1: transferred like other errors, the status is kept."""
    stackless.tasklet(fail)(SystemExit, 3)
    with raises(SystemExit) as e:
        stackless.run()
    assert e.value.code == 3


def test_taskletexit_in_main_is_an_ordinary_error(tmp_path):
    """Under `gossamer run`; plain CPython ends silently, since it is a SystemExit to it."""
    program = tmp_path / "program.py"
    program.write_text("import stackless\nraise TaskletExit\n")
    done = python("""
        import runpy, sys
        sys.argv[:] = ["gossamer", "run", sys.argv[1]]
        runpy.run_module("gossamer", run_name="__main__")""", str(program), check=False)
    assert done.returncode == 1 and "TaskletExit" in done.stderr


def test_process_status_of_sys_exit_in_a_tasklet():
    done = python("""
        import atexit, stackless, sys
        atexit.register(print, "atexit")
        stackless.tasklet(sys.exit)(7)
        try: stackless.run()
        finally: print("finally")""", check=False)
    assert (done.returncode, done.stdout) == (7, "finally\natexit\n")


class TestTarget:
    def test_main_in_schedule(self):
        stackless.tasklet(fail)()
        with raises(Boom):
            stackless.schedule()

    def test_main_in_schedule_remove(self):
        stackless.tasklet(fail)()
        with raises(Boom):
            stackless.schedule_remove(None)

    @pytest.mark.parametrize("method", ["run", "switch"])
    def test_main_in_run_of_another(self, method):
        t = stackless.tasklet(fail)()
        with raises(Boom):
            getattr(t, method)()

    def test_main_in_the_run_of_another_than_the_failing(self):
        t = stackless.tasklet(nothing)()
        stackless.tasklet(fail)()
        with raises(Boom):
            t.run()

    @pytest.mark.parametrize("op", [lambda c: c.receive(), lambda c: c.send(1),
                                    lambda c: next(c), lambda c: c.send_sequence([1])])
    def test_main_blocked(self, op):
        c = stackless.channel()
        stackless.tasklet(fail)()
        other = stackless.tasklet(nothing)()
        with raises(Boom):
            op(c)
        assert c.balance == 0 and not stackless.main.blocked
        assert ring() == [stackless.main, other]
        stackless.run()

    def test_innermost_watchdog_not_the_starter(self):
        log = []

        def starter():
            t = stackless.tasklet(fail)()
            try:
                t.run()
            except Boom:
                log.append("never")
            log.append("starter continues")

        def supervisor():
            stackless.tasklet(starter)()
            try:
                stackless.run()
            except Boom:
                log.append("supervisor")
            log.append(stackless.run())
        stackless.tasklet(supervisor)()
        stackless.run()
        assert log == ["supervisor", "starter continues", None]

    def test_innermost_watchdog_even_when_main_is_in_the_ring(self):
        log = []

        def supervisor():
            stackless.tasklet(fail)()
            try:
                stackless.run()
            except Boom:
                log.append("supervisor")
        stackless.tasklet(supervisor)()
        stackless.schedule()
        stackless.schedule()
        assert log == ["supervisor"]

    def test_error_after_main_was_woken(self):
        """Main is in the ring with a value: the bomb replaces it."""
        c = stackless.channel()
        c.preference = 1

        def f():
            c.send("value")
            raise Boom("replaces")
        stackless.tasklet(f)()
        with raises(Boom, "replaces"):
            c.receive()
        assert c.balance == 0

    def test_several_errors_one_at_a_time(self):
        for n in range(5):
            stackless.tasklet(fail)(Boom, n)
        got = []
        for _ in range(5):
            try:
                stackless.run()
            except Boom as e:
                got.append(e.args[0])
        assert got == [0, 1, 2, 3, 4] and stackless.run() is None


class TestTraceback:
    def test_frames_of_the_dead_then_of_the_target(self):
        def inner():
            raise Boom("deep")

        def outer():
            inner()
        stackless.tasklet(outer)()
        try:
            stackless.run()
        except Boom as e:
            names = [f.name for f in traceback.extract_tb(e.__traceback__)]
        assert names == ["test_frames_of_the_dead_then_of_the_target", "outer", "inner"]

    def test_same_object(self):
        e = Boom("x")

        def f():
            raise e
        stackless.tasklet(f)()
        try:
            stackless.run()
        except Boom as got:
            assert got is e

    def test_attributes_survive(self):
        def f():
            try:
                fail(KeyError, 1)
            except KeyError as k:
                e = Boom("outer")
                e.extra = 5
                raise e from k
        stackless.tasklet(f)()
        try:
            stackless.run()
        except Boom as e:
            assert e.extra == 5 and type(e.__cause__) is KeyError


class TestExcInfo:
    def test_new_tasklet_sees_nothing(self):
        seen = []

        def f():
            seen.append(sys.exc_info())
            try:
                fail(Boom, "in f")
            except Boom as e:
                seen.append(e.__context__)
        try:
            fail(KeyError)
        except KeyError:
            stackless.tasklet(f)()
            stackless.run()
            assert sys.exc_info()[0] is KeyError
        assert seen == [(None, None, None), None]

    def test_kept_across_switches(self):
        log = []

        def f(kind):
            try:
                fail(kind)
            except kind:
                for _ in range(3):
                    stackless.schedule(None)
                    log.append(sys.exc_info()[0] is kind)
            log.append(sys.exc_info()[0] is None)
        for kind in (KeyError, Boom, ValueError):
            stackless.tasklet(f)(kind)
        stackless.run()
        assert log == [True] * 9 + [True] * 3

    def test_bare_raise(self):
        got = []

        def f():
            try:
                try:
                    fail(Boom, "mine")
                except Boom:
                    stackless.schedule(None)
                    raise
            except Exception as e:
                got.append(e.args)

        def g():
            try:
                fail(KeyError)
            except KeyError:
                stackless.schedule(None)
        stackless.tasklet(f)()
        stackless.tasklet(g)()
        stackless.run()
        assert got == [("mine",)]

    def test_no_context_across_tasklets(self):
        stackless.tasklet(fail)(Boom, "x")
        try:
            fail(KeyError)
        except KeyError as k:
            try:
                stackless.run()
            except Boom as e:
                assert e.__context__ is None or e.__context__ is k

    def test_finally_in_many(self):
        log = []

        def f(n):
            try:
                try:
                    raise Boom(n)
                finally:
                    stackless.schedule(None)
            except Boom as e:
                log.append(e.args[0])
        for n in range(100):
            stackless.tasklet(f)(n)
        stackless.run()
        assert log == list(range(100))


class TestErrorHandler:
    @pytest.fixture
    def handler(self):
        seen = []

        def h(kind, value, tb):
            seen.append((kind, value, tb, stackless.current, stackless.current.alive))
        assert stackless.set_error_handler(h) is None
        yield seen
        assert stackless.set_error_handler() is h

    def test_called_in_the_dying(self, handler):
        log = []
        t = stackless.tasklet(fail)(Boom, "x")
        stackless.tasklet(log.append)("next")
        assert stackless.run() is None
        (kind, value, tb, current, alive), = handler
        assert kind is Boom and type(value) is Boom and value.args == ("x",)
        assert traceback.extract_tb(tb)[-1].name == "fail"
        assert current is t and alive and not t.alive and log == ["next"]

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind(self, handler, kind):
        stackless.tasklet(fail)(kind)
        stackless.run()
        assert handler[0][0] is kind

    def test_not_for_taskletexit(self, handler):
        stackless.tasklet(fail)(TaskletExit)
        stackless.run()
        started_paused(pause).kill()
        assert handler == []

    def test_not_for_errors_of_main(self, handler):
        with raises(Boom):
            fail()
        assert handler == []

    def test_thrown_to_a_fresh_one(self, handler):
        stackless.tasklet(nothing)().throw(Boom, "y")
        assert handler[0][:2][1].args == ("y",)


def test_error_in_the_handler_replaces():
    stackless.set_error_handler(lambda *a: fail(KeyError, "handler"))
    try:
        stackless.tasklet(fail)()
        with raises(KeyError, "'handler'"):
            stackless.run()
    finally:
        stackless.set_error_handler()


def test_handler_that_is_not_callable():
    stackless.set_error_handler(5)
    try:
        stackless.tasklet(fail)()
        with pytest.raises((TypeError, Boom)):
            stackless.run()
    finally:
        stackless.set_error_handler()


def test_handler_that_switches_and_creates():
    log = []

    def h(kind, value, tb):
        stackless.tasklet(log.append)("created")
        stackless.schedule(None)
        log.append("handler goes on")
    stackless.set_error_handler(h)
    try:
        t = stackless.tasklet(fail)()
        stackless.tasklet(log.append)("other")
        stackless.run()
    finally:
        stackless.set_error_handler()
    assert log == ["other", "created", "handler goes on"] and not t.alive


def test_handler_that_kills_and_unsets():
    victim = blocked_tasklet()

    def h(kind, value, tb):
        victim.kill()
        stackless.set_error_handler(None)
    stackless.set_error_handler(h)
    stackless.tasklet(fail)(Boom, 1)
    stackless.tasklet(fail)(Boom, 2)
    with raises(Boom, "2"):
        stackless.run()
    assert not victim.alive


def test_recursion_limit_in_a_tasklet():
    def deep():
        return deep()
    stackless.tasklet(deep)()
    with pytest.raises(RecursionError):
        stackless.run()
    log = []
    stackless.tasklet(log.append)(1)
    stackless.run()
    assert log == [1]
