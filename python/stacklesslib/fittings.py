"""Between services that answer by callbacks and code that waits for a result."""

import sys
from collections.abc import Callable
from typing import Any

import stackless

from . import util
from .errors import AsyncCallFailed, CancelledError

__all__ = ["AsyncToSync", "SyncToAsync"]


class SyncToAsync:
    """Calls a service that answers by callbacks, and waits for the answer. One call an object.

    Override, or assign, `initiate_call(args, kwds)`: it asks the service to call on_success(value) or on_failure(value) later.
    """

    initiate_call: Callable[..., object]

    def __init__(self) -> None:
        self._channel: stackless.channel[Any] = stackless.channel()
        self._channel.preference = 1
        self._tasklet: stackless.tasklet | None = None
        self._early: tuple[bool, Any] | None = None  # the answer came before anybody waited

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._tasklet = stackless.getcurrent()
        try:
            self.initiate_call(args, kwargs)
            good, value = self._early or self._channel.receive()
        finally:
            self._tasklet = None
            self._channel.close()
        if good:
            return value
        raise value

    def _answer(self, good: bool, value: Any) -> bool:
        if self._tasklet is None or self._early:
            return False
        if self._channel.balance < 0:
            self._tasklet = None
            self._channel.send((good, value))
        else:
            self._early = (good, value)
        return True

    # -- for the service --

    def on_success(self, value: Any = None) -> None:
        """The call returns the value."""
        if not self.return_value(value):
            self.abandoned_success(value)

    def on_success_va(self, *args: Any) -> None:
        """The call returns the tuple of the arguments."""
        self.on_success(args)

    def on_success_vakw(self, *args: Any, **kwargs: Any) -> None:
        """The call returns (args, kwargs)."""
        self.on_success((args, kwargs))

    def on_failure(self, value: Any = None) -> None:
        """The call raises AsyncCallFailed(value)."""
        if not self.raise_exception(AsyncCallFailed, value):
            self.abandoned_failure(value)

    def on_failure_va(self, *args: Any) -> None:
        """The call raises AsyncCallFailed(args)."""
        self.on_failure(args)

    def on_failure_vakw(self, *args: Any, **kwargs: Any) -> None:
        """The call raises AsyncCallFailed((args, kwargs))."""
        self.on_failure((args, kwargs))

    def return_value(self, value: Any) -> bool:
        """The call returns the value. False if the caller has gone."""
        return self._answer(True, value)

    def raise_exception(self, exc: type[BaseException], *args: Any) -> bool:
        """The call raises exc(*args). False if the caller has gone."""
        return self._answer(False, exc(*args))

    def abandoned_success(self, value: Any) -> None:
        """on_success() was called, but the caller has gone. To be overridden."""

    def abandoned_failure(self, value: Any) -> None:
        """on_failure() likewise; the same as abandoned_success() unless overridden."""
        self.abandoned_success(value)

    def cancel(self, *args: Any) -> None:
        """The call raises CancelledError(*args), if it still waits."""
        self._answer(False, CancelledError(*args))


class AsyncToSync:
    """Runs a function in a tasklet, and reports its outcome by callbacks."""

    def __init__(
        self, function: Callable[..., Any], on_success: Callable[[Any], object] | None = None,
        on_failure: Callable[[Any], object] | None = None, dispatcher: Callable[..., object] = util.tasklet_run,
    ) -> None:  # fmt: skip
        self.function, self.dispatcher = function, dispatcher
        if on_success is not None:
            self.on_success = on_success  # type: ignore[method-assign, assignment]
        if on_failure is not None:
            self.on_failure = on_failure  # type: ignore[method-assign, assignment]

    def initiate_call(self, args: tuple[Any, ...] = (), kwds: dict[str, Any] = {}) -> None:
        """Have the function called; on_success(result) or on_failure(sys.exc_info()) follows."""
        self.dispatcher(self._call, (args, kwds))

    def _call(self, args: tuple[Any, ...], kwds: dict[str, Any]) -> None:
        try:
            result = self.function(*args, **kwds)
        except BaseException:
            self.on_failure(sys.exc_info())
        else:
            self.on_success(result)

    def on_success(self, result: Any) -> None:
        """The function has returned. To be overridden or assigned."""

    def on_failure(self, exc_info: Any) -> None:
        """The function has raised. To be overridden or assigned."""
