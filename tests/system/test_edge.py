"""The edge of `gantry up`: a process that may be killed, names on the machine and in VPCs,
and nothing left behind."""

import http.server
import ipaddress
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time
import urllib.request

import pytest

from support import machine
from support.gantry import Gantry, Not, eventually, reasons_not_to_run
from support.names import ask

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()) or not shutil.which("dnsmasq") or
                       not shutil.which("haproxy"),
                       reason=str(reasons_not_to_run() or "needs dnsmasq and haproxy")),
    pytest.mark.timeout(120),
]

HOSTS = pathlib.Path("/etc/hosts")


@pytest.fixture(scope="module")
def g():
    gantry = Gantry()
    try:
        ec2 = gantry.client("ec2")
        gantry.subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]][:2]
        yield gantry
    finally:
        gantry.close()
    assert f"gantry {gantry.run_id}:" not in HOSTS.read_text()
    assert not pathlib.Path("/run/gantry.pools", gantry.run_id).exists()


def balancer(g, name, scheme="internet-facing"):
    made = g.client("elbv2").create_load_balancer(Name=name, Subnets=g.subnets, Scheme=scheme)
    return made["LoadBalancers"][0]


def addresses(g, made):
    """Of the balancer's interfaces, as EC2 shows them: (private, public)."""
    found = g.client("ec2").describe_network_interfaces(Filters=[
        {"Name": "description", "Values": [
            "ELB " + made["LoadBalancerArn"].split(":loadbalancer/")[1]]}])["NetworkInterfaces"]
    return (sorted(i["PrivateIpAddress"] for i in found),
            sorted(i["Association"]["PublicIp"] for i in found if "Association" in i))


def on_the_machine(name):
    done = subprocess.run(["getent", "ahostsv4", name], capture_output=True, text=True,
                          check=False)
    return sorted({line.split()[0] for line in done.stdout.splitlines()})


def resolver(g):
    pool = ipaddress.ip_network(g.status()["edge"]["publicPool"])
    return str(pool[2])


def vpc_namespace(g):
    return next(pathlib.Path(g.run, "vpc").glob("vpc-*"))


class Inside:
    """A thread in a VPC's namespace that asks for a name again and again."""

    def __init__(self, namespace, name):
        self.namespace, self.name = namespace, name
        self.answers, self.failures = [], []
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        machine.setns(str(self.namespace))
        while not self.enough.is_set():
            try:
                self.answers.append(ask(self.name, "169.254.169.253"))
            except (OSError, AssertionError) as e:
                self.failures.append(repr(e))
            time.sleep(0.005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.thread.join()


def inside(namespace, question):
    """The result of question() in the namespace."""
    results = []

    def run():
        machine.setns(str(namespace))
        results.append(question())
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


@pytest.fixture(scope="module")
def web(g):
    return balancer(g, "web")


def test_up_has_an_edge(g):
    assert g.part("edge")
    edge = g.status()["edge"]
    assert edge["state"] == "up"
    pool = ipaddress.ip_network(edge["publicPool"])
    assert pool.prefixlen == 20
    assert pool.subnet_of(ipaddress.ip_network("198.18.0.0/15"))
    assert "edge" in g.command("status").stdout
    rows = {r["name"]: r for r in json.loads(g.command("doctor", "--json", place=False).stdout)}
    for name in ("haproxy", "dnsmasq", "VPCs"):
        assert rows[name]["verdict"] == "ok", rows[name]


def test_the_name_of_an_open_balancer_is_its_public_address(g, web):
    _, public = addresses(g, web)
    assert len(public) == 2
    pool = ipaddress.ip_network(g.status()["edge"]["publicPool"])
    assert all(ipaddress.ip_address(a) in pool for a in public)
    eventually(lambda: on_the_machine(web["DNSName"]) == public, what="the name in /etc/hosts")
    eventually(lambda: ask(web["DNSName"], resolver(g)) == public, what="dnsmasq's answer")


def test_the_name_of_an_internal_balancer_is_private_and_goes_with_it(g):
    made = balancer(g, "inner", "internal")
    private, public = addresses(g, made)
    assert (len(private), public) == (2, [])
    eventually(lambda: on_the_machine(made["DNSName"]) == private, what="the name")
    eventually(lambda: ask(made["DNSName"], resolver(g)) == private, what="dnsmasq's answer")
    g.client("elbv2").delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])
    eventually(lambda: made["DNSName"] not in HOSTS.read_text(), what="the end of the name")


