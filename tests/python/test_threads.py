"""Tasklets of other threads: what can be done to them (spec, 9.1, 9.2)."""
import threading

import pytest

import gossamer
import stackless
from helpers import raises
from threads_helpers import PATIENCE, Other, Victim, until


@pytest.fixture
def other():
    with Other() as it:
        yield it


# What is done to a tasklet in which state, the error that comes of it, and what the tasklet has seen when all is quiet.
OK, ERROR, CURRENT = None, "error", "The current tasklet cannot be removed."
BLOCKED = "You cannot run a blocked tasklet"
WOKEN, VALUE, KILLED, RAN = ("woken", True), (ValueError, "x", True), "killed", ("ran", True)
OPERATIONS = {
    "insert": lambda t: t.insert(),
    "remove": lambda t: t.remove(),
    "run": lambda t: t.run(),
    "switch": lambda t: t.switch(),
    "throw": lambda t: t.throw(ValueError, "x"),
    "throw_pending": lambda t: t.throw(ValueError, "x", pending=True),
    "raise_exception": lambda t: t.raise_exception(ValueError, "x"),
    "kill": lambda t: t.kill(),
    "kill_pending": lambda t: t.kill(pending=True),
}
THREAD = "can't switch to a different thread."
TABLE = [
    # state, operation, error, log
    ("new", "insert", OK, ["ran"]),
    ("new", "remove", OK, []),
    ("new", "run", OK, ["ran"]),
    ("new", "switch", THREAD, []),
    ("new", "kill", OK, []),
    ("new", "kill_pending", OK, []),
    ("paused", "insert", OK, [WOKEN]),
    ("paused", "remove", OK, []),
    ("paused", "run", OK, [WOKEN]),
    ("paused", "switch", THREAD, []),
    ("paused", "throw", OK, [VALUE]),
    ("paused", "throw_pending", OK, [VALUE]),
    ("paused", "raise_exception", OK, [VALUE]),
    ("paused", "kill", OK, [KILLED]),
    ("paused", "kill_pending", OK, [KILLED]),
    ("runnable", "insert", OK, [RAN]),
    ("runnable", "remove", OK, []),
    ("runnable", "run", OK, [RAN]),
    ("runnable", "switch", THREAD, [RAN]),
    ("runnable", "kill", OK, []),
    ("runnable", "kill_pending", OK, []),
    ("blocked", "insert", BLOCKED, []),
    ("blocked", "remove", "You cannot remove a blocked tasklet.", []),
    ("blocked", "run", BLOCKED, []),
    ("blocked", "switch", BLOCKED, []),
    ("blocked", "throw", OK, [VALUE]),
    ("blocked", "throw_pending", OK, [VALUE]),
    ("blocked", "raise_exception", OK, [VALUE]),
    ("blocked", "kill", OK, [KILLED]),
    ("blocked", "kill_pending", OK, [KILLED]),
    ("selecting", "insert", BLOCKED, []),
    ("selecting", "throw", OK, [VALUE]),
    ("selecting", "kill_pending", OK, [KILLED]),
    ("sleeping", "insert", OK, [(None, True)]),
    ("sleeping", "throw", OK, [VALUE]),
    ("sleeping", "kill", OK, [KILLED]),
    ("running", "insert", OK, [("scheduled", True)]),
    ("running", "remove", CURRENT, [("scheduled", True)]),
    ("running", "run", OK, [("scheduled", True)]),
    ("running", "switch", THREAD, [("scheduled", True)]),
    ("running", "throw", OK, [VALUE]),
    ("running", "throw_pending", OK, [VALUE]),
    ("running", "raise_exception", OK, [VALUE]),
    ("running", "kill", OK, [KILLED]),
    ("running", "kill_pending", OK, [KILLED]),
]


@pytest.mark.parametrize("state, operation, error, log", TABLE, ids=lambda x: x if isinstance(x, str) and x.isidentifier() else "")
def test_operation(other, state, operation, error, log):
    victim = Victim(other, state)
    here = stackless.current
    if error:
        with raises(RuntimeError, error):
            OPERATIONS[operation](victim.tasklet)
    else:
        result = OPERATIONS[operation](victim.tasklet)
        assert result is (victim.tasklet if operation in ("insert", "remove") else None)
    assert stackless.current is here and stackless.runcount == 1, "none of them switches"
    assert victim.settle() == log
    if victim.tasklet.alive:
        victim.tasklet.kill()
        until(lambda: not victim.tasklet.alive)


def test_thrown_into_before_it_has_started(other):
    """Its function does not run, and the error goes to main there."""
    victim = Victim(other, "new")
    victim.tasklet.throw(ValueError, "x")
    other.thread.join(PATIENCE)
    assert isinstance(other.error, ValueError) and victim.log == []


def test_run_goes_before_insert(other):
    log = []
    ts = other.call(lambda: [stackless.tasklet(log.append)(i).remove() for i in range(3)])
    victim = Victim(other, "paused")
    victim.occupy()
    ts[0].insert()
    ts[1].insert()
    ts[2].run()
    victim.settle()
    assert log == [2, 0, 1]


