"""Input that is wrong in every way: a clear error in the service's form, never a crash."""

import json

import pytest

from raw import call

ECS = "AmazonEC2ContainerServiceV20141113."
REGISTER = ECS + "RegisterTaskDefinition"


def register(**more):
    return json.dumps({"family": "f", "containerDefinitions": [
        {"name": "a", "image": "i", "memory": 64, **more}]}).encode()


@pytest.mark.parametrize("target,body,fault", [
    (ECS + "NoSuchThing", b"{}", "UnknownOperationException"),
    ("Nobody.ListClusters", b"{}", "UnknownOperationException"),
    (None, b"{}", "UnknownOperationException"),
    (ECS + "ListClusters", b"{", "SerializationException"),
    (ECS + "ListClusters", b"[]", "SerializationException"),
    (ECS + "ListClusters", b"\xff\xfe", "SerializationException"),
    (ECS + "ListClusters", b'{"nextToken": "\xff"}', "SerializationException"),
    (ECS + "ListClusters", b'{"nextToken": 5}', "SerializationException"),
    (ECS + "ListClusters", b'{"maxResults": "x"}', "SerializationException"),
    (ECS + "ListClusters", b'{"maxResults": 99999999999}', "SerializationException"),
    (ECS + "ListClusters", b'{"maxResults": 1.5}', "SerializationException"),
    (ECS + "ListClusters", b'{"nextToken": "a\\u0000b"}', "SerializationException"),
    (ECS + "ListClusters", b'{"nextToken": "\\ud800"}', "SerializationException"),
    (ECS + "ListClusters", b'{} trailing', "SerializationException"),
    (REGISTER, b"[" * 100000, "SerializationException"),
    (REGISTER, b'{"containerDefinitions":' + b'[{"a":' * 50000, "SerializationException"),
    (REGISTER, register(cpu="x"), "SerializationException"),
    (REGISTER, register(environment={}), "SerializationException"),
])
def test_refused(server, target, body, fault):
    reply = call(server, target, body)
    assert reply.status in (400, 404), reply.body
    assert reply.fault == fault, reply.body
    assert reply.headers["x-amzn-RequestId"]
    assert reply.headers["Content-Type"].startswith("application/x-amz-json")
    assert reply.json.get("message") or reply.json.get("Message")


def test_missing_and_bad_values(server):
    reply = call(server, ECS + "RegisterTaskDefinition", b'{"family": "f"}')
    assert reply.status == 400 and reply.fault in ("ClientException",
                                                   "InvalidParameterException")
    reply = call(server, ECS + "ListTasks", b'{"desiredStatus": "SLEEPING"}')
    assert reply.status == 400 and reply.fault == "InvalidParameterException"
    assert "desiredStatus" in reply.json["message"]


def test_operations_that_are_not_offered(server):
    operation = "DescribeImageSigningStatus"
    reply = call(server, "AmazonEC2ContainerRegistry_V20150921." + operation, b"{}",
                 scope="ecr")
    assert reply.status in (400, 501)
    assert operation in reply.json["message"]


def test_large_bodies(server):
    pad = b'{"nextToken": "' + b"x" * (9 * 1024 * 1024) + b'"}'
    reply = call(server, ECS + "ListClusters", pad)
    assert reply.status == 400 and reply.fault == "InvalidParameterException"
    reply = call(server, ECS + "ListClusters", b"x" * (11 * 1024 * 1024))
    assert reply.status == 413


def test_null_and_unknown_members_are_absent(server):
    reply = call(server, ECS + "ListClusters", b'{"nextToken": null, "whatIsThis": [1, {}]}')
    assert reply.status == 200


def test_query_protocol(server):
    form = "application/x-www-form-urlencoded"
    reply = call(server, None, b"Action=GetCallerIdentity&Version=2011-06-15",
                 content_type=form, scope="sts")
    assert reply.status == 200 and b"<Account>000000000000</Account>" in reply.body
    reply = call(server, None, b"Action=NoSuchThing&Version=2011-06-15", content_type=form,
                 scope="sts")
    assert reply.status == 400 and b"<Code>InvalidAction</Code>" in reply.body
    reply = call(server, None, b"%zz=%", content_type=form, scope="sts")
    assert 400 <= reply.status < 500


def test_pages(server):
    assert call(server, None, None, method="GET", path="/health", signed=False).json[
        "status"] == "ok"
    metrics = call(server, None, None, method="GET", path="/metrics", signed=False)
    assert metrics.status == 200 and b"gantry_commits_total" in metrics.body
    assert call(server, None, b"", method="POST", path="/metrics", signed=False).status == 405


def test_the_server_still_answers(server):
    assert call(server, ECS + "ListClusters", b"{}").status == 200
