"""EC2 instances on this machine under `gantry up`: they register, run tasks, reach the API
through their VPC, and end like machines whose power was cut."""

import os
import pathlib
import signal

import pytest

from support import images, machine
from support.gantry import Gantry, Not, eventually, reasons_not_to_run

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()) or not os.path.exists("/dev/loop-control"),
                       reason=str(reasons_not_to_run() or "needs loop devices")),
    pytest.mark.timeout(180),
]
PATH = [{"name": "PATH", "value": "/bin"}]
USER_DATA = """#!/bin/bash
yum update -y
cat <<'EOF' >> /etc/ecs/ecs.config
ECS_CLUSTER=fleet
ECS_INSTANCE_ATTRIBUTES={"rack": "r1"}
ECS_RESERVED_MEMORY=32
ECS_HTTP_PROXY=none
EOF
"""


@pytest.fixture(scope="module")
def g():
    gantry = Gantry()
    try:
        busybox = pathlib.Path("/bin/busybox").read_bytes()
        gantry.image = gantry.push("busybox", images.probe_image(
            files=[("bin", None), ("bin/busybox", busybox), ("bin/sh", "busybox")],
            Entrypoint=["/bin/busybox", "sh", "-c"]))
        gantry.ecs.create_cluster(clusterName="fleet")
        gantry.profile = gantry.instance_profile()
        gantry.ami = gantry.client("ssm").get_parameter(
            Name="/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
        )["Parameter"]["Value"]
        yield gantry
    finally:
        gantry.close()


@pytest.fixture(autouse=True)
def evidence(request):
    yield
    g = request.getfixturevalue("g")
    print(g.log()[-4000:])
    for log in pathlib.Path(g.data, "instances").glob("*/agent.log"):
        print(log, log.read_text()[-3000:])


def members(g):
    """ec2InstanceId to container instance, of those that are connected."""
    arns = g.ecs.list_container_instances(cluster="fleet")["containerInstanceArns"]
    if not arns:
        return {}
    found = g.ecs.describe_container_instances(cluster="fleet", containerInstances=arns)
    return {i["ec2InstanceId"]: i for i in found["containerInstances"] if i["agentConnected"]}


def launch(g, n):
    r = g.client("ec2").run_instances(ImageId=g.ami, InstanceType="t3.nano", MinCount=n,
                                      MaxCount=n, UserData=USER_DATA,
                                      IamInstanceProfile=g.profile)
    ids = {i["InstanceId"] for i in r["Instances"]}

    def joined():
        m = members(g)
        return {i: m[i] for i in ids} if ids <= set(m) else Not(m)

    return eventually(joined, 40, "instances in the cluster")


def state(g, i):
    r = g.client("ec2").describe_instances(InstanceIds=[i])["Reservations"]
    return r[0]["Instances"][0]["State"]["Name"]


def wait_state(g, i, wanted):
    eventually(lambda: state(g, i) == wanted or Not(state(g, i)), 30, f"{i} {wanted}")


def task_on(g, definition, instance):
    """A task in the cluster, running on this container instance."""
    answer = g.ecs.start_task(cluster="fleet", taskDefinition=definition,
                              containerInstances=[instance["containerInstanceArn"]])
    assert not answer["failures"], answer
    arn = answer["tasks"][0]["taskArn"]

    def look():
        t = g.ecs.describe_tasks(cluster="fleet", tasks=[arn])["tasks"][0]
        return t if t["lastStatus"] == "RUNNING" else Not(t)

    return eventually(look, 40, "RUNNING")


def left_of(g, i):
    """What bears the instance's id: processes, groups, mounts, folders."""
    found = [f"mount {line}" for line in machine.read("/proc/self/mountinfo").splitlines()
             if i in line]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if i in machine.read(f"/proc/{pid}/cmdline") + machine.read(f"/proc/{pid}/cgroup"):
            found.append(f"process {pid} {machine.read(f'/proc/{pid}/cmdline')!r}")
    for base, dirs, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(base, d) for d in dirs if i in d]
    found += [str(p) for p in (pathlib.Path(g.data, "instances", i),
                               pathlib.Path(g.run, "instances", i)) if p.exists()]
    return found


