"""Elastic Load Balancing v2: every operation by boto3; the edge's reports are the test's."""

import http.client
import json
import ssl
import subprocess
import urllib.parse

import botocore.exceptions
import pytest

from eventually import eventually
from fake_host import SIGNED


@pytest.fixture
def elbv2(server):
    return server.client("elbv2")


@pytest.fixture
def ec2(server):
    return server.client("ec2")


@pytest.fixture
def net(ec2):
    """The default VPC: its id, its subnets, a security group."""
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]
    subnets = ec2.describe_subnets(Filters=[
        {"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    subnets.sort(key=lambda s: s["AvailabilityZone"])
    return vpc["VpcId"], [s["SubnetId"] for s in subnets]


@pytest.fixture
def name(request):
    return "t-" + f"{abs(hash(request.node.name)):x}"[:20]


@pytest.fixture
def balancer(elbv2, net, name):
    b = elbv2.create_load_balancer(Name=name, Subnets=net[1][:2])["LoadBalancers"][0]
    yield b
    elbv2.delete_load_balancer(LoadBalancerArn=b["LoadBalancerArn"])


@pytest.fixture
def group(elbv2, net, name):
    """group(**settings) makes a target group of the test's own."""
    made = []

    def make(suffix="", **more):
        settings = {"Protocol": "HTTP", "Port": 80, "VpcId": net[0], "TargetType": "ip", **more}
        g = elbv2.create_target_group(Name=name + suffix, **settings)["TargetGroups"][0]
        made.append(g["TargetGroupArn"])
        return g

    yield make
    for arn in made:
        for b in elbv2.describe_load_balancers()["LoadBalancers"]:
            if b["LoadBalancerName"] == name:
                elbv2.delete_load_balancer(LoadBalancerArn=b["LoadBalancerArn"])
        elbv2.delete_target_group(TargetGroupArn=arn)


def forward(arn):
    return [{"Type": "forward", "TargetGroupArn": arn}]


@pytest.fixture
def listener(elbv2, balancer, group):
    return elbv2.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP",
                               Port=80, DefaultActions=forward(group()["TargetGroupArn"])
                               )["Listeners"][0]


def refused(code, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    assert e.value.response["Error"]["Code"] == code, e.value
    return e.value.response["Error"]["Message"]


def report(server, **news):
    """As the edge says what it found."""
    address = urllib.parse.urlparse(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request("POST", "/gantry/v1/edge/report", body=json.dumps(news), headers={
        "Authorization": SIGNED.format(account="000000000000"),
        "X-Amz-Date": "20260101T000000Z"})
    response = connection.getresponse()
    assert response.status in (200, 204), response.read()
    connection.close()


def health(elbv2, arn, **more):
    return {(d["Target"]["Id"], d["Target"]["Port"]): d["TargetHealth"] for d in
            elbv2.describe_target_health(TargetGroupArn=arn, **more)["TargetHealthDescriptions"]}


# ---- load balancers ----

def test_life_of_a_load_balancer(elbv2, ec2, net, name, server):
    b = elbv2.create_load_balancer(Name=name, Subnets=net[1][:2],
                                 Tags=[{"Key": "k", "Value": "v"}])["LoadBalancers"][0]
    arn = b["LoadBalancerArn"]
    assert f":loadbalancer/app/{name}/" in arn and b["Scheme"] == "internet-facing"
    assert b["Type"] == "application" and b["VpcId"] == net[0]
    assert b["DNSName"].startswith(name + "-") and b["DNSName"].endswith(
        ".us-east-1.elb.amazonaws.com")
    assert b["State"] == {"Code": "provisioning"}
    nics = ec2.describe_network_interfaces(Filters=[
        {"Name": "requester-id", "Values": ["amazon-elb"]},
        {"Name": "description", "Values": ["ELB app/" + name + "/*"]}])["NetworkInterfaces"]
    assert sorted(n["SubnetId"] for n in nics) == sorted(net[1][:2])
    assert all(n["RequesterManaged"] and n["Association"]["PublicIp"] for n in nics)
    # the same again is the same; something else under its name is not
    again = elbv2.create_load_balancer(Name=name, Subnets=net[1][:2])["LoadBalancers"][0]
    assert again["LoadBalancerArn"] == arn
    refused("DuplicateLoadBalancerName", elbv2.create_load_balancer, Name=name, Subnets=net[1][1:])
    report(server, balancers=[{"loadBalancerArn": arn, "state": "active"}])
    elbv2.get_waiter("load_balancer_available").wait(LoadBalancerArns=[arn])
    assert elbv2.describe_load_balancers(Names=[name])["LoadBalancers"][0]["State"] == {
        "Code": "active"}
    elbv2.delete_load_balancer(LoadBalancerArn=arn)
    elbv2.delete_load_balancer(LoadBalancerArn=arn)
    refused("LoadBalancerNotFound", elbv2.describe_load_balancers, LoadBalancerArns=[arn])
    assert not ec2.describe_network_interfaces(Filters=[
        {"Name": "description", "Values": ["ELB app/" + name + "/*"]}])["NetworkInterfaces"]


@pytest.mark.parametrize("code,more", [
    ("ValidationError", {"Name": "-x"}), ("ValidationError", {"Name": "x" * 33}),
    ("ValidationError", {"Name": "a_b"}), ("ValidationError", {"Name": "internal-x"}),
    ("ValidationError", {"Subnets": 1}), ("ValidationError", {"Type": "gateway"}),
    ("ValidationError", {"IpAddressType": "dualstack"}),
    ("SubnetNotFound", {"Subnets": ["subnet-0", "subnet-1"]}),
    ("InvalidSecurityGroup", {"SecurityGroups": ["sg-0"]}),
    ("DuplicateTagKeys", {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}),
])
def test_load_balancers_that_can_not_be(elbv2, net, name, code, more):
    arguments = {"Name": name, "Subnets": net[1][:2], **more}
    if arguments["Subnets"] == 1:
        arguments["Subnets"] = net[1][:1]
    refused(code, elbv2.create_load_balancer, **arguments)


def test_groups_subnets_and_attributes(elbv2, ec2, net, balancer):
    arn = balancer["LoadBalancerArn"]
    sg = ec2.create_security_group(GroupName=balancer["LoadBalancerName"], Description="d",
                                   VpcId=net[0])["GroupId"]
    assert elbv2.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[sg])[
        "SecurityGroupIds"] == [sg]
    refused("InvalidSecurityGroup", elbv2.set_security_groups, LoadBalancerArn=arn,
            SecurityGroups=["sg-0"])
    refused("DependencyViolation", ec2.delete_security_group, GroupId=sg)
    zones = elbv2.set_subnets(LoadBalancerArn=arn, Subnets=net[1])["AvailabilityZones"]
    assert [z["SubnetId"] for z in zones] == net[1]
    refused("ValidationError", elbv2.set_subnets, LoadBalancerArn=arn, Subnets=net[1][:1])
    answer = elbv2.set_ip_address_type(LoadBalancerArn=arn, IpAddressType="ipv4")
    assert answer["IpAddressType"] == "ipv4"
    refused("InvalidConfigurationRequest", elbv2.set_ip_address_type, LoadBalancerArn=arn,
            IpAddressType="dualstack")

    def attributes():
        return {a["Key"]: a["Value"] for a in elbv2.describe_load_balancer_attributes(
            LoadBalancerArn=arn)["Attributes"]}
    assert attributes()["idle_timeout.timeout_seconds"] == "60"
    assert attributes()["routing.http2.enabled"] == "true"

    def modify(key, value):
        return elbv2.modify_load_balancer_attributes(
            LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value}])
    assert {"Key": "idle_timeout.timeout_seconds", "Value": "30"} in modify(
        "idle_timeout.timeout_seconds", "30")["Attributes"]
    for key, value in [("idle_timeout.timeout_seconds", "0"), ("nonsense", "1"),
                       ("routing.http2.enabled", "yes"), ("waf.fail_open.enabled", "true")]:
        with pytest.raises(botocore.exceptions.ClientError) as e:
            modify(key, value)
        assert e.value.response["Error"]["Code"] == "InvalidConfigurationRequest"
    modify("deletion_protection.enabled", "true")
    refused("OperationNotPermitted", elbv2.delete_load_balancer, LoadBalancerArn=arn)
    modify("deletion_protection.enabled", "false")
    assert attributes()["idle_timeout.timeout_seconds"] == "30"


# ---- target groups ----

def test_target_groups(elbv2, net, name, group):
    g = group(HealthCheckPath="/up", Matcher={"HttpCode": "200-299"})
    arn = g["TargetGroupArn"]
    assert (g["HealthCheckIntervalSeconds"], g["HealthCheckTimeoutSeconds"],
            g["HealthyThresholdCount"], g["UnhealthyThresholdCount"]) == (30, 5, 5, 2)
    assert g["HealthCheckPort"] == "traffic-port" and g["ProtocolVersion"] == "HTTP1"
    assert group(HealthCheckPath="/up", Matcher={"HttpCode": "200-299"})["TargetGroupArn"] == arn
    refused("DuplicateTargetGroupName", elbv2.create_target_group, Name=name, Protocol="HTTP",
            Port=81, VpcId=net[0], TargetType="ip")
    assert elbv2.describe_target_groups(Names=[name])["TargetGroups"] == [g]
    changed = elbv2.modify_target_group(TargetGroupArn=arn, HealthCheckIntervalSeconds=10,
                                      HealthCheckPath="/x")["TargetGroups"][0]
    assert changed["HealthCheckIntervalSeconds"] == 10 and changed["HealthCheckPath"] == "/x"
    text = refused("ValidationError", elbv2.modify_target_group, TargetGroupArn=arn,
                   HealthCheckTimeoutSeconds=10)
    assert text == "Health check timeout '10' must be smaller than the interval '10'"
    attributes = {a["Key"]: a["Value"] for a in elbv2.describe_target_group_attributes(
        TargetGroupArn=arn)["Attributes"]}
    assert attributes["deregistration_delay.timeout_seconds"] == "300"
    assert attributes["stickiness.type"] == "lb_cookie"
    for key, value in [("deregistration_delay.timeout_seconds", "3601"),
                       ("slow_start.duration_seconds", "10"), ("stickiness.type", "source_ip"),
                       ("stickiness.app_cookie.cookie_name", "AWSALBX"), ("nonsense", "1")]:
        refused("InvalidConfigurationRequest", elbv2.modify_target_group_attributes,
                TargetGroupArn=arn, Attributes=[{"Key": key, "Value": value}])
    elbv2.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
        {"Key": "stickiness.enabled", "Value": "true"}])
    elbv2.delete_target_group(TargetGroupArn=arn)
    refused("TargetGroupNotFound", elbv2.describe_target_groups, TargetGroupArns=[arn])


