"""The edge's stream and its reports, with an edge that is a thread of the test."""

import json
import threading
import urllib.request

import pytest

from conftest import Server
from fake_edge import REPORT, STREAM, FakeEdge, report
from network import subnets
from raw import call

POOL = "198.18.16.0/20"


@pytest.fixture(name="server", scope="module")
def pooled_server():
    s = Server("--public-pool", POOL)
    yield s
    s.close()


@pytest.fixture(name="edge")
def connected_edge(server):
    e = FakeEdge(server)
    yield e
    e.close()


@pytest.fixture(name="balancer")
def some_balancer(server):
    """An internet-facing one with a listener and a group of one target."""
    elb = server.client("elbv2")
    where = subnets(server)[:2]
    vpc = server.client("ec2").describe_subnets(SubnetIds=where[:1])["Subnets"][0]["VpcId"]
    arn = elb.create_load_balancer(Name="edge-web", Subnets=where)[
        "LoadBalancers"][0]["LoadBalancerArn"]
    group = elb.create_target_group(Name="edge-group", Protocol="HTTP", Port=80, VpcId=vpc,
                                    TargetType="ip")["TargetGroups"][0]["TargetGroupArn"]
    listener = elb.create_listener(
        LoadBalancerArn=arn, Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}])[
            "Listeners"][0]["ListenerArn"]
    yield {"arn": arn, "group": group, "listener": listener}
    elb.delete_load_balancer(LoadBalancerArn=arn)
    elb.delete_target_group(TargetGroupArn=group)


def metrics(server):
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        return answer.read().decode()


def test_the_first_message_is_everything_and_the_metrics_know_the_edge(server, edge):
    assert edge.messages[0]["kind"] == "DESIRED"
    assert "gantry_edge_connected 1" in metrics(server)


def test_a_vpc_is_told_when_something_in_it_is_wired(server, edge, balancer):
    told = edge.object("BALANCER", balancer["arn"], lambda o: o.get("listeners"))
    assert told["listeners"][0]["listener"]["ListenerArn"] == balancer["listener"]
    first = told["interfaces"][0]
    assert len(told["interfaces"]) == 2
    assert first["publicIp"].startswith("198.18.")
    interface = edge.object("INTERFACE", first["networkInterfaceId"])
    assert interface["use"] == "BALANCER"
    vpc = edge.object("VPC", interface["vpcId"])
    assert vpc["cidrBlocks"] == ["172.31.0.0/16"]
    assert edge.object("TARGETS", balancer["group"])


def test_changes_come_as_whole_objects(server, edge, balancer):
    elb = server.client("elbv2")
    elb.register_targets(TargetGroupArn=balancer["group"],
                         Targets=[{"Id": "172.31.5.5", "Port": 8080}])
    told = edge.object("TARGETS", balancer["group"], lambda o: o.get("targets"))
    assert told["targets"][0]["address"] == "172.31.5.5"
    assert told["targetGroup"]["TargetGroupName"] == "edge-group"
    elb.modify_listener(ListenerArn=balancer["listener"], Port=8081)
    edge.object("BALANCER", balancer["arn"],
                lambda o: o["listeners"][0]["listener"]["Port"] == 8081)


def test_what_is_deleted_is_gone(server, edge):
    elb = server.client("elbv2")
    arn = elb.create_load_balancer(Name="edge-short", Scheme="internal",
                                   Subnets=subnets(server)[:2])[
        "LoadBalancers"][0]["LoadBalancerArn"]
    told = edge.object("BALANCER", arn)
    interfaces = [i["networkInterfaceId"] for i in told["interfaces"]]
    assert not any(i.get("publicIp") for i in told["interfaces"])
    elb.delete_load_balancer(LoadBalancerArn=arn)
    edge.gone("BALANCER", arn)
    for i in interfaces:
        edge.gone("INTERFACE", i)


def test_an_edge_that_comes_later_is_told_the_same(server, edge, balancer):
    edge.object("BALANCER", balancer["arn"], lambda o: o.get("listeners"))
    edge.object("TARGETS", balancer["group"])
    later = FakeEdge(server)
    try:
        for kind in ("VPC", "INTERFACE", "BALANCER", "TARGETS", "INSTANCE"):
            assert later.has[kind] == edge.has[kind], kind
    finally:
        later.close()


def test_a_newer_edge_takes_the_stream(server, edge, balancer):
    newer = FakeEdge(server)
    try:
        edge.wait(lambda: edge.ended, "the end of the older stream")
        before = len(edge.messages)
        server.client("elbv2").modify_listener(ListenerArn=balancer["listener"], Port=8082)
        newer.object("BALANCER", balancer["arn"],
                     lambda o: o["listeners"][0]["listener"]["Port"] == 8082)
        assert len(edge.messages) == before
    finally:
        newer.close()


