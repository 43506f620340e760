"""What an instance and its tasks see at 169.254.169.254, asked by unmodified clients from within
their own networks."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from support import images
from support.gantry import Gantry, Not, eventually, reasons_not_to_run

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()) or not os.path.exists("/dev/loop-control"),
                       reason=str(reasons_not_to_run() or "needs loop devices")),
    pytest.mark.skipif(not os.path.exists("/bin/busybox"), reason="needs busybox-static"),
    pytest.mark.timeout(180),
]
URL = "http://169.254.169.254/latest/"
TTL = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
# Runs in the instance's network: prints status and body of each request.
ASK = """
import json, sys, urllib.request, urllib.error
token = None
for method, path, headers in json.load(sys.stdin):
    headers = {k: v.replace("TOKEN", token or "") for k, v in headers.items()}
    request = urllib.request.Request("http://169.254.169.254" + path, method=method,
                                     headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=3) as r:
            status, body = r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        status, body = e.code, e.read().decode()
    except OSError as e:
        status, body = 0, str(e)
    if method == "PUT" and status == 200:
        token = body
    print(json.dumps([status, body]))
"""
# A container asks in the same way, with what busybox has.
PUT = ("printf 'PUT /latest/api/token HTTP/1.1\\r\\nHost: i\\r\\n"
       "X-aws-ec2-metadata-token-ttl-seconds: 60\\r\\n\\r\\n' | "
       "timeout 4 nc 169.254.169.254 80 | head -c 12; echo;")
GET = ("printf 'GET /latest/meta-data/instance-id HTTP/1.0\\r\\n\\r\\n' | "
       "timeout 4 nc 169.254.169.254 80 | head -c 12; echo; echo end; sleep 1000")


@pytest.fixture(scope="module")
def g():
    gantry = Gantry()
    try:
        busybox = pathlib.Path("/bin/busybox").read_bytes()
        links = [(f"bin/{name}", "busybox")
                 for name in ("sh", "nc", "head", "timeout", "sleep", "wget", "printf")]
        gantry.image = gantry.push("busybox", images.probe_image(
            files=[("bin", None), ("bin/busybox", busybox), *links], Env=["PATH=/bin"],
            Entrypoint=["/bin/sh", "-c"]))
        gantry.ecs.create_cluster(clusterName="fleet")
        gantry.profile = gantry.instance_profile()
        gantry.ami = gantry.client("ssm").get_parameter(
            Name="/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
        )["Parameter"]["Value"]
        yield gantry
    finally:
        print(gantry.log()[-4000:])
        for log in pathlib.Path(gantry.data, "instances").glob("*/agent.log"):
            print(log, log.read_text()[-3000:])
        gantry.close()


def user_data(**settings):
    text = {"ECS_CLUSTER": "fleet", **settings}
    return "#!/bin/bash\n" + "".join(f"echo {k}={v} >> /etc/ecs/ecs.config\n"
                                     for k, v in text.items())


def launch(g, data, **more):
    r = g.client("ec2").run_instances(ImageId=g.ami, InstanceType="t3.micro", MinCount=1,
                                      MaxCount=1, UserData=data, **more)
    i = r["Instances"][0]["InstanceId"]
    net = pathlib.Path(g.run, "instances", i, "net")
    boot = pathlib.Path(g.run, "instances", i, "boot")
    eventually(lambda: boot.exists() or Not("not booted"), 40, "the instance")
    return i, net


def container_instance(g, instance):
    def look():
        arns = g.ecs.list_container_instances(cluster="fleet")["containerInstanceArns"]
        found = arns and g.ecs.describe_container_instances(
            cluster="fleet", containerInstances=arns)["containerInstances"]
        mine = [c for c in found or [] if c["ec2InstanceId"] == instance and c["agentConnected"]]
        return mine[0]["containerInstanceArn"] if mine else Not(found)
    return eventually(look, 40, "its container instance")


def ask(net, *requests):
    done = subprocess.run(["nsenter", f"--net={net}", sys.executable, "-c", ASK],
                          input=json.dumps(requests), capture_output=True, text=True,
                          check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def with_token(*paths):
    return [("PUT", "/latest/api/token", TTL),
            *[("GET", "/latest/" + p, {"X-aws-ec2-metadata-token": "TOKEN"}) for p in paths]]


def run_on(g, where, definition, **more):
    answer = g.ecs.start_task(cluster="fleet", taskDefinition=definition,
                              containerInstances=[where], **more)
    assert not answer["failures"], answer
    return answer["tasks"][0]["taskArn"]


def said(g, instance, task):
    """The log of the task's container, once it has said all."""
    logs = pathlib.Path(g.data, "instances", instance, "data", "agent", "tasks",
                        task.rsplit("/", 1)[-1], "logs")

    def look():
        text = "".join(p.read_text() for p in logs.glob("*.log"))
        # CRI lines: time, stream, tag, text
        lines = [line.split(" ", 3)[3] for line in text.splitlines()]
        return [x for x in lines if x.startswith(("HTTP", "end"))] if "end" in lines else Not(
            (text, g.ecs.describe_tasks(cluster="fleet", tasks=[task])["tasks"]))
    return eventually(look, 60, "the container's answers")


