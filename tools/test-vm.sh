#!/bin/bash
# test-vm.sh [SCRIPT]: runs SCRIPT (tools/vm-guest.sh) in a machine as nearly every real host
# is today: Debian 12, systemd as init, the unified cgroup v2 hierarchy, Debian's cloud
# kernel with its modules, under QEMU. The build and the tests are copied in, not compiled
# there, since emulation is slow. The exit code and the files that the script leaves in
# $RESULTS come back on a disk of their own; the serial console is shown while it runs. Root.
#   VM_MINUTES=30  limit      VM_MEMORY=3072  MiB      VM_CPUS=2
#   VM_ARGS        environment for the script, such as "PYTEST_ARGS='-k limits'"
#   GANTRY_TEST_CACHE  where the root image and logs are kept (/var/cache/gantry-test)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tools/lib.sh
. tools/rootfs.sh
[ "$(id -u)" = 0 ] || die "needs root: sudo make test-vm"
tools/deps.sh vm || exit 1
script=${1:-tools/vm-guest.sh}
[ -f "$script" ] || die "no script '$script'"
BUILD=${BUILD:-build}
VM_MINUTES=${VM_MINUTES:-30} VM_MEMORY=${VM_MEMORY:-3072} VM_CPUS=${VM_CPUS:-2}

