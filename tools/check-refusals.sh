#!/usr/bin/env bash
# Usage: check-refusals.sh PYTHON
# The build must refuse what it cannot serve, each with one sentence. We have
# no Windows and no Python 3.16, so Meson is told that it sees them.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

python=${1:-python3}
version=$(python_version "$python")
export PATH=$root/.venv-$version/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

expect() {  # SENTENCE-PART meson-arguments...
    local part=$1
    shift
    rm -rf "$work/build"
    if meson setup "$work/build" "$@" > "$work/output" 2>&1; then
        echo "NOT REFUSED: meson setup $*"
        failed=1
    elif ! grep "ERROR" "$work/output" | grep -F "$part"; then
        echo "REFUSED WITHOUT THE SENTENCE about $part: meson setup $*"
        tail -n 5 "$work/output"
        failed=1
    fi
}

for system in windows darwin; do
    cat > "$work/$system.cross" <<EOF
[binaries]
c = 'gcc'
ar = 'ar'
[host_machine]
system = '$system'
cpu_family = 'x86_64'
cpu = 'x86_64'
endian = 'little'
EOF
done
expect 'does not run on Windows' -Dpython=false --cross-file "$work/windows.cross"
expect 'does not run on macOS' -Dpython=false --cross-file "$work/darwin.cross"

# An interpreter that says it is another version.
mkdir "$work/lie"
cat > "$work/lie/sitecustomize.py" <<'EOF'
import os
import sysconfig
sysconfig.get_python_version = lambda: os.environ["CLAIMED_VERSION"]
EOF
for claimed in 3.10 3.16 3.17; do
    cat > "$work/python" <<EOF
#!/bin/sh
CLAIMED_VERSION=$claimed PYTHONPATH=$work/lie exec "$root/.venv-$version/bin/python" "\$@"
EOF
    chmod +x "$work/python"
    printf "[binaries]\npython = '%s'\n" "$work/python" > "$work/python.ini"
    case $claimed in
        3.10)      part='needs Python 3.11 or newer' ;;
        *)         part='does not support Python' ;;
    esac
    expect "$part" --native-file "$work/python.ini"
done
exit $failed
