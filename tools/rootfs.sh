# rootfs.sh: a minimal Debian 12 in a folder, for test-fresh.sh and test-vm.sh (sourced
# after lib.sh; root). The mirror is the one that this machine's apt uses, read when it runs.

ROOTFS_CACHE=${GANTRY_TEST_CACHE:-${XDG_CACHE_HOME:-/var/cache}/gantry-test}
ROOTFS_SUITE=bookworm

# "uri suite component" of each Debian archive of the suite that apt knows.
rootfs_archives() {
    local format='$(ORIGIN) $(CODENAME) $(REPO_URI) $(RELEASE) $(COMPONENT)'
    apt-get indextargets --format "$format" 'Created-By: Packages' 2>/dev/null |
        awk -v suite="$ROOTFS_SUITE" '$1 == "Debian" && $2 ~ "^" suite {
            sub(/^mirror\+/, "", $3); print $3, $4, $5 }' | sort -u
}

# rootfs_base: prints the path of the cached tarball, made when there is none yet.
rootfs_base() {
    local tarball=$ROOTFS_CACHE/base-$ROOTFS_SUITE.tar.gz mirror work
    mkdir -p "$ROOTFS_CACHE" || return 1
    if [ -s "$tarball" ]; then
        echo "$tarball"
        return
    fi
    [ -n "$(rootfs_archives)" ] || apt-get -q update >&2
    mirror=$(rootfs_archives | awk -v s="$ROOTFS_SUITE" '$2 == s { print $1; exit }')
    [ -n "$mirror" ] || {
        echo "apt knows no archive of Debian $ROOTFS_SUITE" >&2
        return 1
    }
    say "debootstrap: minimal $ROOTFS_SUITE (kept in $ROOTFS_CACHE)" >&2
    work=$(mktemp -d "$ROOTFS_CACHE/base.XXXXXX") || return 1
    if debootstrap --variant=minbase --include=ca-certificates,make "$ROOTFS_SUITE" \
        "$work/root" "$mirror" >"$ROOTFS_CACHE/debootstrap.log" 2>&1; then
        rootfs_archives | sed 's/^/deb /' >"$work/root/etc/apt/sources.list"
        rm -rf "$work"/root/var/cache/apt/archives/*.deb
        tar -C "$work/root" --numeric-owner -czf "$tarball.new" . && mv "$tarball.new" "$tarball"
    else
        tail -5 "$ROOTFS_CACHE/debootstrap.log" >&2
    fi
    rm -rf --one-file-system "$work"
    [ -s "$tarball" ] && echo "$tarball"
}

# rootfs_unpack TARBALL ROOT: and what a machine has that debootstrap does not give.
rootfs_unpack() {
    mkdir -p "$2" && tar -C "$2" --numeric-owner -xzf "$1" || return 1
    printf '127.0.0.1 localhost fresh\n::1 localhost\n' >"$2/etc/hosts"
    echo fresh >"$2/etc/hostname"
    # No daemon starts while packages are installed in there.
    printf '#!/bin/sh\nexit 101\n' >"$2/usr/sbin/policy-rc.d"
    chmod 755 "$2/usr/sbin/policy-rc.d"
}

# rootfs_online ROOT on|off: lets the folder resolve the mirror's name as this machine does,
# with this machine's proxy if apt has one.
rootfs_online() {
    if [ "$2" = on ]; then
        cp -L /etc/resolv.conf "$1/etc/resolv.conf"
        cp "$1/etc/hosts" "$1/etc/hosts.offline"
        grep -vE '^(127\.|::1|#|$)' /etc/hosts >>"$1/etc/hosts" || true
        apt-config dump | grep -E '^Acquire::https?::Proxy ' >"$1/etc/apt/apt.conf.d/99host" || true
    else
        mv -f "$1/etc/hosts.offline" "$1/etc/hosts"
        : >"$1/etc/resolv.conf"
        rm -f "$1/etc/apt/apt.conf.d/99host"
    fi
}

# rootfs_checkout ROOT: a clean checkout of what is committed, at /root/gantry in there.
rootfs_checkout() {
    rm -rf "$1/root/gantry"
    git -c safe.directory="$PWD" -c advice.detachedHead=false clone -q --no-local "file://$PWD" \
        "$1/root/gantry" 2>/dev/null || {
        mkdir -p "$1/root/gantry"
        git archive HEAD | tar -C "$1/root/gantry" -x
    }
    git diff --quiet HEAD -- 2>/dev/null ||
        say "note: changes that are not committed are not in there"
}

# rootfs_run ROOT online|offline COMMAND: runs it with ROOT as its root, in mount, pid, ipc
# and uts namespaces of its own; offline in a network namespace with nothing but loopback.
# Ending it ends all that it started, and its mounts go with it. A bash stays as the first
# process, as that has to wait for orphans: a container can't end before all of its
# processes have been waited for.
rootfs_run() {
    local root=$1 network=
    [ "$2" = online ] || network=--net
    # pivot_root, not chroot: crun can't make containers inside a chroot.
    unshare --mount --pid --fork --kill-child --ipc --uts $network \
        /bin/bash -c '
            set -e
            root=$1
            mount --make-rprivate /
            mount --bind "$root" "$root"
            mount -t proc proc "$root/proc"
            mount -t sysfs sysfs "$root/sys"
            if [ -d /sys/fs/cgroup ]; then mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"; fi
            mount -t tmpfs -o mode=755 dev "$root/dev"
            for node in null zero full random urandom tty fuse kvm; do
                [ -e /dev/$node ] || continue
                touch "$root/dev/$node" && mount --bind /dev/$node "$root/dev/$node"
            done
            if [ -e /dev/loop-control ]; then
                touch "$root/dev/loop-control"
                mount --bind /dev/loop-control "$root/dev/loop-control"
                for n in $(seq 0 63); do mknod "$root/dev/loop$n" b 7 "$n"; done
            fi
            mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/dev/net"
            mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
            mount -t tmpfs shm "$root/dev/shm"
            ln -s pts/ptmx "$root/dev/ptmx"
            ln -s /proc/self/fd "$root/dev/fd"
            ln -s /proc/self/fd/0 "$root/dev/stdin"
            ln -s /proc/self/fd/1 "$root/dev/stdout"
            ln -s /proc/self/fd/2 "$root/dev/stderr"
            mount -t tmpfs -o mode=755 run "$root/run"
            mount -t tmpfs tmp "$root/tmp"
            hostname fresh
            [ -z "$3" ] || ip link set lo up
            cd "$root"
            mkdir -p .outside
            pivot_root . .outside
            umount -l /.outside
            rmdir /.outside
            cd /root/gantry 2>/dev/null || cd /root
            exec env -i HOME=/root USER=root TERM=dumb LANG=C.UTF-8 CI="${CI-}" \
                PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                /bin/bash -c "$2; exit"' rootfs "$root" "$3" "$network"
}
