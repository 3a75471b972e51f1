"""A model of core/sched/inbox.c and core/base/bell.c: every interleaving of senders and the owner, step by step.

A step is one atomic operation of the C code. The state says where each thread is, and what the shared words hold; all states
that can be reached are visited. A state is bad if the owner sleeps, nobody is left who would wake it, and a message lies in
the inbox; if the owner is awake and will never see one; or if a message was delivered twice or before an older one of its sender. Futexes may wake up for no reason, which
must not matter, and so are not relied upon: a state with the owner asleep counts as final.

    python tests/model/inbox.py         visit all states, then those of the mutants, which must all be bad
"""
from __future__ import annotations

import sys
from typing import Iterator, NamedTuple

QUIET, RUNG, ASLEEP = "quiet", "rung", "asleep"
MUTANTS = {
    "take_then_clear": "the owner takes the messages, and clears the flag after that",
    "store_asleep": "the owner falls asleep by a store, not by compare-and-swap",
    "no_recheck": "the owner sleeps without the kernel's second look at the word",
    "ring_always_quiet": "a ring wakes the sleeper, but is not remembered",
}


class State(NamedTuple):
    inbox: tuple = ()           # newest first
    flag: bool = False          # attention INBOX
    word: str = QUIET           # the bell's
    in_kernel: bool = False     # the owner waits on the futex
    owner: str = "look"
    delivered: tuple = ()
    senders: tuple = ()         # for each: (where, messages left, the top it has seen)


def owner_steps(s: State, mutant: str) -> Iterator[State]:
    at = s.owner
    if at == "look":
        yield s._replace(owner=("take" if mutant == "take_then_clear" else "clear") if s.flag else "peek")
    elif at == "clear":
        yield s._replace(flag=False, owner="take" if mutant != "take_then_clear" else "look")
    elif at == "take":
        done = s._replace(inbox=(), delivered=s.delivered + tuple(reversed(s.inbox)))
        yield done._replace(owner="clear" if mutant == "take_then_clear" else "look")
    elif at == "peek":
        yield s._replace(owner="look" if s.inbox else "fall")
    elif at == "fall":
        if mutant == "store_asleep":
            yield s._replace(word=ASLEEP, owner="futex")
        elif s.word == QUIET:
            yield s._replace(word=ASLEEP, owner="futex")
        else:
            yield s._replace(owner="quiet")
    elif at == "futex":
        if s.word == ASLEEP or mutant == "no_recheck":
            yield s._replace(in_kernel=True, owner="asleep")
        else:
            yield s._replace(owner="quiet")
    elif at == "woken" or at == "quiet":
        yield s._replace(word=QUIET, owner="look")


def sender_steps(s: State, i: int, mutant: str) -> Iterator[State]:
    where, left, seen = s.senders[i]

    def go(to: str, left: int = left, seen: object = None, **changes: object) -> State:
        changed = s._replace(**changes)
        return changed._replace(senders=s.senders[:i] + ((to, left, seen),) + s.senders[i + 1 :])

    top = s.inbox[0] if s.inbox else None
    if where == "start" and left:
        yield go("push", seen=top)
    elif where == "push":
        if top != seen:
            yield go("push", seen=top)
        else:
            yield go("start" if s.inbox else "flag", left - 1, inbox=((i, left),) + s.inbox)
    elif where == "flag":
        yield go("ring", flag=True)
    elif where == "ring":
        yield go("wake" if s.word == ASLEEP else "start", word=QUIET if mutant == "ring_always_quiet" else RUNG)
    elif where == "wake":
        changes = {"in_kernel": False, "owner": "woken"} if s.in_kernel else {}
        yield go("start", **changes)


def badness(s: State, more: bool, total: int) -> str | None:
    sent = all(where == "start" and not left for where, left, _ in s.senders)
    if sent and s.inbox and not s.flag and s.owner != "take":
        return "the owner looks for ever, and does not see %r" % (s.inbox,)
    if not more and s.inbox:
        return "the owner sleeps, and nobody wakes it for %r" % (s.inbox,)
    for i in range(len(s.senders)):
        mine = [n for sender, n in s.delivered if sender == i]
        if mine != sorted(mine, reverse=True) or len(set(mine)) != len(mine):
            return "sender %d: delivered in the order %r" % (i, mine)
    if not more and len(s.delivered) != total:
        return "%d messages of %d have been delivered" % (len(s.delivered), total)
    return None


def explore(senders: int = 2, messages: int = 2, mutant: str = "") -> tuple[int, str | None]:
    """How many states there are, and what is wrong with one of them (None: nothing with any)."""
    first = State(senders=tuple(("start", messages, None) for _ in range(senders)))
    seen, todo = {first}, [first]
    while todo:
        s = todo.pop()
        following = list(owner_steps(s, mutant))
        for i in range(senders):
            following += sender_steps(s, i, mutant)
        wrong = badness(s, bool(following), senders * messages)
        if wrong:
            return len(seen), wrong
        for n in following:
            if n not in seen:
                seen.add(n)
                todo.append(n)
    return len(seen), None


if __name__ == "__main__":
    states, wrong = explore(3, 2)
    print(f"3 senders, 2 messages each: {states:,} states, {wrong or 'all of them good'}")
    bad = bool(wrong)
    for name, text in MUTANTS.items():
        states, wrong = explore(mutant=name)
        print(f"{text}: {wrong or 'NOT FOUND'}")
        bad |= not wrong
    sys.exit(bad)
