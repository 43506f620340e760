#!/bin/bash
# check-cppcheck.sh: cppcheck over src/ and tests/, one configuration, results kept in
# build/check/cppcheck. A finding that is wrong gets `// cppcheck-suppress id` above its
# line with the reason, or a row in .cppcheck-suppressions.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/lib.sh
BUILD=${BUILD:-build}
command -v cppcheck >/dev/null || { echo "skip: cppcheck is missing"; exit 77; }
mapfile -t files < <(own_sources 'src/*.c' 'tests/*.c' 'examples/*.c')
[ ${#files[@]} -gt 0 ] || { echo "skip: no sources yet"; exit 77; }
includes=
for dir in $(find src tests/unit -name '*.h' -printf '%h\n' | sort -u); do
    includes="$includes -I$dir"
done
# Of the system's headers it sees only those whose macros make code.
mkdir -p "$BUILD/check/cppcheck" "$BUILD/check/macros/bsd/sys"
ln -sfn /usr/include/bsd/sys/tree.h "$BUILD/check/macros/bsd/sys/tree.h"
ln -sfn /usr/include/uthash.h "$BUILD/check/macros/uthash.h"
for h in /usr/include/jansson.h /usr/include/*/jansson_config.h /usr/include/jansson_config.h; do
    [ ! -e "$h" ] || ln -sfn "$h" "$BUILD/check/macros/${h##*/}"
done
includes="$includes -I$BUILD/check/macros"
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
    --error-exitcode=1 --suppressions-list=.cppcheck-suppressions -j "${JOBS:-$(nproc)}" \
    --cppcheck-build-dir="$BUILD/check/cppcheck" -D_GNU_SOURCE -D__linux__ \
    -D__x86_64__ --max-configs=1 --library=posix \
    --template=gcc $includes "${files[@]}" || {
    echo "cppcheck has findings"
    exit 1
}
echo "${#files[@]} files without findings"
