#!/bin/bash
# check-fuzz.sh [TARGET...]: a short libFuzzer run of every target of tests/fuzz, from its
# corpus. FUZZ_SECONDS=10 is for CI; to hunt: FUZZ_SECONDS=3600 tools/check-fuzz.sh tar.
# An input that breaks a target is left in build-fuzz/found: fix the bug and put the input,
# cut down, into tests/fuzz/corpus/<target>/. FUZZ_KEEP=1 adds new inputs to the corpus.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/lib.sh
export FUZZ_SECONDS=${FUZZ_SECONDS:-10} FUZZ_KEEP=${FUZZ_KEEP:-0} BUILD=build-fuzz
clang=$(command -v clang-14 || command -v clang) || { echo "skip: clang is missing"; exit 77; }
if [ ! -f "$BUILD/build.ninja" ]; then
    CC=$clang
    ! command -v ccache >/dev/null || CC="ccache $clang"
    CC=$CC meson setup "$BUILD" -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
        --buildtype=debugoptimized -Doptimization=1 || die "can't set up $BUILD"
fi
rows="/^fuzz_targets/,/^]/s/^ *\['\([a-z0-9_]*\)'.*/\1/p"
[ $# -gt 0 ] || set -- $(sed -n "$rows" tests/fuzz/meson.build)
[ $# -gt 0 ] || { echo "skip: no targets yet"; exit 77; }
heading "fuzz: build $*"
programs=
for t; do programs="$programs tests/fuzz/${t}_fuzz"; done
ninja -C "$BUILD" -j"${JOBS:-$(nproc)}" $programs || die "the targets do not build"
mkdir -p "$BUILD/found" "$BUILD/new"

one() {
    local t=$1 corpus=tests/fuzz/corpus/$1 new=$BUILD/new/$1 log=$BUILD/$1.log dict=
    mkdir -p "$new"
    [ "$FUZZ_KEEP" = 0 ] || new=$corpus
    [ ! -f "$corpus/../$t.dict" ] || dict=-dict=$corpus/../$t.dict
    if ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
        "$BUILD/tests/fuzz/${t}_fuzz" -max_total_time="$FUZZ_SECONDS" \
        -timeout=10 -rss_limit_mb=2048 -use_value_profile=1 \
        -artifact_prefix="$BUILD/found/$t-" -print_final_stats=1 $dict \
        "$new" "$corpus" >"$log" 2>&1; then
        printf '  %-20s ok, %s runs, %s new inputs\n' "$t" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
            "$(sed -n 's/^stat::new_units_added: *//p' "$log")"
    else
        printf '  %-20s FAILED\n' "$t"
        grep -v '^#' "$log" | tail -60
        return 1
    fi
}
export -f one
heading "fuzz: ${FUZZ_SECONDS}s for each of $# targets"
printf '%s\0' "$@" | xargs -0 -n1 -P"${JOBS:-$(nproc)}" bash -c 'one "$1"' _ >"$BUILD/fuzz.out"
cat "$BUILD/fuzz.out"
failed=$(grep -c '^  .* FAILED$' "$BUILD/fuzz.out")
echo "$(($# - failed)) passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
