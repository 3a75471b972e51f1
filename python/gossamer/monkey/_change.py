"""One name of one module that is replaced, and the search for those who have it under names of their own."""

import sys
from importlib.machinery import ExtensionFileLoader
from typing import Any, Iterator, NamedTuple

_ABSENT = object()


class Change:
    """`owner.attribute` becomes `new`.

    harmless: who still has the old one is served as well, since it is made of things that are replaced.
    """

    def __init__(self, part: str, owner: Any, attribute: str, new: Any, harmless: bool = False) -> None:
        self.part = part
        self.owner = owner
        self.attribute = attribute
        self.new = new
        self.harmless = harmless
        self.old = vars(owner).get(attribute, _ABSENT)

    @property
    def name(self) -> str:
        """As in "socket.create_connection"."""
        module = getattr(self.owner, "__module__", None)
        return f"{module + '.' if module else ''}{self.owner.__name__}.{self.attribute}"

    def make(self) -> None:
        setattr(self.owner, self.attribute, self.new)

    def undo(self) -> bool:
        """False: somebody else has changed it since."""
        if vars(self.owner).get(self.attribute) is not self.new:
            return False
        if self.old is _ABSENT:
            delattr(self.owner, self.attribute)
        else:
            setattr(self.owner, self.attribute, self.old)
        return True


class Action:
    """As a Change, but it takes more than an assignment."""

    harmless = True
    old = _ABSENT

    def __init__(self, part: str, name: str, make: Any, undo: Any) -> None:
        self.part = part
        self.name = name
        self.make = make
        self._undo = undo

    def undo(self) -> bool:
        self._undo()
        return True


class Missed(NamedTuple):
    """A module that had imported a name before."""

    module: str
    attribute: str
    original: str
    part: str

    def __str__(self) -> str:
        return f"{self.module}.{self.attribute} (from {self.original})"


class Report:
    """What patch() has done.  True if it could reach everything; str() is for people.

    patched: names that are replaced, as "socket.socket".  rebound: names in modules that had imported them before, which are
    replaced as well.  missed: those which are not; each has .module, .attribute and .original.
    """

    def __init__(self) -> None:
        self.patched: list[str] = []
        self.rebound: list[Missed] = []
        self.missed: list[Missed] = []

    def __bool__(self) -> bool:
        return not self.missed

    def __repr__(self) -> str:
        return f"<Report: {len(self.patched)} patched, {len(self.rebound)} rebound, {len(self.missed)} missed>"

    def __str__(self) -> str:
        lines = [f"{len(self.patched)} names patched, {len(self.rebound)} in modules that had imported them"]
        if self.missed:
            lines.append("not patched, since imported before; import them after patch(), or call patch(rebind=True):")
            lines += [f"    {missed}" for missed in self.missed]
        return "\n".join(lines)


def _is_compiled(name: str, module: Any) -> bool:
    return name in sys.builtin_module_names or isinstance(getattr(module, "__loader__", None), ExtensionFileLoader)


def others(changes: list[Any], rebind: bool) -> Iterator[tuple[Change | None, Missed]]:
    """Names of other modules for what has been replaced: a change that replaces them, too, or None if they stay."""
    by_id: dict[int, Any] = {}
    for change in changes:
        if change.old is not _ABSENT and callable(change.old):
            by_id.setdefault(id(change.old), change)  # the first is the one that people know
    made = {(id(vars(change.owner)), change.attribute) for change in changes if change.old is not _ABSENT}
    for name, module in list(sys.modules.items()):
        family = name.partition(".")[0]
        if module is None or family in ("gossamer", "stackless") or _is_compiled(name, module):
            continue
        standard = family in sys.stdlib_module_names
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            change = by_id.get(id(value))
            if change is None or (id(vars(module)), attribute) in made or (change.harmless and not standard):
                continue
            missed = Missed(name, attribute, change.name, change.part)
            yield (Change(change.part, module, attribute, change.new) if standard or rebind else None), missed
