"""stacklesslib.base and stacklesslib.events."""
import threading

import pytest

import stackless
from helpers import raises
from stacklesslib import base, events


@pytest.fixture
def queue():
    """An event queue whose clock stands still; queue.now sets it."""
    class Queue(events.EventQueue):
        now = 100.0

        def time(self):
            return self.now

    return Queue()


# ---- base ----


def test_base_names():
    assert set(base.__all__) >= {"time", "atomic", "block_trap", "ignore_nesting", "switch_trap"}
    assert base.atomic is stackless.atomic and base.time() <= base.time()


def test_flags_are_restored():
    me = stackless.current
    with base.block_trap():
        assert me.block_trap is True
        with base.block_trap(False):
            assert me.block_trap is False
        with raises(RuntimeError, "this tasklet does not like to be blocked."):
            stackless.channel().receive()
    assert me.block_trap is False
    with base.ignore_nesting():
        assert me.ignore_nesting is True
    assert me.ignore_nesting is False


def test_switch_trap():
    stackless.tasklet(len)("x")
    with base.switch_trap(), raises(RuntimeError, "switch_trap"):
        stackless.schedule()
    stackless.run()
    assert stackless.switch_trap(0) == 0


def test_signal_channel():
    channel, got = base.SignalChannel(), []
    channel.signal()
    channel.signal_all()
    channel.asignal()
    channel.asignal_all()
    assert channel.balance == 0
    for _ in range(5):
        stackless.tasklet(lambda: got.append(channel.receive()))()
    stackless.run()
    channel.signal("one")
    channel.asignal()
    assert got == [] and channel.balance == -3      # signalling does not switch
    channel.signal_all("all")
    stackless.run()
    assert got == ["one", None, "all", "all", "all"]


def test_signal_all_is_for_those_who_wait_now():
    channel, got = base.SignalChannel(), []

    def waits_again():
        got.append(channel.receive())
        got.append(channel.receive())

    stackless.tasklet(waits_again)()
    stackless.run()
    channel.signal_all(1)
    stackless.run()
    assert got == [1] and channel.balance == -1


# ---- events ----


def test_order(queue):
    log = []
    queue.call_later(2, log.append, "second")
    queue.call_later(1, log.append, "first")
    queue.call_later(2, log.append, "third")
    queue.call_soon(log.append, "now")
    queue.call_later(-1, log.append, "past")
    queue.call_at(101.5, log.append, "between")
    assert len(queue) == 6
    assert queue.pump() == 2 and log == ["past", "now"]
    queue.now += 2
    assert queue.pump() == 4 and log[2:] == ["first", "between", "second", "third"]
    assert queue.pump() == 0 == len(queue)


def test_what_a_callback_adds_waits(queue):
    log = []
    queue.call_soon(lambda: queue.call_soon(log.append, 1))
    assert queue.pump() == 1 and log == []
    assert queue.pump() == 1 and log == [1]


def test_due(queue):
    assert queue.due_delay() is None and queue.is_due is False
    handle = queue.call_later(3, len, "")
    assert queue.due_delay() == 3 and not queue.is_due
    queue.now += 5
    assert queue.due_delay() == 0 and queue.is_due
    handle.cancel()
    assert queue.due_delay() is None and not queue.is_due


def test_cancel(queue):
    log = []
    first, second = queue.call_soon(log.append, 1), queue.call_soon(log.append, 2)
    assert first.cancelled is None and (first.callback, first.args) == (log.append, (1,))
    assert first.cancel() is True and first.cancelled is True and len(queue) == 1
    assert first.cancel() is False
    queue.pump()
    assert log == [2] and second.cancel() is False and second.cancelled is None


def test_cancel_in_the_same_batch(queue):
    log, handles = [], []
    handles.append(queue.call_soon(lambda: log.append(handles[1].cancel())))
    handles.append(queue.call_soon(log.append, "no"))
    assert queue.pump() == 1 and log == [True] and len(queue) == 0


def test_many_cancelled_ones_are_forgotten(queue):
    keep = queue.call_later(5000, len, "")
    for i in range(1000):
        queue.call_later(i, len, "").cancel()
    assert len(queue) == 1 and len(queue._heap) < 200
    assert keep.cancel() and queue.due_delay() is None


def test_repeatedly(queue):
    log = []
    handle = queue.call_repeatedly(10, lambda: log.append(queue.now))
    assert queue.pump() == 0
    for now in (110.0, 119.0, 125.0, 134.0, 136.0):
        queue.now = now
        queue.pump()
    assert log == [110.0, 125.0, 136.0]     # ten seconds after it was called
    assert handle.cancel() is True and len(queue) == 0
    queue.now += 100
    assert queue.pump() == 0


def test_repeatedly_cancelled_by_itself(queue):
    log = []
    handle = queue.call_repeatedly(1, lambda: log.append(handle.cancel()))
    queue.now += 1
    queue.pump()
    queue.now += 1
    assert queue.pump() == 0 and log == [True] and len(queue) == 0


def test_reschedule(queue):
    log = []
    queue.call_later(1, log.append, "shifted")
    queue.reschedule(10)
    queue.call_later(2, log.append, "later one")
    queue.now += 2
    assert queue.pump() == 1 and log == ["later one"]
    assert queue.due_delay() == 9
    queue.now += 9
    assert queue.pump() == 1
    queue.call_later(5, log.append, "earlier")
    queue.reschedule(-5)
    assert queue.pump() == 1


def test_errors_of_callbacks(queue, capsys):
    log = []
    queue.call_soon(lambda: 1 / 0)
    queue.call_soon(log.append, 1)
    assert queue.pump() == 2 and log == [1]
    assert "ZeroDivisionError" in capsys.readouterr().err
    queue.handle_exception = lambda info: log.append(info[0])
    queue.call_repeatedly(0, lambda: 1 / 0).deadline
    assert queue.pump() == 1 and log == [1, ZeroDivisionError] and len(queue) == 1


def test_an_interrupt_leaves_the_rest(queue):
    log = []

    def interrupt():
        raise KeyboardInterrupt

    queue.call_soon(log.append, 1)
    queue.call_soon(interrupt)
    queue.call_soon(log.append, 2)
    with raises(KeyboardInterrupt):
        queue.pump()
    assert log == [1] and len(queue) == 1 and queue.is_due
    assert queue.pump() == 1 and log == [1, 2]


def test_pump_in_a_callback(queue):
    log = []
    queue.call_soon(lambda: log.append(queue.pump()))
    queue.call_soon(log.append, "rest")
    assert queue.pump() == 1 and log == ["rest", 1]


def test_tasklets_that_switch_in_callbacks(queue):
    log = []
    queue.call_soon(stackless.schedule)
    queue.call_soon(log.append, 1)
    pumps = [stackless.tasklet(lambda: log.append(queue.pump()))() for _ in range(2)]
    stackless.run()
    assert log == [1, 1, 1] and not any(t.alive for t in pumps)


def test_from_other_threads():
    queue, calls, woken = events.EventQueue(), [], []
    queue.cancel_sleep = lambda: woken.append(1)

    def add():
        for i in range(200):
            queue.call_later_threadsafe(0, calls.append, i)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.pump() == 800 and sorted(calls) == sorted(list(range(200)) * 4) and len(woken) == 800


def test_dummy():
    dummy = events.DummyEventQueue()
    for call in (dummy.pump, lambda: dummy.call_soon(len, ""), lambda: dummy.call_later(1, len, ""),
                 lambda: dummy.call_repeatedly(1, len, "")):
        with raises(NotImplementedError, "events are not being pumped"):
            call()
