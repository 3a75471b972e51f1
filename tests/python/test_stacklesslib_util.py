"""stacklesslib.util: timeouts, cancelling, calls, buffered channels; on an event queue that the tests pump."""
import builtins
import gc
import traceback
import weakref

import pytest

import gossamer
import stackless
from helpers import raises
from stacklesslib import app, main, util
from stacklesslib.errors import AsyncCallFailed, CancelledError, TimeoutError


@pytest.fixture(autouse=True)
def installed():
    app.install_stackless()
    yield
    app.install_vanilla()
    while main.event_queue._heap:
        main.event_queue._heap.pop()
    main.event_queue._live = 0


def go(until, limit=60):
    """Pump and run until the tasklet has ended."""
    end = util.time() + limit
    while until.alive:
        assert util.time() < end
        main.mainloop.loop()


def run(function, *args):
    """function(*args) in a tasklet, under the main loop: its result."""
    t = gossamer.spawn(function, *args)
    t._quiet = True
    go(t)
    return t.join()


def test_errors():
    for kind in (TimeoutError, CancelledError, AsyncCallFailed):
        assert kind.__base__ is RuntimeError
    assert util.WaitTimeoutError is TimeoutError is not builtins.TimeoutError
    assert util.local is gossamer.local


# ---- timeouts ----


def test_timeout_while_blocked():
    def wait():
        with util.timeout(0.01):
            stackless.channel().receive()

    with raises(TimeoutError, "timed out after 0.01s"):
        run(wait)
    assert len(main.event_queue) == 0


@pytest.mark.parametrize("exc, kind, text", [(ValueError, ValueError, ""), (KeyError("mine"), KeyError, "'mine'")])
def test_timeout_with_an_error_of_ones_own(exc, kind, text):
    with raises(kind, text):
        run(lambda: util.channel_wait(stackless.channel(), 0, exc))


def test_timeout_in_time():
    def work():
        with util.timeout(60):
            app.sleep(0.001)
        return "done"

    assert run(work) == "done" and len(main.event_queue) == 0


@pytest.mark.parametrize("delay", [None, -1])
def test_no_limit(delay):
    def work():
        with util.timeout(delay):
            assert len(main.event_queue) == 0
        return True

    assert run(work)


def test_timeout_without_a_pump():
    app.install_vanilla()
    with raises(NotImplementedError, "events are not being pumped"), util.timeout(1):
        pass
    with util.timeout(None):
        pass


def test_error_of_the_block_passes():
    def work():
        with util.timeout(60):
            raise KeyError("of the block")

    with raises(KeyError, "'of the block'"):
        run(work)


def test_timeouts_nest():
    log = []

    def work():
        try:
            with util.timeout(0.01):
                try:
                    with util.timeout(60):
                        stackless.channel().receive()
                except TimeoutError:
                    log.append("inner")
        except TimeoutError as error:
            log.append(str(error))

    run(work)
    assert log == ["timed out after 0.01s"]


def test_except_exception_does_not_swallow_it():
    def work():
        with util.timeout(0):
            try:
                stackless.channel().receive()
            except Exception:
                return "swallowed"

    with raises(TimeoutError):
        run(work)


def test_only_while_blocked():
    log = []

    def work():
        with util.timeout(0, blocked=True):
            for _ in range(5):
                stackless.schedule()
                main.event_queue.pump()
            log.append("through")

    run(work)
    assert log == ["through"]


def test_timeout_of_the_tasklet_that_pumps():
    with raises(TimeoutError), util.timeout(0):
        main.event_queue.pump()


def test_timeout_call():
    def work():
        return util.timeout_call(lambda: 7, 60), util.timeout_call(lambda: app.sleep(60), 0)

    good, (late, error) = run(work)
    assert good == (True, 7) and late is False and isinstance(error, TimeoutError)

    def of_its_own():
        raise TimeoutError("of the function")

    with raises(TimeoutError, "of the function"):
        run(util.timeout_call, of_its_own, 60)


