"""Pulling, unpacking and mounting real images from real registries (src/host).

Images are made from nothing with buildah, pushed with skopeo to Debian's docker-registry, and
the tree that we show is compared with the one that buildah shows. A registry that misbehaves
is played by image_fixtures.FakeRegistry."""
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile
import uuid
from pathlib import Path

import pytest

from image_fixtures import (DRIVER, DebianRegistry, FakeRegistry, TokenServer, cut_off, differences,
                            driver, run, self_signed, tree)

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="layers hold devices and owners: needs root"),
    pytest.mark.skipif(not DRIVER.exists(), reason=f"{DRIVER} is not built"),
]


def needs(*tools):
    missing = [t for t in tools if not shutil.which(t)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}")


@pytest.fixture
def store(tmp_path):
    d = tmp_path / "store"
    yield d
    mounts = d / "mounts"
    if mounts.is_dir():
        for m in mounts.iterdir():
            driver(d, "release", m.name)
    assert str(d) not in Path("/proc/self/mounts").read_text()


class Buildah:
    """buildah with a storage of its own."""

    def __init__(self, folder):
        self.args = ["--root", folder / "root", "--runroot", folder / "run", "--storage-driver",
                     "vfs"]

    def __call__(self, *args):
        return run("buildah", *self.args, *args).decode().strip()


def fill_base(root):
    """Everything that a layer can hold."""
    (root / "bin").mkdir()
    (root / "usr/lib").mkdir(parents=True)
    os.symlink("usr/lib", root / "lib")
    (root / "usr/lib/x").write_text("library")
    (root / "hello.c").write_text('int main(void) { return 42; }\n')
    run("gcc", "-static", "-Os", "-s", "-o", root / "bin/hello", root / "hello.c")
    os.chmod(root / "bin/hello", 0o4755)
    os.link(root / "bin/hello", root / "bin/again")
    os.symlink("/nowhere/at/all", root / "dangling")
    os.mkfifo(root / "fifo", 0o620)
    os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.chown(root / "usr/lib/x", 1234, 54321)
    (root / "tmp").mkdir()
    os.chmod(root / "tmp", 0o1777)
    (root / ("n" * 200) / ("m" * 200)).mkdir(parents=True)
    (root / ("n" * 200) / ("m" * 200) / "deep").write_text("x")
    (root / "caf\u00e9").write_text("composed")
    (root / "cafe\u0301").write_text("decomposed")
    with open(root / "sparse", "wb") as f:
        f.truncate(5 << 20)
        f.seek(3 << 20)
        f.write(b"island")
    os.setxattr(root / "bin/hello", "security.capability",
                bytes.fromhex("0100000200040000000000000000000000000000"))
    (root / "gone").write_text("of the base")
    (root / "opaque").mkdir()
    (root / "opaque/old").write_text("old")
    (root / "kept").mkdir()
    (root / "kept/old").write_text("old")
    (root / "becomes-file").mkdir()
    (root / "becomes-file/x").write_text("x")
    (root / "becomes-dir").write_text("x")
    os.utime(root / "usr/lib/x", (1000000, 1000000))


