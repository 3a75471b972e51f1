"""The command `gossamer`, also `python -m gossamer`: runs programs with tasklets, and shows demos."""

import argparse
import difflib
import sys
from typing import Any, NoReturn, Sequence

from . import __version__
from . import _run

COMMANDS = {
    "run": "run a program with module stackless importable",
    "demo": "see Gossamer work",
    "audit": "run a program, then show what its dicts take",
    "trace": "run a program, and record what its tasklets, threads and locks do",
    "ps": "show what each tasklet of a running program does",
    "top": "watch a running program: tasklets by state, switches, waits, hogs, memory",
    "seal": "pack a program, compiled, into one verified file",
    "inspect": "show and verify such a file",
    "runtime": "build the launcher that runs such files",
}
DEMOS = {
    "index": "a pipeline of tasklets indexes the standard library; then a million tasklets wait at once",
    "world": "a multi-user world over TCP, each player and creature a tasklet, and 2,000 clients that play in it",
}

EPILOG = """\
commands:
{commands}
  (gossamer COMMAND --help says more)

examples:
  gossamer run server.py --port 8000     run a program; what follows its name belongs to it
  gossamer run -m package.module arg     run a module, as python -m does
  gossamer demo index                    index the standard library, then park a million tasklets

`python -m gossamer` is the same command.
"""

RUN_EPILOG = """\
commands:
{commands}
  (gossamer COMMAND --help says more)

examples:
  gossamer run server.py --port 8000
  gossamer run -m package.module arg
  gossamer run --patch server.py         sockets, threads, sleep... are those of tasklets (gossamer.monkey)
  echo 'print(TaskletExit)' | gossamer run -

The program runs as __main__, with sys.argv, sys.path[0] and the exit status that `python PROGRAM` would give it.
Module `stackless` is importable and TaskletExit is a builtin. When a deadlock ends the program, the traceback is followed
by the wait-for graph: who waits on which channel, and the Python stack of each tasklet.
"""

DEMO_EPILOG = """\
demos:
{demos}

examples:
  gossamer demo index
  GOSSAMER_DEMO_SIZE=small gossamer demo index     a version that takes some seconds
  gossamer demo world --clients 500 --seconds 10
  gossamer demo world --serve 4000                 the world for people: telnet localhost 4000
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}", file=sys.stderr)
        print(f"Try '{self.prog} --help'.", file=sys.stderr)
        raise SystemExit(2)


def _parser(prog: str, description: str, epilog: str, **more: Any) -> _Parser:
    return _Parser(
        prog=prog, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter, **more
    )


def _check(parser: _Parser, kind: str, word: str, known: dict[str, str]) -> None:
    """End with a suggestion when the word is not known."""
    if word in known:
        return
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"there is: {', '.join(known)}"
    parser.error(f"unknown {kind} '{word}'; {hint}")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"it must be a positive number, not '{text}'")
    return int(text)


def _demo(arguments: Sequence[str]) -> int:
    listing = "\n".join(f"  {name:10}{text}" for name, text in DEMOS.items())
    parser = _parser("gossamer demo", "Show Gossamer at work.", DEMO_EPILOG.format(demos=listing))
    parser.add_argument("name", metavar="NAME", help="which demo")
    parser.add_argument("--no-colour", "--no-color", action="store_true", dest="plain", help="no colours and no moving bar")
    world = parser.add_argument_group("demo world")
    world.add_argument("--clients", type=_positive, metavar="N", help="how many clients play")
    world.add_argument("--seconds", type=_positive, metavar="N", help="how long")
    world.add_argument("--serve", metavar="[HOST:]PORT", help="no clients: let people in at this address")
    options = parser.parse_args(arguments)
    _check(parser, "demo", options.name, DEMOS)
    if options.name == "world":
        from .demo import world as world_demo

        return world_demo.main(options.plain, options.clients, options.seconds, options.serve)
    if (options.clients, options.seconds, options.serve) != (None, None, None):
        parser.error("--clients, --seconds and --serve belong to demo world")
    from .demo import index

    return index.main(plain=options.plain)


def _run_command(arguments: Sequence[str]) -> int:
    # Not left to argparse: everything after the program's name is the program's, even --help.
    parser = _parser(
        "gossamer run", "Run a program with module stackless importable.", RUN_EPILOG,
        usage="gossamer run [--patch] PROGRAM.py [ARGUMENT ...]\n       gossamer run [--patch] -m MODULE [ARGUMENT ...]",
    )  # fmt: skip
    parser.add_argument("program", metavar="PROGRAM.py", help="a file, a folder or zip file with __main__.py, or - for standard input")
    parser.add_argument("--patch", action="store_true", help="first make the standard library's blocking calls let other tasklets run")
    parser.add_argument("-m", dest="module", metavar="MODULE", help="a module or package, instead of PROGRAM.py")
    parser.add_argument("arguments", metavar="ARGUMENT", nargs="*", help="arguments of the program")
    rest = list(arguments)
    patch = rest[:1] == ["--patch"]
    if patch:
        del rest[0]
    if not rest:
        parser.error("what shall be run? Give a program (gossamer run PROGRAM.py) or a module (gossamer run -m MODULE)")
    first = rest.pop(0)
    if first in ("-h", "--help"):
        parser.print_help()
        return 0
    if patch:
        from . import monkey

        monkey.patch()
    if first == "-m":
        if not rest:
            parser.error("-m needs the name of a module")
        return _run.run_module(rest[0], rest[1:])
    if first.startswith("-m"):
        return _run.run_module(first[2:], rest)
    if first == "--" and rest:
        first = rest.pop(0)
    elif first.startswith("-") and first != "-":
        parser.error(f"unknown option '{first}'; options of the program follow its name")
    return _run.run_program(first, rest)


AUDIT_EPILOG = """\
examples:
  gossamer audit server.py --port 8000
  gossamer audit --json dicts.json -m package.module

