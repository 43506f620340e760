"""Network mode awsvpc: what is checked, and the life of a task's network interface."""

import itertools

import pytest

from eventually import eventually
from fake_host import FakeHost
from network import awsvpc, subnets
from test_events import history

numbers = itertools.count(410000000000)


class World:
    """An account of the test's own with a cluster c and a task definition f."""

    def __init__(self, server):
        self.server, self.account = server, str(next(numbers))
        self.ecs = server.client("ecs", account=self.account)
        self.subnets = subnets(server, self.account)
        self.ecs.create_cluster(clusterName="c", capacityProviders=["FARGATE"])
        self.ecs.register_task_definition(
            family="f", networkMode="awsvpc", containerDefinitions=[
                {"name": "app", "image": "x", "memory": 64, "cpu": 64},
                {"name": "side", "image": "x", "memory": 64, "essential": False}])
        self.ecs.register_task_definition(
            family="fg", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256",
            memory="512", containerDefinitions=[{"name": "app", "image": "x"}])
        self.hosts = []

    def host(self, zone="us-east-1a", **more):
        more.setdefault("auto", False)
        h = FakeHost(self.server, "c", account=self.account, attributes=[
            {"name": "ecs.availability-zone", "value": zone}, *more.pop("attributes", [])], **more)
        self.hosts.append(h)
        return h

    def pool(self, **more):
        h = FakeHost(self.server, ".fargate", account=self.account, attributes=[
            {"name": "gantry.launch-type", "value": "FARGATE"}], **more)
        self.hosts.append(h)
        return h

    def run(self, *subnet_ids, family="f", network=None, **more):
        return self.ecs.run_task(cluster="c", taskDefinition=family, networkConfiguration=awsvpc(
            *(subnet_ids or self.subnets[:1]), **(network or {})), **more)

    def task(self, arn):
        return self.ecs.describe_tasks(cluster="c", tasks=[arn])["tasks"][0]

    def in_status(self, arn, status):
        return eventually(lambda: self.task(arn)["lastStatus"] == status and self.task(arn),
                          what=status)


@pytest.fixture
def world(server):
    w = World(server)
    yield w
    for h in w.hosts:
        h.close()


def details(task):
    (attachment,) = task["attachments"]
    return attachment, {d["name"]: d["value"] for d in attachment["details"]}


def attachment_arn(host, task):
    return host.tasks[task]["interface"]["attachmentArn"]


def say(host, arn, status):
    host.ecs.submit_attachment_state_changes(cluster=host.cluster, attachments=[
        {"attachmentArn": arn, "status": status}])


def test_the_life_of_an_interface(world):
    host = world.host()
    arn = world.run()["tasks"][0]["taskArn"]
    host.wait(lambda: arn in host.tasks, what="the task")
    task = world.task(arn)
    assert task["lastStatus"] == "PROVISIONING" and task["desiredStatus"] == "RUNNING"
    attachment, values = details(task)
    assert attachment["type"] == "ElasticNetworkInterface" and attachment["status"] == "ATTACHING"
    assert list(values) == ["subnetId", "networkInterfaceId", "macAddress", "privateDnsName",
                            "privateIPv4Address"]
    assert values["subnetId"] == world.subnets[0]
    address = values["privateIPv4Address"]
    assert values["privateDnsName"] == f"ip-{address.replace('.', '-')}.ec2.internal"
    for c in task["containers"]:
        assert c["networkInterfaces"] == [
            {"attachmentId": attachment["id"], "privateIpv4Address": address}]
    seen = host.tasks[arn]["interface"]
    assert seen["privateIpAddress"] == address and seen["macAddress"] == values["macAddress"]
    assert seen["attachmentArn"] == (
        f"arn:aws:ecs:us-east-1:{world.account}:attachment/{attachment['id']}")
    assert seen["dnsServer"] == "172.31.0.2" and seen["subnetCidrBlock"].endswith("/20")

    say(host, seen["attachmentArn"], "ATTACHED")
    assert details(world.in_status(arn, "PENDING"))[0]["status"] == "ATTACHED"
    host.running(arn)
    world.in_status(arn, "RUNNING")
    say(host, seen["attachmentArn"], "ATTACHED")  # late, and again
    world.ecs.stop_task(cluster="c", task=arn)
    world.in_status(arn, "STOPPING")
    host.ecs.submit_task_state_change(cluster="c", task=arn, attachments=[
        {"attachmentArn": seen["attachmentArn"], "status": "DETACHING"}])
    assert details(world.in_status(arn, "DEPROVISIONING"))[0]["status"] == "DETACHING"
    host.stopped(arn, exit_code=143)
    over, values = details(world.in_status(arn, "STOPPED"))
    assert over["status"] == "DELETED" and values["privateIPv4Address"] == address
    say(host, seen["attachmentArn"], "ATTACHED")
    assert world.task(arn)["lastStatus"] == "STOPPED"


