"""A plain-Python model of the ordering rules: the ring, channel queues, run() and errors.

It knows nothing of stacks. Each tasklet is a record; an operation changes the records
and says either what it returns to its caller at once, or None: somebody else is current
afterwards, and the suspended caller's result waits in its slot.
Tasklet 0 is main. A result is ("value", v) or ("raise", kind, text); kind is the name
of the exception's class.
"""

DEADLOCK = ("raise", "DeadlockError", "Deadlock: the last runnable tasklet cannot be blocked.")
RECEIVING = ("raise", "DeadlockError", "the main tasklet is receiving without a sender available.")
SENDING = ("raise", "DeadlockError", "the main tasklet is sending without a receiver available.")
TRAP = ("raise", "RuntimeError", "switch_trap")
CLOSED = ("raise", "ValueError", "Send/receive operation on a closed channel")
BLOCK_TRAP = ("raise", "RuntimeError", "this tasklet does not like to be blocked.")
RUN_BLOCKED = ("raise", "RuntimeError", "You cannot run a blocked tasklet")
RUN_DEAD = ("raise", "RuntimeError", "You cannot run an unbound(dead) tasklet")
REMOVE_BLOCKED = ("raise", "RuntimeError", "You cannot remove a blocked tasklet.")
REMOVE_CURRENT = ("raise", "RuntimeError", "The current tasklet cannot be removed.")
THROW_DEAD = ("raise", "RuntimeError", "You cannot throw to a dead tasklet")
ALIVE = ("raise", "RuntimeError", "tasklet is alive")
STOP = ("raise", "StopIteration", "")
NONE = ("value", None)


class Trapped(Exception):
    """The operation would switch although the trap is on; the caller undoes it."""


class Task:
    def __init__(self, number):
        self.number = number
        self.alive = number == 0
        self.started = number == 0
        self.chain = None            # None, "ring", or the channel it is blocked on
        self.slot = NONE             # the result of the operation it is suspended in
        self.op = None               # the operation it is, or was last, suspended in
        self.block_trap = False

    @property
    def flags(self):
        """alive, scheduled, blocked, paused"""
        blocked = isinstance(self.chain, Chan)
        return (self.alive, self.chain is not None, blocked, self.alive and self.chain is None)


class Chan:
    def __init__(self, number):
        self.number = number
        self.queue = []              # numbers of tasklets, the longest waiting first
        self.side = 0                # 1: senders wait, -1: receivers wait
        self.preference = -1
        self.schedule_all = 0
        self.closing = False

    @property
    def balance(self):
        return self.side * len(self.queue)