@pytest.mark.parametrize("code,more", [
    ("ValidationError", {"TargetType": "lambda"}), ("ValidationError", {"VpcId": "vpc-0"}),
    ("UnsupportedProtocol", {"Protocol": "UDP"}), ("ValidationError", {"HealthCheckPath": "x"}),
    ("ValidationError", {"Matcher": {"HttpCode": "600"}}),
    ("ValidationError", {"Matcher": {"HttpCode": "200,"}}),
    ("ValidationError", {"HealthCheckPort": "0"}), ("ValidationError", {"ProtocolVersion": "X"}),
    ("ValidationError", {"HealthCheckProtocol": "TCP"}),
    ("ValidationError", {"Protocol": "TCP", "HealthCheckProtocol": "TCP",
                         "HealthCheckPath": "/x"}),
])
def test_target_groups_that_can_not_be(elbv2, net, name, code, more):
    refused(code, elbv2.create_target_group, **{"Name": name, "Protocol": "HTTP", "Port": 80,
                                              "VpcId": net[0], "TargetType": "ip", **more})


def test_targets_come_are_judged_and_drain(elbv2, server, group, listener):
    arn = elbv2.describe_target_groups()["TargetGroups"]
    arn = [g["TargetGroupArn"] for g in arn if listener["LoadBalancerArn"] in
           g["LoadBalancerArns"]][0]
    elbv2.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
        {"Key": "deregistration_delay.timeout_seconds", "Value": "1"}])
    one, two = {"Id": "172.31.0.10", "Port": 8080}, {"Id": "172.31.0.11"}
    elbv2.register_targets(TargetGroupArn=arn, Targets=[one, two])
    assert health(elbv2, arn) == {(i, p): {
        "State": "initial", "Reason": "Elb.RegistrationInProgress",
        "Description": "Target registration is in progress"}
        for i, p in [("172.31.0.10", 8080), ("172.31.0.11", 80)]}
    report(server, targetHealth=[
        {"targetGroupArn": arn, "id": "172.31.0.10", "port": 8080, "state": "healthy"},
        {"targetGroupArn": arn, "id": "172.31.0.11", "port": 80, "state": "unhealthy",
         "reason": "Target.ResponseCodeMismatch",
         "description": "Health checks failed with these codes: [503]"},
        {"targetGroupArn": arn, "id": "172.31.9.9", "port": 80, "state": "healthy"}])
    assert health(elbv2, arn) == {
        ("172.31.0.10", 8080): {"State": "healthy"},
        ("172.31.0.11", 80): {"State": "unhealthy", "Reason": "Target.ResponseCodeMismatch",
                              "Description": "Health checks failed with these codes: [503]"}}
    elbv2.get_waiter("target_in_service").wait(TargetGroupArn=arn, Targets=[one])
    elbv2.deregister_targets(TargetGroupArn=arn, Targets=[one])
    assert health(elbv2, arn)[("172.31.0.10", 8080)] == {
        "State": "draining", "Reason": "Target.DeregistrationInProgress",
        "Description": "Target deregistration is in progress"}
    eventually(lambda: ("172.31.0.10", 8080) not in health(elbv2, arn))
    assert health(elbv2, arn, Targets=[one])[("172.31.0.10", 8080)]["Reason"] == \
        "Target.NotRegistered"
    elbv2.get_waiter("target_deregistered").wait(TargetGroupArn=arn, Targets=[one])
    elbv2.deregister_targets(TargetGroupArn=arn, Targets=[two])
    elbv2.register_targets(TargetGroupArn=arn, Targets=[two])  # it changed its mind
    assert health(elbv2, arn)[("172.31.0.11", 80)]["State"] == "initial"
    refused("ResourceInUse", elbv2.delete_target_group, TargetGroupArn=arn)


