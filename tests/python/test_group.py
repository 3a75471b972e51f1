"""Group and joinall."""

import gc
import time
import weakref

import pytest

import gossamer
from gossamer import Group, TaskletExit, joinall, schedule, sleep, spawn


def give(value, pause=0):
    for _ in range(pause):
        schedule()
    return value


def fail(error, pause=0):
    for _ in range(pause):
        schedule()
    raise error


def wait(log=None):
    try:
        gossamer.channel().receive()
    except TaskletExit:
        if log is not None:
            log.append("killed")
        raise


class TestJoinall:
    def test_results_in_the_order_given(self):
        assert joinall([spawn(give, n, 5 - n) for n in range(5)]) == [0, 1, 2, 3, 4]
        assert joinall([]) == []

    def test_any_iterable_and_ended_tasklets(self):
        t = spawn(give, 1)
        gossamer.run()
        assert joinall(iter([t, spawn(give, 2)])) == [1, 2]

    def test_first_error_in_the_order_given(self):
        first = spawn(fail, KeyError(1), 5)
        second = spawn(fail, ValueError(2))
        with pytest.raises(KeyError):
            joinall([first, second])
        with pytest.raises(ValueError):
            second.join()

    def test_an_error_does_not_stop_the_others(self):
        other = spawn(give, 1, 10)
        with pytest.raises(ValueError):
            joinall([spawn(fail, ValueError(2)), other])
        assert other.alive
        assert other.join() == 1

    def test_killed_tasklets_have_no_result(self):
        t = spawn(wait)
        schedule()
        t.kill()
        assert joinall([t, spawn(give, 1)]) == [None, 1]

    def test_timeout_is_for_all_together(self):
        tasklets = [spawn(wait) for _ in range(3)]
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            joinall(tasklets, 0.05)
        assert 0.04 < time.monotonic() - start < 1
        assert all(t.alive for t in tasklets)
        for t in tasklets:
            t.kill()


