"""Secrets Manager, driven by boto3: secrets, versions, stages, deletion."""
import json
import pathlib
import re
import urllib.request
import uuid

import botocore.exceptions
import pytest

NOT_FOUND = "Secrets Manager can't find the specified secret."
DELETED = ("You can't perform this operation on the secret because it was marked for "
           "deletion.")


@pytest.fixture
def sm(server):
    return server.client("secretsmanager")


@pytest.fixture
def name(request):
    return "t/" + re.sub(r"[^A-Za-z0-9]", "-", request.node.name) + "/" + uuid.uuid4().hex[:6]


def refused(code, operation, **more):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        operation(**more)
    reply = error.value.response
    assert reply["Error"]["Code"] == code, reply
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 400
    return reply["Error"]["Message"]


def token():
    return str(uuid.uuid4())


def test_create_and_get(sm, name):
    made = sm.create_secret(Name=name, SecretString="s3cret", Description="mine",
                            Tags=[{"Key": "a", "Value": "1"}])
    assert re.fullmatch(rf"arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}"
                        r"-[A-Za-z0-9]{6}", made["ARN"])
    assert made["Name"] == name and len(made["VersionId"]) == 36
    for which in (name, made["ARN"], made["ARN"][:-7]):
        got = sm.get_secret_value(SecretId=which)
        assert got["SecretString"] == "s3cret" and "SecretBinary" not in got
        assert got["ARN"] == made["ARN"] and got["Name"] == name
        assert got["VersionId"] == made["VersionId"] and got["VersionStages"] == ["AWSCURRENT"]
        assert got["CreatedDate"]
    told = sm.describe_secret(SecretId=name)
    assert told["Description"] == "mine" and told["Tags"] == [{"Key": "a", "Value": "1"}]
    assert told["VersionIdsToStages"] == {made["VersionId"]: ["AWSCURRENT"]}
    assert told["LastAccessedDate"].hour == 0 and "DeletedDate" not in told
    assert "s3cret" not in str(told)
    assert refused("ResourceExistsException", sm.create_secret, Name=name,
                   SecretString="x") == \
        f"The operation failed because the secret {name} already exists."


def test_binary(sm, name):
    value = bytes(range(256)) * 256  # 64 KiB, the most there may be
    sm.create_secret(Name=name, SecretBinary=value)
    got = sm.get_secret_value(SecretId=name)
    assert got["SecretBinary"] == value and "SecretString" not in got
    refused("InvalidParameterException", sm.put_secret_value, SecretId=name,
            SecretString="a", SecretBinary=b"b")
    refused("InvalidParameterException", sm.put_secret_value, SecretId=name,
            SecretString="a" * 65537)
    assert refused("InvalidRequestException", sm.put_secret_value, SecretId=name) == \
        "You must provide either SecretString or SecretBinary."


def test_names(sm, name):
    text = ("Invalid name. Must be a valid name containing alphanumeric characters, or any of "
            "the following: -/_+=.@!")
    for bad in ("a b", "a:b", "ä", "a*"):
        assert refused("ValidationException", sm.create_secret, Name=bad) == text
    sm.create_secret(Name=name + "/_+=.@-", SecretString="x")
    long = name + "x" * (512 - len(name))
    sm.create_secret(Name=long, SecretString="long")
    assert sm.get_secret_value(SecretId=long)["SecretString"] == "long"


def test_what_is_not_offered(sm, name):
    create = {"operation": sm.create_secret, "Name": name, "SecretString": "x"}
    assert "KMS" not in refused("InvalidParameterException", KmsKeyId="alias/mine", **create)
    refused("InvalidParameterException", AddReplicaRegions=[{"Region": "eu-west-1"}], **create)
    sm.create_secret(Name=name, SecretString="x", KmsKeyId="alias/aws/secretsmanager")
    assert sm.describe_secret(SecretId=name)["KmsKeyId"] == "alias/aws/secretsmanager"


