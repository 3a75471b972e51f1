# Sourced by the scripts beside it: names, messages and a clean environment.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# What a shell has set up for another Python must not reach ours.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV MAKEFLAGS MAKELEVEL MFLAGS
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

# jobs: what to hand to ninja; JOBS=1 make ... for a small machine.
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}

supported="3.11 3.12 3.13 3.14 3.15"

# Can this Python compile its traces (PYTHON_JIT=1)?
has_jit() {
    "$1" -c 'import sys; sys.exit(not (hasattr(sys, "_jit") and sys._jit.is_available()))'
}

# "3.12", or "3.12d" for a debug build, or a sentence and failure when this Python will not do.
python_version() {
    local python=$1 version build
    command -v "$python" >/dev/null ||
        die "there is no '$python' here: install Python 3.11 or newer, or name one, for instance make PYTHON=/usr/bin/python3.12"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    build=$("$python" -c 'import sys; print("d" * hasattr(sys, "gettotalrefcount"))')
    case " $supported " in
        *" $version "*) echo "$version$build" ;;
        *) die "Gossamer runs on Python 3.11 to 3.15, and '$python' is $version: choose another, for instance make PYTHON=python3.13" ;;
    esac
}

# Run the rest of the script alone: two builds of one folder would disturb each other.
one_at_a_time() {
    mkdir -p build
    exec 9>"build/.lock-$1"
    if command -v flock >/dev/null && ! flock -n 9; then
        say "waiting for another run that works on $1"
        flock 9
    fi
}
