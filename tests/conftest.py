"""Fixtures of every Python test: the scheduler must be clean after each one.

A test that leaves a tasklet in the ring, a callback set or a trap level raised
would disturb the next one in ways that are hard to trace back, so the fixture
reports it in the test that did it, and then tidies up for the next.
Tasklets left blocked or paused are no fault; they are killed silently.
"""
import gc
import signal
import sys
import zlib

import pytest

import stackless
import gossamer

# A shell that starts us in the background has SIGINT ignored, and so would every program that a test interrupts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--part", metavar="K/N", help="run only the K-th of N parts of the tests: one a process, since the "
                     "threads of pytest-xdist would keep a deadlock from being one")


def pytest_collection_modifyitems(config, items):
    part = config.getoption("--part")
    if not part:
        return
    k, n = map(int, part.split("/"))
    keep = [item for item in items if zlib.crc32(item.nodeid.encode()) % n == k - 1]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(keep)])
    items[:] = keep


def _leftovers():
    return [t for t in gossamer.tasklets() if not t.is_main and t.alive]


def _kill_leftovers():
    stackless.set_error_handler(lambda *what: None)
    try:
        for _ in range(12):
            left = _leftovers()
            if not left:
                break
            for t in left:
                t.block_trap = True
                if t.alive:
                    t.kill()
        while stackless.runcount > 1:
            stackless.run()
    finally:
        stackless.set_error_handler(None)


@pytest.fixture(autouse=True)
def clean_scheduler():
    yield
    problems = []
    if stackless.current is not stackless.main:
        problems.append("the current tasklet is not main")
    level = stackless.switch_trap(0)
    if level:
        stackless.switch_trap(-level)
        problems.append("switch_trap level is %d" % level)
    for get, put in ((stackless.get_channel_callback, stackless.set_channel_callback),
                     (stackless.get_schedule_callback, stackless.set_schedule_callback)):
        if get() is not None:
            put(None)
            problems.append("%s was left set" % get.__name__)
    if stackless.set_error_handler(None) is not None:
        problems.append("an error handler was left set")
    if gossamer.get_uncaught_hook() is not None:
        gossamer.set_uncaught_hook(None)
        problems.append("an uncaught hook was left set")
    if stackless.main.block_trap:
        stackless.main.block_trap = False
        problems.append("main.block_trap was left set")
    if sys.gettrace() is not None and "coverage" not in sys.modules:
        sys.settrace(None)
        problems.append("a trace function was left set in main")
    count = stackless.runcount
    if count != 1:
        problems.append("runcount is %d" % count)
    _kill_leftovers()
    if gc.garbage:
        problems.append("gc.garbage holds %d objects" % len(gc.garbage))
        del gc.garbage[:]
    if problems:
        pytest.fail("the scheduler was left dirty: " + "; ".join(problems))
