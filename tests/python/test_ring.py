"""Spec appendix B: every row of the ordering cheat sheet, and sections 1.5, 4.2, 4.3.

The stage: S is current, A and B follow it, P is paused, T waits on the channel,
main floats inside run(). The operation runs in S; every tasklet that gets a turn
afterwards notes the ring it sees. 'M' is main.
"""
import pytest

import stackless
from helpers import (Names, blocked_tasklet, nothing, pause, paused_tasklet, raises, ring,
                     started_paused, state)


class Stage:
    """Sets the ring [S A B] up, runs one operation in S, collects the rings seen."""

    def __init__(self, fresh=False, waits=None, preference=-1, schedule_all=0):
        self.seen = []
        self.name = Names()
        self.channel = stackless.channel()
        self.channel.preference = preference
        self.channel.schedule_all = schedule_all
        self.fresh, self.waits = fresh, waits

    def note(self):
        self.seen.append(self.name.ring())

    def waiter(self):
        try:
            pause()
        except Exception as e:
            self.seen.append("%s:%s" % (self.name.ring(), type(e).__name__))
            return
        except TaskletExit:
            self.seen.append("%s:kill" % self.name.ring())
            raise
        self.note()

    def blocker(self):
        try:
            if self.waits == "receive":
                self.channel.receive()
            else:
                self.channel.send("from T")
        except TaskletExit:
            self.seen.append("%s:kill" % self.name.ring())
            raise
        self.note()

    def play(self, operation):
        def s():
            self.note()
            operation(self)
            self.note()
        for n in "ABP":
            if self.fresh:
                t = stackless.tasklet(self.note)
                t.bind(None, ())
            else:
                t = started_paused(self.waiter)
            setattr(self, n, self.name(n, t))
        if self.waits:
            self.T = self.name("T", started_blocked(self.blocker))
        self.S = self.name("S", stackless.tasklet(s)())
        self.A.insert()
        self.B.insert()
        stackless.run()
        assert self.seen.pop(0) == "SAB"
        return self.seen


def started_blocked(func):
    t = stackless.tasklet(func)()
    t.remove()
    t.run()
    assert t.blocked
    return t


def new(s):
    s.name("X", stackless.tasklet(s.note)())


def ends_by_error():
    raise ValueError("end")


E = ZeroDivisionError
ROWS = [
    # (what S does, keywords of the stage, the rings seen from then on)
    ("tasklet(f)()", new, {}, ["SABX", "ABX", "BX", "X"]),
    ("P.insert()", lambda s: s.P.insert(), {}, ["SABP", "ABP", "BP", "P"]),
    ("A.insert() again", lambda s: s.A.insert(), {}, ["SAB", "AB", "B"]),
    ("A.remove()", lambda s: s.A.remove(), {}, ["SB", "B"]),
    ("B.remove()", lambda s: s.B.remove(), {}, ["SA", "A"]),
    ("P.remove()", lambda s: s.P.remove(), {}, ["SAB", "AB", "B"]),
    ("schedule()", lambda s: stackless.schedule(None), {}, ["ABS", "BS", "S"]),
    ("schedule_remove()", lambda s: pause(), {}, ["AB", "B"]),
    ("A.run()", lambda s: s.A.run(), {}, ["ABS", "BS", "S"]),
    ("B.run()", lambda s: s.B.run(), {}, ["BSA", "SA", "A"]),
    ("A.switch()", lambda s: s.A.switch(), {}, ["AB", "B"]),
    ("B.switch()", lambda s: s.B.switch(), {}, ["BA", "A"]),
    ("P.run()", lambda s: s.P.run(), {}, ["PSAB", "SAB", "AB", "B"]),
    ("P.switch()", lambda s: s.P.switch(), {}, ["PAB", "AB", "B"]),
    ("S.run()", lambda s: s.S.run(), {}, ["SAB", "AB", "B"]),
    ("S.switch()", lambda s: s.S.switch(), {}, ["SAB", "AB", "B"]),
    ("B.throw(E)", lambda s: s.B.throw(E), {}, ["BSA:ZeroDivisionError", "SA", "A"]),
    ("B.raise_exception(E)", lambda s: s.B.raise_exception(E), {},
     ["BSA:ZeroDivisionError", "SA", "A"]),
    ("B.kill()", lambda s: s.B.kill(), {}, ["BSA:kill", "SA", "A"]),
    ("A.kill()", lambda s: s.A.kill(), {}, ["ABS:kill", "BS", "S"]),
    ("P.kill()", lambda s: s.P.kill(), {}, ["PSAB:kill", "SAB", "AB", "B"]),
    ("P.throw(E)", lambda s: s.P.throw(E), {}, ["PSAB:ZeroDivisionError", "SAB", "AB", "B"]),
    ("T.kill() blocked", lambda s: s.T.kill(), {"waits": "receive"},
     ["TSAB:kill", "SAB", "AB", "B"]),
    ("T.kill() blocked in send", lambda s: s.T.kill(), {"waits": "send"},
     ["TSAB:kill", "SAB", "AB", "B"]),
    ("P.kill(pending)", lambda s: s.P.kill(pending=True), {}, ["SABP", "ABP", "BP", "P:kill"]),
    ("T.kill(pending) blocked", lambda s: s.T.kill(pending=True), {"waits": "send"},
     ["SABT", "ABT", "BT", "T:kill"]),
    ("B.throw(E, pending)", lambda s: s.B.throw(E, pending=True), {},
     ["SAB", "AB", "B:ZeroDivisionError"]),
    ("A.kill(pending)", lambda s: s.A.kill(pending=True), {}, ["SAB", "AB:kill", "B"]),
    ("channel op that blocks", lambda s: s.channel.receive(), {}, ["AB", "B"]),
    ("send that blocks", lambda s: s.channel.send(1), {}, ["AB", "B"]),
    ("S ends", lambda s: None, {}, ["SAB", "AB", "B"]),
    ("run()", lambda s: stackless.run(), {}, ["AB", "B", "S"]),
]
# What differs when A, B and P have not started yet: their bodies do not see the error.
FRESH = [
    ("B.kill() fresh", lambda s: s.B.kill(), ["SA", "A"]),
    ("A.kill() fresh", lambda s: s.A.kill(), ["BS", "S"]),
    ("P.kill() fresh", lambda s: s.P.kill(), ["SAB", "AB", "B"]),
    ("P.kill(pending) fresh", lambda s: s.P.kill(True), ["SABP", "ABP", "BP"]),
    ("A.kill(pending) fresh", lambda s: s.A.kill(True), ["SAB", "B"]),
    ("B.run() fresh", lambda s: s.B.run(), ["BSA", "SA", "A"]),
    ("B.switch() fresh", lambda s: s.B.switch(), ["BA", "A"]),
    ("P.run() fresh", lambda s: s.P.run(), ["PSAB", "SAB", "AB", "B"]),
    ("P.switch() fresh", lambda s: s.P.switch(), ["PAB", "AB", "B"]),
    ("schedule() fresh", lambda s: stackless.schedule(None), ["ABS", "BS", "S"]),
]


