"""The workloads that cross from thread to thread: messages, hand-offs, wake-ups, calls on worker threads.

Each is the same code for both peers, as far as they have the same things. CPU time is that of all threads; what is
measured in time of the clock says so.
"""

import os
import queue
import threading
import time

import syncs


def use_all_cores():
    """The samples are kept on one core; how two threads find each other over two is another matter."""
    os.sched_setaffinity(0, range(os.cpu_count()))


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


# ---- messages ----


def echo(receive, send):
    while (value := receive()) is not None:
        send(value)


def round_trips(peer):
    """There and back over two channels; for threading: two queue.SimpleQueue."""
    if peer == "gossamer":
        import gossamer

        there, back = gossamer.channel(), gossamer.channel()
        send, receive = there.send, back.receive
        threading.Thread(target=echo, args=(there.receive, back.send), daemon=True).start()
    else:
        there, back = queue.SimpleQueue(), queue.SimpleQueue()
        send, receive = there.put, back.get
        threading.Thread(target=echo, args=(there.get, back.put), daemon=True).start()

    def work(n):
        for i in range(n):
            send(i)
            receive()

    return work


def stream(put, get):
    def sender(n):
        for i in range(n):
            put(i)

    def work(n):
        thread = in_thread(sender, n)
        for _ in range(n):
            get()
        thread.join()

    return work


def rendezvous(peer):
    """One way over one channel without a buffer; for threading: queue.Queue(1), the nearest thing."""
    if peer == "gossamer":
        import gossamer

        ch = gossamer.channel()
        return stream(ch.send, ch.receive)
    q = queue.Queue(1)
    return stream(q.put, q.get)


def buffered(peer):
    """One way, the sender never waits."""
    if peer == "gossamer":
        from gossamer import sync

        q = sync.SimpleQueue()
    else:
        q = queue.SimpleQueue()
    return stream(q.put, q.get)


# ---- wake-ups, by the clock ----


def wake_up(peer, budget, timeout):
    """From set() in one thread to the end of a wait() in another that has slept for a while. -> as harness.short_rounds"""
    locks, _ = syncs.classes(peer)
    event, times = locks.Event(), []

    def waiter():
        event.wait(timeout)
        times.append(time.monotonic_ns())

    end = time.monotonic() + 2 * budget + 0.1
    while time.monotonic() < end:
        event.clear()
        thread = in_thread(waiter)
        time.sleep(0.003)
        begin = time.monotonic_ns()
        event.set()
        thread.join()
        times[-1] -= begin
    times.sort()
    return {"best": times[len(times) // 2], "least": times[0], "rounds": len(times), "ops_a_round": 1}


# ---- calls on worker threads ----


def nothing():
    pass


def calls(peer):
    if peer == "gossamer":
        from gossamer.pool import call_async

        def work(n):
            for _ in range(n):
                call_async(nothing)

        return work
    if peer == "asyncio":
        import asyncio

        loop = asyncio.new_event_loop()

        async def one_by_one(n):
            for _ in range(n):
                await loop.run_in_executor(None, nothing)

        return lambda n: loop.run_until_complete(one_by_one(n))
    import concurrent.futures

    pool = concurrent.futures.ThreadPoolExecutor()

    def work(n):
        for _ in range(n):
            pool.submit(nothing).result()

    return work


# ---- waiters that leave ----


def leaving(n):
    """n tasklets wait for one lock; they are killed in an order that is not that of the line."""
    import gossamer
    from gossamer import sync

    lock = sync.Lock()
    lock.acquire()

    def work(rounds):
        for _ in range(rounds):
            waiters = [gossamer.tasklet(lock.acquire)() for _ in range(n)]
            gossamer.run()
            for i in range(n):
                waiters[i * 7919 % n].kill()  # 7919 is a prime, and no divisor of n

    return work


WORK = {"messages": round_trips, "rendezvous": rendezvous, "buffered": buffered, "calls": calls}
PER = {"messages": 2}  # messages a round trip
