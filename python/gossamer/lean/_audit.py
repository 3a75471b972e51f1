"""`lean.audit()`: what the builtin dicts of this process take, who owns them, and what would be saved how.

The walk starts at the objects that the garbage collector knows and follows their references, because a dict of plain
values is not among them.  Bytes are those that CPython asks for: object, collector's head, table.
"""

import gc
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Iterator

from .. import _lean

__all__ = ["Audit", "Group", "audit"]

_POINTER = 8 if sys.maxsize > 2**32 else 4
_MANY = 64  # keys beyond which they are counted instead of compared, as in a Shape
_PLACES = {dict: "in a dict", list: "in a list", tuple: "in a tuple", set: "in a set", ModuleType: "of a module", type: "of a class"}


@dataclass
class Group:
    """Dicts with the same owner and the same keys.  All sizes are bytes, for the group as a whole."""

    owner: str
    #: The keys in their order, or None where they are not all str, or more than 64.
    keys: tuple[str, ...] | None
    #: "dict", or "values" for attributes of instances that have no dict so far.
    kind: str
    count: int = 0
    items: int = 0
    bytes: int = 0
    #: Room for items in tables that are as small as CPython makes them.
    slack: int = 0
    #: What tables take beyond that, because they once held more.
    oversized: int = 0
    #: Key tables that are the same as another one of the group.
    repeated: int = 0
    #: What each remedy would save: "compact", "Dict", "Record", "__slots__".
    saves: dict[str, int] = field(default_factory=dict)

    @property
    def best(self) -> tuple[str, int]:
        """The remedy that saves most, and how much: ("", 0) if none does."""
        return max(self.saves.items(), key=lambda pair: pair[1], default=("", 0))


@dataclass
class Audit:
    """The result of `audit()`: the groups, the heaviest first.  `print()` shows a table."""

    groups: list[Group]

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def total(self, what: str) -> int:
        """The sum over all groups of `count`, `items`, `bytes`, `slack`, `oversized` or `repeated`."""
        return sum(getattr(group, what) for group in self.groups)

    def saves(self) -> dict[str, int]:
        """What each remedy would save, applied to every group where it saves something."""
        sums: dict[str, int] = {}
        for group in self.groups:
            for remedy, saved in group.saves.items():
                sums[remedy] = sums.get(remedy, 0) + saved
        return sums

    def data(self) -> dict[str, Any]:
        """Everything as dicts, lists, strings and numbers, for json."""
        fields = ("owner", "kind", "count", "items", "bytes", "slack", "oversized", "repeated", "saves")
        rows = [{**{name: getattr(group, name) for name in fields}, "keys": group.keys and list(group.keys)} for group in self.groups]
        return {"groups": rows, **{name: self.total(name) for name in fields[2:8]}, "saves": self.saves()}

    def table(self, top: int = 20) -> str:
        """The heaviest groups as text of at most 120 columns."""
        return _table(self, top)

    def __str__(self) -> str:
        return self.table()


# ---- the walk ----


def _reachable() -> Iterator[tuple[Any, list[Any]]]:
    """Every object that the collector knows or that is referred to, once, with its referents."""
    seen: set[int] = set()
    stack = gc.get_objects()
    skip = {id(seen), id(stack), id(sys._getframe())}
    while stack:
        obj = stack.pop()
        if id(obj) in seen or id(obj) in skip:
            continue
        seen.add(id(obj))
        referents = _lean._referents(obj)
        yield obj, referents
        # What cannot refer to anything need not be remembered.
        stack.extend(one for one in referents if id(one) not in seen and type(one) not in (str, int, float, bytes, bool, type(None)))


def _place(obj: Any) -> str:
    """How the owner of a dict is called that is not the dict of an instance."""
    if issubclass(type(obj), type):
        return "of a class"
    return _PLACES.get(type(obj)) or f"in {_name(type(obj))}"


def _name(cls: type) -> str:
    try:
        module = type.__dict__["__module__"].__get__(cls)
    except AttributeError:
        module = None
    qualname = type.__dict__["__qualname__"].__get__(cls)
    module = module if type(module) is str else "?"
    return qualname if module in ("builtins", "__main__") else f"{module}.{qualname}"


def _is_dict(obj: Any) -> bool:
    """Not isinstance(), which asks proxies what they stand for."""
    return issubclass(type(obj), dict)


def audit() -> Audit:
    """What the builtin dicts of this process take: an Audit, which prints as a table.

    Takes some microseconds for each object of the process, and memory for the addresses of them all.
    """
    gc.collect()
    owners: dict[int, str] = {}
    dicts: dict[int, Any] = {}
    instances: dict[type, list[int]] = {}
    ignore = {id(owners), id(dicts), id(instances), id(_PLACES)}
    for obj, referents in _reachable():
        if id(obj) in ignore:
            continue
        own, values, keys = _lean._instance_facts(obj)
        if own is not None:
            owners[id(own)] = f"{_name(type(obj))}.__dict__"
            dicts[id(own)] = own  # 3.13 does not count it among the referents
        elif values:
            sums = instances.setdefault(type(obj), [0, 0, 0])
            sums[0] += 1
            sums[1] += values
            sums[2] += keys
        for one in referents:
            if _is_dict(one) and id(one) not in ignore:
                dicts[id(one)] = one
                if id(one) not in owners or owners[id(one)] == "in a dict":
                    owners[id(one)] = _place(obj) if one is not own else owners[id(one)]
        if _is_dict(obj):
            dicts[id(obj)] = obj
    return Audit(_groups(dicts, owners, instances))


