"""Health of containers as agents tell it, and agents that tell nonsense."""

import pytest

from eventually import eventually

CHECK = {"command": ["CMD", "/check"], "interval": 5, "retries": 1}


def task_of(ecs, cluster, arn):
    return ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]


@pytest.fixture
def checked(ecs, cluster):
    """Two essential containers with a check, one essential without, one that is not."""
    def container(name, **more):
        return {"name": name, "image": "example.test/app:1", "cpu": 64, "memory": 64, **more}
    return ecs.register_task_definition(family=cluster, containerDefinitions=[
        container("a", healthCheck=CHECK), container("b", healthCheck=CHECK),
        container("plain"), container("side", healthCheck=CHECK, essential=False),
    ])["taskDefinition"]["taskDefinitionArn"]


@pytest.fixture
def running(ecs, cluster, host, checked):
    arn = ecs.run_task(cluster=cluster, taskDefinition=checked)["tasks"][0]["taskArn"]
    eventually(lambda: task_of(ecs, cluster, arn)["lastStatus"] == "RUNNING")
    return arn


def health(ecs, cluster, arn):
    task = task_of(ecs, cluster, arn)
    return task["healthStatus"], {c["name"]: c["healthStatus"] for c in task["containers"]}


def test_essential_checks_make_the_tasks_health(ecs, cluster, host, running):
    assert health(ecs, cluster, running) == (
        "UNKNOWN", {"a": "UNKNOWN", "b": "UNKNOWN", "plain": "UNKNOWN", "side": "UNKNOWN"})
    for said, whole in (({"a": "HEALTHY"}, "UNKNOWN"),
                        ({"side": "UNHEALTHY"}, "UNKNOWN"),
                        ({"b": "HEALTHY"}, "HEALTHY"),
                        ({"a": "UNHEALTHY"}, "UNHEALTHY"),
                        ({"a": "UNKNOWN"}, "UNKNOWN"),
                        ({"a": "HEALTHY", "b": "HEALTHY"}, "HEALTHY")):
        before = task_of(ecs, cluster, running)["version"]
        assert host.telemetry({running: said})[0] == 200
        got, each = health(ecs, cluster, running)
        assert got == whole and all(each[n] == h for n, h in said.items())
        assert task_of(ecs, cluster, running)["version"] > before
        after = task_of(ecs, cluster, running)["version"]
        assert host.telemetry({running: said})[0] == 200  # said again: nothing is new
        assert task_of(ecs, cluster, running)["version"] == after


def test_health_survives_a_restart_of_the_server(own_server):
    ecs = own_server.client("ecs")
    ecs.create_cluster(clusterName="c")
    from fake_host import FakeHost
    host = FakeHost(own_server, "c")
    td = ecs.register_task_definition(family="f", containerDefinitions=[
        {"name": "a", "image": "x", "memory": 64, "healthCheck": CHECK}])
    arn = ecs.run_task(cluster="c", taskDefinition="f")["tasks"][0]["taskArn"]
    assert td and host.telemetry({arn: {"a": "HEALTHY"}})[0] == 200
    host.close()
    own_server.restart()
    ecs = own_server.client("ecs")
    assert task_of(ecs, "c", arn)["healthStatus"] == "HEALTHY"  # frozen while nobody tells


def test_telemetry_that_lies_changes_nothing(ecs, cluster, host, hosts, running):
    other = hosts(1)[0]
    before = task_of(ecs, cluster, running)
    lies = [({running: {"no-such": "UNHEALTHY"}}, None),
            ({running: {"plain": "UNHEALTHY"}}, None),          # it has no check
            ({running: {"a": "UNHEALTHY"}}, other.arn),         # another instance's task
            ({running[:-4] + "0000": {"a": "UNHEALTHY"}}, None),
            ({"arn:aws:ecs:us-east-1:000000000000:task": {"a": "UNHEALTHY"}}, None),
            ({"task/": {"a": "UNHEALTHY"}}, None), ({"": {"": "UNHEALTHY"}}, None)]
    for said, who in lies:
        assert host.telemetry(said, arn=who)[0] == 200
    assert task_of(ecs, cluster, running) == before
    assert host.telemetry({running: {"a": "SICK"}})[0] == 400
    assert host.telemetry({}, arn=host.arn[:-4] + "0000")[0] == 404
    assert host.telemetry({}, arn=host.arn.replace(":000000000000:", ":111111111111:"))[0] == 400
    for raw in ("", "{", "[]", '{"tasks":[]}', '{"containerInstanceArn":7}', "null"):
        assert host.telemetry({}, raw=raw)[0] == 400, raw
    assert host.telemetry({}, raw="", length=1024 * 1024 + 1)[0] == 413
    assert task_of(ecs, cluster, running) == before


def test_a_stopped_task_keeps_its_last_health(ecs, cluster, host, running):
    host.telemetry({running: {"a": "HEALTHY", "b": "HEALTHY"}})
    ecs.stop_task(cluster=cluster, task=running)
    eventually(lambda: task_of(ecs, cluster, running)["lastStatus"] == "STOPPED")
    assert host.telemetry({running: {"a": "UNHEALTHY"}})[0] == 200
    assert task_of(ecs, cluster, running)["healthStatus"] == "HEALTHY"
