"""CreateService, UpdateService, DescribeServices, ListServices, DeleteService: the count is
kept, what dies is replaced, new revisions replace old ones."""

import pytest

from eventually import eventually


def service_of(ecs, cluster, name="s"):
    return ecs.describe_services(cluster=cluster, services=[name])["services"][0]


def create(ecs, cluster, td, count, name="s", **more):
    return ecs.create_service(cluster=cluster, serviceName=name, taskDefinition=td,
                              desiredCount=count, **more)["service"]


def steady(ecs, cluster, name="s"):
    def look():
        s = service_of(ecs, cluster, name)
        return (len(s["deployments"]) == 1 and s["runningCount"] == s["desiredCount"]
                and s["pendingCount"] == 0 and s)
    return eventually(look, timeout=60, what=f"steady state: {service_of(ecs, cluster, name)}")


def tasks(ecs, cluster, name="s"):
    return set(ecs.list_tasks(cluster=cluster, serviceName=name)["taskArns"])


def test_a_service_reaches_its_count(ecs, cluster, host, taskdef):
    made = create(ecs, cluster, taskdef(), 3)
    assert made["status"] == "ACTIVE" and made["launchType"] == "EC2"
    assert made["deployments"][0]["status"] == "PRIMARY"
    assert made["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    s = steady(ecs, cluster)
    assert s["runningCount"] == 3
    ecs.get_waiter("services_stable").wait(cluster=cluster, services=["s"])
    task = ecs.describe_tasks(cluster=cluster, tasks=[tasks(ecs, cluster).pop()])["tasks"][0]
    assert task["group"] == "service:s"
    assert task["startedBy"] == s["deployments"][0]["id"]
    eventually(lambda: service_of(ecs, cluster)["deployments"][0]["rolloutState"] == "COMPLETED")
    messages = [e["message"] for e in eventually(
        lambda: any("steady state" in e["message"]
                    for e in service_of(ecs, cluster)["events"])
        and service_of(ecs, cluster)["events"])]
    assert any(m.startswith("(service s) has started ") for m in messages)
    assert "(service s) has reached a steady state." in messages


def test_what_dies_is_replaced(ecs, cluster, host, taskdef):
    create(ecs, cluster, taskdef(), 2)
    steady(ecs, cluster)
    before = tasks(ecs, cluster)
    victim = sorted(before)[0]
    host.stopped(victim, exit_code=1)
    eventually(lambda: len(tasks(ecs, cluster) - before) == 1)
    steady(ecs, cluster)
    assert victim not in tasks(ecs, cluster)


def test_scaling_out_and_in(ecs, cluster, host, taskdef):
    create(ecs, cluster, taskdef(), 1)
    steady(ecs, cluster)
    ecs.update_service(cluster=cluster, service="s", desiredCount=5)
    steady(ecs, cluster)
    assert len(tasks(ecs, cluster)) == 5
    assert len(service_of(ecs, cluster)["deployments"]) == 1
    ecs.update_service(cluster=cluster, service="s", desiredCount=2)
    steady(ecs, cluster)
    assert len(tasks(ecs, cluster)) == 2
    stopped = ecs.list_tasks(cluster=cluster, desiredStatus="STOPPED")["taskArns"]
    for t in ecs.describe_tasks(cluster=cluster, tasks=stopped)["tasks"]:
        assert t["stopCode"] == "ServiceSchedulerInitiated"
        assert t["stoppedReason"].startswith("Scaling activity initiated by (deployment ecs-svc/")


# A task counts as healthy 40 s after it runs, and only then its elders may go, unless
# minimumHealthyPercent lets them go before.
QUICK = {"minimumHealthyPercent": 0, "maximumPercent": 200}


def test_a_new_revision_replaces_the_old(ecs, cluster, host, taskdef):
    first, second = taskdef(cpu=100), taskdef(cpu=101)
    create(ecs, cluster, first, 3, deploymentConfiguration=QUICK)
    old = steady(ecs, cluster)["deployments"][0]["id"]
    updated = ecs.update_service(cluster=cluster, service="s", taskDefinition=second)["service"]
    assert [d["status"] for d in updated["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert updated["taskDefinition"] == second
    s = steady(ecs, cluster)
    assert s["deployments"][0]["id"] != old
    for t in ecs.describe_tasks(cluster=cluster, tasks=list(tasks(ecs, cluster)))["tasks"]:
        assert t["taskDefinitionArn"] == second


def test_same_revision_is_no_deployment_but_force_is(ecs, cluster, host, taskdef):
    td = taskdef()
    create(ecs, cluster, td, 1, deploymentConfiguration=QUICK)
    first = steady(ecs, cluster)["deployments"][0]["id"]
    same = ecs.update_service(cluster=cluster, service="s", taskDefinition=td)["service"]
    assert [d["id"] for d in same["deployments"]] == [first]
    ecs.update_service(cluster=cluster, service="s", forceNewDeployment=True)
    assert steady(ecs, cluster)["deployments"][0]["id"] != first


def test_waiting_for_room(ecs, cluster, hosts, taskdef):
    hosts(1, cpu=300)
    create(ecs, cluster, taskdef(cpu=200), 2)
    text = eventually(lambda: [
        e["message"] for e in service_of(ecs, cluster)["events"]
        if "was unable to place a task because no container instance met all of its "
           "requirements." in e["message"]])
    assert "has insufficient CPU units available." in text[0]
    hosts(1, cpu=300)
    assert steady(ecs, cluster)["runningCount"] == 2


def test_failing_starts_are_slowed_down(ecs, cluster, hosts, taskdef):
    host = hosts(1, auto=False)[0]
    create(ecs, cluster, taskdef(), 1)
    failed = set()
    for n in range(3):
        host.wait(lambda: set(host.tasks) - failed, timeout=30, what=f"start {n}")
        arn = (set(host.tasks) - failed).pop()
        failed.add(arn)
        host.stopped(arn, exit_code=None)
    s = eventually(lambda: service_of(ecs, cluster)["deployments"][0]["failedTasks"] == 3
                   and service_of(ecs, cluster))
    assert any("is unable to consistently start tasks successfully." in e["message"]
               for e in s["events"])


def test_draining_moves_tasks(ecs, cluster, hosts, taskdef):
    a, b = hosts(2)
    create(ecs, cluster, taskdef(), 2, deploymentConfiguration=QUICK)
    steady(ecs, cluster)
    reply = ecs.update_container_instances_state(
        cluster=cluster, containerInstances=[a.arn], status="DRAINING")
    assert reply["containerInstances"][0]["status"] == "DRAINING"

    def moved():
        arns = list(tasks(ecs, cluster))
        shown = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        return len(shown) == 2 and all(t["containerInstanceArn"] == b.arn for t in shown)
    eventually(moved, timeout=60)


def test_deletion(ecs, cluster, host, taskdef):
    create(ecs, cluster, taskdef(), 2)
    steady(ecs, cluster)
    with pytest.raises(ecs.exceptions.InvalidParameterException) as error:
        ecs.delete_service(cluster=cluster, service="s")
    assert "The service cannot be stopped while it is scaled above 0." in str(error.value)
    gone = ecs.delete_service(cluster=cluster, service="s", force=True)["service"]
    assert gone["status"] == "DRAINING"
    eventually(lambda: service_of(ecs, cluster)["status"] == "INACTIVE")
    ecs.get_waiter("services_inactive").wait(cluster=cluster, services=["s"])
    eventually(lambda: not host.tasks)
    assert ecs.list_services(cluster=cluster)["serviceArns"] == []
    with pytest.raises(ecs.exceptions.ServiceNotActiveException) as error:
        ecs.update_service(cluster=cluster, service="s", desiredCount=1)
    assert "Service was not ACTIVE." in str(error.value)
    create(ecs, cluster, taskdef(), 1)
    steady(ecs, cluster)


def test_creation_twice(ecs, cluster, host, taskdef):
    td = taskdef()
    first = create(ecs, cluster, td, 1)
    assert create(ecs, cluster, td, 1)["serviceArn"] == first["serviceArn"]
    with pytest.raises(ecs.exceptions.InvalidParameterException) as error:
        create(ecs, cluster, td, 2)
    assert "Creation of service was not idempotent." in str(error.value)


@pytest.mark.parametrize("more,text", [
    ({"deploymentConfiguration": {"minimumHealthyPercent": 101}},
     "minimumHealthyPercent must be at most 100"),
    ({"deploymentConfiguration": {"maximumPercent": 99}}, "maximumPercent must be at least 100"),
    ({"deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 100}},
     "Both maximumPercent and minimumHealthyPercent cannot be 100"),
    ({"placementStrategy": [{"type": "binpack", "field": "x"}]}, "binpack field 'x' is invalid"),
    ({"placementStrategy": [{"type": "random", "field": "x"}]},
     "random field should not be specified"),
    ({"placementConstraints": [{"type": "distinctInstance", "expression": "x"}]},
     "distinctInstance expression should not be specified"),
    ({"taskDefinition": "nowhere"}, "TaskDefinition not found."),
    ({"launchType": "EC2", "capacityProviderStrategy": [{"capacityProvider": "x"}]},
     "Specifying both a launch type and capacity provider strategy is not supported"),
    ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}},
     "Network Configuration is not valid for the given networkMode of this task definition."),
    ({"platformVersion": "1.4.0"}, "The platform version must be null"),
    ({"serviceName": "a b"}, "Service name"),
    ({"desiredCount": -1}, "desiredCount"),
])
def test_bad_parameters(ecs, cluster, taskdef, more, text):
    with pytest.raises(Exception) as error:
        ecs.create_service(**{"cluster": cluster, "serviceName": "s", "desiredCount": 1,
                              "taskDefinition": taskdef(), **more})
    assert text in str(error.value)
    assert ecs.list_services(cluster=cluster)["serviceArns"] == []


def test_unknown_service(ecs, cluster):
    with pytest.raises(ecs.exceptions.ServiceNotFoundException):
        ecs.update_service(cluster=cluster, service="nowhere", desiredCount=1)
    reply = ecs.describe_services(cluster=cluster, services=["nowhere"])
    assert reply["services"] == [] and reply["failures"][0]["reason"] == "MISSING"


def test_listing_pages_by_ten(ecs, cluster, taskdef):
    td = taskdef()
    for i in range(12):
        create(ecs, cluster, td, 0, name=f"s{i:02}")
    first = ecs.list_services(cluster=cluster)
    assert len(first["serviceArns"]) == 10
    rest = ecs.list_services(cluster=cluster, nextToken=first["nextToken"])
    assert len(rest["serviceArns"]) == 2 and "nextToken" not in rest


def test_service_tags_reach_tasks(ecs, cluster, host, taskdef):
    create(ecs, cluster, taskdef(), 1, tags=[{"key": "k", "value": "v"}],
           propagateTags="SERVICE", enableECSManagedTags=True)
    steady(ecs, cluster)
    task = ecs.describe_tasks(cluster=cluster, tasks=list(tasks(ecs, cluster)),
                              include=["TAGS"])["tasks"][0]
    tags = {t["key"]: t["value"] for t in task["tags"]}
    assert tags == {"k": "v", "aws:ecs:clusterName": cluster, "aws:ecs:serviceName": "s"}