@pytest.mark.parametrize("op, stage, rings", [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_row(op, stage, rings):
    assert Stage(**stage).play(op) == rings


@pytest.mark.parametrize("op, rings", [r[1:] for r in FRESH], ids=[r[0] for r in FRESH])
def test_row_with_fresh_tasklets(op, rings):
    assert Stage(fresh=True).play(op) == rings


SEND, RECEIVE = (lambda s: s.channel.send("x")), (lambda s: s.channel.receive())
PARTNER = [
    # (operation, T does, {preference: first ring}, first ring with schedule_all)
    ("send", SEND, "receive", {-1: "TABS", 0: "SABT", 1: "SABT"}),
    ("receive", RECEIVE, "send", {-1: "SABT", 0: "SABT", 1: "TABS"}),
    ("send_exception", lambda s: s.channel.send_exception(E), "receive",
     {-1: "TABS", 0: "SABT", 1: "SABT"}),
    ("send_throw", lambda s: s.channel.send_throw(E, "x"), "receive",
     {-1: "TABS", 0: "SABT", 1: "SABT"}),
    ("next", lambda s: next(s.channel), "send", {-1: "SABT", 0: "SABT", 1: "TABS"}),
    ("send_sequence", lambda s: s.channel.send_sequence([1]), "receive",
     {-1: "TABS", 0: "SABT", 1: "SABT"}),
]


@pytest.mark.parametrize("schedule_all", [0, 1])
@pytest.mark.parametrize("preference", [-1, 0, 1])
@pytest.mark.parametrize("op, waits, first", [r[1:] for r in PARTNER], ids=[r[0] for r in PARTNER])
def test_partner_waiting(op, waits, first, preference, schedule_all):
    stage = Stage(waits=waits, preference=preference, schedule_all=schedule_all)

    def blocker():
        try:
            if waits == "receive":
                stage.channel.receive()
            else:
                stage.channel.send("from T")
        except E:
            pass
        stage.note()
    stage.blocker = blocker
    expected = "ABTS" if schedule_all else first[preference]
    assert stage.play(op)[0] == expected


def test_partner_blocked_forms_a_queue():
    c, name = stackless.channel(), Names()
    for n in "ABC":
        name(n, blocked_tasklet(c))
    assert name.queue(c) == "ABC" and c.balance == -3
    a, b, z = (t for t in name.keep)
    assert a.prev is None and a.next is b and b.prev is a and z.next is None
    b.kill()
    assert name.queue(c) == "AC" and c.balance == -2


class TestEndByError:
    def make(self, main_does):
        name, seen = Names(), []

        def s():
            seen.append(name.ring())
            raise ValueError("end")
        name("S", stackless.tasklet(s)())
        name("A", stackless.tasklet(lambda: seen.append(name.ring()))())
        name("B", stackless.tasklet(lambda: seen.append(name.ring()))())
        with raises(ValueError, "end"):
            main_does(name)
        seen.append(name.ring())
        stackless.run()
        return seen

    def test_main_in_run(self):
        assert self.make(lambda n: stackless.run()) == ["SAB", "MAB", "AB", "B"]

    def test_main_blocked(self):
        c = stackless.channel()
        assert self.make(lambda n: c.receive()) == ["SAB", "MAB", "AB", "B"]
        assert c.balance == 0 and c.queue is None

    def test_main_removed(self):
        assert self.make(lambda n: pause()) == ["SAB", "MAB", "AB", "B"]

    def test_main_in_the_ring(self):
        """[S A M B]: the ring is rotated to main and nobody is lost."""
        name, seen = Names(), []

        def s():
            seen.append(name.ring())
            raise ValueError("end")
        S = name("S", stackless.tasklet(s)())
        A = name("A", stackless.tasklet(lambda: seen.append(name.ring()))())
        B = name("B", stackless.tasklet(lambda: seen.append(name.ring()))())
        for t in (S, A, B):
            t.remove()
        B.insert()
        S.insert()
        A.insert()                     # [M B S A] seen from S: [S A M B]
        with raises(ValueError, "end"):
            S.run()
        assert name.ring() == "MBA"
        stackless.run()
        assert seen == ["SAMB", "BA", "A"]


def test_run_ends_with_the_caller_alone():
    name = Names()
    stackless.tasklet(nothing)()
    stackless.run()
    assert name.ring() == "M"


def test_alone():
    me = stackless.current
    assert ring() == [me] and me.next is me and me.prev is me
    assert me.run() is None and me.switch() is None
    assert stackless.schedule(1) == 1 and stackless.schedule_remove(2) == 2
    assert stackless.run() is None


def test_order_after_rotation():
    """Section 4.3: with [M A B C], B.run() gives [B C M A]."""
    name, seen = Names(), []
    made = [name(n, stackless.tasklet(lambda: seen.append(name.ring()))()) for n in "ABC"]
    assert made[1].run() is None
    assert seen == ["BCMA", "CMA"] and name.ring() == "MA"
    stackless.run()


def test_remove_then_run_runs_only_that_one():
    seen, name = [], Names()
    a, b, c = (name(n, stackless.tasklet(lambda: seen.append(name.ring()))()) for n in "ABC")
    b.remove()
    b.run()
    assert seen == ["BMAC"]
    stackless.run()


class TestQueueErrors:
    BLOCKED = "You cannot run a blocked tasklet"
    DEAD = "You cannot run an unbound(dead) tasklet"

    @pytest.mark.parametrize("method", ["insert", "run", "switch"])
    def test_not_runnable(self, method):
        for make, text in ((blocked_tasklet, self.BLOCKED), (stackless.tasklet, self.DEAD),
                           (lambda: stackless.tasklet(nothing), self.DEAD)):
            t = make()
            before = state(t)
            with raises(RuntimeError, text):
                getattr(t, method)()
            assert state(t) == before and stackless.runcount == 1
        t = stackless.tasklet(nothing)()
        t.run()
        with raises(RuntimeError, self.DEAD):
            getattr(t, method)()

    def test_remove(self):
        with raises(RuntimeError, "You cannot remove a blocked tasklet."):
            blocked_tasklet().remove()
        with raises(RuntimeError, "The current tasklet cannot be removed."):
            stackless.current.remove()
        for t in (stackless.tasklet(), stackless.tasklet(nothing),
                  stackless.tasklet(nothing, ()), paused_tasklet()):
            before = state(t)
            assert t.remove() is t
            assert state(t) == before

    @pytest.mark.parametrize("method", ["insert", "remove", "run", "switch"])
    def test_no_arguments(self, method):
        t = stackless.tasklet(nothing, ())
        with pytest.raises(TypeError):
            getattr(t, method)(1)

    def test_main_can_be_removed_by_others(self):
        seen = []

        def f():
            assert stackless.main.remove() is stackless.main
            seen.append((state(stackless.main), stackless.runcount))
        stackless.tasklet(f)()
        assert stackless.schedule(7) == 7
        assert seen == [("ap", 1)]


def test_who_runs_next_example_of_section_1_5():
    log = []

    def three():
        del log[:]
        return [stackless.tasklet(log.append)(n) for n in "ABC"]
    a, b, c = three()
    assert b.run() is None and log == ["B", "C"] and stackless.runcount == 2
    stackless.run()
    a, b, c = three()
    assert b.switch() is None and log == ["B", "C", "A"] and stackless.runcount == 1
    three()
    assert stackless.schedule_remove(7) == 7 and log == ["A", "B", "C"]


def test_many_turns():
    turns = [0]

    def f():
        for _ in range(10000):
            turns[0] += 1
            stackless.schedule()
    for _ in range(10):
        stackless.tasklet(f)()
    stackless.run()
    assert turns[0] == 100000
