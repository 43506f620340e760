"""An unmodified SDK in a container that has nothing else: it finds keys, region and endpoint
by itself, and its task's role opens one bucket and one table and no other."""

import json
import os
import pathlib

import pytest

from support import images
from support.gantry import Gantry, Not, eventually, reasons_not_to_run
from test_roles import joined, launch, terminate

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.skipif(not os.path.exists("/usr/lib/python3/dist-packages/boto3"),
                       reason="needs Debian's python3-boto3"),
    pytest.mark.timeout(240),
]
# endpoint_url: botocore reads the variable by itself only since 1.31.
WHO = """
import os, json, boto3, botocore.exceptions
def client(service):
    return boto3.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def said(call, **what):
    try:
        return call(**what)
    except botocore.exceptions.ClientError as e:
        return {"code": e.response["Error"]["Code"], "text": e.response["Error"]["Message"]}
"""
S3 = WHO + """
s3 = client("s3")
mine = said(s3.get_object, Bucket="open", Key="a/b.txt")
print(json.dumps({
    "who": client("sts").get_caller_identity()["Arn"],
    "open": mine["Body"].read().decode() if "Body" in mine else mine,
    "shut": said(s3.get_object, Bucket="shut", Key="a/b.txt"),
    "put": said(s3.put_object, Bucket="open", Key="c", Body=b"x")}))
"""


DYNAMODB = WHO + """
d = client("dynamodb")
key = {"id": {"S": "one"}}
print(json.dumps({
    "open": said(d.get_item, TableName="open", Key=key).get("Item"),
    "shut": said(d.get_item, TableName="shut", Key=key),
    "put": said(d.put_item, TableName="open", Item=key)}))
"""


@pytest.fixture(scope="module")
def g():
    gantry = Gantry()
    try:
        gantry.image = gantry.push("sdk", images.sdk_image())
        gantry.ecs.create_cluster(clusterName="fleet")
        gantry.ami = gantry.client("ssm").get_parameter(
            Name="/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
        )["Parameter"]["Value"]
        yield gantry
    finally:
        print(gantry.log()[-4000:])
        gantry.close()


def start(g, family, container, mode="bridge", launch_type="EC2", **task):
    """Runs until it ends; the task, and what `gantry logs` says."""
    definition = g.define(family, {"name": "c", "image": g.image, "memory": 256,
                                   "essential": True, **container},
                          networkMode=mode, **task)
    more = {"networkConfiguration": g.awsvpc()} if mode == "awsvpc" else {}
    arn = g.run_task(definition, launchType=launch_type, **more)
    return g.wait_status(arn, "STOPPED", 60), g.command("logs", arn.rsplit("/", 1)[-1])


def run(g, script, mode, role, **more):
    """What the script printed in a task of this mode and role; the task's id."""
    stopped, said = start(g, f"sdk-{mode}", {"command": [script]}, mode, taskRoleArn=role,
                          **more)
    assert stopped["containers"][0].get("exitCode") == 0, (stopped, said.stderr)
    return stopped["taskArn"].rsplit("/", 1)[-1], json.loads(said.stdout)


def allow(actions, *resources):
    return [{"Effect": "Allow", "Action": actions, "Resource": list(resources)}]


@pytest.fixture(scope="module")
def buckets(g):
    for name in ("open", "shut"):
        g.client("s3").create_bucket(Bucket=name)
        g.client("s3").put_object(Bucket=name, Key="a/b.txt", Body=f"of {name}".encode())


