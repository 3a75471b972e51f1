"""Run every example and compare what it prints with examples/expected/: python examples/run_all.py [NAME ...]

`--update` writes the expected files anew.  Addresses and line numbers of frames are left out of the comparison.
"""

import difflib
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
EXPECTED = os.path.join(HERE, "expected")


def neutral(text):
    """The text without what differs from run to run, or from one Python to the next."""
    text = re.sub(r"0x[0-9a-f]{6,}", "0x...", text)
    text = text.replace(HERE + os.sep, "examples/")
    # Python 3.13 marks columns in other cases than 3.11 does.
    return re.sub(r"^ +[~^]+\n", "", text, flags=re.M)


def run(name, update):
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, os.path.join(HERE, name + ".py")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    printed = neutral(done.stdout)
    path = os.path.join(EXPECTED, name + ".txt")
    if update:
        with open(path, "w") as file:
            file.write(printed)
    try:
        with open(path) as file:
            expected = file.read()
    except FileNotFoundError:
        expected = ""
    good = done.returncode == 0 and printed == expected
    print(f"{name:16} {'ok' if good else 'FAILED'}  {seconds:.2f} s", flush=True)
    if not good:
        print(f"exit status {done.returncode}; expected (-) and printed (+):")
        sys.stdout.writelines(difflib.unified_diff(expected.splitlines(True), printed.splitlines(True), n=100))
    return good


def main():
    names = [name.removesuffix(".py") for name in sys.argv[1:] if not name.startswith("-")]
    update = "--update" in sys.argv[1:]
    if not names:
        names = sorted(f[:-3] for f in os.listdir(HERE) if f.endswith(".py") and f != "run_all.py")
    good = [run(name, update) for name in names]
    print(f"{sum(good)} of {len(good)} examples passed")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
