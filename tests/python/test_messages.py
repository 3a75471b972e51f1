"""Spec appendix A: every text of the message catalogue that one thread can provoke."""
import contextvars
import threading

import pytest

import stackless
from helpers import blocked_tasklet, nothing, pause, paused_tasklet, raises, started_paused


def from_callback():
    c, errors = stackless.channel(), []

    def cb(channel, *rest):
        try:
            channel.receive()
        except RuntimeError as e:
            errors.append(e)
    stackless.set_channel_callback(cb)
    try:
        c.receive()
    except RuntimeError:
        pass
    finally:
        stackless.set_channel_callback(None)
    raise errors[0]


class Box:
    paused = None


def with_trap():
    stackless.switch_trap(1)
    try:
        Box.paused.run()
    finally:
        stackless.switch_trap(-1)


def block_trapped():
    stackless.current.block_trap = True
    try:
        stackless.channel().receive()
    finally:
        stackless.current.block_trap = False


def closed():
    c = stackless.channel()
    c.close()
    c.receive()


def receiving():
    stackless.tasklet(nothing)()
    stackless.channel().receive()


def sending():
    stackless.tasklet(nothing)()
    stackless.channel().send(1)


def set_attr(make, name, value):
    return lambda: setattr(make(), name, value)


def entered():
    me = stackless.current
    contextvars.copy_context().run(lambda: me.set_context(contextvars.Context()))


def remove_current():
    stackless.current.remove()


def bind_scheduled():
    t = stackless.tasklet(nothing)()
    try:
        t.bind(nothing)
    finally:
        t.kill()


def bind_runnable_thread():
    t = stackless.tasklet(nothing)()
    try:
        t.bind_thread(threading.get_ident())
    finally:
        t.kill()


def suspended():
    return started_paused(pause)


def dead():
    t = stackless.tasklet(nothing)()
    t.run()
    return t


