"""Services that ask for new tasks when a secret of theirs has another value."""
import uuid

import botocore.exceptions
import pytest

from test_events import history

ROLE = "arn:aws:iam::000000000000:role/execution"
RESTART = [{"key": "gantry:on-secret-change", "value": "restart"}]


@pytest.fixture
def secret(server):
    return server.client("secretsmanager").create_secret(
        Name="change/" + uuid.uuid4().hex, SecretString='{"k": "1"}')


def service(ecs, cluster, value_from, tags=RESTART, how="secrets"):
    wanted = [{"name": "A", "valueFrom": value_from}]
    container = {"name": "app", "image": "example.test/app:1", "memory": 64}
    container.update({"secrets": wanted} if how == "secrets" else {
        "logConfiguration": {"logDriver": "json-file", "secretOptions": wanted}})
    family = "f" + uuid.uuid4().hex
    ecs.register_task_definition(family=family, executionRoleArn=ROLE,
                                 containerDefinitions=[container])
    return ecs.create_service(cluster=cluster, serviceName=family, taskDefinition=family,
                              desiredCount=0, tags=tags)["service"]["serviceName"]


def rounds(ecs, cluster, name):
    """How many deployments the service has begun."""
    return len(ecs.list_service_deployments(cluster=cluster, service=name)[
        "serviceDeployments"])


def test_a_secret_that_changes_restarts_who_uses_it(server, ecs, cluster, secret):
    sm = server.client("secretsmanager")
    arn = secret["ARN"]
    using = [service(ecs, cluster, arn + more) for more in (
        "", ":k::", "::AWSCURRENT:")] + [service(ecs, cluster, arn[:-7])]
    others = [service(ecs, cluster, arn, tags=[]),
              service(ecs, cluster, arn + "::AWSPREVIOUS:"),
              service(ecs, cluster, arn + ":::" + secret["VersionId"]),
              service(ecs, cluster, arn[:-8])]
    sm.put_secret_value(SecretId=arn, SecretString="pending", VersionStages=["AWSPENDING"])
    sm.tag_resource(SecretId=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert [rounds(ecs, cluster, s) for s in using + others] == [1] * 8
    new = sm.put_secret_value(SecretId=arn, SecretString='{"k": "2"}')["VersionId"]
    assert [rounds(ecs, cluster, s) for s in using] == [2] * 4
    sm.put_secret_value(SecretId=arn, SecretString='{"k": "2"}', ClientRequestToken=new)
    assert [rounds(ecs, cluster, s) for s in using] == [2] * 4  # was no change
    sm.update_secret_version_stage(SecretId=arn, VersionStage="AWSCURRENT",
                                   MoveToVersionId=secret["VersionId"],
                                   RemoveFromVersionId=new)
    assert [rounds(ecs, cluster, s) for s in using] == [3] * 4
    assert [rounds(ecs, cluster, s) for s in others] == [1] * 4


def test_a_parameter_that_changes(server, ecs, cluster):
    ssm = server.client("ssm")
    name = "/change/" + uuid.uuid4().hex
    put = {"Name": name, "Type": "SecureString", "Value": "x", "Overwrite": True}
    ssm.put_parameter(**put)
    arn = ssm.get_parameter(Name=name)["Parameter"]["ARN"]
    using = [service(ecs, cluster, name), service(ecs, cluster, arn),
             service(ecs, cluster, name, how="log")]
    other = service(ecs, cluster, name + "x")
    ssm.label_parameter_version(Name=name, Labels=["a"])
    assert [rounds(ecs, cluster, s) for s in using] == [1] * 3
    ssm.put_parameter(**put)
    assert [rounds(ecs, cluster, s) for s in using] == [2] * 3
    ssm.delete_parameter(Name=name)
    assert [rounds(ecs, cluster, s) for s in using] == [2] * 3
    assert rounds(ecs, cluster, other) == 1


def test_what_is_told(server, secret):
    new = server.client("secretsmanager").put_secret_value(
        SecretId=secret["ARN"], SecretString="unheard of")["VersionId"]
    told = history(server, resource=secret["ARN"])
    assert [(e["source"], e["detail-type"], e["detail"]) for e in told] == [
        ("aws.secretsmanager", "Secret Value Change", {"secretId": secret["ARN"],
                                                       "versionId": v})
        for v in (secret["VersionId"], new)]
    ssm = server.client("ssm")
    name = "/told/" + uuid.uuid4().hex
    for n in range(2):
        ssm.put_parameter(Name=name, Type="SecureString", Value="unheard of", Overwrite=True)
    arn = ssm.get_parameter(Name=name)["Parameter"]["ARN"]
    ssm.delete_parameters(Names=[name])
    told += history(server, resource=arn)
    assert [e["detail"]["operation"] for e in told[2:]] == ["Create", "Update", "Delete"]
    assert told[2]["detail-type"] == "Parameter Store Change"
    assert told[2]["detail"] == {"operation": "Create", "name": name, "type": "SecureString"}
    assert "unheard" not in str(told)


def test_the_tag_says_restart_or_nothing(ecs, cluster, secret):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        service(ecs, cluster, secret["ARN"], tags=[{**RESTART[0], "value": "signal:SIGHUP"}])
    assert e.value.response["Error"]["Code"] == "InvalidParameterException"
    name = service(ecs, cluster, secret["ARN"], tags=[])
    arn = ecs.describe_services(cluster=cluster, services=[name])["services"][0]["serviceArn"]
    with pytest.raises(botocore.exceptions.ClientError):
        ecs.tag_resource(resourceArn=arn, tags=[{**RESTART[0], "value": ""}])
    ecs.tag_resource(resourceArn=arn, tags=RESTART)
