#!/bin/bash
# check-all.sh [CHECK...]: runs tools/check-CHECK.sh one after the other, all of them when
# none is named, keeps each one's output in build/check/CHECK.log, shows the output of
# those that fail, and closes with a table, times and one line "N passed, N failed,
# N skipped". A check says "skip: reason" and exits with 77 when it can't run here.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/lib.sh

BUILD=${BUILD:-build}
RESULTS=${RESULTS:-$BUILD/results/checks.txt}
LOGS=$BUILD/check
mkdir -p "$LOGS" "$(dirname "$RESULTS")" || exit 1
: >"$RESULTS"
# Cheap ones first: a slip in the format should not wait for the sanitizers.
[ $# -gt 0 ] || set -- format includes banned headers coverage licence cppcheck tidy asan tsan fuzz

heading "checks: $*"
n=0
for check; do
    n=$((n + 1))
    printf '  [%d/%d] %-10s ' "$n" "$#" "$check"
    from=$SECONDS
    tools/check-"$check".sh >"$LOGS/$check.log" 2>&1 </dev/null
    status=$?
    took=$((SECONDS - from))
    # A check may count for itself ("N passed, N failed, N skipped"); else it is one.
    counted=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' \
        "$LOGS/$check.log" | tail -1)
    case $status in
    0) word=ok counted=${counted:-1 0 0} ;;
    77) word=skipped counted='0 0 1' ;;
    *)
        word=FAILED
        case $counted in '' | *' 0 '*) counted='0 1 0' ;; esac
        ;;
    esac
    printf '%-8s %4ds  %s\n' "$word" "$took" "$(tail -1 "$LOGS/$check.log" | cut -c1-100)"
    [ "$word" != FAILED ] || tail -n "${CHECK_TAIL:-60}" "$LOGS/$check.log" | sed 's/^/    | /'
    echo "$check $counted" >>"$RESULTS"
done
heading "checks: done in ${SECONDS}s; whole output in $LOGS/"
/usr/bin/python3 tools/counts.py sum "$RESULTS"
