"""The page behind `gantry policy explain`: which statement decides."""
import http.client
import json
import urllib.parse

import pytest

from fake_host import SIGNED


def explain(server, signed=True, **query):
    address = urllib.parse.urlparse(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    headers = {"Authorization": SIGNED.format(account="000000000000"),
               "X-Amz-Date": "20260101T000000Z"} if signed else {}
    connection.request("GET", "/gantry/v1/policy?" + urllib.parse.urlencode(
        query, quote_via=urllib.parse.quote), headers=headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def decision(server, **query):
    status, text = explain(server, **query)
    assert status == 200, text
    return json.loads(text)


@pytest.fixture(scope="module")
def ann(server):
    iam = server.client("iam")
    arn = iam.create_user(UserName="ann")["User"]["Arn"]
    iam.put_user_policy(UserName="ann", PolicyName="daily", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [
            {"Sid": "Look", "Effect": "Allow", "Action": "ecs:List*", "Resource": "*"},
            {"Sid": "Home", "Effect": "Allow", "Action": "s3:*",
             "Resource": "arn:aws:s3:::home/${aws:username}/*"},
            {"Sid": "Away", "Effect": "Deny", "Action": "*", "Resource": "*",
             "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}]}))
    return arn


def test_the_statement_that_allows(server, ann):
    d = decision(server, principal=ann, action="s3:GetObject",
                 resource="arn:aws:s3:::home/ann/x")
    assert (d["decision"], d["by"]) == ("allowed", "identity-based policy")
    assert (d["policy"], d["sid"], d["message"]) == ("daily", "Home", None)
    assert d["statement"]["Resource"] == "arn:aws:s3:::home/${aws:username}/*"


def test_what_nobody_allows(server, ann):
    d = decision(server, principal=ann, action="ecs:RunTask")
    assert (d["decision"], d["policy"], d["statement"]) == ("implicitDeny", None, None)
    assert d["message"] == (
        f"User: {ann} is not authorized to perform: ecs:RunTask on resource: * because no "
        "identity-based policy allows the ecs:RunTask action")


def test_keys_of_the_request_count(server, ann):
    d = decision(server, principal=ann, action="ecs:ListClusters",
                 key="aws:SourceIp=203.0.113.7")
    assert (d["decision"], d["sid"]) == ("explicitDeny", "Away")
    d = decision(server, principal=ann, action="ecs:ListClusters", key="aws:SourceIp=10.0.0.1")
    assert (d["decision"], d["sid"]) == ("allowed", "Look")


def test_bad_questions_are_refused(server, ann):
    assert explain(server, signed=False, principal=ann, action="ecs:RunTask")[0] == 403
    assert explain(server, principal=ann + "x", action="ecs:RunTask")[0] == 404
    assert explain(server, principal=ann, action="run")[0] == 400
    assert explain(server, principal=ann)[0] == 400


def test_the_simulator_agrees(server, ann):
    r = server.client("iam").simulate_principal_policy(
        PolicySourceArn=ann, ActionNames=["ecs:ListClusters", "ecs:RunTask"])
    assert [x["EvalDecision"] for x in r["EvaluationResults"]] == ["allowed", "implicitDeny"]
