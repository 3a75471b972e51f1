"""Each thread that had used tasklets looked at every object of the process when it ended, some of them three times: 40 ms
in a program with a million objects."""

import sys
import threading

import gossamer
import pytest

looks = []


def hear(event, args):
    if event == "gc.get_objects" and looks is not None:
        looks.append(event)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on CPython does not tell that somebody looks at all objects")
def test_only_if_it_leaves_tasklets():
    sys.addaudithook(hear)

    def tidy():
        gossamer.spawn(int).join()
        gossamer.tasklet(int)()
        gossamer.run()

    def untidy():
        gossamer.tasklet(gossamer.channel().receive)()
        gossamer.schedule()

    def looks_of(function):
        looks.clear()
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()
        return len(looks)

    assert looks_of(tidy) == 0
    assert looks_of(untidy) > 0
