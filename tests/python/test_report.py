"""format_tasklets, tasklet.stack and the wait-for graph."""

import re
import threading

import pytest

import gossamer
from gossamer import _report, spawn

shared = gossamer.channel()


def inner(channel):
    return channel.receive()


def outer(channel):
    return inner(channel)


@pytest.fixture
def parked():
    made = []

    def park(channel, name, function=outer):
        t = spawn(function, channel, name=name)
        made.append(t)
        gossamer.run()
        return t

    yield park
    for t in made:
        t.kill()


def graph(error):
    assert error.graph in "\n".join(error.__notes__)
    return error.graph


class TestStack:
    def test_of_a_blocked_tasklet(self, parked):
        t = parked(shared, "x")
        assert [frame.name for frame in t.stack()] == ["outer", "inner"]
        assert t.stack()[-1].line == "return channel.receive()"

    def test_of_the_current_one(self):
        def here():
            return gossamer.current.stack()

        stack = here()
        assert stack[-1].name == "here" and stack[-2].name == "test_of_the_current_one"
        assert spawn(here).join()[0].name == "here"

    def test_of_one_that_has_none(self):
        t = spawn(inner, shared)
        assert list(t.stack()) == []
        t.kill()
        assert list(t.stack()) == []

    def test_members_of_a_group_show_only_their_own_code(self):
        group = gossamer.Group()
        t = group.spawn(outer, shared)
        gossamer.run()
        assert [frame.name for frame in t.stack()] == ["outer", "inner"]
        group.kill()


class TestFormat:
    def test_every_tasklet_is_described(self, parked):
        parked(shared, "reader")
        parked(shared, "second")
        text = gossamer.format_tasklets()
        assert text.startswith("3 tasklets:\n")
        assert re.search(r'^tasklet "main" \(running\)$', text, re.M)
        assert re.search(
            r'^tasklet "reader" \(blocked\) waits to receive on channel \'shared\' at 0x\w+ \(balance -2; so does "second"\)$', text, re.M
        )
        assert text.count("in inner\n    return channel.receive()") == 2

    def test_directions_and_kinds(self, parked):
        nameless = gossamer.BufferedChannel(1)
        nameless.send(0)
        parked(nameless, "sender", lambda c: c.send(1))
        joined = parked(gossamer.channel(), "joined")
        parked(joined, "joiner", lambda t: t.join())
        a, b = gossamer.channel(), gossamer.channel()
        parked([a, b], "selector", gossamer.select)
        text = gossamer.format_tasklets()
        assert re.search(r'"sender" \(blocked\) waits to send on buffered channel at 0x\w+ \(balance \d\)', text)
        assert re.search(r'"joiner" \(.*\) waits for the end of "joined" \(blocked\)', text)
        assert re.search(r'"selector" \(.*\) waits in select\(\) for channel at 0x\w+, or channel at 0x', text)
        nameless.receive()
        nameless.receive()

    def test_only_those_given(self, parked):
        t = parked(shared, "only")
        assert gossamer.format_tasklets([t]).splitlines()[0:2][0] == "1 tasklet:"
        assert gossamer.format_tasklets([]) == "0 tasklets:"

    def test_many_are_summed_up(self):
        channel = gossamer.channel()
        tasklets = [spawn(channel.receive) for _ in range(1000)]
        gossamer.run()
        text = gossamer.format_tasklets()
        assert re.search(r"^  981 more wait to receive on channel at 0x\w+$", text, re.M)
        assert len(text.splitlines()) < 200
        for t in tasklets:
            t.kill()

    def test_deep_stacks_are_cut(self):
        def deep(n):
            return deep(n - 1) if n else shared.receive()

        t = spawn(deep, 100)
        gossamer.run()
        assert "  ... 93 outer calls not shown\n" in gossamer.format_tasklets([t])
        assert len(t.stack()) == 101
        t.kill()


