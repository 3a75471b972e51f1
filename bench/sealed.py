"""Figures of the sealed runtime, beside the interpreter itself and other ways to ship a program, in one run.

    python bench/sealed.py                 everything; some minutes
    python bench/sealed.py --rounds 5      quicker, for a smoke test
    python bench/sealed.py --check         fail when a must does not hold
    python bench/sealed.py --json FILE     all samples

Rows: start-up to the first line of main; importing json and asyncio (behind the start); resident memory of hello
world; bytes on disk; time to verify 20 MB. Peers take turns, sample by sample. A peer that is not installed is left
out with a word (pip install shiv pyinstaller). The clock is the wall's, from spawning the process to the first byte
of its output, for imports the processor's; the least of all rounds is compared, since other work on the machine only
adds.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipapp

HELLO = "print('x', flush=True)\n"
IMPORTS = "import time\nbegun = time.process_time()\nimport {name}\nprint((time.process_time() - begun) * 1000, flush=True)\n"
MEMORY = (
    "text = open('/proc/self/smaps_rollup').read()\n"
    "print(next(line.split()[1] for line in text.splitlines() if line.startswith('Rss:')), flush=True)\n"
)

# row -> [(level, what it is compared with, factor)] or an absolute bound under the name "at most"
TARGETS = {
    "start, ms": [("must", "python -I -S -E", 0.85), ("aim", "at most", 7.0)],
    "import json, ms": [("must", "python -I -S -E", 1.0)],
    "import asyncio, ms": [("must", "python -I -S -E", 1.0)],
    "memory, MB": [("must", "python -I -S -E", 1.0), ("aim", "at most", 8.0)],
    "disk, MB": [("must", "at most", 12.0), ("aim", "at most", 10.0)],
}


def command(*words, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, **more)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}")
    return done.stdout


def gossamer(*words):
    return command(sys.executable, "-m", "gossamer", *words)


# ---- ways to ship: each makes {peer: command line} for one program ----


def sealed(folder, name, text, launcher):
    (folder / f"{name}.py").write_text(text)
    gossamer("seal", "-q", "--strip", folder / f"{name}.py", "-o", folder / f"{name}.gos", "--include", "json", "--include", "asyncio")
    return [str(launcher), str(folder / f"{name}.gos")]


def as_zipapp(folder, name, text):
    source = folder / f"zip-{name}"
    source.mkdir()
    (source / "__main__.py").write_text(text)
    zipapp.create_archive(source, folder / f"{name}.pyz", compressed=True)
    return [sys.executable, str(folder / f"{name}.pyz")]


def as_shiv(folder, name, text):
    shiv = shutil.which("shiv") or str(pathlib.Path(sys.executable).with_name("shiv"))
    if not os.path.exists(shiv):
        raise RuntimeError("shiv is not installed")
    source = folder / f"shiv-{name}"
    source.mkdir()
    (source / f"{name}_main.py").write_text("def main():\n" + "".join(f"    {line}\n" for line in text.splitlines()))
    command(shiv, "-q", "--site-packages", source, "-e", f"{name}_main:main", "-o", folder / f"{name}.shiv", env={**os.environ, "SHIV_ROOT": str(folder)})
    return [sys.executable, str(folder / f"{name}.shiv")]


def as_pyinstaller(folder, name, text):
    try:
        import PyInstaller  # noqa: F401
    except ImportError:
        raise RuntimeError("PyInstaller is not installed") from None
    (folder / f"{name}_one.py").write_text(text)
    command(sys.executable, "-m", "PyInstaller", "--onefile", "--log-level", "ERROR", "--distpath", folder / "dist", "--workpath", folder / "work",
            "--specpath", folder, folder / f"{name}_one.py")  # fmt: skip
    return [str(folder / "dist" / f"{name}_one")]


def prepare(folder, name, text, launcher, left_out):
    (folder / f"{name}.py").write_text(text)
    ways = {"sealed": sealed(folder, name, text, launcher)}
    ways["python -I -S -E"] = [sys.executable, "-I", "-S", "-E", str(folder / f"{name}.py")]
    ways["python -I"] = [sys.executable, "-I", str(folder / f"{name}.py")]
    for peer, make in (("zipapp", as_zipapp), ("shiv", as_shiv), ("PyInstaller one-file", as_pyinstaller)):
        if peer in left_out:
            continue
        try:
            ways[peer] = make(folder, name, text)
        except RuntimeError as error:
            left_out[peer] = str(error)
    return ways


# ---- samples ----


def first_output(words):
    """-> milliseconds to the first byte, the output."""
    begun = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "SHIV_ROOT": tempfile.gettempdir()})
    first = process.stdout.read(1)
    took = (time.perf_counter() - begun) * 1000
    rest = process.stdout.read()
    if process.wait() or not first:
        raise RuntimeError(f"{words[0]} failed")
    return took, (first + rest).decode()


def measure(ways, rounds, from_output):
    samples = {peer: [] for peer in ways}
    for _ in range(rounds):
        for peer, words in ways.items():
            took, said = first_output(words)
            samples[peer].append(float(said) if from_output else took)
    return samples


def instructions(words):
    """User instructions of one run in millions, by perf; None where there is no counter. Steadier than the clock."""
    if not shutil.which("perf"):
        return None
    done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    found = re.search(r"^(\d+),", done.stderr, re.M)
    return int(found[1]) / 1e6 if found else None


def disk(folder, launcher, name):
    return (launcher.stat().st_size + (folder / f"{name}.gos").stat().st_size) / 1e6


def verify_20_mb(folder, rounds):
    """Milliseconds for all bytes of an archive of 20 MB."""
    from gossamer import _seal

    (folder / "big.bin").write_bytes(os.urandom(20_000_000))
    gossamer("seal", "-q", folder / "start.py", "-o", folder / "big.gos", "--data", f"big.bin={folder / 'big.bin'}")
    took = []
    for _ in range(rounds):
        begun = time.perf_counter()
        _seal.Archive(folder / "big.gos").verify()
        took.append((time.perf_counter() - begun) * 1000)
    return {"sealed": took}


# ---- the report ----


def show(row, samples):
    """Print one row; -> whether each must holds."""
    best = {peer: min(values) for peer, values in samples.items()}
    print(f"\n{row}")
    for peer, value in sorted(best.items(), key=lambda item: item[1]):
        print(f"  {peer:22} {value:9.2f}   median {statistics.median(samples[peer]):9.2f}")
    good = True
    for level, against, factor in TARGETS.get(row, ()):
        bound = factor if against == "at most" else best[against] * factor
        holds = best["sealed"] <= bound
        text = f"at most {factor:g}" if against == "at most" else f"{factor:g} of {against}"
        print(f"  {level}: {text}: {'holds' if holds else 'DOES NOT HOLD'} ({best['sealed']:.2f} against {bound:.2f})")
        good = good and (holds or level != "must")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--check", action="store_true", help="exit status 1 when a must does not hold")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    left_out, rows, good = {}, {}, True
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        launcher = folder / "gossamer-run"
        print(gossamer("runtime", "build", "-o", launcher).strip())
        ways = prepare(folder, "start", HELLO, launcher, left_out)
        rows["start, ms"] = measure(ways, options.rounds, False)
        rows["instructions of start, millions"] = {peer: [found] for peer, words in ways.items() if (found := instructions(words))}
        rows["memory, MB"] = {
            peer: [value / 1024 for value in values]
            for peer, values in measure(prepare(folder, "memory", MEMORY, launcher, {**left_out}), 3, True).items()
        }
        for module in ("json", "asyncio"):
            text = IMPORTS.format(name=module)
            few = {p: w for p, w in prepare(folder, f"import_{module}", text, launcher, dict.fromkeys(("zipapp", "shiv", "PyInstaller one-file"), "")).items()}
            rows[f"import {module}, ms"] = measure(few, options.rounds, True)
        gossamer("seal", "-q", folder / "start.py", "-o", folder / "small.gos")
        rows["disk, MB"] = {"sealed": [disk(folder, launcher, "small")]}
        for peer, words in ways.items():
            if peer in ("PyInstaller one-file",):
                rows["disk, MB"][peer] = [os.path.getsize(words[0]) / 1e6]
        rows["verify 20 MB, ms"] = verify_20_mb(folder, max(3, options.rounds // 4))
        for row, samples in rows.items():
            if samples:
                good = show(row, samples) and good
    for peer, why in left_out.items():
        print(f"\nleft out: {peer}: {why}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"python": sys.version, "rows": rows}, indent=1))
    return 1 if options.check and not good else 0


if __name__ == "__main__":
    sys.exit(main())
