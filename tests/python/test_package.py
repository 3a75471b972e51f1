"""The package as a whole: version, headers, names, what importing it does."""

import importlib.metadata
import os
import sys

import pytest

import gossamer
import stackless
from helpers import python


def test_version_is_that_of_the_distribution():
    try:
        version = importlib.metadata.version("gossamer")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("gossamer is not installed as a distribution here")
    assert gossamer.__version__ == version == stackless.__version__


def test_include_folder_has_the_headers():
    folder = gossamer.get_include()
    assert os.path.isfile(os.path.join(folder, "gossamer.h"))
    assert os.path.isfile(os.path.join(folder, "gossamer", "embed.h"))


@pytest.mark.parametrize("module", [gossamer, stackless], ids=["gossamer", "stackless"])
def test_all_names_exist_and_dir_has_the_computed_ones(module):
    for name in module.__all__:
        getattr(module, name)
    assert {"current", "main", "runcount", "threads", "uncollectables", "debug"} <= set(dir(module))
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("name", ["current", "main", "runcount", "threads", "uncollectables", "debug"])
@pytest.mark.parametrize("module", [gossamer, stackless], ids=["gossamer", "stackless"])
def test_computed_attributes_cannot_be_set(module, name):
    with pytest.raises(AttributeError, match="^can't set attribute$"):
        setattr(module, name, None)
    with pytest.raises(AttributeError):
        delattr(module, name)


def test_pickle_with_tracing_state_can_be_set():
    before = stackless.pickle_with_tracing_state
    try:
        stackless.pickle_with_tracing_state = True
        assert stackless.pickle_with_tracing_state is True
        assert stackless.pickle_flags() & stackless.PICKLEFLAGS_PRESERVE_TRACING_STATE
        assert stackless.pickle_flags_default() & stackless.PICKLEFLAGS_PRESERVE_TRACING_STATE
        stackless.pickle_with_tracing_state = 0
        assert stackless.pickle_with_tracing_state is False
        assert not stackless.pickle_flags() & stackless.PICKLEFLAGS_PRESERVE_TRACING_STATE
    finally:
        stackless.pickle_with_tracing_state = before


def test_cframe_says_why_it_is_missing():
    with pytest.raises(AttributeError, match="soft switching"):
        stackless.cframe


def test_importing_gossamer_is_light():
    done = python("""
        import sys
        before = set(sys.modules)
        import gossamer
        print(sorted({"asyncio", "argparse", "subprocess", "threading", "zipfile", "importlib.metadata"}
                     & (set(sys.modules) - before)))""")
    assert done.stdout == "[]\n"


def test_stackless_can_be_imported_again():
    done = python("""
        import sys, importlib, stackless
        again = importlib.reload(stackless)
        print(again is stackless, again.current is stackless.main)
        del sys.modules["stackless"]
        import stackless as other
        print(other.tasklet is stackless.tasklet, other.stackless is other)""")
    assert done.stdout == "True True\nTrue True\n"


def test_typing_markers_are_installed():
    for module in (gossamer, stackless):
        folder = os.path.dirname(module.__file__)
        assert os.path.isfile(os.path.join(folder, "py.typed"))
        assert os.path.isfile(os.path.join(folder, "__init__.pyi"))


def test_star_import():
    names = {}
    exec("from stackless import *", names)
    assert names["tasklet"] is stackless.tasklet and names["stackless"] is sys.modules["stackless"]
