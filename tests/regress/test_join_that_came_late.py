"""join() of a tasklet that had ended, but was not known to have, waited for ever: what an ending tasklet drops may run
code that joins it, and so may another thread at that moment. And nobody woke those who joined a tasklet whose thread ended."""
import threading

import pytest

import gossamer
import stackless
from threads_helpers import PATIENCE, Other, in_thread, until


def test_joined_while_its_error_is_dropped():
    log = []

    class Joins:
        def __del__(self):
            t = box.pop()
            try:
                log.append(gossamer.spawn(t.join, 5).join(5))
            except KeyError as error:
                log.append(error.args)

    def dies():
        local = Joins()
        raise KeyError("its own")

    def body():
        stackless.set_error_handler(lambda *what: None)
        try:
            t = gossamer.spawn(dies)
            box.append(t)
            gossamer.run()
            with pytest.raises(KeyError):
                t.join()
            del t
        finally:
            stackless.set_error_handler(None)
    box = []
    in_thread(body)


@pytest.mark.parametrize("run", [False, True])
def test_thread_ends_under_the_joiner(run):
    """run: it has started, and refuses to die."""
    box, ready, finish = [], threading.Event(), threading.Event()

    def refuses():
        while True:
            try:
                stackless.schedule_remove(None)
            except gossamer.TaskletExit:
                pass

    def body():
        box.append(gossamer.spawn(refuses))
        if run:
            gossamer.run()
        ready.set()
        assert finish.wait(PATIENCE)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    with Other() as other:
        def join():
            try:
                return box[0].join(PATIENCE)
            except RuntimeError as error:
                return str(error)
        waiter = other.call(gossamer.spawn, join)
        until(lambda: waiter.blocked)
        finish.set()
        until(lambda: not waiter.alive)
        assert waiter.join() == (None if run else "the thread of the tasklet has ended before it")
    thread.join()
    assert not box[0].alive and box[0].thread_id == -1


def test_callback_before_the_wait():
    """The tasklet ends while a channel callback keeps the joiner from waiting."""
    with Other() as other:
        def make():
            return gossamer.spawn(lambda: "result").remove()
        t = other.call(make)
        calls = []

        def callback(channel, tasklet, sending, will_block):
            if not calls:
                calls.append(channel)
                t.insert()
                until(lambda: not t.alive)
        stackless.set_channel_callback(callback)
        try:
            assert t.join(PATIENCE) == "result"
        finally:
            stackless.set_channel_callback(None)
        assert calls