work= qemu=
tidy() {
    trap - EXIT
    [ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null
    [ -z "$work" ] || rm -rf --one-file-system "$work"
}
trap tidy EXIT
trap 'exit 130' INT TERM HUP
mkdir -p "$ROOTFS_CACHE"

# The root image depends on the list of packages and on how this script sets the machine up.
vm_packages() { tools/deps.sh --list run vm-guest; }
key=$({ vm_packages; sed -n '/^make_image/,/^}/p' tools/test-vm.sh; } | sha256sum | cut -c1-12)
image=$ROOTFS_CACHE/vm-$key.img kernel=$ROOTFS_CACHE/vm-$key.vmlinuz

make_image() {
    local root=$work/root tarball
    tarball=$(rootfs_base) || return 1
    rootfs_unpack "$tarball" "$root" || return 1
    rootfs_online "$root" on
    say "installing $(vm_packages | wc -w) packages (log: $ROOTFS_CACHE/vm-packages.log)"
    rootfs_run "$root" online "export DEBIAN_FRONTEND=noninteractive; apt-get -q update &&
        apt-get -y -q --no-install-recommends install $(vm_packages | tr '\n' ' ') &&
        apt-get clean" >"$ROOTFS_CACHE/vm-packages.log" 2>&1 </dev/null || return 1
    rootfs_online "$root" off
    rm -rf "$root"/var/lib/apt/lists/* "$root/usr/sbin/policy-rc.d" "$root"/usr/share/doc
    # No initrd: the kernel has NVMe and ext4 built in, everything else is a module.
    cp -L "$root"/boot/vmlinuz-* "$kernel" || return 1
    rm -rf "$root"/boot/*
    echo uninitialized >"$root/etc/machine-id"
    printf '/dev/nvme0n1 / ext4 rw 0 0\n/dev/nvme1n1 /srv ext4 rw 0 0\n' >"$root/etc/fstab"
    sed -i 's/ fresh$/ vm/' "$root/etc/hosts"
    echo vm >"$root/etc/hostname"
    for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer \
        getty@tty1.service serial-getty@ttyS0.service systemd-timesyncd.service \
        buildah.service podman.service nftables.service \
        docker-registry.service; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    cat >"$root/etc/systemd/system/guest.service" <<'UNIT'
[Unit]
Description=the script of this run
RequiresMountsFor=/srv
After=network.target
[Service]
Type=oneshot
Delegate=yes
StandardInput=null
StandardOutput=tty
StandardError=inherit
TTYPath=/dev/ttyS0
ExecStart=/bin/bash /srv/start
ExecStopPost=/bin/systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target
UNIT
    ln -sf ../guest.service "$root/etc/systemd/system/multi-user.target.wants/guest.service"
    mkdir -p "$root/srv"
    truncate -s 6G "$image.new" &&
        mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=1 -d "$root" "$image.new" &&
        mv "$image.new" "$image"
    local status=$?
    rm -rf --one-file-system "$root"
    return "$status"
}

# What this run needs and what it leaves: one disk, read back without mounting it.
make_disk() {
    local top=$work/disk
    mkdir -p "$top/results" "$top/gantry/build"
    git -c safe.directory="$PWD" ls-files -z --cached --others --exclude-standard |
        tar -c --null --verbatim-files-from --ignore-failed-read -T - 2>/dev/null |
        tar -C "$top/gantry" -x
    # The binary and the programs that tests start, stripped; and what else was made for them.
    (cd "$BUILD" && find gantry tests -type f -executable 2>/dev/null) | while read -r f; do
        mkdir -p "$top/gantry/build/$(dirname "$f")"
        strip -o "$top/gantry/build/$f" "$BUILD/$f" 2>/dev/null
    done
    (cd "$BUILD" && find . -name '*.[1-8]' -print0 | tar -c --null -T - 2>/dev/null) |
        tar -C "$top/gantry/build" -x
    cp "$script" "$top/script"
    cat >"$top/start" <<START
export RESULTS=/srv/results HOME=/root LANG=C.UTF-8 GANTRY=/srv/gantry/build/gantry ${VM_ARGS-}
cd /srv/gantry
echo "guest: script started \$(cut -d' ' -f1 /proc/uptime) s after power-on"
timeout --kill-after=30 $((VM_MINUTES * 60 - 60)) bash /srv/script 2>&1 | tee /srv/results/log
status=\${PIPESTATUS[0]}
journalctl -b --no-pager -o short-monotonic >/srv/results/journal 2>/dev/null
echo "\$status" >/srv/results/status
sync
echo "guest: script ended with \$status after \$(cut -d' ' -f1 /proc/uptime) s"
START
    truncate -s 4G "$work/disk.img" &&
        mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=1 -d "$top" "$work/disk.img"
}

work=$(mktemp -d "$ROOTFS_CACHE/vm.XXXXXX") || exit 1
heading "vm: root image"
if [ ! -s "$image" ] || [ ! -s "$kernel" ]; then
    rm -f "$ROOTFS_CACHE"/vm-*.img "$ROOTFS_CACHE"/vm-*.vmlinuz "$ROOTFS_CACHE"/vm-*.new
    make_image || die "can't make the root image, see $ROOTFS_CACHE/vm-packages.log"
fi
make_disk || die "can't make the disk of this run"
say "$image ($(du -m "$image" | cut -f1) MB), ready after ${SECONDS}s"

accel='-accel tcg,thread=multi -cpu max'
if [ -w /dev/kvm ] && grep -qE '^flags.* (svm|vmx)( |$)' /proc/cpuinfo; then
    accel='-accel kvm -accel tcg,thread=multi -cpu max'
fi
heading "vm: QEMU with $VM_CPUS cores, $VM_MEMORY MiB,${accel%%-cpu*}"
console=$ROOTFS_CACHE/vm-console.log
: >"$console"
booted=$SECONDS
# -snapshot for the root only: what a run writes there is forgotten.
qemu-system-x86_64 -machine q35 $accel -smp "$VM_CPUS" -m "$VM_MEMORY" -nic none \
    -display none -monitor none -no-reboot -serial "file:$console" \
    -device virtio-rng-pci -kernel "$kernel" \
    -append 'root=/dev/nvme0n1 rw console=ttyS0 quiet loglevel=3 mitigations=off
        systemd.show_status=0 systemd.unified_cgroup_hierarchy=1 panic=-1' \
    -drive "file=$image,format=raw,if=none,id=root,snapshot=on" \
    -device nvme,drive=root,serial=root \
    -drive "file=$work/disk.img,format=raw,if=none,id=disk,cache=unsafe" \
    -device nvme,drive=disk,serial=disk </dev/null 2>"$work/qemu.err" &
qemu=$!
tail -f --pid="$qemu" "$console" | sed -u 's/\r//g; s/^/    | /' &
shown=$!
timed_out=0
while kill -0 "$qemu" 2>/dev/null; do
    if [ $((SECONDS - booted)) -gt $((VM_MINUTES * 60)) ]; then
        timed_out=1
        kill -KILL "$qemu"
    fi
    sleep 1
done
wait "$qemu"
qemu_status=$?
qemu=
wait "$shown"
took=$((SECONDS - booted))

results=$ROOTFS_CACHE/vm-results
rm -rf "$results" && mkdir -p "$results"
debugfs -R "rdump /results $work" "$work/disk.img" >/dev/null 2>&1
cp -r "$work/results/." "$results/" 2>/dev/null
status=$(cat "$results/status" 2>/dev/null || echo missing)
heading "vm: done in ${SECONDS}s, $took s of them in the machine"
say "console: $console   results: $results"
[ "$timed_out" = 0 ] || die "stopped after $VM_MINUTES minutes"
[ "$qemu_status" = 0 ] || { cat "$work/qemu.err" >&2; die "QEMU ended with $qemu_status"; }
[ "$status" != missing ] || die "the script did not end"
say "the script ended with $status"
[ "$status" = 0 ]
