"""Real clients against gantry's registry: skopeo, buildah, podman; large layers; crashes."""

import base64
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import tarfile

import pytest

BUILD = os.environ.get(
    "GANTRY_BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build"))
DRIVER = os.path.join(BUILD, "tests", "system", "registry_driver")


class Registry:
    """One registry_driver process with the repositories web and team/api."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [DRIVER, self.folder, "web", "team/api"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        port, self.password = self.process.stdout.readline().split()
        self.port = int(port)
        self.host = f"127.0.0.1:{port}"
        token = base64.b64encode(f"AWS:{self.password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {token}"}

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def call(self, method, path, body=None, headers=None, chunked=False):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        c.request(method, path, body, {**self.headers, **(headers or {})},
                  encode_chunked=chunked)
        answer = c.getresponse()
        data = answer.read()
        c.close()
        return answer.status, answer.headers, data

    def rss_kib(self, field="VmHWM"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return next(int(l.split()[1]) for l in f if l.startswith(field + ":"))


@pytest.fixture
def registry(tmp_path):
    r = Registry(tmp_path / "blobs")
    yield r
    if r.process.poll() is None:
        r.stop()


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False,
                          **more)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make_image(folder, files):
    """An OCI image as skopeo's dir: form; returns its manifest."""
    os.makedirs(folder)
    root = folder + ".root"
    for name, data in files.items():
        os.makedirs(os.path.dirname(f"{root}/{name}"), exist_ok=True)
        with open(f"{root}/{name}", "wb") as f:
            f.write(data)
    with tarfile.open(f"{root}.tar", "w") as t:
        t.add(root, ".")
    with open(f"{root}.tar", "rb") as f:
        layer = f.read()
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(layer)]}}).encode()
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                   "digest": sha256(config), "size": len(config)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": sha256(layer), "size": len(layer)}]}).encode()
    for data in (layer, config):
        with open(f"{folder}/{sha256(data)[7:]}", "wb") as f:
            f.write(data)
    with open(f"{folder}/manifest.json", "wb") as f:
        f.write(manifest)
    with open(f"{folder}/version", "w", encoding="ascii") as f:
        f.write("Directory Transport Version: 1.1\n")
    return manifest


needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
needs_buildah = pytest.mark.skipif(not shutil.which("buildah"), reason="needs buildah")


