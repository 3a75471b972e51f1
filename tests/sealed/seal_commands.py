"""The commands that make and look at archives, for the tests."""
import contextlib
import io
import subprocess
import sys

from gossamer.seal import cli


def quick(command, *arguments):
    """seal or inspect in this process, which is quicker -> CompletedProcess."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = getattr(cli, command)([*map(str, arguments)])
        except SystemExit as end:
            status = end.code
    return subprocess.CompletedProcess([command, *arguments], status, out.getvalue(), err.getvalue())


def gossamer(*arguments, **more):
    """The command `gossamer`, in a process of its own."""
    return subprocess.run([sys.executable, "-m", "gossamer", *map(str, arguments)], capture_output=True, text=True, timeout=300, **more)
