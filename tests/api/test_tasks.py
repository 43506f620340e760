"""RunTask, StartTask, StopTask, DescribeTasks, ListTasks, and what hosts report."""

import pytest

from eventually import eventually
from fake_host import FakeHost


def task_of(ecs, cluster, arn, **more):
    return ecs.describe_tasks(cluster=cluster, tasks=[arn], **more)["tasks"][0]


def status(ecs, cluster, arn, wanted):
    return eventually(
        lambda: (t := task_of(ecs, cluster, arn))["lastStatus"] == wanted and t,
        what=f"{wanted} of {arn}")


def test_a_task_runs_and_stops(ecs, cluster, host, taskdef):
    reply = ecs.run_task(cluster=cluster, taskDefinition=taskdef())
    assert reply["failures"] == []
    task = reply["tasks"][0]
    assert task["lastStatus"] == "PENDING" and task["desiredStatus"] == "RUNNING"
    assert task["group"] == f"family:{cluster}"
    assert task["cpu"] == "128" and task["memory"] == "64"
    assert task["containerInstanceArn"] == host.arn
    assert task["overrides"]["containerOverrides"] == [{"name": "app"}]
    assert task["containers"][0]["lastStatus"] == "PENDING"
    arn = task["taskArn"]
    running = status(ecs, cluster, arn, "RUNNING")
    assert running["containers"][0]["lastStatus"] == "RUNNING"
    assert running["containers"][0]["runtimeId"] == "r-app"
    assert running["startedAt"] >= running["createdAt"]
    ecs.get_waiter("tasks_running").wait(cluster=cluster, tasks=[arn])

    stopping = ecs.stop_task(cluster=cluster, task=arn, reason="enough")["task"]
    assert stopping["desiredStatus"] == "STOPPED"
    stopped = status(ecs, cluster, arn, "STOPPED")
    assert stopped["stopCode"] == "UserInitiated"
    assert stopped["stoppedReason"] == "enough"
    assert stopped["containers"][0]["exitCode"] == 143
    assert stopped["stoppedAt"] >= stopped["stoppingAt"]
    ecs.get_waiter("tasks_stopped").wait(cluster=cluster, tasks=[arn])
    assert host.starts[arn] == 1


def test_resources_are_taken_and_given_back(ecs, cluster, host, taskdef):
    def remaining(name):
        ci = ecs.describe_container_instances(
            cluster=cluster, containerInstances=[host.arn])["containerInstances"][0]
        r = {r["name"]: r for r in ci["remainingResources"]}[name]
        return r["integerValue"] if r["type"] == "INTEGER" else sorted(r["stringSetValue"])

    td = taskdef(cpu=1000, memory=3000, portMappings=[{"containerPort": 80, "hostPort": 8080}])
    assert remaining("CPU") == 4096 and remaining("PORTS") == ["22"]
    arn = ecs.run_task(cluster=cluster, taskDefinition=td)["tasks"][0]["taskArn"]
    assert remaining("CPU") == 3096 and remaining("MEMORY") == 5192
    assert remaining("PORTS") == ["22", "8080"]
    second = ecs.run_task(cluster=cluster, taskDefinition=td)
    assert second["tasks"] == []
    assert second["failures"] == [{"arn": host.arn, "reason": "RESOURCE:PORTS"}]
    status(ecs, cluster, arn, "RUNNING")
    ecs.stop_task(cluster=cluster, task=arn)
    status(ecs, cluster, arn, "STOPPED")
    assert remaining("CPU") == 4096 and remaining("PORTS") == ["22"]


@pytest.mark.parametrize("need,reason", [
    ({"cpu": 5000}, "RESOURCE:CPU"),
    ({"memory": 9000}, "RESOURCE:MEMORY"),
    ({"portMappings": [{"containerPort": 80, "hostPort": 22}]}, "RESOURCE:PORTS"),
])
def test_what_does_not_fit_is_a_failure(ecs, cluster, host, taskdef, need, reason):
    reply = ecs.run_task(cluster=cluster, taskDefinition=taskdef(**need))
    assert reply["tasks"] == []
    assert reply["failures"] == [{"arn": host.arn, "reason": reason}]


