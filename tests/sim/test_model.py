"""Real tasklets and channels against the model of the ordering rules in model.py.

Whoever is current draws the next operation, from hypothesis or from a seeded generator,
and does it for real and in the model. After each operation the results must be equal,
and before the next one everything that can be seen: who is current, the ring, each
channel's queue, every tasklet's flags. GOSSAMER_SIM=long makes it run a hundred times longer.
"""
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stackless
from helpers import queue, ring
from model import Chan, Model, NONE

LONG = os.environ.get("GOSSAMER_SIM") == "long"
TASKLETS, CHANNELS = 6, 3


class Boom(Exception):
    pass


# name -> how often, in proportion
WEIGHTS = {
    "schedule": 6, "schedule_remove": 3, "run": 4, "setup": 10, "insert": 4, "remove": 3,
    "t_run": 4, "t_switch": 4, "throw": 4, "kill": 3, "set_tempval": 2, "set_block_trap": 1,
    "send": 10, "receive": 10, "next": 2, "send_exception": 2, "close": 1, "open": 2,
    "set_preference": 3, "set_schedule_all": 2, "end": 4, "die": 2,
}
OPERATIONS = [name for name, weight in WEIGHTS.items() for _ in range(weight)]


class World:
    """The real objects, the model beside them, and the source of choices."""

    def __init__(self, choose, steps):
        self.choose, self.steps = choose, steps
        self.model = Model(TASKLETS, CHANNELS)
        self.real = [stackless.main] + [stackless.tasklet() for _ in range(TASKLETS)]
        self.number = {id(t): n for n, t in enumerate(self.real)}
        self.chans = [stackless.channel() for _ in range(CHANNELS)]
        self.log, self.problem, self.finished, self.values = [], None, False, 0

    # -- the loop that each tasklet runs --

    def body(self, n):
        if self.finished:
            return
        try:
            assert self.model.current == n, "tasklet %d starts, expected %d" % (
                n, self.model.current)
            assert self.model.claim() == NONE
        except AssertionError as e:
            self.give_up(e)
        self.loop(n)

    def loop(self, n):
        """Draws and does operations until the world is finished or the tasklet ends."""
        while not self.finished:
            try:
                self.check(n)
                op, args, real = self.draw(n)
            except BaseException as e:           # a mismatch, or hypothesis has seen enough
                return self.give_up(e)
            if self.finished:
                return
            if op == "end":
                self.log.append((n, "end"))
                return self.model.end()
            if op == "die":
                self.log.append((n, "die", args))
                self.model.end(("raise", "Boom", args))
                raise Boom(args)
            error = self.perform(n, op, args, real)
            if error is not None and not self.finished:
                try:
                    caught = n == 0 or self.choose(3)
                except BaseException as e:
                    return self.give_up(e)
                if not caught:
                    self.model.end(("raise", type(error).__name__, str(error)))
                    raise error
            elif error is not None and n != 0:
                raise TaskletExit

    def perform(self, n, op, args, real):
        """Does one operation; returns the exception that came out, if one did."""
        self.log.append((n, op, args))
        trapped = self.model.trap
        expected = self.model.do(op, *args)
        error = None
        if trapped:
            stackless.switch_trap(1)
        try:
            value = real()
            got = ("value", None if isinstance(value, stackless.tasklet) else value)
        except BaseException as e:
            error, got = e, ("raise", type(e).__name__, str(e))
        if trapped:
            # Never suspended under the trap, so this is the same tasklet at the same moment.
            stackless.switch_trap(-1)
            self.model.trap = False
        if self.finished:
            return error
        try:
            assert self.model.current == n, "tasklet %d goes on, expected %d" % (
                n, self.model.current)
            if expected is None:
                expected = self.model.claim()
            assert got == expected, "%s of tasklet %d: got %r, expected %r" % (
                op, n, got, expected)
        except AssertionError as e:
            self.give_up(e)
        return error

    def give_up(self, error):
        self.finished = True
        if self.problem is None:
            self.problem = error

    # -- one operation --

    def draw(self, n):
        self.steps -= 1
        if self.steps < 0:
            self.finished = True
            return None, (), None
        op = OPERATIONS[self.choose(len(OPERATIONS))]
        self.values += 1
        v = self.values
        model, real, chans = self.model, self.real, self.chans
        if op in ("end", "die"):
            return ("schedule", (v,), lambda: stackless.schedule(v)) if n == 0 else (op, str(v), None)
        if op in ("schedule", "schedule_remove", "run"):
            model.trap = self.choose(12) == 0
            if op == "run":
                return op, (), stackless.run
            return op, (v,), lambda: getattr(stackless, op)(v)
        if op == "set_block_trap":
            on = bool(self.choose(2))
            return op, (on,), lambda: setattr(real[n], "block_trap", on)
        if op in ("send", "receive", "next", "send_exception"):
            c = self.choose(CHANNELS)
            model.trap = self.choose(12) == 0
            args, call = {
                "send": ((c, v), lambda: chans[c].send(v)),
                "receive": ((c,), lambda: chans[c].receive()),
                "next": ((c,), lambda: next(chans[c])),
                "send_exception": ((c, str(v)), lambda: chans[c].send_exception(Boom, str(v))),
            }[op]
            return op, args, call
        if op in ("close", "open", "set_preference", "set_schedule_all"):
            return self.draw_setting(op)
        return self.draw_target(op, n, v)

    def draw_setting(self, op):
        c = self.choose(CHANNELS)
        channel = self.chans[c]
        if op == "set_preference":
            p = self.choose(3) - 1
            return op, (c, p), lambda: setattr(channel, "preference", p)
        if op == "set_schedule_all":
            a = int(self.choose(4) == 0)
            return op, (c, a), lambda: setattr(channel, "schedule_all", a)
        return op, (c,), getattr(channel, op)

    def draw_target(self, op, n, v):
        model, k = self.model, self.choose(TASKLETS + 1)
        t = self.real[k]
        if op == "setup":
            def setup():
                if not t.alive:
                    t.block_trap = False
                    t.bind(self.body)
                    return t(k)
                return t()
            return op, (k,), setup
        if op == "set_tempval":
            if model.set_tempval(n, k, v):
                t.tempval = v
                self.log.append((n, op, (k, v)))
            return "insert", (n,), self.real[n].insert       # harmless
        if op == "kill":
            pending = bool(self.choose(2))
            model.trap = not pending and self.choose(12) == 0
            return "throw", (k, "TaskletExit", "", pending), lambda: t.kill(pending)
        if op == "throw":
            pending = bool(self.choose(2))
            model.trap = not pending and self.choose(12) == 0
            return op, (k, "Boom", str(v), pending), lambda: t.throw(Boom, str(v), None, pending)
        model.trap = op in ("t_run", "t_switch") and self.choose(12) == 0
        return op, (k,), getattr(t, op.removeprefix("t_"))

    # -- what can be seen --

    def check(self, n):
        model = self.model
        assert model.current == n, "tasklet %d is current, expected %d" % (n, model.current)
        assert stackless.current is self.real[n]
        got = [self.number[id(t)] for t in ring()]
        assert got == model.ring, "ring %r, expected %r" % (got, model.ring)
        for c, expected in zip(self.chans, model.chans):
            waiting = [self.number[id(t)] for t in queue(c)]
            assert waiting == expected.queue and c.balance == expected.balance, (
                "queue of channel %d: %r, expected %r" % (expected.number, waiting, expected.queue))
            assert c.closing is expected.closing
            assert c.closed is (expected.closing and not expected.queue)
        for t, expected in zip(self.real, model.tasks):
            flags = (t.alive, t.scheduled, t.blocked, t.paused)
            assert flags == expected.flags, "flags of tasklet %d: %r, expected %r" % (
                expected.number, flags, expected.flags)
            channel = self.chans[expected.chain.number] if isinstance(expected.chain, Chan) else None
            assert t._channel is channel

    # -- from beginning to end --

    def play(self):
        try:
            self.loop(0)
        finally:
            self.finished = True
            self.tidy()
        if self.problem is not None:
            if isinstance(self.problem, AssertionError):
                self.problem.add_note("the operations were:\n" + "\n".join(
                    "  %r" % (step,) for step in self.log[-60:]))
            raise self.problem

    def tidy(self):
        stackless.main.block_trap = False
        for _ in range(20):
            for t in self.real[1:]:
                try:
                    t.kill()
                except BaseException:            # what the others still had to say
                    pass
            try:
                stackless.run()
            except BaseException:
                pass
            if not any(t.alive for t in self.real[1:]):
                break


