"""The workloads on asyncio: tasks, sleep(0) to yield, Queue(1) as the nearest thing to a channel.

The loop lives as long as the process; a round is one run_until_complete().
"""

import asyncio

loop = asyncio.new_event_loop()


def rounds(work):
    return lambda n: loop.run_until_complete(work(n))


async def nothing():
    pass


def switching(units):
    async def unit(n):
        for _ in range(n):
            await asyncio.sleep(0)

    async def work(n):
        await asyncio.gather(*(unit(n) for _ in range(units)))

    return rounds(work)


def one_way():
    queue = asyncio.Queue(1)

    async def sender(n):
        for i in range(n):
            await queue.put(i)

    async def receiver(n):
        for _ in range(n):
            await queue.get()

    async def work(n):
        await asyncio.gather(receiver(n), sender(n))
        assert queue.empty()

    return rounds(work)


def ping_pong():
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def asker(n):
        for i in range(n):
            await there.put(i)
            await back.get()

    async def answerer(n):
        for _ in range(n):
            await back.put(await there.get())

    async def work(n):
        await asyncio.gather(answerer(n), asker(n))
        assert there.empty() and back.empty()

    return rounds(work)


def spawn_batches(batch):
    async def work(n):
        for _ in range(n):
            for _ in range(batch):
                last = loop.create_task(nothing())
            await last

    return rounds(work)


def spawn_all():
    async def work(n):
        for _ in range(n):
            last = loop.create_task(nothing())
        await last

    return rounds(work)


def ring(units):
    queues = [asyncio.Queue(1) for _ in range(units)]

    async def member(inbox, outbox):
        while True:
            await outbox.put(await inbox.get())

    async def driver(laps):
        first, last = queues[0], queues[-1]
        for lap in range(laps):
            await first.put(lap)
            assert await last.get() == lap

    members = [loop.create_task(member(*pair)) for pair in zip(queues, queues[1:])]

    async def work(laps):
        await driver(laps)
        assert not members[0].done()

    return rounds(work)


def blocked(n, depth):
    units = [None] * n
    queue = asyncio.Queue()

    async def at1():
        await queue.get()

    async def at2():
        await at1()

    async def at3():
        await at2()

    async def at4():
        await at3()

    async def at5():
        await at4()

    func = at1 if depth == 1 else at5

    async def settle():
        while not units[-1].done():
            await asyncio.sleep(0)

    async def create():
        for i in range(0, n, 1000):
            for j in range(i, min(i + 1000, n)):
                units[j] = loop.create_task(func())
            await asyncio.sleep(0)

    async def wake():
        for i in range(n):
            queue.put_nowait(i)
        await settle()
        assert queue.empty() and units[0].done()

    async def kill():
        for unit in units:
            unit.cancel()
        await settle()
        assert units[0].cancelled() and units[-1].cancelled()

    return tuple(lambda step=step: loop.run_until_complete(step()) for step in (create, wake, kill))
