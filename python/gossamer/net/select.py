"""Module `select` for tasklets: select(), poll objects and epoll objects, of which only the calling tasklet waits.

One socket's error never ends the wait for the others: a system whose call fails with it (as some consoles do) is asked
again, descriptor by descriptor, and the socket counts as ready, so that its owner gets the error from its next call.  What is
wrong with the call itself (EBADF, EINVAL, ENOMEM) is raised.
"""

import functools as _functools
import math as _math
import select as _select
import time as _time
from select import *  # noqa: F403  (the constants)

from .. import _gossamer

error = OSError
__all__ = [name for name in dir(_select) if not name.startswith("_") and name not in ("devpoll", "kqueue", "kevent")]

_IN = _select.POLLIN | _select.POLLRDNORM | _select.POLLRDBAND | _select.POLLHUP | _select.POLLERR
_OUT = _select.POLLOUT | _select.POLLWRNORM | _select.POLLWRBAND | _select.POLLERR
_PRI = _select.POLLPRI
_USHRT_MAX = 65535
_INT_MAX = 2**31 - 1
_FOREVER = 3e9  # seconds; the longest wait that is different from having no timeout


def __getattr__(name):
    return getattr(_select, name)


def _seconds(timeout, text):
    """A timeout as a float that is not too large, or None."""
    if timeout is None:
        return None
    try:
        seconds = float(timeout) if not isinstance(timeout, str) else None
    except TypeError:
        seconds = None
    if seconds is None:
        raise TypeError(text)
    if _math.isnan(seconds):
        raise ValueError("Invalid value NaN (not a number)")
    if seconds > 9.2e9:  # what CPython's clock type holds
        raise OverflowError("timeout is too large")
    return seconds


def _members(sequence):
    """Those of a list as it is at each step, since fileno() may change it."""
    if not isinstance(sequence, (list, tuple)):
        try:
            sequence = tuple(sequence)
        except TypeError:
            raise TypeError("arguments 1-3 must be sequences") from None
    i = 0
    while i < len(sequence):
        yield sequence[i]
        i += 1


def _gather(asked, objects, sequence, events):
    for member in _members(sequence):
        asked.append((_gossamer._fileno(member), events))
        objects.append(member)


class _Function:
    """Like a function in C: not a method when a class has it as an attribute, as those of `selectors` do."""

    def __init__(self, function):
        _functools.update_wrapper(self, function)

    def __call__(self, *args, **kwargs):
        return self.__wrapped__(*args, **kwargs)

    def __repr__(self):
        return f"<function {self.__module__}.{self.__name__}>"


@_Function
def select(rlist, wlist, xlist, timeout=None, /):
    """Wait until one of three lists of descriptors has some that are ready: to read, to write, with exceptional conditions.

    Returns them, as three lists of the same objects.  timeout: seconds; then three empty lists.  Descriptors may be larger
    than FD_SETSIZE.  (select.select)
    """
    seconds = _seconds(timeout, "timeout must be a float or None")
    asked, objects = [], []
    for sequence, events in ((rlist, _IN), (wlist, _OUT), (xlist, _PRI)):
        if not hasattr(sequence, "__iter__") and not hasattr(sequence, "__getitem__"):
            raise TypeError("arguments 1-3 must be sequences")
    if seconds is not None and seconds < 0:
        raise ValueError("timeout must be non-negative")
    for sequence, events in ((rlist, _IN), (wlist, _OUT), (xlist, _PRI)):
        _gather(asked, objects, sequence, events)
    until = None if seconds is None else _time.monotonic() + seconds
    while True:
        found = _gossamer._poll(asked, seconds)
        ready = [], [], []
        for i, got in enumerate(found):
            if got & _select.POLLNVAL:
                raise OSError(9, "Bad file descriptor")
            fd, events = asked[i]
            if got & events:
                ready[events == _OUT or 2 * (events == _PRI)].append(objects[i])
            elif got:  # it has hung up, which is none of what it is asked for
                asked[i] = (-1, events)
        if any(ready) or not any(found):
            return ready
        if until is not None:
            seconds = max(0.0, until - _time.monotonic())


def _unsigned_short(value):
    value = value.__index__() if hasattr(value, "__index__") else value
    if not isinstance(value, int):
        raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
    if value < 0:
        raise ValueError("value must be positive")
    if value > _USHRT_MAX:
        raise OverflowError("Python int too large for C unsigned short")
    return value