@pytest.mark.parametrize("pending, expected", [(False, ["thrown", 0]), (True, [0, "thrown"])])
def test_pending_throw_waits_for_its_turn(other, pending, expected):
    log = []

    def body():
        try:
            stackless.schedule_remove(None)
        except ValueError:
            log.append("thrown")

    def make():
        t = stackless.tasklet(body)()
        t.run()
        return t, stackless.tasklet(log.append)(0).remove()
    t, first = other.call(make)
    victim = Victim(other, "paused")
    victim.occupy()
    first.insert()
    t.throw(ValueError, pending=pending)
    victim.settle()
    assert log == expected


def test_main_that_waits_for_a_channel(other):
    other.main.throw(OSError, "from outside")
    other.thread.join(PATIENCE)
    assert isinstance(other.error, OSError) and other.error.args == ("from outside",)
    assert not other.main.alive and other.main.thread_id == -1


def test_dead_tasklet(other):
    t = other.call(lambda: stackless.tasklet(len)("x"))
    until(lambda: not t.alive)
    t.kill()
    with raises(RuntimeError, "You cannot throw to a dead tasklet"):
        t.throw(ValueError)
    with raises(RuntimeError, "You cannot run an unbound(dead) tasklet"):
        t.insert()
    with raises(RuntimeError, "You cannot run an unbound(dead) tasklet"):
        t.run()


def test_bind_and_setup(other):
    log = []
    t = other.call(stackless.tasklet)
    t.bind(lambda *a, **k: log.append((a, k, threading.get_ident())))
    assert t.thread_id == other.id and t.state == "bound"
    assert t.setup(1, b=2) is t
    until(lambda: log)
    assert log == [((1,), {"b": 2}, other.id)]
    until(lambda: not t.alive)
    other.call(len, "")  # until it runs somebody else, the dead one is still the current one there
    assert t.bind(log.append)("called") is t
    until(lambda: len(log) == 2)


@pytest.mark.parametrize("state", ["paused", "runnable", "blocked", "running"])
def test_rebinding_what_has_begun(other, state):
    victim = Victim(other, state)
    text = {"running": "can't (re)bind the current tasklet", "paused": "tasklet has C state on its stack"}
    with raises(RuntimeError, text.get(state, "tasklet is scheduled")):
        victim.tasklet.bind(len)
    with raises(RuntimeError, "tasklet is alive"):
        victim.tasklet.setup()
    victim.settle()


def test_bind_thread(other):
    log = []
    t = other.call(lambda: stackless.tasklet(lambda: log.append(threading.get_ident())).bind(None, ()))
    t.bind_thread()
    assert t.thread_id == threading.get_ident()
    t.insert()
    stackless.run()
    t.bind(lambda: log.append(threading.get_ident()), ())
    t.bind_thread(other.id)
    assert t.thread_id == other.id
    t.insert()
    until(lambda: len(log) == 2)
    assert log == [threading.get_ident(), other.id]


@pytest.mark.parametrize("state, text", [("paused", "tasklet has C state on its stack"), ("runnable", "can't (re)bind a runnable tasklet"),
                                         ("blocked", "can't (re)bind a runnable tasklet"),
                                         ("running", "can't (re)bind a runnable tasklet")])
def test_bind_thread_of_what_has_begun(other, state, text):
    victim = Victim(other, state)
    with raises(RuntimeError, text):
        victim.tasklet.bind_thread()
    victim.settle()


def test_attributes(other):
    victim = Victim(other, "blocked")
    t = victim.tasklet
    assert (t.alive, t.blocked, t.scheduled, t.paused, t.is_current, t.is_main) == (True, True, True, False, False, False)
    assert t.state == "blocked" and t.waiting_on is victim.channel and victim.channel.queue is t
    assert t.frame.f_code is Victim.body.__code__ and "body" in str(t.stack())
    until(other.asleep)
    assert other.main.is_current and other.main.state == "blocked" and other.main.waiting_on is other.inbox
    assert other.main.is_main and other.main in gossamer.tasklets()
    assert stackless.get_thread_info(other.id) == (other.main, other.main, 0)
    running = Victim(other, "running")
    assert running.tasklet.is_current and running.tasklet.state == "running" and other.main.state == "blocked"
    assert running.tasklet.frame.f_code.co_name == "wait"
    assert running.tasklet.recursion_depth > 0
    running.settle()
    t.name = "renamed"
    assert t.name == "renamed" and t.block_trap is False


def test_set_context(other):
    import contextvars
    for state, allowed in (("paused", True), ("blocked", False), ("running", False)):
        victim = Victim(other, state)
        if allowed:
            assert victim.tasklet.set_context(contextvars.Context()) is victim.tasklet
        else:
            with raises(RuntimeError, "tasklet belongs to a different thread"):
                victim.tasklet.set_context(contextvars.Context())
        victim.settle()


@pytest.mark.parametrize("which", ["trace", "profile"])
def test_trace_function_of_the_current_one(other, which):
    victim = Victim(other, "running")
    with raises(RuntimeError, "You cannot set the %s function of the current tasklet of another thread" % which):
        setattr(victim.tasklet, which + "_function", lambda *a: None)
    victim.settle()
