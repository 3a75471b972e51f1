"""Blocking calls on worker threads, while the other tasklets run.

    page = gossamer.pool.call_async(fetch, url, timeout=10)

At the end of the program, calls that have been handed in are waited for, as with `concurrent.futures`.
"""

from ._gossamer import Pool, call_async, default_pool

__all__ = ["Pool", "call_async", "default_pool"]
