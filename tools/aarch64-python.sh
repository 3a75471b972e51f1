#!/usr/bin/env bash
# Usage: aarch64-python.sh [X.Y]
# Python and the extension on aarch64, as far as an emulator for programs shows it: CPython from Debian's packages for
# arm64 (see fetch-python.sh), the extension cross-compiled, a few programs under qemu-user. By hand; minutes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=${1:-3.14}
for program in qemu-aarch64 aarch64-linux-gnu-gcc; do
    command -v $program > /dev/null || die "this needs $program (on Debian: apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross)"
done
interpreter=$(tools/fetch-python.sh "$version" --arch arm64)
arm=${interpreter%/usr/bin/*}
[ -e "$arm/lib" ] || ln -s usr/lib "$arm/lib" # what a whole system would have
site=$root/build/aarch64-python-$version
mkdir -p "$site"
one_at_a_time "$(basename "$site")"
cp -r python/. "$site"

compile() {  # MODULE SOURCE...
    local module=$1
    shift
    say "cross-compiling $module"
    aarch64-linux-gnu-gcc -std=gnu11 -O2 -fPIC -shared -fvisibility=hidden -pthread -w \
        -DNDEBUG -DGOS_BUILDING=1 -DGOSSAMER_VERSION='"0"' -Iinclude -Icore -Icpython -Ilean -I"$arm/usr/include/python$version" \
        -o "$site/gossamer/$module.so" "$@"
}
mapfile -t sources < <(find core cpython -name '*.c' -o -name '*.S')
compile _gossamer "${sources[@]}"
mapfile -t sources < <(find lean -name '*.c')
[ ${#sources[@]} -eq 0 ] || compile _lean "${sources[@]}"

python() {
    qemu-aarch64 -L "$arm" -E PYTHONPATH="$site" -E "${1%%=*}=${1#*=}" "$interpreter" "${@:2}"
}
for setting in GOSSAMER_SLOTS=64 GOSSAMER_SLOTS=1 GOSSAMER_EVICT=always GOSSAMER_STACKS=own; do
    say "Python $version on aarch64, $setting"
    python $setting -X faulthandler tools/smoke.py
done
