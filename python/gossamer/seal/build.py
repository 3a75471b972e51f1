"""`gossamer runtime build`: compiles the launcher gossamer-run for the Python that runs this."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile

SOURCES = [
    "launcher.c", "program.c", "importer.c", "extension.c", "guard.c", "refuse.c",
    "archive.c", "manifest.c", "zip.c", "crc32.c", "inflate.c", "minisign.c", "sha256.c",
]  # fmt: skip


class BuildError(Exception):
    """Why there is no launcher; the text is for people."""


def sources() -> pathlib.Path:
    """The folder of the C sources: beside this file when installed, in runtime/ in a source tree."""
    here = pathlib.Path(__file__).resolve().parent
    for folder in (here / "runtime", here.parents[2] / "runtime"):
        if (folder / "launcher.c").is_file():
            return folder
    raise BuildError("the launcher's C sources are not beside this installation of Gossamer")


def _compiler() -> list[str]:
    for name in (os.environ.get("CC", ""), (sysconfig.get_config_var("CC") or "").split(" ")[0], "cc", "gcc", "clang"):
        if name and shutil.which(name.split()[0]):
            return name.split()
    raise BuildError("building the launcher needs a C compiler: install gcc or clang, or set CC")


def _links(cc: list[str], program: str, flags: list[str]) -> bool:
    """Whether this text compiles and links."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "try.c")
        pathlib.Path(file).write_text(program)
        done = subprocess.run([*cc, file, "-o", os.path.join(folder, "try"), *flags], capture_output=True)
        return done.returncode == 0


def _library(cc: list[str], name: str, package: str, program: str) -> list[str] | None:
    """Flags for a library, its static form first: the launcher then starts without looking for it."""
    found = ""
    if shutil.which("pkg-config"):
        found = subprocess.run(["pkg-config", "--cflags-only-I", package], capture_output=True, text=True).stdout.strip()
    cflags = found.split()
    for link in ([f"-l:lib{name}.a", f"-Wl,--exclude-libs,lib{name}.a"], [f"-l{name}"]):
        if _links(cc, program, [*cflags, *link]):
            return [*cflags, *link]
    return None


def _python(shared: bool | None) -> list[str]:
    """Linker flags for libpython. Static when it can be: no relocation at start, and one file."""
    variables = sysconfig.get_config_vars()
    version = sysconfig.get_config_var("LDVERSION") or sysconfig.get_python_version()
    folders = [variables.get(name) or "" for name in ("LIBPL", "LIBDIR")]
    more = [*(variables.get("LIBS") or "").split(), *(variables.get("SYSLIBS") or "").split(), "-lm", "-ldl", "-lpthread"]
    more = [flag for flag in more if not flag.startswith(("-L", "-Wl,-rpath"))]
    if shared is not True:
        for folder in folders:
            archive = os.path.join(folder, f"libpython{version}.a")
            if os.path.isfile(archive):
                return ["-no-pie", "-Wl,--whole-archive", archive, "-Wl,--no-whole-archive", "-Wl,--export-dynamic", *more]
    if shared is not False:
        for folder in folders:
            for name in (f"libpython{version}.so", variables.get("INSTSONAME") or ""):
                if name.endswith((".so", ".so.1.0")) and os.path.isfile(os.path.join(folder, name)):
                    return [os.path.join(folder, name), f"-Wl,-rpath,{folder}", *more]
    kind = {True: "shared ", False: "static ", None: ""}[shared]
    raise BuildError(f"this Python has no {kind}libpython{version}: install its development files (python3-dev), or build Python with --enable-shared")


def command(output: str, key: str | None = None, shared: bool | None = None, sodium: bool | None = None, extra: list[str] | None = None) -> list[str]:
    """The one command line that compiles the launcher."""
    cc = _compiler()
    folder = sources()
    include = {sysconfig.get_path("include"), sysconfig.get_path("platinclude")}
    if not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")):
        raise BuildError("this Python has no header Python.h: install its development files (python3-dev)")
    from .. import __version__

    flags = ["-std=gnu11", "-O2", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", "-Wl,-z,relro,-z,now", "-fvisibility=hidden", "-s"]
    flags += [f"-I{folder}" for folder in sorted(include)]
    flags.append(f'-DSEAL_PLATFORM="{sys.platform}-{platform.machine()}"')
    flags += [f'-DSEAL_MAGIC="{importlib.util.MAGIC_NUMBER.hex()}"', f'-DGOSSAMER_VERSION="{__version__}"']
    libraries: list[str] = []
    found = _library(cc, "sodium", "libsodium", "#include <sodium.h>\nint main(void) { return sodium_init(); }") if sodium is not False else None
    if found:
        libraries += ["-DSEAL_HAVE_SODIUM", *found]
    elif key or sodium:
        raise BuildError("checking signatures needs libsodium and its header: install libsodium-dev")
    found = _library(cc, "z", "zlib", "#include <zlib.h>\nint main(void) { return zlibVersion()[0] == 0; }")
    if found:
        libraries += ["-DSEAL_HAVE_ZLIB", *found]
    if key:
        flags.append(f'-DSEAL_PINNED_KEY="{key}"')
    files = [str(folder / name) for name in SOURCES]
    return [*cc, *flags, *(extra or []), *files, "-o", output, *libraries, *_python(shared)]


def build(output: str, **choices: object) -> None:
    """Compile the launcher to `output`. BuildError with the compiler's words when that fails."""
    line = command(output, **choices)  # type: ignore[arg-type]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"the compiler failed:\n{done.stderr}")
    if done.stderr.strip():
        print(done.stderr, file=sys.stderr, end="")