def test_targets_that_can_not_be(elbv2, group):
    ip, instance = group("i")["TargetGroupArn"], group("n", TargetType="instance")["TargetGroupArn"]
    refused("InvalidTarget", elbv2.register_targets, TargetGroupArn=ip, Targets=[{"Id": "8.8.8.8"}])
    refused("InvalidTarget", elbv2.register_targets, TargetGroupArn=ip, Targets=[{"Id": "i-0"}])
    for bad in ["10.x", "10.0.0", "172.32.0.1", "100.128.0.1"]:
        refused("InvalidTarget", elbv2.register_targets, TargetGroupArn=ip, Targets=[{"Id": bad}])
    outside = [{"Id": i} for i in ["10.1.1.1", "172.16.0.1", "100.127.0.1", "192.168.0.1"]]
    elbv2.register_targets(TargetGroupArn=ip, Targets=outside)
    elbv2.deregister_targets(TargetGroupArn=ip, Targets=outside)
    refused("InvalidTarget", elbv2.register_targets, TargetGroupArn=instance,
            Targets=[{"Id": "i-00000000000000000"}])
    elbv2.register_targets(TargetGroupArn=ip, Targets=[{"Id": "172.31.0.1"}])
    assert list(health(elbv2, ip).values()) == [{
        "State": "unused", "Reason": "Target.NotInUse",
        "Description": "Target group is not configured to receive traffic from the load "
                       "balancer"}]
    elbv2.deregister_targets(TargetGroupArn=ip, Targets=[{"Id": "172.31.0.1"}])
    assert health(elbv2, ip) == {}  # nobody was connected: nothing drains


