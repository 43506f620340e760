#!/bin/sh
# deps.sh [GROUP...]: installs the Debian packages of tools/deps.txt, all groups but
# [bench] and [vm] when none is named. Says nothing and asks no mirror when all are there.
#   --list      prints the packages instead
set -eu
cd "$(dirname "$0")/.."

list=0
[ "${1-}" != --list ] || { list=1; shift; }
[ $# -gt 0 ] || set -- build run demo test

packages=$(awk -v wanted=" $* " '
    { sub(/#.*/, ""); gsub(/[ \t]+/, "") }
    /^\[/ { on = index(wanted, " " substr($0, 2, length($0) - 2) " "); next }
    $0 != "" && on && !seen[$0]++' tools/deps.txt)
[ -n "$packages" ] || { echo "deps: no packages in the groups: $*" >&2; exit 2; }
if [ "$list" = 1 ]; then
    echo "$packages"
    exit 0
fi

missing=
for p in $packages; do
    # Held packages say "hold ok installed": the last word decides.
    case $(dpkg-query -W -f='${Status}' "$p" 2>/dev/null || true) in
    *" ok installed") ;;
    *) missing="$missing $p" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "deps: not root and no sudo; as root: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi

# docker.io, docker-registry and others start daemons when they are installed, and
# dockerd changes the machine's firewall. gantry needs only the files, so for this one
# installation no service may start, unless the machine has a policy of its own.
policy=/usr/sbin/policy-rc.d
made_policy=0
tidy() {
    [ "$made_policy" = 0 ] || $as_root rm -f "$policy"
    made_policy=0
}
trap tidy EXIT
trap 'exit 130' INT TERM HUP
if [ ! -e "$policy" ]; then
    made_policy=1
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

count=$(echo "$missing" | wc -w)
echo "deps: installing $count packages:$missing"
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q \
        -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@"
}
# A machine without package lists needs an update first; so does one whose lists are so
# old that the mirror no longer has what they name.
if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
    apt update
    apt install --no-install-recommends $missing
elif ! apt install --no-install-recommends $missing; then
    apt update
    apt install --no-install-recommends $missing
fi
echo "deps: done"
