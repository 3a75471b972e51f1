"""A fair unbuffered channel in pure Python, for libraries that only switch.

Greenlet and tealet have no channels and no scheduler. This is the quickest of
five that we tried (a value in the unit's slot against a tuple in the queue,
two queues against one with a balance, closures against attributes, waking the
receiver against switching to it at once). It wakes as Go does: the woken side
is made ready and the waker runs on, so that a one-way stream costs one switch
a message instead of two.
"""

from collections import deque


def make(getcurrent):
    """-> (Channel, ready). Units have a writable `value`; `ready` holds those that may run."""
    ready = deque()
    next_ready = ready.popleft
    make_ready = ready.append

    class Channel:
        __slots__ = ("senders", "receivers")

        def __init__(self):
            self.senders = deque()
            self.receivers = deque()

        def send(self, value):
            if self.receivers:
                unit = self.receivers.popleft()
                unit.value = value
                make_ready(unit)
                return
            me = getcurrent()
            me.value = value
            self.senders.append(me)
            next_ready().switch()

        def receive(self):
            if self.senders:
                unit = self.senders.popleft()
                make_ready(unit)
                return unit.value
            me = getcurrent()
            self.receivers.append(me)
            next_ready().switch()
            return me.value

    return Channel, ready
