"""What a tasklet can do that a generator cannot: give up control from inside a nested call.

A generator can yield only from its own body; every function on the way has to be a generator as well.  A tasklet may send
from any depth, also from a function that somebody else calls: here `sorted`, `map` and `ast.NodeVisitor`.
"""

import ast

import gossamer

SOURCE = "def area(r):\n    return pi * square(r)\n\ndef square(x):\n    return x * x\n"


# With a generator each level says `yield from`, and ast.NodeVisitor cannot be used at all.
def names_by_generator(node):
    if isinstance(node, ast.Name):
        yield node.id
    for child in ast.iter_child_nodes(node):
        yield from names_by_generator(child)


# With a tasklet the visitor is the usual one, and sends from wherever it is.
class Names(ast.NodeVisitor):
    def __init__(self, out):
        self.out = out

    def visit_Name(self, node):
        self.out.send(node.id)


def iterate(function):
    """Any function that takes a channel becomes an iterator."""
    channel = gossamer.channel()

    def produce():
        function(channel)
        channel.close()
        if channel.balance < 0:
            channel.send_exception(StopIteration)

    gossamer.spawn(produce)
    return channel


tree = ast.parse(SOURCE)
print("generator:", *names_by_generator(tree))
print("tasklet:  ", *iterate(lambda out: Names(out).visit(tree)))


def compare(out):
    def key(word):
        out.send(word)  # inside sorted(), which is written in C
        return len(word)

    out.send(sorted(["gossamer", "is", "thin"], key=key))


print("from inside sorted():", *iterate(compare))
