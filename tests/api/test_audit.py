"""The audit log: a line a call, in CloudTrail's form, and `gantry audit`."""
import json
import pathlib
import subprocess

import pytest
from botocore.exceptions import ClientError

from certificates import Certificate
from conftest import GANTRY
from eventually import eventually


def lines(server):
    path = pathlib.Path(server.dir) / "data/server/audit/audit.jsonl"
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
    assert audit("--since", "2999-01-01T00:00:00Z") == []
