#!/bin/bash
# vm-guest.sh: what `make test-vm` runs in its machine: is this the host that it should be,
# and do the system tests pass on it? SUITES="api system" and PYTEST_ARGS choose.
set -uo pipefail
passed=0 failed=0
check() { # title command...
    local title=$1 out
    shift
    if out=$("$@" 2>&1); then
        passed=$((passed + 1))
        echo "ok    $title"
    else
        failed=$((failed + 1))
        printf 'WRONG %s\n%s\n' "$title" "$out"
    fi
}
controllers() {
    local have=" $(cat /sys/fs/cgroup/cgroup.controllers) " c
    for c in cpu cpuset io memory pids; do
        case $have in *" $c "*) ;; *) echo "no $c in:$have"; return 1 ;; esac
    done
}
only_v2() { [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; }
systemd_is_init() { [ "$(cat /proc/1/comm)" = systemd ]; }
crun_runs() {
    local b
    b=$(mktemp -d) && mkdir -p "$b"/rootfs/{bin,proc,sys,dev} && cp /bin/busybox "$b/rootfs/bin/"
    (cd "$b" && crun spec && python3 -c "
import json
spec = json.load(open('config.json'))
spec['process'].update(terminal=False, args=['/bin/busybox', 'cat', '/proc/self/cgroup'])
spec['linux']['resources'] = {'memory': {'limit': 32 << 20}, 'pids': {'limit': 20}}
json.dump(spec, open('config.json', 'w'))" && crun run guest-probe) || return 1
    rm -rf "$b"
}
check 'systemd is init' systemd_is_init
check 'only cgroup v2' only_v2
check 'cgroup controllers cpu cpuset io memory pids' controllers
for module in overlay veth nf_tables bridge nft_nat nft_masq nft_ct nf_conntrack vxlan; do
    check "module $module" modprobe "$module"
done
check 'overlayfs mounts' bash -c 'd=$(mktemp -d) && cd $d && mkdir l u w m &&
    mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m && umount m'
check 'nft loads a table with NAT' bash -c 'nft -f - <<<"table ip vm_probe { chain c {
    type nat hook postrouting priority 100; ip saddr 10.0.0.0/8 masquerade; }; }" &&
    nft delete table ip vm_probe'
check 'crun runs a static busybox' crun_runs
echo "$passed passed, $failed failed, 0 skipped  (the machine)"
[ "$failed" = 0 ] || exit 1

if [ ! -x "$GANTRY" ]; then
    echo "no gantry in the build: nothing more to test"
    exit 0
fi
RESULTS=$RESULTS/tests.txt tools/run-tests.sh ${SUITES:-system}
