#!/usr/bin/env bash
# Usage: install.sh PYTHON
# `pip install .` into .venv-X.Y, from a build folder that is kept; skipped
# when no source is newer than the last time.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

python=${1:-python3}
version=$(python_version "$python")
venv=$root/.venv-$version
dir=build/py-$version
export PATH=$venv/bin:$PATH
one_at_a_time "py-$version"

sources=(core cpython lean runtime include python meson.build meson.options pyproject.toml README.md LICENSE)
for source in "${sources[@]}"; do
    [ -e "$source" ] || die "$source is missing from this copy of the sources"
done
listing=$(find "${sources[@]}" -type f -not -path '*/__pycache__/*' | sort)
stamp=$venv/.installed
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$listing" ] &&
   [ -z "$(find "${sources[@]}" -type f -newer "$stamp" -not -path '*/__pycache__/*' -print -quit)" ]; then
    say "gossamer in .venv-$version is up to date"
    exit 0
fi

say "pip install . into .venv-$version (build folder $dir)"
# The files that were there when we started: one that changes meanwhile counts next time.
begun=$(mktemp)
trap 'rm -f "$begun"' EXIT
echo "$listing" > "$begun"
rm -f "$stamp"
python -m pip install --quiet --no-build-isolation --no-deps --config-settings=build-dir="$dir" . ||
    die "the build failed; the whole output is above, and Meson's log is $dir/meson-logs/meson-log.txt"
cp -p "$begun" "$stamp"
python -c 'import importlib.metadata as m; print("== gossamer", m.version("gossamer"), "is in place")'
