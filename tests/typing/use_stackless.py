"""A typed program in the Stackless manner. Checked, not run; see use_gossamer.py."""

from __future__ import annotations

import stackless


def ping(own: stackless.channel[int], other: stackless.channel[int], rounds: int) -> None:
    for _ in range(rounds):
        other.send(own.receive() + 1)


def game() -> None:
    left: stackless.channel[int] = stackless.channel()
    right: stackless.channel[int] = stackless.channel()
    stackless.tasklet(ping)(left, right, 10)
    task = stackless.tasklet(ping)
    task.setup(right, left, 10).insert()
    task.bind(ping, (right, left, 10))
    stackless.run()
    stackless.schedule()
    stackless.schedule_remove("value")
    left.send("ball")  # type: ignore[arg-type]


def observe(ch: stackless.channel[int], task: stackless.tasklet, sending: int, will_block: int) -> None:
    print(ch.balance, task.alive, sending, will_block)


def callbacks() -> None:
    stackless.set_channel_callback(observe)
    stackless.set_schedule_callback(lambda before, after: print(before, after))
    with stackless.atomic():
        count = stackless.getruncount() + stackless.runcount
        print(count, stackless.current.thread_id, stackless.getmain().is_main)


def killing(task: stackless.tasklet) -> None:
    task.throw(ValueError, "sorry", pending=True)
    task.raise_exception(KeyError, 1)
    task.kill(pending=True)
    task.throw("sorry")  # type: ignore[arg-type]
