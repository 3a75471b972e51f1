"""The test extension, built once a run, and how it spells NULL."""
import atexit
import shutil
import tempfile

import pytest

from capi.build import SOURCES, build, load

N = ...


class _Extension:
    """Built when first needed; `path` is its file, `module` the module."""

    @property
    def path(self):
        if "_path" not in self.__dict__:
            folder = tempfile.mkdtemp(prefix="gossamer-capi-")
            atexit.register(shutil.rmtree, folder)
            self._path = build("capi_test", SOURCES, folder, ["-std=c11"])
        return self._path

    @property
    def module(self):
        if "_module" not in self.__dict__:
            self._module = load("capi_test", self.path)
        return self._module


extension = _Extension()


@pytest.fixture
def capi():
    return extension.module
