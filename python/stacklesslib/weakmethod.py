"""Weak references that work for bound methods, too."""

import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["WeakMethod", "WeakMethodProxy", "proxy", "ref"]

WeakMethod = weakref.WeakMethod


class WeakMethodProxy:
    """Calls a method without keeping its object alive.

    When the object has died it calls `fallback`, or raises ReferenceError. Proxies are equal if their methods are, both alive.
    """

    __slots__ = ("__weakref__", "_fallback", "_ref")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, method: Callable[..., Any], callback: Callable[["WeakMethodProxy"], object] | None = None,
        fallback: Callable[..., Any] | None = None,
    ) -> None:  # fmt: skip
        self._fallback = fallback
        me = weakref.ref(self)

        def died(_: object) -> None:
            proxy = me()
            if proxy is not None and callback is not None:
                callback(proxy)

        self._ref = WeakMethod(method, died if callback is not None else None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        method = self._ref() or self._fallback
        if method is None:
            raise ReferenceError("weakly-referenced object no longer exists")
        return method(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WeakMethodProxy):
            return NotImplemented
        method = self._ref()
        return method is not None and method == other._ref()


def _is_method(obj: object) -> bool:
    return hasattr(obj, "__self__") and hasattr(obj, "__func__")


def ref(obj: Any, callback: Callable[[Any], object] | None = None) -> Any:
    """WeakMethod for a bound method, weakref.ref for anything else."""
    return WeakMethod(obj, callback) if _is_method(obj) else weakref.ref(obj, callback)


def proxy(obj: Any, callback: Callable[[Any], object] | None = None, fallback: Callable[..., Any] | None = None) -> Any:
    """WeakMethodProxy for a bound method, weakref.proxy (without fallback) for anything else."""
    return WeakMethodProxy(obj, callback, fallback) if _is_method(obj) else weakref.proxy(obj, callback)
