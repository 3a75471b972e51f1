"""Make the standard library's test_dict test lean.Dict: its source, with each dict display, dict comprehension and the
name `dict` replaced.  `tests/python/lean_stdlib_failures.txt` lists what fails, and why."""

import ast
import importlib
import io
import pathlib
import sys
import types
import unittest

LIST = pathlib.Path(__file__).with_name("lean_stdlib_failures.txt")


class Replace(ast.NodeTransformer):
    """`{k: v}` becomes `_display([(k, v)])`, and the name `dict` becomes `_Dict`."""

    def made(self, node, *arguments):
        return ast.copy_location(ast.Call(ast.Name("_display", ast.Load()), list(arguments), []), node)

    def visit_Dict(self, node):
        self.generic_visit(node)
        if not node.keys:
            return self.made(node)
        if None in node.keys:
            return self.made(node, node)
        pairs = [ast.Tuple([key, value], ast.Load()) for key, value in zip(node.keys, node.values)]
        return self.made(node, ast.List(pairs, ast.Load()))

    def visit_DictComp(self, node):
        self.generic_visit(node)
        return self.made(node, node)

    def visit_Name(self, node):
        return ast.copy_location(ast.Name("_Dict", node.ctx), node) if node.id == "dict" else node


def load(name, display, cls):
    """The tests of test.test_dict for these classes, as a suite."""
    path = importlib.import_module("test.test_dict").__file__
    tree = ast.fix_missing_locations(Replace().visit(ast.parse(pathlib.Path(path).read_text())))
    module = types.ModuleType(name)
    module.__file__ = path
    module._display, module._Dict = display, cls
    sys.modules[name] = module  # pickling looks for the classes of the tests there
    exec(compile(tree, path, "exec"), module.__dict__)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def name_of(test):
    return ".".join(test.id().split(".")[1:])


def names(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from names(test)
        else:
            yield name_of(test)


def outcome(suite):
    """-> {name of test: traceback} of what failed, and the names of all."""
    every = set(names(suite))
    result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)
    return {name_of(test): text for test, text in result.errors + result.failures}, every


def expected():
    """-> {name of test: (versions, why)} of the list."""
    found = {}
    for line in LIST.read_text().splitlines():
        if line and not line.startswith("#"):
            name, versions, why = (part.strip() for part in line.split("|"))
            found[name] = (versions.split(), why)
    return found
