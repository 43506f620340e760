"""rivals.py: what gantry is measured beside, each with state of its own: crun, Podman, and a
dockerd of ours. Podman and dockerd get a network namespace each, so that their bridges, their
iptables rules and Docker's FORWARD policy never reach this machine's."""
import contextlib
import glob
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess

import host


class Missing(Exception):
    """The rival can't be measured here; the text says why."""


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Missing(f"{program} is not installed")


def quiet(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False, **more)
    if done.returncode != 0:
        raise Missing(f"{command[0]}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


class Crun:
    """`crun run` of the same root file system, no network of its own: the floor."""
    name, modes = "crun run", ("none",)

    def __init__(self, folder, layer, clock):
        need("crun")
        self.bundle = folder / "crun"
        root = self.bundle / "rootfs"
        root.mkdir(parents=True)
        subprocess.run(["tar", "-C", root, "-x"], input=layer, check=True)
        quiet("crun", "spec", cwd=self.bundle)
        path = self.bundle / "config.json"
        spec = json.loads(path.read_text())
        spec["process"].update(terminal=False, args=["/first", "/out/clock"])
        spec["mounts"].append({"destination": "/out", "type": "bind",
                               "source": str(clock.path.parent), "options": ["bind", "rw"]})
        path.write_text(json.dumps(spec))
        self.count, self.mode = 0, "none"
        self.state = folder / "crun-state"

    def start(self, mode):
        self.count += 1
        return subprocess.Popen(
            ["crun", "--root", str(self.state), "run", "--bundle", str(self.bundle),
             f"bench-{os.getpid()}-{self.count}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finish(self, process):
        _, errors = process.communicate(timeout=30)
        if process.returncode != 0:
            raise Missing(f"crun run: {errors.decode(errors='replace')[-300:]}")

    def close(self):
        pass


class Netns:
    """A network namespace without a way out: a pull that Swarm tries although the image is
    there fails at once, instead of waiting for a name server."""
    ADDRESS = "10.231.0.1"  # exists only in there

    def __init__(self, name):
        self.name = f"gantry-bench-{name}-{os.getpid()}"
        # nsenter, as `ip netns exec` would mount another /sys, without the cgroups.
        self.enter = ["nsenter", f"--net=/run/netns/{self.name}"]
        quiet("ip", "netns", "add", self.name)
        for words in (["link", "set", "lo", "up"],
                      ["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"],
                      ["link", "set", "eth1", "up"], ["link", "set", "eth0", "up"],
                      ["address", "add", f"{self.ADDRESS}/24", "dev", "eth0"]):
            quiet("ip", "-n", self.name, *words)

    def close(self):
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)


class Podman:
    name, modes = "podman run", ("none", "host", "bridge")

    def __init__(self, folder, layer, clock):
        need("podman", "ip", "nsenter")
        self.clock = clock
        self.netns = Netns("podman")
        self.base = self.netns.enter + [
            "podman", "--root", str(folder / "podman"), "--runroot", str(folder / "podman-run"),
            "--runtime", "crun", "--cgroup-manager", "cgroupfs"]
        done = subprocess.run(self.base + ["import", "--change", 'ENTRYPOINT ["/first"]', "-",
                                           "first:1"], input=layer, capture_output=True,
                              check=False)
        if done.returncode != 0:
            self.close()
            raise Missing(f"podman import: {done.stderr.decode()[-300:]}")

    def start(self, mode):
        return subprocess.Popen(
            # Its own default limits are more than a caller without CAP_SYS_RESOURCE may ask for.
            self.base + ["run", "--rm", f"--network={mode}", "--ulimit", "nofile=1024:1024",
                         "--ulimit", "nproc=4096:4096", "--volume",
                         f"{self.clock.path.parent}:/out", "first:1", "/out/clock"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finish(self, process):
        _, errors = process.communicate(timeout=60)
        if process.returncode != 0:
            raise Missing(f"podman run: {errors.decode(errors='replace')[-300:]}")

    def close(self):
        subprocess.run(self.base + ["system", "reset", "--force"], check=False,
                       stdin=subprocess.DEVNULL, capture_output=True)
        self.netns.close()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class Docker:
    name, modes = "docker run", ("none", "host", "bridge")
    ADDRESS = Netns.ADDRESS

    def __init__(self, folder, layer=None, clock=None):
        need("dockerd", "docker", "ip", "nsenter", "iptables")
        self.clock, self.process = clock, None
        self.netns = Netns("docker")
        self.socket = str(folder / "docker.sock")
        self.client = ["docker", "--host", f"unix://{self.socket}"]
        try:
            self._boot(folder)
            if layer is not None:
                done = subprocess.run(
                    self.client + ["import", "--change", 'ENTRYPOINT ["/first"]', "-", "first:1"],
                    input=layer, capture_output=True, check=False)
                if done.returncode != 0:
                    raise Missing(f"docker import: {done.stderr.decode()[-300:]}")
        except BaseException:
            self.close()
            raise

    def _boot(self, folder):
        self.log = open(folder / "dockerd.log", "wb")
        self.process = subprocess.Popen(
            self.netns.enter + ["dockerd", "--data-root", str(folder / "docker"),
             "--exec-root", str(folder / "docker-exec"),
             "--pidfile", str(folder / "docker.pid"), "--host", f"unix://{self.socket}",
             "--cgroup-parent", f"/{self.netns.name}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

        def ready():
            if self.process.poll() is not None:
                raise Missing("dockerd: " + (folder / "dockerd.log").read_text()[-400:])
            return os.path.exists(self.socket) and self.api("GET", "/_ping", text=True) == "OK"
        host.await_true(ready, 60, "dockerd answers", 0.1)

    def api(self, method, path, body=None, text=False):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read().decode()
        except OSError:
            return None
        finally:
            connection.close()
        if answer.status >= 400:
            raise Missing(f"docker {path}: {data[:300]}")
        return data if text else json.loads(data or "null")

    def start(self, mode):
        return subprocess.Popen(
            self.client + ["run", "--rm", f"--network={mode}", "--volume",
                           f"{self.clock.path.parent}:/out", "first:1", "/out/clock"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finish(self, process):
        _, errors = process.communicate(timeout=60)
        if process.returncode != 0:
            raise Missing(f"docker run: {errors.decode(errors='replace')[-300:]}")

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process is not None:
            self.log.close()
        self.netns.close()
        # dockerd leaves its parent group, one in each hierarchy; the last processes in it may
        # still be on their way out.
        with contextlib.suppress(TimeoutError):
            host.await_true(self._groups_gone, 10, "the cgroups are empty", 0.2)

    def _groups_gone(self):
        left = glob.glob(f"/sys/fs/cgroup/{self.netns.name}")
        left += glob.glob(f"/sys/fs/cgroup/*/{self.netns.name}")
        for group in left:
            for inner, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(inner)
        return not any(os.path.exists(group) for group in left)
