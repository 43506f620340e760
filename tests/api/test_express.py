"""Express gateway services: from an image to a service on Fargate."""

import pytest

from eventually import eventually
from fake_host import FakeHost
from network import subnets

ROLES = {"executionRoleArn": "arn:aws:iam::{}:role/execution",
         "infrastructureRoleArn": "arn:aws:iam::{}:role/infrastructure"}


class World:
    """An account of its own, whose pool is one fake host."""

    def __init__(self, server, account):
        self.server, self.account = server, account
        self.ecs = server.client("ecs", account=account)
        self.pool = None
        self.network = {"subnets": subnets(server, account)}

    def host(self):
        self.pool = FakeHost(self.server, ".fargate", account=self.account, attributes=[
            {"name": "gantry.launch-type", "value": "FARGATE"}])
        return self.pool

    def create(self, name="web", **more):
        more = {"networkConfiguration": self.network,
                "primaryContainer": {"image": "web:1"}, **more}
        roles = {k: v.format(self.account) for k, v in ROLES.items()}
        return self.ecs.create_express_gateway_service(serviceName=name, **{**roles, **more})[
            "service"]

    def describe(self, arn, **more):
        return self.ecs.describe_express_gateway_service(serviceArn=arn, **more)["service"]

    def plain(self, name="web"):
        return self.ecs.describe_services(services=[name])["services"][0]


@pytest.fixture
def world(server, request):
    w = World(server, f"{abs(hash(request.node.name)) % 10**12:012d}")
    yield w
    if w.pool:
        w.pool.close()


def test_an_image_becomes_a_service(world):
    world.host()
    made = world.create(tags=[{"key": "k", "value": "v"}])
    assert made["serviceName"] == "web" and made["status"]["statusCode"] == "ACTIVE"
    assert made["cluster"].endswith(":cluster/default")
    assert made["infrastructureRoleArn"] == ROLES["infrastructureRoleArn"].format(world.account)
    (k,) = made["activeConfigurations"]
    assert k["cpu"] == "256" and k["memory"] == "512" and k["healthCheckPath"] == "/ping"
    assert k["primaryContainer"] == {"image": "web:1", "containerPort": 80}
    assert k["scalingTarget"] == {"minTaskCount": 1, "maxTaskCount": 20,
                                  "autoScalingMetric": "AVERAGE_CPU",
                                  "autoScalingTargetValue": 60}
    assert k["ingressPaths"] == []  # there is no load balancer, and none is claimed
    eventually(lambda: world.plain()["runningCount"] == 1)
    plain = world.plain()
    assert plain["launchType"] == "FARGATE" and plain["resourceManagementType"] == "ECS"
    td = world.ecs.describe_task_definition(taskDefinition=plain["taskDefinition"])[
        "taskDefinition"]
    assert td["family"] == "default-web" and td["networkMode"] == "awsvpc"
    (main,) = td["containerDefinitions"]
    assert main["name"] == "Main" and main["image"] == "web:1"
    assert main["portMappings"][0]["containerPort"] == 80
    arn = made["serviceArn"]
    assert "tags" not in world.describe(arn)
    assert world.describe(arn, include=["TAGS"])["tags"] == [{"key": "k", "value": "v"}]
    assert world.ecs.list_services(resourceManagementType="ECS")["serviceArns"] == [arn]
    assert world.ecs.list_services(resourceManagementType="CUSTOMER")["serviceArns"] == []


def test_the_default_network(world):
    """Without a word on it, tasks lie in the default VPC; a bad word leaves nothing behind."""
    world.host()
    made = world.create(networkConfiguration={})
    (k,) = made["activeConfigurations"]
    assert k["networkConfiguration"]["subnets"] == world.network["subnets"]
    eventually(lambda: world.plain()["runningCount"] == 1)
    with pytest.raises(world.ecs.exceptions.InvalidParameterException, match="subnet-0"):
        world.create("other", networkConfiguration={"subnets": ["subnet-0"]})
    assert world.ecs.list_task_definitions(familyPrefix="default-other")[
        "taskDefinitionArns"] == []