tasklet, channel = stackless.tasklet, stackless.channel
CATALOGUE = [
    (RuntimeError, "Deadlock: the last runnable tasklet cannot be blocked.",
     lambda: channel().receive()),
    (RuntimeError, "the main tasklet is receiving without a sender available.", receiving),
    (RuntimeError, "the main tasklet is sending without a receiver available.", sending),
    (RuntimeError, "switch_trap", with_trap),
    (RuntimeError, "this tasklet does not like to be blocked.", block_trapped),
    (ValueError, "Send/receive operation on a closed channel", closed),
    (RuntimeError, "Recursive channel call due to callbacks!", from_callback),
    (TypeError, "channel.send_exception needs Exception or string subclass as first parameter",
     lambda: channel().send_exception(1)),
    (TypeError, "send_exception() takes at least 1 argument", lambda: channel().send_exception()),
    (TypeError, "preference must be set to an integer", set_attr(channel, "preference", "x")),
    (TypeError, "preference must be set to a bool or integer",
     set_attr(channel, "schedule_all", "x")),
    (TypeError, "tasklet function must be a callable or None", lambda: tasklet(1)),
    (TypeError, "tasklet args must be a tuple or None", lambda: tasklet(nothing, 1)),
    (TypeError, "tasklet kwargs must be a dictionary or None", lambda: tasklet(nothing, (), 1)),
    (RuntimeError, "can't (re)bind the current tasklet", lambda: stackless.current.bind(nothing)),
    (RuntimeError, "tasklet is scheduled", bind_scheduled),
    (RuntimeError, "tasklet is scheduled", lambda: blocked_tasklet().bind(nothing)),
    (RuntimeError, "tasklet has C state on its stack", lambda: suspended().bind(nothing)),
    (RuntimeError, "tasklet has C state on its stack", lambda: suspended().bind(None)),
    (RuntimeError, "the tasklet was not bound to a function", lambda: tasklet()()),
    (RuntimeError, "the tasklet was not bound to a function", lambda: tasklet().bind(None, ())),
    (RuntimeError, "tasklet is alive", lambda: suspended()()),
    (RuntimeError, "tasklet is alive", lambda: stackless.current.setup()),
    (RuntimeError, "You cannot run a blocked tasklet", lambda: blocked_tasklet().run()),
    (RuntimeError, "You cannot run a blocked tasklet", lambda: blocked_tasklet().insert()),
    (RuntimeError, "You cannot run a blocked tasklet", lambda: blocked_tasklet().switch()),
    (RuntimeError, "You cannot run an unbound(dead) tasklet", lambda: tasklet().run()),
    (RuntimeError, "You cannot run an unbound(dead) tasklet", lambda: dead().insert()),
    (RuntimeError, "You cannot run an unbound(dead) tasklet", lambda: dead().switch()),
    (RuntimeError, "You cannot remove a blocked tasklet.", lambda: blocked_tasklet().remove()),
    (RuntimeError, "The current tasklet cannot be removed.", remove_current),
    (RuntimeError, "You cannot throw to a dead tasklet", lambda: dead().throw(ValueError)),
    (RuntimeError, "You cannot throw to a dead tasklet", lambda: dead().raise_exception(KeyError)),
    (RuntimeError, "can't (re)bind a runnable tasklet", bind_runnable_thread),
    (RuntimeError, "can't (re)bind a runnable tasklet", lambda: blocked_tasklet().bind_thread(
        threading.get_ident())),
    (ValueError, "bad thread", lambda: tasklet().bind_thread(1)),
    (OverflowError, "can't convert negative value to unsigned int",
     lambda: tasklet().bind_thread(-2)),
    (OverflowError, "can't convert negative value to unsigned int",
     lambda: stackless.get_thread_info(-2)),
    (RuntimeError, "Thread id not found", lambda: stackless.get_thread_info(1)),
    (TypeError, "tasklet.raise_exception needs Exception or string subclass as first parameter",
     lambda: suspended().raise_exception(1)),
    (TypeError, "raise_exception() takes at least 1 argument",
     lambda: suspended().raise_exception()),
    (TypeError, "exceptions must be classes, or instances, not int", lambda: suspended().throw(1)),
    (TypeError, "exceptions must be classes, or instances, not str",
     lambda: channel().send_throw("x")),
    (TypeError, "instance exception may not have a separate value",
     lambda: suspended().throw(ValueError(), 1)),
    (TypeError, "instance exception may not have a separate value",
     lambda: channel().send_throw(ValueError(), 1)),
    (TypeError, "third argument must be a traceback object",
     lambda: suspended().throw(ValueError, 1, 1)),
    (TypeError, "third argument must be a traceback object",
     lambda: channel().send_throw(ValueError, 1, 1)),
    (TypeError, "set_atomic needs exactly one bool or integer", lambda: tasklet().set_atomic("x")),
    (TypeError, "set_ignore_nesting needs exactly one bool or integer",
     lambda: tasklet().set_ignore_nesting("x")),
    (TypeError, "block_trap must be set to a bool or integer",
     set_attr(tasklet, "block_trap", "x")),
    (TypeError, "set_context() argument 1 must be Context, not int",
     lambda: tasklet().set_context(1)),
    (RuntimeError, "the current context of the tasklet has been entered.", entered),
    (TypeError, "channel callback must be callable", lambda: stackless.set_channel_callback(1)),
    (TypeError, "schedule callback must be callable", lambda: stackless.set_schedule_callback(1)),
    (ValueError, "you must not set an undefined pickle-flag", lambda: stackless.pickle_flags(512)),
    (AttributeError, "can't set attribute", lambda: setattr(stackless, "current", 1)),
    (AttributeError, "can't set attribute", lambda: setattr(stackless, "runcount", 1)),
]


@pytest.mark.parametrize("kind, text, provoke", CATALOGUE,
                         ids=["%02d %s" % (n, r[1][:40]) for n, r in enumerate(CATALOGUE)])
def test_text(kind, text, provoke):
    Box.paused = paused_tasklet()
    try:
        with raises(kind, text):
            provoke()
    finally:
        Box.paused.kill()
        Box.paused = None


ALTERNATIVES = [
    (r"(takes|expected) at most \d argument|takes from \d to \d positional",
     lambda: stackless.schedule(1, 2)),
    (r"takes exactly one argument", lambda: channel().send_sequence()),
    (r"takes no arguments|expected 0 arguments", lambda: stackless.getcurrent(1)),
    (r"takes no arguments|expected 0 arguments", lambda: tasklet().run(1)),
    (r"takes no arguments|expected 0 arguments", lambda: channel().close(1)),
    (r"takes no keyword arguments", lambda: stackless.switch_trap(change=1)),
    (r"(takes|expected) at least \d argument|missing (1 )?required (positional )?argument",
     lambda: suspended().throw()),
]


@pytest.mark.parametrize("pattern, provoke", ALTERNATIVES)
def test_argument_counts(pattern, provoke):
    with pytest.raises(TypeError, match=pattern):
        provoke()
