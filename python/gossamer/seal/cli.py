"""The commands `gossamer seal`, `gossamer inspect` and `gossamer runtime`."""

from __future__ import annotations

import argparse
import collections
import os
import shutil
import sys
from typing import Any, NoReturn, Sequence

from . import build, pack, plan, sign

REFUSED = 2

SEAL_EPILOG = """\
examples:
  gossamer seal server.py                          server.gos: the program, its dependencies, its part of the standard library
  gossamer seal -m http.server -o files.gos        a module, as python -m runs it
  gossamer seal --entry black:patched_main         what a console script calls
  gossamer seal server.py --key release.key        signed, for gossamer-run --key release.pub
  gossamer seal server.py --launcher gossamer-run  server: launcher and archive in one file
  gossamer seal --check server.py                  only say what will ask for the compiler

The dependencies are those that this Python can import; run the command with the Python of the program's environment.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}\nTry '{self.prog} --help'.", file=sys.stderr)
        raise SystemExit(2)


def _parser(prog: str, description: str, epilog: str = "") -> _Parser:
    return _Parser(prog=prog, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter)


def _complain(prog: str, error: object) -> int:
    print(f"{prog}: {error}", file=sys.stderr)
    return REFUSED


class _Bar:
    """A moving bar on a terminal, nothing elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self.live = sys.stderr.isatty() and not quiet
        self.shown = -1

    def __call__(self, done: int, total: int, name: str) -> None:
        percent = 100 * done // max(total, 1)
        if not self.live or percent == self.shown:
            return
        self.shown = percent
        room = max(20, shutil.get_terminal_size().columns - 42)
        bar = "#" * (percent * 30 // 100)
        print(f"\r\033[K[{bar:30}] {percent:3}% {name[:room]}", end="" if done < total else "\r\033[K", file=sys.stderr, flush=True)


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} KB"


def _report(rows: list[tuple[str, int, int]], total: int) -> None:
    """Sizes by package, largest first; rows are (group, bytes in the file, bytes unpacked)."""
    groups: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0, 0])
    for group, stored, size in rows:
        row = groups[group]
        row[0] += 1
        row[1] += stored
        row[2] += size
    width = max([len(group) for group in groups] + [7])
    print(f"{'package':{width}}  {'members':>7}  {'in file':>10}  {'unpacked':>10}")
    for group, (count, stored, size) in sorted(groups.items(), key=lambda item: (-item[1][1], item[0])):
        print(f"{group:{width}}  {count:7}  {_size(stored):>10}  {_size(size):>10}")
    print(f"{'the file':{width}}  {len(rows):7}  {_size(total):>10}")


# ---- seal ----


def _pair(text: str) -> tuple[str, str]:
    name, found, path = text.partition("=")
    if not found or not name or not path:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=PATH")
    return name, path


def _seal_parser() -> _Parser:
    parser = _parser("gossamer seal", "Pack a program, compiled, into one file that gossamer-run verifies and runs.", SEAL_EPILOG)
    parser.add_argument("app", metavar="APP", nargs="?", default="", help="a file, or a folder with __main__.py")
    parser.add_argument("-m", dest="module", metavar="MODULE", default="", help="instead of APP: a module or package to run")
    parser.add_argument("--entry", metavar="MODULE:FUNCTION", default="", help="instead of APP: a function to call")
    parser.add_argument("-o", dest="output", metavar="FILE", help="where to write (default: the program's name and .gos)")
    parser.add_argument("--include", metavar="NAME", action="append", default=[], help="a module or whole package that no import shows")
    parser.add_argument("--exclude", metavar="NAME", action="append", default=[], help="a module or package to leave out")
    parser.add_argument("--path", metavar="DIR", action="append", default=[], dest="paths", help="search this folder for modules first")
    parser.add_argument("--data", metavar="NAME=PATH", action="append", default=[], type=_pair, help="a file or folder, under this name")
    parser.add_argument("--extensions", choices=["embed", "refuse"], default="embed", help="extension modules: pack them, or refuse")
    parser.add_argument("--optimize", type=int, choices=[0, 1, 2], default=0, help="as python -O and -OO; default 0")
    parser.add_argument("--no-docstrings", action="store_true", help="leave docstrings out, keep assert statements")
    parser.add_argument("--compress", action="store_true", help="smaller, and slower to start")
    parser.add_argument("--strip", action="store_true", help="extension modules without debugging symbols (needs the tool strip)")
    parser.add_argument("--deny", choices=["ctypes"], action="append", default=[], help="refuse this module at run time")
    parser.add_argument("--key", metavar="FILE", help="sign with this minisign secret key")
    parser.add_argument("--launcher", metavar="FILE", help="put this gossamer-run before the archive: one file that runs")
    parser.add_argument("--check", action="store_true", help="write nothing; list each place that will ask for the compiler")
    parser.add_argument("--new-key", metavar="NAME", help="write nothing but a key pair, NAME.key and NAME.pub")
    parser.add_argument("-q", "--quiet", action="store_true", help="no report")
    return parser


