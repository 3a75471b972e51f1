"""The commands `gossamer trace view` and `gossamer trace svg`."""

import os
import re
import sys
from typing import Any, Sequence

VIEW_EPILOG = """\
examples:
  gossamer trace view run.pftrace                 makes run.html; open it in any browser, also without a network
  gossamer trace view -o page.html run.gostrace

The page holds the whole trace. In it, ? shows the keys. Documents can link into it: page.html#2000000-5000000 shows the time between
2 ms and 5 ms, page.html#find=worker searches.
"""
SVG_EPILOG = """\
examples:
  gossamer trace svg run.pftrace                  makes run.svg of all of it
  gossamer trace svg --range 2ms:5ms -o wait.svg run.pftrace

Times are from the first event on: 250us, 2.5ms, 1s, or nanoseconds.
"""
_UNITS = {"": 1, "ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


def _range(text: str, parser: Any) -> "tuple[int, int]":
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ns|us|ms|s|):(\d+(?:\.\d+)?)(ns|us|ms|s|)", text)
    if not match:
        parser.error(f"--range needs two times, as in 2ms:5ms, not '{text}'")
        raise SystemExit(2)
    return round(float(match[1]) * _UNITS[match[2]]), round(float(match[3]) * _UNITS[match[4]])


def main(command: str, arguments: Sequence[str], make_parser: Any) -> int:
    makes = "one page that shows a trace" if command == "view" else "a drawing of a time range of a trace"
    parser = make_parser(f"gossamer trace {command}", f"Make {makes}.", VIEW_EPILOG if command == "view" else SVG_EPILOG)
    parser.add_argument("file", metavar="FILE", help="a .pftrace of gossamer, or a file of the recorder")
    parser.add_argument("-o", "--output", metavar="FILE", help="what to write; if not given, FILE with the other suffix")
    if command == "svg":
        parser.add_argument("--range", metavar="FROM:TO", help="which time; if not given, all")
        parser.add_argument("--width", metavar="PIXELS", default="1000", help="%(default)s if not given")
    options = parser.parse_args(arguments)
    output = options.output or os.path.splitext(options.file)[0] + (".html" if command == "view" else ".svg")
    begin, end = _range(options.range, parser) if command == "svg" and options.range else (None, None)
    if command == "svg" and not (options.width.isdecimal() and 300 <= int(options.width) <= 10_000):
        parser.error(f"--width needs a number from 300 to 10000, not '{options.width}'")
    try:
        if command == "view":
            from . import _view

            _view.write(options.file, output)
        else:
            from . import _svg

            _svg.write(options.file, output, begin, end, int(options.width))
    except OSError as error:
        print(f"gossamer trace {command}: '{error.filename or options.file}': {error.strerror}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"gossamer trace {command}: {error}", file=sys.stderr)
        return 1
    print(f"Written to {output} ({os.path.getsize(output) / 1e6:.1f} MB)", file=sys.stderr)
    return 0
