"""signal: handlers that may wait, and waiting for signals.

Python calls handlers on the main thread between two bytecodes, in whatever tasklet that runs.  While all tasklets wait, the
thread is in the middle of a wait, where nothing else can wait: a handler gets a tasklet of its own then, and what it raises
goes to the main tasklet.
"""

import signal
from typing import Any

from .. import _gossamer, sleep, spawn
from ..sync import Event
from ._change import Action, Change

_real_signal, _real_getsignal = signal.signal, signal.getsignal
_arrived = Event()


class Handler:
    """A handler of the program's, where waiting is possible."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    def __call__(self, number: int, frame: Any) -> None:
        _arrived.set()
        if _gossamer.switch_trap(0):
            spawn(self.handler, number, frame, name=f"handler of signal {number}")
        else:
            self.handler(number, frame)


def _wrap(handler: Any) -> Any:
    return Handler(handler) if callable(handler) and handler is not signal.default_int_handler and not isinstance(handler, int) else handler


def _unwrap(handler: Any) -> Any:
    return handler.handler if isinstance(handler, Handler) else handler


def set_handler(signalnum: int, handler: Any) -> Any:
    """As signal.signal."""
    return _unwrap(_real_signal(signalnum, _wrap(handler)))


def get_handler(signalnum: int) -> Any:
    """As signal.getsignal."""
    return _unwrap(_real_getsignal(signalnum))


def pause() -> None:
    """As signal.pause: until a handler in Python has been called."""
    _arrived.clear()
    while not _arrived.wait(3600):  # with a timeout, since a signal is nobody who could be waited for
        pass


def _steps(timeout: float | None) -> Any:
    """Sleeps that get longer, as there is no descriptor to wait for."""
    step, left = 0.001, timeout
    while left is None or left > 0:
        nap = step if left is None else min(step, left)
        sleep(nap)
        if left is not None:
            left -= nap
        step = min(step * 2, 0.02)
        yield


def sigtimedwait(sigset: Any, timeout: float, /) -> Any:
    """As signal.sigtimedwait."""
    found = _real["sigtimedwait"](sigset, 0 if timeout >= 0 else timeout)
    if found is None:
        for _ in _steps(timeout):
            found = _real["sigtimedwait"](sigset, 0)
            if found is not None:
                break
    return found


def sigwaitinfo(sigset: Any, /) -> Any:
    """As signal.sigwaitinfo."""
    found = _real["sigtimedwait"](sigset, 0)
    steps = _steps(None)
    while found is None:
        next(steps)
        found = _real["sigtimedwait"](sigset, 0)
    return found


def sigwait(sigset: Any, /) -> Any:
    """As signal.sigwait."""
    number = sigwaitinfo(sigset).si_signo
    try:
        return signal.Signals(number)
    except ValueError:
        return number


_real = {name: getattr(signal, name) for name in ("pause", "sigtimedwait", "sigwaitinfo", "sigwait") if hasattr(signal, name)}


def _convert(change: Any) -> Any:
    def each() -> None:
        for number in signal.valid_signals():
            handler = _real_getsignal(number)
            if change(handler) is not handler:
                _real_signal(number, change(handler))

    return each


def changes() -> list[Any]:
    new = {"pause": pause, "sigwait": sigwait, "sigwaitinfo": sigwaitinfo, "sigtimedwait": sigtimedwait}
    if "sigtimedwait" not in _real:
        new = {"pause": pause}
    found: list[Any] = [Change("signal", signal, "signal", set_handler), Change("signal", signal, "getsignal", get_handler)]
    found += [Change("signal", signal, name, function) for name, function in new.items() if hasattr(signal, name)]
    found.append(Action("signal", "handlers that were set before", _convert(_wrap), _convert(_unwrap)))
    return found
