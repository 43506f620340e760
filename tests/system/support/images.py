"""Images made here and pushed over /v2/, with nothing but the standard library."""

import base64
import functools
import http.client
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile
import urllib.parse

from fake_ecs import Image

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(),
                                                           platform.machine())


@functools.lru_cache(maxsize=None)
def probe():
    """probe.c as a static program."""
    folder = tempfile.mkdtemp(prefix="gantry-probe-")
    try:
        source = pathlib.Path(__file__).with_name("probe.c")
        subprocess.run(["gcc", "-O1", "-static", "-s", "-D_GNU_SOURCE", "-o",
                        f"{folder}/probe", str(source)], check=True)
        return pathlib.Path(folder, "probe").read_bytes()
    finally:
        shutil.rmtree(folder)


def probe_image(architecture=ARCHITECTURE, files=(), **config):
    """/probe and little else; users root and app (1000, group 1000)."""
    config.setdefault("Entrypoint", ["/probe"])
    content = [("etc", None), ("tmp", None), ("work", None), ("probe", probe()),
               ("etc/passwd", b"root:x:0:0::/:/probe\napp:x:1000:1000::/work:/probe\n"),
               ("etc/group", b"root:x:0:\napp:x:1000:\nmore:x:2000:app\n")]
    return Image([*content, *files], architecture=architecture, **config)


class Registry:
    """The push half of a client."""

    def __init__(self, address, user="AWS", password=""):
        self.address = address
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {token}"}

    def call(self, method, path, body=None, **headers):
        c = http.client.HTTPConnection(self.address, timeout=30)
        try:
            c.request(method, path, body, {**self.headers, **headers})
            answer = c.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            c.close()

    def push_blob(self, repository, data):
        digest = Image.digest_of(data)
        status, headers, text = self.call("POST", f"/v2/{repository}/blobs/uploads/")
        if status != 202:
            return status, text
        where = urllib.parse.urlsplit(headers["Location"])
        query = f"{where.query}&" if where.query else ""
        status, _, text = self.call("PUT", f"{where.path}?{query}digest={digest}", data,
                                    **{"Content-Type": "application/octet-stream"})
        return status, text

    def push(self, repository, tag, image):
        """Returns the reference for a task definition."""
        for data in image.blobs.values():
            status, text = self.push_blob(repository, data)
            assert status == 201, (status, text)
        kind = json.loads(image.manifest)["mediaType"]
        status, _, text = self.call("PUT", f"/v2/{repository}/manifests/{tag}",
                                    image.manifest, **{"Content-Type": kind})
        assert status == 201, (status, text)
        return f"{self.address}/{repository}:{tag}"


def layer_of(size):
    """Content that doesn't compress."""
    return os.urandom(size)
