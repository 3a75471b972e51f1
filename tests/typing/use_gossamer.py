"""What a typed program writes, and what the checker must conclude. Checked, not run.

The lines marked `type: ignore` are mistakes that the checker must find: in
strict mode an ignore that is not needed is an error itself.
"""

from __future__ import annotations

from traceback import StackSummary
from typing import Any, assert_type

import gossamer
from gossamer import BufferedChannel, Group, channel, joinall, select, sleep, spawn, tasklet


def worker(numbers: channel[int], answers: channel[str]) -> int:
    for number in numbers:
        assert_type(number, int)
        answers.send(str(number))
    answers.send(7)  # type: ignore[arg-type]
    return 1


def channels() -> None:
    numbers = channel[int]()
    answers: channel[str] = channel()
    spawn(worker, numbers, answers, name="worker")
    numbers.send(1, timeout=0.5)
    numbers.send("one")  # type: ignore[arg-type]
    assert_type(answers.receive(timeout=1), str)
    assert_type(numbers.send_sequence(range(3)), int)
    assert_type(numbers.queue, tasklet | None)
    numbers.balance = 3  # type: ignore[misc]
    numbers.preference = 0
    numbers.schedule_all = True


def buffered() -> None:
    queue: BufferedChannel[bytes] = BufferedChannel(8)
    queue.send(b"x")
    assert_type(queue.receive(), bytes)
    assert_type(queue.capacity, int)
    BufferedChannel("8")  # type: ignore[arg-type]


def plain_channel_takes_anything() -> None:
    anything = channel()
    anything.send(1)
    anything.send("one")
    assert_type(anything.receive(), Any)


def tasklets() -> None:
    task = spawn(len, "abc")
    assert_type(task, tasklet)
    assert_type(task.stack(), StackSummary)
    assert_type(gossamer.tasklets(), list[tasklet])
    assert_type(gossamer.format_tasklets(), str)
    assert_type(gossamer.current, tasklet)
    task.name = "counter"
    task.alive = False  # type: ignore[misc]
    if task.state == "blocked":
        print(task.waiting_on)
    if task.state == "asleep":  # type: ignore[comparison-overlap]
        pass
    sleep(0.1)
    task.join(timeout=1)


def groups() -> None:
    with Group() as group:
        group.spawn(sleep, 0.1)
        group.spawn(print, "hello", name="greeter")
    assert_type(joinall([spawn(sleep, 0)], timeout=1), list[Any])


def selecting(inbox: channel[int], outbox: channel[str]) -> None:
    index, value = select([inbox, (outbox, "x")], timeout=1)
    assert_type(index, int)
    select([inbox], block=False)
    select([3])  # type: ignore[list-item]


def hook(task: tasklet, error: BaseException) -> bool:
    return isinstance(error, ValueError)


def hooks() -> None:
    gossamer.set_uncaught_hook(hook)
    gossamer.set_uncaught_hook(print)
    gossamer.set_uncaught_hook(None)
    gossamer.set_uncaught_hook(3)  # type: ignore[arg-type]


def deadlocks() -> None:
    try:
        gossamer.channel().receive()
    except gossamer.DeadlockError as error:
        assert_type(error.graph, str)