def test_a_thousand_targets(elbv2, group):
    arn = group()["TargetGroupArn"]
    for n in range(0, 1000, 100):
        elbv2.register_targets(TargetGroupArn=arn, Targets=[
            {"Id": f"172.31.{k // 250}.{k % 250 + 1}", "Port": 80} for k in range(n, n + 100)])
    assert len(health(elbv2, arn)) == 1000
    elbv2.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": "172.31.0.1"}])
    refused("TooManyTargets", elbv2.register_targets, TargetGroupArn=arn,  # all or nothing
            Targets=[{"Id": "172.31.0.1"}, {"Id": "172.31.40.1"}])
    elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": "172.31.0.1"}] * 2)
    refused("TooManyTargets", elbv2.register_targets, TargetGroupArn=arn,
            Targets=[{"Id": "172.31.40.1"}])


# ---- listeners and rules ----

def test_listeners(elbv2, balancer, group):
    arn, g = balancer["LoadBalancerArn"], group()["TargetGroupArn"]
    listener = elbv2.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80,
                                   DefaultActions=forward(g))["Listeners"][0]
    action = listener["DefaultActions"][0]
    assert action["TargetGroupArn"] == g and action["ForwardConfig"] == {
        "TargetGroups": [{"TargetGroupArn": g, "Weight": 1}],
        "TargetGroupStickinessConfig": {"Enabled": False}}
    same = elbv2.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80,
                               DefaultActions=forward(g))["Listeners"][0]
    assert same == listener
    assert elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"] == [listener]
    refused("DuplicateListener", elbv2.create_listener, LoadBalancerArn=arn, Protocol="HTTP",
            Port=80, DefaultActions=[{"Type": "fixed-response",
                                      "FixedResponseConfig": {"StatusCode": "200"}}])
    changed = elbv2.modify_listener(ListenerArn=listener["ListenerArn"], Port=81, DefaultActions=[
        {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Protocol": "HTTPS",
                                                "Port": "443"}}])["Listeners"][0]
    assert changed["Port"] == 81 and changed["DefaultActions"][0]["RedirectConfig"] == {
        "Protocol": "HTTPS", "Port": "443", "Host": "#{host}", "Path": "/#{path}",
        "Query": "#{query}", "StatusCode": "HTTP_301"}
    assert elbv2.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"][0]["Actions"] == \
        changed["DefaultActions"]
    attributes = elbv2.describe_listener_attributes(ListenerArn=listener["ListenerArn"])
    assert {"Key": "routing.http.response.server.enabled", "Value": "true"} in \
        attributes["Attributes"]
    refused("InvalidConfigurationRequest", elbv2.modify_listener_attributes,
            ListenerArn=listener["ListenerArn"], Attributes=[{"Key": "x", "Value": "y"}])
    elbv2.modify_listener_attributes(ListenerArn=listener["ListenerArn"], Attributes=[
        {"Key": "routing.http.response.server.enabled", "Value": "false"}])
    elbv2.delete_listener(ListenerArn=listener["ListenerArn"])
    refused("ListenerNotFound", elbv2.delete_listener, ListenerArn=listener["ListenerArn"])
    refused("ListenerNotFound", elbv2.describe_listeners, ListenerArns=[listener["ListenerArn"]])


