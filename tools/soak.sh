#!/bin/sh
# tools/soak.sh PYTHON [MINUTES]: the long tests, by hand. Bounded: it begins no new round after MINUTES (default 5).
#
# Each round sends a million HTTP chunks through worker threads and channels, in one slot, in as many as there are, and
# evicted at each switch. A lost, altered or doubled chunk ends it with an error; the figures of each round are printed,
# memory after a tenth of the round and at its end among them.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
python=$root/.venv-$version/bin/python
minutes=${2:-5}
end=$(($(date +%s) + minutes * 60))
round=0
while [ "$round" -eq 0 ] || [ "$(date +%s)" -lt "$end" ]; do
    round=$((round + 1))
    for way in "" GOSSAMER_SLOTS=1 GOSSAMER_EVICT=always; do
        figures=$(env $way "$python" "$root/tests/python/war_story.py" "${CHUNKS:-1000000}")
        echo "round $round, ${way:-default}: $figures"
    done
done
echo "soak: $round rounds, nothing lost"
