#!/bin/bash
# check-format.sh [--fix]: C files look as .clang-format says (clang-format 14, as other
# versions differ in details). Headers are set by hand, because clang-format 14 takes
# `#define X_INIT {0}` and tables of members with comments apart; of them, as of every
# other text file, only tabs, blanks at line ends and over-long lines are checked.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/lib.sh
format=$(command -v clang-format-14) || { echo "skip: clang-format-14 is missing"; exit 77; }
mapfile -t files < <(own_sources '*.c')
if [ "${1-}" = --fix ]; then
    "$format" -i "${files[@]}" && echo "${#files[@]} files in the house style"
    exit
fi
bad=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for f in "${files[@]}"; do
    if ! "$format" "$f" | diff -u --label "$f" --label "$f (formatted)" "$f" - >"$out"; then
        bad=$((bad + 1))
        head -20 "$out"
    fi
done
mapfile -t texts < <(own_sources '*.c' '*.h' '*.py' '*.sh' '*.build' | grep -v '/corpus/')
if grep -nE '[[:blank:]]+$' "${texts[@]}"; then
    echo "blanks at the end of the lines above"
    bad=$((bad + 1))
fi
if grep -nP '^\s*\t' "${texts[@]}"; then
    echo "tabs in the lines above"
    bad=$((bad + 1))
fi
if grep -nE '^.{101,}$' "${texts[@]}"; then
    echo "more than 100 characters in the lines above"
    bad=$((bad + 1))
fi
[ "$bad" = 0 ] || { echo "$bad files or rules are not in the house style: make format"; exit 1; }
echo "${#files[@]} C files in the house style, ${#texts[@]} texts without tabs or long lines"
