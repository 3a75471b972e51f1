"""Repairs of the standard library for a process without a compiler, one module each.

Each has apply(module), which is called right after the module ran, before anybody else sees it. In a sealed
archive they are the package _gossamer_shims (base.py is then its __init__), so that a program need not hold the
rest of Gossamer; in other processes they are imported from here. So they use nothing but relative imports.
"""

# module of the standard library -> the shim that repairs it
SHIMS = {
    "ast": "literals",
    "code": "refusing",
    "collections": "namedtuple",
    "dataclasses": "dataclass",
    "doctest": "refusing",
    "gettext": "plural",
    "inspect": "signatures",
    "logging.config": "evaluating",
    "multiprocessing.sharedctypes": "sharing",
    "timeit": "timing",
    "types": "generators",
    "typing": "evaluating",
    "unittest.mock": "mocking",
}

# What the importer asks for when one of these modules does its work.
HELPERS = {"importlib.resources": "resources", "importlib.metadata": "metadata"}

# The versions of Python whose standard library these repairs were written for and are tested with.
PYTHONS = ((3, 11), (3, 12), (3, 13))
