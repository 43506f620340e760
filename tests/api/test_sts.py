"""Temporary credentials: who gets them, what they may, and when they end."""
import json

import pytest
from botocore.exceptions import ClientError

from conftest import Server
from test_permission_matrix import ACCOUNT, ALLOW_ALL, Callers

TRUST = {"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"],
    "Principal": {"AWS": ACCOUNT}}}


def allow(action, resource="*", **more):
    return json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": action, "Resource": resource, **more}})


def keys_of(credentials):
    return (credentials["AccessKeyId"], credentials["SecretAccessKey"],
            credentials["SessionToken"])


@pytest.fixture(scope="module")
def callers():
    c = Callers()
    yield c
    c.server.close()


@pytest.fixture(scope="module")
def iam(callers):
    return callers.client("iam", callers.root)


def role(iam, name, *policies, trust=TRUST, **more):
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust),
                          **more)["Role"]["Arn"]
    for i, document in enumerate(policies):
        iam.put_role_policy(RoleName=name, PolicyName=f"p{i}", PolicyDocument=document)
    return arn


def refused(code, call, *args, **more):
    with pytest.raises(ClientError) as e:
        call(*args, **more)
    assert e.value.response["Error"]["Code"] == code, e.value
    return e.value.response["Error"]["Message"]


def assume(callers, arn, who="free", **more):
    sts = callers.client("sts", callers.known[who])
    return sts.assume_role(RoleArn=arn, RoleSessionName="one", **more)


def test_a_session_is_who_it_says_and_may_what_its_role_may(callers, iam):
    arn = role(iam, "lister", allow("ecs:ListClusters"), Path="/some/path/")
    reply = assume(callers, arn)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/lister/one"  # the path is dropped
    assert reply["AssumedRoleUser"]["Arn"] == session
    keys = keys_of(reply["Credentials"])
    who = callers.client("sts", keys).get_caller_identity()
    assert who["Arn"] == session
    assert who["UserId"] == reply["AssumedRoleUser"]["AssumedRoleId"]
    ecs = callers.client("ecs", keys)
    ecs.list_clusters()
    text = refused("AccessDeniedException", ecs.describe_clusters)
    assert text == (
        f"User: {session} is not authorized to perform: ecs:DescribeClusters on resource: "
        f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/default because no identity-based policy "
        "allows the ecs:DescribeClusters action")


def test_taking_a_policy_away_or_the_role_ends_it_at_once(callers, iam):
    arn = role(iam, "short", allow("ecs:ListClusters"))
    keys = keys_of(assume(callers, arn)["Credentials"])
    ecs = callers.client("ecs", keys)
    ecs.list_clusters()
    iam.delete_role_policy(RoleName="short", PolicyName="p0")
    refused("AccessDeniedException", ecs.list_clusters)
    iam.delete_role(RoleName="short")
    refused("UnrecognizedClientException", ecs.list_clusters)
    role(iam, "short", allow("*"))  # another one of the same name is another one
    refused("UnrecognizedClientException", ecs.list_clusters)


def test_a_session_policy_only_takes_away(callers, iam):
    arn = role(iam, "wide", allow("ecs:*"))
    reply = assume(callers, arn, Policy=allow(["ecs:ListClusters", "iam:*"]))
    assert 0 < reply["PackedPolicySize"] <= 100
    keys = keys_of(reply["Credentials"])
    callers.client("ecs", keys).list_clusters()
    text = refused("AccessDeniedException", callers.client("ecs", keys).list_task_definitions)
    assert "because no session policy allows the ecs:ListTaskDefinitions action" in text
    refused("AccessDenied", callers.client("iam", keys).list_users)
    keys = keys_of(assume(callers, arn, PolicyArns=[
        {"arn": "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"}])["Credentials"])
    refused("AccessDeniedException", callers.client("ecs", keys).list_clusters)
    text = refused("MalformedPolicyDocument", assume, callers, arn, Policy="{}")
    assert text == "Syntax errors in policy."


def test_trust_policies_decide_who_may_assume(callers, iam):
    nobody = {"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"}}}
    text = refused("AccessDenied", assume, callers, role(iam, "tasks", trust=nobody))
    assert text == (f"User: arn:aws:iam::{ACCOUNT}:user/free is not authorized to perform: "
                    f"sts:AssumeRole on resource: arn:aws:iam::{ACCOUNT}:role/tasks")
    outside = {"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT},
        "Condition": {"StringEquals": {"sts:ExternalId": "secret-1"}}}}
    arn = role(iam, "outside", trust=outside)
    refused("AccessDenied", assume, callers, arn)
    refused("AccessDenied", assume, callers, arn, ExternalId="secret-2")
    assume(callers, arn, ExternalId="secret-1")
    # The account is trusted, but this user has no permission; named itself, it needs none.
    refused("AccessDenied", assume, callers, arn, who="bare", ExternalId="secret-1")
    direct = {"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/bare"}}}
    assume(callers, role(iam, "direct", trust=direct), who="bare")


def test_durations_have_bounds(callers, iam):
    arn = role(iam, "long", allow("sts:AssumeRole"), MaxSessionDuration=7200)
    assume(callers, arn, DurationSeconds=7200)
    text = refused("ValidationError", assume, callers, arn, DurationSeconds=7201)
    assert text == ("The requested DurationSeconds exceeds the MaxSessionDuration set for "
                    "this role.")
    sts = callers.client("sts", keys_of(assume(callers, arn)["Credentials"]))
    sts.assume_role(RoleArn=arn, RoleSessionName="chained", DurationSeconds=3600)
    text = refused("ValidationError", sts.assume_role, RoleArn=arn, RoleSessionName="chained",
                   DurationSeconds=3601)
    assert "1 hour session limit for roles assumed by role chaining" in text


