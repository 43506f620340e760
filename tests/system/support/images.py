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


# ---- an image with nothing but Debian's python3 and boto3 ----

SDK_PACKAGES = ("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib",
                "python3-boto3", "python3-botocore", "python3-jmespath", "python3-dateutil",
                "python3-urllib3", "python3-requests", "python3-certifi", "python3-chardet",
                "python3-charset-normalizer", "python3-idna", "python3-s3transfer",
                "python3-six", "media-types")
SDK_SERVICES = ("s3", "dynamodb", "sts")  # of botocore's 80 MB of models


def is_wanted(path):
    parts = path.split("/botocore/data/", 1)
    if len(parts) == 2 and "/" in parts[1]:
        return parts[1].split("/", 1)[0] in SDK_SERVICES
    return not path.startswith(("/usr/share/doc", "/usr/share/man", "/usr/share/lintian"))


def package_files(package):
    listed = subprocess.run(["dpkg", "-L", package], check=True, capture_output=True,
                            text=True).stdout.splitlines()
    return [pathlib.Path(p) for p in listed if is_wanted(p) and os.path.isfile(p)]


def libraries_of(programs):
    """The dynamic linker and what it loads; packages' paths may lead over links like /lib."""
    shown = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True,
                           check=False).stdout
    words = {w for line in shown.splitlines() for w in line.split() if w.startswith("/lib")}
    return [pathlib.Path(w) for w in sorted(words)]


@functools.lru_cache(maxsize=None)
def sdk_image():
    files = {p for package in SDK_PACKAGES for p in package_files(package)}
    files |= set(libraries_of([p for p in files if p.suffix == ".so" or
                               p.name == "python3.11"]))
    content = {str(p).lstrip("/"): p.read_bytes() for p in files}
    folders = {str(f) for name in content for f in pathlib.PurePath(name).parents} - {"."}
    layout = [(f, None) for f in sorted(folders)] + sorted(content.items()) + [("tmp", None)]
    return Image(layout, architecture=ARCHITECTURE, Env=["PATH=/usr/bin"],
                 Entrypoint=["/usr/bin/python3.11", "-c"])
