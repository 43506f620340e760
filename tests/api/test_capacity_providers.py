"""Capacity providers: their operations, strategies, and tasks that wait for capacity."""

import collections

import pytest

from eventually import eventually

ASG = ("arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:"
       "4c1f0c1e-0000-4000-8000-000000000000:autoScalingGroupName/{}")
TEMPLATE = {"ec2InstanceProfileArn": "arn:aws:iam::000000000000:instance-profile/i",
            "networkConfiguration": {"subnets": ["subnet-1"]}}
INFRASTRUCTURE = "arn:aws:iam::000000000000:role/infrastructure"


def of_group(name, **more):
    return {"autoScalingGroupArn": ASG.format(name), **more}


@pytest.fixture
def account(server):
    """A client of an account of the test's own, and how to get another server client."""
    account.number = getattr(account, "number", 200000000000) + 1
    return server.client("ecs", account=str(account.number))


@pytest.fixture
def provider(ecs, cluster):
    """provider("a") makes a provider of the test's own and gives its name."""
    made = []

    def make(suffix="p", attach=True):
        name = f"{cluster[:200]}-{suffix}"
        ecs.create_capacity_provider(name=name, autoScalingGroupProvider=of_group(name))
        made.append(name)
        if attach:
            ecs.put_cluster_capacity_providers(cluster=cluster, capacityProviders=made,
                                               defaultCapacityProviderStrategy=[])
        return name

    return make


def belongs(name):
    return [{"name": "gantry.capacity-provider", "value": name}]


def described(ecs, *names, **more):
    return ecs.describe_capacity_providers(capacityProviders=list(names), **more)


def task(ecs, cluster, arn):
    return ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]


# ---- the objects ----

def test_create_describe_update_delete(account):
    made = account.create_capacity_provider(
        name="web", autoScalingGroupProvider=of_group("web", managedScaling={
            "status": "ENABLED", "targetCapacity": 80}),
        tags=[{"key": "team", "value": "a"}])["capacityProvider"]
    assert made["status"] == "ACTIVE" and made["tags"] == [{"key": "team", "value": "a"}]
    assert made["capacityProviderArn"].endswith(":capacity-provider/web")
    assert made["autoScalingGroupProvider"] == {
        "autoScalingGroupArn": ASG.format("web"),
        "managedScaling": {"status": "ENABLED", "targetCapacity": 80,
                           "minimumScalingStepSize": 1, "maximumScalingStepSize": 10000,
                           "instanceWarmupPeriod": 300},
        "managedTerminationProtection": "DISABLED", "managedDraining": "ENABLED"}
    changed = account.update_capacity_provider(name="web", autoScalingGroupProvider={
        "managedScaling": {"targetCapacity": 50}, "managedDraining": "DISABLED",
        "managedTerminationProtection": "ENABLED"})["capacityProvider"]
    group = changed["autoScalingGroupProvider"]
    assert group["managedScaling"]["targetCapacity"] == 50
    assert group["managedScaling"]["status"] == "ENABLED"
    assert (group["managedDraining"], group["managedTerminationProtection"]) == (
        "DISABLED", "ENABLED")
    assert changed["updateStatus"] == "UPDATE_COMPLETE"
    assert described(account, "web")["capacityProviders"][0]["tags"] == []
    arn = made["capacityProviderArn"]
    assert described(account, arn, include=["TAGS"])["capacityProviders"][0]["tags"]
    account.tag_resource(resourceArn=arn, tags=[{"key": "x", "value": "y"}])
    assert len(account.list_tags_for_resource(resourceArn=arn)["tags"]) == 2
    gone = account.delete_capacity_provider(capacityProvider=arn)["capacityProvider"]
    assert gone["updateStatus"] == "DELETE_IN_PROGRESS"
    assert described(account, "web")["failures"] == [{"arn": arn, "reason": "MISSING"}]
    with pytest.raises(account.exceptions.ClientException):
        account.delete_capacity_provider(capacityProvider="web")
    with pytest.raises(account.exceptions.ClientException):
        account.update_capacity_provider(name="web", autoScalingGroupProvider={})


