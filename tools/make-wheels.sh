#!/usr/bin/env bash
# Usage: make-wheels.sh [X.Y...]
# The source package and a manylinux wheel for each CPython that we support, in dist/. auditwheel says which
# C library a wheel needs and refuses one that needs more than it may; each is then installed into an empty
# environment, without the source tree in reach, and used.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

versions=("$@")
[ $# -gt 0 ] || read -ra versions <<< "$supported"
tools_python=$(tools/find-python.sh "${versions[0]}" --fetch)
tools_version=$(python_version "$tools_python")
tools/setup-venv.sh "$tools_python"
tools/setup-venv.sh "$tools_python" requirements-wheels.txt
tools_bin=$root/.venv-$tools_version/bin
export PATH=$tools_bin:$PATH
one_at_a_time wheels
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p dist
rm -f dist/gossamer-*

say "the source package"
# Meson packs what is committed; so does this, whatever else lies about.
python -m build --quiet --sdist --outdir dist . > "$work/log" 2>&1 || { tail -n 30 "$work/log"; die "no source package"; }
sdist=$(echo "$root"/dist/gossamer-*.tar.gz)

for version in "${versions[@]}"; do
    python=$(tools/find-python.sh "$version" --fetch)
    say "Python $version: the wheel, from the source package"
    rm -rf "$work/env" "$work/raw"
    "$python" -m venv "$work/env"
    "$work/env/bin/python" -m pip wheel --quiet --no-deps --wheel-dir "$work/raw" "$sdist"
    auditwheel show "$work"/raw/*.whl | grep -E 'consistent|constrains|manylinux' || true
    auditwheel repair --strip --only-plat --wheel-dir dist "$work"/raw/*.whl > "$work/log" 2>&1 ||
        { tail -n 30 "$work/log"; die "auditwheel refuses the wheel for Python $version"; }
    wheel=$(echo "$root"/dist/gossamer-*-cp"${version/./}"-*.whl)
    [ -e "$wheel" ] || die "there is no wheel for Python $version in dist/"
    if unzip -l "$wheel" | grep -E '\.libs/|libpython'; then
        die "$(basename "$wheel") carries libraries; it should need none but the C library's"
    fi
    tools/check-wheel.sh "$python" "$wheel"
done

say "twine check"
twine check --strict dist/gossamer-*
ls -l dist
