#!/usr/bin/env bash
# Usage: typing.sh PYTHON
# The stubs must agree with the modules at run time; the packages and the typed
# programs in tests/typing must pass the checker in strict mode (pyproject.toml).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

python=${1:-python3}
version=$(python_version "$python")
venv=$root/.venv-$version
tools/setup-venv.sh "$python" requirements-typing.txt
export PATH=$venv/bin:$PATH

allow=()
[ -e tests/typing/stubtest-allow.txt ] && allow=(--allowlist tests/typing/stubtest-allow.txt)
say "stubtest gossamer stackless stacklesslib stacklesssocket"
# From another folder, so that the installed packages are what is checked.
mkdir -p build/typing
(cd build/typing && python -m mypy.stubtest --mypy-config-file "$root/pyproject.toml" "${allow[@]/#tests/$root/tests}" gossamer stackless stacklesslib stacklesssocket)

say "mypy --strict on the packages and on tests/typing"
MYPYPATH=python python -m mypy -p gossamer -p stackless -p stacklesslib -p stacklesssocket
python -m mypy --python-executable "$venv/bin/python" tests/typing
