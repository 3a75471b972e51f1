"""ast.literal_eval of text, and of nodes as before."""

from .expression import read


def apply(module):
    original = module.literal_eval

    def literal_eval(node_or_string):
        if isinstance(node_or_string, str):
            return read(node_or_string.lstrip(" \t")).literal()
        return original(node_or_string)

    literal_eval.__doc__ = original.__doc__
    module.literal_eval = literal_eval
