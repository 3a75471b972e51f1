"""Expressions read without the compiler: names, attributes, subscripts, literals, displays, `|`, `+`, `-`.

That is what annotations in quotes, ast.literal_eval, the defaults in text signatures and logging's fileConfig hold.
Nothing here calls anything: a call is recognised, and refused when its value is asked for.
"""

import builtins

from .support import CompilerClosed

_QUOTES = ('"""', "'''", '"', "'")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_CONSTANTS = {"None": None, "True": True, "False": False, "...": Ellipsis}


def _fault(text, at, why):
    return SyntaxError(f"{why} at character {at + 1} of {text!r}")


# ---- tokens ----


def _number_end(text, at):
    end = at
    if text[at : at + 2].lower() in ("0x", "0b", "0o"):
        end += 2
    plain = end == at
    while end < len(text) and (text[end].isalnum() or text[end] in "_." or (text[end] in "+-" and plain and text[end - 1] in "eE")):
        end += 1
    return end


def _number(text, at, word):
    try:
        if word[-1] in "jJ":
            return complex(word)
        try:
            return int(word, 0)
        except ValueError:
            if word.strip("0_") == "":
                return 0
            return float(word)
    except ValueError:
        raise _fault(text, at, "invalid number") from None


def _string(text, at, prefix):
    """-> the value of the literal whose quotes begin at `at`, and where it ends."""
    quote = next(q for q in _QUOTES if text.startswith(q, at))
    end = at + len(quote)
    while not text.startswith(quote, end):
        if end >= len(text) or (text[end] == "\n" and len(quote) == 1):
            raise _fault(text, at, "unterminated string")
        end += 2 if text[end] == "\\" else 1
    body = text[at + len(quote) : end]
    kind = prefix.lower()
    if "f" in kind or "t" in kind:
        raise CompilerClosed("the compiler is closed: f-strings inside of text cannot be evaluated")
    if "b" in kind:
        if not body.isascii():
            raise _fault(text, at, "bytes can only contain ASCII characters")
        value = body.encode()
        if "r" not in kind:
            import codecs

            value = codecs.escape_decode(value)[0]
    else:
        value = body
        if "r" not in kind and "\\" in body:
            value = body.encode("latin-1", "backslashreplace").decode("unicode_escape")
    return value, end + len(quote)


def _tokens(text):
    """(kind, value, position): kind is "name", "value" or the punctuation itself."""
    at = 0
    while at < len(text):
        c = text[at]
        if c in " \t\f\r\n":
            at += 1
        elif c == "\\" and text[at + 1 : at + 2] == "\n":
            at += 2
        elif c == "#":
            newline = text.find("\n", at)
            at = len(text) if newline < 0 else newline
        elif c.isdecimal() or (c == "." and text[at + 1 : at + 2].isdecimal()):
            end = _number_end(text, at)
            yield "value", _number(text, at, text[at:end]), at
            at = end
        elif c in "\"'":
            value, end = _string(text, at, "")
            yield "value", value, at
            at = end
        elif c.isidentifier():
            end = at + 1
            while end < len(text) and text[at : end + 1].isidentifier():
                end += 1
            word = text[at:end]
            if text[end : end + 1] in ("'", '"') and word.lower() in ("r", "b", "u", "f", "t", "rb", "br", "rf", "fr", "rt", "tr"):
                value, stop = _string(text, end, word)
                yield "value", value, at
                at = stop
            else:
                yield "name", word, at
                at = end
        else:
            size = 3 if text.startswith("...", at) else 2 if text.startswith("**", at) else 1
            yield text[at : at + size], None, at
            at += size
    yield "end", None, len(text)


# ---- trees ----


class Expression:
    """A read expression. `parts` is a tuple: its kind, then what that kind has."""

    __slots__ = ("parts", "text")

    def __init__(self, parts, text):
        self.parts = parts
        self.text = text

    def evaluate(self, globals, locals=None):
        return _evaluate(self.parts, globals, globals if locals is None else locals)

    def literal(self):
        try:
            return _literal(self.parts)
        except _NoLiteral:
            raise ValueError(f"malformed node or string: {self.text!r}") from None


