"""The exceptions of stacklesslib."""

__all__ = ["AsyncCallFailed", "CancelledError", "TimeoutError"]


class TimeoutError(RuntimeError):  # hides the builtin, as programs expect of this module
    """A wait has taken longer than it was allowed to."""


class CancelledError(RuntimeError):
    """The operation that was waited for has been cancelled."""


class AsyncCallFailed(RuntimeError):
    """A service that answers by callbacks has called the one for failures."""
