"""The standard library's own tests of locks and queues (test.lock_tests, test.test_queue), on the classes of gossamer.sync.

`tests/python/sync_stdlib_failures.txt` lists what fails, and why.  They run in a process of their own, by way of
`python sync_stdlib.py`: their threads would be in the way of other tests.
"""

import importlib.util
import io
import json
import pathlib
import sys
import types
import unittest

LIST = pathlib.Path(__file__).with_name("sync_stdlib_failures.txt")


def available():
    return bool(importlib.util.find_spec("test")) and all(
        importlib.util.find_spec(f"test.{name}") for name in ("lock_tests", "test_queue")
    )


def lock_cases():
    from gossamer import sync
    from test import lock_tests

    makes = {
        "LockTests": {"locktype": sync.Lock},
        "RLockTests": {"locktype": sync.RLock},
        "EventTests": {"eventtype": sync.Event},
        "ConditionTests": {"condtype": sync.Condition},
        "SemaphoreTests": {"semtype": sync.Semaphore},
        "BoundedSemaphoreTests": {"semtype": sync.BoundedSemaphore},
        "BarrierTests": {"barriertype": sync.Barrier},
    }
    for name, attributes in makes.items():
        yield type(name, (getattr(lock_tests, name),), {key: staticmethod(value) for key, value in attributes.items()})
    yield type("ConditionAsRLockTests", (lock_tests.RLockTests,), {"locktype": staticmethod(sync.Condition)})


def queue_cases():
    from gossamer import sync
    from test import test_queue

    # What the tests take from module queue.
    module = types.SimpleNamespace(**{name: getattr(sync, name) for name in sync.__all__})
    for name in ("QueueTest", "LifoQueueTest", "PriorityQueueTest", "FailingQueueTest"):
        yield type(name, (getattr(test_queue, name), unittest.TestCase), {"queue": module})
    yield type("SimpleQueueTest", (test_queue.BaseSimpleQueueTest, unittest.TestCase),
               {"queue": module, "type2test": sync.SimpleQueue})


def name_of(test):
    return test.id().removeprefix("__main__.").removeprefix("abc.")


def outcome():
    """-> {name of test: traceback} of what failed, and the names of all."""
    loader = unittest.TestLoader()
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (*lock_cases(), *queue_cases()))
    every = [name_of(test) for tests in suite for test in tests]
    result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)
    failed = {name_of(test): text for test, text in result.errors + result.failures}
    return {"failed": failed, "every": every, "skipped": [name_of(test) for test, _ in result.skipped]}


def expected():
    """-> {name of test: (versions, why)} of the list."""
    found = {}
    for line in LIST.read_text().splitlines():
        if line and not line.startswith("#"):
            name, versions, why = (part.strip() for part in line.split("|"))
            found[name] = (versions.split(), why)
    return found


if __name__ == "__main__":
    json.dump(outcome(), sys.stdout)