def test_not_there(sm, server, name):
    for call in (sm.get_secret_value, sm.describe_secret, sm.delete_secret, sm.restore_secret,
                 sm.list_secret_version_ids):
        assert refused("ResourceNotFoundException", call, SecretId=name) == NOT_FOUND
    assert refused("ResourceNotFoundException", sm.put_secret_value, SecretId=name,
                   SecretString="x") == NOT_FOUND
    sm.create_secret(Name=name)
    assert refused("ResourceNotFoundException", sm.get_secret_value, SecretId=name) == \
        "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"
    arn = sm.describe_secret(SecretId=name)["ARN"]
    # An account and a region see their own only.
    assert refused("ResourceNotFoundException",
                   server.client("secretsmanager", region="eu-west-1").describe_secret,
                   SecretId=arn) == NOT_FOUND
    other = server.client("secretsmanager", account="111111111111")
    assert "because no resource-based policy allows the secretsmanager:DescribeSecret action" \
        in refused("AccessDeniedException", other.describe_secret, SecretId=arn)
    wrong = arn[:-1] + ("a" if arn[-1] != "a" else "b")
    assert refused("ResourceNotFoundException", sm.describe_secret,
                   SecretId=wrong) == NOT_FOUND


def test_versions_and_stages(sm, name):
    first = sm.create_secret(Name=name, SecretString="1")["VersionId"]
    second = sm.put_secret_value(SecretId=name, SecretString="2")
    assert second["VersionStages"] == ["AWSCURRENT"]
    second = second["VersionId"]
    assert sm.get_secret_value(SecretId=name)["SecretString"] == "2"
    old = sm.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")
    assert old["SecretString"] == "1" and old["VersionId"] == first
    assert sm.get_secret_value(SecretId=name, VersionId=first)["SecretString"] == "1"
    third = sm.update_secret(SecretId=name, SecretString="3")["VersionId"]
    stages = sm.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert stages == {second: ["AWSPREVIOUS"], third: ["AWSCURRENT"]}
    assert sm.get_secret_value(SecretId=name, VersionId=first)["SecretString"] == "1"
    pending = sm.put_secret_value(SecretId=name, SecretString="4",
                                  VersionStages=["AWSPENDING"])["VersionId"]
    assert sm.get_secret_value(SecretId=name)["SecretString"] == "3"
    assert sm.get_secret_value(SecretId=name, VersionStage="AWSPENDING",
                               VersionId=pending)["SecretString"] == "4"
    assert refused("InvalidRequestException", sm.get_secret_value, SecretId=name,
                   VersionStage="AWSPENDING", VersionId=third) == \
        "You provided a VersionStage that is not associated to the provided VersionId."
    assert refused("ResourceNotFoundException", sm.get_secret_value, SecretId=name,
                   VersionId="x" * 32).endswith("for VersionId: " + "x" * 32)
    assert refused("ResourceNotFoundException", sm.get_secret_value, SecretId=name,
                   VersionStage="none").endswith("for staging label: none")


def test_the_first_version_is_current(sm, name):
    sm.create_secret(Name=name)
    v = sm.put_secret_value(SecretId=name, SecretString="1", VersionStages=["blue"])
    assert sorted(v["VersionStages"]) == ["AWSCURRENT", "blue"]


