"""gettext: plural forms, which are C expressions in n, as closures."""

_LEVELS = (("||",), ("&&",), ("==", "!=", "<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))
_OPERATORS = {
    "||": lambda a, b: lambda n: a(n) or b(n),
    "&&": lambda a, b: lambda n: a(n) and b(n),
    "==": lambda a, b: lambda n: a(n) == b(n),
    "!=": lambda a, b: lambda n: a(n) != b(n),
    "<": lambda a, b: lambda n: a(n) < b(n),
    ">": lambda a, b: lambda n: a(n) > b(n),
    "<=": lambda a, b: lambda n: a(n) <= b(n),
    ">=": lambda a, b: lambda n: a(n) >= b(n),
    "+": lambda a, b: lambda n: a(n) + b(n),
    "-": lambda a, b: lambda n: a(n) - b(n),
    "*": lambda a, b: lambda n: a(n) * b(n),
    "/": lambda a, b: lambda n: a(n) // b(n),
    "%": lambda a, b: lambda n: a(n) % b(n),
}


class _Reader:
    """Reads tokens that gettext's own parser has found to be good."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.at = 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self):
        token = self.peek()
        self.at += 1
        return token

    def choice(self):
        test = self.binary(0)
        if self.peek() != "?":
            return test
        self.take()
        yes = self.choice()
        self.take()  # the colon
        no = self.choice()
        return lambda n: yes(n) if test(n) else no(n)

    def binary(self, level):
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek() in _LEVELS[level]:
            left = _OPERATORS[self.take()](left, self.binary(level + 1))
        return left

    def unary(self):
        token = self.take()
        if token == "!":
            inner = self.unary()
            return lambda n: not inner(n)
        if token == "(":
            inner = self.choice()
            self.take()
            return inner
        if token == "n":
            return lambda n: n
        number = int(token, 10)
        return lambda n: number


def apply(module):
    def c2py(plural):
        """A function of n for the C expression `plural`."""
        if len(plural) > 1000:
            raise ValueError("plural form expression is too long")
        try:
            _, left = module._parse(module._tokenize(plural))
            if left:
                raise module._error(left)
            depth = 0
            for c in plural:
                depth += (c == "(") - (c == ")")
                if depth > 20:
                    raise ValueError("plural form expression is too complex")
            function = _Reader([token for token in module._tokenize(plural) if token]).choice()
        except RecursionError:
            raise ValueError("plural form expression is too complex") from None
        return lambda n: int(function(n if isinstance(n, int) else module._as_int(n)))

    module.c2py = c2py
