"""What a tasklet leaves for join, and for main, when it is bound again or killed late."""
import pytest

import gossamer
import stackless


def divide():
    1 / 0


def test_join_after_binding_again():
    t = gossamer.spawn(divide)
    with pytest.raises(ZeroDivisionError):
        t.join()
    t.bind(lambda: 5)()
    assert t.join() == 5


def test_killed_inside_of_the_uncaught_hook():
    gossamer.set_uncaught_hook(lambda t, error: stackless.schedule_remove(None))
    try:
        t = stackless.tasklet(divide)()
        t.run()
        assert t.paused
        t.kill()             # a normal end; main must not see a TaskletExit
        assert not t.alive
    finally:
        gossamer.set_uncaught_hook(None)


def test_binding_releases_what_uses_the_tasklet():
    c = stackless.channel()

    class Inserts:
        def __del__(self):
            t.insert()
            stackless.schedule()

    got = []
    t = stackless.tasklet(len)
    t.bind(len, (Inserts(),))
    t.bind(lambda x: got.append((x, c.receive())), (1,))
    assert t.blocked
    c.send(2)
    stackless.run()
    assert got == [(1, 2)]


def test_flags_of_integers_that_are_neither():
    class Odd(int):
        def __bool__(self):
            raise ZeroDivisionError

    t, c = stackless.tasklet(), stackless.channel()
    for use in (t.set_atomic, t.set_ignore_nesting, lambda x: setattr(t, "block_trap", x),
                lambda x: setattr(c, "schedule_all", x)):
        with pytest.raises(ZeroDivisionError):
            use(Odd(1))
