"""A pipeline as people have it: register a revision, update the service, wait until it is
stable, with the AWS CLI as Debian ships it; again and again, while the machine has other
tasks to start and to stop. No waiter fails, and what the last one left is what runs."""

import json
import os
import subprocess
import threading
import time

import pytest

from support import images, machine
from support.gantry import TOP, Gantry, eventually, reasons_not_to_run

AWS = "/usr/bin/aws"
ROUNDS = int(os.environ.get("GANTRY_PIPELINE_ROUNDS", "10"))
TASKS = 3

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.skipif(not os.path.exists(AWS), reason=f"needs {AWS}"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def gantry():
    g = Gantry()
    try:
        yield g
    except BaseException:
        print(g.log()[-8000:])
        raise
    finally:
        g.close()


def cli(gantry):
    keys = json.loads(machine.read(f"{gantry.data}/server/root-keys.json"))
    text = {k.lower(): v for k, v in keys.items()}
    environment = {"PATH": "/usr/bin:/bin", "HOME": gantry.dir, "AWS_DATA_PATH": str(TOP / "api"),
                   "AWS_ACCESS_KEY_ID": text["accesskeyid"],
                   "AWS_SECRET_ACCESS_KEY": text["secretaccesskey"],
                   "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": ""}

    def aws(*words):
        done = subprocess.run([AWS, "--endpoint-url", f"http://{gantry.address}", "--output",
                               "json", "ecs", *words], env=environment, capture_output=True,
                              text=True, check=False, stdin=subprocess.DEVNULL, timeout=120)
        assert done.returncode == 0, f"aws ecs {' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None
    return aws


class Load:
    """Standalone tasks that come and go the whole time."""

    def __init__(self, gantry, definition):
        self.gantry, self.definition = gantry, definition
        self.over, self.count, self.wrong = threading.Event(), 0, None
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.gantry.ecs  # made here: clients are not made by two threads at once
        self.thread.start()
        return self

    def run(self):
        try:
            while not self.over.is_set():
                task = self.gantry.run_task(self.definition, startedBy="load")
                self.gantry.wait_status(task, "RUNNING")
                self.gantry.ecs.stop_task(task=task)
                self.gantry.wait_status(task, "STOPPED")
                self.count += 1
        except BaseException as e:  # told by the test, which is another thread
            self.wrong = e

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_ten_deployments_in_a_row(gantry, capsys):
    ref = gantry.push("probe", images.probe_image())
    container = {"name": "main", "image": ref, "memory": 16, "command": ["polite"],
                 "stopTimeout": 5}
    load = gantry.define("load", container, networkMode="none")
    aws = cli(gantry)

    def register(n):
        done = aws("register-task-definition", "--family", "web", "--network-mode", "none",
                   "--container-definitions",
                   json.dumps([{**container, "environment": [{"name": "N", "value": str(n)}]}]))
        return done["taskDefinition"]["taskDefinitionArn"]

    aws("create-service", "--service-name", "web", "--task-definition", register(0),
        "--desired-count", str(TASKS), "--deployment-configuration",
        "minimumHealthyPercent=0,maximumPercent=200")
    aws("wait", "services-stable", "--services", "web")
    took = []
    with Load(gantry, load) as meanwhile:
        for n in range(1, ROUNDS + 1):
            began = time.monotonic()
            revision = register(n)
            aws("update-service", "--service", "web", "--task-definition", revision)
            aws("wait", "services-stable", "--services", "web")
            took.append(time.monotonic() - began)
            service = gantry.ecs.describe_services(services=["web"])["services"][0]
            assert service["taskDefinition"] == revision
            assert [d["taskDefinition"] for d in service["deployments"]] == [revision]
            tasks = gantry.describe(*gantry.ecs.list_tasks(serviceName="web")["taskArns"])
            assert [t["taskDefinitionArn"] for t in tasks] == [revision] * TASKS
    assert not meanwhile.wrong, meanwhile.wrong
    assert meanwhile.count > 0

    def only_these_run():
        real = {task for task, _ in gantry.processes.look()[0]}
        return real == {t["taskArn"].rsplit("/", 1)[-1] for t in tasks}
    eventually(only_these_run, 20, "only the last revision's containers")
    with capsys.disabled():
        print(f"\npipeline: {ROUNDS} deployments beside {meanwhile.count} other tasks, "
              f"{min(took):.1f} to {max(took):.1f} s each")
