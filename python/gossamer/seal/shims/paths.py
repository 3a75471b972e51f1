"""Files and folders of a sealed archive, as importlib.resources and importlib.metadata want them."""

import io


class Path:
    """A file or folder of the archive, as importlib.resources.abc.Traversable wants it."""

    def __init__(self, importer, parts=()):
        self._importer = importer
        self._parts = tuple(parts)

    @property
    def name(self):
        return self._parts[-1] if self._parts else self._importer.archive.rpartition("/")[2]

    @property
    def stem(self):
        return self.name.rpartition(".")[0] or self.name

    @property
    def suffix(self):
        return "." + self.name.rpartition(".")[2] if "." in self.name else ""

    @property
    def parent(self):
        return Path(self._importer, self._parts[:-1])

    @property
    def _member(self):
        return "/".join(self._parts)

    def __str__(self):
        return "/".join([self._importer.archive, *self._parts])

    def __repr__(self):
        return f"<{self}>"

    def __fspath__(self):
        return str(self)

    def __eq__(self, other):
        return isinstance(other, Path) and self._parts == other._parts

    def __hash__(self):
        return hash(self._parts)

    def joinpath(self, *others):
        parts = list(self._parts)
        for other in others:
            for step in str(other).split("/"):
                if step == "..":
                    del parts[-1:]
                elif step not in ("", "."):
                    parts.append(step)
        return Path(self._importer, parts)

    __truediv__ = joinpath

    def is_file(self):
        return self._member in index(self._importer)

    def is_dir(self):
        return self._member in folders(self._importer)

    def exists(self):
        return self.is_file() or self.is_dir()

    def iterdir(self):
        if not self.is_dir():
            raise (NotADirectoryError if self.is_file() else FileNotFoundError)(str(self))
        for name in folders(self._importer)[self._member]:
            yield self / name

    def read_bytes(self):
        return self._importer.get_data(str(self))

    def read_text(self, encoding=None, errors=None):
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def open(self, mode="r", encoding=None, errors=None, newline=None, **kwargs):
        if mode.replace("t", "") not in ("r", "rb"):
            raise OSError(f"a sealed archive cannot be opened with mode {mode!r}")
        data = io.BytesIO(self.read_bytes())
        return data if "b" in mode else io.TextIOWrapper(data, encoding or "utf-8", errors, newline)


_cache = {}


def index(importer):
    if "names" not in _cache:
        _cache["names"] = frozenset(importer.names())
    return _cache["names"]


def folders(importer):
    """{folder: names inside}."""
    if "folders" not in _cache:
        found = {"": {}}
        for name in sorted(index(importer)):
            parts = name.split("/")
            for i in range(len(parts)):
                found.setdefault("/".join(parts[:i]), {})[parts[i]] = None
        _cache["folders"] = {folder: list(names) for folder, names in found.items()}
    return _cache["folders"]
