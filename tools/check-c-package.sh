#!/usr/bin/env bash
# Usage: check-c-package.sh PYTHON
# The C library as a C programmer meets it: installed, found through pkg-config,
# linked shared and static, without Python.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

python=${1:-python3}
version=$(python_version "$python")
export PATH=$root/.venv-$version/bin:$PATH
command -v pkg-config > /dev/null || die "this check needs pkg-config (on Debian: apt-get install pkg-config)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say "installing the C library into a folder of its own"
meson setup "$work/build" -Dpython=false -Dtests=false -Dexamples=false --prefix "$work/prefix" --libdir lib > "$work/log" 2>&1 &&
    meson install -C "$work/build" --quiet >> "$work/log" 2>&1 || { tail -n 30 "$work/log"; die "the C library did not install"; }
export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig

example=examples/c/million.c
say "compiling $example with what pkg-config says"
read -ra flags <<< "$(pkg-config --cflags --libs gossamer)"
${CC:-cc} -O2 "$example" -o "$work/shared" "${flags[@]}"
LD_LIBRARY_PATH=$work/prefix/lib "$work/shared"
read -ra cflags <<< "$(pkg-config --cflags gossamer)"
${CC:-cc} -O2 "$example" -o "$work/static" "${cflags[@]}" "$work/prefix/lib/libgossamer.a" -pthread
"$work/static"
if ldd "$work/shared" | grep -i python; then die "the C library pulls Python in"; fi
