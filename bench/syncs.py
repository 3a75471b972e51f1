"""The workloads on locks and queues: the same code on gossamer.sync, and on threading and queue."""

import queue
import threading


def classes(peer):
    if peer == "gossamer":
        from gossamer import sync

        return sync, sync
    return threading, queue


def condition(locks, queues):
    c = locks.Condition()

    def work(n):
        for _ in range(n):
            with c:
                c.notify()

    return work


def condition_calls(locks, queues):
    c = locks.Condition()

    def work(n):
        for _ in range(n):
            c.acquire()
            c.notify()
            c.release()

    return work


def event(locks, queues):
    e = locks.Event()

    def work(n):
        for _ in range(n):
            e.set()
            e.clear()

    return work


def semaphore(locks, queues):
    s = locks.Semaphore()

    def work(n):
        for _ in range(n):
            s.acquire()
            s.release()

    return work


def a_queue(locks, queues):
    q = queues.Queue()

    def work(n):
        for _ in range(n):
            q.put(None)
            q.get()

    return work


def making(locks, queues):
    make = locks.Condition

    def work(n):
        for _ in range(n):
            make()

    return work


def threads(locks, queues):
    """Round trips between two threads: CPU time of both."""
    there, back = locks.Semaphore(0), locks.Semaphore(0)

    def answer():
        while True:
            there.acquire()
            back.release()

    threading.Thread(target=answer, daemon=True).start()

    def work(n):
        for _ in range(n):
            there.release()
            back.acquire()

    return work


def tasklets(locks, queues):
    import gossamer

    there, back = locks.Semaphore(0), locks.Semaphore(0)

    def answer(n):
        for _ in range(n):
            there.acquire()
            back.release()

    def work(n):
        gossamer.spawn(answer, n)
        for _ in range(n):
            there.release()
            back.acquire()

    return work


WORK = {"condition": condition, "condition-calls": condition_calls, "event": event, "semaphore": semaphore, "queue": a_queue, "making": making, "threads": threads,
        "tasklets": tasklets}  # fmt: skip


def work(name, peer):
    return WORK[name](*classes(peer))
