#!/bin/bash
# check-licence.sh: every library that the binary loads is one of tools/licences.txt, so
# nothing under the GPL slips in with a dependency. Until there is a binary, and besides
# it, the test programs answer for the libraries of src/.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
programs=
[ ! -x "$BUILD/gantry" ] || programs=$BUILD/gantry
programs="$programs $(find "$BUILD/tests" -type f -executable 2>/dev/null | tr '\n' ' ')"
[ -n "${programs// /}" ] || { echo "skip: nothing is built in $BUILD"; exit 77; }
bad=0 count=0
# Those that are loaded on first use (src/base/lazy.h) do not show in the programs.
lazy=$(grep -rhoE '"lib[a-z]+\.so\.[0-9]+"' src/*/*.c | tr -d '"' | sort -u)
for soname in $( (for p in $programs; do ldd "$p" 2>/dev/null; done
    for l in $lazy; do f=/usr/lib/$(gcc -print-multiarch)/$l; echo "$f"; ldd "$f"; done) |
    awk '{ n = split($1, part, "/"); print part[n] }' | grep '\.so' | sort -u); do
    case $soname in linux-vdso*) continue ;; esac
    licence=$(awk -v s="$soname" '$1 == s { $1 = ""; print substr($0, 2) }' tools/licences.txt)
    count=$((count + 1))
    if [ -z "$licence" ]; then
        echo "$soname is not in tools/licences.txt"
        bad=$((bad + 1))
    else
        printf '%-24s %s\n' "$soname" "$licence"
    fi
done
[ "$bad" = 0 ] || { echo "$bad of $count libraries have no known licence"; exit 1; }
echo "$count libraries, each with a licence that fits Apache-2.0"