def test_timeout_function():
    @util.timeout_function(0.01)
    def slow(n):
        """Its text."""
        app.sleep(n)
        return n

    assert slow.__name__ == "slow" and slow.__doc__ == "Its text."
    assert run(slow, 0) == 0
    with raises(TimeoutError):
        run(slow, 60)


def test_timeouts_share_a_deadline():
    def work():
        limit = util.Timeouts(0.03)
        assert 0 < limit.delay() <= 0.03
        with limit.timeout():
            pass
        with pytest.raises(TimeoutError), limit.timeout():
            app.sleep(60)
        assert limit.delay() <= 0
        with raises(TimeoutError, "timed out after 0.03s"):
            limit.timeout()
        with pytest.raises(ZeroDivisionError):
            util.Timeouts(0, exc=ZeroDivisionError).timeout()
        with util.Timeouts(0, blocked=True).timeout():
            pass
        assert util.Timeouts(None).delay() is None

    run(work)


def test_channel_wait():
    channel = stackless.channel()
    stackless.tasklet(channel.send)(5)
    assert run(util.channel_wait, channel, 60) == 5
    with raises(TimeoutError):
        run(util.channel_wait, channel, 0)
    assert channel.balance == 0


# ---- throwing ----


def test_throwing():
    channel, log = stackless.channel(), []

    def receiver():
        try:
            channel.receive()
        except KeyError as error:
            log.append(error.args)

    for _ in range(2):
        t = stackless.tasklet(receiver)()
        t.run()
        (lambda: util.send_throw(channel, KeyError, 1))() if not log else util.tasklet_throw(t, KeyError, 2)
        stackless.run()
    assert log == [(1,), (2,)]


# ---- cancelling ----


def test_cancellable():
    handle, log = util.cancellable(), []

    def work():
        try:
            with handle:
                stackless.channel().receive()
        except CancelledError as error:
            log.append((error.args, handle.match(error), handle.match(CancelledError())))

    handle.cancel("too early")
    assert not handle.cancelled()
    t = stackless.tasklet(work)()
    t.run()
    handle.cancel("why", 2)
    handle.cancel("again")
    stackless.run()
    assert log == [(("why", 2), True, False)] and handle.cancelled() and not t.alive
    handle.cancel("too late")


def test_cancellable_that_is_not_cancelled():
    handle = util.cancellable()
    with handle as same:
        assert same is handle
        with pytest.raises(AssertionError):
            handle.__enter__()
    with raises(KeyError, "1"), handle:
        raise KeyError(1)
    assert not handle.cancelled()


def test_cancelled_by_itself():
    handle = util.cancellable()
    with pytest.raises(CancelledError) as caught, handle:
        handle.cancel(1)
    assert handle.match(caught.value)


# ---- calls ----


def test_tasklet_new_and_run():
    log = []
    t = util.tasklet_new(lambda a, b: log.append((a, b)), (1,), {"b": 2})
    assert log == [] and t.alive
    stackless.run()
    assert log == [(1, 2)]
    t = util.tasklet_run(log.append, (3,))
    assert log[1:] == [3] and not t.alive


def test_tasklet_call():
    def add(a, b):
        stackless.schedule()
        return a + b

    assert run(util.tasklet_call, add, (1,), {"b": 2}) == 3
    assert run(util.tasklet_call, add, (1, 2), {}, util.tasklet_new) == 3


