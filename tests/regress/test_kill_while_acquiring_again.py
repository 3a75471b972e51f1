"""A tasklet whose Condition.wait() had timed out, and that was killed or got an exception while it waited for the lock
again, returned from wait() as if nothing had happened; the exception came up somewhere else, as a SystemError."""

import pytest

import gossamer
import stackless
from gossamer import sync


class Boom(Exception):
    pass


@pytest.mark.parametrize("lock", [sync.Lock, sync.RLock])
@pytest.mark.parametrize("timeout", [0, 0.001])
def test_exception(lock, timeout):
    condition, log = sync.Condition(lock()), []

    def waits():
        with condition:
            stackless.schedule()  # the holder stands in line for the lock now
            try:
                log.append(condition.wait(timeout))
            except Boom:
                log.append("Boom")
            log.append(condition._is_owned())

    def holds():
        with condition:
            while t.waiting_on is not condition._lock:  # its time is up, and it wants the lock
                gossamer.sleep(0.001)
            t.raise_exception(Boom)
            gossamer.sleep(0.001)

    t, h = gossamer.spawn(waits), gossamer.spawn(holds)
    t.join(60)
    h.join(60)
    assert log == ["Boom", True]