def test_what_ec2_shows_of_it(world):
    """Who looks after it is ECS: others may not take it away while the task is there."""
    host, ec2 = world.host(), world.server.client("ec2", account=world.account)
    vpc = ec2.describe_subnets(SubnetIds=world.subnets[:1])["Subnets"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="web", Description="w", VpcId=vpc)["GroupId"]
    arn = world.run(network={"securityGroups": [group]}, enableECSManagedTags=True,
                    tags=[{"key": "own", "value": "1"}])["tasks"][0]["taskArn"]
    host.wait(lambda: arn in host.tasks, what="the task")
    interface = host.tasks[arn]["interface"]
    (seen,) = ec2.describe_network_interfaces(
        NetworkInterfaceIds=[interface["networkInterfaceId"]])["NetworkInterfaces"]
    assert seen["Description"] == interface["attachmentArn"]
    assert seen["RequesterId"] == "amazon-ecs" and seen["RequesterManaged"] is True
    assert seen["Status"] == "in-use" and seen["PrivateIpAddress"] == interface["privateIpAddress"]
    assert [g["GroupId"] for g in seen["Groups"]] == [group]
    assert {t["Key"]: t["Value"] for t in seen["TagSet"]} == {"aws:ecs:clusterName": "c"}
    attached = seen["Attachment"]["AttachmentId"]
    for call in (lambda: ec2.delete_network_interface(
                     NetworkInterfaceId=interface["networkInterfaceId"]),
                 lambda: ec2.detach_network_interface(AttachmentId=attached, Force=True),
                 lambda: ec2.delete_security_group(GroupId=group)):
        with pytest.raises(ec2.exceptions.ClientError):
            call()
    world.ecs.stop_task(cluster="c", task=arn)
    host.stopped(arn)
    world.in_status(arn, "STOPPED")
    with pytest.raises(ec2.exceptions.ClientError, match="InvalidNetworkInterfaceID.NotFound"):
        ec2.describe_network_interfaces(NetworkInterfaceIds=[interface["networkInterfaceId"]])
    ec2.delete_security_group(GroupId=group)


def test_what_is_told_to_the_bus(world):
    host = world.host(auto=True)
    arn = world.run()["tasks"][0]["taskArn"]
    world.in_status(arn, "RUNNING")
    world.ecs.stop_task(cluster="c", task=arn)
    world.in_status(arn, "STOPPED")
    host.close()
    told = history(world.server, account=world.account, resource=arn)
    seen = [(e["detail"]["lastStatus"], e["detail"]["attachments"][0]) for e in told]
    assert {a["type"] for _, a in seen} == {"eni"}
    steps = [(status, a["status"]) for status, a in seen]
    assert steps[0] == ("PROVISIONING", "PRECREATED") and steps[-1] == ("STOPPED", "DELETED")
    assert ("PROVISIONING", "ATTACHING") in steps and ("RUNNING", "ATTACHED") in steps


def test_the_reply_shows_what_is_to_come(world):
    world.host()
    task = world.run()["tasks"][0]
    attachment, values = details(task)
    assert task["lastStatus"] == "PROVISIONING" and attachment["status"] == "PRECREATED"
    assert values == {"subnetId": world.subnets[0]}


def test_who_runs_has_its_interface(world):
    """A host that only reports RUNNING has attached it, or the task would not run."""
    host = world.host(auto=True)
    arn = world.run()["tasks"][0]["taskArn"]
    task = world.in_status(arn, "RUNNING")
    assert details(task)[0]["status"] == "ATTACHED"
    world.ecs.stop_task(cluster="c", task=arn)
    world.in_status(arn, "STOPPED")
    assert host.tasks == {} or host.tasks[arn]["desiredStatus"] == "STOPPED"


def test_addresses_are_the_tasks_own(world):
    host = world.host()
    arns = [t["taskArn"] for _ in range(2) for t in world.run(count=5)["tasks"]]
    host.wait(lambda: len(host.tasks) == 10, what="ten tasks")
    seen = [host.tasks[a]["interface"] for a in arns]
    for member in ("privateIpAddress", "macAddress", "networkInterfaceId", "attachmentId"):
        assert len({s[member] for s in seen}) == 10


