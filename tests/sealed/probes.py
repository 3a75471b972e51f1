"""Features of the standard library that need, or seem to need, the compiler: which work in a sealed program, which refuse.

Runs sealed and unsealed: `python tests/sealed/probes.py` says the same but for the refusals. Prints "NAME: works",
"NAME: refuses", or what was wrong.
"""
import argparse, ast, asyncio, code, codeop, collections, contextlib, copy, ctypes, dataclasses, decimal, doctest, enum, functools  # noqa: E401
import gettext, http.client, http.server, importlib.util, inspect, io, json, logging.config, operator, os, pdb, pickle, pstats, queue  # noqa: E401
import re, runpy, sched, sqlite3, string, subprocess, sys, threading, time, timeit, tomllib, traceback, types, typing, unittest  # noqa: E401
import unittest.mock, urllib.parse  # noqa: E401

WORKS, REFUSES = [], []


def works(function):
    WORKS.append(function)
    return function


def refuses(function):
    REFUSES.append(function)
    return function


Point = collections.namedtuple("Point", "x y", defaults=[5])
Wide = collections.namedtuple("Wide", [f"f{i}" for i in range(300)])


class Typed(typing.NamedTuple):
    a: int
    b: "list[int]" = []


class Movie(typing.TypedDict, total=False):
    name: str


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass(order=True)
class Item:
    name: str
    price: float = 1.5
    tags: list = dataclasses.field(default_factory=list, compare=False)
    total: dataclasses.InitVar[int] = 3

    def __post_init__(self, total):
        self.total_was = total


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    a: int
    b: int = 2


def raises(kind, function, *arguments, **keywords):
    try:
        function(*arguments, **keywords)
    except kind as error:
        return str(error)
    raise AssertionError("nothing was raised")


@works
def namedtuple_values():
    assert Point(1) == (1, 5) and repr(Point(1, 2)) == "Point(x=1, y=2)" and Point(y=1, x=2)._asdict() == {"x": 2, "y": 1}
    assert Point(1)._replace(x=3) == (3, 5) and Point._make([1, 2]).y == 2 and Point.__match_args__ == ("x", "y")


@works
def namedtuple_errors():
    assert raises(TypeError, Point) == "Point.__new__() missing 1 required positional argument: 'x'"
    assert "unexpected keyword argument 'z'" in raises(TypeError, Point, 1, z=2)
    assert "takes from 2 to 3 positional arguments but 4 were given" in raises(TypeError, Point, 1, 2, 3)
    assert "cannot be a keyword" in raises(ValueError, collections.namedtuple, "N", "class")


@works
def namedtuple_pickle_copy_signature():
    assert pickle.loads(pickle.dumps(Point(1))) == Point(1) and copy.copy(Point(2)) == Point(2)
    assert str(inspect.signature(Point)) == "(x, y=5)" and Point.x.__doc__ == "Alias for field number 0"


@works
def namedtuple_of_300_fields():
    assert Wide(*range(300)).f299 == 299 and len(inspect.signature(Wide).parameters) == 300
    assert "missing 1 required positional argument: 'f299'" in raises(TypeError, Wide, *range(299))


@works
def typing_namedtuple():
    assert Typed(1) == (1, []) and Typed.__annotations__["a"] is int


@works
def typed_dict():
    assert Movie(name="x") == {"name": "x"} and Movie.__total__ is False


@works
def enums():
    assert Colour["RED"].value == 1 and enum.Flag("F", "A B").B.value == 2 and enum.Enum("G", ["X"]).X.name == "X"


@works
def dataclass_values():
    assert Item("a") == Item("a", tags=[1]) and repr(Item("a")) == "Item(name='a', price=1.5, tags=[])" and Item("a") < Item("b")
    assert Item("a", total=7).total_was == 7 and dataclasses.replace(Item("a"), name="b", total=1).name == "b"


@works
def dataclass_frozen_and_slots():
    assert hash(Fixed(a=1)) == hash(Fixed(a=1)) and raises(dataclasses.FrozenInstanceError, setattr, Fixed(a=1), "a", 2) == "cannot assign to field 'a'"
    assert not hasattr(Fixed(a=1), "__dict__") and "takes 1 positional argument" in raises(TypeError, Fixed, 1)


