"""The helpers that programs for Stackless Python used beside it: event queue, main loop, locks, timeouts, futures.

Nothing is imported here; use the modules: `from stacklesslib.util import timeout`.  They are written anew after the behaviour
of stacklesslib 0.2, without its mistakes; docs/reference/stacklesslib.md lists the names.
"""