def test_names_resolve_inside_of_a_vpc(g, web):
    _, public = addresses(g, web)
    namespace = eventually(lambda: vpc_namespace(g), what="the VPC")
    eventually(lambda: inside(namespace, lambda: ask(web["DNSName"], "169.254.169.253")) ==
               public, what="the balancer's name")
    for name, expected in (("ip-172-31-3-4.ec2.internal", ["172.31.3.4"]),
                           ("ip-10-1-2-3.ec2.internal", ["10.1.2.3"]),
                           ("ip-8-8-8-8.ec2.internal", None), ("x.ec2.internal", None)):
        found = inside(namespace, lambda n=name: ask(n, "169.254.169.253"))
        assert found == expected, name


def test_the_lines_of_others_in_the_hosts_file_stay(g, web):
    text = HOSTS.read_text()
    assert text.count(f"# gantry {g.run_id}: begin\n") == 1
    assert text.count(f"# gantry {g.run_id}: end\n") == 1
    assert "localhost" in text


def test_a_killed_edge_is_healed_and_nothing_stands_still(g, web):
    _, public = addresses(g, web)
    namespace = vpc_namespace(g)
    eventually(lambda: inside(namespace, lambda: ask(web["DNSName"], "169.254.169.253")) ==
               public, what="the balancer's name")
    dnsmasq = machine.read(f"{g.run}/names/dnsmasq.pid")
    with Inside(namespace, web["DNSName"]) as asking:
        for _ in range(3):
            old, before = g.part("edge"), g.log().count("part=edge msg=connected")
            os.kill(old.pid, signal.SIGKILL)
            eventually(lambda old=old: g.part("edge") not in (None, old), what="another edge")
            eventually(lambda n=before: g.log().count("part=edge msg=connected") > n,
                       what="its connection")
    assert asking.failures == []
    assert len(asking.answers) > 20 and all(a == public for a in asking.answers)
    assert machine.read(f"{g.run}/names/dnsmasq.pid") == dnsmasq
    assert on_the_machine(web["DNSName"]) == public


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


@pytest.fixture
def served(g, web):
    """The balancer's public address, behind which a server on this machine says hello."""
    ec2, elb = g.client("ec2"), g.client("elbv2")
    vpc = web["VpcId"]
    group = ec2.create_security_group(GroupName="open", Description="open", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
         "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    elb.set_security_groups(LoadBalancerArn=web["LoadBalancerArn"], SecurityGroups=[group])
    machine_address = next(i["PrivateIpAddress"] for i in ec2.describe_network_interfaces()[
        "NetworkInterfaces"] if i.get("Attachment", {}).get("InstanceId"))
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    targets = elb.create_target_group(Name="hello", Protocol="HTTP", Port=port, VpcId=vpc,
                                      TargetType="ip")["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=targets, Targets=[{"Id": machine_address, "Port": port}])
    listener = elb.create_listener(
        LoadBalancerArn=web["LoadBalancerArn"], Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": targets}])[
            "Listeners"][0]["ListenerArn"]

    def healthy():
        found = elb.describe_target_health(TargetGroupArn=targets)["TargetHealthDescriptions"]
        return found[0]["TargetHealth"]["State"] == "healthy" or Not(found)
    try:
        eventually(healthy, what="a healthy target")
        yield on_the_machine(web["DNSName"])[0]
    finally:
        elb.delete_listener(ListenerArn=listener)
        elb.delete_target_group(TargetGroupArn=targets)
        server.shutdown()
        server.server_close()


def test_traffic_survives_a_killed_edge(g, served):
    failures, answers = [], []
    enough = threading.Event()

    def ask_on():
        while not enough.is_set():
            try:
                with urllib.request.urlopen(f"http://{served}/", timeout=5) as answer:
                    answers.append(answer.read())
            except OSError as e:
                failures.append(repr(e))
    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        for _ in range(3):
            old, before = g.part("edge"), g.log().count("part=edge msg=connected")
            os.kill(old.pid, signal.SIGKILL)
            eventually(lambda n=before: g.log().count("part=edge msg=connected") > n,
                       what="another edge")
    finally:
        enough.set()
        thread.join()
    assert failures == []
    assert len(answers) > 20 and set(answers) == {b"hello"}


def test_what_changed_while_the_edge_was_dead_is_made_up_for(g):
    made = balancer(g, "while-dead")
    eventually(lambda: on_the_machine(made["DNSName"]), what="the name")
    up = g.part("up")
    edge = g.part("edge")
    os.kill(up.pid, signal.SIGSTOP)  # so that nobody starts another one meanwhile
    try:
        os.kill(edge.pid, signal.SIGKILL)
        other = balancer(g, "born-meanwhile")
        g.client("elbv2").delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])
        assert on_the_machine(made["DNSName"])
    finally:
        os.kill(up.pid, signal.SIGCONT)
    eventually(lambda: on_the_machine(other["DNSName"]), what="the new name")
    assert not on_the_machine(made["DNSName"])
    g.client("elbv2").delete_load_balancer(LoadBalancerArn=other["LoadBalancerArn"])


