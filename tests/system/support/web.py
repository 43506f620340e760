"""web.c as an image; callers and WebSockets that count what fails."""

import functools
import importlib.util
import pathlib
import platform
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from fake_ecs import Image
from support import images

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
    def calls(self):
        return sum(c.calls for c in self.callers)

    @property
    def answers(self):
        return set().union(*(c.answers for c in self.callers))


class WebSocket:
    """One connection that stays; `lived` says for how long it echoed."""

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
        self.began = time.monotonic()

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