@works
def make_dataclass():
    made = dataclasses.make_dataclass("M", [("x", int), ("y", int, 4)])
    assert made(1).y == 4 and str(inspect.signature(made)) == "(x: int, y: int = 4) -> None"


@works
def dataclass_as_dict_and_pickle():
    assert dataclasses.asdict(Item("a"))["price"] == 1.5 and pickle.loads(pickle.dumps(Item("a"))) == Item("a")


@works
def annotations_in_quotes():
    def f(a: "int | None", b: "typing.Optional[Point]", c: "typing.Callable[[int], str]", d: "typing.Literal['x', -1]" = "x") -> "Typed":
        pass

    hints = typing.get_type_hints(f)
    assert hints["a"] == int | None and hints["b"] == typing.Optional[Point] and hints["d"] == typing.Literal["x", -1]
    assert inspect.get_annotations(f, eval_str=True)["return"] is Typed


@works
def annotation_that_is_no_expression():
    assert "must be an expression" in raises(SyntaxError, typing.ForwardRef, "a b")


@works
def single_dispatch():
    @functools.singledispatch
    def f(x):
        return "any"

    @f.register
    def _(x: int):
        return "int"

    assert f(1) == "int" and f("") == "any"


@works
def functools_rest():
    @functools.total_ordering
    class C:
        def __init__(self, v):
            self.v = v

        def __eq__(self, other):
            return self.v == other.v

        def __lt__(self, other):
            return self.v < other.v

    assert C(1) <= C(2) and functools.partial(max, 1)(2) == 2
    cached = functools.lru_cache(lambda x: x)
    assert cached(1) == 1 and cached.cache_info().misses == 1


@works
def signature_of_python_functions():
    assert str(inspect.signature(raises)) == "(kind, function, *arguments, **keywords)"


@works
def signature_of_c_functions():
    assert str(inspect.signature(print)).startswith("(*args, sep=' ', end='\\n'") and str(inspect.signature(dict.get)) == "(self, key, default=None, /)"
    assert "maxsize" not in str(inspect.signature([].index)) and str(sys.maxsize) in str(inspect.signature([].index))


@works
def literal_eval():
    assert ast.literal_eval("{'a': [1, -2.5, (3,), b'x', None, 1+2j, {4}]}") == {"a": [1, -2.5, (3,), b"x", None, 1 + 2j, {4}]}
    assert ast.literal_eval(" 'a' \"b\"") == "ab" and ast.literal_eval("0x_ff") == 255 and ast.literal_eval("set()") == set()
    raises(ValueError, ast.literal_eval, "name")
    raises(SyntaxError, ast.literal_eval, "1 +")
    raises(SyntaxError, ast.literal_eval, "[1")


@works
def plural_forms():
    assert [gettext.c2py("n%10==1 && n%100!=11 ? 0 : n!=0 ? 1 : 2")(n) for n in (0, 1, 2, 11, 21)] == [2, 0, 1, 1, 0]
    raises(ValueError, gettext.c2py, "n+")


@works
def mock():
    def f(a, b=2):
        return a

    mocked = unittest.mock.create_autospec(f, return_value=4)
    assert mocked(1) == 4 and "missing a required argument: 'a'" in raises(TypeError, mocked)
    mocked.assert_called_once_with(1)
    assert unittest.mock.MagicMock().x.y() is not None
    with unittest.mock.patch("os.getcwd", return_value="there"):
        assert os.getcwd() == "there"


@works
def logging_dict_config():
    logging.config.dictConfig({"version": 1, "handlers": {"h": {"class": "logging.NullHandler"}}, "root": {"handlers": ["h"]}})


@works
def logging_file_config():
    logging.config.fileConfig(io.StringIO(
        "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=f\n[logger_root]\nlevel=INFO\nhandlers=h\n[handler_h]\n"
        "class=StreamHandler\nformatter=f\nargs=(sys.stderr,)\n[formatter_f]\nformat=%(message)s\n"))


@works
def timeit_of_callables():
    assert timeit.timeit(lambda: None, number=10) > 0 and len(timeit.repeat(lambda: None, number=1, repeat=2)) == 2


@works
def coroutines_of_generators():
    @types.coroutine
    def g():
        yield

    async def f():
        await g()
        return 5

    assert asyncio.run(f()) == 5