class _Poll:
    """A poll object: descriptors, and the events that each is asked for.  (select.poll)"""

    __slots__ = ("_events", "_busy", "__weakref__")

    def __new__(cls, *args, **kwargs):
        raise TypeError(f"cannot create '{cls.__module__}.{cls.__name__}' instances")

    def register(self, fd, eventmask=_select.POLLIN | _select.POLLPRI | _select.POLLOUT, /):
        """Ask for eventmask of fd, from now on."""
        fd = _gossamer._fileno(fd)
        self._events[fd] = _unsigned_short(eventmask)

    def modify(self, fd, eventmask, /):
        """As register, for a descriptor that is registered."""
        fd = _gossamer._fileno(fd)
        eventmask = _unsigned_short(eventmask)
        if fd not in self._events:
            raise FileNotFoundError(2, "No such file or directory")
        self._events[fd] = eventmask

    def unregister(self, fd, /):
        """Ask for nothing of fd any more.  KeyError if it is not registered."""
        del self._events[_gossamer._fileno(fd)]

    def poll(self, timeout=None, /):
        """Wait until one is ready: the list of (descriptor, events).  timeout: milliseconds; None or negative: forever."""
        milliseconds = _seconds(timeout, "timeout must be an integer or None")
        if milliseconds is not None and milliseconds > _INT_MAX:
            raise OverflowError("timeout is too large")
        if milliseconds is not None and milliseconds < 0:
            milliseconds = None
        if self._busy:
            raise RuntimeError("concurrent poll() invocation")
        self._busy = True
        try:
            asked = list(self._events.items())
            found = _gossamer._poll(asked, None if milliseconds is None else _math.ceil(milliseconds) / 1000)
        finally:
            self._busy = False
        return [(fd, got) for (fd, _), got in zip(asked, found) if got]


_Poll.__name__ = _Poll.__qualname__ = "poll"


@_Function
def poll():
    """A poll object.  (select.poll)"""
    made = object.__new__(_Poll)
    made._events, made._busy = {}, False
    return made


if hasattr(_select, "epoll"):
    _real_epoll = _select.epoll  # gossamer.monkey may put ours in its place

    class epoll:
        """An epoll descriptor of the system, for whose events only the calling tasklet waits.  (select.epoll)"""

        __slots__ = ("_epoll", "__weakref__")

        def __init__(self, sizehint=-1, flags=0):
            self._epoll = _real_epoll(sizehint, flags)

        @classmethod
        def fromfd(cls, fd, /):
            """An object for an epoll descriptor that exists."""
            self = cls.__new__(cls)
            self._epoll = _real_epoll.fromfd(fd)
            return self

        @property
        def closed(self):
            """Whether it is closed."""
            return self._epoll.closed

        def close(self):
            """Close the descriptor; tasklets that wait for it get OSError."""
            if not self._epoll.closed:
                _gossamer._close_fd(self._epoll.fileno())
            self._epoll.close()

        def fileno(self):
            """The descriptor."""
            return self._epoll.fileno()

        def register(self, fd, eventmask=_select.EPOLLIN | _select.EPOLLOUT | _select.EPOLLPRI):
            """Ask for eventmask of fd, from now on."""
            self._epoll.register(fd, eventmask)

        def modify(self, fd, eventmask):
            """Change what is asked for."""
            self._epoll.modify(fd, eventmask)

        def unregister(self, fd):
            """Ask for nothing of fd any more."""
            self._epoll.unregister(fd)

        def poll(self, timeout=None, maxevents=-1):
            """Wait until one is ready: the list of (descriptor, events).  timeout: seconds; None or negative: forever."""
            seconds = _seconds(timeout, "timeout must be an integer or None")
            if seconds is not None and seconds < 0:
                seconds = None
            until = None if seconds is None else _time.monotonic() + seconds
            fd = self._epoll.fileno()
            if maxevents < -1 or maxevents == 0:
                raise ValueError(f"maxevents must be greater than 0, got {maxevents}")
            while True:
                found = _gossamer._epoll_now(fd, maxevents)
                if found or seconds == 0:
                    return found
                if not _gossamer._wait_fd(fd, 1, 0, seconds):
                    return _gossamer._epoll_now(fd, maxevents)
                if until is not None:
                    seconds = max(0.0, until - _time.monotonic())

        def __enter__(self):
            if self._epoll.closed:
                raise ValueError("I/O operation on closed epoll object")
            return self

        def __exit__(self, *exc):
            self.close()