class TestGroup:
    def test_waits_for_all(self):
        with Group() as group:
            members = [group.spawn(give, n, n) for n in range(4)]
            assert len(group) == 4 and list(group) == members and members[0] in group
        assert not any(t.alive for t in members) and len(group) == 0 and not list(group)
        assert [t.join() for t in members] == [0, 1, 2, 3]

    def test_is_true_when_empty(self):
        group = Group()
        assert group
        assert group.join() is None

    def test_arguments_and_names(self):
        group = Group()
        t = group.spawn(lambda *a, **k: (a, k), 1, 2, name="adder", x=3)
        assert t.name == "adder"
        group.join()
        assert t.join() == ((1, 2), {"x": 3})
        with pytest.raises(TypeError):
            group.spawn(5)

    def test_members_may_start_members(self):
        log = []

        def tree(depth):
            log.append(depth)
            if depth:
                group.spawn(tree, depth - 1)
                group.spawn(tree, depth - 1)

        with Group() as group:
            group.spawn(tree, 3)
        assert sorted(log) == [0] * 8 + [1] * 4 + [2] * 2 + [3]

    def test_one_failure_kills_the_others(self):
        log = []
        group = Group()
        waiting = [group.spawn(wait, log) for _ in range(3)]
        group.spawn(fail, ValueError("x"), 2)
        unstarted = group.spawn(give, 1)
        with pytest.raises(ExceptionGroup) as caught:
            group.join()
        assert [repr(e) for e in caught.value.exceptions] == ["ValueError('x')"]
        assert str(caught.value).startswith("1 of 5 tasklets of a group failed")
        assert log == ["killed"] * 3 and not any(t.alive for t in [*waiting, unstarted])
        assert group.errors == [] and group.join() is None

    def test_the_error_does_not_reach_main(self):
        group = Group()
        group.spawn(fail, ValueError("x"))
        gossamer.run()
        assert [repr(e) for e in group.errors] == ["ValueError('x')"]
        with pytest.raises(ExceptionGroup):
            group.join()

    def test_failure_of_one_that_kills_unstarted_ones(self):
        group = Group()
        group.spawn(fail, ValueError("x"))
        late = group.spawn(give, 1)
        with pytest.raises(ExceptionGroup):
            group.join()
        assert not late.alive and late.join() is None and len(group) == 0

    def test_keep_going(self):
        group = Group(keep_going=True)
        t = group.spawn(give, 5, 10)
        group.spawn(fail, ValueError("x"))
        group.spawn(fail, KeyError("y"), 3)
        with pytest.raises(ExceptionGroup) as caught:
            group.join()
        assert [type(e) for e in caught.value.exceptions] == [ValueError, KeyError]
        assert t.join() == 5

    def test_errors_while_being_killed_are_kept(self):
        def stubborn():
            try:
                wait()
            finally:
                raise KeyError("in finally")

        with pytest.raises(ExceptionGroup) as caught:
            with Group() as group:
                group.spawn(stubborn)
                group.spawn(fail, ValueError("x"), 1)
        assert [type(e) for e in caught.value.exceptions] == [ValueError, KeyError]

    def test_error_in_the_block_kills_members(self):
        log = []
        with pytest.raises(ZeroDivisionError):
            with Group() as group:
                group.spawn(wait, log)
                schedule()
                1 / 0
        assert log == ["killed"] and len(group) == 0

    def test_error_in_the_block_after_a_failure_shows_both(self):
        channel = gossamer.channel()
        with pytest.raises(ExceptionGroup) as caught:
            with Group() as group:
                group.spawn(fail, ValueError("x"))
                channel.receive()
        assert [type(e) for e in caught.value.exceptions] == [ValueError, gossamer.DeadlockError]

    def test_timeout(self):
        group = Group()
        t = group.spawn(wait)
        with pytest.raises(TimeoutError):
            group.join(0.02)
        assert t.alive and len(group) == 1
        group.kill()
        assert not t.alive and len(group) == 0

    def test_timeout_error_of_a_member_is_an_error(self):
        group = Group()
        group.spawn(fail, TimeoutError("mine"))
        with pytest.raises(ExceptionGroup):
            group.join(10)

    def test_kill_keeps_errors_for_join(self):
        group = Group(keep_going=True)
        group.spawn(fail, ValueError("x"))
        group.spawn(wait)
        schedule()
        assert group.kill() is None
        assert len(group.errors) == 1
        with pytest.raises(ExceptionGroup):
            group.join()

    def test_a_member_cannot_join_but_can_kill(self):
        log = []
        group = Group()
        group.spawn(wait, log)

        def member():
            schedule()
            with pytest.raises(RuntimeError):
                group.join()
            group.kill()
            log.append("went on")

        group.spawn(member)
        group.join()
        assert sorted(log) == ["killed", "went on"]

    def test_killing_the_one_that_waits(self):
        log = []
        group = Group()
        member = group.spawn(wait)

        def waiter():
            try:
                group.join()
            except TaskletExit:
                log.append("waiter killed")
                raise

        t = spawn(waiter)
        for _ in range(3):
            schedule()
        t.kill()
        assert log == ["waiter killed"] and member.alive
        group.kill()

    def test_several_may_wait(self):
        log = []
        group = Group()
        group.spawn(give, 1, 5)
        for n in range(3):
            spawn(lambda n=n: (group.join(), log.append(n)))
        gossamer.run()
        assert sorted(log) == [0, 1, 2]

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
    def test_exits_are_raised_as_they_are(self, error):
        group = Group()
        group.spawn(fail, error)
        with pytest.raises(type(error)) as caught:
            group.join()
        assert caught.value is error

    def test_nested_groups(self):
        def inner():
            with Group() as group:
                group.spawn(fail, ValueError("deep"))
                group.spawn(wait)

        with pytest.raises(ExceptionGroup) as caught:
            with Group() as group:
                group.spawn(inner)
                group.spawn(wait)
        deep = caught.value.exceptions[0]
        assert isinstance(deep, ExceptionGroup) and str(deep.exceptions[0]) == "deep"

    def test_members_are_let_go_when_they_end(self):
        group = Group()
        t = weakref.ref(group.spawn(give, 1))
        gossamer.run()
        gc.collect()
        assert t() is None

    def test_with_sleep(self):
        with Group() as group:
            members = [group.spawn(lambda s=s: sleep(s) or s) for s in (0.02, 0.01, 0.0)]
        assert [t.join() for t in members] == [0.02, 0.01, 0.0]

    def test_repr(self):
        group = Group(keep_going=True)
        group.spawn(fail, ValueError("x"))
        group.spawn(wait)
        schedule()
        assert repr(group) == "<Group of 2 tasklets, 1 alive, 1 failed>"
        group.kill()
