"""The launch type FARGATE: what is checked, where its tasks run, and who gives way."""

import itertools

import pytest

from eventually import eventually
from fake_host import FakeHost
from network import awsvpc, subnets

numbers = itertools.count(300000000000)


class World:
    """An account of the test's own, so that its pool is its own too."""

    def __init__(self, server):
        self.server, self.account = server, str(next(numbers))
        self.ecs = server.client("ecs", account=self.account)
        self.ecs.create_cluster(clusterName="c", capacityProviders=["FARGATE", "FARGATE_SPOT"])
        self.hosts = []
        self.subnets = subnets(server, self.account)
        self.network = awsvpc(*self.subnets)
        self.register("f")

    def register(self, family, cpu="256", memory="512", **more):
        return self.ecs.register_task_definition(
            family=family, requiresCompatibilities=["FARGATE"], networkMode="awsvpc", cpu=cpu,
            memory=memory, containerDefinitions=[{"name": "app", "image": "x"}], **more)

    def pool(self, cpu=1024, memory=2048, auto=True):
        h = FakeHost(self.server, "default", cpu=cpu, memory=memory, account=self.account,
                     attributes=[{"name": "gantry.launch-type", "value": "FARGATE"}],
                     auto=auto, connect=False)
        h.cluster = h.arn.split("/")[1]  # as an agent does: reports name its instance's cluster
        h.connect()
        self.hosts.append(h)
        return h

    def run(self, cluster="c", family="f", **more):
        more.setdefault("networkConfiguration", self.network)
        if "capacityProviderStrategy" not in more:
            more.setdefault("launchType", "FARGATE")
        return self.ecs.run_task(cluster=cluster, taskDefinition=family, **more)

    def spot(self, **more):
        return self.run(capacityProviderStrategy=[
            {"capacityProvider": "FARGATE_SPOT", "weight": 1}], **more)

    def status(self, arn, cluster="c"):
        return self.ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]


@pytest.fixture
def world(server):
    w = World(server)
    yield w
    for h in w.hosts:
        h.close()


def test_a_task_runs_on_the_pool(world):
    host = world.pool()
    t = world.run()["tasks"][0]
    assert "containerInstanceArn" not in t and t["launchType"] == "FARGATE"
    assert t["platformVersion"] == "1.4.0" and t["platformFamily"] == "Linux"
    assert t["ephemeralStorage"] == {"sizeInGiB": 20}
    assert (t["cpu"], t["memory"]) == ("256", "512")
    host.wait(lambda: t["taskArn"] in host.tasks, what="the task")
    seen = host.tasks[t["taskArn"]]
    assert seen["launchType"] == "FARGATE" and seen["ephemeralStorageGiB"] == 20
    assert seen["clusterName"] == "c"
    eventually(lambda: world.status(t["taskArn"])["lastStatus"] == "RUNNING")
    assert world.ecs.list_tasks(cluster="c", launchType="FARGATE")["taskArns"] == [t["taskArn"]]
    cluster = world.ecs.describe_clusters(clusters=["c"], include=["STATISTICS"])["clusters"][0]
    counts = {s["name"]: s["value"] for s in cluster["statistics"]}
    assert counts["runningFargateTasksCount"] == "1" and counts["runningEC2TasksCount"] == "0"
    world.ecs.stop_task(cluster="c", task=t["taskArn"])
    eventually(lambda: world.status(t["taskArn"])["lastStatus"] == "STOPPED")


