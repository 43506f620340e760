"""Fixtures of the API tests: a real server a module, driven by boto3, with hosts that are
threads of the test (fake_host.py). Run as: make test, or
    AWS_DATA_PATH=api /usr/bin/python3 -m pytest tests/api
GANTRY names another binary than build/gantry."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import boto3
import botocore.config
import pytest

from fake_host import FakeHost

TOP = pathlib.Path(__file__).resolve().parents[2]
GANTRY = os.environ.get("GANTRY", str(TOP / "build" / "gantry"))


class Server:
    """One `gantry server` process in a directory of its own."""

    def __init__(self, *options, dev=True):
        self.dir = tempfile.mkdtemp(prefix="gantry-api-")
        os.chmod(self.dir, 0o755)
        self.options = list(options) + (["--dev"] if dev else [])
        self.url = None
        self.process = None
        self.port = 0
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [GANTRY, "server", "--data-dir", f"{self.dir}/data", "--run-dir", f"{self.dir}/run",
             "--listen", f"127.0.0.1:{self.port}", *self.options],
            stdout=subprocess.PIPE, stderr=open(f"{self.dir}/log", "a"), text=True)
        line = self.process.stdout.readline()
        if not line.startswith("gantry ready: "):
            pytest.fail(f"the server ended with {self.process.wait()}:\n" + self.log()[-500:])
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def restart(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        self.process.wait()
        self.process.stdout.close()
        self.start()

    def client(self, service, account="000000000000", region="us-east-1", **more):
        more.setdefault("aws_access_key_id", account)
        more.setdefault("aws_secret_access_key", "any")
        # One connection a client, no retries: a test wants to see the first answer.
        config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=20)
        return boto3.client(service, endpoint_url=self.url, region_name=region, config=config,
                            **more)

    def log(self):
        return pathlib.Path(f"{self.dir}/log").read_text()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(20) == 0, self.log()
            self.process.stdout.close()
        shutil.rmtree(self.dir)


@pytest.fixture(scope="module")
def server():
    s = Server()
    yield s
    s.close()


@pytest.fixture
def own_server():
    """A server that the test may kill."""
    s = Server()
    yield s
    s.close()


@pytest.fixture
def ecs(server):
    return server.client("ecs")


@pytest.fixture
def cluster(server, ecs, request):
    """A cluster of the test's own; returns its name."""
    name = "c-" + "".join(ch if ch.isalnum() else "-" for ch in request.node.name)[:200]
    ecs.create_cluster(clusterName=name)
    return name


@pytest.fixture
def host(server, cluster):
    """A connected instance with 4 vCPU and 8 GiB."""
    h = FakeHost(server, cluster)
    yield h
    h.close()


@pytest.fixture
def hosts(server, cluster):
    """hosts(n, **resources) makes n connected instances."""
    made = []

    def make(n, **more):
        new = [FakeHost(server, cluster, **more) for _ in range(n)]
        made.extend(new)
        return new

    yield make
    for h in made:
        h.close()


def container(**more):
    return {"name": "app", "image": "example.test/app:1", "cpu": 128, "memory": 64, **more}


@pytest.fixture
def taskdef(ecs, cluster):
    """taskdef(**container settings) registers a revision of the test's own family."""

    def register(family=None, **more):
        return ecs.register_task_definition(
            family=family or cluster, containerDefinitions=[container(**more)]
        )["taskDefinition"]["taskDefinitionArn"]

    return register
