"""Roles in a whole gantry: what instances and tasks get of them, from IAM to the SDK in the
container, with every call authorised."""

import json
import os
import pathlib
import subprocess
import sys

import boto3
import botocore.config
import botocore.exceptions
import pytest

from support import images
from support.gantry import Gantry, Not, eventually, reasons_not_to_run

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()) or not os.path.exists("/dev/loop-control"),
                       reason=str(reasons_not_to_run() or "needs loop devices")),
    pytest.mark.skipif(not os.path.exists("/bin/busybox"), reason="needs busybox-static"),
    pytest.mark.timeout(240),
]
# What any program with an SDK does: nothing is configured but the environment.
FIND = """
import json, botocore.session
c = botocore.session.Session().get_credentials()
f = c and c.get_frozen_credentials()
print(json.dumps(f and [c.method, f.access_key, f.secret_key, f.token]))
"""
SESSION_S = 20


@pytest.fixture(scope="module")
def g():
    gantry = Gantry("--role-session", f"{SESSION_S}s")
    try:
        busybox = pathlib.Path("/bin/busybox").read_bytes()
        links = [(f"bin/{name}", "busybox") for name in ("sh", "env", "sleep")]
        gantry.image = gantry.push("busybox", images.probe_image(
            files=[("bin", None), ("bin/busybox", busybox), *links], Env=["PATH=/bin"],
            Entrypoint=["/bin/sh", "-c"]))
        gantry.ecs.create_cluster(clusterName="fleet")
        gantry.ami = gantry.client("ssm").get_parameter(
            Name="/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
        )["Parameter"]["Value"]
        yield gantry
    finally:
        print(gantry.log()[-4000:])
        for log in pathlib.Path(gantry.data, "instances").glob("*/agent.log"):
            print(log, log.read_text()[-3000:])
        gantry.close()


def find_inside(net, **environment):
    """What an SDK finds in this network namespace: method, key, secret, token; or None."""
    done = subprocess.run(
        ["nsenter", f"--net={net}", sys.executable, "-c", FIND],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def caller(g, found):
    """Who the server says has these credentials."""
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    sts = boto3.client("sts", endpoint_url=f"http://{g.address}", region_name="us-east-1",
                       aws_access_key_id=found[1], aws_secret_access_key=found[2],
                       aws_session_token=found[3], config=config)
    return sts.get_caller_identity()["Arn"]


def launch(g, **more):
    text = "#!/bin/bash\necho ECS_CLUSTER=fleet >> /etc/ecs/ecs.config\n"
    i = g.client("ec2").run_instances(ImageId=g.ami, InstanceType="t3.micro", MinCount=1,
                                      MaxCount=1, UserData=text, **more
                                      )["Instances"][0]["InstanceId"]
    boot = pathlib.Path(g.run, "instances", i, "boot")
    eventually(lambda: boot.exists() or Not("not booted"), 40, "the instance")
    return i, pathlib.Path(g.run, "instances", i, "net")


def agent_log(g, instance):
    path = pathlib.Path(g.data, "instances", instance, "agent.log")
    return path.read_text() if path.exists() else ""


def joined(g, instance):
    def look():
        arns = g.ecs.list_container_instances(cluster="fleet")["containerInstanceArns"]
        found = arns and g.ecs.describe_container_instances(
            cluster="fleet", containerInstances=arns)["containerInstances"]
        return [c["containerInstanceArn"] for c in found or []
                if c["ec2InstanceId"] == instance and c["agentConnected"]] or Not(found)
    return eventually(look, 40, "its container instance")[0]


def terminate(g, instance):
    g.client("ec2").terminate_instances(InstanceIds=[instance])


def test_an_instance_without_a_profile_waits_for_one(g):
    i, net = launch(g)
    eventually(lambda: "the instance has no role" in agent_log(g, i) or Not(agent_log(g, i)),
               30, "the log's complaint")
    assert "ecs:RegisterContainerInstance" in agent_log(g, i)
    assert "associate-iam-instance-profile" in agent_log(g, i)
    assert g.ecs.list_container_instances(cluster="fleet")["containerInstanceArns"] == []
    assert find_inside(net) is None
    g.instance_profile("late")
    g.client("ec2").associate_iam_instance_profile(
        InstanceId=i, IamInstanceProfile={"Name": "late"})
    joined(g, i)
    terminate(g, i)


def test_an_instance_whose_role_may_not_register_is_refused(g):
    g.instance_profile("poor", "service-role/AmazonECSTaskExecutionRolePolicy")
    i, _ = launch(g, IamInstanceProfile={"Name": "poor"})
    wanted = "is not authorized to perform: ecs:RegisterContainerInstance"
    eventually(lambda: wanted in agent_log(g, i) or Not(agent_log(g, i)), 30,
               "the denial in the log")
    assert f":assumed-role/poor/{i}" in agent_log(g, i)
    g.client("iam").attach_role_policy(
        RoleName="poor", PolicyArn="arn:aws:iam::aws:policy/service-role/"
        "AmazonEC2ContainerServiceforEC2Role")
    terminate(g, i)


def test_an_instance_whose_role_may_not_send_logs_is_refused(g):
    g.instance_profile("mute", document=[
        {"Effect": "Deny", "Action": "logs:PutLogEvents", "Resource": "*"}])
    i, _ = launch(g, IamInstanceProfile={"Name": "mute"})
    wanted = f":assumed-role/mute/{i} is not authorized to perform: logs:PutLogEvents"
    eventually(lambda: wanted in agent_log(g, i) or Not(agent_log(g, i)), 30,
               "the denial in the log")
    assert g.ecs.list_container_instances(cluster="fleet")["containerInstanceArns"] == []
    g.client("iam").put_role_policy(RoleName="mute", PolicyName="own", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": {
            "Effect": "Deny", "Action": "logs:PutLogEvents",
            "Resource": "arn:aws:logs:*:*:log-group:/other/*"}}))
    joined(g, i)  # without being started again
    terminate(g, i)


