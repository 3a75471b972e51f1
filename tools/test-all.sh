#!/usr/bin/env bash
# Usage: test-all.sh [pytest arguments]
# The whole suite on each CPython that we support; those that the machine lacks are fetched from Debian. Where the
# interpreter can compile its traces (a build with the JIT), the Python tests run a second time with it on.
# VERSIONS="3.14 3.15" limits it. Goes on after a failure; the table at the end says what happened.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

table=() failed=0

run() {  # NAME COMMAND...
    local name=$1 begun=$SECONDS result=passed
    shift
    say "$name: $*"
    "$@" || { result="FAILED (exit code $?)"; failed=1; }
    table+=("$(printf '%-28s %6d  %s' "$name" $((SECONDS - begun)) "$result")")
}

for version in ${VERSIONS:-$supported}; do
    if ! python=$(tools/find-python.sh "$version" --fetch); then
        table+=("$(printf '%-28s %6d  %s' "$version" 0 "FAILED: no such Python")")
        failed=1
        continue
    fi
    exact=$("$python" -c 'import platform; print(platform.python_version())')
    run "$exact" make --no-print-directory test PYTHON="$python" ARGS="$(printf '%q ' "$@")"
    if has_jit "$python"; then
        run "$exact, PYTHON_JIT=1" env PYTHON_JIT=1 tools/check.sh python "$python" "$@"
    fi
done

printf '\n%-28s %6s  %s\n' "Python" seconds result
printf '%s\n' "${table[@]}"
exit $failed