def test_move_a_stage(sm, name):
    first = sm.create_secret(Name=name, SecretString="1")["VersionId"]
    second = sm.put_secret_value(SecretId=name, SecretString="2")["VersionId"]
    move = {"operation": sm.update_secret_version_stage, "SecretId": name,
            "VersionStage": "AWSCURRENT"}
    assert refused("InvalidParameterException", MoveToVersionId=first, **move) == (
        "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is "
        f"currently attached to version {second}, so you must explicitly reference that "
        "version in RemoveFromVersionId.")
    assert refused("InvalidParameterException", RemoveFromVersionId=second, **move) == (
        "You can only move staging label AWSCURRENT to a different secret version. It can't be "
        "completely removed.")
    refused("InvalidParameterException", MoveToVersionId=second, RemoveFromVersionId=first,
            **move)
    refused("ResourceNotFoundException", MoveToVersionId="y" * 32, RemoveFromVersionId=second,
            **move)
    sm.update_secret_version_stage(SecretId=name, VersionStage="AWSCURRENT",
                                   MoveToVersionId=first, RemoveFromVersionId=second)
    stages = sm.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert stages == {first: ["AWSCURRENT"], second: ["AWSPREVIOUS"]}
    sm.update_secret_version_stage(SecretId=name, VersionStage="blue", MoveToVersionId=second)
    assert sm.get_secret_value(SecretId=name, VersionStage="blue")["SecretString"] == "2"
    sm.update_secret_version_stage(SecretId=name, VersionStage="blue",
                                   RemoveFromVersionId=second)
    refused("ResourceNotFoundException", sm.get_secret_value, SecretId=name,
            VersionStage="blue")
    for n in range(18):
        sm.update_secret_version_stage(SecretId=name, VersionStage=f"s{n}",
                                       MoveToVersionId=second)
    refused("LimitExceededException", sm.update_secret_version_stage, SecretId=name,
            VersionStage="one-more", MoveToVersionId=second)


def test_a_token_makes_a_request_once(sm, name):
    t = token()
    made = sm.create_secret(Name=name, SecretString="1", ClientRequestToken=t)
    assert made["VersionId"] == t
    assert sm.create_secret(Name=name, SecretString="1", ClientRequestToken=t)["ARN"] == \
        made["ARN"]
    text = (f"You can't use ClientRequestToken {t} because that value is already in use for a "
            f"version of secret {made['ARN']}.")
    assert refused("ResourceExistsException", sm.create_secret, Name=name, SecretString="2",
                   ClientRequestToken=t) == text
    assert refused("ResourceExistsException", sm.put_secret_value, SecretId=name,
                   SecretString="2", ClientRequestToken=t) == text
    u = token()
    sm.put_secret_value(SecretId=name, SecretString="2", ClientRequestToken=u)
    # The old request once more changes nothing.
    assert sm.put_secret_value(SecretId=name, SecretString="1", ClientRequestToken=t)[
        "VersionStages"] == ["AWSPREVIOUS"]
    assert sm.update_secret(SecretId=name, SecretString="1", ClientRequestToken=t)[
        "VersionId"] == t
    assert sm.get_secret_value(SecretId=name)["SecretString"] == "2"
    refused("ResourceExistsException", sm.put_secret_value, SecretId=name,
            SecretBinary=b"1", ClientRequestToken=t)


def test_list_version_ids(sm, name):
    ids = [sm.create_secret(Name=name, SecretString="0")["VersionId"]]
    ids += [sm.put_secret_value(SecretId=name, SecretString=str(n))["VersionId"]
            for n in range(4)]
    shown = sm.list_secret_version_ids(SecretId=name)["Versions"]
    assert [v["VersionId"] for v in shown] == [ids[4], ids[3]]
    assert shown[0]["VersionStages"] == ["AWSCURRENT"]
    seen, more = [], {}
    while True:
        page = sm.list_secret_version_ids(SecretId=name, IncludeDeprecated=True, MaxResults=2,
                                          **more)
        seen += [v["VersionId"] for v in page["Versions"]]
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert seen == ids[::-1]
    refused("InvalidNextTokenException", sm.list_secret_version_ids, SecretId=name,
            NextToken="x")


def test_a_hundred_versions_are_kept(sm, name):
    first = sm.create_secret(Name=name, SecretString="first")["VersionId"]
    sm.update_secret_version_stage(SecretId=name, VersionStage="kept", MoveToVersionId=first)
    second = sm.put_secret_value(SecretId=name, SecretString="second")["VersionId"]
    for n in range(100):
        sm.put_secret_value(SecretId=name, SecretString=str(n))
    refused("ResourceNotFoundException", sm.get_secret_value, SecretId=name, VersionId=second)
    assert sm.get_secret_value(SecretId=name, VersionId=first)["SecretString"] == "first"
    assert len(sm.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)[
        "Versions"]) == 100