@needs_skopeo
def test_skopeo_pushes_inspects_pulls_and_deletes(registry, tmp_path):
    manifest = make_image(str(tmp_path / "in"), {"hello": os.urandom(3_000_000)})
    creds = f"AWS:{registry.password}"
    ref = f"docker://{registry.host}/web:1.0"
    run("skopeo", "copy", "--insecure-policy", "--preserve-digests", "--dest-tls-verify=false",
        "--dest-creds", creds, f"dir:{tmp_path}/in", ref)
    shown = json.loads(run("skopeo", "inspect", "--tls-verify=false", "--creds", creds, ref))
    assert shown["Digest"] == sha256(manifest)
    assert shown["RepoTags"] == ["1.0"]
    run("skopeo", "copy", "--insecure-policy", "--src-tls-verify=false", "--src-creds", creds,
        ref, f"dir:{tmp_path}/out")
    for name in os.listdir(tmp_path / "in"):
        if name != "version":
            assert (tmp_path / "in" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    # Into the second repository: its layers are mounted, not sent again.
    run("skopeo", "copy", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false",
        "--src-creds", creds, "--dest-creds", creds, ref,
        f"docker://{registry.host}/team/api:1.0")
    run("skopeo", "delete", "--tls-verify=false", "--creds", creds, ref)
    status, _, _ = registry.call("GET", "/v2/web/manifests/1.0")
    assert status == 404
    status, _, _ = registry.call("GET", "/v2/team/api/manifests/1.0")
    assert status == 200


@needs_skopeo
def test_wrong_credentials_are_refused(registry, tmp_path):
    make_image(str(tmp_path / "in"), {"hello": b"x"})
    for creds in ("AWS:wrong", f"root:{registry.password}"):
        done = subprocess.run(
            ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", "--dest-creds",
             creds, f"dir:{tmp_path}/in", f"docker://{registry.host}/web:1"],
            capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0


@needs_skopeo
def test_docker_schema_2_is_kept(registry, tmp_path):
    make_image(str(tmp_path / "in"), {"hello": os.urandom(1000)})
    creds = f"AWS:{registry.password}"
    run("skopeo", "copy", "--insecure-policy", "--format", "v2s2", "--dest-tls-verify=false",
        "--dest-creds", creds, f"dir:{tmp_path}/in", f"docker://{registry.host}/web:docker")
    status, headers, _ = registry.call("GET", "/v2/web/manifests/docker")
    assert status == 200
    assert headers["Content-Type"] == "application/vnd.docker.distribution.manifest.v2+json"


@needs_buildah
def test_buildah_builds_pushes_and_pulls(registry, tmp_path):
    storage = ["buildah", "--root", str(tmp_path / "root"), "--runroot", str(tmp_path / "run"),
               "--storage-driver", "vfs"]
    (tmp_path / "hello").write_bytes(os.urandom(100_000))
    (tmp_path / "Containerfile").write_text("FROM scratch\nCOPY hello /hello\nCMD [\"/hello\"]\n")
    creds = f"AWS:{registry.password}"
    name = f"{registry.host}/team/api:built"
    try:
        run(*storage, "bud", "--isolation", "chroot", "-t", name, str(tmp_path))
        run(*storage, "push", "--tls-verify=false", "--creds", creds, name)
        run(*storage, "rmi", name)
        run(*storage, "pull", "--tls-verify=false", "--creds", creds, name)
    finally:
        subprocess.run([*storage, "rmi", "-a", "-f"], capture_output=True, check=False)


BLOCK = bytes(range(256)) * 4096  # 1 MiB


def blocks(count):
    for i in range(count):
        yield i.to_bytes(8, "big") + BLOCK[8:]


def test_two_gigabytes_do_not_grow_memory(registry):
    count = int(os.environ.get("GANTRY_LAYER_MIB", "2048"))
    digest = hashlib.sha256()
    for b in blocks(count):
        digest.update(b)
    name = "sha256:" + digest.hexdigest()
    before = registry.rss_kib()
    _, headers, _ = registry.call("POST", "/v2/web/blobs/uploads/")
    status, headers, _ = registry.call(
        "PATCH", headers["Location"], blocks(count), {"Transfer-Encoding": "chunked"}, chunked=True)
    assert status == 202
    status, _, _ = registry.call("PUT", headers["Location"] + "?digest=" + name)
    assert status == 201
    c = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=120)
    c.request("GET", f"/v2/web/blobs/{name}", headers=registry.headers)
    answer = c.getresponse()
    back = hashlib.sha256()
    while data := answer.read(1 << 20):
        back.update(data)
    c.close()
    assert back.digest() == digest.digest()
    assert registry.rss_kib() - before < 4096, "a layer went through memory"


def test_a_killed_registry_leaves_no_half_blob(registry):
    data = os.urandom(5_000_000)
    for cut in (0, 1_000_000, 4_999_999):
        _, headers, _ = registry.call("POST", "/v2/web/blobs/uploads/")
        location = headers["Location"]
        status, _, _ = registry.call("PATCH", location, data[:cut])
        assert status == 202
        registry.kill()
        registry.start()
        status, headers, _ = registry.call("GET", location)
        assert status == 204
        assert headers["Range"] == f"0-{max(cut - 1, 0)}"
        status, _, _ = registry.call("GET", f"/v2/web/blobs/{sha256(data)}")
        assert status == 404
    status, _, _ = registry.call("PUT", f"{location}?digest={sha256(data)}", data[cut:])
    assert status == 201
    status, _, back = registry.call("GET", f"/v2/web/blobs/{sha256(data)}")
    assert back == data