@pytest.mark.parametrize("mode", ["bridge", "host"])
def test_a_host_port_is_one_of_its_protocol(ecs, cluster, host, mode):
    """In mode host a port needs no hostPort to be taken."""
    def run(protocol):
        mapping = {"containerPort": 5353, "protocol": protocol}
        if mode == "bridge":
            mapping["hostPort"] = 5353
        td = ecs.register_task_definition(family=cluster, networkMode=mode, containerDefinitions=[
            {"name": "a", "image": "x", "memory": 64, "portMappings": [mapping]}])
        return ecs.run_task(cluster=cluster,
                            taskDefinition=td["taskDefinition"]["taskDefinitionArn"])

    assert run("udp")["tasks"] and run("tcp")["tasks"]
    assert [f["reason"] for f in run("udp")["failures"]] == ["RESOURCE:PORTS_UDP"]
    assert [f["reason"] for f in run("tcp")["failures"]] == ["RESOURCE:PORTS"]


def test_count_gives_partial_success(ecs, cluster, host, taskdef):
    reply = ecs.run_task(cluster=cluster, taskDefinition=taskdef(cpu=2000), count=3)
    assert len(reply["tasks"]) == 2
    assert reply["failures"] == [{"arn": host.arn, "reason": "RESOURCE:CPU"}]


def test_tasks_spread_over_instances(ecs, cluster, hosts, taskdef):
    hosts(3)
    tasks = ecs.run_task(cluster=cluster, taskDefinition=taskdef(), count=9)["tasks"]
    used = [t["containerInstanceArn"] for t in tasks]
    assert sorted(used.count(a) for a in set(used)) == [3, 3, 3]


def test_disconnected_agent_gets_no_task(server, ecs, cluster, taskdef):
    host = FakeHost(server, cluster, connect=False)
    reply = ecs.run_task(cluster=cluster, taskDefinition=taskdef())
    assert reply["failures"] == [{"arn": host.arn, "reason": "AGENT"}]


def test_empty_cluster(ecs, cluster, taskdef):
    with pytest.raises(ecs.exceptions.InvalidParameterException) as error:
        ecs.run_task(cluster=cluster, taskDefinition=taskdef())
    assert "No Container Instances were found in your cluster." in str(error.value)


def test_a_task_that_ends_by_itself(ecs, cluster, host, taskdef):
    arn = ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"][0]["taskArn"]
    status(ecs, cluster, arn, "RUNNING")
    host.stopped(arn, exit_code=3)
    stopped = status(ecs, cluster, arn, "STOPPED")
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert stopped["stoppedReason"] == "Essential container in task exited"
    assert stopped["containers"][0]["exitCode"] == 3


def test_a_task_that_never_starts(ecs, cluster, hosts, taskdef):
    host = hosts(1, auto=False)[0]
    arn = ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"][0]["taskArn"]
    host.wait(lambda: arn in host.tasks)
    host.stopped(arn, exit_code=None, container_reason="CannotPullContainerError: no such image")
    stopped = status(ecs, cluster, arn, "STOPPED")
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert stopped["stoppedReason"] == "Task failed to start"
    assert stopped["containers"][0]["reason"] == "CannotPullContainerError: no such image"
    assert "exitCode" not in stopped["containers"][0]


def test_hosts_may_repeat_and_reorder(ecs, cluster, hosts, taskdef):
    host = hosts(1, auto=False)[0]
    arn = ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"][0]["taskArn"]
    host.wait(lambda: arn in host.tasks)
    for _ in range(3):
        host.running(arn)
    version = status(ecs, cluster, arn, "RUNNING")["version"]
    host.running(arn)
    assert task_of(ecs, cluster, arn)["version"] == version
    task = host.tasks[arn]
    host.stopped(arn, exit_code=0)
    host.tasks[arn] = task
    host.running(arn)  # late news of a task that is over
    assert task_of(ecs, cluster, arn)["lastStatus"] == "STOPPED"


def test_client_token_starts_once(ecs, cluster, host, taskdef):
    td = taskdef()
    first = ecs.run_task(cluster=cluster, taskDefinition=td, clientToken="once", count=2)
    second = ecs.run_task(cluster=cluster, taskDefinition=td, clientToken="once", count=2)
    assert {t["taskArn"] for t in first["tasks"]} == {t["taskArn"] for t in second["tasks"]}
    with pytest.raises(ecs.exceptions.ConflictException):
        ecs.run_task(cluster=cluster, taskDefinition=td, clientToken="once", count=1)


def test_start_task_names_its_instance(ecs, cluster, hosts, taskdef):
    a, b = hosts(2)
    reply = ecs.start_task(cluster=cluster, taskDefinition=taskdef(), startedBy="me",
                           containerInstances=[b.arn, "f" * 32])
    assert [t["containerInstanceArn"] for t in reply["tasks"]] == [b.arn]
    assert reply["tasks"][0]["startedBy"] == "me"
    assert [f["reason"] for f in reply["failures"]] == ["MISSING"]


