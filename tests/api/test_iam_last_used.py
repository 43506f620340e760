"""When an access key or a role was used last: noted as its signature is found good."""
import datetime
import json
import signal

import pytest
from botocore.exceptions import ClientError

from test_permission_matrix import ACCOUNT, Callers

TRUST = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}})


@pytest.fixture(scope="module")
def callers():
    c = Callers()
    yield c
    c.server.close()


@pytest.fixture(scope="module")
def iam(callers):
    return callers.client("iam", callers.root)


def last_used(iam, key):
    return iam.get_access_key_last_used(AccessKeyId=key[0])["AccessKeyLastUsed"]


def is_now(date):
    return abs((datetime.datetime.now(datetime.timezone.utc) - date).total_seconds()) < 60


def test_a_key_that_signed(callers, iam):
    key = callers.user(iam, "signer", [])
    assert last_used(iam, key) == {"ServiceName": "N/A", "Region": "N/A"}
    with pytest.raises(ClientError):
        callers.client("ecs", (key[0], "x" * 40, None)).list_clusters()
    assert "LastUsedDate" not in last_used(iam, key)  # somebody else who knows the key's id
    with pytest.raises(ClientError) as refused:  # a call that is refused is a use, too
        callers.client("ecs", key).list_clusters()
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    used = last_used(iam, key)
    assert (used["ServiceName"], used["Region"]) == ("ecs", "us-east-1")
    assert is_now(used["LastUsedDate"])
    # Not written at each call: the next within a quarter of an hour changes nothing.
    callers.client("sts", key).get_caller_identity()
    assert last_used(iam, key) == used
    callers.server.restart(signal.SIGKILL)
    assert last_used(callers.client("iam", callers.root), key) == used


def test_a_role_whose_session_signed(callers, iam):
    arn = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    c = callers.client("sts", callers.known["free"]).assume_role(
        RoleArn=arn, RoleSessionName="one")["Credentials"]
    assert iam.get_role(RoleName="worker")["Role"]["RoleLastUsed"] == {}  # given, not used
    session = (c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"])
    callers.client("sts", session).get_caller_identity()
    used = iam.get_role(RoleName="worker")["Role"]["RoleLastUsed"]
    assert used["Region"] == "us-east-1" and is_now(used["LastUsedDate"])