def test_delete_and_restore(sm, name):
    arn = sm.create_secret(Name=name, SecretString="x")["ARN"]
    assert refused("InvalidParameterException", sm.delete_secret, SecretId=name,
                   RecoveryWindowInDays=6)
    assert refused("InvalidParameterException", sm.delete_secret, SecretId=name,
                   RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True) == (
        "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
    gone = sm.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    assert gone["ARN"] == arn
    assert (gone["DeletionDate"] - sm.describe_secret(SecretId=name)["CreatedDate"]).days == 7
    assert refused("InvalidRequestException", sm.get_secret_value, SecretId=name) == DELETED
    assert refused("InvalidRequestException", sm.put_secret_value, SecretId=name,
                   SecretString="y") == DELETED
    assert refused("InvalidRequestException", sm.create_secret, Name=name) == (
        "You can't create this secret because a secret with this name is already scheduled for "
        "deletion.")
    assert sm.describe_secret(SecretId=name)["DeletedDate"] == gone["DeletionDate"]
    only = [{"Key": "name", "Values": [name]}]
    assert not sm.list_secrets(Filters=only)["SecretList"]
    listed, = sm.list_secrets(Filters=only, IncludePlannedDeletion=True)["SecretList"]
    assert listed["DeletedDate"] == gone["DeletionDate"]
    assert sm.restore_secret(SecretId=name)["ARN"] == arn
    assert sm.get_secret_value(SecretId=name)["SecretString"] == "x"
    assert "DeletedDate" not in sm.describe_secret(SecretId=name)
    sm.delete_secret(SecretId=name)
    sm.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    refused("ResourceNotFoundException", sm.describe_secret, SecretId=name)
    sm.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)  # is no error
    assert sm.create_secret(Name=name, SecretString="new")["ARN"] != arn


def test_tags(server, name):
    sm = server.client("secretsmanager")
    sm.create_secret(Name=name, SecretString="x")
    sm.tag_resource(SecretId=name, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    sm.tag_resource(SecretId=name, Tags=[{"Key": "a", "Value": "3"}])
    sm.untag_resource(SecretId=name, TagKeys=["b", "none"])
    assert sm.describe_secret(SecretId=name)["Tags"] == [{"Key": "a", "Value": "3"}]
    refused("InvalidParameterException", sm.tag_resource, SecretId=name,
            Tags=[{"Key": "aws:x", "Value": "1"}])
    refused("InvalidParameterException", sm.tag_resource, SecretId=name,
            Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])


def names(page):
    return [s["Name"] for s in page["SecretList"]]


def test_list(sm, name):
    for n, key in enumerate(("alpha", "beta", "gamma")):
        sm.create_secret(Name=f"{name}/{key}", SecretString="x", Description=f"The {key} one",
                         Tags=[{"Key": f"K{key}", "Value": f"V{n}"}])
    mine = {"Key": "name", "Values": [name]}
    all_three = [f"{name}/{k}" for k in ("alpha", "beta", "gamma")]
    assert names(sm.list_secrets(Filters=[mine], SortOrder="asc")) == all_three
    assert names(sm.list_secrets(Filters=[mine], SortOrder="desc")) == all_three[::-1]
    for filter_, want in (
            ({"Key": "description", "Values": ["the BETA"]}, 1),
            ({"Key": "tag-key", "Values": ["Kgamma"]}, 2),
            ({"Key": "tag-key", "Values": ["kgamma"]}, None),
            ({"Key": "tag-value", "Values": ["V0"]}, 0),
            ({"Key": "all", "Values": ["GAMMA one"]}, 2),
            ({"Key": "all", "Values": ["gamma two"]}, None),
            ({"Key": "primary-region", "Values": ["us-east-1"]}, None)):
        found = names(sm.list_secrets(Filters=[mine, filter_]))
        assert found == ([] if want is None else [all_three[want]]), filter_
    assert names(sm.list_secrets(SortOrder="asc", Filters=[
        mine, {"Key": "tag-value", "Values": ["!V0"]}])) == all_three[1:]
    pages = list(sm.get_paginator("list_secrets").paginate(
        Filters=[mine], SortOrder="asc", PaginationConfig={"PageSize": 1}))
    assert [names(p) for p in pages if names(p)] == [[n] for n in all_three]
    one = sm.list_secrets(Filters=[{"Key": "name", "Values": [all_three[0]]}])["SecretList"][0]
    assert list(one["SecretVersionsToStages"].values()) == [["AWSCURRENT"]]
    refused("InvalidNextTokenException", sm.list_secrets, NextToken="x")


