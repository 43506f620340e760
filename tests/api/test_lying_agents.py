"""Agents that lie, repeat themselves, say old things or nothing: what they say of tasks is
taken for what it can be, and never makes an ended task live or a fault of the server's."""

import json

import pytest

from eventually import eventually


def task_of(ecs, cluster, arn):
    return ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]


@pytest.fixture
def silent(ecs, cluster, hosts, taskdef):
    """(host, ARN): a task whose host says only what the test says."""
    host = hosts(1, auto=False)[0]
    arn = ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"][0]["taskArn"]
    host.wait(lambda: arn in host.tasks)
    return host, arn


def test_containers_that_do_not_exist(ecs, cluster, silent):
    host, arn = silent
    host.submit(arn, "RUNNING", [{"containerName": n, "status": "RUNNING", "exitCode": 9}
                                 for n in ("app", "other", "", "a" * 3000)])
    task = task_of(ecs, cluster, arn)
    assert [c["name"] for c in task["containers"]] == ["app"]
    assert task["lastStatus"] == "RUNNING"
    assert "exitCode" not in task["containers"][0]  # it runs: it has none


def test_statuses_that_go_backwards(ecs, cluster, silent):
    host, arn = silent
    host.submit(arn, "STOPPED", [{"containerName": "app", "status": "STOPPED", "exitCode": 3,
                                  "reason": "first"}], reason="first")
    stopped = eventually(lambda: (t := task_of(ecs, cluster, arn))["lastStatus"] == "STOPPED" and t)
    for status in ("PENDING", "RUNNING", "STOPPED", "NO_SUCH_STATUS", ""):
        host.submit(arn, status, [{"containerName": "app", "status": status, "exitCode": 0,
                                   "reason": "second"}], reason="second")
        ecs.submit_container_state_change(cluster=cluster, task=arn, containerName="app",
                                          status=status, exitCode=0, reason="second")
    assert task_of(ecs, cluster, arn) == stopped


def test_an_exit_code_is_said_once(ecs, cluster, silent):
    host, arn = silent
    host.running(arn)
    for code in (7, 0, 9):
        ecs.submit_container_state_change(cluster=cluster, task=arn, containerName="app",
                                          status="STOPPED", exitCode=code)
    ecs.submit_container_state_change(cluster=cluster, task=arn, containerName="app",
                                      status="RUNNING", exitCode=1)
    container = task_of(ecs, cluster, arn)["containers"][0]
    assert container["lastStatus"] == "STOPPED" and container["exitCode"] == 7


def test_huge_words_are_cut(ecs, cluster, silent):
    host, arn = silent
    host.submit(arn, "STOPPED", [{"containerName": "app", "status": "STOPPED",
                                  "reason": "\u20ac" * 100000, "runtimeId": "r" * 100000,
                                  "imageDigest": "d" * 100000}], reason="\u20ac" * 100000)
    task = task_of(ecs, cluster, arn)
    container = task["containers"][0]
    assert 1000 < len(container["reason"].encode()) <= 1024
    assert 1000 < len(task["stoppedReason"].encode()) <= 1024
    assert set(task["stoppedReason"]) == {"\u20ac"}  # between characters
    assert len(container["runtimeId"]) == len(container["imageDigest"]) == 255


def test_tasks_that_are_not_there(server, ecs, cluster, silent):
    host, arn = silent
    before = task_of(ecs, cluster, arn)
    for other in (arn[:-4] + "0000", "0" * 32, "x", arn.replace("000000000000", "111111111111")):
        host.submit(other, "STOPPED", [{"containerName": "app", "status": "STOPPED"}])
    foreign = server.client("ecs", account="111111111111")
    foreign.create_cluster(clusterName=cluster)
    foreign.submit_task_state_change(cluster=cluster, task=arn, status="STOPPED")
    assert task_of(ecs, cluster, arn) == before


def test_repeating_costs_no_version(ecs, cluster, silent):
    host, arn = silent
    host.running(arn)
    said = [{"containerName": "app", "status": "RUNNING", "runtimeId": "r-app",
             "networkBindings": [{"containerPort": 80, "hostPort": 40000, "protocol": "tcp"}]}]
    host.submit(arn, "RUNNING", said)
    before = task_of(ecs, cluster, arn)
    for _ in range(50):
        host.submit(arn, "RUNNING", said)
    assert json.dumps(task_of(ecs, cluster, arn), default=str) == json.dumps(before, default=str)


def test_a_silent_agent_is_not_a_dead_one(ecs, cluster, silent):
    host, arn = silent
    host.running(arn)
    host.close()
    task = task_of(ecs, cluster, arn)
    assert task["lastStatus"] == "RUNNING" and task["desiredStatus"] == "RUNNING"
    host.closing = False
    host.messages.clear()
    host.connect()
    assert arn in [t["taskArn"] for t in host.messages[0]["tasks"]]