def test_the_subnets_zone_decides(world):
    a, b = world.host("us-east-1a"), world.host("us-east-1b")
    arn = world.run(world.subnets[1])["tasks"][0]["taskArn"]
    b.wait(lambda: arn in b.tasks, what="the task")
    assert b.tasks[arn]["interface"]["subnetId"] == world.subnets[1]
    reply = world.run(world.subnets[2])
    assert reply["tasks"] == []
    assert {(f["arn"], f["reason"]) for f in reply["failures"]} == {
        (a.arn, "LOCATION"), (b.arn, "LOCATION")}
    reply = world.ecs.start_task(cluster="c", taskDefinition="f", containerInstances=[a.arn],
                                 networkConfiguration=awsvpc(world.subnets[1]))
    assert [f["reason"] for f in reply["failures"]] == ["LOCATION"]
    reply = world.ecs.start_task(cluster="c", taskDefinition="f", containerInstances=[a.arn],
                                 networkConfiguration=awsvpc(*world.subnets))
    (task,) = reply["tasks"]
    a.wait(lambda: task["taskArn"] in a.tasks, what="the task")
    assert a.tasks[task["taskArn"]]["interface"]["subnetId"] == world.subnets[0]


def test_who_waits_waits_for_its_own_zone(world):
    """By a capacity provider there is no failure; a task of another zone blocks nobody."""
    world.ecs.create_capacity_provider(name="p", autoScalingGroupProvider={
        "autoScalingGroupArn": f"arn:aws:autoscaling:us-east-1:{world.account}:autoScalingGroup:"
                               "u:autoScalingGroupName/g"})
    world.ecs.put_cluster_capacity_providers(cluster="c", capacityProviders=["p"],
                                             defaultCapacityProviderStrategy=[])
    own = {"capacityProviderStrategy": [{"capacityProvider": "p", "weight": 1}]}
    first = world.run(world.subnets[1], **own)["tasks"][0]["taskArn"]
    second = world.run(world.subnets[0], **own)["tasks"][0]["taskArn"]
    host = world.host(auto=True, attributes=[{"name": "gantry.capacity-provider", "value": "p"}])
    world.in_status(second, "RUNNING")
    waits = world.task(first)
    assert waits["lastStatus"] == "PROVISIONING" and details(waits)[0]["status"] == "PRECREATED"
    assert list(host.tasks) == [second]
    world.ecs.stop_task(cluster="c", task=first)
    assert details(world.in_status(first, "STOPPED"))[0]["status"] == "DELETED"


def test_fargate_spreads_over_subnets(world):
    """Whatever the zone of the pool's instance: Fargate is everywhere."""
    pool = world.pool()
    world.ecs.create_service(cluster="c", serviceName="s", taskDefinition="fg", desiredCount=6,
                             launchType="FARGATE", networkConfiguration=awsvpc(*world.subnets))
    pool.wait(lambda: len(pool.tasks) == 6, what="the service")
    counts = [t["interface"]["subnetId"] for t in pool.tasks.values()]
    assert sorted(counts) == sorted(world.subnets * 2)
    tasks = world.ecs.describe_tasks(cluster="c", tasks=list(pool.tasks))["tasks"]
    zones = {details(t)[1]["subnetId"]: t["availabilityZone"] for t in tasks}
    assert zones == dict(zip(world.subnets, ("us-east-1a", "us-east-1b", "us-east-1c")))


@pytest.mark.parametrize("network,message", [
    ({"subnets": []}, "subnets can not be empty"),
    ({"subnets": ["s"] * 17}, "subnets can have at most 16 items"),
    ({"securityGroups": ["sg-1"] * 6}, "securityGroups can have at most 5 items"),
    ({"subnets": ["subnet-0"]}, r"Error retrieving subnet information for \[subnet-0\]: The "
                                "subnet ID 'subnet-0' does not exist"),
    ({"securityGroups": ["sg-0"]}, r"Error retrieving security group information for \[sg-0\]: "
                                   "The security group 'sg-0' does not exist"),
    ({"assignPublicIp": "ENABLED"}, "Assign public IP is not supported for this launch type"),
])
def test_bad_networks(world, network, message):
    world.host()
    bad = {"awsvpcConfiguration": {"subnets": world.subnets[:1], **network}}
    calls = [
        lambda: world.ecs.run_task(cluster="c", taskDefinition="f", networkConfiguration=bad),
        lambda: world.ecs.start_task(cluster="c", taskDefinition="f", networkConfiguration=bad,
                                     containerInstances=[world.hosts[0].arn]),
        lambda: world.ecs.create_service(cluster="c", serviceName="s", taskDefinition="f",
                                         desiredCount=1, networkConfiguration=bad),
        lambda: world.ecs.update_service(cluster="c", service="good", networkConfiguration=bad),
    ]
    world.ecs.create_service(cluster="c", serviceName="good", taskDefinition="f", desiredCount=0,
                             networkConfiguration=awsvpc(world.subnets[0]))
    for call in calls:
        with pytest.raises(world.ecs.exceptions.InvalidParameterException, match=message):
            call()
    assert world.ecs.list_tasks(cluster="c")["taskArns"] == []


