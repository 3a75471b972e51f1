"""A little of everything, in one process and without any test framework: for places where that is all there is."""
import gc
import platform
import sys

import gossamer
import stackless


def channels():
    total = []
    first = stackless.channel()
    left = first
    for _ in range(200):
        right = stackless.channel()
        stackless.tasklet(lambda a, b: b.send(a.receive() + 1))(left, right)
        left = right
    stackless.tasklet(lambda: first.send(0))()
    stackless.tasklet(lambda: total.append(left.receive()))()
    stackless.run()
    assert total == [200], total


def exceptions():
    log = []

    def waits():
        try:
            stackless.channel().receive()
        except ValueError as error:
            log.append(str(error))
        finally:
            log.append("finally")
    t = stackless.tasklet(waits)()
    stackless.run()
    t.throw(ValueError, "thrown")
    assert log == ["thrown", "finally"], log


def recursion():
    depths = []

    def endless(n):
        depths.append(n)
        return sorted([n], key=lambda x: endless(n + 1))

    def body():
        try:
            endless(0)
        except RecursionError:
            depths.append("ended")
    stackless.tasklet(body)()
    stackless.run()
    assert depths[-1] == "ended" and len(depths) > 20, len(depths)  # a stack of 256 KiB holds some 40


def collector():
    log = []

    def blocked():
        me = stackless.current
        try:
            stackless.channel().receive()
        finally:
            log.append(me is stackless.current)
    for _ in range(50):
        stackless.tasklet(blocked)()
    stackless.run()
    gc.collect()
    for t in gossamer.tasklets():
        if t is not stackless.main:
            t.kill()
    assert log == [True] * 50, log


def generators_and_floats():
    results = {}

    def numbers(yields):
        for k in range(20):
            if yields:
                stackless.schedule()
            yield k

    def body(n, yields, results):
        x = n / 3
        for i in numbers(yields):
            x = x * 1.5 - i
        results[n] = x
    for n in range(30):
        stackless.tasklet(body)(n, True, results)
    stackless.run()
    expected = {}
    for n in range(30):
        body(n, False, expected)
    assert results == expected


def sleeping():
    order = []
    for n in (3, 1, 2):
        gossamer.spawn(lambda n=n: (gossamer.sleep(n / 50), order.append(n)))
    stackless.run()
    assert order == [1, 2, 3], order


for test in (channels, exceptions, recursion, collector, generators_and_floats, sleeping):
    test()
    print("ok", test.__name__, flush=True)
print("all of it on", platform.machine(), sys.version.split()[0])