def test_metadata_of_an_instance(g):
    ec2 = g.client("ec2")
    i, net = launch(g, user_data(), TagSpecifications=[
        {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "first"}]}])
    shown = ec2.describe_instances(InstanceIds=[i])["Reservations"][0]["Instances"][0]
    eventually(lambda: ask(net, ("GET", "/latest/", {}))[0][0] == 401 or Not("silence"), 20,
               "the metadata service")
    paths = {"meta-data/instance-id": i, "meta-data/instance-type": "t3.micro",
             "meta-data/ami-id": g.ami, "meta-data/local-ipv4": shown["PrivateIpAddress"],
             "meta-data/placement/region": "us-east-1",
             "meta-data/placement/availability-zone": shown["Placement"]["AvailabilityZone"],
             "meta-data/security-groups": "default", "user-data": user_data(),
             "meta-data/mac": shown["NetworkInterfaces"][0]["MacAddress"],
             "meta-data/local-hostname": shown["PrivateDnsName"]}
    answers = ask(net, *with_token(*paths))
    assert answers[0][0] == 200
    assert dict(zip(paths, answers[1:])) == {p: [200, v] for p, v in paths.items()}

    identity, iam, spot, tags = ask(net, *with_token(
        "dynamic/instance-identity/document", "meta-data/iam/info",
        "meta-data/spot/instance-action", "meta-data/tags/instance/Name"))[1:]
    assert json.loads(identity[1])["instanceId"] == i
    assert [iam[0], spot[0], tags[0]] == [404, 404, 404]
    # v1 when it is allowed
    assert ask(net, ("GET", "/latest/meta-data/instance-id", {}))[0][0] == 401
    ec2.modify_instance_metadata_options(InstanceId=i, HttpTokens="optional",
                                         InstanceMetadataTags="enabled")
    eventually(lambda: ask(net, ("GET", "/latest/meta-data/tags/instance/Name", {}))
               == [[200, "first"]] or Not("refused"), 10, "v1 and tags")
    ec2.create_tags(Resources=[i], Tags=[{"Key": "Name", "Value": "second"}])
    eventually(lambda: ask(net, ("GET", "/latest/meta-data/tags/instance/Name", {}))
               == [[200, "second"]] or Not("old"), 10, "the new tag")
    ec2.modify_instance_metadata_options(InstanceId=i, HttpEndpoint="disabled")
    eventually(lambda: ask(net, ("PUT", "/latest/api/token", TTL))[0][0] == 403 or Not("on"),
               10, "turned off")
    ec2.terminate_instances(InstanceIds=[i])


def test_hops_to_a_container_behind_the_bridge(g):
    ec2 = g.client("ec2")
    d = g.define("asks", {"name": "c", "image": g.image, "memory": 64, "essential": True,
                          "command": [PUT + GET]}, networkMode="bridge")
    a = g.define("asks-vpc", {"name": "c", "image": g.image, "memory": 64, "essential": True,
                              "command": [PUT + GET]}, networkMode="awsvpc")
    network = {"networkConfiguration": g.awsvpc()}
    i, net = launch(g, user_data(), MetadataOptions={"HttpPutResponseHopLimit": 1},
                    IamInstanceProfile=g.profile)
    where = container_instance(g, i)
    # The token's packets live for one hop: to the instance, not to what is behind it.
    assert ask(net, *with_token("meta-data/instance-id"))[1] == [200, i]
    assert said(g, i, run_on(g, where, d)) == ["HTTP/1.1 401", "end"]
    assert said(g, i, run_on(g, where, a, **network)) == ["HTTP/1.1 200", "HTTP/1.1 401", "end"]
    ec2.modify_instance_metadata_options(InstanceId=i, HttpPutResponseHopLimit=2)
    # The order of the stream is the order of changes: what comes after it finds it in force.
    assert said(g, i, run_on(g, where, d)) == ["HTTP/1.1 200", "HTTP/1.1 401", "end"]
    ec2.terminate_instances(InstanceIds=[i])


def test_the_agents_settings(g):
    """ECS_AWSVPC_BLOCK_IMDS and ECS_ENABLE_TASK_IAM_ROLE of the instance's user data."""
    container = {"name": "c", "image": g.image, "memory": 64, "essential": True,
                 "command": [PUT + GET]}
    v = g.define("kept-vpc", container, networkMode="awsvpc")
    b = g.define("kept-bridge", container, networkMode="bridge")
    i, _ = launch(g, user_data(ECS_AWSVPC_BLOCK_IMDS="true", ECS_ENABLE_TASK_IAM_ROLE="false"),
                  IamInstanceProfile=g.profile)
    where = container_instance(g, i)
    answered = ["HTTP/1.1 200", "HTTP/1.1 401", "end"]
    assert said(g, i, run_on(g, where, v, networkConfiguration=g.awsvpc())) == ["end"]
    assert said(g, i, run_on(g, where, b)) == answered  # the setting is of awsvpc only
    found = g.ecs.describe_container_instances(cluster="fleet", containerInstances=[where])
    names = {a["name"] for a in found["containerInstances"][0]["attributes"]}
    assert not [n for n in names if "capability.task-iam-role" in n]
    g.client("ec2").terminate_instances(InstanceIds=[i])


def test_nobody_else_has_metadata(g):
    """Not the machine, not its tasks, not Fargate."""
    d = g.define("asks-fargate", {"name": "c", "image": g.image, "essential": True,
                                  "command": [PUT + GET]}, networkMode="awsvpc", cpu="256",
                 memory="512", requiresCompatibilities=["FARGATE"])
    i, net = launch(g, user_data())
    eventually(lambda: ask(net, ("GET", "/latest/", {}))[0][0] == 401 or Not("silence"), 20,
               "the metadata service")
    task = g.run_task(d, launchType="FARGATE", networkConfiguration=g.awsvpc())
    g.wait_status(task, "RUNNING")

    def look():
        lines = g.logs(task).splitlines()
        return lines if "end" in lines else Not(lines)

    assert [x for x in eventually(look, 30, "its answers") if x.startswith("HTTP")] == []
    g.client("ec2").terminate_instances(InstanceIds=[i])