@pytest.mark.parametrize("code,more", [
    ("UnsupportedProtocol", {"Protocol": "TCP"}), ("ValidationError", {"Protocol": "HTTPS"}),
    ("ValidationError", {"SslPolicy": "ELBSecurityPolicy-2016-08"}),
    ("TargetGroupNotFound", {"DefaultActions": forward(
        "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/x/0123456789abcdef")}),
    ("InvalidLoadBalancerAction", {"DefaultActions": [{
        "Type": "authenticate-oidc", "AuthenticateOidcConfig": {
            "Issuer": "i", "AuthorizationEndpoint": "a", "TokenEndpoint": "t",
            "UserInfoEndpoint": "u", "ClientId": "c"}}]}),
    ("InvalidLoadBalancerAction", {"DefaultActions": [{"Type": "redirect", "RedirectConfig": {
        "StatusCode": "HTTP_301"}}]}),
    ("ValidationError", {"DefaultActions": [{
        "Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "301"}}]}),
])
def test_listeners_that_can_not_be(elbv2, balancer, code, more):
    refused(code, elbv2.create_listener, **{
        "LoadBalancerArn": balancer["LoadBalancerArn"], "Protocol": "HTTP", "Port": 80,
        "DefaultActions": [{"Type": "fixed-response",
                            "FixedResponseConfig": {"StatusCode": "200"}}], **more})


@pytest.fixture
def certificates(server, tmp_path):
    """certificates(name) imports one of its own making."""
    acm = server.client("acm")

    def make(name):
        key, cert = tmp_path / f"{name}.key", tmp_path / f"{name}.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key,
                        "-out", cert], check=True, capture_output=True)
        return acm.import_certificate(Certificate=cert.read_bytes(),
                                      PrivateKey=key.read_bytes())["CertificateArn"]
    make.acm = acm
    return make


def test_certificates_of_a_listener(elbv2, balancer, group, certificates):
    first, second = certificates("a.test"), certificates("b.test")
    l = elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTPS", Port=443,
        Certificates=[{"CertificateArn": first}],
        DefaultActions=forward(group()["TargetGroupArn"]))["Listeners"][0]
    assert l["SslPolicy"] == "ELBSecurityPolicy-2016-08"
    arn = l["ListenerArn"]
    refused("CertificateNotFound", elbv2.add_listener_certificates, ListenerArn=arn,
            Certificates=[{"CertificateArn": first + "x"}])
    elbv2.add_listener_certificates(ListenerArn=arn, Certificates=[{"CertificateArn": second}])
    assert elbv2.describe_listener_certificates(ListenerArn=arn)["Certificates"] == [
        {"CertificateArn": first, "IsDefault": True},
        {"CertificateArn": second, "IsDefault": False}]
    assert certificates.acm.describe_certificate(CertificateArn=second)["Certificate"][
        "InUseBy"] == [balancer["LoadBalancerArn"]]
    refused("OperationNotPermitted", elbv2.remove_listener_certificates, ListenerArn=arn,
            Certificates=[{"CertificateArn": first}])
    elbv2.remove_listener_certificates(ListenerArn=arn, Certificates=[{"CertificateArn": second}])
    certificates.acm.delete_certificate(CertificateArn=second)
    with pytest.raises(certificates.acm.exceptions.ResourceInUseException):
        certificates.acm.delete_certificate(CertificateArn=first)
    refused("SSLPolicyNotFound", elbv2.modify_listener, ListenerArn=arn, SslPolicy="mine")
    elbv2.modify_listener(ListenerArn=arn, SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06")


def test_rules(elbv2, listener, group):
    arn, g = listener["ListenerArn"], group("b")["TargetGroupArn"]
    made = elbv2.create_rule(ListenerArn=arn, Priority=20, Actions=forward(g), Conditions=[
        {"Field": "path-pattern", "Values": ["/img/*"]},
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}}])["Rules"][0]
    assert made["Priority"] == "20" and not made["IsDefault"]
    assert made["Conditions"][0]["PathPatternConfig"] == {"Values": ["/img/*"]}
    assert made["Conditions"][1]["Values"] == ["*.example.com"]
    other = elbv2.create_rule(ListenerArn=arn, Priority=10, Actions=forward(g), Conditions=[
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-A", "Values": ["1*"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}},
        {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}}])["Rules"][0]
    assert [r["Priority"] for r in elbv2.describe_rules(ListenerArn=arn)["Rules"]] == [
        "10", "20", "default"]
    refused("PriorityInUse", elbv2.create_rule, ListenerArn=arn, Priority=10, Actions=forward(g),
            Conditions=[{"Field": "path-pattern", "Values": ["/"]}])
    pairs = [{"RuleArn": made["RuleArn"], "Priority": 10}]
    refused("PriorityInUse", elbv2.set_rule_priorities, RulePriorities=pairs)
    elbv2.set_rule_priorities(RulePriorities=pairs + [
        {"RuleArn": other["RuleArn"], "Priority": 20}])
    assert [r["RuleArn"] for r in elbv2.describe_rules(ListenerArn=arn)["Rules"]][:2] == [
        made["RuleArn"], other["RuleArn"]]
    elbv2.modify_rule(RuleArn=made["RuleArn"], Conditions=[
        {"Field": "path-pattern", "Values": ["/css/*"]}])
    assert elbv2.describe_rules(RuleArns=[made["RuleArn"]])["Rules"][0]["Conditions"][0][
        "Values"] == ["/css/*"]
    default = elbv2.describe_rules(ListenerArn=arn)["Rules"][2]["RuleArn"]
    refused("OperationNotPermitted", elbv2.delete_rule, RuleArn=default)
    refused("OperationNotPermitted", elbv2.modify_rule, RuleArn=default, Actions=forward(g))
    elbv2.delete_rule(RuleArn=made["RuleArn"])
    refused("RuleNotFound", elbv2.describe_rules, RuleArns=[made["RuleArn"]])
    elbv2.delete_rule(RuleArn=other["RuleArn"])
    elbv2.delete_target_group(TargetGroupArn=g)


