"""The tasklet that blocked last on a sleeping thread was in no list: the collector did not know it yet, and the ring no
more. A fork left it in the queue of its channel, with a pointer to a thread that was gone."""
import gossamer
import stackless
from threads_helpers import Other, until


def test_it_is_listed():
    with Other() as other:
        channel, boxes = stackless.channel(), []

        def body():
            boxes.append(stackless.current)
            channel.receive()

        def start():
            stackless.tasklet(body)()
        other.call(start)
        until(lambda: channel.balance and other.asleep())
        assert channel.queue in gossamer.tasklets()
        assert "receive on" in gossamer.format_tasklets()
        channel.send(None)
