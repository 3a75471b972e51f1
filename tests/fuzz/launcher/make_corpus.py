"""Seeds for fuzz_launcher: command lines, key files and the archives of ../archive/make_corpus.py.

    python make_corpus.py FOLDER
"""
import importlib.util
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("archives", HERE.parent / "archive" / "make_corpus.py")
archives = importlib.util.module_from_spec(spec)
spec.loader.exec_module(archives)


def seeds():
    some = {name: data[1:] for name, data in archives.seeds() if name not in ("signature", "key")}
    for name, data in some.items():
        yield name, b"%A\nargument\0\0" + data
    for name in ("plain", "signed"):
        yield f"key-{name}", b"--key\n%K\n%A\n--key\nhers\0" + archives.KEY + b"\0" + some[name]
    for old, new in [(rb"\npython [^\n]*", b"\npython 3.1.4 cpython-31 00000000"), (rb"\nmain [^\n]*", b"\n"), (rb"\nplatform [^\n]*", b"\nplatform vax-vax")]:
        yield f"other-{old[2:6].decode()}", b"%A\0\0" + re.sub(old, new, some["plain"])
    for name, words in [("help", b"--help"), ("version", b"--version"), ("code", b"-c\nprint(1)"), ("module", b"-m\nx"), ("dash", b"--\n%A"), ("none", b""),
                        ("missing", b"/nothere"), ("folder", b"/"), ("no-key", b"--key\n/nothere\n%A"), ("half", b"--key"), ("minus", b"-")]:
        yield name, words + b"\0" + archives.KEY + b"\0" + some["empty"]


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds():
        (folder / f"seed-{name}").write_bytes(data)
