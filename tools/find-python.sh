#!/usr/bin/env bash
# Usage: find-python.sh X.Y [--fetch]
# Prints the path of a CPython X.Y: one of this machine (pyenv's, /usr/local's, the system's), else, with --fetch,
# one out of Debian's packages (see fetch-python.sh). Fails with a sentence when there is none.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=${1:?say which Python, for instance 3.14}
shopt -s nullglob
for python in "${HOME:-/root}"/.pyenv/versions/"$version".*/bin/python3 /usr/local/bin/python"$version" \
    /usr/bin/python"$version" "$(command -v python"$version" || true)" "$(command -v python3 || true)"; do
    [ -x "$python" ] || continue
    found=$("$python" -c 'import sys, sysconfig
gil = not sysconfig.get_config_var("Py_GIL_DISABLED")
print("%d.%d" % sys.version_info[:2] if gil and sys.implementation.name == "cpython" else "")' 2> /dev/null || true)
    if [ "$found" = "$version" ]; then
        echo "$python"
        exit 0
    fi
done
[ "${2:-}" = --fetch ] || die "there is no Python $version on this machine"
exec tools/fetch-python.sh "$version"