def test_an_instance_has_its_role_and_keeps_it(g):
    g.instance_profile("good")
    i, net = launch(g, IamInstanceProfile={"Name": "good"})
    joined(g, i)
    first = find_inside(net)
    assert first[0] == "iam-role"
    assert caller(g, first) == f"arn:aws:sts::000000000000:assumed-role/good/{i}"

    def another():
        now = find_inside(net)
        return now if now[1] != first[1] else Not(now[1])

    second = eventually(another, SESSION_S, "new credentials")
    assert caller(g, first) == caller(g, second)  # the old ones hold to their end
    # With sessions that short, an agent that kept its first one would be cut off by now.
    d = g.define("later", {"name": "c", "image": g.image, "memory": 64, "essential": True,
                           "command": ["sleep 1000"]}, networkMode="bridge")

    def expired():
        try:
            return Not(caller(g, first))
        except botocore.exceptions.ClientError as e:
            return e.response["Error"]["Code"]

    assert eventually(expired, SESSION_S + 5, "the first one's end") == "ExpiredToken"
    task = g.ecs.start_task(cluster="fleet", taskDefinition=d,
                            containerInstances=[joined(g, i)])["tasks"][0]["taskArn"]

    def running():
        t = g.ecs.describe_tasks(cluster="fleet", tasks=[task])["tasks"][0]
        return t["lastStatus"] == "RUNNING" or Not(t)

    eventually(running, 40, "RUNNING")
    terminate(g, i)


def run(g, definition, **more):
    task = g.run_task(definition, **more)
    g.wait_status(task, "RUNNING")
    return task


def environment(g, task):
    def look():
        lines = dict(x.partition("=")[::2] for x in g.logs(task).splitlines())
        return lines if "ECS_AGENT_URI" in lines else Not(lines)
    return eventually(look, 20, "the container's environment")


def namespace(g, task):
    folder = pathlib.Path(g.run, "agent", "net", "ns")
    return next(p for p in folder.iterdir() if p.name.startswith(task.rsplit("/", 1)[-1]))


def test_a_task_has_its_role_and_keeps_it(g):
    app = g.role("app")
    execution = g.role("execution", "service-role/AmazonECSTaskExecutionRolePolicy")
    for mode in ("bridge", "awsvpc"):
        d = g.define(f"app-{mode}", {
            "name": "c", "image": g.image, "memory": 64, "essential": True,
            "command": ["env; sleep 1000"]}, networkMode=mode, taskRoleArn=app,
            executionRoleArn=execution)
        more = {"networkConfiguration": g.awsvpc()} if mode == "awsvpc" else {}
        task = run(g, d, **more)
        mine = {k: v for k, v in environment(g, task).items() if k.startswith("AWS_")}
        assert mine["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"].startswith("/v2/credentials/")
        first = find_inside(namespace(g, task), **mine)
        assert first[0] == "container-role"
        identity = f"arn:aws:sts::000000000000:assumed-role/app/{task.rsplit('/', 1)[-1]}"
        assert caller(g, first) == identity

        def another():
            now = find_inside(namespace(g, task), **mine)
            return now if now[1] != first[1] else Not(now[1])

        second = eventually(another, SESSION_S, "new credentials")
        assert caller(g, first) == caller(g, second) == identity
        os.kill(g.part("server").pid, 9)  # and none is lost with the server
        g.steadily(lambda: g.describe(task))

        def third():
            now = find_inside(namespace(g, task), **mine)
            return now if now[1] not in (first[1], second[1]) else Not(now[1])

        assert caller(g, eventually(third, SESSION_S + 10, "again new ones")) == identity
        g.ecs.stop_task(task=task)


def test_a_role_that_does_not_trust_ecs_stops_the_task(g):
    wrong = g.role("wrong", service="ec2.amazonaws.com")
    for role in (wrong, "arn:aws:iam::000000000000:role/nobodys"):
        d = g.define("refused", {"name": "c", "image": g.image, "memory": 64,
                                 "command": ["sleep 1000"]}, taskRoleArn=role)
        task = g.run_task(d)
        t = g.wait_status(task, "STOPPED")
        assert t["stopCode"] == "TaskFailedToStart"
        assert t["stoppedReason"].startswith(
            f"ECS was unable to assume the role '{role}' that was provided for this task.")
