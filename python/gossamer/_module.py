"""Module attributes that are computed at each access.

`gossamer.current` and `stackless.current` differ from one thread, and one moment, to the next, so they cannot be
ordinary module globals.  A property works only on a class: both modules therefore get a class of their own, made
from `ComputedModule`.
"""

from types import ModuleType
from typing import Any, Callable

__all__ = ["ComputedModule", "computed"]


def computed(getter: Callable[[], Any], setter: Callable[[Any], None] | None = None, doc: str | None = None) -> Any:
    """A property whose value comes from a function without arguments.  Without a setter it is read-only."""

    def fget(module: ModuleType) -> Any:
        return getter()

    def fset(module: ModuleType, value: Any) -> None:
        if setter is None:
            # The wording is that of Stackless; programs and its test suite compare it.
            raise AttributeError("can't set attribute")
        setter(value)

    def fdel(module: ModuleType) -> None:
        raise AttributeError("can't delete attribute")

    return property(fget, fset, fdel, doc or getter.__doc__)


class ComputedModule(ModuleType):
    """Base of the two module classes; makes their computed attributes visible to `dir()`."""

    def __dir__(self) -> list[str]:
        names = set(super().__dir__())
        for cls in type(self).__mro__:
            if cls is ComputedModule:
                break
            names.update(name for name, value in vars(cls).items() if isinstance(value, property))
        return sorted(names)
