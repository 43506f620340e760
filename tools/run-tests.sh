#!/bin/bash
# run-tests.sh [SUITE...]: runs the tests of a finished build and closes with one line
# "N passed, N failed, N skipped". Suites: unit fuzz api system (all when none is named).
#   BUILD=dir      build folder (build)          PYTHON=path   python with pytest and boto3
#   RESULTS=file   where one line a suite is kept (BUILD/results/tests.txt)
#   PYTEST_ARGS    more arguments for pytest, such as "-k registry -x"
#   PYTEST_JOBS    files that pytest runs at a time (as many as there are processors); 0: one
#                  after the other, in this process
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/lib.sh

BUILD=${BUILD:-build}
PYTHON=${PYTHON:-/usr/bin/python3}
JOBS=${JOBS:-$(nproc)}
PYTEST_JOBS=${PYTEST_JOBS:-$JOBS}
RESULTS=${RESULTS:-$BUILD/results/tests.txt}
mkdir -p "$BUILD/results" "$(dirname "$RESULTS")" || exit 1
: >"$RESULTS"
[ $# -gt 0 ] || set -- unit fuzz api system

# The CLI and boto3 read our service models beside their own, and never a person's keys.
export AWS_DATA_PATH="$PWD/api"
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export AWS_EC2_METADATA_DISABLED=true AWS_PAGER=
export GANTRY=${GANTRY:-$PWD/$BUILD/gantry}
export PYTHONDONTWRITEBYTECODE=1
unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_ENDPOINT_URL

record() { # name passed failed skipped
    echo "$1 $2 $3 $4" >>"$RESULTS"
    say "$1: $2 passed, $3 failed, $4 skipped (${SECONDS}s so far)"
}

run_meson() { # suite
    rm -f "$BUILD/meson-logs/testlog.json"
    meson test -C "$BUILD" --no-rebuild --suite "$1" --num-processes "$JOBS" --print-errorlogs
    local status=$? counted
    if [ ! -s "$BUILD/meson-logs/testlog.json" ]; then
        [ "$status" = 0 ] && record "$1" 0 0 0 || record "$1" 0 1 0
        return
    fi
    counted=$("$PYTHON" tools/counts.py meson "$BUILD/meson-logs/testlog.json" 2>/dev/null) ||
        counted='0 1 0'
    # A failure of meson itself must not hide behind tests that passed.
    set -- "$1" $counted
    [ "$status" = 0 ] || [ "$3" != 0 ] || set -- "$1" "$2" 1 "$4"
    record "$1" "$2" "$3" "$4"
}

run_pytest() { # suite
    if [ -z "$(find tests/"$1" -name 'test_*.py' -print -quit 2>/dev/null)" ]; then
        say "$1: no tests in tests/$1 yet"
        record "$1" 0 0 0
        return
    fi
    if [ ! -x "$GANTRY" ]; then
        say "$1: skipped: there is no $GANTRY"
        record "$1" 0 0 1
        return
    fi
    local xml=$PWD/$BUILD/results/$1.xml counted status
    rm -f "$xml"
    "$PYTHON" -m pytest -p no:cacheprovider -ra -q --durations=5 --junitxml="$xml" \
        -n "$PYTEST_JOBS" --dist loadfile \
        "tests/$1" ${PYTEST_ARGS:-} </dev/null
    status=$?
    counted=$("$PYTHON" tools/counts.py junit "$xml" 2>/dev/null) || counted='0 1 0'
    set -- "$1" $counted
    # 5: nothing collected, which is a mistake here as the folder has tests.
    [ "$status" = 0 ] || [ "$3" != 0 ] || set -- "$1" "$2" 1 "$4"
    record "$1" "$2" "$3" "$4"
}

for suite; do
    heading "tests: $suite"
    case $suite in
    unit | fuzz) run_meson "$suite" ;;
    api | system) run_pytest "$suite" ;;
    *)
        echo "run-tests: no suite '$suite' (unit fuzz api system)" >&2
        exit 2
        ;;
    esac
done
heading "tests: done in ${SECONDS}s"
"$PYTHON" tools/counts.py sum "$RESULTS"