def test_tasklet_call_raises():
    def inner_function():
        raise KeyError("inside")

    def work():
        try:
            util.tasklet_call(inner_function)
        except KeyError as error:
            return [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    assert run(work)[-1] == "inner_function"


def test_tasklet_call_of_a_killed_one():
    made = []
    with raises(CancelledError):
        run(util.tasklet_call, lambda: stackless.current.kill())
    with raises(CancelledError):
        run(util.tasklet_call, lambda: (made.append(stackless.current), main.event_queue.call_soon(made[0].kill),
                                        stackless.channel().receive()))


def test_tasklet_call_that_is_given_up():
    log, go_on = [], stackless.channel()

    def slow():
        go_on.receive()
        return "late"

    def work():
        return util.tasklet_call(slow, timeout=0.01, on_abandoned=lambda: log.append("abandoned"))

    with raises(TimeoutError):
        run(work)
    assert log == ["abandoned"]
    go_on.send(None)        # its result is dropped
    stackless.run()
    assert [t for t in gossamer.tasklets() if t.alive and not t.is_main] == []


def test_tasklet_call_killed_caller():
    log = []
    go_on = stackless.channel()
    t = stackless.tasklet(util.tasklet_call)(go_on.receive, on_abandoned=lambda: log.append(1))
    stackless.run()
    t.kill()
    assert log == [1]
    go_on.send(None)
    stackless.run()


def test_a_result_that_nobody_fetches_is_freed():
    class Result:
        pass

    seen = []

    def make():
        result = Result()
        seen.append(weakref.ref(result))
        return result

    run(lambda: util.tasklet_call(make) and None)
    gc.collect()
    assert seen[0]() is None


# ---- channels ----


def test_queue_channel():
    q = util.QueueChannel()
    for i in range(3):
        q.send(i)
    assert q.balance == 3 and [q.receive() for _ in range(3)] == [0, 1, 2]
    got = []
    stackless.tasklet(lambda: got.append(q.receive()))()
    stackless.run()
    assert q.balance == -1
    q.send("direct")
    stackless.run()
    assert got == ["direct"] and q.balance == 0


def test_queue_channel_with_a_limit():
    q, log = util.QueueChannel(2), []

    def sender():
        for i in range(5):
            q.send(i)
            log.append(i)

    t = stackless.tasklet(sender)()
    stackless.run()
    assert log == [0, 1] and q.balance == 3 and t.blocked
    assert q.receive() == 0 and log == [0, 1] and q.balance == 2     # the next one has moved up, without a switch
    stackless.run()
    assert log == [0, 1, 2] and q.balance == 3
    assert [q.receive() for _ in range(2)] == [1, 2]
    stackless.run()
    assert [q.receive() for _ in range(2)] == [3, 4] and q.balance == 0 and not t.alive


def test_queue_channel_without_room():
    q, log = util.QueueChannel(0), []
    t = stackless.tasklet(q.send)(1)
    stackless.run()
    assert t.blocked and q.balance == 1 and q.receive() == 1
    stackless.run()
    assert not t.alive and log == []


def test_queue_channel_keeps_errors():
    q = util.QueueChannel()
    q.send_exception(KeyError, 1)
    q.send_throw(ValueError, "two")
    q.send(3)
    with raises(KeyError, "1"):
        q.receive()
    with raises(ValueError, "two"):
        q.receive()
    assert q.receive() == 3


@pytest.mark.parametrize("arguments", [(1,), (ValueError(1), 2), (None, None, None), (int,)])
def test_queue_channel_refuses_what_cannot_be_raised(arguments):
    q = util.QueueChannel()
    with pytest.raises(TypeError) as ours:
        q.send_throw(*arguments)
    plain = stackless.channel()
    with pytest.raises(TypeError) as theirs:
        plain.send_throw(*arguments)
    assert str(ours.value) == str(theirs.value) and q.balance == 0


def test_queue_channel_closed():
    q = util.QueueChannel()
    assert q.send_sequence("abc") == 3
    q.close()
    assert q.closing and not q.closed
    with raises(ValueError, "Send/receive operation on a closed channel"):
        q.send("d")
    assert list(q) == ["a", "b", "c"] and q.closed
    with raises(ValueError, "Send/receive operation on a closed channel"):
        q.receive()


def test_queue_channel_iterates_past_other_errors():
    q = util.QueueChannel()
    q.send_exception(ValueError, "of the sender")
    with raises(ValueError, "of the sender"):
        next(q)


def test_queue_channel_times_out():
    q = util.QueueChannel(1)
    q.send(1)
    with raises(TimeoutError):
        run(q.send, 2, 0)
    assert q.receive(60) == 1
    with raises(TimeoutError):
        run(q.receive, 0)
    assert q.balance == 0


def test_killed_receiver_of_a_queue_channel():
    q = util.QueueChannel()
    t = stackless.tasklet(q.receive)()
    stackless.run()
    t.kill()
    q.send(1)
    assert q.balance == 1 and q.receive() == 1
