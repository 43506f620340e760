# lib.sh: what the scripts of tools/ share: progress lines that look alike.
# Colour only where a person watches.
if [ -t 1 ]; then
    LIB_BOLD=$(printf '\033[1m') LIB_PLAIN=$(printf '\033[0m')
else
    LIB_BOLD='' LIB_PLAIN=''
fi

say() { echo "  $*"; }
heading() { echo "${LIB_BOLD}== $*${LIB_PLAIN}"; }
die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# Our own C files that match the patterns (git's), one a line: what is committed and what
# is new, without what .gitignore hides. Works in a checkout without .git as well.
own_sources() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while read -r f; do
            [ ! -f "$f" ] || echo "$f"
        done
        return
    fi
    local pattern
    for pattern; do
        find . -path './build*' -prune -o -name "$pattern" -type f -print | sed 's,^\./,,'
    done | sort -u
}
