"""What the bench needs from the machine: the compiled samples, and who is there in which version."""

import importlib.metadata
import os
import pathlib
import platform
import shutil
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
OUT = ROOT / "build" / "bench"
STANDARD = ("asyncio", "threading", "plain")  # peers that come with Python
CORE_LIB = ROOT / "build" / "core" / "core" / "libgossamer.a"


def say(text):
    print(f"== {text}", file=sys.stderr, flush=True)


def run_quietly(command, **options):
    """None when it worked, else the last lines of what it said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    return None if done.returncode == 0 else "\n".join(done.stdout.strip().splitlines()[-8:])


def build_go():
    """-> (command, None), or (None, why not)."""
    go = shutil.which("go")
    if go is None:
        return None, "there is no `go` command here"
    program = OUT / "gobench"
    OUT.mkdir(parents=True, exist_ok=True)
    say(f"go build {program.relative_to(ROOT)}")
    trouble = run_quietly([go, "build", "-o", str(program), "."], cwd=BENCH / "go")
    return (None, f"go build failed: {trouble}") if trouble else ([str(program)], None)


def build_c():
    """-> (command, has_boost, None), or (None, False, why not). Links the core as the C product builds it."""
    cc = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if cc is None:
        return None, False, "there is no C compiler here"
    # The script skips what is up to date, so that we never measure yesterday's core.
    trouble = run_quietly(["bash", str(ROOT / "tools" / "build.sh"), "core", sys.executable], cwd=ROOT)
    if trouble or not CORE_LIB.exists():
        why = trouble.splitlines()[-1] if trouble else f"it made no {CORE_LIB.relative_to(ROOT)}"
        return None, False, f"tools/build.sh core failed: {why}"
    program = OUT / "cbench"
    OUT.mkdir(parents=True, exist_ok=True)
    sources = [str(path) for path in sorted((BENCH / "c").glob("*.c"))]
    command = [cc, "-O3", "-flto", "-std=gnu11", f"-I{ROOT / 'include'}", *sources, str(CORE_LIB), "-lpthread", "-lm"]
    boost = ["-DHAVE_BOOST_CONTEXT", "-lboost_context"]
    say(f"{cc} bench/c/*.c -> {program.relative_to(ROOT)}")
    if run_quietly([*command, *boost, "-o", str(program)]) is None:
        return [str(program)], True, None
    trouble = run_quietly([*command, "-o", str(program)])
    return (None, False, f"{cc} failed: {trouble}") if trouble else ([str(program)], False, None)


def version_of_python_peer(name):
    """-> (version, None), or (None, why it cannot be measured)."""
    if name in STANDARD:
        return platform.python_version(), None
    # -P: a folder bench/ or the source tree itself must not stand in for the installed module.
    trouble = run_quietly([sys.executable, "-P", "-c", f"import {name}"], cwd=str(OUT.parent.parent))
    if trouble:
        return None, trouble.splitlines()[-1]
    try:
        return importlib.metadata.version(name), None
    except importlib.metadata.PackageNotFoundError:
        return "not installed as a package", None


def go_version():
    done = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True)
    return done.stdout.strip().removeprefix("go")


def c_compiler_version():
    cc = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    done = subprocess.run([cc, "--version"], capture_output=True, text=True)
    return done.stdout.splitlines()[0] if done.stdout else cc


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def source_revision():
    """The commit that is measured, with a mark when files differ from it; None outside git."""
    git = ["git", "-C", str(ROOT)]
    done = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    if done.returncode:
        return None
    changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True).stdout.strip()
    return done.stdout.strip() + (" with changes" if changed else "")