def test_two_instances_and_a_power_cut(g):
    two = launch(g, 2)
    ec2 = g.client("ec2")
    for i, ci in two.items():
        wait_state(g, i, "running")
        a = {x["name"]: x.get("value") for x in ci["attributes"]}
        assert a["ecs.instance-type"] == "t3.nano" and a["rack"] == "r1"
        assert a["ecs.ami-id"] == g.ami and a["ecs.vpc-id"] and a["ecs.subnet-id"]
        total = {r["name"]: r.get("integerValue") for r in ci["registeredResources"]}
        assert total["CPU"] == 2048 and total["MEMORY"] == 512 - 64 - 32

    def console():
        text = ec2.get_console_output(InstanceId=i).get("Output", "")
        return text if "yum update -y" in text else Not(text)

    text = eventually(console, 10, "the console")
    assert "not run: yum update -y" in text and "not obeyed: ECS_HTTP_PROXY" in text
    d = g.define("fleet", {"name": "c", "image": g.image, "memory": 64, "essential": True,
                           "command": ["sleep 1000"], "environment": PATH,
                           "portMappings": [{"containerPort": 80}]}, networkMode="bridge")
    (one, ci), (other, other_ci) = two.items()
    task, stays = task_on(g, d, ci), task_on(g, d, other_ci)
    assert task["containerInstanceArn"] == ci["containerInstanceArn"]

    # One agent dies: it comes back, and its task goes on.
    agent = [p for p in filter(str.isdigit, os.listdir("/proc"))
             if f"--instance-id={other}" in machine.read(f"/proc/{p}/cmdline")]
    os.kill(int(agent[0]), signal.SIGKILL)

    ec2.terminate_instances(InstanceIds=[one])
    wait_state(g, one, "terminated")

    def stopped():
        t = g.ecs.describe_tasks(cluster="fleet", tasks=[task["taskArn"]])["tasks"][0]
        return t if t["lastStatus"] == "STOPPED" else Not(t)

    t = eventually(stopped, 20, "STOPPED")
    assert t["stoppedReason"] == f"Host EC2 (instance {one}) terminated."
    assert ci["containerInstanceArn"] not in g.ecs.list_container_instances(
        cluster="fleet")["containerInstanceArns"]
    eventually(lambda: not left_of(g, one) or Not(left_of(g, one)), 20, "nothing left")

    def again():
        pids = [p for p in filter(str.isdigit, os.listdir("/proc"))
                if f"--instance-id={other}" in machine.read(f"/proc/{p}/cmdline")]
        return (pids and pids != agent and other in members(g)) or Not(pids)

    eventually(again, 20, "the other's agent again")
    t = g.ecs.describe_tasks(cluster="fleet", tasks=[stays["taskArn"]])["tasks"][0]
    assert t["lastStatus"] == "RUNNING"

    # The edge dies: the instance goes on under the next one.
    edge = g.part("edge")
    os.kill(edge.pid, signal.SIGKILL)
    ec2.stop_instances(InstanceIds=[other])
    wait_state(g, other, "stopped")
    assert not [x for x in left_of(g, other) if x.startswith(("process", "mount"))]
    assert pathlib.Path(g.data, "instances", other).exists()
    eventually(lambda: other not in members(g) or Not("connected"), 20, "disconnected")
    ec2.start_instances(InstanceIds=[other])
    eventually(lambda: other in members(g) or Not(state(g, other)), 40, "back in the cluster")
    ec2.terminate_instances(InstanceIds=[other])
    wait_state(g, other, "terminated")
    eventually(lambda: not left_of(g, other) or Not(left_of(g, other)), 20, "nothing left")