@settings(max_examples=30_000 if LONG else 300, deadline=None, print_blob=True,
          suppress_health_check=list(HealthCheck))
@given(st.data(), st.integers(1, 60))
def test_hypothesis(data, steps):
    World(lambda k: data.draw(st.integers(0, k - 1)), steps).play()


@pytest.mark.parametrize("seed", range(3000 if LONG else 30))
def test_seeded(seed):
    World(random.Random(seed).randrange, 1500).play()


def test_the_model_knows_the_cheat_sheet():
    """The model itself, by hand, against a few rows of the ordering table."""
    def stage():
        m = Model(4, 1)
        for n in (1, 2, 3):
            m.do("setup", n)
        m.do("run")
        return m
    m = stage()
    assert m.ring == [1, 2, 3] and m.watchdogs == [0]
    m.do("t_run", 3)
    assert m.ring == [3, 1, 2]
    m = stage()
    m.do("t_switch", 3)
    assert m.ring == [3, 2]
    m = stage()
    m.do("throw", 3, "TaskletExit", "", False)
    assert m.ring == [1, 2]
    m = stage()
    m.do("receive", 0)
    m.do("send", 0, "v")
    assert m.ring == [1, 3, 2] and m.claim() == ("value", "v")
    m = stage()
    m.end(("raise", "Boom", ""))
    assert m.ring == [0, 2, 3] and m.watchdogs == []
