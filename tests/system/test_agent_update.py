"""An agent of an older version executes the newer program that lies in its place, and its
containers do not notice."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

from support import images, machine
from support.gantry import GANTRY, Gantry, Not, eventually, reasons_not_to_run

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.timeout(120),
]
VERSION = subprocess.run([GANTRY, "--version"], capture_output=True, text=True,
                         check=False).stdout.split()[-1] if os.path.exists(GANTRY) else ""


@pytest.fixture(scope="module")
def gantry():
    g = Gantry()
    yield g
    g.close()


class OldAgent:
    """A second agent on this machine, of a version that never was."""

    def __init__(self, gantry):
        self.gantry = gantry
        self.program = pathlib.Path(gantry.dir, "old-gantry")
        self.place = ["--data-dir", f"{gantry.dir}/old-data", "--run-dir", f"{gantry.dir}/old-run"]
        old = re.sub(rb"\d", b"0", VERSION.encode())
        self.old = old.decode()
        self.program.write_bytes(pathlib.Path(GANTRY).read_bytes().replace(
            VERSION.encode() + b"\0", old + b"\0"))
        self.program.chmod(0o755)
        keys = gantry.client("ecs")._request_signer._credentials
        self.log = open(f"{gantry.dir}/old.log", "wb")
        gantry.ecs.create_cluster(clusterName="old")
        self.process = subprocess.Popen(
            [self.program, "agent", *self.place, "--server", f"http://{gantry.address}",
             "--cluster", "old"], stdout=self.log, stderr=self.log,
            env={**os.environ, "AWS_ACCESS_KEY_ID": keys.access_key,
                 "AWS_SECRET_ACCESS_KEY": keys.secret_key})

    def instance(self):
        ecs = self.gantry.ecs
        arns = ecs.list_container_instances(cluster="old")["containerInstanceArns"]
        found = arns and ecs.describe_container_instances(
            cluster="old", containerInstances=arns)["containerInstances"]
        assert self.process.poll() is None, pathlib.Path(self.log.name).read_text()
        return found[0] if found and found[0]["agentConnected"] else None

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.log.close()
        subprocess.run([GANTRY, "down", "--purge", *self.place], check=True, capture_output=True)


@pytest.fixture
def old(gantry):
    agent = OldAgent(gantry)
    try:
        yield agent
    finally:
        agent.close()


def test_the_agent_becomes_the_newer_program(gantry, old):
    ecs = gantry.ecs
    instance = eventually(old.instance)
    assert instance["versionInfo"]["agentVersion"] == old.old
    reference = gantry.push("update/probe", images.probe_image())
    gantry.define("probe", {"name": "main", "image": reference, "memory": 32, "stopTimeout": 1,
                            "command": ["polite"]})
    task = gantry.run_task("probe", cluster="old")

    def running():
        found = ecs.describe_tasks(cluster="old", tasks=[task])["tasks"][0]
        return found if found["lastStatus"] == "RUNNING" else Not(
            (found, machine.read(old.log.name)))
    before = eventually(running)
    arn = instance["containerInstanceArn"]

    def update(expected):
        ecs.update_container_agent(cluster="old", containerInstance=arn)
        return eventually(lambda: (i := old.instance()) and i.get("agentUpdateStatus") == expected
                          and i)
    # Nothing newer lies there: the same agent goes on.
    assert update("FAILED")["versionInfo"]["agentVersion"] == old.old
    newer = old.program.with_suffix(".new")
    newer.write_bytes(pathlib.Path(GANTRY).read_bytes())
    newer.chmod(0o755)
    newer.rename(old.program)
    found = update("UPDATED")
    assert found["containerInstanceArn"] == arn
    assert found["versionInfo"]["agentVersion"] == VERSION
    assert os.readlink(f"/proc/{old.process.pid}/exe") == str(old.program)
    after = eventually(running)
    assert after["startedAt"] == before["startedAt"]
    assert after["containers"][0]["runtimeId"] == before["containers"][0]["runtimeId"]
    with pytest.raises(ecs.exceptions.NoUpdateAvailableException):
        ecs.update_container_agent(cluster="old", containerInstance=arn)
    ecs.stop_task(cluster="old", task=task)
    eventually(lambda: ecs.describe_tasks(cluster="old", tasks=[task])["tasks"][0]["lastStatus"]
               == "STOPPED")