@works
def asyncio_work():
    async def f():
        return await asyncio.gather(*[asyncio.sleep(0, i) for i in range(3)])

    assert asyncio.run(f()) == [0, 1, 2]


@works
def tracebacks():
    try:
        1 / 0
    except ZeroDivisionError:
        assert "ZeroDivisionError" in traceback.format_exc()


@works
def string_things():
    assert string.Template("$a").substitute(a=1) == "1" and "{0.x}".format(Point(1)) == "1" and f"{Point(1).x!r:>3}" == "  1"


@works
def regular_expressions():
    assert re.sub(r"(?P<a>\d+)", lambda m: m["a"] * 2, "x12") == "x1212"


@works
def data_formats():
    assert json.loads(json.dumps({"a": [1.5]})) == {"a": [1.5]} and tomllib.loads("a = 1\n[b]\nc = 'x'") == {"a": 1, "b": {"c": "x"}}


@works
def urls():
    assert urllib.parse.urlsplit("http://u@h:1/p?q#f").port == 1 and urllib.parse.parse_qs("a=1") == {"a": ["1"]}


@works
def command_lines():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int)
    assert parser.parse_args(["--n", "3"]).n == 3


@works
def databases():
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        assert base.execute("select 1 + 1").fetchone() == (2,)


@works
def numbers_and_times():
    assert decimal.Decimal("0.1") * 3 == decimal.Decimal("0.3") and time.strptime("2020", "%Y").tm_year == 2020


@works
def foreign_functions():
    assert ctypes.CDLL(None).abs(-3) == 3


@works
def threads_and_queues():
    box = queue.Queue()
    thread = threading.Thread(target=box.put, args=(1,))
    thread.start()
    thread.join()
    assert box.get() == 1


@works
def processes():
    assert subprocess.run(["/bin/echo", "x"], capture_output=True).stdout == b"x\n"


@works
def unit_tests():
    class T(unittest.TestCase):
        def test(self):
            self.assertEqual(1, 1)

    assert unittest.TextTestRunner(stream=io.StringIO()).run(T("test")).wasSuccessful()


@works
def http_server_and_client():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"yes")

        def log_message(self, *what):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    client.request("GET", "/")
    assert client.getresponse().read() == b"yes"
    thread.join()
    server.server_close()


@works
def statistics_of_profiles():
    assert pstats.FunctionProfile("a", 1, 2, 3, 4, "f", 5).ncalls == "a" and sched.scheduler().empty() and operator.itemgetter(1)([1, 2]) == 2


@works
def executing_compiled_code():
    exec(urls.__code__, globals())


@refuses
def text():
    for function in (eval, exec):
        try:
            function("1")
        except NotImplementedError:
            continue
        return
    compile("1", "x", "eval")


@refuses
def trees():
    ast.parse("1")


@refuses
def consoles():
    lines = ["1"]

    def read(prompt):
        if lines:
            return lines.pop()
        raise EOFError

    code.interact(readfunc=read)


@refuses
def incomplete_commands():
    codeop.compile_command("1")


@refuses
def debugger():
    pdb.Pdb(stdin=io.StringIO("c\n"), stdout=io.StringIO()).runeval("1")


@refuses
def examples_in_docstrings():
    doctest.run_docstring_examples(text, {})


@refuses
def timed_statements():
    timeit.timeit("1", number=1)


@refuses
def source_imports():
    with contextlib.ExitStack() as stack:
        path = "/tmp/gossamer-probe-%d.py" % os.getpid()
        stack.callback(os.unlink, path)
        with open(path, "w") as file:
            file.write("x = 1\n")
        spec = importlib.util.spec_from_file_location("probe", path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


@refuses
def source_scripts():
    runpy.run_path(os.devnull)


@refuses
def pickles_that_evaluate():
    pickle.loads(b"cbuiltins\neval\n(V1\ntR.")


def main():
    for function in WORKS + REFUSES:
        try:
            function()
        except NotImplementedError as error:
            said = "refuses" if isinstance(error, SyntaxError) else f"{type(error).__name__}: {error}"
        except BaseException as error:
            said = f"{type(error).__name__}: {error} ({''.join(traceback.format_tb(error.__traceback__)[-1:]).strip()!r})"
        else:
            said = "works"
        print(f"{function.__name__}: {said}", flush=True)


if __name__ == "__main__":
    main()
