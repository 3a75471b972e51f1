"""Spec section 5.4: who continues after a channel operation, with main and others as the caller."""
import itertools

import pytest

import stackless
from helpers import Names, nothing

pytestmark = pytest.mark.valgrind

# (operation of S, preference) -> the order in which the four finish
ORDER = {
    ("send", -1): "TABS", ("send", 0): "SABT", ("send", 1): "SABT",
    ("receive", -1): "SABT", ("receive", 0): "SABT", ("receive", 1): "TABS",
}
CASES = list(itertools.product(("send", "receive"), (-1, 0, 1), (0, 1)))


def channel(preference, schedule_all):
    c = stackless.channel()
    c.preference, c.schedule_all = preference, schedule_all
    return c


@pytest.mark.parametrize("op, preference, schedule_all", CASES)
def test_tasklet_as_the_caller(op, preference, schedule_all):
    log, c = [], channel(preference, schedule_all)

    def do(what, n):
        c.send(1) if what == "send" else c.receive()
        log.append(n)
    t = stackless.tasklet(do)("receive" if op == "send" else "send", "T")
    t.run()
    assert t.blocked
    stackless.tasklet(do)(op, "S")
    stackless.tasklet(log.append)("A")
    stackless.tasklet(log.append)("B")
    stackless.run()
    assert "".join(log) == ("ABTS" if schedule_all else ORDER[op, preference])


@pytest.mark.parametrize("op, preference, schedule_all", CASES)
def test_main_as_the_caller(op, preference, schedule_all):
    log, c = [], channel(preference, schedule_all)

    def do(what, n):
        c.send(1) if what == "send" else c.receive()
        log.append(n)
    stackless.tasklet(do)("receive" if op == "send" else "send", "T").run()
    stackless.tasklet(log.append)("A")
    stackless.tasklet(log.append)("B")
    do(op, "S")
    stackless.run()
    assert "".join(log) == ("ABTS" if schedule_all else ORDER[op, preference])


@pytest.mark.parametrize("op, preference, schedule_all", CASES)
def test_main_as_the_partner(op, preference, schedule_all):
    """Main waits in the channel and is served as any other."""
    log, c = [], channel(preference, schedule_all)

    def do(what, n):
        c.send(1) if what == "send" else c.receive()
        log.append(n)
    stackless.tasklet(do)(op, "S")
    stackless.tasklet(log.append)("A")
    stackless.tasklet(log.append)("B")
    do("receive" if op == "send" else "send", "T")
    stackless.run()
    assert "".join(log) == ("ABTS" if schedule_all else ORDER[op, preference])


def test_the_blocking_side_has_no_option():
    for preference, schedule_all in itertools.product((-1, 0, 1), (0, 1)):
        log, name, c = [], Names(), channel(preference, schedule_all)
        s = name("S", stackless.tasklet(lambda: c.receive())())
        name("A", stackless.tasklet(lambda: log.append(name.ring()))())
        name("B", stackless.tasklet(lambda: log.append(name.ring()))())
        stackless.run()
        assert log == ["AB", "B"] and s.blocked
        s.kill()


def test_only_two_in_the_ring():
    for (op, preference), schedule_all in itertools.product(ORDER, (0, 1)):
        log, c = [], channel(preference, schedule_all)

        def do(what, n):
            c.send(1) if what == "send" else c.receive()
            log.append(n)
        stackless.tasklet(do)("receive" if op == "send" else "send", "T").run()
        do(op, "S")
        stackless.run()
        first = "T" if schedule_all or ORDER[op, preference][0] == "T" else "S"
        assert log[0] == first and len(log) == 2


def test_several_receivers_take_turns():
    """Preference -1: each send runs its receiver at once, in the order of waiting."""
    c, log = stackless.channel(), []

    def receiver(n):
        for _ in range(2):
            log.append((n, c.receive()))
    for n in "ABC":
        stackless.tasklet(receiver)(n)
    stackless.run()
    for i in range(6):
        c.send(i)
    stackless.run()
    assert log == [("A", 0), ("B", 1), ("C", 2), ("A", 3), ("B", 4), ("C", 5)]


def test_sender_preferred_runs_on():
    c, log = stackless.channel(), []
    c.preference = 1
    for n in "AB":
        stackless.tasklet(lambda n=n: log.append((n, c.receive())))()
    stackless.run()
    for i in range(2):
        c.send(i)
    log.append("main")
    stackless.run()
    assert log == ["main", ("A", 0), ("B", 1)]


def test_switching_preference_between_operations():
    c, log = stackless.channel(), []

    def r(n):
        c.receive()
        log.append(n)
    for n in "ABC":
        stackless.tasklet(r)(n)
    stackless.run()
    for p in (-1, 1, 0):
        c.preference = p
        c.send(None)
        log.append(p)
    stackless.run()
    assert log == ["A", -1, 1, 0, "B", "C"]


def test_example_of_the_spec():
    def trial(op, pref, all_=0):
        log, c = [], channel(pref, all_)

        def T():
            c.receive() if op == "send" else c.send(1)
            log.append("T")

        def S():
            c.send(1) if op == "send" else c.receive()
            log.append("S")
        t = stackless.tasklet(T)()
        t.run()
        stackless.tasklet(S)()
        stackless.tasklet(log.append)("A")
        stackless.tasklet(log.append)("B")
        stackless.run()
        return "".join(log)
    assert [trial("send", p) for p in (-1, 0, 1)] == ["TABS", "SABT", "SABT"]
    assert [trial("receive", p) for p in (-1, 0, 1)] == ["SABT", "SABT", "TABS"]
    assert trial("send", -1, 1) == trial("receive", -1, 1) == "ABTS"


def test_woken_tasklet_can_be_removed_and_put_back():
    c, got = channel(1, 0), []
    t = stackless.tasklet(lambda: got.append(c.receive()))()
    stackless.run()
    c.send("value")
    t.remove()
    stackless.run()
    assert got == [] and t.paused and t.tempval == "value"
    t.insert()
    stackless.run()
    assert got == ["value"]
    stackless.tasklet(nothing)()
    stackless.run()
