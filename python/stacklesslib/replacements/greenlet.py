"""The interface of greenlet, made of tasklets: greenlets and tasklets can live in one program.

A greenlet is a tasklet that is continued by switch() only: it is never in the run queue, except for the moment in which a greenlet
that has ended hands over to its parent.
"""

import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, Union

import stackless

__all__ = ["GreenletExit", "error", "getcurrent", "greenlet"]
__version__ = "0.3.2"  # of the interface


class error(Exception):
    """A greenlet is used where it cannot be."""


class GreenletExit(BaseException):
    """Ends a greenlet; what is left of it is the greenlet's return value."""


class _State(threading.local):
    """The greenlets of a thread."""

    current: Union["greenlet", None] = None


_state = _State()


def getcurrent() -> "greenlet":
    """The running greenlet. A tasklet that is none gets one, without a parent."""
    tasklet = stackless.getcurrent()
    current = _state.current
    if current is None or current._tasklet is not tasklet:
        current = _roots.get(tasklet)
        if current is None:
            current = greenlet.__new__(greenlet)
            current._parent = None
            _roots[tasklet] = current
            current._root = True
        current._tasklet = tasklet
        _state.current = current
    return current


_roots: "weakref.WeakKeyDictionary[stackless.tasklet, greenlet]" = weakref.WeakKeyDictionary()


class greenlet:
    """greenlet(run=None, parent=None)"""

    _tasklet: stackless.tasklet | None = None  # while it is alive
    _root = False
    _dead = False
    _parent: Union["greenlet", None]
    _inbox: tuple[bool, Any] | None = None  # (True, value) or (False, error): what it is continued with
    run: Callable[..., Any]

    def __init__(self, run: Callable[..., Any] | None = None, parent: Union["greenlet", None] = None) -> None:
        if run is not None:
            self.run = run
        self._parent = getcurrent() if parent is None else parent

    # -- state --

    @property
    def parent(self) -> Union["greenlet", None]:
        """Continues when this one ends. None for the greenlet of a tasklet that is none."""
        return self._parent

    @parent.setter
    def parent(self, parent: "greenlet") -> None:
        if not isinstance(parent, greenlet):
            raise TypeError("parent must be a greenlet")
        above: greenlet | None = parent
        while above is not None:
            if above is self:
                raise ValueError("cyclic parent chain")
            above = above._parent
        self._parent = parent

    @property
    def dead(self) -> bool:
        """Has it ended?"""
        return self._dead or (self._root and (self._tasklet is None or not self._tasklet.alive))

    def __bool__(self) -> bool:
        """Has it started, and not ended?"""
        return self._tasklet is not None and not self.dead

    @property
    def gr_frame(self) -> FrameType | None:
        """Its innermost frame while it is suspended."""
        return None if self._tasklet is None or self is getcurrent() else self._tasklet.frame

    # -- switching --

    def switch(self, *args: Any, **kwargs: Any) -> Any:
        """Continue it, with these; returns what this greenlet is continued with."""
        target = self._alive()
        if not target._root and target._tasklet is None:
            return target._start(args, kwargs)
        return target._continue((True, _pack(args, kwargs)))

    def throw(self, typ: Any = GreenletExit, val: Any = None, tb: Any = None) -> Any:
        """Continue it by an exception."""
        exc = typ if isinstance(typ, BaseException) else val if isinstance(val, BaseException) else None
        if exc is None:
            exc = typ() if val is None else typ(*val) if isinstance(val, tuple) else typ(val)
        message = (False, exc.with_traceback(tb) if tb is not None else exc)
        if not self.dead and not self._root and self._tasklet is None:
            self._inbox = message
            return self._start((), {})
        if self.dead and isinstance(exc, GreenletExit):
            message = (True, exc)
        return self._alive()._continue(message)

    def _alive(self) -> "greenlet":
        """Itself, or the nearest parent that has not ended."""
        target = self
        while target.dead:
            if target._parent is None:
                raise error("cannot switch to a greenlet that has ended, as have its parents")
            target = target._parent
        return target

    def _start(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        getcurrent()
        self._tasklet = stackless.tasklet(_body, (weakref.ref(self), args, kwargs))
        return self._switch()

    def _continue(self, message: tuple[bool, Any]) -> Any:
        assert self._tasklet is not None
        if self._tasklet.thread_id != stackless.getcurrent().thread_id:
            raise error("can't switch to a different thread")
        self._inbox = message
        return self._received() if self is getcurrent() else self._switch()

    def _switch(self) -> Any:
        assert self._tasklet is not None
        here = weakref.ref(getcurrent())  # or the frames of a suspended greenlet would keep it alive
        _state.current = self
        try:
            self._tasklet.switch()
        finally:
            me = _state.current = here()
        return None if me is None else me._received()

    def _received(self) -> Any:
        message, self._inbox = self._inbox, None
        good: bool
        value: Any
        good, value = message or (True, None)
        if good:
            return value
        try:
            raise value
        finally:
            del value, message

    def __del__(self) -> None:
        if self._tasklet is None or self._root or self._dead:
            return
        if self._tasklet.thread_id == stackless.getcurrent().thread_id:
            self._parent = getcurrent()
            self.throw()
        else:
            self._tasklet.kill(pending=True)


def _pack(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if kwargs:
        return (args, kwargs) if args else kwargs
    return args[0] if len(args) == 1 else args


def _body(ref: "weakref.ref[greenlet]", args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """What the tasklet of a greenlet does. It does not keep the greenlet alive."""
    message: tuple[bool, Any]
    try:
        run = _begin(ref)
        message = (True, run(*args, **kwargs))
        del run
    except (GreenletExit, stackless.TaskletExit) as exit:
        message = (True, exit)
    except BaseException as exception:
        message = (False, exception)
    me = ref()
    assert me is not None  # it is current
    me._dead, me._tasklet = True, None
    parent = me._alive()
    parent._inbox = message
    _state.current = parent
    assert parent._tasklet is not None
    parent._tasklet.insert()  # it is the only one, unless there are other tasklets, which get their turn


def _begin(ref: "weakref.ref[greenlet]") -> Callable[..., Any]:
    me = ref()
    assert me is not None
    if me._inbox is not None:
        me._received()
    run = me.run
    me.__dict__.pop("run", None)
    return run
