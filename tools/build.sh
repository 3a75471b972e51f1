#!/usr/bin/env bash
# Usage: build.sh VARIANT PYTHON
# Compiles one variant into build/VARIANT[-X.Y]; only what changed is compiled
# again. The variants with an extension put the packages into
# build/VARIANT-X.Y/site, for PYTHONPATH.
#   core       the C library, tests and examples, without Python
#   aarch64    the same, cross-compiled; the tests run under qemu-user
#   i386       the same with pointers of 32 bits
#   asan       address and undefined-behaviour sanitizers, own stacks
#   tsan       thread sanitizer, the C core alone, own stacks
#   torture    eviction at each switch, failing allocations, debug checks
#   valgrind   stacks registered with valgrind
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

variant=$1
python=${2:-python3}
version=$(python_version "$python")
venv=$root/.venv-$version
export PATH=$venv/bin:$PATH

with_python=true
options=()
case $variant in
    core)     with_python=false options=(-Dpython=false) ;;
    aarch64)  with_python=false options=(-Dpython=false --cross-file tools/aarch64.cross) ;;
    i386)     with_python=false options=(-Dpython=false --cross-file tools/i386.cross) ;;
    asan)     options=(-Db_sanitize=address,undefined -Db_lundef=false -Dstacks=own -Dchecks=true
                       -Dbuildtype=debugoptimized -Db_lto=false) ;;
    tsan)     with_python=false
              options=(-Dpython=false -Db_sanitize=thread -Db_lundef=false -Dstacks=own -Dchecks=true
                       -Dbuildtype=debugoptimized -Db_lto=false) ;;
    torture)  options=(-Dtorture=true -Dchecks=true -Dbuildtype=debugoptimized -Db_lto=false) ;;
    valgrind) options=(-Dvalgrind=true -Dchecks=true -Dbuildtype=debugoptimized -Db_lto=false) ;;
    *) die "there is no variant '$variant': see the top of tools/build.sh" ;;
esac

dir=build/$variant
if $with_python; then
    dir=$dir-$version
    site=$root/$dir/site
    # Without a prefix of its own Meson would install into the interpreter.
    options+=("-Dprefix=$root/$dir/prefix" "-Dpython.platlibdir=$site" "-Dpython.purelibdir=$site"
              -Dpython.bytecompile=-1)
fi
options+=(-Dwerror="${WERROR:-false}")
one_at_a_time "$(basename "$dir")"

# Configure anew when the options changed, and look again when files came or went.
wanted="${options[*]}"
listing=$(find core cpython lean runtime include examples/c tests/core -name '*.[chS]' | sort)
changed=$(find meson.build meson.options core cpython lean runtime include examples/c tests/core python \
    -name 'meson.*' -newer "$dir/.listing" 2>/dev/null || true)
if [ "$(cat "$dir/.options" 2>/dev/null || true)" != "$wanted" ]; then
    rm -rf "$dir"
fi
if [ ! -e "$dir/.options" ]; then
    say "meson setup $dir ${options[*]}"
    mkdir -p "$dir"
    meson setup "$dir" "${options[@]}" > "$dir/setup.txt" ||
        { grep -E 'ERROR|error:' "$dir/setup.txt" || cat "$dir/setup.txt"; die "Meson could not configure $dir"; }
    grep 'WARNING:' "$dir/setup.txt" || true
    echo "$wanted" > "$dir/.options"
elif [ "$(cat "$dir/.listing" 2>/dev/null || true)" != "$listing" ] || [ -n "$changed" ]; then
    say "meson setup --reconfigure $dir (build files changed, or sources came or went)"
    meson setup --reconfigure "$dir" > "$dir/setup.txt" ||
        { grep -E 'ERROR|error:' "$dir/setup.txt" || cat "$dir/setup.txt"; die "Meson could not configure $dir"; }
    grep 'WARNING:' "$dir/setup.txt" || true
fi
echo "$listing" > "$dir/.listing"

# A file that nobody compiles is a mistake, or one that somebody is still writing.
for file in $(find core cpython lean -name '*.[cS]'; find tests/core examples/c -name '*.c'); do
    case $file in
        tests/core/*|examples/c/*) folder=${file%/*} ;;
        *) folder=${file%%/*} ;;
    esac
    name=${file#"$folder"/}
    [ ! -e "$folder/Makefile" ] || continue # an example that is built as a program of its own, by a test
    if ! grep -qE "'${name%.c}(\.c)?'" "$folder/meson.build"; then
        [ "${CI:-}" != true ] || die "$file is not listed in $folder/meson.build"
        say "note: $file is not listed in $folder/meson.build"
    fi
done

say "meson compile $dir"
# ninja reports on standard output; show it only when something happened.
ninja -C "$dir" -j "$jobs" --quiet

if $with_python; then
    meson install -C "$dir" --quiet --no-rebuild --only-changed
fi