def test_network_and_mode_have_to_fit(world):
    world.host()
    x = world.ecs.exceptions
    with pytest.raises(x.InvalidParameterException, match="must be provided when networkMode"):
        world.ecs.run_task(cluster="c", taskDefinition="f")
    with pytest.raises(x.InvalidParameterException, match="must be provided when networkMode"):
        world.ecs.run_task(cluster="c", taskDefinition="f", networkConfiguration={})
    world.ecs.register_task_definition(family="b", containerDefinitions=[
        {"name": "app", "image": "x", "memory": 64}])
    with pytest.raises(x.InvalidParameterException, match="is not valid for the given"):
        world.run(family="b")


def test_an_account_without_a_vpc_of_its_own(server):
    """Unknown ids leave nothing behind, not even a default VPC."""
    ecs = server.client("ecs", account=str(next(numbers)))
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(family="f", networkMode="awsvpc", containerDefinitions=[
        {"name": "app", "image": "x", "memory": 64}])
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="does not exist"):
        ecs.run_task(cluster="c", taskDefinition="f", networkConfiguration=awsvpc("subnet-0"))


def test_public_addresses_are_for_fargate(world):
    pool = world.pool()
    reply = world.run(family="fg", launchType="FARGATE", network={"assignPublicIp": "ENABLED"})
    arn = reply["tasks"][0]["taskArn"]
    task = eventually(lambda: world.task(arn)["lastStatus"] in ("RUNNING", "STOPPED") and
                      world.task(arn))
    if task["lastStatus"] == "STOPPED":  # a server without a pool of public addresses
        assert task["stopCode"] == "TaskFailedToStart"
        assert "with public IP assignment enabled" in task["stoppedReason"]
    else:
        assert arn in pool.tasks


def test_services_replace_what_ends(world):
    host = world.host(auto=True)
    world.ecs.create_service(cluster="c", serviceName="s", taskDefinition="f", desiredCount=2,
                             networkConfiguration=awsvpc(world.subnets[0]))

    def running():
        return world.ecs.list_tasks(cluster="c", serviceName="s")["taskArns"]

    eventually(lambda: len(running()) == 2 and all(
        world.task(a)["lastStatus"] == "RUNNING" for a in running()))
    first = running()
    host.stopped(first[0], exit_code=1)
    eventually(lambda: len(running()) == 2 and first[0] not in running())
    world.ecs.create_service(cluster="c", serviceName="d", taskDefinition="f",
                             schedulingStrategy="DAEMON",
                             networkConfiguration=awsvpc(*world.subnets))
    eventually(lambda: world.ecs.describe_services(cluster="c", services=["d"])["services"][0][
        "runningCount"] == 1)
    for s in ("s", "d"):
        world.ecs.delete_service(cluster="c", service=s, force=True)
    eventually(lambda: not host.tasks)


def test_a_task_set_has_its_network(world):
    host = world.host(auto=True)
    world.ecs.create_service(cluster="c", serviceName="s", desiredCount=1,
                             deploymentController={"type": "EXTERNAL"})
    with pytest.raises(world.ecs.exceptions.InvalidParameterException, match="subnet-0"):
        world.ecs.create_task_set(cluster="c", service="s", taskDefinition="f",
                                  networkConfiguration=awsvpc("subnet-0"))
    made = world.ecs.create_task_set(
        cluster="c", service="s", taskDefinition="f", scale={"value": 100.0, "unit": "PERCENT"},
        networkConfiguration=awsvpc(world.subnets[0]))["taskSet"]
    assert made["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == world.subnets[:1]
    host.wait(lambda: len(host.tasks) == 1, what="the set's task")
    (task,) = host.tasks.values()
    assert task["interface"]["subnetId"] == world.subnets[0]


def test_interfaces_survive_a_crash_of_the_server(own_server):
    world = World(own_server)
    host = world.host()
    arn = world.run()["tasks"][0]["taskArn"]
    host.wait(lambda: arn in host.tasks, what="the task")
    before = host.tasks[arn]["interface"]
    own_server.restart()
    world.ecs = own_server.client("ecs", account=world.account)
    host.ecs = own_server.client("ecs", account=world.account)
    del host.tasks[arn]
    host.connect()
    host.wait(lambda: arn in host.tasks, what="the task again")
    assert host.tasks[arn]["interface"] == before
    say(host, before["attachmentArn"], "ATTACHED")
    assert world.in_status(arn, "PENDING")
    host.running(arn)
    world.in_status(arn, "RUNNING")
    host.close()