def test_nobody_sees_the_pool(world):
    host = world.pool()
    for cluster in ("c", ".fargate", host.arn.split("/")[1]):
        clusters = world.ecs.describe_clusters(clusters=[cluster])["clusters"]
        assert [c["registeredContainerInstancesCount"] for c in clusters] == [0][:len(clusters)]
    assert not world.ecs.list_container_instances(cluster="c")["containerInstanceArns"]
    assert [a.split("/")[1] for a in world.ecs.list_clusters()["clusterArns"]] == ["c"]
    with pytest.raises(world.ecs.exceptions.ClusterNotFoundException):
        world.run(cluster=".fargate")
    with pytest.raises(world.ecs.exceptions.InvalidParameterException, match="No Container"):
        world.ecs.register_task_definition(
            family="e", containerDefinitions=[{"name": "a", "image": "x", "memory": 64}])
        world.ecs.run_task(cluster="c", taskDefinition="e")


def test_tasks_wait_for_the_pool_and_share_it(world):
    world.ecs.create_cluster(clusterName="d")
    one = world.run()["tasks"][0]
    two = world.run(cluster="d")["tasks"][0]
    assert one["lastStatus"] == two["lastStatus"] == "PROVISIONING"
    host = world.pool()
    host.wait(lambda: len(host.tasks) == 2, what="both tasks")
    eventually(lambda: world.status(two["taskArn"], "d")["lastStatus"] == "RUNNING")


def test_a_task_takes_its_size(world):
    world.pool(cpu=512, memory=1024)
    fits = [world.run()["tasks"][0] for _ in range(3)]
    eventually(lambda: [world.status(t["taskArn"])["lastStatus"] for t in fits] == [
        "RUNNING", "RUNNING", "PROVISIONING"])
    world.ecs.stop_task(cluster="c", task=fits[0]["taskArn"])
    eventually(lambda: world.status(fits[2]["taskArn"])["lastStatus"] == "RUNNING")


def test_pool_and_tasks_survive_a_crash(own_server):
    world = World(own_server)
    host = world.pool()
    arn = world.run()["tasks"][0]["taskArn"]
    eventually(lambda: world.status(arn)["lastStatus"] == "RUNNING")
    own_server.restart()
    world.ecs = own_server.client("ecs", account=world.account)
    assert world.status(arn)["lastStatus"] == "RUNNING"
    host.connect()
    left = world.run(overrides={"cpu": "1024", "memory": "2048"})["tasks"][0]
    assert left["lastStatus"] == "PROVISIONING"  # the first still takes its room
    world.ecs.stop_task(cluster="c", task=arn)
    eventually(lambda: world.status(arn)["lastStatus"] == "STOPPED")
    for h in world.hosts:
        h.close()


@pytest.mark.parametrize("more,message", [
    ({"networkConfiguration": {}}, "Network Configuration"),
    ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}}, "subnets"),
    ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"] * 17}}}, "16"),
    ({"overrides": {"cpu": "300"}}, "No Fargate configuration"),
    ({"overrides": {"memory": "8192"}}, "No Fargate configuration"),
    ({"overrides": {"ephemeralStorage": {"sizeInGiB": 20}}}, "at least 21"),
    ({"overrides": {"ephemeralStorage": {"sizeInGiB": 201}}}, "at most 200"),
    ({"placementConstraints": [{"type": "distinctInstance"}]}, "constraints"),
    ({"placementStrategy": [{"type": "random"}]}, "strategies"),
])
def test_bad_requests(world, more, message):
    with pytest.raises(world.ecs.exceptions.InvalidParameterException, match=message):
        world.run(**more)
    assert not world.ecs.list_tasks(cluster="c")["taskArns"]


def test_platform_versions(world):
    assert world.run(platformVersion="LATEST")["tasks"][0]["platformVersion"] == "1.4.0"
    assert world.run(platformVersion="1.3.0")["tasks"][0]["platformVersion"] == "1.3.0"
    with pytest.raises(world.ecs.exceptions.PlatformUnknownException):
        world.run(platformVersion="9.9.9")
    world.register("big", ephemeralStorage={"sizeInGiB": 30})
    with pytest.raises(world.ecs.exceptions.PlatformTaskDefinitionIncompatibilityException):
        world.run(family="big", platformVersion="1.3.0")
    assert world.run(family="big")["tasks"][0]["ephemeralStorage"] == {"sizeInGiB": 30}
    world.ecs.register_task_definition(
        family="ec2", containerDefinitions=[{"name": "a", "image": "x", "memory": 64}])
    with pytest.raises(world.ecs.exceptions.InvalidParameterException, match="platform version"):
        world.ecs.run_task(cluster="c", taskDefinition="ec2", platformVersion="LATEST")


