#!/usr/bin/env bash
# Usage: test-debug.sh [pytest arguments]
# The suite on a debug build of CPython: the interpreter's own assertions are on, and sys.gettotalrefcount() must stay
# flat (tests/python/test_leaks.py). Uses python3-dbg of Debian, which root gets installed; PYTHON=... names another.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

is_debug() {
    "$1" -c 'import sys; sys.exit(not hasattr(sys, "gettotalrefcount"))' 2> /dev/null
}

python=${PYTHON:-}
if [ -z "$python" ] || ! is_debug "$python"; then
    shopt -s nullglob
    candidates=(/usr/bin/python3.*-dbg)
    if [ ${#candidates[@]} -eq 0 ]; then
        command -v apt-get > /dev/null || die "there is no debug build of CPython here: name one with make test-debug PYTHON=..."
        say "installing python3-dbg"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-dbg libpython3-dev python3-venv > /dev/null
        candidates=(/usr/bin/python3.*-dbg)
    fi
    python=${candidates[0]:?python3-dbg has brought no interpreter}
fi
# Its assertions make it several times slower: the slow tests are left to the others.
exec make --no-print-directory test PYTHON="$python" ARGS="-m 'not slow' --timeout=600 $(printf '%q ' "$@")"
