"""Many threads that do the same: tasklets, where the program is patched."""

import json
import os
import sys
import threading


def together(count, job):
    """job(n) for each n, all at once; prints as JSON: the results in order, the most that were under way, the system's threads."""
    results, under_way, most = [None] * count, 0, 0
    lock = threading.Lock()

    def work(n):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        try:
            results[n] = job(n)
        finally:
            with lock:
                under_way -= 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    threads_of_system = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
    for thread in threads:
        thread.join()
    json.dump({"results": results, "most": most, "threads": threads_of_system}, sys.stdout)
