"""Make a test module of the standard library test gossamer.net: executed anew, with `select`, `socket`, `selectors`
and `ssl` replaced.  `tests/python/net_stdlib_failures.txt` lists what fails, and why."""

import io
import json
import pathlib
import sys
import unittest

from gossamer.net import select, selectors, socket, ssl
from gossamer.net._again import again

LIST = pathlib.Path(__file__).with_name("net_stdlib_failures.txt")
REPLACED = {"select": select, "selectors": selectors, "socket": socket, "ssl": ssl}


def load(name):
    """The tests of module test.<name>, on gossamer.net."""
    module = again(f"test.{name}", **REPLACED)
    sys.modules[f"gossamer_{name}"] = module
    return unittest.defaultTestLoader.loadTestsFromModule(module), module


LEFT_OUT = "VSOCK"  # connects to the host of a virtual machine: with the standard library's sockets it may hang, too


def run(name, pattern=None, stream=None):
    """-> (how many have been run, the result, {test: text of its failure})"""
    suite, module = load(name)
    tests = [test for test in flat(suite) if LEFT_OUT not in test.id() and (not pattern or pattern in test.id())]
    if hasattr(module, "setUpModule"):
        module.setUpModule()
    result = unittest.TextTestRunner(stream=stream or io.StringIO(), verbosity=2).run(unittest.TestSuite(tests))
    if hasattr(module, "tearDownModule"):
        module.tearDownModule()
    unittest.doModuleCleanups()
    run_count = len(tests) - len(result.skipped)  # not testsRun: 3.12.1 does not count the skipped, others do
    return run_count, result, {short(test): text for test, text in result.failures + result.errors}


def flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


def short(test):
    return ".".join(test.id().split(".")[-2:])


if __name__ == "__main__":
    as_json = "--json" in sys.argv
    run_count, outcome, failures = run(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 and not as_json else None, sys.stderr)
    if as_json:
        print(json.dumps({"run": run_count, "failures": failures}))
    else:
        for test, text in failures.items():
            print(test, "|", text.strip().splitlines()[-1])
        print(f"{run_count} run, {len(failures)} failed, {len(outcome.skipped)} skipped")