class Model:
    def __init__(self, tasklets, channels):
        self.tasks = [Task(n) for n in range(tasklets + 1)]
        self.chans = [Chan(n) for n in range(channels)]
        self.ring = [0]              # the current tasklet first
        self.tasks[0].chain = "ring"
        self.watchdogs = []          # those inside run(), the innermost last
        self.trap = False

    @property
    def current(self):
        return self.ring[0]

    # -- the ring --

    def _append(self, n):
        """At the end: directly before the current one."""
        self.ring.append(n)
        self.tasks[n].chain = "ring"

    def _take(self, n):
        """Out of whatever chain it is in."""
        t = self.tasks[n]
        if t.chain == "ring":
            self.ring.remove(n)
        elif t.chain is not None:
            t.chain.queue.remove(n)
        t.chain = None

    def _rotate(self, n):
        i = self.ring.index(n)
        self.ring = self.ring[i:] + self.ring[:i]

    def _switch(self, n):
        """Let n run, a member of the ring other than the current one."""
        if self.trap:
            raise Trapped
        self._rotate(n)
        self._resume(n)

    def _resume(self, n):
        """n is the head of the ring and goes on: if it was inside run(), that run() ends."""
        if n not in self.watchdogs:
            return
        while True:
            # Those that came later are still waiting: they become runnable.
            popped = self.watchdogs.pop()
            if popped == n:
                break
            if self.tasks[popped].slot[0] == "value":
                self.tasks[popped].slot = NONE
            if self.tasks[popped].chain is None:
                self._append(popped)
        if self.tasks[n].slot[0] == "value":
            self.tasks[n].slot = NONE

    def _helpless(self, me):
        """If the current one left the ring now, nobody could continue."""
        return self.ring == [me] and not self.watchdogs and (
            me == 0 or isinstance(self.tasks[0].chain, Chan))

    def _leave(self):
        """The current one has left the ring, and somebody can continue."""
        if self.trap:
            raise Trapped
        if not self.ring:
            self._append(self.watchdogs[-1] if self.watchdogs else 0)
        self._resume(self.ring[0])

    def _transfer(self, result):
        """An error that nobody caught: to the innermost watchdog, else to main, at once."""
        n = self.watchdogs[-1] if self.watchdogs else 0
        if self.tasks[n].chain == "ring":
            self._rotate(n)
        else:
            self._take(n)
            self.ring.insert(0, n)
            self.tasks[n].chain = "ring"
        self.tasks[n].slot = result
        self._resume(n)

    # -- life and death --

    def end(self, error=None):
        """The current tasklet ends; `error` is what left its function, if something did."""
        t = self.tasks[self.ring.pop(0)]
        t.alive, t.chain, t.started, t.slot = False, None, False, NONE
        main = self.tasks[0]
        if error is not None and error[1] != "TaskletExit":
            self._transfer(error)
        elif not self.ring and not self.watchdogs and isinstance(main.chain, Chan):
            main.slot = RECEIVING if main.chain.side < 0 else SENDING
            self._take(0)
            self._append(0)
        else:
            self._leave()
        self._start()

    def _start(self):
        """A tasklet about to begin: with an exception in its slot its function never runs."""
        t = self.tasks[self.current]
        if not t.started:
            if t.slot[0] == "raise":
                self.end(t.slot)
            else:
                t.started = True

    # -- how the driver uses it --

    def do(self, op, *args):
        """An operation of the current tasklet. Returns its result, or None when the tasklet is
        suspended in it. Undoes it when the trap forbids the switch."""
        me = self.current
        saved = self._save()
        try:
            result = getattr(self, op)(me, *args)
        except Trapped:
            self._restore(saved)
            return TRAP
        if result is None:
            self.tasks[me].op = op
            self._start()
            if self.current == me:
                result = self.claim()
        return result

    def claim(self):
        """The result that the current tasklet finds when it resumes."""
        t = self.tasks[self.current]
        result, t.slot = t.slot, NONE
        return result

    def _save(self):
        if not self.trap:
            return None
        return (list(self.ring), list(self.watchdogs),
                [(t.alive, t.started, t.chain, t.slot) for t in self.tasks],
                [(list(c.queue), c.side) for c in self.chans])

    def _restore(self, saved):
        self.ring, self.watchdogs = saved[0], saved[1]
        for t, s in zip(self.tasks, saved[2]):
            t.alive, t.started, t.chain, t.slot = s
        for c, s in zip(self.chans, saved[3]):
            c.queue, c.side = s

    # -- operations of the module --

    def schedule(self, me, value):
        if len(self.ring) == 1:
            return ("value", value)
        self.tasks[me].slot = ("value", value)
        self._switch(self.ring[1])

    def schedule_remove(self, me, value):
        if self._helpless(me):
            return ("value", value) if me == 0 else DEADLOCK
        self.tasks[me].slot = ("value", value)
        self._take(me)
        self._leave()

    def run(self, me):
        if self.ring == [me]:
            return NONE
        self.tasks[me].slot = NONE
        self._take(me)
        self.watchdogs.append(me)
        self._leave()

    # -- operations on a tasklet --

    def setup(self, me, n):
        t = self.tasks[n]
        if t.alive:
            return ALIVE
        t.alive, t.started, t.slot, t.block_trap = True, False, NONE, False
        self._append(n)
        return NONE

    def insert(self, me, n):
        refused = self._refuse(n)
        if refused:
            return refused
        if self.tasks[n].chain is None:
            self._append(n)
        return NONE

    def _refuse(self, n):
        t = self.tasks[n]
        if isinstance(t.chain, Chan):
            return RUN_BLOCKED
        return None if t.alive else RUN_DEAD

    def remove(self, me, n):
        if n == me:
            return REMOVE_CURRENT
        if isinstance(self.tasks[n].chain, Chan):
            return REMOVE_BLOCKED
        self._take(n)
        return NONE

    def t_run(self, me, n):
        refused = self._refuse(n)
        if refused or n == me:
            return refused or NONE
        if self.tasks[n].chain is None:
            self._append(n)
        self.tasks[me].slot = NONE
        self._switch(n)

    def t_switch(self, me, n):
        refused = self._refuse(n)
        if refused or n == me:
            return refused or NONE
        if self.tasks[n].chain is None:
            self._append(n)
        self.tasks[me].slot = NONE
        if self.trap:
            raise Trapped
        self._rotate(n)
        self._take(me)
        self._resume(n)

    def throw(self, me, n, kind, text, pending):
        t = self.tasks[n]
        bomb = ("raise", kind, text)
        if n == me:
            return bomb
        if not t.alive:
            return NONE if kind == "TaskletExit" else THROW_DEAD
        if t.chain != "ring":
            self._take(n)
            self._append(n)
        t.slot = bomb
        if pending:
            return NONE
        self.tasks[me].slot = NONE
        self._switch(n)

    def set_tempval(self, me, n, value):
        """Whether the model knows what it does there; the driver leaves it alone otherwise."""
        t = self.tasks[n]
        waits = t.op in ("schedule", "schedule_remove") or (
            t.op in ("send", "send_exception") and isinstance(t.chain, Chan))
        if n == me or not t.alive or not t.started or not waits or n in self.watchdogs:
            return False
        t.slot = ("value", value)
        return True

    def set_block_trap(self, me, on):
        self.tasks[me].block_trap = on
        return NONE

    # -- channels --

    def send(self, me, c, value):
        return self._transmit(me, self.chans[c], 1, ("value", value))

    def send_exception(self, me, c, text):
        return self._transmit(me, self.chans[c], 1, ("raise", "Boom", text))

    def receive(self, me, c):
        return self._transmit(me, self.chans[c], -1, NONE)

    def next(self, me, c):
        if self.chans[c].closing and self.chans[c].balance <= 0:
            return STOP
        return self.receive(me, c)

    def _transmit(self, me, c, side, payload):
        if c.queue and c.side == -side:
            return self._meet(me, c, side, payload)
        if self.tasks[me].block_trap:
            return BLOCK_TRAP
        if c.closing:
            return CLOSED
        if self._helpless(me):
            return DEADLOCK
        self._take(me)
        self.tasks[me].slot = payload
        self.tasks[me].chain = c
        c.queue.append(me)
        c.side = side
        self._leave()

    def _meet(self, me, c, side, payload):
        """A partner waits: the value moves, and section 5.4 says who goes on."""
        partner = c.queue[0]
        self._take(partner)
        other = self.tasks[partner]
        if side > 0:
            other.slot, result = payload, NONE
        else:
            other.slot, result = NONE, other.slot
        self._append(partner)
        if c.schedule_all:
            self.tasks[me].slot = result
            self._switch(self.ring[1])
        elif c.preference == -side:
            # The partner takes over; the caller goes to the end, the others keep their places.
            self.tasks[me].slot = result
            if self.trap:
                raise Trapped
            self.ring = [partner] + self.ring[1:-1] + [me]
            self._resume(partner)
        else:
            return result

    def close(self, me, c):
        self.chans[c].closing = True
        return NONE

    def open(self, me, c):
        self.chans[c].closing = False
        return NONE

    def set_preference(self, me, c, value):
        self.chans[c].preference = value
        return NONE

    def set_schedule_all(self, me, c, value):
        self.chans[c].schedule_all = value
        return NONE
