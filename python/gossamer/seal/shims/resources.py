"""Package data of a sealed archive, for importlib.resources."""

from .paths import Path


class Reader:
    """The resource reader of one package."""

    def __init__(self, importer, package):
        self._root = Path(importer, package.split("."))

    def files(self):
        return self._root

    def open_resource(self, resource):
        return (self._root / resource).open("rb")

    def resource_path(self, resource):
        raise FileNotFoundError(resource)  # there is no file; as_file() makes one

    def is_resource(self, path):
        return (self._root / path).is_file()

    def contents(self):
        return (path.name for path in self._root.iterdir())


def reader(importer, package):
    if not importer.is_package(package):
        return None
    from importlib.resources.abc import TraversableResources

    if not issubclass(Reader, TraversableResources):
        TraversableResources.register(Reader)
    return Reader(importer, package)
