"""Signatures: who is let in without --dev, and how refusals look in each protocol."""

import json
import pathlib

import boto3
import botocore.config
import botocore.exceptions
import pytest

from conftest import Server
from raw import call


@pytest.fixture(scope="module")
def strict():
    s = Server(dev=False)
    yield s
    s.close()


@pytest.fixture(scope="module")
def keys(strict):
    found = list(pathlib.Path(strict.dir).glob("data/**/root-keys.json"))
    assert len(found) == 1
    assert found[0].stat().st_mode & 0o777 == 0o600
    return json.loads(found[0].read_text())


def client(server, service, key, secret, **more):
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url=server.url, region_name="us-east-1",
                        aws_access_key_id=key, aws_secret_access_key=secret, config=config,
                        **more)


def test_root_keys_are_accepted(strict, keys):
    sts = client(strict, "sts", keys["accessKeyId"], keys["secretAccessKey"])
    who = sts.get_caller_identity()
    assert who["Account"] == "000000000000"
    assert who["Arn"] == "arn:aws:iam::000000000000:root"
    ecs = client(strict, "ecs", keys["accessKeyId"], keys["secretAccessKey"])
    assert ecs.create_cluster(clusterName="a")["cluster"]["status"] == "ACTIVE"


@pytest.mark.parametrize("service,code,status", [
    ("ecs", "UnrecognizedClientException", 400),
    ("sts", "InvalidClientTokenId", 403),
])
def test_unknown_keys(strict, service, code, status):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        c = client(strict, service, "AKIAXXXXXXXXXXXXXXXX", "no")
        c.list_clusters() if service == "ecs" else c.get_caller_identity()
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize("service,code,status", [
    ("ecs", "InvalidSignatureException", 400),
    ("sts", "SignatureDoesNotMatch", 403),
])
def test_wrong_secret(strict, keys, service, code, status):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        c = client(strict, service, keys["accessKeyId"], "wrong")
        c.list_clusters() if service == "ecs" else c.get_caller_identity()
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_session_token_of_a_root_key(strict, keys):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        client(strict, "ecs", keys["accessKeyId"], keys["secretAccessKey"],
               aws_session_token="x").list_clusters()
    assert error.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_no_signature(strict):
    reply = call(strict, "AmazonEC2ContainerServiceV20141113.ListClusters", b"{}", signed=False)
    assert reply.status == 400
    assert reply.json["__type"].endswith("MissingAuthenticationTokenException")
    assert reply.json["message"] == "Missing Authentication Token"


def test_old_signature(strict, keys):
    reply = call(strict, "AmazonEC2ContainerServiceV20141113.ListClusters", b"{}",
                 authorization="AWS4-HMAC-SHA256 Credential=%s/20200101/us-east-1/ecs/"
                               "aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, "
                               "Signature=%s"
                               % (keys["accessKeyId"], "0" * 64), date="20200101T000000Z")
    assert reply.status == 400
    assert reply.json["__type"].endswith("InvalidSignatureException")


def test_keys_stay_after_a_restart(strict, keys):
    strict.restart()
    sts = client(strict, "sts", keys["accessKeyId"], keys["secretAccessKey"])
    assert sts.get_caller_identity()["Account"] == "000000000000"


def test_dev_takes_any_key_and_twelve_digits_are_the_account(server):
    who = server.client("sts", account="123456789012").get_caller_identity()
    assert who["Arn"] == "arn:aws:iam::123456789012:root"
    who = server.client("sts", account="whatever").get_caller_identity()
    assert who["Account"] == "000000000000"
