"""Helpers that several test files share."""
import contextlib
import os
import subprocess
import sys
import textwrap

import pytest

import gossamer
import stackless


class Names:
    """Gives tasklets one-letter names, so that a ring reads as 'SAB'."""

    def __init__(self):
        self.of = {id(stackless.main): "M"}
        self.keep = []

    def __call__(self, name, tasklet):
        self.of[id(tasklet)] = name
        self.keep.append(tasklet)      # an id must not be used twice
        return tasklet

    def __getitem__(self, tasklet):
        return self.of.get(id(tasklet), "?")

    def ring(self):
        """The ring as a string, the current tasklet first."""
        return "".join(self[t] for t in ring())

    def queue(self, channel):
        """The queue of a channel as a string, the longest waiting first."""
        return "".join(self[t] for t in queue(channel))


def ring():
    """The members of the ring, the current tasklet first."""
    first = stackless.current
    out, t = [first], first.next
    while t is not first:
        out.append(t)
        assert len(out) < 1000, "the ring does not close"
        t = t.next
    back, t = [first], first.prev
    while t is not first:
        back.insert(1, t)
        t = t.prev
    assert back == out, "next and prev disagree"
    assert stackless.runcount == len(out)
    return out


def queue(channel):
    """The tasklets blocked on a channel, the longest waiting first."""
    out, t = [], channel.queue
    while t is not None:
        out.append(t)
        t = t.next
    assert len(out) == abs(channel.balance)
    return out


def state(t):
    """The four state flags of section 1.3, as a string of letters."""
    flags = (("a", t.alive), ("s", t.scheduled), ("b", t.blocked), ("p", t.paused))
    assert all(type(on) is bool for _, on in flags)
    return "".join(letter for letter, on in flags if on)


@contextlib.contextmanager
def raises(kind, text=None):
    """Like pytest.raises, with the exact type and the exact text.

    A deadlock is a RuntimeError of a class of its own, which counts as RuntimeError here.
    """
    with pytest.raises(kind) as caught:
        yield caught
    if type(caught.value) is not gossamer.DeadlockError:
        assert type(caught.value) is kind
    if text is not None:
        assert str(caught.value) == text


def pause(value=None):
    """Leave the ring until somebody wakes the tasklet. Not the default retval,
    which would make the tasklet hold itself."""
    return stackless.schedule_remove(value)


def started_paused(func, *args):
    """A tasklet that has run up to its first pause() and waits there."""
    t = stackless.tasklet(func)(*args)
    t.remove()
    t.run()
    assert t.alive and t.paused
    return t


def paused_tasklet():
    return started_paused(pause)


def blocked_tasklet(channel=None):
    """A tasklet that waits in a receive."""
    if channel is None:
        channel = stackless.channel()
    t = stackless.tasklet(channel.receive)()
    t.remove()
    t.run()
    assert t.blocked
    return t


def nothing(*args, **kwargs):
    pass


def python(code, *args, env=None, timeout=120, check=True):
    """Run code in a fresh interpreter; returns the CompletedProcess."""
    full = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    if "asan" not in full.get("LD_PRELOAD", ""):
        full["PYTHONFAULTHANDLER"] = "1"
    full.update(env or {})
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), *args],
                          capture_output=True, text=True, timeout=timeout, env=full)
    if check:
        assert done.returncode == 0, "exit status %d\n%s\n%s" % (
            done.returncode, done.stdout, done.stderr)
    return done
