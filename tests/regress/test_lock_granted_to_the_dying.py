"""A lock was lost for ever when it was granted to a tasklet that waited for it while its thread ended.

A tasklet that is killed in Condition.wait takes the lock again first, to be able to leave the block that releases it. If
another thread released the lock while the ending thread still killed its other tasklets, the lock went to it, and its
stack with the thread.
"""
import threading

import gossamer
from gossamer import sync

LONG = 60  # seconds, against hanging only


def test_it_is_released_again():
    lock = sync.Lock()
    condition = sync.Condition(lock)
    waits, ends, dies, released = (threading.Event() for _ in range(4))

    def waiter():
        with condition:
            condition.wait()

    def last():
        try:
            gossamer.channel().receive()
        finally:
            dies.set()
            released.wait(LONG)

    def thread():
        kept = gossamer.spawn(waiter), gossamer.spawn(last)
        gossamer.schedule()
        gossamer.schedule()
        waits.set()
        ends.wait(LONG)
        return kept

    other = threading.Thread(target=thread)
    other.start()
    assert waits.wait(LONG) and lock.acquire(timeout=LONG)
    ends.set()
    assert dies.wait(LONG)
    lock.release()
    released.set()
    other.join(LONG)
    assert lock.acquire(timeout=LONG)
