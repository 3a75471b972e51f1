"""The workloads on Gossamer, written as a user would: spawn tasklets, call run()."""

from gossamer import atomic, channel, run, schedule, tasklet


def nothing():
    pass


def switching(units):
    def unit(n):
        for _ in range(n):
            schedule()

    def work(n):
        for _ in range(units):
            tasklet(unit)(n)
        run()

    return work


def one_way(preference=-1):  # -1, as channels are made: the receiver goes first; 0: the caller goes on
    ch = channel()
    ch.preference = preference

    def sender(n):
        for i in range(n):
            ch.send(i)

    def receiver(n):
        for _ in range(n):
            ch.receive()

    def work(n):
        tasklet(receiver)(n)
        tasklet(sender)(n)
        run()
        assert ch.balance == 0

    return work


def ping_pong():
    there, back = channel(), channel()

    def asker(n):
        for i in range(n):
            there.send(i)
            back.receive()

    def answerer(n):
        for _ in range(n):
            back.send(there.receive())

    def work(n):
        tasklet(answerer)(n)
        tasklet(asker)(n)
        run()
        assert there.balance == back.balance == 0

    return work


def spawn_batches(batch):
    def work(n):
        for _ in range(n):
            for _ in range(batch):
                tasklet(nothing)()
            run()

    return work


def spawn_all():
    def work(n):
        for _ in range(n):
            tasklet(nothing)()
        run()

    return work


def ring(units):
    channels = [channel() for _ in range(units)]

    def member(inbox, outbox):
        while True:
            outbox.send(inbox.receive())

    def driver(laps):
        first, last = channels[0], channels[-1]
        for lap in range(laps):
            first.send(lap)
            assert last.receive() == lap

    for inbox, outbox in zip(channels, channels[1:]):
        tasklet(member)(inbox, outbox)
    run()

    def work(laps):
        tasklet(driver)(laps)
        run()

    return work


def blocked(n, depth):
    units = [None] * n  # made before memory is measured, as for every peer
    ch = channel()

    def at1():
        ch.receive()

    def at2():
        at1()

    def at3():
        at2()

    def at4():
        at3()

    def at5():
        at4()

    func = at1 if depth == 1 else at5

    def create():
        for i in range(0, n, 1000):
            for j in range(i, min(i + 1000, n)):
                units[j] = tasklet(func)()
            run()
        assert ch.balance == -n

    def wake():
        for i in range(n):
            ch.send(i)
        assert ch.balance == 0 and not units[0].alive and not units[-1].alive

    def kill():
        for unit in units:
            unit.kill()
        assert ch.balance == 0 and not units[0].alive and not units[-1].alive

    return create, wake, kill


def blocks():
    def work(n):
        for _ in range(n):
            with atomic():
                pass

    return work