def test_reserved_ones_and_pages(account):
    every = account.describe_capacity_providers()["capacityProviders"]
    assert [p["name"] for p in every] == ["FARGATE", "FARGATE_SPOT"]
    assert [p["type"] for p in every] == ["FARGATE", "FARGATE_SPOT"]
    for i in range(4):
        account.create_capacity_provider(name=f"p{i}",
                                         autoScalingGroupProvider=of_group(f"g{i}"))
    for size in (1, 2, 3, 10):
        names, token = [], {}
        while True:
            page = account.describe_capacity_providers(maxResults=size, **token)
            assert len(page["capacityProviders"]) <= size
            names += [p["name"] for p in page["capacityProviders"]]
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
        assert names == ["FARGATE", "FARGATE_SPOT", "p0", "p1", "p2", "p3"]
    with pytest.raises(account.exceptions.ClientException):
        account.delete_capacity_provider(capacityProvider="FARGATE")
    with pytest.raises(account.exceptions.InvalidParameterException):
        account.describe_capacity_providers(maxResults=11)


@pytest.mark.parametrize("name", ["aws-x", "ECSx", "fargate-mine", "a b", "x" * 256, ""])
def test_names_are_checked(ecs, name):
    with pytest.raises(ecs.exceptions.ClientException, match="name is invalid"):
        ecs.create_capacity_provider(name=name, autoScalingGroupProvider=of_group("x"))


def test_bad_providers(account):
    def refused(message, **how):
        with pytest.raises(account.exceptions.ClientException, match=message):
            account.create_capacity_provider(name="x", **how)

    refused("ARN is invalid", autoScalingGroupProvider={"autoScalingGroupArn": "web"})
    refused("either")
    refused("managed scaling must be enabled", autoScalingGroupProvider=of_group(
        "x", managedTerminationProtection="ENABLED"))
    refused("step size", autoScalingGroupProvider=of_group("x", managedScaling={
        "minimumScalingStepSize": 5, "maximumScalingStepSize": 4}))
    account.create_capacity_provider(name="one", autoScalingGroupProvider=of_group("g"))
    refused("already being used", autoScalingGroupProvider=of_group("g"))
    with pytest.raises(account.exceptions.ClientException, match="already exists"):
        account.create_capacity_provider(name="one", autoScalingGroupProvider=of_group("h"))
    with pytest.raises(account.exceptions.ClientException, match="type"):
        account.update_capacity_provider(name="one", managedInstancesProvider={
            "infrastructureRoleArn": INFRASTRUCTURE, "instanceLaunchTemplate": {}})


def test_managed_instances(ecs, cluster):
    name = cluster[:200] + "-mi"
    how = {"infrastructureRoleArn": INFRASTRUCTURE, "instanceLaunchTemplate": TEMPLATE}
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="cluster"):
        ecs.create_capacity_provider(name=name, managedInstancesProvider=how)
    made = ecs.create_capacity_provider(name=name, cluster=cluster,
                                        managedInstancesProvider=how)["capacityProvider"]
    assert made["type"] == "MANAGED_INSTANCES" and made["cluster"].endswith("/" + cluster)
    assert made["managedInstancesProvider"]["instanceLaunchTemplate"] == TEMPLATE
    mine = ecs.describe_clusters(clusters=[cluster])["clusters"][0]["capacityProviders"]
    assert mine == [name]
    assert [p["name"] for p in described(ecs, cluster=cluster)["capacityProviders"]] == [name]
    other = TEMPLATE | {"networkConfiguration": {"subnets": ["subnet-2"]}}
    changed = ecs.update_capacity_provider(name=name, managedInstancesProvider={
        "infrastructureRoleArn": INFRASTRUCTURE, "instanceLaunchTemplate": {
            "networkConfiguration": other["networkConfiguration"]}})["capacityProvider"]
    assert changed["managedInstancesProvider"]["instanceLaunchTemplate"] == other
    with pytest.raises(ecs.exceptions.ClusterContainsCapacityProviderException):
        ecs.delete_cluster(cluster=cluster)
    ecs.delete_capacity_provider(capacityProvider=name)
    ecs.delete_cluster(cluster=cluster)


# ---- clusters ----

def test_providers_of_a_cluster(ecs, cluster, provider):
    a, b = provider("a"), provider("b")
    strategy = [{"capacityProvider": a, "weight": 1, "base": 2},
                {"capacityProvider": b, "weight": 3, "base": 0}]
    out = ecs.put_cluster_capacity_providers(
        cluster=cluster, capacityProviders=[a, b],
        defaultCapacityProviderStrategy=strategy)["cluster"]
    assert out["capacityProviders"] == [a, b]
    assert out["defaultCapacityProviderStrategy"] == strategy
    with pytest.raises(ecs.exceptions.ClientException, match="in use"):
        ecs.delete_capacity_provider(capacityProvider=a)
    out = ecs.put_cluster_capacity_providers(cluster=cluster, capacityProviders=[b],
                                             defaultCapacityProviderStrategy=[])["cluster"]
    assert out["capacityProviders"] == [b] and not out["defaultCapacityProviderStrategy"]
    ecs.delete_capacity_provider(capacityProvider=a)


