#!/usr/bin/env bash
# Usage: check-wheel.sh PYTHON [WHEEL]
# `pip install .` (or of a finished wheel) as a user does it: new environment, build
# isolation, nothing of the development set-up; then the package is used from another folder.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

python=${1:-python3}
version=$(python_version "$python")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

what=${2:-.}
say "pip install $(basename "$what") into a new environment of Python $version"
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "$what"
cd "$work"

say "using it from another folder"
cat > program.py <<'EOF'
import sys
import stackless

def sender(channel):
    for number in range(5):
        channel.send(number)
    channel.send(None)

def receiver(channel):
    while (number := channel.receive()) is not None:
        total.append(number)

total = []
channel = stackless.channel()
stackless.tasklet(sender)(channel)
stackless.tasklet(receiver)(channel)
stackless.run()
print("received", sum(total), "argument", sys.argv[1])
EOF
venv/bin/python -c '
import importlib.metadata, pathlib, gossamer, stackless
files = pathlib.Path(gossamer.__file__).parent
for name in ("py.typed", "include/gossamer.h", "include/gossamer/embed.h"):
    assert (files / name).is_file(), "the wheel lacks gossamer/" + name
assert pathlib.Path(gossamer.get_include(), "gossamer.h").is_file()
print("gossamer", importlib.metadata.version("gossamer"), "in", files)
'
expected="received 10 argument hello"
for command in "venv/bin/gossamer run" "venv/bin/python -m gossamer run"; do
    output=$($command program.py hello)
    [ "$output" = "$expected" ] || die "'$command program.py hello' printed '$output', not '$expected'"
    echo "$command program.py hello: $output"
done
