#!/usr/bin/env bash
# Usage: typing.sh PYTHON
# The stubs must agree with the modules at run time, and the typing examples
# must pass the checker in strict mode.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

python=${1:-python3}
version=$(python_version "$python")
venv=$root/.venv-$version
tools/setup-venv.sh "$python" requirements-typing.txt
export PATH=$venv/bin:$PATH

allow=()
[ -e tests/typing/stubtest-allow.txt ] && allow=(--allowlist tests/typing/stubtest-allow.txt)
say "stubtest gossamer stackless"
# From another folder, so that the installed packages are what is checked.
mkdir -p build/typing
(cd build/typing && python -m mypy.stubtest "${allow[@]/#tests/$root/tests}" gossamer stackless)

[ -d tests/typing ] || die "there are no typing examples in tests/typing"
say "mypy --strict tests/typing"
python -m mypy --strict --python-executable "$venv/bin/python" tests/typing
