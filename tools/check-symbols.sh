#!/bin/sh
# Usage: check-symbols.sh LIBRARY
# The shared core must need nothing from Python and export only gos_ names.
set -eu
library=$1
nm=${NM:-nm}

python=$("$nm" -D --undefined-only "$library" | awk '{print $NF}' | grep -E '^_?Py' || true)
foreign=$("$nm" -D --defined-only "$library" | awk '$2 != "A" {print $NF}' | grep -vE '^gos_' || true)
public=$("$nm" -D --defined-only "$library" | awk '{print $NF}' | grep -cE '^gos_' || true)

failed=0
if [ -n "$python" ]; then
    echo "$library needs Python symbols; the core must not:" $python
    failed=1
fi
if [ -n "$foreign" ]; then
    echo "$library exports names that do not start with gos_:" $foreign
    failed=1
fi
if [ "$public" -eq 0 ]; then
    echo "$library exports no gos_ name at all; are they marked GOS_API?"
    failed=1
fi
echo "$public public names in $(basename "$library")"
exit $failed
