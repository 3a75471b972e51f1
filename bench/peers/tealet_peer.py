"""The workloads on tealet: raw switches, and the pure-Python channel where one is wanted.

A tealet's function gets (current, argument) and returns the tealet that runs
next; ours return the next ready one, or main, and take no argument.
"""

from tealet import STATE_EXIT, TealetExit, tealet
from tealet import current as getcurrent

from . import pychannel

Channel, ready = pychannel.make(getcurrent)
main = getcurrent()


class Unit(tealet):
    __slots__ = ("value",)


def nothing():
    pass


def entry(func, *args):
    """func(*args) as a tealet's function: at its end the next ready one runs, or main."""

    def body(current, argument):
        func(*args)
        return ready.popleft() if ready else main

    return body


def start(func, *args):
    """Runs func as a unit until it first blocks."""
    ready.append(main)
    Unit().run(entry(func, *args))


def run():
    while ready:
        ready.popleft().switch()


def switching(units):
    main_switch = main.switch

    def work(n):
        def unit(current, index):
            switch = members[(index + 1) % units].switch
            main_switch()
            for _ in range(n):
                switch()
            return main

        members = [tealet() for _ in range(units)]
        for index, member in enumerate(members):
            member.run(unit, index)
        for member in members:  # the first goes round n times, the others then only return
            member.switch()

    return work


def one_way():
    ch = Channel()

    def sender(n):
        for i in range(n):
            ch.send(i)

    def receiver(n):
        for _ in range(n):
            ch.receive()

    def work(n):
        start(receiver, n)
        start(sender, n)
        run()
        assert not ch.senders and not ch.receivers

    return work


def ping_pong():
    there, back = Channel(), Channel()

    def asker(n):
        for i in range(n):
            there.send(i)
            back.receive()

    def answerer(n):
        for _ in range(n):
            back.send(there.receive())

    def work(n):
        start(answerer, n)
        start(asker, n)
        run()
        assert not there.receivers and not back.receivers

    return work


def spawn(func):
    unit = tealet()
    unit.prime(func)
    ready.append(unit)


def nothing_then_next(current, argument):
    nothing()
    return ready.popleft() if ready else main


def spawn_batches(batch):
    def work(n):
        for _ in range(n):
            for _ in range(batch):
                spawn(nothing_then_next)
            run()

    return work


def spawn_all():
    def work(n):
        for _ in range(n):
            spawn(nothing_then_next)
        run()

    return work


def ring(units):
    channels = [Channel() for _ in range(units)]

    def member(inbox, outbox):
        while True:
            outbox.send(inbox.receive())

    def driver(laps):
        first, last = channels[0], channels[-1]
        for lap in range(laps):
            first.send(lap)
            assert last.receive() == lap

    for inbox, outbox in zip(channels, channels[1:]):
        start(member, inbox, outbox)

    def work(laps):
        start(driver, laps)
        run()

    return work


def blocked(n, depth):
    units = [None] * n
    main_switch = main.switch

    def at1():
        main_switch()

    def at2():
        at1()

    def at3():
        at2()

    def at4():
        at3()

    def at5():
        at4()

    func = at1 if depth == 1 else at5

    def body(current, argument):
        func()
        return main

    def create():
        for i in range(n):
            units[i] = unit = tealet()
            unit.run(body)

    def wake():
        for unit in units:
            unit.switch()
        assert units[0].state == units[-1].state == STATE_EXIT

    def kill():
        for unit in units:
            unit.throw(TealetExit())
        assert units[0].state == units[-1].state == STATE_EXIT

    return create, wake, kill