def test_a_killed_name_server_is_healed(g, web):
    _, public = addresses(g, web)
    old = int(machine.read(f"{g.run}/names/dnsmasq.pid"))
    os.kill(old, signal.SIGKILL)

    def answers():
        try:
            return ask(web["DNSName"], resolver(g), timeout=0.2) == public
        except OSError:
            return False
    eventually(answers, what="an answer")
    assert int(machine.read(f"{g.run}/names/dnsmasq.pid")) != old


def test_a_killed_server_is_found_again(g, web):
    before = g.log().count("part=edge msg=connected")
    os.kill(g.part("server").pid, signal.SIGKILL)
    eventually(lambda: g.log().count("part=edge msg=connected") > before,
               what="the edge's new stream")
    assert on_the_machine(web["DNSName"])
    made = g.steadily(lambda: balancer(g, "after-the-server"))
    eventually(lambda: on_the_machine(made["DNSName"]), what="the new name")
    g.client("elbv2").delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])


def test_a_second_run_has_its_own_pool_and_block(g, web):
    other = Gantry("--no-fargate")
    try:
        ours, theirs = (ipaddress.ip_network(x.status()["edge"]["publicPool"])
                        for x in (g, other))
        assert not ours.overlaps(theirs)
        other.subnets = [s["SubnetId"] for s in
                         other.client("ec2").describe_subnets()["Subnets"]][:2]
        made = balancer(other, "beside")
        eventually(lambda: on_the_machine(made["DNSName"]), what="the other's name")
        assert f"gantry {other.run_id}: begin" in HOSTS.read_text()
        assert on_the_machine(web["DNSName"])
    finally:
        other.close()
    assert not on_the_machine(made["DNSName"])
    assert on_the_machine(web["DNSName"])


def test_down_takes_the_names_away_and_up_brings_them_back(g, web):
    pool = g.status()["edge"]["publicPool"]
    assert g.command("down").returncode == 0
    assert g.part("edge") is None
    assert not on_the_machine(web["DNSName"])
    assert g.status()["edge"]["state"] == "down"
    g.up()
    eventually(lambda: on_the_machine(web["DNSName"]), what="the name")
    assert g.status()["edge"]["publicPool"] == pool


def test_up_without_an_edge():
    gantry = Gantry("--no-edge", "--no-fargate")
    try:
        assert gantry.status()["edge"]["state"] == "off"
        assert gantry.part("edge") is None
        assert not pathlib.Path(gantry.run, "vpc").exists()
        done = gantry.command("edge")
        assert done.returncode == 1
        assert "--public-pool" in done.stderr
    finally:
        gantry.close()


def test_a_hosts_file_of_ones_own(tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost")
    gantry = Gantry("--hosts-file", str(hosts), "--no-fargate", "--public-pool", "10.77.0.0/20")
    try:
        assert gantry.status()["edge"]["publicPool"] == "10.77.0.0/20"
        gantry.subnets = [s["SubnetId"] for s in
                          gantry.client("ec2").describe_subnets()["Subnets"]][:2]
        made = balancer(gantry, "elsewhere")
        _, public = addresses(gantry, made)
        eventually(lambda: made["DNSName"] in hosts.read_text(), what="the name")
        assert public[0].startswith("10.77.")
        assert f"{public[0]} {made['DNSName']}\n" in hosts.read_text()
        assert made["DNSName"] not in HOSTS.read_text()
    finally:
        gantry.close()
    assert hosts.read_text() == "127.0.0.1 localhost\n"
