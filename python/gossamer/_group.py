"""Waiting for several tasklets: `Group` and `joinall`."""

import time
from types import TracebackType
from typing import Any, Callable, Iterable, Iterator

from . import _gossamer
from ._gossamer import TaskletExit, tasklet

__all__ = ["Group", "joinall"]


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _member(group: "Group", func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The outermost function of a member: reports to the group how it ended."""
    me = _gossamer.getcurrent()
    try:
        return func(*args, **kwargs)
    except TaskletExit:
        raise
    except BaseException as error:
        group._failed(me, error)
        raise
    finally:
        group._live.pop(me, None)


class Group:
    """Tasklets that belong together: they are waited for, and killed, together.

    * `spawn(func, *args, name=None, **kwargs)` starts a member.
    * `join(timeout=None)` waits until all members have ended, then raises the errors of those that failed, as an
      `ExceptionGroup`.
    * `kill()` ends all members and waits until they are gone.
    * As a context manager the group is joined at the end of the block; when the block itself fails, the members are
      killed first.

    As soon as one member fails, the others are killed, because their work is usually of no use any more.
    `Group(keep_going=True)` lets them go on.
    """

    def __init__(self, *, keep_going: bool = False) -> None:
        self.keep_going = keep_going
        #: The errors of the members so far, the first one first; join() empties the list when it raises them.
        self.errors: list[BaseException] = []
        # A dict serves as an ordered set: members are joined and killed in the order in which they were started.
        self._live: dict[tasklet, None] = {}
        self._started = 0

    def spawn(self, func: Callable[..., Any], /, *args: Any, name: str | None = None, **kwargs: Any) -> tasklet:
        """Start `func(*args, **kwargs)` as a member and return its tasklet."""
        if not callable(func):
            raise TypeError(f"Group.spawn() needs a callable, not {type(func).__name__}")
        t = _gossamer.spawn(_member, self, func, args, kwargs, name=name)
        t._quiet = True
        self._live[t] = None
        self._started += 1
        return t

    def __len__(self) -> int:
        """How many members have not ended yet."""
        return len(self._live)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[tasklet]:
        return iter(list(self._live))

    def __contains__(self, item: object) -> bool:
        return item in self._live

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._started} tasklets, {len(self._live)} alive, {len(self.errors)} failed>"

    def _failed(self, member: tasklet, error: BaseException) -> None:
        self.errors.append(error)
        if not self.keep_going:
            self._kill_pending(member)

    def _kill_pending(self, spare: tasklet) -> None:
        for t in list(self._live):
            if t is not spare:
                # Pending: a kill that switches at once would leave the caller in the middle of its own ending.
                t.kill(pending=True)

    def _wait(self, timeout: float | None) -> None:
        me = _gossamer.getcurrent()
        if me in self._live:
            raise RuntimeError("a member cannot wait for its own group: it would wait for itself")
        deadline = _deadline(timeout)
        while self._live:
            # A copy: members may start others, and the first key of a dict that shrinks from the front is slow to find.
            for t in list(self._live):
                if t not in self._live:
                    continue
                try:
                    t.join(_left(deadline))
                except BaseException as error:
                    # What comes out of join() is either the member's own error, which _failed() has noted, or one that
                    # concerns the caller: a timeout, a kill, a deadlock.
                    if not any(error is known for known in self.errors):
                        raise
                self._live.pop(t, None)

    def join(self, timeout: float | None = None) -> None:
        """Wait until every member has ended; raise an ExceptionGroup of the errors, if there were any.

        TimeoutError when that takes longer than `timeout` seconds; the members go on then.
        A SystemExit or KeyboardInterrupt of a member is raised as it is.
        """
        self._wait(timeout)
        self._raise()

    def _raise(self, extra: BaseException | None = None) -> None:
        errors, self.errors = self.errors, []
        if not errors:
            return
        for error in errors:
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                raise error
        failed = len(errors)
        if extra is not None:
            errors.append(extra)
        raise BaseExceptionGroup(f"{failed} of {self._started} tasklets of a group failed", errors)

    def kill(self, timeout: float | None = None) -> None:
        """End every member with TaskletExit and wait until all are gone.  Errors stay in `errors`.

        Called by a member, it ends the others, and does not wait.
        """
        me = _gossamer.getcurrent()
        self._kill_pending(me)
        if me not in self._live:
            self._wait(timeout)

    def __enter__(self) -> "Group":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.join()
            return
        self.kill()
        # A block that was waiting for a member that failed ends in an error of its own (a deadlock, say).  The
        # member's error is the cause, so both are shown.
        if isinstance(error, Exception):
            self._raise(error)


def joinall(tasklets: Iterable[tasklet], timeout: float | None = None) -> list[Any]:
    """Wait for all the tasklets and return their results, in the order given.

    If one of them failed, its error is raised as soon as its turn comes; the others go on, and keep their own errors for
    their join().  A tasklet that was killed has the result None.  TimeoutError when all together take longer than `timeout` seconds.
    """
    waiting = list(tasklets)
    for t in waiting:
        # Then it keeps its result and its error for join(), even if spawn() did not make it.  Without this the error of a later
        # one would come out of the wait for an earlier one, as an error of main.
        t._quiet = True
    deadline = _deadline(timeout)
    return [t.join(_left(deadline)) for t in waiting]