@pytest.fixture(scope="module")
def tables(g):
    d = g.client("dynamodb")
    for name in ("open", "shut"):
        d.create_table(TableName=name, BillingMode="PAY_PER_REQUEST",
                       AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                       KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
        d.get_waiter("table_exists").wait(TableName=name)
        d.put_item(TableName=name, Item={"id": {"S": "one"}, "of": {"S": name}})


def check_reader(said, me):
    assert said["who"] == me
    assert said["open"] == "of open"
    for key, action, what in (("shut", "s3:GetObject", "shut/a/b.txt"),
                              ("put", "s3:PutObject", "open/c")):
        assert said[key]["code"] == "AccessDenied"
        assert said[key]["text"].startswith(
            f'User: {me} is not authorized to perform: {action} on resource: '
            f'"arn:aws:s3:::{what}"')


@pytest.mark.parametrize("mode", ["bridge", "host", "awsvpc"])
def test_one_bucket_is_open_and_another_is_not(g, buckets, mode):
    role = g.role(f"reader-{mode}", document=allow("s3:GetObject", "arn:aws:s3:::open/*"))
    task, said = run(g, S3, mode, role)
    check_reader(said, f"arn:aws:sts::000000000000:assumed-role/reader-{mode}/{task}")


def test_the_same_on_fargate(g, buckets):
    role = g.role("fargate", document=allow("s3:GetObject", "arn:aws:s3:::open/*"))
    task, said = run(g, S3, "awsvpc", role, launch_type="FARGATE", cpu="256", memory="512",
                     requiresCompatibilities=["FARGATE"])
    check_reader(said, f"arn:aws:sts::000000000000:assumed-role/fargate/{task}")


def test_the_same_on_an_instance(g, buckets):
    role = g.role("reader", document=allow("s3:GetObject", "arn:aws:s3:::open/*"))
    instance, _ = launch(g, IamInstanceProfile=g.instance_profile("fleet"))
    definition = g.define("sdk-instance", {
        "name": "c", "image": g.image, "memory": 256, "command": [S3]},
        networkMode="bridge", taskRoleArn=role)
    task = g.ecs.start_task(cluster="fleet", taskDefinition=definition,
                            containerInstances=[joined(g, instance)])["tasks"][0]["taskArn"]

    def stopped():
        t = g.ecs.describe_tasks(cluster="fleet", tasks=[task])["tasks"][0]
        return t if t["lastStatus"] == "STOPPED" else Not(t)

    assert eventually(stopped, 60, "its end")["containers"][0].get("exitCode") == 0
    folder = pathlib.Path(g.data, "instances", instance)
    log, = folder.glob(f"**/{task.rsplit('/', 1)[-1]}*/**/*.log")
    line = next(x for x in log.read_text().splitlines() if " stdout " in x)
    check_reader(json.loads(line.split(" ", 3)[3]),
                 f"arn:aws:sts::000000000000:assumed-role/reader/{task.rsplit('/', 1)[-1]}")
    terminate(g, instance)


@pytest.mark.parametrize("mode", ["bridge", "host", "awsvpc"])
def test_one_table_is_open_and_another_is_not(g, tables, mode):
    role = g.role(f"table-{mode}", document=allow(
        "dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:000000000000:table/open"))
    task, said = run(g, DYNAMODB, mode, role)
    me = f"arn:aws:sts::000000000000:assumed-role/table-{mode}/{task}"
    assert said["open"] == {"id": {"S": "one"}, "of": {"S": "open"}}
    for key, action, table in (("shut", "GetItem", "shut"), ("put", "PutItem", "open")):
        assert said[key]["code"] == "AccessDeniedException"
        assert said[key]["text"].startswith(
            f"User: {me} is not authorized to perform: dynamodb:{action} on resource: "
            f"arn:aws:dynamodb:us-east-1:000000000000:table/{table} because no "
            "identity-based policy allows")


def test_a_task_without_a_role_has_no_keys(g, buckets):
    script = WHO + """
import botocore.session
print(json.dumps([botocore.session.Session().get_credentials() is None]))
"""
    assert json.loads(start(g, "keyless", {"command": [script]})[1].stdout) == [True]


def test_environment_files_come_by_the_execution_role(g, buckets):
    g.client("s3").put_object(Bucket="open", Key="app.env", Body=b"COLOUR=green\n")
    files = {"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::open/app.env"}],
             "command": ["import os; print(os.environ['COLOUR'])"]}
    poor = g.role("poor", "service-role/AmazonECSTaskExecutionRolePolicy")
    stopped, _ = start(g, "files", files, executionRoleArn=poor)
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert "failed to download env files: arn:aws:s3:::open/app.env: AccessDenied" in \
        stopped["stoppedReason"], stopped["stoppedReason"]
    rich = g.role("rich", "service-role/AmazonECSTaskExecutionRolePolicy",
                  document=allow("s3:GetObject", "arn:aws:s3:::open/*"))
    stopped, said = start(g, "files", files, executionRoleArn=rich)
    assert (stopped["containers"][0].get("exitCode"), said.stdout) == (0, "green\n")
