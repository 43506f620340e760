"""Tasks in network mode awsvpc under `gantry up`: real packets through a VPC, on EC2 and on
Fargate, as their security groups allow and not otherwise."""

import json
import os
import pathlib
import signal
import socket

import pytest

from fake_ecs import in_netns
from support import images
from support.gantry import Gantry, Not, eventually, reasons_not_to_run

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()) or not os.path.exists("/dev/loop-control"),
                       reason=str(reasons_not_to_run() or "needs loop devices")),
    pytest.mark.timeout(120),
]
PATH = [{"name": "PATH", "value": "/bin"}]


@pytest.fixture(scope="module")
def g():
    gantry = Gantry()
    try:
        busybox = pathlib.Path("/bin/busybox").read_bytes()
        gantry.image = gantry.push("busybox", images.probe_image(
            files=[("bin", None), ("bin/busybox", busybox), ("bin/sh", "busybox")],
            Entrypoint=["/bin/busybox", "sh", "-c"]))
        ec2 = gantry.client("ec2")
        subnet = gantry.awsvpc()["awsvpcConfiguration"]["subnets"][0]
        gantry.vpc = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
        yield gantry
    finally:
        gantry.close()


@pytest.fixture(autouse=True)
def evidence(request):
    yield
    print(request.getfixturevalue("g").log()[-6000:])


@pytest.fixture
def group(g, request):
    """group(name) makes a security group of the test's own."""
    made = []

    def make(name):
        made.append(g.client("ec2").create_security_group(
            GroupName=f"{request.node.name}-{name}", Description=name, VpcId=g.vpc)["GroupId"])
        return made[-1]

    yield make


def allow(g, group, port, source):
    g.client("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port,
         "UserIdGroupPairs": [{"GroupId": source}]}])


def shell(g, script, name="main", **more):
    """Ends at once when it is told to."""
    return {"name": name, "image": g.image, "environment": PATH, "memory": 64, "command": [
        f'trap "exit 0" TERM\n{script}\nbusybox sleep 1000 & wait'], **more}


def ask(host, port):
    """From the machine itself."""
    try:
        with socket.create_connection((host, port), timeout=1) as s:
            return s.makefile().read()
    except OSError:
        return ""


def start(g, launch_type, *containers, groups=(), **network):
    fargate = launch_type == "FARGATE"
    more = {"requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512"}
    definition = g.define("t" + os.urandom(4).hex(), *containers, networkMode="awsvpc",
                          **(more if fargate else {}))
    return g.run_task(definition, launchType=launch_type,
                      networkConfiguration=g.awsvpc(*groups, **network))


def address(task):
    (attachment,) = task["attachments"]
    return next(d["value"] for d in attachment["details"] if d["name"] == "privateIPv4Address")


def stop(g, *tasks):
    for t in tasks:
        g.ecs.stop_task(task=t)
    for t in tasks:
        (attachment,) = g.wait_status(t, "STOPPED")["attachments"]
        assert attachment["status"] == "DELETED"


def said(g, task, word, *container, timeout=15):
    g.wait_status(task, "RUNNING")

    def look():
        text = g.logs(task, *container)
        return text if word in text else Not(text)
    return eventually(look, timeout, f"'{word}' of {task}")


SERVE = 'while :; do /probe serve 8080 "from $(busybox hostname)"; done &'


def try_for_ever(host):
    return (f"while :; do if busybox timeout 1 /probe fetch {host} 8080; then echo through; "
            "else echo closed; fi; busybox sleep 0.2; done &")


@pytest.mark.parametrize("server,client", [("EC2", "FARGATE"), ("FARGATE", "EC2"),
                                           ("EC2", "EC2")])
def test_groups_decide_who_reaches_whom(g, group, server, client):
    served, calling = group("served"), group("calling")
    allow(g, served, 8080, calling)
    one = start(g, server, shell(g, SERVE), groups=[served])
    found = g.wait_status(one, "RUNNING")
    host = address(found)
    good = start(g, client, shell(g, try_for_ever(host)), groups=[calling])
    bad = start(g, client, shell(g, try_for_ever(host)), groups=[served])
    dashed = host.replace(".", "-")
    said(g, good, f"from ip-{dashed}.ec2.internal")
    said(g, bad, "closed")
    g.client("ec2").authorize_security_group_ingress(GroupId=served, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080,
         "UserIdGroupPairs": [{"GroupId": served}]}])
    assert "through" not in g.logs(bad)
    said(g, bad, "through")
    stop(g, one, good, bad)


def test_containers_share_localhost_and_nobody_else_does(g):
    one = start(g, "EC2", shell(g, try_for_ever("127.0.0.1")), shell(g, SERVE, "peer"))
    other = start(g, "EC2", shell(g, try_for_ever("127.0.0.1")))
    said(g, one, "through")
    assert "through" not in said(g, other, "closed")
    stop(g, one, other)


