"""Health from the container to the service's scheduler and back: check, agent, telemetry,
task, replacement."""

import pytest

from support import images
from support.gantry import Gantry, Not, eventually, reasons_not_to_run

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def g():
    gantry = Gantry("--insecure-registry", "127.0.0.1")
    try:
        gantry.image = gantry.push("probe", images.probe_image())
        yield gantry
    finally:
        gantry.close()


def serve(g, name, code, **more):
    family = g.define(name, {
        "name": "main", "image": g.image, "memory": 64, "command": ["polite"],
        "healthCheck": {"command": ["CMD", "/probe", "exit", code], "interval": 5,
                        "retries": 1}}, networkMode="none")
    g.client("ecs").create_service(serviceName=name, taskDefinition=family, desiredCount=1)
    return name


def tasks(g, service, status):
    ecs = g.client("ecs")
    arns = ecs.list_tasks(serviceName=service, desiredStatus=status)["taskArns"]
    return ecs.describe_tasks(tasks=arns)["tasks"] if arns else []


def test_sick_tasks_of_a_service_are_replaced(g):
    sick, well = serve(g, "sick", "1"), serve(g, "well", "0")
    stopped = eventually(lambda: [t for t in tasks(g, sick, "STOPPED")
                                  if t["lastStatus"] == "STOPPED"] or
                         Not(tasks(g, sick, "RUNNING")), 30)[0]
    assert stopped["stoppedReason"] == "Task failed container health checks"
    assert stopped["stopCode"] == "ServiceSchedulerInitiated"
    assert stopped["healthStatus"] == "UNHEALTHY"
    assert stopped["containers"][0]["healthStatus"] == "UNHEALTHY"
    eventually(lambda: [t for t in tasks(g, sick, "RUNNING") if t["lastStatus"] == "RUNNING" and
                        t["taskArn"] != stopped["taskArn"]] or Not(tasks(g, sick, "RUNNING")))
    service = g.client("ecs").describe_services(services=[sick])["services"][0]
    assert any("failed container health checks" in e["message"] for e in service["events"])
    task = eventually(lambda: [t for t in tasks(g, well, "RUNNING")
                               if t["healthStatus"] == "HEALTHY"] or Not(tasks(g, well, "RUNNING")))
    assert task[0]["containers"][0]["healthStatus"] == "HEALTHY"
    assert not tasks(g, well, "STOPPED")
    for name in (sick, well):
        g.client("ecs").delete_service(service=name, force=True)
