#!/bin/sh
# Usage: archive_symbols.sh ARCHIVE
# The static core needs nothing from Python, and what it defines starts with gos_ or gosi_: an embedder's own
# names cannot clash with it.
set -eu
archive=$1
nm=${NM:-nm}

needed=$("$nm" --undefined-only "$archive" | awk 'NF == 2 {print $2}' | grep -E '^_?Py' || true)
foreign=$("$nm" --defined-only --extern-only "$archive" | awk 'NF == 3 {print $3}' | grep -vE '^(__odr_asan\.)?gosi?_' || true)
if [ -n "$needed" ]; then
    echo "$archive needs Python symbols; the core must not:" $needed
    exit 1
fi
if [ -n "$foreign" ]; then
    echo "$archive defines names that do not start with gos_ or gosi_:" $foreign
    exit 1
fi
echo "$("$nm" --defined-only --extern-only "$archive" | grep -c ' gos_') public names in $(basename "$archive")"