The program runs as with `gossamer run`. When it ends, the table is written to standard error: dicts by owner and keys, what they
take, and what each remedy would save. docs/guide/lean-dicts.md explains the columns.
"""


def _audit(arguments: Sequence[str]) -> int:
    parser = _parser(
        "gossamer audit", "Run a program and show what its dicts take.", AUDIT_EPILOG,
        usage="gossamer audit [--top N] [--json FILE] PROGRAM.py [ARGUMENT ...]\n"
              "       gossamer audit [--top N] [--json FILE] -m MODULE [ARGUMENT ...]",
    )  # fmt: skip
    rest = list(arguments)
    if rest[:1] in (["-h"], ["--help"]):
        parser.print_help()
        return 0
    top, file = 20, None
    while rest and rest[0] in ("--top", "--json"):
        option = rest.pop(0)
        if not rest:
            parser.error(f"{option} needs a value")
        value = rest.pop(0)
        if option == "--json":
            file = value
        elif value.isdecimal() and int(value) > 0:
            top = int(value)
        else:
            parser.error(f"--top needs a positive number, not '{value}'")
    if not rest:
        parser.error("what shall be audited? Give a program (gossamer audit PROGRAM.py) or a module (gossamer audit -m MODULE)")
    import atexit

    atexit.register(_show_audit, top, file)
    return _run_command(rest)


def _show_audit(top: int, file: str | None) -> None:
    import json

    from .lean import audit

    report = audit()
    if file is not None:
        try:
            with open(file, "w") as out:
                json.dump(report.data(), out, indent=1)
        except OSError as error:
            print(f"gossamer audit: cannot write '{file}': {error.strerror}", file=sys.stderr)
    print(report.table(top), file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the result is the exit status."""
    if arguments is None:
        arguments = sys.argv[1:]
    listing = "\n".join(f"  {name:9}{text}" for name, text in COMMANDS.items())
    parser = _parser("gossamer", "Tasklets and channels for CPython.", EPILOG.format(commands=listing))
    parser.add_argument("--version", action="version", version=f"gossamer {__version__}")
    parser.add_argument("command", metavar="COMMAND", nargs="?", help="what to do")
    parser.add_argument("arguments", metavar="...", nargs=argparse.REMAINDER, help="what the command takes")
    if not arguments:
        parser.print_help()
        return 0
    if arguments[0].startswith("-"):
        parser.parse_args([arguments[0]])
        parser.error(f"unknown option '{arguments[0]}'")
    _check(parser, "command", arguments[0], COMMANDS)
    if arguments[0] in ("seal", "inspect", "runtime"):
        from .seal import cli

        return int(getattr(cli, arguments[0])(arguments[1:]))
    if arguments[0] == "trace":
        from .trace import cli as trace

        return trace.main(arguments[1:], _parser, _run_command)
    if arguments[0] in ("ps", "top"):
        from .telemetry import cli as telemetry

        return int(getattr(telemetry, arguments[0])(arguments[1:], _parser))
    return {"run": _run_command, "demo": _demo, "audit": _audit}[arguments[0]](arguments[1:])


if __name__ == "__main__":
    sys.exit(main())