def test_overrides_change_the_size(world):
    host = world.pool(cpu=4096, memory=8192)
    t = world.run(overrides={"cpu": "1024", "memory": "2048",
                             "ephemeralStorage": {"sizeInGiB": 21}})["tasks"][0]
    assert (t["cpu"], t["memory"]) == ("1024", "2048")
    host.wait(lambda: host.tasks, what="the task")
    assert host.tasks[t["taskArn"]]["ephemeralStorageGiB"] == 21


def test_spot_tasks_give_way(world):
    world.pool(cpu=1024, memory=2048)
    spot = [world.spot()["tasks"][0] for _ in range(4)]
    assert {t["capacityProviderName"] for t in spot} == {"FARGATE_SPOT"}
    assert {t["launchType"] for t in spot} == {"FARGATE"}
    arns = [t["taskArn"] for t in spot]
    eventually(lambda: all(world.status(a)["lastStatus"] == "RUNNING" for a in arns))
    wanted = world.run(overrides={"cpu": "512", "memory": "1024"})["tasks"][0]["taskArn"]
    eventually(lambda: world.status(wanted)["lastStatus"] == "RUNNING")
    over = [t for t in map(world.status, arns) if t["desiredStatus"] == "STOPPED"]
    assert len(over) == 2  # no more than it took
    assert {t["stopCode"] for t in over} == {"SpotInterruption"}
    assert {t["stoppedReason"] for t in over} == {"Your Spot Task was interrupted."}
    # On-demand tasks do not give way to anybody.
    late = world.spot()["tasks"][0]["taskArn"]
    assert world.status(late)["lastStatus"] == "PROVISIONING"
    assert world.status(wanted)["desiredStatus"] == "RUNNING"


def test_a_task_too_large_reclaims_nothing(world):
    world.pool(cpu=1024, memory=2048)
    spot = world.spot()["tasks"][0]["taskArn"]
    eventually(lambda: world.status(spot)["lastStatus"] == "RUNNING")
    big = world.run(overrides={"cpu": "4096", "memory": "8192"})["tasks"][0]["taskArn"]
    more = world.spot()["tasks"][0]["taskArn"]
    eventually(lambda: world.status(more)["lastStatus"] == "RUNNING")
    assert world.status(big)["lastStatus"] == "PROVISIONING"
    assert world.status(spot)["desiredStatus"] == "RUNNING"


def test_services_on_fargate(world):
    host = world.pool(cpu=4096, memory=8192)
    s = world.ecs.create_service(
        cluster="c", serviceName="s", taskDefinition="f", desiredCount=4,
        networkConfiguration=world.network, capacityProviderStrategy=[
            {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
            {"capacityProvider": "FARGATE_SPOT", "weight": 2}])["service"]
    assert s["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == world.subnets
    assert (s["platformVersion"], s["platformFamily"]) == ("LATEST", "Linux")
    assert s["deployments"][0]["platformVersion"] == "1.4.0"
    host.wait(lambda: len(host.tasks) == 4, what="the service")
    names = sorted(t["capacityProviderName"] for t in host.tasks.values())
    assert names == ["FARGATE"] * 2 + ["FARGATE_SPOT"] * 2
    counts = {x["name"]: x["value"] for x in world.ecs.describe_clusters(
        clusters=["c"], include=["STATISTICS"])["clusters"][0]["statistics"]}
    assert counts["activeFargateServiceCount"] == "1"
    world.ecs.delete_service(cluster="c", service="s", force=True)
    eventually(lambda: not host.tasks)