def test_many_edges_at_once_end_with_one(server):
    edges = []
    threads = [threading.Thread(target=lambda: edges.append(FakeEdge(server)))
               for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(edges) == 8
    last = FakeEdge(server)
    for e in edges:
        e.wait(lambda e=e: e.ended, "the end of an older stream")
        e.close()
    assert not last.ended
    last.close()


def test_reports_change_states(server, edge, balancer):
    elb = server.client("elbv2")
    elb.register_targets(TargetGroupArn=balancer["group"],
                         Targets=[{"Id": "172.31.6.6", "Port": 80}])
    edge.report(targetHealth=[{"targetGroupArn": balancer["group"], "id": "172.31.6.6",
                               "port": 80, "state": "unhealthy",
                               "reason": "Target.ResponseCodeMismatch",
                               "description": "Health checks failed with these codes: [500]"}],
                balancers=[{"loadBalancerArn": balancer["arn"], "state": "active"}])
    health = elb.describe_target_health(TargetGroupArn=balancer["group"])[
        "TargetHealthDescriptions"]
    found = {h["Target"]["Id"]: h["TargetHealth"] for h in health}["172.31.6.6"]
    assert found == {"State": "unhealthy", "Reason": "Target.ResponseCodeMismatch",
                     "Description": "Health checks failed with these codes: [500]"}
    state = elb.describe_load_balancers(LoadBalancerArns=[balancer["arn"]])[
        "LoadBalancers"][0]["State"]
    assert state["Code"] == "active"


def test_reports_of_what_is_not_there_change_nothing(server, edge):
    edge.report(targetHealth=[{"targetGroupArn": "arn:aws:x", "id": "i", "port": 1,
                               "state": "healthy"}, {}],
                balancers=[{"loadBalancerArn": "arn:aws:y", "state": "active"}, {}],
                instances=[{"instanceId": "i-0", "state": "running", "generation": 1}, {}],
                traffic=[{}, {"loadBalancerArn": ""}])


def test_traffic_counts_once_a_sequence(server, edge):
    arn = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/t/0123"
    one = {"loadBalancerArn": arn, "requests": 5, "elb4xx": 1, "bytesOut": 1000,
           "activeConnections": 3,
           "responseMilliseconds": [{"upTo": 10, "count": 4}, {"upTo": 100, "count": 1}]}
    for sequence in (1, 1, 2):
        edge.report(edgeId="one", sequence=sequence, traffic=[one])
    edge.report(edgeId="two", sequence=1, traffic=[one])
    text = metrics(server)
    labels = '{load_balancer="app/t/0123"}'
    assert f"gantry_elb_requests_total{labels} 15\n" in text
    assert f"gantry_elb_balancer_4xx_total{labels} 3\n" in text
    assert f"gantry_elb_active_connections{labels} 3\n" in text
    bucket = 'gantry_elb_response_seconds_bucket{load_balancer="app/t/0123",le='
    assert f'{bucket}"0.01"}} 12\n' in text
    assert f'{bucket}"0.1"}} 15\n' in text
    assert f'{bucket}"+Inf"}} 15\n' in text


@pytest.mark.parametrize("body, status", [
    ("", 400), ("{", 400), ("[]", 400), ('{"traffic": 5}', 400),
    ('{"traffic": [{"requests": "many"}]}', 400), ("{}", 200), ('{"unknown": [1]}', 200)])
def test_reports_that_can_and_can_not_be_read(server, body, status):
    assert report(server, body).status == status


def test_a_report_that_is_too_large(server):
    assert report(server, "{" + " " * (8 << 20) + "}").status == 413


def test_only_the_servers_own_account_is_the_edge(server):
    other = ("AWS4-HMAC-SHA256 Credential=111122223333/20260101/us-east-1/ecs/aws4_request, "
             "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64)
    for method, path in (("GET", STREAM), ("POST", REPORT)):
        reply = call(server, None, None if method == "GET" else "{}", method=method, path=path,
                     authorization=other)
        assert reply.status == 403, path


def test_who_has_no_key_is_refused():
    server = Server(dev=False)
    try:
        for method, path in (("GET", STREAM), ("POST", REPORT)):
            for signed in (False, True):
                reply = call(server, None, None if method == "GET" else "{}", method=method,
                             path=path, signed=signed)
                assert reply.status == 403, (path, signed)
    finally:
        server.close()


def test_get_is_no_report(server):
    assert call(server, None, None, method="GET", path=REPORT).status == 405


def test_after_kill_nine_the_edge_is_told_the_same_again():
    server = Server("--public-pool", POOL)
    try:
        arn = server.client("elbv2").create_load_balancer(
            Name="edge-again", Subnets=subnets(server)[:2])["LoadBalancers"][0]["LoadBalancerArn"]
        edge = FakeEdge(server)
        before = edge.object("BALANCER", arn)
        server.restart()
        edge.wait(lambda: edge.ended, "the end of the stream")
        again = FakeEdge(server)
        assert again.has["BALANCER"] == {arn: before}
        assert json.dumps(again.has["INTERFACE"], sort_keys=True) == \
            json.dumps(edge.has["INTERFACE"], sort_keys=True)
        again.close()
    finally:
        server.close()
