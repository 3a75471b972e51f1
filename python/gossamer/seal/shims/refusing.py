"""code and doctest: they compile by nature, and would hide the refusal behind their own reporting of errors."""

from .support import CompilerClosed


def _refuse(what):
    def function(*args, **kwargs):
        raise CompilerClosed(f"the compiler is closed: {what} runs text")

    return function


def apply(module):
    if module.__name__ == "code":
        module.InteractiveInterpreter.runsource = _refuse("module code")
        module.InteractiveConsole.interact = _refuse("module code")
        module.interact = _refuse("module code")
    else:
        module.DocTestRunner.run = _refuse("module doctest")
        module.testmod = module.testfile = module.run_docstring_examples = _refuse("module doctest")