class TestGraph:
    def test_alone(self):
        with pytest.raises(gossamer.DeadlockError) as caught:
            shared.receive()
        text = graph(caught.value)
        assert text.startswith("Wait-for graph (1 tasklet, and none of them can run):\n")
        assert re.search(r'^tasklet "main" \(\w+\) waits to receive on channel \'shared\' at 0x', text, re.M)
        assert "What would help: nobody is left who could send to channel 'shared' at 0x" in text
        with pytest.raises(gossamer.DeadlockError) as caught:
            shared.send(1)
        assert "nobody is left who could receive from channel 'shared' at 0x" in graph(caught.value)

    def test_others(self, parked):
        t = parked(gossamer.channel(), "left over")
        with pytest.raises(gossamer.DeadlockError) as caught:
            shared.receive()
        text = graph(caught.value)
        assert '"left over" (blocked) waits to receive on' in text and "in outer" in text
        assert t.blocked

    def test_both_directions(self, parked):
        parked(gossamer.channel(), "receiver")
        with pytest.raises(gossamer.DeadlockError) as caught:
            shared.send(1)
        assert "use the same channel" in graph(caught.value)

    def test_the_last_one_ends_while_main_waits(self):
        spawn(lambda: None)
        with pytest.raises(gossamer.DeadlockError) as caught:
            shared.receive()
        assert str(caught.value) == "the main tasklet is receiving without a sender available."
        assert re.search(r'"main" .*waits to receive on channel \'shared\'', graph(caught.value))

    def test_two_that_join_each_other(self):
        def wait_for(n):
            return tasklets[n].join()

        tasklets = [spawn(wait_for, 1, name="a"), spawn(wait_for, 0, name="b")]
        with pytest.raises(gossamer.DeadlockError) as caught:
            tasklets[0].join()
        assert "wait for each other's end" in graph(caught.value)
        for t in tasklets:
            t.kill()

    def test_paused_ones_are_pointed_out(self):
        t = spawn(gossamer.schedule_remove, None, name="sleeper")
        gossamer.run()
        with pytest.raises(gossamer.DeadlockError) as caught:
            shared.receive()
        assert '"sleeper" is paused: insert() makes a paused tasklet run again.' in graph(caught.value)
        t.kill()

    def test_channel_with_a_name_of_its_own(self):
        class Named(gossamer.channel):
            name = "orders"

        with pytest.raises(gossamer.DeadlockError) as caught:
            Named().receive()
        assert "channel 'orders' at 0x" in graph(caught.value)

    def test_other_threads_are_left_out_but_counted(self):
        go = threading.Event()

        def work():
            gossamer.getmain()
            ready.set()
            go.wait()

        ready = threading.Event()
        thread = threading.Thread(target=work, name="the worker")
        thread.start()
        ready.wait()
        try:
            assert re.search(r'^tasklet "main" \(\w+, thread the worker\)', gossamer.format_tasklets(), re.M)
            text = _report.deadlock_graph("kind")
            assert text.startswith("Wait-for graph (1 tasklet,")
            assert '\nThread the worker, 1 tasklet:\n  tasklet "main" (' in text
        finally:
            go.set()
            thread.join()

    def test_deadlock_of_two_threads(self):
        """Each one's thread is named, with what it waits for."""
        channel = gossamer.channel()

        def work():
            gossamer.spawn(channel.receive, name="reader")
            for _ in range(7):
                gossamer.spawn(channel.receive)
            channel.receive()

        thread = threading.Thread(target=work, name="loader", daemon=True)
        thread.start()
        while channel.balance > -9 or gossamer.get_thread_info(thread.ident)[2]:
            pass
        try:
            with pytest.raises(gossamer.DeadlockError) as caught:
                gossamer.channel().receive()
        finally:
            for _ in range(9):
                channel.send(None)
            thread.join()
        mine, others = caught.value.graph.split("\nThread loader, 9 tasklets:\n")
        assert 'tasklet "main" (running) waits to receive on channel' in mine and "loader" not in mine
        assert '  tasklet "main" (blocked, thread loader) waits to receive on' in others
        assert '  tasklet "reader" (blocked, thread loader) waits to receive on' in others
        assert "    4 more wait to receive on" in others

    def test_it_never_raises(self):
        class Nasty:
            def __getattr__(self, name):
                raise RuntimeError("nasty")

            def __repr__(self):
                raise RuntimeError("nasty")

        for tasklets in ([Nasty()], [None], 5, [gossamer.current, Nasty()]):
            text = _report.deadlock_graph("kind", tasklets, Nasty(), Nasty(), 1)
            assert isinstance(text, str) and text
