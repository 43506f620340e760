"""The audit log: a line a call, in CloudTrail's form, and `gantry audit`."""
import contextlib
import json
import pathlib
import subprocess
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from certificates import Certificate
from conftest import GANTRY
from eventually import eventually


def lines(server, log="audit"):
    path = pathlib.Path(server.dir) / f"data/server/audit/{log}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def record_of(server, request_id):
    """A line is written right after the answer: it may not be there yet."""
    return eventually(lambda: next((r for r in lines(server) if r["requestID"] == request_id),
                                   None))


def id_of(reply):
    return reply["ResponseMetadata"]["RequestId"]


def test_a_call_is_recorded_with_who_what_and_from_where(server):
    reply = server.client("ecs").create_cluster(clusterName="watched")
    r = record_of(server, id_of(reply))
    assert (r["eventSource"], r["eventName"]) == ("ecs.amazonaws.com", "CreateCluster")
    assert r["requestParameters"] == {"clusterName": "watched"}
    assert r["userIdentity"]["type"] == "Root"
    assert r["userIdentity"]["arn"] == "arn:aws:iam::000000000000:root"
    assert r["userIdentity"]["accountId"] == r["recipientAccountId"] == "000000000000"
    assert r["sourceIPAddress"] == "127.0.0.1" and "Boto3" in r["userAgent"]
    assert r["awsRegion"] == "us-east-1" and r["readOnly"] is False
    assert "errorCode" not in r
    reply = server.client("ecs").list_clusters()
    assert record_of(server, id_of(reply))["readOnly"] is True


def test_a_refusal_is_recorded_with_its_reason(server):
    with pytest.raises(ClientError) as e:
        server.client("ecs").describe_tasks(cluster="nowhere", tasks=["x"])
    r = record_of(server, id_of(e.value.response))
    assert r["errorCode"] == "ClusterNotFoundException"
    assert r["errorMessage"] == "Cluster not found."


def test_secrets_are_not_in_it(server):
    cert = Certificate("audited.test")
    reply = server.client("acm").import_certificate(Certificate=cert.pem, PrivateKey=cert.key)
    r = record_of(server, id_of(reply))
    assert r["requestParameters"]["PrivateKey"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    for line in cert.key.splitlines()[1:-1]:
        assert line not in json.dumps(r)


def named(server, log, name, n=1):
    """The events of this name, when there are so many."""
    def look():
        found = [r for r in lines(server, log) if r["eventName"] == name]
        return found if len(found) >= n else None
    return eventually(look)


def test_what_is_done_to_objects_is_a_data_event(server):
    s3 = server.client("s3", account="123400000001")
    s3.create_bucket(Bucket="seen")
    s3.put_object(Bucket="seen", Key="a/b", Body=b"12345")
    s3.get_object(Bucket="seen", Key="a/b")
    with pytest.raises(ClientError):
        s3.get_object(Bucket="seen", Key="none")
    made, = named(server, "audit", "CreateBucket")
    assert made["requestParameters"] == {"bucketName": "seen"}
    assert made["eventSource"] == "s3.amazonaws.com" and made["managementEvent"] is True
    put, = named(server, "data", "PutObject")
    assert put["requestParameters"] == {"bucketName": "seen", "key": "a/b"}
    assert put["additionalEventData"] == {"bytesTransferredIn": 5}
    assert put["resources"] == [{"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::seen/a/b"}]
    assert put["userIdentity"]["accountId"] == "123400000001"
    assert (put["readOnly"], put["managementEvent"], put["eventCategory"]) == (
        False, False, "Data")
    got = named(server, "data", "GetObject", 2)
    assert [r.get("errorCode") for r in got] == [None, "NoSuchKey"]
    assert all(r["readOnly"] and r["sourceIPAddress"] == "127.0.0.1" for r in got)
    assert not [r for r in lines(server) if r["eventName"] in ("PutObject", "GetObject")]


def test_items_are_not_told(server):
    d = server.client("dynamodb")
    d.create_table(TableName="seen", BillingMode="PAY_PER_REQUEST",
                   AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                   KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    d.put_item(TableName="seen", Item={"id": {"S": "geheim"}})
    d.get_item(TableName="seen", Key={"id": {"S": "geheim"}})
    with pytest.raises(ClientError):
        d.get_item(TableName="none", Key={"id": {"S": "geheim"}})
    assert named(server, "audit", "CreateTable")[0]["requestParameters"]["TableName"] == "seen"
    put, = named(server, "data", "PutItem")
    assert put["requestParameters"] == {"tableName": "seen"} and put["readOnly"] is False
    got = named(server, "data", "GetItem", 2)
    assert [r.get("errorCode") for r in got] == [None, "ResourceNotFoundException"]
    assert "geheim" not in json.dumps(lines(server, "data") + lines(server))


def test_requests_of_the_registry_are_data_events(server):
    ecr = server.client("ecr")
    ecr.create_repository(repositoryName="seen")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    for path in ("/v2/seen/tags/list", "/v2/seen/blobs/sha256:" + "0" * 64):
        request = urllib.request.Request(server.url + path,
                                         headers={"Authorization": f"Basic {token}"})
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request)
    listed, = named(server, "data", "ListImages")
    assert listed["resources"][0]["ARN"].endswith(":repository/seen")
    assert (listed["eventSource"], listed["readOnly"]) == ("ecr.amazonaws.com", True)
    assert named(server, "data", "GetDownloadUrlForLayer")


def test_gantry_audit_prints_and_filters(server):
    ecs = server.client("ecs", account="123456789012")
    ecs.create_cluster(clusterName="printed")
    with pytest.raises(ClientError) as e:
        ecs.delete_cluster(cluster="never-there")
    record_of(server, id_of(e.value.response))

    def audit(*options):
        return subprocess.run(
            [GANTRY, "audit", "--data-dir", f"{server.dir}/data", "--run-dir", f"{server.dir}/run",
             *options], check=True, capture_output=True, text=True).stdout.splitlines()

    assert any(" ecs:CreateCluster root 127.0.0.1" in line for line in audit())
    errors = audit("--errors", "--call", "DeleteCluster")
    assert len(errors) == 1 and errors[0].endswith("ClusterNotFoundException: Cluster not found.")
    records = [json.loads(line) for line in
               audit("--json", "--user", "::123456789012:", "--tail", "2")]
    assert [r["eventName"] for r in records] == ["CreateCluster", "DeleteCluster"]
    server.client("s3").create_bucket(Bucket="printed")
    server.client("s3").put_object(Bucket="printed", Key="k", Body=b"x")
    eventually(lambda: any(" s3:PutObject root " in line for line in audit("--data")))
    assert not any("PutObject" in line for line in audit())
    assert audit("--since", "2999-01-01T00:00:00Z") == []