# ---- the sums ----


def _groups(dicts: dict[int, Any], owners: dict[int, str], instances: dict[type, list[int]]) -> list[Group]:
    found: dict[tuple[str, Any], Group] = {}
    tables: set[int] = set()
    for address, one in dicts.items():
        owner = owners.get(address, "of a variable")
        size = dict.__len__(one)  # a subclass may say something else
        names = tuple(dict.__iter__(one)) if size <= _MANY else None
        keys = names if names and all(type(name) is str for name in names) else None
        group = found.setdefault((owner, keys if keys is not None else size and "many"), Group(owner, keys, "dict"))
        _add(group, one, tables)
    for group in found.values():
        _finish(group)
    for cls, (count, size, keys_count) in instances.items():
        group = Group(f"{_name(cls)} (no dict made)", None, "values", count, keys_count, size)
        group.saves = {"__slots__": max(0, size - keys_count * _POINTER)}
        found[(group.owner, cls)] = group
    return sorted(found.values(), key=lambda group: -group.bytes)


def _add(group: Group, one: Any, tables: set[int]) -> None:
    items, room, own, table, users, address, split, general = _lean._dict_facts(one)
    entry = (3 if general else 2) * _POINTER
    tight, lean_dict, record = _lean._size_facts(items, general)
    if split:
        table = 0 if address in tables else table  # the key table of a class counts once
        tables.add(address)
    group.count += 1
    group.items += items
    group.bytes += own + table
    saves = group.saves
    if not split and table:
        over = max(0, table - tight)
        least = 1 << max(3, (items * 3 + 1).bit_length() - 1)
        while least * 2 // 3 < items:
            least *= 2
        group.oversized += over
        group.slack += max(0, (least * 2 // 3 - items) * entry)
        saves["compact"] = saves.get("compact", 0) + over
    if group.owner.endswith(".__dict__"):
        saves["__slots__"] = saves.get("__slots__", 0) + max(0, own + table - items * _POINTER)
    elif type(one) is dict and not group.owner.startswith("of a"):
        saves["Dict"] = saves.get("Dict", 0) + max(0, own + table - lean_dict)
        if group.keys is not None:
            saves["Record"] = saves.get("Record", 0) + max(0, own + table - record)
        if not split and group.count > 1 and group.keys:
            group.repeated += tight - items * _POINTER if tight > items * _POINTER else 0


def _finish(group: Group) -> None:
    """One record alone would need a shape of its own; and what saves nothing is no remedy."""
    shape = 64 + 17 * len(group.keys or ())
    if "Record" in group.saves:
        group.saves["Record"] = max(0, group.saves["Record"] - shape) if group.count > 1 else 0
    group.saves = {remedy: saved for remedy, saved in group.saves.items() if saved > 0}


# ---- the table ----


def _size(number: int) -> str:
    if number < 10_000:
        return f"{number}"
    for unit in "KMG":
        number_of = number / 1024 ** (" KMG".index(unit))
        if number_of < 9999 or unit == "G":
            return f"{number_of:,.1f}{unit}" if number_of < 100 else f"{number_of:,.0f}{unit}"
    raise AssertionError


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _row(group: Group) -> str:
    keys = "" if group.keys is None else ", ".join(group.keys)
    remedy, saved = group.best
    fix = f"{remedy} {_size(saved)}" if remedy else ""
    cells = (f"{group.count:>9,}", f"{group.items / max(1, group.count):>7.1f}", f"{_size(group.bytes):>8}", f"{_size(group.slack):>8}",
             f"{_size(group.oversized):>8}", f"{_size(group.repeated):>8}")  # fmt: skip
    return f"{' '.join(cells)}  {fix:<17} {_shorten(group.owner, 22):<22} {_shorten(keys, 24)}".rstrip()


def _table(report: Audit, top: int) -> str:
    lines = [
        f"{'dicts':>9} {'items':>7} {'bytes':>8} {'slack':>8} {'oversize':>8} {'rep.keys':>8}  {'best remedy':<17} {'owner':<22} keys",
        *(_row(group) for group in report.groups[:top]),
    ]
    rest = report.groups[top:]
    if rest:
        lines.append(f"{sum(group.count for group in rest):>9,} {'':>7} {_size(sum(group.bytes for group in rest)):>8}  in {len(rest)} more groups")
    lines.append("")
    lines.append(f"{report.total('count'):,} dicts take {_size(report.total('bytes'))} bytes: slack {_size(report.total('slack'))}, "
                 f"oversized tables {_size(report.total('oversized'))}, repeated key tables {_size(report.total('repeated'))}.")  # fmt: skip
    saves = ", ".join(f"{remedy} {_size(saved)}" for remedy, saved in sorted(report.saves().items(), key=lambda pair: -pair[1]))
    lines.append(f"Each remedy alone would save: {saves or 'nothing'}.")
    return "\n".join(lines)
