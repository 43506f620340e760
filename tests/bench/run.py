#!/usr/bin/python3
"""run.py [PART...]: gantry's figures beside their goals and beside what people use today, all
in one run on this machine. Parts: starts service api registry balancer dynamodb policy size
(all when none is named).
Prints Markdown for docs/benchmarks.md on standard output, progress on standard error. Root."""
import argparse
import os
import pathlib
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import api  # noqa: E402
import balancer  # noqa: E402
import dynamodb  # noqa: E402
import policy  # noqa: E402
import registry  # noqa: E402
import report  # noqa: E402
import service  # noqa: E402
import size  # noqa: E402
import starts  # noqa: E402

PARTS = {"starts": starts, "service": service, "api": api, "registry": registry,
         "balancer": balancer, "dynamodb": dynamodb, "policy": policy, "size": size}


# Where cgroup2 with controllers lies beside v1, crun, and so Podman, refuse to start (gantry's
# agent sees to that by itself): all run over a tree of the v1 hierarchies alone. An unmounted
# `unified` would not do: crun then writes plain files into the folder that is left. Podman
# also writes its networks into /var/lib/cni.
INSIDE = """
    cd /sys/fs/cgroup
    if [ -e unified/cgroup.controllers ]; then
        tree=$(mktemp -d)
        mount -t tmpfs -o mode=755 cgroups "$tree"
        for hierarchy in *; do
            [ "$hierarchy" != unified ] && [ -d "$hierarchy" ] || continue
            mkdir "$tree/$hierarchy"
            mount --bind "$hierarchy" "$tree/$hierarchy"
        done
        mount --rbind "$tree" /sys/fs/cgroup
        umount -l "$tree"
        rmdir "$tree"
    fi
    cd "$OLDPWD"
    [ ! -d /var/lib/cni ] || mount -t tmpfs bench /var/lib/cni
    exec "$@"
"""


def in_own_mounts():
    """Starts this program again in a mount namespace of its own."""
    marker = "GANTRY_BENCH_INSIDE"
    if os.environ.get(marker) != "1":
        os.environ[marker] = "1"
        os.execvp("unshare", ["unshare", "--mount", "sh", "-c", INSIDE, "sh", sys.executable,
                              *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--gantry", default=str(pathlib.Path(__file__).parents[2] / "build/gantry"))
    parser.add_argument("--runs", type=int, default=30, help="starts of each kind (30)")
    parser.add_argument("--seconds", type=float, default=5, help="for each API load (5)")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are {' '.join(PARTS)}")
    if os.geteuid() != 0:
        parser.error("containers need root")
    in_own_mounts()
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options.program = options.gantry if os.access(options.gantry, os.X_OK) else None

    out = report.Report()
    print(f"Measured {time.strftime('%Y-%m-%d')} by `make bench`.")
    out.machine()
    if not options.program:
        out.note(f"there is no {options.gantry}: only the others are measured")
    for name in options.parts or PARTS:
        print(f"== {name}", file=sys.stderr, flush=True)
        begun = time.monotonic()
        try:
            PARTS[name].run(out, options)
        except Exception as why:  # one part must not cost the others
            out.open.append(f"{name}: {type(why).__name__}: {why}")
            out.note(f"{name} broke off: {type(why).__name__}: {why}")
        print(f"== {name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    out.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
