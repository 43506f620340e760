"""The same program pushed by docker, buildah, skopeo and podman, pulled again by digest, and
run as a task by that digest: what the client pushed is what runs."""

import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from support import images
from support.gantry import Gantry, eventually, reasons_not_to_run

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.timeout(300),
]


def needs(*programs):
    missing = [p for p in programs if not shutil.which(p)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {' '.join(missing)}")


def run(*command, text=None, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, input=text,
                          timeout=120, check=False, **more)
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def gantry():
    g = Gantry()
    yield g
    g.close()


@pytest.fixture
def repository(gantry, request):
    name = "from/" + request.node.name.replace("test_", "").replace("_", "-")
    gantry.client("ecr").create_repository(repositoryName=name)
    return name


@pytest.fixture
def password(gantry):
    token = gantry.client("ecr").get_authorization_token()["authorizationData"][0]
    return base64.b64decode(token["authorizationToken"]).decode().split(":", 1)[1]


@pytest.fixture
def context(tmp_path):
    """A build context: one static program and the file that makes an image of it."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "probe").write_bytes(images.probe())
    (folder / "probe").chmod(0o755)
    # Clients remember how they compressed a layer before, and where: make it a new one.
    (folder / "new").write_bytes(os.urandom(100))
    (folder / "Dockerfile").write_text(
        'FROM scratch\nCOPY probe new /\nENV FROM_IMAGE=yes\nENTRYPOINT ["/probe"]\n'
        'CMD ["exit", "7"]\n', encoding="ascii")
    return folder


def digest_at(gantry, repository, tag="1"):
    found = gantry.client("ecr").describe_images(repositoryName=repository,
                                                 imageIds=[{"imageTag": tag}])
    return found["imageDetails"][0]["imageDigest"]


def check_it_runs(gantry, repository, digest, command=None):
    """By digest, and by tag: both are the pushed image, and its own command ran."""
    assert digest == digest_at(gantry, repository)
    for reference in (f"@{digest}", ":1"):
        container = {"name": "main", "image": f"{gantry.address}/{repository}{reference}",
                     "memory": 16}
        if command:
            container.update(command)
        task = gantry.run_task(gantry.define(repository.replace("/", "-"), container))
        stopped = gantry.wait_status(task, "STOPPED", 60)
        found = stopped["containers"][0]
        assert found.get("exitCode") == 7, stopped
        assert found["imageDigest"] == digest


# ---- docker ----


class Docker:
    """A dockerd of the test's own: no bridge, no rule in any firewall, its files in a folder."""

    def __init__(self, folder):
        # A socket's path is at most 107 bytes long: not below anything deep.
        self.socket = f"{folder}/d.sock"
        self.config = folder / "client"
        self.log = open(folder / "dockerd.log", "wb")
        self.process = subprocess.Popen(
            ["dockerd", "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"),
             "--pidfile", str(folder / "pid"), "--host", f"unix://{self.socket}",
             "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
             "--ip-masq=false"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            eventually(self.answers, 60, "dockerd's answer", 0.1)
        except BaseException:
            self.close()
            raise

    def answers(self):
        assert self.process.poll() is None, pathlib.Path(self.log.name).read_text()[-3000:]
        return subprocess.run(["docker", "--host", f"unix://{self.socket}", "version"],
                              capture_output=True, check=False).returncode == 0

    def __call__(self, *words, **more):
        # Its old builder: buildkit is a plug-in that a client may not have.
        return run("docker", "--config", self.config, "--host", f"unix://{self.socket}", *words,
                   env={**os.environ, "DOCKER_BUILDKIT": "0"}, **more)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


@pytest.fixture
def docker(gantry, tmp_path):
    d = Docker(tmp_path)
    yield d
    d.close()


@needs("docker", "dockerd")
def test_docker(gantry, docker, repository, password, context):
    name = f"{gantry.address}/{repository}"
    docker("login", "--username", "AWS", "--password-stdin", gantry.address, text=password)
    docker("build", "--tag", f"{name}:1", context)
    pushed = docker("push", f"{name}:1")
    digest = re.search(r"digest: (sha256:[0-9a-f]{64})", pushed).group(1)
    made = docker("image", "inspect", "--format", "{{.Id}}", f"{name}:1")
    # A second push finds every layer.
    assert "Layer already exists" in docker("push", f"{name}:1")
    docker("rmi", "--force", made)
    docker("pull", f"{name}@{digest}")
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{name}@{digest}") == made
    check_it_runs(gantry, repository, digest)
    docker("logout", gantry.address)


@needs("docker", "dockerd")
def test_docker_import(gantry, docker, repository, password, context):
    name = f"{gantry.address}/{repository}"
    docker("login", "--username", "AWS", "--password-stdin", gantry.address, text=password)
    tar = context / "root.tar"
    run("tar", "-C", context, "-cf", tar, "probe")
    docker("import", "--change", 'ENTRYPOINT ["/probe"]', tar, f"{name}:1")
    pushed = docker("push", f"{name}:1")
    digest = re.search(r"digest: (sha256:[0-9a-f]{64})", pushed).group(1)
    check_it_runs(gantry, repository, digest, {"command": ["exit", "7"]})


@needs("docker", "dockerd")
def test_docker_is_told_why(gantry, docker, repository, password, context):
    name = f"{gantry.address}/{repository}"
    docker("build", "--tag", f"{name}:1", "--tag", f"{gantry.address}/from/nobody:1", context)
    with pytest.raises(AssertionError, match="(?i)no basic auth|not authorized|unauthorized"):
        docker("push", f"{name}:1")
    with pytest.raises(AssertionError, match="(?i)not authorized|unauthorized"):
        docker("login", "--username", "AWS", "--password-stdin", gantry.address,
               text=password[:-1] + ("0" if password[-1] != "0" else "1"))
    docker("login", "--username", "AWS", "--password-stdin", gantry.address, text=password)
    with pytest.raises(AssertionError, match="name 'from/nobody' does not exist"):
        docker("push", f"{gantry.address}/from/nobody:1")
    with pytest.raises(AssertionError, match="(?i)not found"):
        docker("pull", f"{name}:never")


# ---- the daemonless ones ----


@pytest.fixture
def storage(tmp_path):
    """containers/storage in a folder; `unshare` is not needed as root."""
    run_root = tempfile.mkdtemp(prefix="gr-")  # podman wants at most 50 characters
    yield ["--root", tmp_path / "root", "--runroot", run_root, "--storage-driver", "vfs"]
    shutil.rmtree(run_root)


def login(program, gantry, password, authfile):
    run(program, "login", "--authfile", authfile, "--tls-verify=false", "--username", "AWS",
        "--password-stdin", gantry.address, text=password)


@needs("buildah")
@pytest.mark.parametrize("form", ["oci", "docker"])
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_buildah(gantry, storage, password, context, tmp_path, form, compression):
    if (form, compression) == ("docker", "zstd"):
        pytest.skip("Docker's schema 2 has no zstd")
    repository = f"from/buildah-{form}-{compression}"
    gantry.client("ecr").create_repository(repositoryName=repository)
    name, auth = f"{gantry.address}/{repository}:1", tmp_path / "auth.json"
    login("buildah", gantry, password, auth)
    more = ["--compression-format", compression] if compression != "gzip" else []
    if more and "--compression-format" not in run("buildah", "push", "--help"):
        pytest.skip("this buildah cannot choose the compression")
    run("buildah", *storage, "bud", "--isolation", "chroot", "--format", form, "--tag", name,
        context)
    run("buildah", *storage, "push", "--authfile", auth, "--tls-verify=false", "--digestfile",
        tmp_path / "digest", *more, name)
    digest = (tmp_path / "digest").read_text().strip()
    manifest = gantry.client("ecr").batch_get_image(
        repositoryName=repository, imageIds=[{"imageTag": "1"}])["images"][0]["imageManifest"]
    assert json.loads(manifest)["layers"][-1]["mediaType"].endswith(
        "+zstd" if compression == "zstd" else "gzip")
    made = run("buildah", *storage, "inspect", "--type", "image", "--format",
               "{{.FromImageID}}", name)
    run("buildah", *storage, "rmi", "--force", made)
    assert run("buildah", *storage, "pull", "--authfile", auth, "--tls-verify=false",
               f"{gantry.address}/{repository}@{digest}")
    check_it_runs(gantry, repository, digest)


@needs("podman")
def test_podman(gantry, storage, repository, password, context, tmp_path):
    auth = tmp_path / "auth.json"
    name = f"{gantry.address}/{repository}"
    login("podman", gantry, password, auth)
    podman = ["podman", *storage, "--cgroup-manager", "cgroupfs", "--events-backend", "none"]
    run(*podman, "build", "--isolation", "chroot", "--tag", f"{name}:1", context)
    run(*podman, "push", "--authfile", auth, "--tls-verify=false", "--digestfile",
        tmp_path / "digest", f"{name}:1")
    digest = (tmp_path / "digest").read_text().strip()
    made = run(*podman, "image", "inspect", "--format", "{{.Id}}", f"{name}:1")
    run(*podman, "rmi", "--force", made)
    assert run(*podman, "pull", "--authfile", auth, "--tls-verify=false",
               f"{name}@{digest}").splitlines()[-1] == made
    check_it_runs(gantry, repository, digest)


@needs("skopeo", "buildah")
def test_skopeo(gantry, storage, repository, password, context, tmp_path):
    auth = tmp_path / "auth.json"
    name = f"docker://{gantry.address}/{repository}"
    login("skopeo", gantry, password, auth)
    run("buildah", *storage, "bud", "--isolation", "chroot", "--tag",
        f"oci:{tmp_path}/layout:1", context)
    run("skopeo", "copy", "--insecure-policy", "--authfile", auth, "--dest-tls-verify=false",
        "--digestfile", tmp_path / "digest", f"oci:{tmp_path}/layout:1", f"{name}:1")
    digest = (tmp_path / "digest").read_text().strip()
    shown = json.loads(run("skopeo", "inspect", "--authfile", auth, "--tls-verify=false",
                           f"{name}@{digest}"))
    assert shown["Digest"] == digest
    run("skopeo", "copy", "--insecure-policy", "--authfile", auth, "--src-tls-verify=false",
        f"{name}@{digest}", f"dir:{tmp_path}/back")
    check_it_runs(gantry, repository, digest)


@needs("skopeo", "buildah")
def test_an_index_of_several_machines(gantry, storage, repository, password, context, tmp_path):
    """A manifest list with two architectures: the task runs this machine's."""
    auth = tmp_path / "auth.json"
    name = f"{gantry.address}/{repository}:1"
    login("buildah", gantry, password, auth)
    run("buildah", *storage, "manifest", "create", "both")
    for arch in {"amd64", "arm64", images.ARCHITECTURE}:
        run("buildah", *storage, "bud", "--isolation", "chroot", "--arch", arch, "--manifest",
            "both", context)
    run("buildah", *storage, "manifest", "push", "--all", "--authfile", auth,
        "--tls-verify=false", "--digestfile", tmp_path / "digest", "both", f"docker://{name}")
    digest = (tmp_path / "digest").read_text().strip()
    check_it_runs(gantry, repository, digest)