class _Reader:
    def __init__(self, text):
        self.text = text
        self.tokens = list(_tokens(text))
        self.at = 0

    @property
    def kind(self):
        return self.tokens[self.at][0]

    def take(self, *kinds):
        """The token when it is one of these, else None."""
        token = self.tokens[self.at]
        if token[0] in kinds:
            self.at += 1
            return token
        return None

    def need(self, kind):
        if not self.take(kind):
            raise self.fault()

    def fault(self):
        kind, value, at = self.tokens[self.at]
        if kind == "name" or kind == "value":
            return _fault(self.text, at, "invalid syntax")
        return _fault(self.text, at, "unexpected end" if kind == "end" else f"unexpected {kind!r}")

    # binary operators, loosest first
    LEVELS = (("|",), ("^",), ("&",), ("+", "-"))

    def expression(self, level=0):
        if level == len(self.LEVELS):
            return self.unary()
        left = self.expression(level + 1)
        while True:
            token = self.take(*self.LEVELS[level])
            if not token:
                return left
            left = ("binary", token[0], left, self.expression(level + 1))

    def unary(self):
        token = self.take("+", "-", "~")
        if token:
            return ("unary", token[0], self.unary())
        return self.primary()

    def primary(self):
        value = self.atom()
        while True:
            if self.take("."):
                token = self.take("name")
                if not token:
                    raise self.fault()
                value = ("attribute", value, token[1])
            elif self.take("["):
                value = ("subscript", value, self.items("]", True))
            elif self.take("("):
                value = ("call", value, self.arguments())
            else:
                return value

    def atom(self):
        token = self.take("value")
        if token:
            return self.joined(token[1])
        if self.take("..."):
            return ("constant", ...)
        token = self.take("name")
        if token:
            if token[1] in _CONSTANTS:
                return ("constant", _CONSTANTS[token[1]])
            if token[1] in _KEYWORDS:
                self.at -= 1
                raise self.fault()
            return ("name", token[1])
        token = self.take("(", "[", "{")
        if not token:
            raise self.fault()
        if token[0] == "{":
            return self.braces()
        found = self.items(_CLOSING[token[0]], token[0] == "(")
        return found if token[0] == "(" else ("list", found)

    def joined(self, value):
        """Adjacent string literals are one."""
        while isinstance(value, (str, bytes)) and self.kind == "value":
            more = self.tokens[self.at][1]
            if type(more) is not type(value):
                raise self.fault()
            value += more
            self.at += 1
        return ("constant", value)

    def item(self):
        if self.take("*"):
            return ("star", self.expression())
        if self.kind == ":":  # a slice without a start
            return self.slice(None)
        first = self.expression()
        return self.slice(first) if self.kind == ":" and self.slices else first

    slices = False

    def slice(self, start):
        parts = [start, None, None]
        for i in (1, 2):
            if self.take(":") and self.kind not in (":", ",", "]"):
                parts[i] = self.expression()
        return ("slice", *parts)

    def items(self, closing, may_be_single):
        """Up to the closing bracket: a tuple, or the one thing inside."""
        before, self.slices = self.slices, closing == "]" and may_be_single
        found, comma = [], False
        while not self.take(closing):
            if found and not comma:
                raise self.fault()
            found.append(self.item())
            comma = bool(self.take(","))
        self.slices = before
        if may_be_single:
            if closing == "]" and not found:
                raise self.fault()
            if len(found) == 1 and not comma and found[0][0] != "star":
                return found[0]
            return ("tuple", found)
        return found

    def arguments(self):
        depth = 1
        while depth:
            token = self.tokens[self.at]
            if token[0] == "end":
                raise self.fault()
            depth += (token[0] in _CLOSING) - (token[0] in _CLOSING.values())
            self.at += 1
        return self.tokens[self.at - 2][0] == "("  # whether there are none

    def braces(self):
        if self.take("}"):
            return ("dict", [])
        first = self.expression()
        pairs = self.kind == ":"
        found = []
        value = first
        while True:
            if pairs:
                self.need(":")
                value = (value, self.expression())
            found.append(value)
            comma = self.take(",")
            if self.take("}"):
                return ("dict" if pairs else "set", found)
            if not comma:
                raise self.fault()
            value = self.expression()


_KEYWORDS = frozenset(
    "and as assert async await break class continue def del elif else except finally for from global if import in is lambda "
    "nonlocal not or pass raise return try while with yield".split()
)