def test_what_a_task_is_told_of_its_network(g):
    task = start(g, "EC2", shell(
        g, "busybox cat /etc/resolv.conf; busybox hostname; "
           "busybox wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task; echo; echo done"))
    found = g.wait_status(task, "RUNNING")
    lines = said(g, task, "done").splitlines()
    assert lines[:2] == ["nameserver 172.31.0.2", "search ec2.internal"]
    assert lines[2] == f"ip-{address(found).replace('.', '-')}.ec2.internal"
    document = json.loads(lines[3])
    assert document["VPCID"] == g.vpc
    (network,) = document["Containers"][0]["Networks"]
    assert network["IPv4Addresses"] == [address(found)]
    assert network["IPv4SubnetCIDRBlock"] == "172.31.0.0/20"
    assert address(found) in g.command("status").stdout
    stop(g, task)


def test_the_agent_is_killed(g, group):
    """Who runs keeps the network; who is starting gets it from the next agent."""
    both = group("both")
    allow(g, both, 8080, both)
    one = start(g, "EC2", shell(g, SERVE), groups=[both])
    host = address(g.wait_status(one, "RUNNING"))
    two = start(g, "EC2", shell(g, try_for_ever(host)), groups=[both])
    said(g, two, "through")
    old = g.part("agent")
    late = start(g, "EC2", shell(g, try_for_ever(host)), groups=[both])
    os.kill(old.pid, signal.SIGKILL)
    eventually(lambda: g.part("agent") not in (None, old), 20, "another agent")
    said(g, late, "through")
    before = g.logs(two).count("through")
    eventually(lambda: g.logs(two).count("through") > before + 2, 10, "answers go on")
    assert "closed" not in g.logs(two)
    stop(g, one, two, late)


def test_tasks_come_and_go(g):
    """Whatever was made for them in the VPC is gone with them."""
    place = pathlib.Path(f"{g.run}/vpc/{g.vpc}")
    family = g.define("come-and-go", shell(g, "true"), networkMode="awsvpc")
    tasks = [t["taskArn"] for t in g.ecs.run_task(
        taskDefinition=family, count=10, networkConfiguration=g.awsvpc())["tasks"]]
    addresses = {address(g.wait_status(t, "RUNNING")) for t in tasks}
    assert len(addresses) == 10 and place.exists()
    stop(g, *tasks)
    ec2 = g.client("ec2")
    left = ec2.describe_network_interfaces(Filters=[
        {"Name": "requester-id", "Values": ["amazon-ecs"]}])["NetworkInterfaces"]
    assert left == []


def test_a_public_address_is_reached_from_the_machine(g, group):
    """On Fargate with assignPublicIp, as far as the group lets strangers in."""
    door = group("door")
    g.client("ec2").authorize_security_group_ingress(GroupId=door, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080,
         "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    serve = shell(g, SERVE + "\n" + SERVE.replace("8080", "8081"))
    task = start(g, "FARGATE", serve, groups=[door], assignPublicIp="ENABLED")
    found = g.wait_status(task, "RUNNING")
    (interface,) = g.client("ec2").describe_network_interfaces(Filters=[
        {"Name": "private-ip-address", "Values": [address(found)]}])["NetworkInterfaces"]
    public = interface["Association"]["PublicIp"]
    assert eventually(lambda: ask(public, 8080), 10, "an answer").startswith("from ip-172-31-")
    assert ask(public, 8081) == ""
    stop(g, task)
    assert ask(public, 8080) == ""


def test_the_edge_is_killed(g, group):
    """Packets need no edge; a task that starts meanwhile waits for the next one."""
    both = group("both")
    allow(g, both, 8080, both)
    one = start(g, "EC2", shell(g, SERVE), groups=[both])
    host = address(g.wait_status(one, "RUNNING"))
    two = start(g, "EC2", shell(g, try_for_ever(host)), groups=[both])
    said(g, two, "through")
    old = g.part("edge")
    os.kill(old.pid, signal.SIGKILL)
    late = start(g, "EC2", shell(g, try_for_ever(host)), groups=[both])
    said(g, late, "through", timeout=30)
    assert g.part("edge") not in (None, old)
    assert "closed" not in g.logs(two)
    stop(g, one, two, late)


def test_names_are_answered(g):
    """Whoever listens for the VPC's second address is asked, and answers."""
    task = start(g, "EC2", shell(g, "true"))
    g.wait_status(task, "RUNNING")
    netns = f"{g.run}/agent/net/ns/{task.rsplit('/', 1)[-1]}"
    query = (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07nowhere\x03elb\x09amazonaws"
             b"\x03com\x00\x00\x01\x00\x01")

    def answer():
        s = in_netns(netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with s:
            s.settimeout(1)
            s.sendto(query, ("172.31.0.2", 53))
            return s.recv(512)

    assert answer()[:2] == query[:2]
    stop(g, task)
