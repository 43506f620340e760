#!/bin/bash
# test-fresh.sh [COMMAND...]: does the README hold on a machine that never saw the project?
# Makes a minimal Debian 12 in a folder, puts a clean checkout into it, installs the packages
# with this machine's network (`make deps`), then runs the README's commands, by default
# `make demo` and `make test`, without any network, in namespaces of its own. Everything is
# removed afterwards, also on failure; logs stay in the cache folder. Root.
#   GANTRY_TEST_CACHE   where the base system and logs are kept (/var/cache/gantry-test)
#   FRESH_MINUTES=40    limit for each command      FRESH_KEEP=1   keep the folder
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/lib.sh
. tools/rootfs.sh
[ "$(id -u)" = 0 ] || die "needs root: sudo make test-fresh"
tools/deps.sh vm || exit 1
[ $# -gt 0 ] || set -- 'make demo' 'make test'
FRESH_MINUTES=${FRESH_MINUTES:-40}

work= child=
tidy() {
    trap - EXIT
    [ -z "$child" ] || kill -KILL "$child" 2>/dev/null
    if [ -n "$work" ]; then
        if [ -n "${FRESH_KEEP-}" ]; then
            say "kept: $work"
        else
            # The mounts lived in a namespace that is gone; stay on one file system anyhow.
            rm -rf --one-file-system "$work"
        fi
    fi
}
trap tidy EXIT
trap 'exit 130' INT TERM HUP

all_cgroups() {
    awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/mounts | sort -u | while read -r m; do
        find "$m" -mindepth 1 -type d 2>/dev/null
    done | sort -u
}

failed=0 passed=0 times=
step() { # title online|offline command
    local log=$ROOTFS_CACHE/fresh-$((passed + failed)).log from=$SECONDS status
    heading "fresh: $1   (log: $log)"
    rootfs_run "$work/root" "$2" \
        "timeout --kill-after=20 $((FRESH_MINUTES * 60)) bash -c $(printf %q "$3")" \
        > >(tee "$log" | sed -u 's/^/    | /') 2>&1 </dev/null &
    child=$!
    wait "$child"
    status=$?
    child=
    sleep 0.2 # lets the last lines through the pipe
    times="$times$(printf '%-24s %5d s  ended with %d' "$1" $((SECONDS - from)) "$status")\n"
    if [ "$status" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    return "$status"
}

heading "fresh: base system"
tarball=$(rootfs_base) || die "no base system"
work=$(mktemp -d "$ROOTFS_CACHE/fresh.XXXXXX")
rootfs_unpack "$tarball" "$work/root" || die "can't unpack $tarball"
rootfs_checkout "$work/root"
say "ready after ${SECONDS}s: $(du -sm "$work/root" | cut -f1) MB in $work/root"
before=$(all_cgroups)

rootfs_online "$work/root" on
step 'make deps' online 'make deps' || die "the packages can't be installed"
rootfs_online "$work/root" off
# What a command leaves running would end with its namespaces; it should end in order, so
# that what lies outside them (cgroups) goes too.
end_demo='status=$?; [ ! -x build/gantry ] || tools/demo.sh --down || status=1; exit $status'
for command; do
    case $command in
    *demo*) step "$command" offline "$command; $end_demo" ;;
    *) step "$command" offline "$command" ;;
    esac
done
left=$(comm -13 <(echo "$before") <(all_cgroups) | head -20)
if [ -n "$left" ]; then
    say "cgroups that were left behind (or made meanwhile by others):"
    echo "$left" | sed 's/^/      /'
fi
heading "fresh: done in ${SECONDS}s"
printf '%b' "$times"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