def read(text):
    """The expression that the text holds. SyntaxError when it is none, or one that is not understood here."""
    reader = _Reader(text.strip(" \t"))
    first = reader.item()
    if reader.kind == ",":
        found = [first]
        while reader.take(","):
            if reader.kind == "end":
                break
            found.append(reader.item())
        first = ("tuple", found)
    if reader.kind == "name" and reader.tokens[reader.at][1] in ("if", "and", "or", "not", "in", "is", "for"):
        raise CompilerClosed(f"the compiler is closed: {text!r} is more than can be evaluated without it")
    if reader.kind in ("==", "<", ">", "*", "/", "%", "@", "**"):
        raise CompilerClosed(f"the compiler is closed: {text!r} is more than can be evaluated without it")
    if reader.kind != "end":
        raise reader.fault()
    return Expression(first, text)


# ---- values ----


def _lookup(name, globals, locals):
    try:
        return locals[name]
    except KeyError:
        pass
    if name in globals:
        return globals[name]
    home = globals.get("__builtins__", builtins)
    home = home if isinstance(home, dict) else vars(home)
    if name in home:
        return home[name]
    raise NameError(f"name {name!r} is not defined", name=name)


def _evaluate(parts, globals, locals):
    kind = parts[0]

    def value(part):
        return _evaluate(part, globals, locals)

    if kind == "constant":
        return parts[1]
    if kind == "name":
        return _lookup(parts[1], globals, locals)
    if kind == "attribute":
        return getattr(value(parts[1]), parts[2])
    if kind == "subscript":
        return value(parts[1])[value(parts[2])]
    if kind == "tuple":
        return tuple(_spread(parts[1], value))
    if kind == "list":
        return list(_spread(parts[1], value))
    if kind == "set":
        return set(_spread(parts[1], value))
    if kind == "dict":
        return {value(k): value(v) for k, v in parts[1]}
    if kind == "slice":
        return slice(*[None if part is None else value(part) for part in parts[1:]])
    if kind == "unary":
        inner = value(parts[2])
        return -inner if parts[1] == "-" else +inner if parts[1] == "+" else ~inner
    if kind == "binary":
        left, right = value(parts[2]), value(parts[3])
        if parts[1] == "|":
            return left | right
        if parts[1] == "&":
            return left & right
        if parts[1] == "^":
            return left ^ right
        return left + right if parts[1] == "+" else left - right
    raise CompilerClosed("the compiler is closed: text that calls something cannot be evaluated")


def _spread(items, value):
    for item in items:
        if item[0] == "star":
            yield from value(item[1])
        else:
            yield value(item)


class _NoLiteral(Exception):
    pass


def _literal(parts):
    kind = parts[0]
    if kind == "constant":
        return parts[1]
    if kind == "tuple":
        return tuple([_literal(part) for part in parts[1]])
    if kind == "list":
        return [_literal(part) for part in parts[1]]
    if kind == "set":
        return {_literal(part) for part in parts[1]}
    if kind == "dict":
        return {_literal(k): _literal(v) for k, v in parts[1]}
    if kind == "call" and parts[1] == ("name", "set") and parts[2]:
        return set()
    if kind == "unary" and parts[1] in "+-":
        inner = _literal(parts[2])
        if type(inner) in (int, float, complex):
            return -inner if parts[1] == "-" else +inner
    if kind == "binary" and parts[1] in "+-":
        left, right = _literal(parts[2]), _literal(parts[3])
        if type(left) in (int, float) and type(right) is complex:
            return left + right if parts[1] == "+" else left - right
    raise _NoLiteral


def evaluate(source, globals=None, locals=None, /):
    """In the place of eval, for one module: what read() gave, text, or a code object."""
    globals = {} if globals is None else globals
    if isinstance(source, str):
        source = read(source)
    if isinstance(source, Expression):
        return source.evaluate(globals, locals)
    return builtins.eval(source, globals, locals)


def compile_expression(source, filename, mode, *rest, **more):
    """In the place of compile, for one module that compiles expressions and evaluates them with evaluate()."""
    if mode != "eval" or not isinstance(source, str):
        return builtins.compile(source, filename, mode, *rest, **more)
    return read(source)
