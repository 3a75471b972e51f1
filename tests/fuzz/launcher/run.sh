#!/usr/bin/env bash
# Usage: run.sh SECONDS [PYTHON] [folder for new finds]
# Builds the libFuzzer target with clang and its sanitizers, linked to the shared library of PYTHON, and runs it on the corpus
# and on archives for that very Python.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../../..
seconds=${1:-60}
python=${2:-python3}
work=${3:-$root/build/fuzz-launcher}
command -v clang > /dev/null || { echo "fuzzing needs clang with libFuzzer (on Debian: apt-get install clang libclang-rt-14-dev)" >&2; exit 1; }
read -r include libdir lib magic platform <<< "$("$python" -c 'import sys, platform, sysconfig as s, importlib.util as u; print(s.get_path("include"), s.get_config_var("LIBDIR"), "python" + s.get_config_var("LDVERSION"), u.MAGIC_NUMBER.hex(), f"{sys.platform}-{platform.machine()}")')"
mkdir -p "$work/corpus" "$work/seeds"
"$python" "$here/make_corpus.py" "$work/seeds"
sodium=()
if pkg-config --exists libsodium 2> /dev/null; then
    sodium=(-DSEAL_HAVE_SODIUM -lsodium)
fi
flags=(-std=gnu11 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -I"$root/runtime" -I"$include"
       -DSEAL_HAVE_ZLIB "-DSEAL_MAGIC=\"$magic\"" "-DSEAL_PLATFORM=\"$platform\"" "-DGOSSAMER_VERSION=\"fuzz\"")
cd "$root/runtime"
clang "${flags[@]}" -Dseal_program_run=seal_program_run_of_python -c program.c -o "$work/program.o"
clang "${flags[@]}" -fsanitize=fuzzer "$here/fuzz_launcher.c" "$work/program.o" importer.c extension.c guard.c refuse.c archive.c manifest.c zip.c \
    inflate.c minisign.c -o "$work/fuzz_launcher" -L"$libdir" -Wl,-rpath,"$libdir" "-l$lib" -lz "${sodium[@]}"
cd "$work"
ASAN_OPTIONS=detect_leaks=1 exec ./fuzz_launcher -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=20000 -print_final_stats=1 \
    "$work/corpus" "$work/seeds" "$here/corpus"
