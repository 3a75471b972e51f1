"""The workloads on the threads of the standard library."""

import threading


def blocks():
    lock = threading.Lock()

    def work(n):
        for _ in range(n):
            with lock:
                pass

    return work
