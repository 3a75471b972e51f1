"""A tasklet that its thread slept in could not be thrown into: it is still the current one there, and was taken
for one that runs."""
import pytest

import gossamer
import stackless
from threads_helpers import Other, until


@pytest.mark.parametrize("pending", [False, True])
def test_main_that_waits_for_a_channel(pending):
    other = Other()
    until(other.asleep)
    other.main.throw(KeyError, "from outside", pending=pending)
    other.thread.join(60)
    assert not other.thread.is_alive()
    assert isinstance(other.error, KeyError) and other.error.args == ("from outside",)
    assert other.inbox.balance == 0


def test_tasklet_that_blocked_last():
    with Other() as other:
        channel, log = gossamer.channel(), []

        def wait():
            try:
                channel.receive()
            except ValueError as error:
                log.append(str(error))

        def start():
            return stackless.tasklet(wait)()
        t = other.call(start)
        until(lambda: t.blocked and other.asleep())
        t.throw(ValueError, "enough")
        until(lambda: not t.alive)
        assert log == ["enough"] and channel.balance == 0