@pytest.mark.parametrize("names,strategy,message", [
    (["nobody"], [], "not found"),
    (["FARGATE", "FARGATE"], [], "more than once"),
    (["FARGATE"], [("FARGATE_SPOT", 1, 0)], "not associated"),
    (["FARGATE", "FARGATE_SPOT"], [("FARGATE", 1, 1), ("FARGATE_SPOT", 1, 1)],
     "multiple capacity providers"),
    (["FARGATE", "FARGATE_SPOT"], [("FARGATE", 0, 0), ("FARGATE_SPOT", 0, 0)],
     "no capacity providers"),
    (["FARGATE"], [("FARGATE", 1, 0), ("FARGATE", 1, 0)], "more than once"),
])
def test_bad_lists_and_strategies(ecs, cluster, names, strategy, message):
    strategy = [{"capacityProvider": n, "weight": w, "base": b} for n, w, b in strategy]
    with pytest.raises(ecs.exceptions.InvalidParameterException, match=message):
        ecs.put_cluster_capacity_providers(cluster=cluster, capacityProviders=names,
                                           defaultCapacityProviderStrategy=strategy)
    with pytest.raises(ecs.exceptions.InvalidParameterException, match=message):
        ecs.create_cluster(clusterName=cluster + "-new", capacityProviders=names,
                           defaultCapacityProviderStrategy=strategy)


def test_fargate_does_not_mix(ecs, cluster, provider, taskdef):
    a = provider("a")
    ecs.put_cluster_capacity_providers(cluster=cluster, capacityProviders=[a, "FARGATE"],
                                       defaultCapacityProviderStrategy=[])
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="mix"):
        ecs.run_task(cluster=cluster, taskDefinition=taskdef(), capacityProviderStrategy=[
            {"capacityProvider": a, "weight": 1}, {"capacityProvider": "FARGATE"}])


def test_update_cluster(ecs, cluster):
    arn = f"arn:aws:ecs:us-east-1:000000000000:cluster/{cluster}"
    out = ecs.update_cluster_settings(cluster=arn, settings=[
        {"name": "containerInsights", "value": "enhanced"}])["cluster"]
    assert out["settings"] == [{"name": "containerInsights", "value": "enhanced"}]
    conf = {"executeCommandConfiguration": {"logging": "NONE"}}
    out = ecs.update_cluster(cluster=cluster, configuration=conf)["cluster"]
    assert out["configuration"] == conf
    assert out["settings"] == [{"name": "containerInsights", "value": "enhanced"}]
    for bad in ({"settings": [{"name": "containerInsights", "value": "x"}]},
                {"settings": [{"name": "containerInsights"}]},
                {"configuration": {"executeCommandConfiguration": {"logging": "OVERRIDE"}}}):
        with pytest.raises(ecs.exceptions.InvalidParameterException):
            ecs.update_cluster(cluster=cluster, **bad)
    with pytest.raises(ecs.exceptions.NamespaceNotFoundException):
        ecs.update_cluster(cluster=cluster, serviceConnectDefaults={"namespace": "x"})
    for call in (ecs.update_cluster, ecs.update_cluster_settings):
        with pytest.raises(ecs.exceptions.ClusterNotFoundException):
            call(cluster="none", settings=[])


# ---- tasks by strategy ----

def test_base_and_weight(ecs, cluster, hosts, provider, taskdef):
    a, b = provider("a"), provider("b")
    on = {}
    for name in (a, b):
        (h,) = hosts(1, attributes=belongs(name))
        on[h.arn] = name
        i = ecs.describe_container_instances(cluster=cluster, containerInstances=[h.arn])
        assert i["containerInstances"][0]["capacityProviderName"] == name
    out = ecs.run_task(cluster=cluster, taskDefinition=taskdef(), count=10,
                       capacityProviderStrategy=[
                           {"capacityProvider": a, "base": 2, "weight": 1},
                           {"capacityProvider": b, "weight": 3}])
    assert not out["failures"]
    seen = collections.Counter(t["capacityProviderName"] for t in out["tasks"])
    assert seen == {a: 4, b: 6}
    for t in out["tasks"]:
        assert on[t["containerInstanceArn"]] == t["capacityProviderName"]
        assert t["launchType"] == "EC2" and t["lastStatus"] == "PENDING"


