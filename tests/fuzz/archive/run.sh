#!/usr/bin/env bash
# Usage: run.sh SECONDS [folder for new finds]
# Builds the libFuzzer target with clang and its sanitizers, runs it on the corpus.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../../..
seconds=${1:-60}
work=${2:-$root/build/fuzz-archive}
command -v clang > /dev/null || { echo "fuzzing needs clang with libFuzzer (on Debian: apt-get install clang libclang-rt-14-dev)" >&2; exit 1; }
mkdir -p "$work/corpus"
cd "$root/runtime"
sodium=()
if pkg-config --exists libsodium 2> /dev/null; then
    sodium=(-DSEAL_HAVE_SODIUM -lsodium)
fi
clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I. -DSEAL_HAVE_ZLIB \
    "$here/fuzz_archive.c" archive.c manifest.c zip.c inflate.c minisign.c -o "$work/fuzz_archive" -lz "${sodium[@]}"
cd "$work"
exec ./fuzz_archive -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=20000 -print_final_stats=1 \
    "$work/corpus" "$here/corpus"
