"""typing (annotations in quotes) and logging.config (fileConfig): they evaluate expressions in text."""

from .expression import compile_expression, evaluate


def apply(module):
    # As names of the module these come before the builtins, for its own functions only.
    module.eval = evaluate
    module.compile = compile_expression