def test_overrides_change_the_need_and_reach_the_host(ecs, cluster, host, taskdef):
    overrides = {"containerOverrides": [
        {"name": "app", "command": ["x"], "cpu": 1024,
         "environment": [{"name": "A", "value": "1"}]}]}
    task = ecs.run_task(cluster=cluster, taskDefinition=taskdef(), overrides=overrides)["tasks"][0]
    assert task["cpu"] == "1024" and task["containers"][0]["cpu"] == "1024"
    host.wait(lambda: task["taskArn"] in host.tasks)
    assert host.tasks[task["taskArn"]]["overrides"]["containerOverrides"][0]["command"] == ["x"]
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.run_task(cluster=cluster, taskDefinition=taskdef(), overrides={
            "containerOverrides": [{"name": "nobody"}]})


def test_unknown_and_inactive_definitions(ecs, cluster, host, taskdef):
    with pytest.raises(ecs.exceptions.ClientException) as error:
        ecs.run_task(cluster=cluster, taskDefinition="nowhere")
    assert "TaskDefinition not found." in str(error.value)
    td = taskdef()
    ecs.deregister_task_definition(taskDefinition=td)
    with pytest.raises(ecs.exceptions.InvalidParameterException) as error:
        ecs.run_task(cluster=cluster, taskDefinition=td)
    assert "TaskDefinition is inactive" in str(error.value)


def test_unknown_tasks(ecs, cluster):
    with pytest.raises(ecs.exceptions.InvalidParameterException) as error:
        ecs.stop_task(cluster=cluster, task="0" * 32)
    assert "The referenced task was not found." in str(error.value)
    reply = ecs.describe_tasks(cluster=cluster, tasks=["0" * 32])
    assert reply["failures"] == [
        {"arn": f"arn:aws:ecs:us-east-1:000000000000:task/{cluster}/" + "0" * 32,
         "reason": "MISSING"}]
    with pytest.raises(ecs.exceptions.InvalidParameterException) as error:
        ecs.describe_tasks(cluster=cluster, tasks=[])
    assert "Tasks cannot be empty." in str(error.value)


def test_launch_types_that_do_not_fit(ecs, cluster, host, taskdef):
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="launch_type FARGATE"):
        ecs.run_task(cluster=cluster, taskDefinition=taskdef(), launchType="FARGATE")
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="strategy"):
        ecs.run_task(cluster=cluster, taskDefinition=taskdef(), launchType="MANAGED_INSTANCES")


def test_listing_filters(ecs, cluster, host, taskdef):
    td = taskdef()
    one = ecs.run_task(cluster=cluster, taskDefinition=td, startedBy="a")["tasks"][0]["taskArn"]
    two = ecs.run_task(cluster=cluster, taskDefinition=td, startedBy="b")["tasks"][0]["taskArn"]

    def listed(**how):
        return set(ecs.list_tasks(cluster=cluster, **how)["taskArns"])

    assert listed() == {one, two}
    assert listed(startedBy="a") == {one}
    assert listed(family=cluster) == {one, two} and listed(family="other") == set()
    assert listed(containerInstance=host.arn) == {one, two}
    assert listed(desiredStatus="PENDING") == set()
    assert listed(launchType="FARGATE") == set()
    status(ecs, cluster, one, "RUNNING")
    ecs.stop_task(cluster=cluster, task=one)
    status(ecs, cluster, one, "STOPPED")
    assert listed() == {two} and listed(desiredStatus="STOPPED") == {one}
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        listed(startedBy="a", family=cluster)


def test_tags_are_shown_on_request(ecs, cluster, host, taskdef):
    tags = [{"key": "k", "value": "v"}]
    task = ecs.run_task(cluster=cluster, taskDefinition=taskdef(), tags=tags,
                        enableECSManagedTags=True)["tasks"][0]
    assert tags[0] in task["tags"]
    assert {"key": "aws:ecs:clusterName", "value": cluster} in task["tags"]
    assert task_of(ecs, cluster, task["taskArn"])["tags"] == []
    assert tags[0] in task_of(ecs, cluster, task["taskArn"], include=["TAGS"])["tags"]


def test_distinct_instances(ecs, cluster, hosts, taskdef):
    hosts(2)
    reply = ecs.run_task(cluster=cluster, taskDefinition=taskdef(), count=3,
                         placementConstraints=[{"type": "distinctInstance"}])
    assert len(reply["tasks"]) == 2
    assert len({t["containerInstanceArn"] for t in reply["tasks"]}) == 2
    assert all("istinctInstance" in f["reason"] for f in reply["failures"])
