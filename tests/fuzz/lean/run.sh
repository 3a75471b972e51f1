#!/usr/bin/env bash
# Usage: run.sh SECONDS [PYTHON] [folder for new finds]
# Builds the libFuzzer target with clang and its sanitizers, linked to the shared library of PYTHON, and runs it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../../..
seconds=${1:-60}
python=${2:-python3}
work=${3:-$root/build/fuzz-lean}
command -v clang > /dev/null || { echo "fuzzing needs clang with libFuzzer (on Debian: apt-get install clang libclang-rt-14-dev)" >&2; exit 1; }
read -r include libdir lib <<< "$("$python" -c 'import sysconfig as s; print(s.get_path("include"), s.get_config_var("LIBDIR"), "python" + s.get_config_var("LDVERSION"))')"
home=$("$python" -c 'import sys; print(sys.base_prefix)')
mkdir -p "$work/corpus"
clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I"$include" \
    "$here/fuzz_table.c" "$root"/lean/*.c -o "$work/fuzz_table" -L"$libdir" -Wl,-rpath,"$libdir" "-l$lib" -lm
cd "$work"
# The interpreter's own allocator would hide what lies in blocks; it leaks on purpose at the end.
PYTHONHOME=$home PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 \
    exec ./fuzz_table -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=2000 -print_final_stats=1 "$work/corpus"