@pytest.mark.parametrize("condition", [
    {"Field": "nonsense", "Values": ["x"]}, {"Field": "path-pattern", "Values": []},
    {"Field": "host-header", "Values": ["nodot"]}, {"Field": "host-header", "Values": ["a.b1"]},
    {"Field": "path-pattern", "Values": ["x" * 129]},
    {"Field": "path-pattern", "Values": ["??????"]},
    {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "Host", "Values": ["x"]}},
    {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["get"]}},
    {"Field": "query-string", "Values": ["x"]},
    {"Field": "path-pattern", "Values": ["/"], "PathPatternConfig": {"Values": ["/"]}},
    {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.1"]}},
    {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/33"]}},
    {"Field": "source-ip", "SourceIpConfig": {"Values": ["::1/129"]}},
    {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "a b", "Values": ["x"]}},
    {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "a)", "Values": ["x"]}},
    {"Field": "query-string", "QueryStringConfig": {"Values": [{"Value": "*?*?*?"}]}},
])
def test_conditions_that_can_not_be(elbv2, listener, condition):
    refused("ValidationError", elbv2.create_rule, ListenerArn=listener["ListenerArn"], Priority=1,
            Conditions=[condition], Actions=listener["DefaultActions"])


def test_quotas_are_of_the_whole_rule(elbv2, listener):
    def rule(*conditions):
        return {"ListenerArn": listener["ListenerArn"], "Priority": 7,
                "Actions": listener["DefaultActions"], "Conditions": list(conditions)}
    paths = {"Field": "path-pattern", "Values": ["/a*", "/b*", "/c*"]}
    text = refused("ValidationError", elbv2.create_rule, **rule(
        paths, {"Field": "host-header", "Values": ["a.com", "b.com", "c.com"]}))
    assert "condition values" in text
    text = refused("ValidationError", elbv2.create_rule, **rule(
        paths, {"Field": "host-header", "Values": ["*.a?.*"]}))
    assert "wildcards" in text
    # an escaped one is none
    made = elbv2.create_rule(**rule(paths, {"Field": "query-string", "QueryStringConfig": {
        "Values": [{"Value": "\\*\\*\\*"}]}}))["Rules"][0]
    elbv2.delete_rule(RuleArn=made["RuleArn"])


def test_what_listeners_and_groups_can_not_do_together(elbv2, balancer, group):
    arn = balancer["LoadBalancerArn"]
    newer = group("g", ProtocolVersion="GRPC")["TargetGroupArn"]
    refused("IncompatibleProtocols", elbv2.create_listener, LoadBalancerArn=arn, Port=80,
            Protocol="HTTP", DefaultActions=forward(newer))
    redirect = [{"Type": "redirect", "RedirectConfig": {
        "Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}]
    made = [elbv2.create_listener(LoadBalancerArn=arn, Port=80, Protocol="HTTP",
                                  DefaultActions=redirect)["Listeners"][0] for _ in range(2)]
    assert made[0] == made[1]  # the same settings are the same listener
    for bad in [{"Path": "/a b"}, {"Host": "a\nb"}]:
        refused("InvalidLoadBalancerAction", elbv2.modify_listener,
                ListenerArn=made[0]["ListenerArn"], DefaultActions=[{
                    "Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_302", **bad}}])
    for code in ["2ab", "302", "600"]:
        refused("ValidationError", elbv2.modify_listener,
                ListenerArn=made[0]["ListenerArn"], DefaultActions=[{
                    "Type": "fixed-response", "FixedResponseConfig": {"StatusCode": code}}])


def test_attributes_that_the_edge_knows(elbv2, listener, group):
    def set_listener(key, value):
        return {a["Key"]: a["Value"] for a in elbv2.modify_listener_attributes(
            ListenerArn=listener["ListenerArn"],
            Attributes=[{"Key": key, "Value": value}])["Attributes"]}
    header = "routing.http.response.x_frame_options.header_value"
    assert set_listener(header, "DENY")[header] == "DENY"
    refused("InvalidConfigurationRequest", set_listener, key=header, value="a\nb")
    renamed = "routing.http.request.x_amzn_tls_version.header_name"
    assert set_listener(renamed, "X-Tls")[renamed] == "X-Tls"
    refused("InvalidConfigurationRequest", set_listener, key=renamed, value="a b")
    refused("InvalidConfigurationRequest", set_listener,
            key="routing.http.request.x_amzn_mtls_clientcert.header_name", value="X-Own")
    arn = group("h")["TargetGroupArn"]

    def set_group(key, value):
        elbv2.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
            {"Key": "target_group_health.unhealthy_state_routing." + key, "Value": value}])
    set_group("minimum_healthy_targets.count", "2")
    set_group("minimum_healthy_targets.percentage", "50")
    set_group("minimum_healthy_targets.percentage", "off")
    for key, value in [("count", "0"), ("percentage", "0"), ("percentage", "101")]:
        refused("InvalidConfigurationRequest", set_group, key="minimum_healthy_targets." + key,
                value=value)
    refused("InvalidConfigurationRequest", elbv2.modify_load_balancer_attributes,
            LoadBalancerArn=listener["LoadBalancerArn"], Attributes=[
                {"Key": "routing.http.desync_mitigation_mode", "Value": "monitor"}])


