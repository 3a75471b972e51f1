"""Beyond Stackless: sleep, and deadlines on send and receive."""
import time

import pytest

import gossamer
import stackless
from helpers import nothing, raises


class TestSleep:
    def test_alone(self):
        start = time.monotonic()
        assert gossamer.sleep(0.03) is None
        assert 0.025 < time.monotonic() - start < 5

    def test_others_run_meanwhile(self):
        log = []
        for n in "AB":
            gossamer.spawn(log.append, n)
        gossamer.sleep(0.01)
        assert log == ["A", "B"]

    def test_wakes_in_order_of_time(self):
        log = []

        def f(n):
            gossamer.sleep(n / 100)
            log.append(n)
        for n in (5, 1, 3, 0, 2):
            gossamer.spawn(f, n)
        stackless.run()
        assert log == [0, 1, 2, 3, 5]

    def test_run_waits_for_sleepers(self):
        t = gossamer.spawn(gossamer.sleep, 0.02)
        stackless.run()
        assert not t.alive

    def test_join_of_a_sleeper(self):
        def f():
            gossamer.sleep(0.01)
            return 5
        assert gossamer.spawn(f).join() == 5

    def test_receive_while_others_sleep_is_no_deadlock(self):
        c = gossamer.channel()

        def f():
            gossamer.sleep(0.01)
            c.send("woken")
        gossamer.spawn(f)
        assert c.receive() == "woken"
        stackless.run()

    def test_deadlock_when_the_sleepers_are_gone(self):
        gossamer.spawn(gossamer.sleep, 0.01)
        with pytest.raises(gossamer.DeadlockError):
            gossamer.channel().receive()

    def test_killed(self):
        log = []

        def f():
            try:
                gossamer.sleep(60)
            finally:
                log.append("finally")
        t = gossamer.spawn(f)
        stackless.schedule()
        t.kill()
        assert log == ["finally"]
        start = time.monotonic()
        stackless.run()
        assert time.monotonic() - start < 10

    @pytest.mark.parametrize("seconds", [0, 0.0, 1e-9])
    def test_zero_lets_others_run(self, seconds):
        log = []
        gossamer.spawn(log.append, 1)
        gossamer.sleep(seconds)
        assert log == [1]

    @pytest.mark.parametrize("bad", ["x", None, float("nan"), -1])
    def test_errors(self, bad):
        with pytest.raises((TypeError, ValueError)):
            gossamer.sleep(bad)

    def test_thousands(self):
        done = []

        def f(n):
            gossamer.sleep((n % 50) / 1000)
            done.append(n)
        for n in range(3000):
            gossamer.spawn(f, n)
        stackless.run()
        assert len(done) == 3000

    def test_signal_interrupts(self):
        import signal
        import threading

        class Alarm(Exception):
            pass

        def handler(*a):
            raise Alarm
        old = signal.signal(signal.SIGUSR1, handler)
        try:
            main = threading.main_thread().ident
            timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGUSR1))
            timer.start()
            start = time.monotonic()
            with raises(Alarm):
                gossamer.sleep(30)
            assert time.monotonic() - start < 20
            timer.join()
        finally:
            signal.signal(signal.SIGUSR1, old)

    def test_other_threads_run_while_all_sleep(self):
        import threading
        log = []
        th = threading.Thread(target=lambda: log.append(1))
        gossamer.spawn(lambda: (th.start(), gossamer.sleep(0.05), log.append(2)))
        stackless.run()
        th.join()
        assert log == [1, 2]


class TestDeadlines:
    @pytest.mark.parametrize("op", [lambda c, t: c.receive(timeout=t),
                                    lambda c, t: c.send(1, timeout=t)], ids=["receive", "send"])
    @pytest.mark.parametrize("timeout", [0, 0.02])
    @pytest.mark.parametrize("others", [0, 3])
    def test_passes(self, op, timeout, others):
        c = gossamer.channel()
        for _ in range(others):
            gossamer.spawn(nothing)
        start = time.monotonic()
        with raises(TimeoutError):
            op(c, timeout)
        assert time.monotonic() - start < 5
        assert c.balance == 0 and c.queue is None
        stackless.run()

    def test_in_time(self):
        c = gossamer.channel()
        gossamer.spawn(c.send, "x")
        assert c.receive(timeout=10) == "x"
        t = gossamer.spawn(c.receive, 10)
        stackless.schedule()
        c.send("y", 10)
        assert t.join() == "y"
        stackless.run()

    def test_none_is_no_deadline(self):
        with pytest.raises(gossamer.DeadlockError):
            gossamer.channel().receive(timeout=None)

    def test_partner_waiting_never_times_out(self):
        c = gossamer.channel()
        gossamer.spawn(c.send, "x")
        stackless.run()
        assert c.receive(timeout=0) == "x"
        stackless.run()

    def test_several_with_different_ones(self):
        c, log = gossamer.channel(), []

        def f(n):
            try:
                c.receive(timeout=n / 100)
            except TimeoutError:
                log.append(n)
        for n in (4, 1, 3, 2):
            gossamer.spawn(f, n)
        stackless.run()
        assert log == [1, 2, 3, 4] and c.balance == 0

    def test_middle_one_leaves_the_queue(self):
        c = gossamer.channel()
        a = gossamer.spawn(c.receive)
        b = gossamer.spawn(c.receive, timeout=0.01)
        d = gossamer.spawn(c.receive)
        with raises(TimeoutError):
            b.join()
        assert c.balance == -2
        c.send(1)
        c.send(2)
        assert (a.join(), d.join()) == (1, 2)

    def test_value_and_deadline_race(self):
        """A value that was handed over wins, even when its receiver runs after the deadline."""
        c = gossamer.channel()
        c.preference = 1
        t = gossamer.spawn(c.receive, timeout=0.01)
        stackless.schedule()
        c.send("handed over")
        time.sleep(0.03)
        assert t.join() == "handed over"

    def test_kill_and_deadline_race(self):
        t = gossamer.spawn(gossamer.channel().receive, timeout=0.01)
        stackless.schedule()
        t.kill(pending=True)
        time.sleep(0.03)
        assert t.join() is None

    @pytest.mark.parametrize("bad", ["x", float("nan"), ()])
    def test_bad_timeout(self, bad):
        with pytest.raises((TypeError, ValueError)):
            gossamer.channel().receive(timeout=bad)

    def test_negative_is_at_once(self):
        c = gossamer.channel()
        with pytest.raises((TimeoutError, ValueError)):
            c.receive(timeout=-1)

    def test_block_trap_and_closed_come_first(self):
        c = gossamer.channel()
        c.close()
        with raises(ValueError, "Send/receive operation on a closed channel"):
            c.receive(timeout=5)
        stackless.current.block_trap = True
        try:
            with raises(RuntimeError, "this tasklet does not like to be blocked."):
                gossamer.channel().receive(timeout=5)
        finally:
            stackless.current.block_trap = False

    def test_many_short_ones(self):
        c, n = gossamer.channel(), [0]

        def f():
            for _ in range(50):
                try:
                    c.receive(timeout=0.0005)
                except TimeoutError:
                    n[0] += 1
        for _ in range(20):
            gossamer.spawn(f)
        stackless.run()
        assert n == [1000] and c.balance == 0

    def test_dropped_with_a_deadline(self):
        """The timer of a tasklet that is gone must not wake anything."""
        t = gossamer.spawn(gossamer.channel().receive, timeout=0.02)
        stackless.schedule()
        t.kill()
        del t
        gossamer.sleep(0.05)