def test_batch(sm, name):
    for key in "ab":
        sm.create_secret(Name=f"{name}/{key}", SecretString=key)
    sm.create_secret(Name=f"{name}/empty")
    r = sm.batch_get_secret_value(SecretIdList=[f"{name}/{k}" for k in ("a", "b", "no", "empty")])
    assert [v["SecretString"] for v in r["SecretValues"]] == ["a", "b"]
    assert [(e["SecretId"], e["ErrorCode"]) for e in r["Errors"]] == [
        (f"{name}/no", "ResourceNotFoundException"),
        (f"{name}/empty", "ResourceNotFoundException")]
    mine = [{"Key": "name", "Values": [name]}]
    pages, more = [], {}
    while True:
        p = sm.batch_get_secret_value(Filters=mine, MaxResults=1, **more)
        pages.append([v["SecretString"] for v in p["SecretValues"]])
        if "NextToken" not in p:
            break
        more = {"NextToken": p["NextToken"]}
    assert pages == [[], ["b"], ["a"]]
    refused("InvalidParameterException", sm.batch_get_secret_value)
    refused("InvalidParameterException", sm.batch_get_secret_value, Filters=mine,
            SecretIdList=["x"])


def policy(principal, action="secretsmanager:GetSecretValue", **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*", **more}]})


def test_resource_policies(sm, name):
    arn = sm.create_secret(Name=name, SecretString="x")["ARN"]
    assert "ResourcePolicy" not in sm.get_resource_policy(SecretId=name)
    text = policy({"AWS": "arn:aws:iam::111111111111:root"})
    assert sm.put_resource_policy(SecretId=name, ResourcePolicy=text)["ARN"] == arn
    assert sm.get_resource_policy(SecretId=name)["ResourcePolicy"] == text
    put = {"operation": sm.put_resource_policy, "SecretId": name}
    for bad in ("x", "{}", text.replace("Principal", "Nobody")):
        refused("MalformedPolicyDocumentException", ResourcePolicy=bad, **put)
    assert sm.get_resource_policy(SecretId=name)["ResourcePolicy"] == text
    refused("PublicPolicyException", ResourcePolicy=policy("*"), BlockPublicPolicy=True, **put)
    only = {"StringEquals": {"aws:PrincipalAccount": "111111111111"}}
    sm.put_resource_policy(SecretId=name, BlockPublicPolicy=True,
                           ResourcePolicy=policy("*", Condition=only))
    sm.delete_resource_policy(SecretId=name)
    assert "ResourcePolicy" not in sm.get_resource_policy(SecretId=name)
    sm.put_resource_policy(SecretId=name, ResourcePolicy=policy("*"))
    for call in (sm.get_resource_policy, sm.delete_resource_policy):
        assert refused("ResourceNotFoundException", call, SecretId=name + "x") == NOT_FOUND


def test_validate_a_policy(sm, name):
    sm.create_secret(Name=name)
    validate = sm.validate_resource_policy
    good = validate(SecretId=name, ResourcePolicy=policy({"AWS": "111111111111"}))
    assert good["PolicyValidationPassed"] and good["ValidationErrors"] == []
    for bad in ("x", policy("*")):
        r = validate(ResourcePolicy=bad)
        assert not r["PolicyValidationPassed"] and r["ValidationErrors"][0]["ErrorMessage"]
    refused("ResourceNotFoundException", validate, SecretId=name + "x",
            ResourcePolicy=policy("*"))


def test_a_policy_outlives_a_restart(own_server):
    sm = own_server.client("secretsmanager")
    arn = sm.create_secret(Name="a", SecretString="x")["ARN"]
    sm.put_resource_policy(SecretId="a", ResourcePolicy=policy({"AWS": "111111111111"}))
    own_server.restart()
    assert sm.get_resource_policy(SecretId="a")["ResourcePolicy"] == \
        policy({"AWS": "111111111111"})
    # Whom a policy may have let in can name the secret by its ARN.
    other = own_server.client("secretsmanager", account="111111111111")
    assert other.get_secret_value(SecretId=arn)["SecretString"] == "x"
    sm.delete_resource_policy(SecretId="a")
    refused("AccessDeniedException", other.get_secret_value, SecretId=arn)


def test_random_password(sm):
    def get(**more):
        return sm.get_random_password(**more)["RandomPassword"]
    assert len(get()) == 32 and get() != get()
    for _ in range(20):
        p = get(PasswordLength=4)  # one of each kind
        assert re.search("[A-Z]", p) and re.search("[a-z]", p) and re.search("[0-9]", p)
        assert re.search(r"[^A-Za-z0-9]", p)
    assert get(PasswordLength=200, ExcludeUppercase=True, ExcludeLowercase=True,
               ExcludePunctuation=True).isdigit()
    assert set(get(PasswordLength=500, ExcludeCharacters="abc")) & set("abc") == set()
    assert " " in get(PasswordLength=20, IncludeSpace=True)
    assert len(get(PasswordLength=4096)) == 4096
    assert get(PasswordLength=1, RequireEachIncludedType=False)
    refused("InvalidParameterException", sm.get_random_password, PasswordLength=3)
    refused("InvalidParameterException", sm.get_random_password, ExcludeNumbers=True,
            ExcludePunctuation=True, ExcludeUppercase=True, ExcludeLowercase=True)


def test_values_are_nowhere_in_clear(own_server):
    sm = own_server.client("secretsmanager")
    value = "plain-" + uuid.uuid4().hex
    sm.create_secret(Name="a", SecretString=json.dumps({"password": value}))
    sm.put_secret_value(SecretId="a", SecretBinary=value.encode())
    sm.batch_get_secret_value(SecretIdList=["a"])
    for _ in range(2):
        metrics = urllib.request.urlopen(own_server.url + "/metrics").read()
        files = [p.read_bytes() for p in pathlib.Path(own_server.dir).rglob("*")
                 if p.is_file()]
        assert b"sealed:1:" in b"".join(files)
        for found in [*files, metrics]:
            assert value.encode() not in found
        own_server.restart()
    assert sm.get_secret_value(SecretId="a")["SecretBinary"] == value.encode()
    old = sm.get_secret_value(SecretId="a", VersionStage="AWSPREVIOUS")["SecretString"]
    assert json.loads(old) == {"password": value}


def test_a_restart_keeps_everything(own_server):
    sm = own_server.client("secretsmanager")
    sm.create_secret(Name="a", SecretString="1", Tags=[{"Key": "k", "Value": "v"}])
    for n in range(2, 12):
        sm.put_secret_value(SecretId="a", SecretString=str(n))
    sm.create_secret(Name="b", SecretString="b")
    sm.delete_secret(SecretId="b", RecoveryWindowInDays=7)
    before = (sm.describe_secret(SecretId="a"), sm.describe_secret(SecretId="b"),
              sm.list_secret_version_ids(SecretId="a", IncludeDeprecated=True)["Versions"])
    own_server.restart()
    after = (sm.describe_secret(SecretId="a"), sm.describe_secret(SecretId="b"),
             sm.list_secret_version_ids(SecretId="a", IncludeDeprecated=True)["Versions"])
    for x in (*before[:2], *after[:2]):
        x.pop("ResponseMetadata")
    assert before == after
    assert sm.get_secret_value(SecretId="a")["SecretString"] == "11"