def test_health_checks_change_their_protocol(elbv2, group):
    arn = group(Protocol="TCP")["TargetGroupArn"]
    g = elbv2.modify_target_group(TargetGroupArn=arn, HealthCheckProtocol="HTTP")[
        "TargetGroups"][0]
    assert (g["HealthCheckPath"], g["Matcher"]) == ("/", {"HttpCode": "200-399"})
    g = elbv2.modify_target_group(TargetGroupArn=arn, HealthCheckProtocol="TCP")[
        "TargetGroups"][0]
    assert "HealthCheckPath" not in g and "Matcher" not in g


def test_weights(elbv2, listener, group):
    a, b = group("x")["TargetGroupArn"], group("y")["TargetGroupArn"]

    def with_weights(*weights):
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
            {"TargetGroupArn": g, "Weight": w} for g, w in zip((a, b), weights)]}}]
    elbv2.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=with_weights(9, 1))
    shown = elbv2.describe_listeners(ListenerArns=[listener["ListenerArn"]])["Listeners"][0]
    assert "TargetGroupArn" not in shown["DefaultActions"][0]
    refused("InvalidLoadBalancerAction", elbv2.modify_listener, ListenerArn=listener["ListenerArn"],
            DefaultActions=with_weights(1000, 1))
    refused("ResourceInUse", elbv2.delete_target_group, TargetGroupArn=b)


def groups_of(ec2, balancer):
    nics = ec2.describe_network_interfaces(Filters=[{
        "Name": "description", "Values": [f"ELB {balancer['LoadBalancerArn'].split('/', 1)[1]}"]}])
    return [[g["GroupId"] for g in n["Groups"]] for n in nics["NetworkInterfaces"]]


def test_a_network_load_balancer_has_the_groups_it_was_given_or_none(elbv2, ec2, net, name):
    sg = ec2.create_security_group(GroupName=name, Description="d", VpcId=net[0])["GroupId"]
    settings = {"Type": "network", "Subnets": net[1][:1]}
    bare, guarded = (elbv2.create_load_balancer(Name=name + end, **settings, **more)[
        "LoadBalancers"][0] for end, more in (("b", {}), ("g", {"SecurityGroups": [sg]})))
    assert groups_of(ec2, bare) == [[]] and not bare.get("SecurityGroups")
    assert groups_of(ec2, guarded) == [[sg]] and guarded["SecurityGroups"] == [sg]
    refused("InvalidConfigurationRequest", elbv2.set_security_groups, SecurityGroups=[sg],
            LoadBalancerArn=bare["LoadBalancerArn"])
    elbv2.set_subnets(LoadBalancerArn=bare["LoadBalancerArn"], Subnets=net[1][:2])
    assert groups_of(ec2, bare) == [[], []]
    same = elbv2.create_load_balancer(Name=name + "b", Type="network", Subnets=net[1][:2])
    assert same["LoadBalancers"][0]["LoadBalancerArn"] == bare["LoadBalancerArn"]
    for b in (bare, guarded):
        elbv2.delete_load_balancer(LoadBalancerArn=b["LoadBalancerArn"])


def test_network_load_balancers(elbv2, net, name, group):
    b = elbv2.create_load_balancer(Name=name, Type="network", Scheme="internal",
                                 Subnets=net[1][:1])["LoadBalancers"][0]
    assert f"/net/{name}/" in b["LoadBalancerArn"]
    assert b["DNSName"].endswith(".elb.us-east-1.amazonaws.com")
    assert not b.get("SecurityGroups")
    tcp, http = group("t", Protocol="TCP")["TargetGroupArn"], group("h")["TargetGroupArn"]
    refused("IncompatibleProtocols", elbv2.create_listener, LoadBalancerArn=b["LoadBalancerArn"],
            Protocol="TCP", Port=1, DefaultActions=forward(http))
    l = elbv2.create_listener(LoadBalancerArn=b["LoadBalancerArn"], Protocol="TCP", Port=1,
                            DefaultActions=forward(tcp))["Listeners"][0]
    refused("InvalidConfigurationRequest", elbv2.create_rule, ListenerArn=l["ListenerArn"],
            Priority=1, Actions=forward(tcp),
            Conditions=[{"Field": "path-pattern", "Values": ["/"]}])
    refused("UnsupportedProtocol", elbv2.create_listener, LoadBalancerArn=b["LoadBalancerArn"],
            Protocol="UDP", Port=2, DefaultActions=forward(tcp))
    elbv2.delete_load_balancer(LoadBalancerArn=b["LoadBalancerArn"])