def _output_of(options: argparse.Namespace) -> str:
    if options.output:
        return str(options.output)
    name = options.entry.partition(":")[0] or options.module or os.path.basename(os.path.normpath(options.app)).removesuffix(".py")
    return str(name) + ("" if options.launcher else ".gos")


def _launcher(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read()
    if b"gossamer-run --help" not in data:
        raise plan.PlanError(f"{path} is no gossamer-run; `gossamer runtime build` makes it")
    return data


def _do_seal(options: argparse.Namespace, bar: _Bar) -> int:
    request = plan.Request(
        options.app, options.module, options.entry, options.include, options.exclude, options.paths, options.data, options.extensions
    )
    secret = sign.read_secret(options.key) if options.key and not options.check else None
    launcher = _launcher(options.launcher) if options.launcher else b""
    found = plan.make(request)
    if options.check:
        from . import check

        return check.report(found)
    choices = pack.Options(options.optimize, not options.no_docstrings, options.compress, options.strip, options.deny)
    packed = pack.members(found.graph, choices, bar)
    data = pack.archive(packed, found.main, choices, found.shims, (lambda text: sign.sign(secret, text)) if secret else None)
    output = _output_of(options)
    pack.write(output, launcher + data, 0o755 if launcher else 0o644)
    if options.quiet:
        return 0
    _report([(m.group, len(m.stored), m.size) for m in packed], len(data))
    if found.libraries:
        print("\nextension modules, and the libraries of the system that they load:")
        for name, libraries in sorted(found.libraries.items()):
            print(f"  {name:24} {', '.join(libraries) or '-'}")
    outside = [m for m in found.graph.missing if found.graph.modules and m.file and not _is_stdlib(m.file)]
    if outside:
        print("\nnot found, so not in the archive (mostly optional):")
        for m in sorted(outside, key=lambda m: m.name):
            print(f"  {m.name:24} {m.file}:{m.line}")
    print(f"\n{output}{', signed' if secret else ''}")
    return 0


def _is_stdlib(file: str) -> bool:
    import sysconfig

    return file.startswith(sysconfig.get_path("stdlib") + os.sep) and "site-packages" not in file


def seal(arguments: Sequence[str]) -> int:
    parser = _seal_parser()
    options = parser.parse_args(arguments)
    if options.new_key:
        try:
            secret, public = sign.new_pair(options.new_key)
        except (sign.SignError, OSError) as error:
            return _complain("gossamer seal", error)
        print(f"{secret}  secret: keep it to yourself\n{public}  public: for gossamer-run --key and gossamer runtime build --key")
        return 0
    if sum(map(bool, (options.app, options.module, options.entry))) != 1:
        parser.error("what shall be sealed? Give one of APP, -m MODULE and --entry MODULE:FUNCTION")
    bar = _Bar(options.quiet)
    try:
        return _do_seal(options, bar)
    except (plan.PlanError, sign.SignError, OSError, ValueError) as error:
        return _complain("gossamer seal", error)


# ---- inspect ----


def inspect(arguments: Sequence[str]) -> int:
    parser = _parser("gossamer inspect", "Show what a sealed archive holds. Exit status 2 when it is refused.")
    parser.add_argument("archive", metavar="ARCHIVE")
    parser.add_argument("--verify", action="store_true", help="verify every byte of the file")
    parser.add_argument("--key", metavar="FILE", help="a minisign public key that must have signed it")
    parser.add_argument("--list", action="store_true", help="list the members, with their SHA-256")
    parser.add_argument("--manifest", action="store_true", help="print the manifest as it is, and nothing else")
    options = parser.parse_args(arguments)
    from .. import _seal

    try:
        archive = _seal.Archive(options.archive, embedded=True)
        if options.key:
            if archive.signature is None:
                raise sign.SignError(f"{options.archive} is not signed, but a key is pinned")
            sign.verify(sign.read_public(options.key), archive.manifest, archive.signature)
        if options.verify:
            archive.verify()
    except (_seal.ArchiveError, sign.SignError, OSError) as error:
        return _complain("gossamer inspect", error)
    if options.manifest:
        sys.stdout.write(archive.manifest.decode())
        return 0
    _show(archive, options)
    return 0


def _show(archive: Any, options: argparse.Namespace) -> None:
    signed = "no" if archive.signature is None else "yes, with the given key" if options.key else "yes (give --key to check by whom)"
    shims = [value.split()[0] for key, value in archive.settings if key == "shim"]
    for key, value in archive.settings:
        if key != "shim":
            print(f"{key:12}{value}")
    print(f"{'repaired':12}{', '.join(shims) or '-'}")
    print(f"{'signed':12}{signed}")
    print(f"{'verified':12}{'every byte' if options.verify else 'manifest and directory (give --verify for the rest)'}\n")
    if options.list:
        for name, kind, _, stored, _, sha256, deflated in archive.members:
            print(f"{sha256.hex()}  {stored:9} {kind:10}{'deflated' if deflated else '':9} {name}")
        return
    tops: dict[str, bool] = {name.partition("/")[0]: True for name, *_ in archive.members if "/" in name}
    rows = []
    for name, _, _, stored, size, _, _ in archive.members:
        top, slash, _ = name.partition("/")
        rows.append((top if slash and tops.get(top) else "(single modules)", stored, size))
    _report(rows, os.path.getsize(options.archive))


# ---- runtime ----


def runtime(arguments: Sequence[str]) -> int:
    parser = _parser("gossamer runtime", "Build gossamer-run, the launcher of sealed archives, for this Python.")
    parser.add_argument("action", choices=["build"], metavar="build", help="compile it; needs a C compiler")
    parser.add_argument("-o", dest="output", metavar="FILE", default="gossamer-run", help="where to write it (default: gossamer-run)")
    parser.add_argument("--key", metavar="FILE", help="build this minisign public key in: only archives signed with it run")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--static", action="store_const", const=False, dest="shared", help="link libpython statically, or fail")
    group.add_argument("--shared", action="store_const", const=True, dest="shared", help="use the shared libpython, or fail")
    parser.add_argument("--no-sodium", action="store_const", const=False, dest="sodium", help="without libsodium: no signatures")
    options = parser.parse_args(arguments)
    try:
        key = None
        if options.key:
            import base64

            key = base64.b64encode(sign.read_public(options.key)).decode()
            if options.sodium is False:
                parser.error("--key needs libsodium: leave --no-sodium out")
        build.build(options.output, key=key, shared=options.shared, sodium=options.sodium)
    except (build.BuildError, sign.SignError, OSError) as error:
        return _complain("gossamer runtime", error)
    print(f"{options.output}, for Python {sys.version.split()[0]}")
    return 0
