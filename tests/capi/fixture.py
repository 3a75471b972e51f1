"""The test extension, built once a run, and how it spells NULL."""
import functools
import shutil
import tempfile

import pytest

from capi.build import SOURCES, build, load

N = ...


@functools.cache
def extension():
    folder = tempfile.mkdtemp(prefix="gossamer-capi-")
    try:
        return load("capi_test", build("capi_test", SOURCES, folder, ["-std=c11"]))
    finally:
        shutil.rmtree(folder)       # once loaded, the file is not needed any more


@pytest.fixture
def capi():
    return extension()