# ---- the rest ----

def test_tags(elbv2, balancer, listener, group):
    rule = elbv2.create_rule(ListenerArn=listener["ListenerArn"], Priority=1, Conditions=[
        {"Field": "path-pattern", "Values": ["/"]}], Actions=listener["DefaultActions"],
        Tags=[{"Key": "a", "Value": "1"}])["Rules"][0]["RuleArn"]
    arns = [balancer["LoadBalancerArn"], listener["ListenerArn"], rule,
            listener["DefaultActions"][0]["TargetGroupArn"]]
    elbv2.add_tags(ResourceArns=arns, Tags=[{"Key": "b", "Value": "2"}])
    for d in elbv2.describe_tags(ResourceArns=arns)["TagDescriptions"]:
        assert {"Key": "b", "Value": "2"} in d["Tags"]
    elbv2.remove_tags(ResourceArns=arns, TagKeys=["b"])
    assert [d["Tags"] for d in elbv2.describe_tags(ResourceArns=arns)["TagDescriptions"]] == [
        [], [], [{"Key": "a", "Value": "1"}], []]
    refused("TooManyTags", elbv2.add_tags, ResourceArns=arns,
            Tags=[{"Key": str(n), "Value": "x"} for n in range(51)])
    refused("LoadBalancerNotFound", elbv2.describe_tags, ResourceArns=[arns[0] + "x"])
    refused("ValidationError", elbv2.describe_tags, ResourceArns=["arn:aws:s3:::x"])


def test_policies_and_limits(elbv2):
    policies = elbv2.describe_ssl_policies(Names=["ELBSecurityPolicy-TLS13-1-2-2021-06"])
    assert policies["SslPolicies"][0]["SslProtocols"] == ["TLSv1.2", "TLSv1.3"]
    known = {c["name"] for c in ssl.create_default_context().get_ciphers()}
    assert {c["Name"] for c in policies["SslPolicies"][0]["Ciphers"]} <= known
    assert len(elbv2.describe_ssl_policies()["SslPolicies"]) >= 9
    refused("SSLPolicyNotFound", elbv2.describe_ssl_policies, Names=["x"])
    limits = {x["Name"]: x["Max"] for x in elbv2.describe_account_limits()["Limits"]}
    assert limits["targets-per-target-group"] == "1000"


def test_pages(elbv2, net, name, group):
    made = {group(str(n))["TargetGroupArn"] for n in range(5)}
    pages = list(elbv2.get_paginator("describe_target_groups").paginate(
        PaginationConfig={"PageSize": 2}))
    assert made <= {g["TargetGroupArn"] for p in pages for g in p["TargetGroups"]}
    assert max(len(p["TargetGroups"]) for p in pages) == 2
    refused("ValidationError", elbv2.describe_target_groups, Marker="nonsense")


def test_all_of_it_survives_a_restart(own_server):
    ec2, elbv2 = own_server.client("ec2"), own_server.client("elbv2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]]
    b = elbv2.create_load_balancer(Name="b", Subnets=subnets)["LoadBalancers"][0]
    g = elbv2.create_target_group(Name="g", Protocol="HTTP", Port=80, VpcId=vpc,
                                TargetType="ip")["TargetGroups"][0]["TargetGroupArn"]
    l = elbv2.create_listener(LoadBalancerArn=b["LoadBalancerArn"], Protocol="HTTP", Port=80,
                            DefaultActions=forward(g))["Listeners"][0]["ListenerArn"]
    elbv2.create_rule(ListenerArn=l, Priority=5, Actions=forward(g), Conditions=[
        {"Field": "path-pattern", "Values": ["/"]}])
    elbv2.register_targets(TargetGroupArn=g, Targets=[{"Id": "172.31.0.9"}, {"Id": "172.31.0.8"}])
    elbv2.deregister_targets(TargetGroupArn=g, Targets=[{"Id": "172.31.0.8"}])

    def picture(client):
        return (client.describe_load_balancers()["LoadBalancers"],
                client.describe_target_groups()["TargetGroups"],
                client.describe_listeners(LoadBalancerArn=b["LoadBalancerArn"])["Listeners"],
                client.describe_rules(ListenerArn=l)["Rules"], health(client, g))
    before = picture(elbv2)
    own_server.restart()
    assert picture(own_server.client("elbv2")) == before