def test_tasks_wait_for_capacity_oldest_first(ecs, cluster, hosts, provider, taskdef):
    a = provider("a")
    td = taskdef(memory=4000)
    strategy = [{"capacityProvider": a, "weight": 1}]
    hosts(1)  # of no provider: never used
    waiting = []
    for _ in range(3):
        out = ecs.run_task(cluster=cluster, taskDefinition=td,
                           capacityProviderStrategy=strategy)
        assert not out["failures"] and out["tasks"][0]["lastStatus"] == "PROVISIONING"
        assert "containerInstanceArn" not in out["tasks"][0]
        waiting.append(out["tasks"][0]["taskArn"])
    (h,) = hosts(1, attributes=belongs(a))
    h.wait(lambda: len(h.tasks) == 2, what="two tasks that waited")
    assert set(h.tasks) == set(waiting[:2])
    assert h.tasks[waiting[0]]["capacityProviderName"] == a
    eventually(lambda: task(ecs, cluster, waiting[0])["lastStatus"] == "RUNNING")
    assert task(ecs, cluster, waiting[2])["lastStatus"] == "PROVISIONING"
    # What waits can be stopped, and is over at once.
    ecs.stop_task(cluster=cluster, task=waiting[2])
    over = task(ecs, cluster, waiting[2])
    assert (over["lastStatus"], over["stopCode"]) == ("STOPPED", "UserInitiated")
    again = ecs.run_task(cluster=cluster, taskDefinition=td,
                         capacityProviderStrategy=strategy)["tasks"][0]["taskArn"]
    ecs.stop_task(cluster=cluster, task=waiting[0])
    h.wait(lambda: again in h.tasks, what="the place of the stopped task")


def test_waiting_tasks_survive_a_crash(own_server):
    from conftest import container
    from fake_host import FakeHost
    ecs = own_server.client("ecs")
    ecs.create_capacity_provider(name="p", autoScalingGroupProvider=of_group("p"))
    ecs.create_cluster(clusterName="c", capacityProviders=["p"],
                       defaultCapacityProviderStrategy=[{"capacityProvider": "p",
                                                         "weight": 1}])
    ecs.register_task_definition(family="f", containerDefinitions=[container()])
    rule = [{"type": "memberOf", "expression": "attribute:rack == r1"}]
    arn = ecs.run_task(cluster="c", taskDefinition="f",
                       placementConstraints=rule)["tasks"][0]["taskArn"]
    own_server.restart()
    ecs = own_server.client("ecs")
    assert task(ecs, "c", arn)["lastStatus"] == "PROVISIONING"
    wrong = FakeHost(own_server, "c", attributes=belongs("p"))
    right = FakeHost(own_server, "c",
                     attributes=[*belongs("p"), {"name": "rack", "value": "r1"}])
    right.wait(lambda: arn in right.tasks, what="the task")
    assert not wrong.tasks
    right.close()
    wrong.close()


def test_waiting_has_an_end():
    from conftest import Server, container
    server = Server("--provisioning-timeout", "300ms")
    ecs = server.client("ecs")
    ecs.create_capacity_provider(name="p", autoScalingGroupProvider=of_group("p"))
    ecs.create_cluster(clusterName="c", capacityProviders=["p"])
    ecs.register_task_definition(family="f", containerDefinitions=[container()])
    arn = ecs.run_task(cluster="c", taskDefinition="f", capacityProviderStrategy=[
        {"capacityProvider": "p", "weight": 1}])["tasks"][0]["taskArn"]
    eventually(lambda: task(ecs, "c", arn)["lastStatus"] == "STOPPED")
    over = task(ecs, "c", arn)
    assert over["stopCode"] == "TaskFailedToStart"
    assert over["stoppedReason"] == "TaskFailedToStart: NO ACTIVE INSTANCES"
    server.close()