def test_updates_keep_what_they_do_not_name(world):
    world.host()
    arn = world.create(primaryContainer={"image": "web:1", "containerPort": 8080,
                                         "environment": [{"name": "A", "value": "1"}]}
                                         )["serviceArn"]
    eventually(lambda: world.plain()["runningCount"] == 1)
    before = world.plain()["taskDefinition"]
    # Scaling alone changes no task.
    answer = world.ecs.update_express_gateway_service(
        serviceArn=arn, scalingTarget={"minTaskCount": 2, "maxTaskCount": 4})["service"]
    assert answer["targetConfiguration"]["scalingTarget"]["maxTaskCount"] == 4
    eventually(lambda: world.plain()["runningCount"] == 2)
    assert world.plain()["taskDefinition"] == before
    answer = world.ecs.update_express_gateway_service(
        serviceArn=arn, primaryContainer={"image": "web:2"}, cpu="512", memory="1024")["service"]
    target = answer["targetConfiguration"]
    assert target["primaryContainer"] == {"image": "web:2", "containerPort": 80}
    assert target["cpu"] == "512" and target["scalingTarget"]["minTaskCount"] == 2
    assert world.plain()["taskDefinition"] != before
    active = world.describe(arn)["activeConfigurations"]
    assert [k["primaryContainer"]["image"] for k in active][0] == "web:2"
    assert active[0]["serviceRevisionArn"] != active[-1]["serviceRevisionArn"] or len(active) == 1


def test_deleting(world):
    world.host()
    arn = world.create()["serviceArn"]
    eventually(lambda: world.plain()["runningCount"] == 1)
    gone = world.ecs.delete_express_gateway_service(serviceArn=arn)["service"]
    assert gone["status"]["statusCode"] in ("DRAINING", "INACTIVE")
    eventually(lambda: world.describe(arn)["status"]["statusCode"] == "INACTIVE")
    with pytest.raises(world.ecs.exceptions.ServiceNotActiveException):
        world.ecs.delete_express_gateway_service(serviceArn=arn)
    assert world.create()["serviceArn"] == arn  # the name is free again


def test_it_survives_a_crash(own_server):
    w = World(own_server, "123412341234")
    arn = w.create(name="kept", healthCheckPath="/up")["serviceArn"]
    before = w.describe(arn)
    own_server.restart()
    assert w.describe(arn) == before


def test_a_name_is_made_when_none_is_given(world):
    world.ecs.create_cluster(clusterName="c")
    roles = {k: v.format(world.account) for k, v in ROLES.items()}
    made = world.ecs.create_express_gateway_service(
        cluster="c", networkConfiguration=world.network, primaryContainer={"image": "i"}, **roles)[
            "service"]
    assert made["serviceName"].startswith("express-") and made["cluster"].endswith("/c")


def test_what_is_refused(world):
    x = world.ecs.exceptions
    arn = world.create()["serviceArn"]
    with pytest.raises(x.InvalidParameterException, match="not idempotent"):
        world.create()
    for bad in ({"serviceName": "no good"}, {"networkConfiguration": {"securityGroups": ["x"]}},
                {"healthCheckPath": "up"}, {"primaryContainer": {"image": ""}},
                {"primaryContainer": {"image": "i", "containerPort": 70000}},
                {"scalingTarget": {"minTaskCount": 3, "maxTaskCount": 2}},
                {"scalingTarget": {"autoScalingTargetValue": 0}}):
        name = bad.pop("serviceName", "other")
        with pytest.raises(x.InvalidParameterException):
            world.create(name=name, **bad)
    with pytest.raises(x.ClientException, match="No Fargate configuration"):
        world.create(name="other", cpu="256", memory="123")
    with pytest.raises(x.ClusterNotFoundException):
        world.create(name="other", cluster="nowhere")
    with pytest.raises(x.ResourceNotFoundException):
        world.describe(arn + "x")
    for call in (world.ecs.update_express_gateway_service,
                 world.ecs.delete_express_gateway_service):
        with pytest.raises(x.ServiceNotFoundException):
            call(serviceArn=arn + "x")
    # A plain service is none of these.
    td = world.ecs.register_task_definition(family="f", containerDefinitions=[
        {"name": "a", "image": "i", "memory": 8}])["taskDefinition"]["taskDefinitionArn"]
    plain = world.ecs.create_service(serviceName="plain", taskDefinition=td, desiredCount=0)[
        "service"]["serviceArn"]
    with pytest.raises(x.ResourceNotFoundException):
        world.describe(plain)
