"""What Secrets Manager and Parameter Store keep comes into containers, and what they refuse
ends the task before any container runs: the whole of it, server, agent and containers."""

import json
import subprocess
import uuid

import pytest

from support import images
from support.gantry import Gantry, reasons_not_to_run
from test_reasons import end, evidence, family, main  # noqa: F401

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.timeout(120),
]

UNABLE = ("ResourceInitializationError: unable to pull secrets or registry auth: execution "
          "resource retrieval failed: ")


TRUST = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    "Action": "sts:AssumeRole"}]}
MAY = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Resource": "*",
    "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameters", "ecr:*"]}]}


@pytest.fixture(scope="module")
def g():
    gantry = Gantry()
    try:
        gantry.image = gantry.push("probe", images.probe_image())
        iam = gantry.client("iam")
        gantry.role = iam.create_role(RoleName="execution", AssumeRolePolicyDocument=json.dumps(
            TRUST))["Role"]["Arn"]
        iam.put_role_policy(RoleName="execution", PolicyName="stores",
                            PolicyDocument=json.dumps(MAY))
        yield gantry
    finally:
        gantry.close()


def secrets(**names):
    return {"secrets": [{"name": n, "valueFrom": v} for n, v in names.items()]}


def run(g, family, *containers):  # noqa: F811
    return end(g, family, *containers, executionRoleArn=g.role)


def environment(g, family, **names):  # noqa: F811
    found, container = run(g, family, main(g, "dump", **secrets(**names)))
    assert container["exitCode"] == 0, found
    return dict(e.split("=", 1) for e in json.loads(g.logs(found["taskArn"]))["env"])


def test_a_secret_by_key_stage_and_version(g, family):  # noqa: F811
    sm = g.client("secretsmanager")
    made = sm.create_secret(Name=f"db/{family}", SecretString=json.dumps(
        {"user": "old", "port": 5432}))
    arn, first = made["ARN"], made["VersionId"]
    sm.put_secret_value(SecretId=arn, SecretString=json.dumps({"user": "new", "list": [1]}))
    sm.put_secret_value(SecretId=arn, SecretString="next", VersionStages=["AWSPENDING"])
    env = environment(g, family, WHOLE=arn, KEY=arn + ":user::", LIST=arn + ":list::",
                      OLD=arn + ":user:AWSPREVIOUS:", BY_ID=arn + ":port::" + first,
                      PENDING=arn + "::AWSPENDING:", SHORT=arn[:-7])
    assert json.loads(env["WHOLE"]) == {"user": "new", "list": [1]} == json.loads(env["SHORT"])
    assert [env[n] for n in ("KEY", "LIST", "OLD", "BY_ID", "PENDING")] == [
        "new", "[1]", "old", "5432", "next"]


def test_a_parameter_by_name_and_arn(g, family):  # noqa: F811
    ssm = g.client("ssm")
    deep, flat = f"/app/{family}/key", f"flat.{family}"
    for name in (deep, flat):
        ssm.put_parameter(Name=name, Value="of " + name, Type="SecureString")
    rooted = f"/root.{family}"
    ssm.put_parameter(Name=rooted, Value="at the root", Type="String")
    arns = [ssm.get_parameter(Name=n)["Parameter"]["ARN"] for n in (deep, flat, rooted)]
    env = environment(g, family, DEEP=deep, FLAT=flat, DEEP_ARN=arns[0], FLAT_ARN=arns[1],
                      ROOT_ARN=arns[2])
    assert env["DEEP"] == env["DEEP_ARN"] == "of " + deep
    assert env["FLAT"] == env["FLAT_ARN"] == "of " + flat
    assert env["ROOT_ARN"] == "at the root"


def test_values_are_on_no_disk(g, family):  # noqa: F811
    value = "plain-" + uuid.uuid4().hex
    arn = g.client("secretsmanager").create_secret(
        Name=f"disk/{family}", SecretString=value)["ARN"]
    g.client("ssm").put_parameter(Name=f"disk.{family}", Value=value, Type="SecureString")
    found, container = run(g, family, main(g, "exit", "0", **secrets(A=arn, B=f"disk.{family}")))
    assert container["exitCode"] == 0, found
    assert on_disk(g, f"disk.{family}")
    assert not on_disk(g, value)


def on_disk(g, text):
    """Files of the server and the agent with this text. (Some, of control groups, can't be
    read: grep says so, and they are no files.)"""
    return subprocess.run(["grep", "-rlaF", "--devices=skip", text, g.dir],
                          capture_output=True, text=True, check=False).stdout


ASM = "unable to retrieve secret from asm: service call has been retried 0 time(s): "
FETCH = "failed to fetch secret {arn}{more} from secrets manager: "


@pytest.mark.parametrize("more, reason", [
    ("-none", ASM + FETCH + "ResourceNotFoundException: Secrets Manager can't find the "
              "specified secret."),
    ("::none:", ASM + "failed to fetch secret {arn} from secrets manager: "
                "ResourceNotFoundException: Secrets Manager can't find the specified secret "
                "value for staging label: none"),
    (":nokey::", "retrieved secret from Secrets Manager did not contain json key nokey"),
    (":x", "unexpected ARN format with parameters when trying to retrieve ASM secret: {arn}:x"),
])
def test_a_secret_that_does_not_come(g, family, more, reason):  # noqa: F811
    arn = g.client("secretsmanager").create_secret(
        Name="f/" + uuid.uuid4().hex, SecretString='{"a": "b"}')["ARN"]
    refused(g, family, arn + more, UNABLE + reason.format(arn=arn, more=more))


def refused(g, family, value_from, reason):  # noqa: F811
    found, _ = run(g, family, main(g, "exit", "0", **secrets(A=value_from)),
                   main(g, "exit", "0") | {"name": "second"})
    assert found["stopCode"] == "TaskFailedToStart"
    assert found["stoppedReason"] == reason
    assert all("exitCode" not in c for c in found["containers"])


def test_a_secret_that_is_deleted_or_no_json(g, family):  # noqa: F811
    sm = g.client("secretsmanager")
    arn = sm.create_secret(Name=f"gone/{family}", SecretString="no JSON")["ARN"]
    refused(g, family, arn + ":key::",
            UNABLE + f"unable to parse ASM secret value as JSON: {arn}")
    sm.delete_secret(SecretId=arn)
    refused(g, family, arn, UNABLE + ASM + FETCH.format(arn=arn, more="") +
            "InvalidRequestException: You can't perform this operation on the secret because "
            "it was marked for deletion.")
    sm.restore_secret(SecretId=arn)
    assert environment(g, family, A=arn)["A"] == "no JSON"


def test_a_parameter_that_does_not_come(g, family):  # noqa: F811
    refused(g, family, "no-such-parameter", UNABLE + "invalid ssm parameters: no-such-parameter")


def test_the_next_task_has_the_new_value(g, family):  # noqa: F811
    sm = g.client("secretsmanager")
    arn = sm.create_secret(Name=f"turn/{family}", SecretString="1")["ARN"]
    assert environment(g, family, A=arn)["A"] == "1"
    sm.put_secret_value(SecretId=arn, SecretString="2")
    assert environment(g, family, A=arn)["A"] == "2"
