"""host.py: processes of the bench: a folder of its own, programs compiled into it, a gantry of
its own, and the clean-up of all of that."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import aws

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent


def say(text):
    print(f"  .. {text}", file=sys.stderr, flush=True)


def await_true(condition, seconds, what, pause=0.01):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(pause)


given_ports = set()


def free_port():
    """One that this process was not given before: the kernel may offer the same again, when
    whoever is to have it has not taken it yet."""
    while True:
        with socket.socket() as s:
            s.bind(("", 0))
            port = s.getsockname()[1]
        if port not in given_ports:
            given_ports.add(port)
            return port


def compile_c(name, folder, *flags):
    out = folder / name
    subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", *flags, "-o", out, HERE / f"{name}.c"],
                   check=True)
    return out


@contextlib.contextmanager
def workspace():
    """A folder on a real disk (not /tmp, which may be memory), removed at the end."""
    base = os.environ.get("GANTRY_BENCH_DIR", "/var/tmp")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gantry-bench-", dir=base))
    os.chmod(folder, 0o755)  # gantry's server is not root
    try:
        yield folder
    finally:
        # dockerd and Podman leave mounts behind.
        mounts = [line.split()[1] for line in open("/proc/self/mounts", encoding="utf-8")]
        for mount in reversed(mounts):
            if mount.startswith(f"{folder}/"):
                subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(folder, ignore_errors=True)


class Clock:
    """The file into which first.c writes when it ran: one line of nanoseconds a start."""

    def __init__(self, path):
        self.path = path
        self.path.write_bytes(b"")
        os.chmod(path, 0o666)

    def lines(self):
        return self.path.read_bytes().count(b"\n")

    def start(self, contestant, mode):
        """Milliseconds from asking for a container to its first instruction. Looks at the file
        only when the container is through, so that looking costs it nothing."""
        before = self.lines()
        begun = time.time_ns()
        contestant.finish(contestant.start(mode))
        lines = self.path.read_bytes().splitlines()
        if len(lines) != before + 1:
            raise RuntimeError(f"{len(lines) - before} lines in the clock's file, not one")
        return (int(lines[before]) - begun) / 1e6


class Gantry:
    """`gantry up` with folders and a port of its own."""

    def __init__(self, program, folder, parts=("up", "--detach")):
        self.program, self.port = str(program), free_port()
        self.folder, self.parts, self.process = folder, parts, None
        self.place = ["--data-dir", str(folder / "data"), "--run-dir", str(folder / "run")]
        self.client = None

    def __enter__(self):
        self.folder.mkdir(parents=True)
        self.log = open(self.folder / "log", "wb")
        command = [self.program, *self.parts, *self.place, "--listen", f"127.0.0.1:{self.port}"]
        detached = "--detach" in self.parts
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL)
        try:
            if detached and self.process.wait(60) != 0:
                raise RuntimeError("gantry up failed")
            await_true(self.answers, 30, "gantry answers")
            self.client = self.new_client()
        except BaseException:
            sys.stderr.write((self.folder / "log").read_text(errors="replace")[-2000:])
            self.__exit__()
            raise
        return self

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def environment(self):
        text = subprocess.run(
            [self.program, "env", *self.place, "--listen", f"127.0.0.1:{self.port}"],
            check=True, capture_output=True, text=True).stdout
        return {name: value.strip().strip("'\"") for name, value in
                re.findall(r"^(?:export )?([A-Z_]+)=(.*?);?$", text, re.M)}

    def new_client(self):
        e = self.environment()
        region = e.get("AWS_REGION") or e.get("AWS_DEFAULT_REGION") or "us-east-1"
        return aws.Client("127.0.0.1", self.port, e["AWS_ACCESS_KEY_ID"],
                          e["AWS_SECRET_ACCESS_KEY"], region)

    def await_instance(self):
        def registered():
            found = self.client.ecs("DescribeClusters", clusters=["default"])["clusters"]
            return found and found[0]["registeredContainerInstancesCount"] > 0
        await_true(registered, 30, "an instance in the cluster 'default'")

    def push(self, repository, layer, entrypoint):
        self.client.call("ecr", "CreateRepository", repositoryName=repository)
        registry = aws.Registry("127.0.0.1", self.port, self.client.registry_login())
        registry.image(repository, "1", layer, entrypoint)
        return f"localhost:{self.port}/{repository}:1"

    def processes(self):
        """{"server": pid, "agent": pid, ...}: those that were given our run folder."""
        found = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            ours = str(self.folder / "run").encode()
            if os.path.basename(words[0]) == b"gantry" and any(w.endswith(ours) for w in words):
                part = "fargate" if b"--fargate" in words else words[1].decode()
                found[part] = int(entry.name)
        return found

    def __exit__(self, *_):
        if "up" in self.parts:
            subprocess.run([self.program, "down", "--purge", *self.place], stdout=self.log,
                           stderr=self.log, stdin=subprocess.DEVNULL, timeout=120, check=False)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return None
