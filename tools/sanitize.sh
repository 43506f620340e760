#!/bin/bash
# sanitize.sh asan|tsan: builds in build-asan or build-tsan and runs the unit tests, the
# fuzz corpora and the api tests there. A report of a sanitizer is a failure even where
# the test itself did not notice, as with a server that a test had started.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/lib.sh

kind=${1:?asan or tsan}
case $kind in
asan) sanitizers=address,undefined ;;
tsan) sanitizers=thread ;;
*) die "no sanitizer '$kind'" ;;
esac
export BUILD=build-$kind
reports=$PWD/$BUILD/reports
if [ ! -f "$BUILD/build.ninja" ]; then
    meson setup "$BUILD" -Db_sanitize="$sanitizers" -Db_lundef=false \
        --buildtype=debugoptimized -Doptimization=1 || die "can't set up $BUILD"
fi
heading "$kind: build"
ninja -C "$BUILD" -j"${JOBS:-$(nproc)}" || die "$BUILD does not build"
say "built in ${SECONDS}s"
rm -rf "$reports"
mkdir -p "$reports"

common="log_path=$reports/report:exitcode=99:abort_on_error=0"
export ASAN_OPTIONS="$common:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:exitcode=99"
export LSAN_OPTIONS="suppressions=$PWD/tools/lsan.supp:print_suppressions=0"
export TSAN_OPTIONS="$common:halt_on_error=0:second_deadlock_stack=1"
TSAN_OPTIONS="$TSAN_OPTIONS:suppressions=$PWD/tools/tsan.supp"
# TSan's shadow wants the kernel's classic memory layout: no address randomisation.
run=
[ "$kind" != tsan ] || run='setarch -R'
$run tools/run-tests.sh unit fuzz api >"$BUILD/results.log" 2>&1
status=$?
cat "$BUILD/results.log"
# A child that shares our memory on a stack of its own (host/spawn.c) makes ASan remark that
# it does not know that stack, "False positive … may follow": no report when alone.
grep -lr 'ignoring requested __asan_handle_no_return' "$reports" | while read -r f; do
    grep -q 'ERROR: \|SUMMARY: \|runtime error' "$f" || rm "$f"
done
found=$(find "$reports" -type f -size +0 | wc -l)
if [ "$found" != 0 ]; then
    for f in $(find "$reports" -type f -size +0 | sort | head -5); do
        heading "$kind: $f"
        head -80 "$f"
    done
    echo "$found reports in $reports"
    # The closing line counts them, as check-all reads it.
    tail -1 "$BUILD/results.log" | sed "s/, [0-9]* failed/, $found failed/"
    exit 1
fi
tail -1 "$BUILD/results.log"
exit "$status"
