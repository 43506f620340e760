"""web.c as an image; callers and WebSockets that count what fails."""

import collections
import functools
import importlib.util
import pathlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from fake_ecs import Image
from support import images
from support.gantry import Not, eventually

TOP = pathlib.Path(__file__).resolve().parents[3]


@functools.lru_cache(maxsize=None)
def program():
    folder = tempfile.mkdtemp(prefix="gantry-web-")
    try:
        source = pathlib.Path(__file__).with_name("web.c")
        subprocess.run(["gcc", "-O1", "-static", "-s", "-D_GNU_SOURCE", "-o", f"{folder}/web",
                        str(source)], check=True)
        return pathlib.Path(folder, "web").read_bytes()
    finally:
        shutil.rmtree(folder)


def image():
    assert platform.machine()
    return Image([("web", program()), ("tmp", None)], architecture=images.ARCHITECTURE,
                 Entrypoint=["/web"])


def load_module():
    """The load generator of the example."""
    spec = importlib.util.spec_from_file_location("load", TOP / "examples/web/load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Callers:
    """with Callers(url, n) as c: …  then c.failures, c.calls, c.answers."""

    def __init__(self, url, count=4):
        self.stop = threading.Event()
        caller = load_module().Caller
        self.callers = [caller(url, self.stop) for _ in range(count)]

    def __enter__(self):
        for c in self.callers:
            c.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for c in self.callers:
            c.join(20)

    @property
    def failures(self):
        return [f for c in self.callers for f in c.failures]

    @property
    def reopened(self):
        """Calls that found their kept connection closed and were made again. While nothing
        is reloaded that is a call that a client with less patience would have lost."""
        return sum(c.reopened for c in self.callers)

    @property
    def calls(self):
        return sum(c.calls for c in self.callers)

    @property
    def answers(self):
        return set().union(*(c.answers for c in self.callers))


WRK_SCRIPT = """
-- A request of each connection every 20 ms: kept connections, not a benchmark.
function delay() return 20 end
"""


class Wrk:
    """`wrk` over kept connections: with Wrk(url) as w: …  then w.calls, w.failures."""

    def __init__(self, url, connections=8):
        self.url, self.connections = url, connections
        self.calls, self.failures = 0, []

    def __enter__(self):
        self.script = tempfile.NamedTemporaryFile("w", suffix=".lua")
        self.script.write(WRK_SCRIPT)
        self.script.flush()
        self.process = subprocess.Popen(
            ["wrk", "-t1", f"-c{self.connections}", "-d24h", "--timeout", "10s", "-s",
             self.script.name, self.url], stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        text = eventually(self.ended, 20, "the end of wrk")
        self.script.close()
        self.calls = int(re.search(r"(\d+) requests in ", text)[1])
        self.failures = [line.strip() for line in text.splitlines()
                         if "Non-2xx" in line or "Socket errors" in line]

    def ended(self):
        self.process.send_signal(signal.SIGINT)  # again: the first may come before its sleep
        try:
            return self.process.communicate(timeout=0.5)[0]
        except subprocess.TimeoutExpired:
            return None


class Shares:
    """A Caller that keeps every answer, in order: which share each version has."""

    def __init__(self, url):
        self.ended = threading.Event()
        self.caller = load_module().Caller(url, self.ended)
        self.seen = self.caller.answers = Answers(self.ended)

    @property
    def failures(self):
        return self.caller.failures

    def __enter__(self):
        self.caller.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.caller.join(20)

    def now(self, n, timeout=30):
        """Of the next n answers: how many each version gave."""
        begin = len(self.seen)
        eventually(lambda: len(self.seen) >= begin + n or Not(self.failures[-3:]), timeout,
                   f"{n} answers")
        return collections.Counter(self.seen[begin:begin + n])


class Answers(list):
    def __init__(self, ended):
        super().__init__()
        self.ended = ended

    def add(self, answer):
        self.append(answer.decode())
        self.ended.wait(0.001)  # others of this process have something to do, too


class Sockets:
    """WebSockets that are spoken over without a pause. `ends` has the version that each was
    of and when it was closed, which is allowed once its target has drained, not before."""

    def __init__(self, address, count):
        self.address, self.count, self.opened = address, count, 0
        self.ends, self.alive, self.threads = [], [], []
        self.closing = threading.Event()

    def fill(self):
        """As many as there should be."""
        while len(self.alive) < self.count:
            s = WebSocket(self.address)
            self.alive.append(s)
            self.opened += 1
            self.threads.append(threading.Thread(target=self.speak, args=[s], daemon=True))
            self.threads[-1].start()

    def speak(self, s):
        while not self.closing.wait(0.05):
            if not s.echoes():
                self.ends.append((s.version, time.monotonic()))
                break
        self.alive.remove(s)
        s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.set()
        for t in self.threads:
            t.join(20)


class WebSocket:
    """One connection that stays; `version` says whose it is."""

    def __init__(self, address, port=80):
        self.socket = socket.create_connection((address, port), timeout=10)
        self.socket.sendall(b"GET /ws HTTP/1.1\r\nHost: x.test\r\nUpgrade: websocket\r\n"
                            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        hello = b""
        while b"\r\n\r\n" not in hello:
            more = self.socket.recv(4096)
            assert more, hello
            hello += more
        assert hello.startswith(b"HTTP/1.1 101"), hello
        self.version = re.search(rb"\r\nx-version: (.*)\r\n", hello.lower())[1].decode()

    def echoes(self, text=b"hello"):
        """False when it is closed."""
        try:
            self.socket.sendall(text)
            got = b""
            while len(got) < len(text):
                more = self.socket.recv(len(text) - len(got))
                if not more:
                    return False
                got += more
            return got == text
        except OSError:
            return False

    def close(self):
        self.socket.close()
