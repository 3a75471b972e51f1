#!/usr/bin/env bash
# Usage: fetch-python.sh X.Y [--debug] [--arch ARCHITECTURE]
# A Python that this machine does not have, out of Debian's packages; prints the
# path of its interpreter. The packages are checked by apt against Debian's
# signatures, unpacked (not installed) below ${GOSSAMER_CACHE:-~/.cache/gossamer}
# and made to use the C library they came with, so that they run on any Linux
# with apt-get. They are fetched once: remove the folder to have them anew.
#   --debug    the interpreter that CPython's own developers use (pythonX.Yd)
#   --arch     of another processor (arm64); run it with qemu-aarch64 -L ROOT,
#              where ROOT is the printed path without usr/bin/...
# GOSSAMER_SUITE (default: sid) says which of Debian's suites.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=${1:?say which Python, for instance 3.14}
shift
suffix='' arch=''
while [ $# -gt 0 ]; do
    case $1 in
        --debug) suffix=d ;;
        --arch)  arch=${2:?--arch needs a name}; shift ;;
        *) die "fetch-python.sh does not know '$1'" ;;
    esac
    shift
done
for program in apt-get dpkg-deb; do
    command -v $program > /dev/null || die "fetching Python $version needs $program, which Debian and its relatives have"
done
native=$(dpkg --print-architecture)
arch=${arch:-$native}
suite=${GOSSAMER_SUITE:-sid}
cache=${GOSSAMER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gossamer}
root=$cache/$suite-$arch-python$version${suffix:+-debug}
interpreter=$root/usr/bin/python$version$suffix
done_stamp=$root/.complete
tools_changed=$(cksum < "${BASH_SOURCE[0]}")

mkdir -p "$cache"
exec 9> "$root.lock"
flock 9
if [ "$(cat "$done_stamp" 2> /dev/null || true)" = "$tools_changed" ]; then
    echo "$interpreter"
    exit 0
fi
say "fetching Python $version${suffix:+ (debug build)} for $arch from Debian $suite into $cache" >&2

# ---- an apt that knows nothing of this machine's packages ----

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || die "there is no $keyring to check signatures with: install debian-archive-keyring"
apt=$root.apt
rm -rf "$apt" "$root"
mkdir -p "$apt"/{lists/partial,archives/partial,parts}
: > "$apt/status"
# The mirror that this machine uses for its own packages.
mirror=${GOSSAMER_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2> /dev/null |
    grep -v security | sort -u | head -n 1)}
[ -n "$mirror" ] || die "this machine's apt names no mirror of Debian: set GOSSAMER_MIRROR to the address of one"
echo "deb [signed-by=$keyring] $mirror $suite main" > "$apt/sources.list"
cat > "$apt/apt.conf" <<END
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/parts";
Dir::Etc::preferencesparts "$apt/parts";
END
export APT_CONFIG=$apt/apt.conf

packages=("python$version-dev" "python$version-venv")
[ -z "$suffix" ] || packages+=("python$version-dbg")
[ "$arch" != "$native" ] || packages+=(patchelf)
{
    apt-get update --quiet
    apt-get install --quiet --yes --download-only "${packages[@]}"
} > "$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; die "Debian $suite did not give Python $version for $arch; all that apt said is in $root.log"; }

# ---- unpacking ----

mkdir -p "$root"
for file in "$apt"/archives/*.deb; do
    case ${file##*/} in
        # Windows, fonts and the set-up of a whole system are of no use here.
        libx*|libtk*|libtcl*|fonts-*|fontconfig*|libfontconfig*|libfreetype*|x11-*|debconf_*) ;;
        *) dpkg-deb --extract "$file" "$root" ;;
    esac
done
rm -rf "$apt"

# Paths that lead to / in the packages lead into the folder here.
sed -i "s,/usr/share/python-wheels,$root/usr/share/python-wheels," "$root/usr/lib/python$version"/_sysconfig*
sed -i -E 's,<(.*/pyconfig.h)>,"../\1",' "$root/usr/include/python$version"{,d}/pyconfig.h 2> /dev/null || true

if [ "$arch" = "$native" ]; then
    libraries=$root/usr/lib/$(gcc -print-multiarch 2> /dev/null || echo "$(uname -m)-linux-gnu")
    loader=$(echo "$libraries"/ld-linux-*)
    # The old kind of search path (DT_RPATH) also holds for what the libraries need in their turn.
    for program in "$root"/usr/bin/python"$version"{,d}; do
        [ -e "$program" ] || continue
        # One change a call, in this order: patchelf 0.18 spoils the program otherwise.
        for change in "--force-rpath --set-rpath $libraries" "--set-interpreter $loader"; do
            "$loader" --library-path "$libraries" "$root/usr/bin/patchelf" $change "$program"
        done
        "$program" -c 'import ctypes, hashlib, ssl, sqlite3, zlib' ||
            die "the fetched $program does not run here"
        "$program" -m compileall -q -j 0 "$root/usr/lib/python$version" > /dev/null || true
    done
fi
echo "$tools_changed" > "$done_stamp"
echo "$interpreter"