def test_tags_of_a_session_are_the_principals(callers, iam):
    arn = role(iam, "tagged", allow("ecs:ListClusters", Condition={
        "StringEquals": {"aws:PrincipalTag/team": "blue"}}))
    blue = assume(callers, arn, Tags=[{"Key": "team", "Value": "blue"}])
    callers.client("ecs", keys_of(blue["Credentials"])).list_clusters()
    red = assume(callers, arn, Tags=[{"Key": "team", "Value": "red"}])
    refused("AccessDeniedException",
            callers.client("ecs", keys_of(red["Credentials"])).list_clusters)


def test_session_tokens_of_users(callers):
    sts = callers.client("sts", callers.known["free"])
    keys = keys_of(sts.get_session_token()["Credentials"])
    assert callers.client("sts", keys).get_caller_identity()["Arn"].endswith(":user/free")
    callers.client("ecs", keys).list_clusters()
    refused("AccessDenied", callers.client("iam", keys).list_users)
    refused("AccessDenied", callers.client("sts", keys).get_session_token)
    broken = (keys[0], keys[1], keys[2][:-8] + "AAAAAAA=")
    refused("UnrecognizedClientException", callers.client("ecs", broken).list_clusters)
    refused("InvalidClientTokenId",
            callers.client("sts", (keys[0], keys[1], None)).get_caller_identity)


def test_federated_users_have_what_user_and_policy_both_give(callers):
    sts = callers.client("sts", callers.known["free"])
    reply = sts.get_federation_token(Name="guest", Policy=allow("ecs:ListClusters"))
    assert reply["FederatedUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    keys = keys_of(reply["Credentials"])
    callers.client("ecs", keys).list_clusters()
    refused("AccessDeniedException", callers.client("ecs", keys).list_task_definitions)
    none = keys_of(sts.get_federation_token(Name="guest")["Credentials"])
    refused("AccessDeniedException", callers.client("ecs", none).list_clusters)


def test_passing_a_role_is_asked(callers, iam):
    arn = role(iam, "passed")
    iam.create_user(UserName="passer")
    iam.put_user_policy(UserName="passer", PolicyName="p",
                        PolicyDocument=allow("ecs:RegisterTaskDefinition"))
    key = iam.create_access_key(UserName="passer")["AccessKey"]
    ecs = callers.client("ecs", (key["AccessKeyId"], key["SecretAccessKey"], None))

    def register():
        ecs.register_task_definition(family="f", taskRoleArn=arn, containerDefinitions=[
            {"name": "c", "image": "i", "memory": 8}])

    text = refused("AccessDeniedException", register)
    assert text.startswith(f"User: arn:aws:iam::{ACCOUNT}:user/passer is not authorized to "
                           f"perform: iam:PassRole on resource: {arn} because")
    for service, passes in (("ec2.amazonaws.com", False), ("ecs-tasks.amazonaws.com", True)):
        iam.put_user_policy(UserName="passer", PolicyName="pass", PolicyDocument=allow(
            "iam:PassRole", arn,
            Condition={"StringEquals": {"iam:PassedToService": service}}))
        if passes:
            register()
        else:
            refused("AccessDeniedException", register)


def test_ec2s_denials_can_be_decoded(callers):
    ec2 = callers.client("ec2", callers.known["denied"])
    text = refused("UnauthorizedOperation", ec2.create_vpc, CidrBlock="10.3.0.0/16")
    assert text.startswith("You are not authorized to perform this operation. User: ")
    encoded = text.split("Encoded authorization failure message: ")[1]
    sts = callers.client("sts", callers.root)
    decoded = json.loads(sts.decode_authorization_message(
        EncodedMessage=encoded)["DecodedMessage"])
    assert decoded["explicitDeny"] is True and decoded["allowed"] is False
    assert decoded["context"]["action"] == "ec2:CreateVpc"
    assert decoded["context"]["resource"].endswith(":vpc/*")
    refused("InvalidAuthorizationMessageException", sts.decode_authorization_message,
            EncodedMessage="x" + encoded)


def test_a_key_tells_its_account(callers):
    sts = callers.client("sts", callers.root)
    assert sts.get_access_key_info(
        AccessKeyId=callers.known["free"][0])["Account"] == ACCOUNT
    refused("ValidationError", sts.get_access_key_info, AccessKeyId="a" * 20)


def test_sessions_outlive_a_restart(callers, iam):
    keys = keys_of(assume(callers, role(iam, "stays", allow("*")))["Credentials"])
    callers.server.restart()
    assert ":assumed-role/stays/" in callers.client("sts", keys).get_caller_identity()["Arn"]


def test_a_dev_server_judges_the_keys_that_it_knows():
    server = Server()
    try:
        iam = server.client("iam")
        iam.create_user(UserName="ann")
        key = iam.create_access_key(UserName="ann")["AccessKey"]
        ecs = server.client("ecs", aws_access_key_id=key["AccessKeyId"],
                            aws_secret_access_key="any")
        refused("AccessDeniedException", ecs.list_clusters)
        iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=json.dumps(ALLOW_ALL))
        ecs.list_clusters()
        # Another account's: nothing of it is seen, whatever its own policies say.
        other = server.client("iam", account="999999999999")
        refused("NoSuchEntity", other.get_policy,
                PolicyArn=iam.create_policy(PolicyName="own", PolicyDocument=json.dumps(
                    ALLOW_ALL))["Policy"]["Arn"])
    finally:
        server.close()
