#!/bin/bash
# check-headers.sh: every header compiles alone, and says at its top what it is.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/lib.sh
BUILD=${BUILD:-build}
mapfile -t headers < <(own_sources 'src/*.h')
[ ${#headers[@]} -gt 0 ] || { echo "skip: no headers yet"; exit 77; }
includes=
for dir in $(find src tests/unit "$BUILD" -name '*.h' -printf '%h\n' 2>/dev/null | sort -u); do
    includes="$includes -I$dir"
done
export includes
one() {
    local out
    if ! out=$(printf '#include "%s"\n#include "%s"\n' "$PWD/$1" "$PWD/$1" |
        gcc -x c -std=gnu11 -D_GNU_SOURCE -DGANTRY_VERSION='""' -Wall -Wextra -Wshadow -Werror \
            -Wno-unused-parameter -fsyntax-only $includes - 2>&1); then
        printf '%s does not compile alone:\n%s\n' "$1" "$out"
        return 1
    fi
    if ! head -3 "$1" | grep -qF "/* $(basename "$1"): "; then
        echo "$1 does not begin with '/* $(basename "$1"): what it is for'"
        return 1
    fi
}
export -f one
printf '%s\0' "${headers[@]}" | xargs -0 -n1 -P"${JOBS:-$(nproc)}" bash -c 'one "$1"' _ || {
    echo "some headers do not stand alone"
    exit 1
}
echo "${#headers[@]} headers compile alone"
