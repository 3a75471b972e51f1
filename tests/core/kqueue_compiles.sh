#!/bin/sh
# kqueue_compiles.sh SOURCE_ROOT COMPILER...: the back end for kqueue compiles, without a warning, against a header with its
# interface. Whether it works, only a machine that has kqueue can tell.
set -eu
root=$1
shift
exec "$@" -std=gnu11 -Wall -Wextra -Werror -fsyntax-only -D_GNU_SOURCE -DGOSI_KQUEUE -I"$root/tests/core/stubs" -I"$root/include" -I"$root/core" \
    "$root/core/poll/kqueue.c"