def change(root):
    """The second layer: removals and replacements."""
    (root / "gone").unlink()
    shutil.rmtree(root / "opaque")
    (root / "opaque").mkdir()
    (root / "opaque/new").write_text("new")
    (root / "kept/new").write_text("new")
    shutil.rmtree(root / "becomes-file")
    (root / "becomes-file").write_text("file")
    (root / "becomes-dir").unlink()
    (root / "becomes-dir").mkdir()
    (root / "becomes-dir/y").write_text("y")
    os.chmod(root / "kept", 0o700)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An image of two layers in an OCI layout, and the tree it stands for."""
    folder = tmp_path_factory.mktemp("built")
    b = Buildah(folder)
    tag = uuid.uuid4().hex[:8]
    layout = folder / "layout"
    try:
        c = b("from", "scratch")
        fill_base(Path(b("mount", c)))
        b("config", "--entrypoint", '["/bin/hello"]', "--env", "A=b", "--port", "80", c)
        b("commit", c, f"base-{tag}")
        d = b("from", "--pull-never", f"localhost/base-{tag}")
        change(Path(b("mount", d)))
        b("commit", d, f"two-{tag}")
        b("push", f"localhost/two-{tag}", f"oci:{layout}:two")
        e = b("from", "--pull-never", f"localhost/two-{tag}")
        want = tree(b("mount", e))
        del want[b""]
        yield {"layout": f"oci:{layout}:two", "folder": layout, "tree": want}
    finally:
        subprocess.run(["buildah", *map(str, b.args), "rm", "--all"], capture_output=True)
        subprocess.run(["buildah", *map(str, b.args), "rmi", "--all", "--force"],
                       capture_output=True)


def push(built, target, *options):
    run("skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", *options,
        built["layout"], f"docker://{target}")


buildah_needed = needs("buildah", "skopeo", "docker-registry", "gcc")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    r = DebianRegistry(tmp_path_factory.mktemp("plain"))
    yield r
    r.stop()


@pytest.fixture
def fake():
    r = FakeRegistry()
    yield r
    r.stop()


def assert_tree(built, store, ref, copy):
    mounted, = driver(*(["--copy"] if copy else []), store, "mount", "t", ref)
    ours = tree(mounted["merged"])
    # The tars say nothing about "/" itself; buildah shows its own folder there.
    assert ours.pop(b"")["mode"] == "0o40755"
    assert differences(built["tree"], ours) == []
    assert subprocess.run(["chroot", mounted["merged"], "/bin/again"]).returncode == 42
    driver(store, "release", "t")


@buildah_needed
@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("kind", ["oci", "v2s2"])
def test_tree_is_the_one_that_buildah_shows(built, plain, store, kind, copy):
    ref = f"{plain.name}/two:{kind}"
    push(built, ref, "--format", kind)
    pulled, = driver(store, "pull", ref)
    assert len(pulled["layers"]) == 2
    assert pulled["entrypoint"] == "/bin/hello"
    raw = run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{ref}")
    assert pulled["digest"] == "sha256:" + hashlib.sha256(raw).hexdigest()
    assert (b"docker.image.rootfs" in raw) == (kind == "v2s2")
    assert_tree(built, store, ref, copy)


@buildah_needed
@needs("zstd")
@pytest.mark.parametrize("packer", [["cat"], ["zstd", "-c"]])
def test_other_compressions_give_the_same_tree(built, store, fake, packer):
    def blob(digest):
        return (built["folder"] / "blobs/sha256" / digest.split(":")[1]).read_bytes()

    index = json.loads((built["folder"] / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]))
    fake.add_blob(blob(manifest["config"]["digest"]))
    manifest["layers"] = [fake.add_blob(run(*packer, input=gzip.decompress(blob(d["digest"]))))
                          for d in manifest["layers"]]
    fake.add_manifest(manifest, "1")
    driver(store, "pull", f"{fake.name}/two:1")
    assert_tree(built, store, f"{fake.name}/two:1", False)


@buildah_needed
def test_second_pull_needs_no_blob(built, plain, store):
    ref = f"{plain.name}/again:1"
    push(built, ref)
    first, = driver(store, "pull", ref)
    inodes = [os.stat(p).st_ino for p in first["layers"]]
    second, = driver(store, "pull", ref)
    assert [os.stat(p).st_ino for p in second["layers"]] == inodes
    by_digest, = driver(store, "find", f"{plain.name}/again@{first['digest']}")
    assert by_digest["layers"] == first["layers"]
    found, = driver(store, "find", ref)
    assert found["digest"] == first["digest"]


@buildah_needed
def test_tls_with_a_ca_and_without(built, tmp_path, store):
    key, cert = self_signed(tmp_path / "tls", "registry")
    _, other = self_signed(tmp_path / "tls", "other")
    r = DebianRegistry(tmp_path / "r", f"  tls: {{certificate: {cert}, key: {key}}}\n")
    try:
        ref = f"{r.name}/two:1"
        push(built, ref)
        driver("--ca", cert, store, "pull", ref)
        driver(tmp_path / "second", "pull", ref)  # loopback: not checked
        bad, = driver("--fast", "--ca", other, tmp_path / "third", "pull", ref, ok=False)
        assert bad["error"] == "NETWORK"
    finally:
        r.stop()


@buildah_needed
def test_token_authentication(built, tmp_path, store):
    key, cert = self_signed(tmp_path / "token", "issuer")
    tokens = TokenServer(key, cert, "someone", "s3cret")
    r = DebianRegistry(tmp_path / "r", auth=(
        f"auth:\n  token:\n    realm: http://{tokens.name}/token\n    service: test-registry\n"
        f"    issuer: gantry-test\n    rootcertbundle: {cert}\n"))
    try:
        ref = f"{r.name}/team/two:1"
        push(built, ref, "--dest-creds", "someone:s3cret")
        tokens.requests.clear()
        driver("--user", "someone", "--password", "s3cret", store, "pull", ref)
        assert len(tokens.requests) == 1  # one token serves manifest and blobs
        for creds in ([], ["--user", "someone", "--password", "wrong"]):
            bad, = driver("--fast", *creds, tmp_path / "denied", "pull", ref, ok=False)
            assert bad["error"] == "DENIED" and bad["waits"] == 0
            assert ref.split("/", 1)[1].split(":")[0] in bad["text"]
    finally:
        r.stop()
        tokens.stop()


# ---- a registry that misbehaves ----

def make_tar(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, data in files.items():
            i = tarfile.TarInfo(name)
            i.size, i.mode = len(data), 0o644
            t.addfile(i, io.BytesIO(data))
    return out.getvalue()


def image_of(fake, **kw):
    fake.add_image([make_tar(a=os.urandom(300000)), make_tar(b=b"small")], "1", **kw)
    return f"{fake.name}/app:1"


def test_broken_download_goes_on_where_it_stopped(fake, store):
    ref = image_of(fake)
    big = max(fake.blobs, key=lambda d: len(fake.blobs[d]))
    cuts = []

    def before(h):
        if h.path.endswith(big) and len(cuts) < 7 and not h.headers.get("Range"):
            cuts.append(0)
            cut_off(h, fake.blobs[big], 100000)
            return True
        if h.path.endswith(big) and len(cuts) == 1:
            cuts.append(int(h.headers["Range"][6:].split("-")[0]))
            h.reply(503)
            return True
        return False

    fake.before = before
    pulled, = driver("--fast", store, "pull", ref)
    ranges = [hd.get("Range") for p, hd in fake.requests if p.endswith(big)]
    assert ranges == [None, "bytes=100000-", "bytes=100000-"]
    assert pulled["waits"] == 2


def test_server_without_ranges(fake, store):
    ref = image_of(fake)
    big = max(fake.blobs, key=lambda d: len(fake.blobs[d]))
    seen = []

    def before(h):
        if not h.path.endswith(big):
            return False
        seen.append(1)
        if len(seen) == 1:
            cut_off(h, fake.blobs[big], 1000)
        else:
            h.reply(200, fake.blobs[big])
        return True

    fake.before = before
    driver("--fast", store, "pull", ref)


@pytest.mark.parametrize("status,code,waits", [
    (404, "NOTFOUND", 0), (403, "DENIED", 0), (401, "UNSUPPORTED", 0), (429, "NETWORK", 4),
    (500, "NETWORK", 4), (503, "NETWORK", 4), (418, "PROTOCOL", 0)])
def test_status_becomes_the_code(fake, store, status, code, waits):
    fake.before = lambda h: h.reply(
        status, b'{"errors":[{"code":"SOME_CODE","message":"some words"}]}') or True
    bad, = driver("--fast", store, "pull", f"{fake.name}/app:1", ok=False)
    assert (bad["error"], bad["waits"]) == (code, waits)
    assert f"{fake.name}/app:1" in bad["text"]
    if status != 401:
        assert "some words" in bad["text"]


def test_passing_trouble_passes(fake, store):
    ref = image_of(fake)
    left = [503, 429, 500]
    fake.before = lambda h: bool(left) and (h.reply(left.pop()) or True)
    pulled, = driver("--fast", store, "pull", ref)
    assert pulled["waits"] == 3


def test_nobody_listens(store):
    bad, = driver("--fast", store, "pull", "127.0.0.1:1/app:1", ok=False)
    assert bad["error"] == "NETWORK" and bad["waits"] == 4


def test_basic_credentials_only_when_asked(fake, store):
    ref = image_of(fake)

    def before(h):
        if h.headers.get("Authorization") == "Basic QVdTOnRva2Vu":  # AWS:token
            return False
        h.reply(401, b"Not Authorized", WWW_Authenticate='Basic realm="x",service="ecr"')
        return True

    fake.before = before
    driver("--user", "AWS", "--password", "token", store, "pull", ref)
    assert "Authorization" not in fake.requests[0][1]
    bad, = driver("--fast", "--user", "AWS", "--password", "no", store, "pull", ref, ok=False)
    assert bad["error"] == "DENIED" and bad["waits"] == 0
    bad, = driver("--fast", store, "pull", ref, ok=False)
    assert bad["error"] == "DENIED"


def test_ecr_names_go_to_our_registry(fake, store):
    image_of(fake)
    ref = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1"
    pulled, = driver("--ecr", f"http://{fake.name}/", store, "pull", ref)
    assert pulled["reference"] == ref
    bad, = driver(store, "pull", ref, ok=False)
    assert bad["error"] == "UNSUPPORTED"


def test_redirect_drops_authorization(fake, store):
    ref = image_of(fake)
    storage = FakeRegistry()
    storage.blobs = fake.blobs

    def before(h):
        if not h.headers.get("Authorization"):
            h.reply(401, b"", WWW_Authenticate='Basic realm="x"')
        elif "/blobs/" in h.path:
            h.reply(307, b"", Location=f"http://localhost:{storage.port}{h.path}")
        else:
            return False
        return True

    fake.before = before
    try:
        driver("--user", "u", "--password", "p", store, "pull", ref)
        assert storage.requests
        assert all("Authorization" not in hd for _, hd in storage.requests)
    finally:
        storage.stop()


def test_wrong_content_is_refused(fake, tmp_path):
    ref = image_of(fake)
    places = (tmp_path / str(n) for n in range(100))  # a good layer stays and is not asked for

    def refused(name):
        bad, = driver("--fast", next(places), "pull", name, ok=False)
        assert bad["error"] == "CORRUPT", bad

    for digest in list(fake.blobs):
        good = fake.blobs[digest]
        fake.blobs[digest] = good[:-1] + bytes([good[-1] ^ 1])
        refused(ref)
        fake.blobs[digest] = good + b"x"
        refused(ref)
        fake.blobs[digest] = good
    manifest = fake.manifests["1"]
    digest = "sha256:" + hashlib.sha256(manifest[1]).hexdigest()
    fake.manifests[digest] = (manifest[0], manifest[1] + b" ")
    refused(f"{fake.name}/app@{digest}")
    driver("--fast", next(places), "pull", ref)


def test_index_and_platforms(fake, store):
    image = fake.add_image([make_tar(a=b"a")])
    arm = {**image, "platform": {"os": "linux", "architecture": "s390x"}}
    here = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    mine = {**image, "platform": {"os": "linux", "architecture": here}}
    kind = "application/vnd.oci.image.index.v1+json"
    index = fake.add_manifest({"schemaVersion": 2, "mediaType": kind, "manifests": [arm, mine]},
                              "both")
    fake.add_manifest({"schemaVersion": 2, "mediaType": kind, "manifests": [arm]}, "other")
    pulled, = driver(store, "pull", f"{fake.name}/app:both")
    assert pulled["digest"] == index["digest"] and pulled["manifest"] == image["digest"]
    by_index, = driver(store, "find", f"{fake.name}/app@{index['digest']}")
    assert by_index["manifest"] == image["digest"]
    bad, = driver(store, "pull", f"{fake.name}/app:other", ok=False)
    assert bad["error"] == "UNSUPPORTED" and "linux/s390x" in bad["text"]
    fake.add_image([make_tar(a=b"a")], "s390x", arch="s390x")
    bad, = driver(store, "pull", f"{fake.name}/app:s390x", ok=False)
    assert bad["error"] == "UNSUPPORTED" and "s390x" in bad["text"]


def test_hostile_layer_leaves_nothing(fake, store):
    outside = f"/gantry-evil-{os.getpid()}"
    for name in ("../evil", outside):
        fake.add_image([make_tar(**{name: b"evil"})], "bad")
        bad, = driver(store, "pull", f"{fake.name}/app:bad", ok=False)
        assert bad["error"] == "INVALID" and name in bad["text"]
    assert not (store / "evil").exists() and not Path(outside).exists()
    assert not list((store / "tmp").iterdir()) and not list((store / "layers").iterdir())


# ---- the store ----

def test_many_pulls_at_once_fetch_each_blob_once(fake, store):
    ref = image_of(fake)
    answers = driver("--times", "24", store, "pull", ref)
    assert len({json.dumps(a["layers"]) for a in answers}) == 1 and len(answers) == 24
    blobs = [p for p, _ in fake.requests if "/blobs/" in p]
    assert len(blobs) == len(set(blobs)) == 3


def test_two_processes_fetch_each_layer_once(fake, store):
    ref = image_of(fake)
    other = [subprocess.Popen([DRIVER, store, "pull", ref], stdout=subprocess.PIPE)
             for _ in range(6)]
    said = [p.communicate()[0].decode() for p in other]
    assert [p.returncode for p in other] == [0] * 6, said
    config = {json.loads(v[1])["config"]["digest"] for v in fake.manifests.values()}
    layers = [p for p, _ in fake.requests if "/blobs/" in p and p.split("/")[-1] not in config]
    assert len(layers) == 2


STEPS = ["manifest-fetched", "layer-fetched", "layer-unpacked", "layer-marked", "layer-published",
         "image-written", "image-published", "name-written"]


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_recovers(fake, store, step):
    ref = image_of(fake)
    r = subprocess.run([DRIVER, "--kill-at", step, store, "pull", ref], capture_output=True)
    assert r.returncode == -signal.SIGKILL, step
    pulled, = driver(store, "pull", ref)
    for layer, (name, size) in zip(pulled["layers"], [("a", 300000), ("b", 5)]):
        assert os.listdir(layer) == [name]
        assert os.stat(f"{layer}/{name}").st_size == size
    driver(store, "sweep")
    assert not list((store / "tmp").iterdir())
    assert len(list((store / "layers").iterdir())) == 2
    assert not [p for p in (store / "blobs").rglob("*") if p.is_file()]
    driver(store, "find", ref)


@pytest.mark.parametrize("step", ["names-removed", "removed"])
def test_killed_while_removing(fake, store, step):
    ref = image_of(fake)
    pulled, = driver(store, "pull", ref)
    subprocess.run([DRIVER, "--kill-at", step, store, "remove", pulled["manifest"]],
                   capture_output=True)
    bad, = driver(store, "find", ref, ok=False)
    assert bad["error"] == "NOTFOUND"
    driver(store, "remove", pulled["manifest"], ok=None)
    driver(store, "sweep")
    assert not list((store / "layers").iterdir())


def test_pins_keep_and_shared_layers_stay(fake, store):
    shared = make_tar(shared=b"x" * 1000)
    fake.add_image([shared, make_tar(a=b"a")], "a")
    fake.add_image([shared, make_tar(b=b"b")], "b")
    a, = driver(store, "pull", f"{fake.name}/app:a", "task-1")
    b, = driver(store, "pull", f"{fake.name}/app:b")
    assert [e["pins"] for e in driver(store, "list") if e["manifest"] == a["manifest"]] == [1]
    bad, = driver(store, "remove", a["manifest"], ok=False)
    assert bad["error"] == "CONFLICT"
    driver(store, "remove", b["manifest"])
    assert all(os.path.isdir(p) for p in a["layers"]) and not os.path.exists(b["layers"][1])
    driver(store, "unpin", a["manifest"], "task-1")
    driver(store, "remove", a["manifest"])
    assert not list((store / "layers").iterdir()) and driver(store, "list") == []


def test_layers_of_another_boot_are_not_trusted_until_settled(fake, store):
    ref = image_of(fake)
    pulled, = driver(store, "pull", ref)
    for mark in (store / "unsynced").iterdir():
        mark.write_text("another-boot\n")
    bad, = driver(store, "find", ref, ok=False)
    assert bad["error"] == "NOTFOUND" and not list((store / "layers").iterdir())
    driver(store, "pull", ref)
    driver(store, "settle")
    assert not list((store / "unsynced").iterdir())
    assert driver(store, "find", ref)[0]["layers"] == pulled["layers"]


def test_a_half_written_image_counts_as_not_there(fake, store):
    ref = image_of(fake)
    pulled, = driver(store, "pull", ref)
    record = store / "images" / pulled["manifest"].split(":")[1] / "config"
    record.write_bytes(record.read_bytes()[:20])
    bad, = driver(store, "find", ref, ok=False)
    assert bad["error"] == "NOTFOUND"
    driver(store, "pull", ref)
    driver(store, "find", ref)
