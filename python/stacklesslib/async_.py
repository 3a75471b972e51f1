"""Functions that start at once and let their caller go on when they first have to wait. (The original name, async, is a keyword.)

A function decorated with `async_` gets an Awaiter as its first argument, and its call returns a Future.
"""

import functools
from collections.abc import Callable
from typing import Any

import stackless

from . import util
from .futures import Future, tasklet_executor

__all__ = ["Awaiter", "async_", "create_future", "future"]


def create_future(
    callable: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] = {}, executor: Any = tasklet_executor
) -> Future:
    """Have it called by the executor; returns its Future."""
    result: Future = executor.submit_args(callable, args, kwargs)
    return result


def future(executor: Any = tasklet_executor) -> Callable[[Callable[..., Any]], Callable[..., Future]]:
    """Decorator: a call of the function returns a Future, and the executor makes the call."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Future]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Future:
            return create_future(function, args, kwargs, executor)

        return call

    return decorate


class Awaiter:
    """What such a function waits with."""

    def __init__(self) -> None:
        self._caller: stackless.channel[Any] | None = None  # that the caller waits on, until it is let go

    def call_async(self, function: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] = {}) -> Future:
        """Start function(awaiter, *args, **kwargs) and return its Future, when it first waits or has ended."""
        result = Future()
        self._caller = caller = stackless.channel()
        caller.preference = 1
        util.tasklet_run(self._run, (result, function, args, kwargs))
        if self._caller is not None:
            caller.receive()  # it has switched without us
        return result

    def _run(self, result: Future, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            result.execute(function, (self, *args), kwargs)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        caller, self._caller = self._caller, None
        if caller is not None and caller.balance < 0:
            caller.send(None)

    def await_(self, future: Future, timeout: float | None = None) -> Any:
        """The future's result. If it is not done yet, the caller goes on, and this tasklet waits."""
        if not future.done():
            self._let_go()
        return future.result(timeout)


def async_(func: Callable[..., Any]) -> Callable[..., Future]:
    """Decorator: the function starts at once, with an Awaiter before its arguments; the call returns a Future."""

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Future:
        return Awaiter().call_async(func, args, kwargs)

    return call