def test_services_by_strategy(ecs, cluster, hosts, provider, taskdef):
    a, b = provider("a"), provider("b")
    ecs.put_cluster_capacity_providers(
        cluster=cluster, capacityProviders=[a, b], defaultCapacityProviderStrategy=[
            {"capacityProvider": a, "weight": 1}, {"capacityProvider": b, "weight": 1}])
    s = ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=taskdef(),
                           desiredCount=4)["service"]
    assert "launchType" not in s
    assert [i["capacityProvider"] for i in s["capacityProviderStrategy"]] == [a, b]
    first, second = hosts(1, attributes=belongs(a)) + hosts(1, attributes=belongs(b))
    first.wait(lambda: len(first.tasks) == 2, what="half of the service")
    second.wait(lambda: len(second.tasks) == 2, what="the other half")
    ecs.get_waiter("services_stable").wait(cluster=cluster, services=["s"],
                                           WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    with pytest.raises(ecs.exceptions.ResourceInUseException):
        ecs.put_cluster_capacity_providers(cluster=cluster, capacityProviders=[a],
                                           defaultCapacityProviderStrategy=[])
    ecs.update_service(cluster=cluster, service="s", desiredCount=8)
    first.wait(lambda: len(first.tasks) == 4, what="half of eight")
    ecs.delete_service(cluster=cluster, service="s", force=True)


def test_strategy_and_launch_type(ecs, cluster, host, provider, taskdef):
    a = provider("a")
    for call, more in ((ecs.run_task, {}), (ecs.create_service,
                                            {"serviceName": "s", "desiredCount": 1})):
        with pytest.raises(ecs.exceptions.InvalidParameterException, match="both"):
            call(cluster=cluster, taskDefinition=taskdef(), launchType="EC2",
                 capacityProviderStrategy=[{"capacityProvider": a, "weight": 1}], **more)
        with pytest.raises(ecs.exceptions.InvalidParameterException, match="not associated"):
            call(cluster=cluster, taskDefinition=taskdef(), capacityProviderStrategy=[
                {"capacityProvider": "FARGATE", "weight": 1}], **more)
    # A launch type needs no provider, and takes instances of any.
    out = ecs.run_task(cluster=cluster, taskDefinition=taskdef(), launchType="EC2")
    assert out["tasks"][0]["containerInstanceArn"] == host.arn
    assert "capacityProviderName" not in out["tasks"][0]


def test_an_instance_of_an_unknown_provider(server, cluster):
    from botocore.exceptions import ClientError
    from fake_host import FakeHost
    with pytest.raises(ClientError, match="not found"):
        FakeHost(server, cluster, attributes=belongs("nobody"))


def test_the_quota_of_waiting_tasks(ecs, cluster, provider, taskdef):
    a, td = provider("a"), taskdef()
    strategy = [{"capacityProvider": a, "weight": 1}]
    for _ in range(50):
        ecs.run_task(cluster=cluster, taskDefinition=td, count=10,
                     capacityProviderStrategy=strategy)
    with pytest.raises(ecs.exceptions.ClientException, match="PROVISIONING"):
        ecs.run_task(cluster=cluster, taskDefinition=td, capacityProviderStrategy=strategy)
    stats = ecs.describe_clusters(clusters=[cluster])["clusters"][0]
    assert stats["pendingTasksCount"] == 500


# ---- GPUs ----

def test_gpus(ecs, server, cluster, host, taskdef):
    ids = ["GPU-1", "GPU-2", "GPU-3"]
    ecs.register_container_instance(
        cluster=cluster, containerInstanceArn=host.arn,
        totalResources=[{"name": "CPU", "type": "INTEGER", "integerValue": 4096},
                        {"name": "MEMORY", "type": "INTEGER", "integerValue": 8192}],
        platformDevices=[{"id": i, "type": "GPU"} for i in ids],
        attributes=[{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"}])
    td = taskdef(resourceRequirements=[{"type": "GPU", "value": "2"}])
    out = ecs.run_task(cluster=cluster, taskDefinition=td)
    got = out["tasks"][0]["containers"][0]["gpuIds"]
    assert len(set(got)) == 2 and set(got) < set(ids)
    refused = ecs.run_task(cluster=cluster, taskDefinition=td)
    assert refused["failures"][0]["reason"] == "RESOURCE:GPU"
    i = ecs.describe_container_instances(cluster=cluster, containerInstances=[host.arn])
    left = {r["name"]: r for r in i["containerInstances"][0]["remainingResources"]}
    assert left["GPU"]["stringSetValue"] == [x for x in ids if x not in got]
    host.wait(lambda: host.tasks, what="the task")
    seen = next(iter(host.tasks.values()))["containers"][0]
    assert seen["gpuIds"] == got
    ecs.stop_task(cluster=cluster, task=out["tasks"][0]["taskArn"])
    eventually(lambda: ecs.run_task(cluster=cluster, taskDefinition=td)["tasks"])
