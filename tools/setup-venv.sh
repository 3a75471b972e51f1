#!/usr/bin/env bash
# Usage: setup-venv.sh PYTHON [REQUIREMENTS-FILE...]
# Makes .venv-X.Y for PYTHON and installs the pinned tools into it, or does
# nothing when that is done already.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

python=$1
shift
files=("${@:-requirements-dev.txt}")
version=$(python_version "$python")
venv=.venv-$version
base=$("$python" -c 'import os, sys; print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))')
one_at_a_time "venv-$version"

if [ -e "$venv" ] && [ "$(cat "$venv/.base" 2>/dev/null || true)" != "$base" ]; then
    say "$venv belongs to another Python: making it anew"
    rm -rf "$venv"
fi
if [ ! -e "$venv/.base" ]; then
    say "making $venv for $base"
    # What was built for another Python of that version would not be noticed as such.
    rm -rf "$venv" build/*-"$version"
    "$base" -m venv "$venv" ||
        { rm -rf "$venv"; die "this Python cannot make virtual environments: install its venv module (on Debian: apt-get install python3-venv)"; }
    echo "$base" > "$venv/.base"
fi

for file in "${files[@]}"; do
    stamp=$venv/.$(basename "$file")
    if ! cmp -s "$file" "$stamp"; then
        say "installing what $file names into $venv"
        "$venv/bin/python" -m pip install --quiet -r "$file"
        cp "$file" "$stamp"
    fi
done
