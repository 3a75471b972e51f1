"""An error that another thread throws into a running tasklet lies in its register until it schedules. What else used
the register then took it for a value, or left something that was taken for the error: a crash."""
import threading

import pytest

import gossamer
import stackless
from threads_helpers import PATIENCE, in_thread


def thrown_into(operation, before=None):
    """The error that comes out of an operation of a main tasklet that had none when it was thrown into."""
    ready, go, box = threading.Event(), threading.Event(), []

    def body():
        box.append(stackless.getmain())
        ready.set()
        assert go.wait(PATIENCE)
        try:
            operation()
        except ValueError as error:
            return error.args
        return None

    got = []
    thread = threading.Thread(target=lambda: got.append(body()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    box[0].throw(ValueError, "first", pending=True)
    if before:
        before(box[0])
    go.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    return got[0]


def test_tempval_does_not_hide_it():
    def assign(t):
        t.tempval = 5
    assert thrown_into(stackless.schedule, assign) == ("first",)


@pytest.mark.parametrize("send", [False, True])
def test_channel_callback(send):
    """While the callback runs, the register shows what is sent."""
    channel, calls = gossamer.BufferedChannel(2), []
    channel.send("kept")
    thrower = []

    def callback(ch, tasklet, sending, will_block):
        calls.append(sending)
        if len(calls) == 1:
            thread = threading.Thread(target=lambda: tasklet.throw(ValueError, "meanwhile", pending=True))
            thread.start()
            thread.join()
            thrower.append(thread)

    def operate():
        stackless.set_channel_callback(callback)
        try:
            with pytest.raises(ValueError, match="meanwhile"):
                if send:
                    channel.send("value")
                    stackless.schedule()
                else:
                    channel.receive()
        finally:
            stackless.set_channel_callback(None)
    in_thread(operate)
    assert calls == [send]
    assert [channel.receive() for _ in range(len(channel))] == (["kept", "value"] if send else ["kept"])


@pytest.mark.parametrize("send", [False, True])
def test_thrown_before_a_channel_callback(send):
    channel, seen = gossamer.BufferedChannel(1), []
    if not send:
        channel.send("kept")

    def callback(ch, tasklet, sending, will_block):
        seen.append(tasklet.tempval)

    def operate():
        stackless.set_channel_callback(callback)
        try:
            if send:
                channel.send("value")
                stackless.schedule()
            else:
                channel.receive()
        finally:
            stackless.set_channel_callback(None)
    assert thrown_into(operate) == ("first",)
    assert seen == ["value" if send else None]
    assert len(channel) == 1
