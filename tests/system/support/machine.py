"""The machine around a test: a network namespace of its own, what runs for a run of gantry,
and what was left behind."""

import collections
import ctypes
import os
import pathlib
import re
import subprocess

CLONE_NEWNET = 0x40000000


def setns(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(fd)


class Network:
    """A network namespace that the calling thread enters, and with it all that it starts.

    Where none can be made the test runs in the machine's own network. `ip netns exec` is no
    way in: it mounts a new /sys, without the cgroups."""

    def __init__(self):
        self.name = "gantrytest" + os.urandom(3).hex()
        self.home = f"/proc/{os.getpid()}/ns/net"
        made = subprocess.run(["ip", "netns", "add", self.name], capture_output=True,
                              check=False).returncode == 0
        self.path = f"/run/netns/{self.name}" if made else None
        if made:
            subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
            self.home_fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            setns(self.path)

    def close(self):
        if self.path:
            setns(f"/proc/self/fd/{self.home_fd}")
            os.close(self.home_fd)
            subprocess.run(["ip", "netns", "delete", self.name], check=True)
            self.path = None

    def state(self):
        """All that gantry could change in it."""
        def words(*command):
            return subprocess.run(command, capture_output=True, text=True,
                                  check=False).stdout.splitlines()
        links = [re.sub(r"^\d+: ", "", line) for line in words("ip", "-o", "-d", "addr")]
        found = {"links": sorted(links), "nft": words("nft", "list", "ruleset"),
                 "routes": words("ip", "route"), "rules": words("ip", "rule")}
        for base, _, files in os.walk("/proc/sys/net"):
            for name in files:
                # Connections of the test itself; a key that the kernel makes on first use.
                if name in ("nf_conntrack_count", "tcp_fastopen_key"):
                    continue
                path = os.path.join(base, name)
                try:
                    found[path] = pathlib.Path(path).read_text(encoding="ascii")
                except OSError:
                    pass
        return found


def difference(before, after):
    return {key: (before.get(key), after.get(key)) for key in before.keys() | after.keys()
            if before.get(key) != after.get(key)}


Process = collections.namedtuple("Process", "pid start")


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode("utf-8", "replace")
    except OSError:
        return ""


def identify(pid):
    """A process that is alive: its pid with its start time; None when it is gone."""
    rest = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if not rest or rest[0] in "ZX":
        return None
    return Process(int(pid), int(rest[19]))


class Processes:
    """Who lives in the groups of one run."""

    def __init__(self, run_id):
        self.group = re.compile(
            rf"/gantry-{run_id}/(?:(conmon)|ecs/([^/\s]+)/([^/\s]+)"
            r"|ecstasks\.slice/ecstasks-([^/\s]+)\.slice/([^/\s]+)\.scope)")

    def look(self):
        """({(task, container): [Process]}, {container id: [Process of a supervisor]})"""
        containers = collections.defaultdict(list)
        supervisors = collections.defaultdict(list)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            m = self.group.search(read(f"/proc/{pid}/cgroup"))
            process = identify(pid) if m else None
            if not process:
                continue
            if not m[1]:
                containers[m[2] or m[4], m[3] or m[5]].append(process)
                continue
            words = read(f"/proc/{pid}/cmdline").split("\0")
            if "-c" in words:
                supervisors[words[words.index("-c") + 1]].append(process)
        return dict(containers), dict(supervisors)


def leftovers(folder, run_id):
    """Processes, mounts and groups that still bear the name. Only this mount namespace is
    looked at: another one holds what was mounted when somebody made it."""
    found = [f"mount: {line}" for line in read("/proc/self/mountinfo").splitlines()
             if f"{folder}/" in line]
    names = [n for n in (folder, run_id) if n]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        text = read(f"/proc/{pid}/cmdline") + read(f"/proc/{pid}/cgroup")
        if int(pid) != os.getpid() and any(n in text for n in names) and identify(pid):
            found.append(f"process {pid}: {read(f'/proc/{pid}/cmdline')[:200]!r}")
    for base, dirs, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(base, d) for d in dirs if run_id and run_id in d]
        dirs[:] = [d for d in dirs if not d.startswith("gantry-")]
    return found
