"""Spec section 8: every row of the deadlock table, and that nothing is left behind."""
import pytest

import gossamer
import stackless
from helpers import blocked_tasklet, nothing, pause, python, ring, state

LAST = "Deadlock: the last runnable tasklet cannot be blocked."
RECEIVING = "the main tasklet is receiving without a sender available."
SENDING = "the main tasklet is sending without a receiver available."


def deadlock(op, text):
    with pytest.raises(RuntimeError) as caught:
        op()
    assert str(caught.value) == text
    return caught.value


OPS = {
    "send": lambda c: c.send(1),
    "receive": lambda c: c.receive(),
    "next": next,
    "send_exception": lambda c: c.send_exception(ValueError),
    "send_throw": lambda c: c.send_throw(ValueError),
    "send_sequence": lambda c: c.send_sequence([1]),
}


def ended(op):
    return RECEIVING if op in ("receive", "next") else SENDING


@pytest.fixture(params=OPS)
def op(request):
    return request.param


def clean(c):
    return c.balance == 0 and c.queue is None and ring() == [stackless.main] \
        and not stackless.main.blocked


def test_alone(op):
    c = stackless.channel()
    for _ in range(3):
        deadlock(lambda: OPS[op](c), LAST)
        assert clean(c)


def test_alone_with_others_blocked_elsewhere(op):
    other = blocked_tasklet()
    c = stackless.channel()
    deadlock(lambda: OPS[op](c), LAST)
    assert clean(c) and other.blocked


def test_alone_behind_others_in_the_same_queue():
    c = stackless.channel()
    other = blocked_tasklet(c)
    deadlock(c.receive, LAST)
    assert c.balance == -1 and c.queue is other


@pytest.mark.parametrize("number", [1, 3])
def test_the_others_end(op, number):
    c = stackless.channel()
    for _ in range(number):
        stackless.tasklet(nothing)()
    deadlock(lambda: OPS[op](c), ended(op))
    assert clean(c)


def test_the_last_other_is_killed_by_itself(op):
    c = stackless.channel()
    stackless.tasklet(lambda: stackless.current.kill())()
    deadlock(lambda: OPS[op](c), ended(op))
    assert clean(c)


@pytest.mark.parametrize("other_op", OPS)
def test_the_last_other_blocks(op, other_op):
    """It gets the error; uncaught there, it comes out of main's operation."""
    c, d = stackless.channel(), stackless.channel()
    t = stackless.tasklet(OPS[other_op])(d)
    deadlock(lambda: OPS[op](c), LAST)
    assert clean(c) and d.balance == 0 and not t.alive


def test_the_last_other_removes_itself(op):
    c, seen = stackless.channel(), []

    def f():
        try:
            stackless.schedule_remove(None)
        except RuntimeError as e:
            seen.append((str(e), state(stackless.current), stackless.runcount))
            raise
    stackless.tasklet(f)()
    deadlock(lambda: OPS[op](c), LAST)
    assert seen == [(LAST, "as", 1)] and clean(c)


def test_the_worker_can_survive():
    c = stackless.channel()

    def worker():
        try:
            stackless.channel().receive()
        except RuntimeError:
            c.send("rescued")
    stackless.tasklet(worker)()
    assert c.receive() == "rescued"
    stackless.run()


def test_the_worker_keeps_its_place_and_data():
    c, d, log = stackless.channel(), stackless.channel(), []

    def worker():
        for n in range(3):
            try:
                d.receive()
            except RuntimeError as e:
                log.append((n, str(e), d.balance))
        c.send("at last")
    stackless.tasklet(worker)()
    assert c.receive() == "at last"
    assert log == [(n, LAST, 0) for n in range(3)]
    stackless.run()


class TestNoError:
    def test_main_in_run_and_the_last_blocks(self, op):
        c = stackless.channel()
        t = stackless.tasklet(OPS[op])(c)
        assert stackless.run() is None
        assert t.blocked and abs(c.balance) == 1

    def test_main_removed_and_the_last_blocks(self, op):
        c = stackless.channel()
        t = stackless.tasklet(OPS[op])(c)
        assert stackless.schedule_remove(4) == 4
        assert t.blocked

    def test_main_removed_and_the_last_removes_itself(self):
        t = stackless.tasklet(pause)()
        assert stackless.schedule_remove(5) == 5
        assert t.paused

    def test_worker_in_run_and_the_last_blocks_while_main_is_blocked(self):
        c, log = stackless.channel(), []

        def inner():
            stackless.tasklet(stackless.channel().receive)()
            log.append(stackless.run())
            c.send("go")
        stackless.tasklet(inner)()
        assert c.receive() == "go" and log == [None]
        stackless.run()

    def test_main_and_a_paused_one(self):
        """Paused tasklets do not count as somebody who could help."""
        t = stackless.tasklet(pause)()
        stackless.run()
        deadlock(stackless.channel().receive, LAST)
        t.kill()


def test_error_class_and_notes():
    c = stackless.channel()
    e = deadlock(c.receive, LAST)
    assert type(e) is gossamer.DeadlockError and issubclass(gossamer.DeadlockError, RuntimeError)
    stackless.tasklet(nothing)()
    assert type(deadlock(c.receive, RECEIVING)) is gossamer.DeadlockError
    stackless.tasklet(nothing)()
    assert type(deadlock(lambda: c.send(1), SENDING)) is gossamer.DeadlockError


def test_notes_name_who_waits_for_what():
    c = stackless.channel()

    def waits_in_here():
        c.receive()
    t = gossamer.spawn(waits_in_here, name="the-waiter")
    stackless.run()
    e = deadlock(stackless.channel().receive, LAST)
    notes = "\n".join(e.__notes__)
    assert "the-waiter" in notes and "waits_in_here" in notes
    assert e.graph
    t.kill()


def test_unhandled_deadlock_prints_the_graph():
    done = python("""
        import gossamer
        def waits_in_here(c):
            c.receive()
        gossamer.spawn(waits_in_here, gossamer.channel(), name="the-waiter")
        gossamer.run()
        gossamer.channel().receive()""", check=False)
    assert done.returncode == 1
    assert LAST in done.stderr and "the-waiter" in done.stderr and "waits_in_here" in done.stderr


def test_a_chain_of_deadlocks():
    """Main blocks, then A, then B: the last one gets it, and each one after it in turn."""
    log, main_c = [], stackless.channel()

    def f(n):
        try:
            stackless.channel().receive()
        except RuntimeError as e:
            log.append((n, str(e)))
    a = stackless.tasklet(f)("A")
    stackless.tasklet(f)("B")
    deadlock(main_c.receive, RECEIVING)
    assert log == [("B", LAST)] and a.blocked
    a.kill()
