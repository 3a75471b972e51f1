"""A trace function that is set while a tasklet is suspended, in whose code an exception is raised next.

CPython 3.15 prepares the code of running frames when tracing begins and relies on it: it crashed for frames it did not know.
"""
import sys

import stackless


def test_raises_when_resumed():
    log, seen = [], []

    def outer():
        def inner():
            stackless.schedule_remove(None)
            raise KeyError("after")
        inner()

    def body():
        try:
            outer()
        except KeyError as error:
            log.append(str(error))

    tasklets = [stackless.tasklet(body)() for _ in range(3)]
    stackless.run()
    before = sys.gettrace()
    sys.settrace(lambda frame, event, arg: seen.append(event))
    try:
        for t in tasklets:
            t.insert()
        stackless.run()
    finally:
        sys.settrace(before)
    assert log == ["'after'"] * 3
