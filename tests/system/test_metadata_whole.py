"""Containers, agent and the real server together: tags, protection, and images that are on
the instance before the service's tasks are."""

import json
import os
import pathlib
import re

import pytest

from support import images
from support.gantry import Gantry, eventually, reasons_not_to_run

BUILD = pathlib.Path(os.environ.get("BUILD", pathlib.Path(__file__).parents[2] / "build"))
ASK = BUILD / "tests/system/ask"
pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.skipif(not ASK.exists(), reason="ask is not built"),
    pytest.mark.skipif(not os.path.exists("/bin/busybox"), reason="needs busybox-static"),
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def gantry():
    g = Gantry("--introspection", "off")
    yield g
    g.close()


@pytest.fixture(scope="module")
def image(gantry):
    files = [("bin", None), ("bin/ask", ASK.read_bytes()),
             ("bin/sh", pathlib.Path("/bin/busybox").read_bytes())]
    return gantry.push("meta/ask", images.probe_image(files=files, Env=["PATH=/bin"],
                                                      Entrypoint=["/bin/sh", "-c"]))


def test_tags_and_protection(gantry, image):
    script = ('ask "$ECS_CONTAINER_METADATA_URI_V4/taskWithTags";'
              'S=$ECS_AGENT_URI/task-protection/v1/state;'
              'ask "$S"; ask "$S" PUT \'{"ProtectionEnabled":true}\'; ask "$S";'
              'read forever')
    container = {"name": "main", "image": image, "memory": 64, "command": [script],
                 "interactive": True, "stopTimeout": 1}
    gantry.define("asks", container)
    gantry.ecs.create_service(
        serviceName="asks", taskDefinition="asks", desiredCount=1, propagateTags="SERVICE",
        tags=[{"key": "team", "value": "red"}])
    task = eventually(lambda: gantry.ecs.list_tasks(serviceName="asks")["taskArns"],
                      what="a task")[0]
    gantry.wait_status(task, "RUNNING")
    lines = eventually(lambda: (lambda t: t if len(t) >= 8 else None)(
        gantry.logs(task).splitlines()), what="four answers")
    assert lines[0::2][:4] == ["200"] * 4, lines
    document, before, put, after = (json.loads(t) for t in lines[1::2][:4])
    assert document["TaskARN"] == task and document["ServiceName"] == "asks"
    assert document["TaskTags"]["team"] == "red", document
    assert "Errors" not in document
    assert before["protection"] == {"ProtectionEnabled": False, "TaskArn": task}
    assert put["protection"]["ProtectionEnabled"] and put["protection"]["ExpirationDate"]
    assert after == put
    told = gantry.ecs.get_task_protection(cluster="default", tasks=[task])
    assert told["protectedTasks"][0]["protectionEnabled"] is True
    heads, row = gantry.command("status").stdout.splitlines()[-2:]
    assert heads.split()[:6] == ["TASK", "DEFINITION", "CONTAINER", "STATUS", "HEALTH", "UP"]
    assert re.fullmatch(r"\w+ asks:1 main RUNNING - \d+s .*", " ".join(row.split())), row
    gantry.ecs.delete_service(service="asks", force=True)


def test_a_service_brings_its_image_before_its_tasks(gantry):
    reference = gantry.push("meta/early", images.probe_image(Cmd=["sleep-ms", "100000"]))
    gantry.define("early", {"name": "main", "image": reference, "memory": 64,
                            "stopTimeout": 1})
    gantry.ecs.create_service(serviceName="early", taskDefinition="early", desiredCount=0)
    eventually(lambda: any("image prefetched" in line and reference in line
                           for line in gantry.log().splitlines()), what="the prefetched image")
    gantry.ecs.delete_service(service="early", force=True)
