"""Builds extension modules against the headers of the gossamer that is imported: one call of the C compiler.

Extensions of users may be built by setuptools, Meson or whatever; the tests need none of these.
"""
import importlib.machinery
import importlib.util
import os
import shlex
import subprocess
import sysconfig

import gossamer

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = [os.path.join(HERE, name) for name in ("capi_test.c", "frames.c")]
STRICT = ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"]


def compiler():
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def header(name="stackless_api.h"):
    path = os.path.join(gossamer.get_include(), name)
    assert os.path.exists(path), f"{path} is missing: the package was installed without its headers"
    return path


def include_flags():
    header()
    return ["-isystem", sysconfig.get_path("include"), "-I", gossamer.get_include()]


def compile_with(command):
    """Run a compiler; the sanitizers of the Python under test are not for it."""
    env = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "PYTHONMALLOC")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
    return done


def build(name, sources, folder, flags=()):
    """Compile sources to an extension module in folder; returns its path."""
    path = os.path.join(str(folder), name + sysconfig.get_config_var("EXT_SUFFIX"))
    compile_with([*compiler(), "-shared", "-fPIC", "-O2", "-g", *STRICT, *flags, *include_flags(),
                  *map(str, sources), "-o", path])
    return path


def load(name, path):
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module
