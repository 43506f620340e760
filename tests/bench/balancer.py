"""balancer.py: an Application Load Balancer of gantry beside HAProxy configured by hand, for the
same targets, in turns; and how soon a new target gets requests."""
import contextlib
import re
import shutil
import subprocess
import time
import urllib.request

import boto3

import host
import report

CONNECTIONS = 32
ROUNDS = 5

ORIGIN = """
global
    nbthread 1
    maxconn 4000
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
frontend one
    bind 0.0.0.0:{one}
    http-request return status 200 content-type text/plain string "one"
frontend two
    bind 0.0.0.0:{two}
    http-request return status 200 content-type text/plain string "two"
"""

BY_HAND = """
global
    nbthread 2
    maxconn 4000
defaults
    mode http
    option forwardfor
    timeout client 60s
    timeout server 60s
    timeout connect 5s
frontend all
    bind {listen}
    default_backend targets
backend targets
    balance roundrobin
    option httpchk GET /
    server one {address}:{one} check inter 5s
    server two {address}:{two} check inter 5s
"""


@contextlib.contextmanager
def haproxy(folder, name, config, *inside):
    """`inside`: a command in front, that puts it somewhere else."""
    path = folder / f"{name}.cfg"
    path.write_text(config)
    with open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen([*inside, "haproxy", "-db", "-f", path], stdout=log,
                                   stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def wrk(url, seconds):
    """(requests a second, 99th percentile in ms), or what went wrong."""
    text = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url],
                          check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(text)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    amount, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\n", text).groups()
    return rate, float(amount) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


class Balanced:
    def __init__(self, gantry):
        e = gantry.environment()
        keys = {"aws_access_key_id": e["AWS_ACCESS_KEY_ID"], "region_name": "us-east-1",
                "aws_secret_access_key": e["AWS_SECRET_ACCESS_KEY"],
                "endpoint_url": f"http://127.0.0.1:{gantry.port}"}
        self.elb, self.ec2 = boto3.client("elbv2", **keys), boto3.client("ec2", **keys)
        ecs = boto3.client("ecs", **keys)
        one = ecs.list_container_instances()["containerInstanceArns"][0]
        self.machine = ecs.describe_container_instances(containerInstances=[one])[
            "containerInstances"][0]["ec2InstanceId"]
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = [s["SubnetId"] for s in self.ec2.describe_subnets()["Subnets"]]
        sg = self.ec2.create_security_group(GroupName="b", Description="b", VpcId=vpc)["GroupId"]
        self.ec2.authorize_security_group_ingress(GroupId=sg, IpProtocol="tcp", FromPort=80,
                                                  ToPort=81, CidrIp="0.0.0.0/0")
        b = self.elb.create_load_balancer(Name="b", Subnets=subnets, SecurityGroups=[sg])
        b = b["LoadBalancers"][0]["LoadBalancerArn"]
        self.group = self.elb.create_target_group(
            Name="b", Protocol="HTTP", Port=80, VpcId=vpc, HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2)["TargetGroups"][0]["TargetGroupArn"]
        self.elb.create_listener(LoadBalancerArn=b, Protocol="HTTP", Port=80, DefaultActions=[
            {"Type": "forward", "TargetGroupArn": self.group}])
        host.await_true(lambda: self.elb.describe_load_balancers(LoadBalancerArns=[b])[
            "LoadBalancers"][0]["State"]["Code"] == "active", 30, "an active load balancer")
        nics = self.ec2.describe_network_interfaces(Filters=[
            {"Name": "description", "Values": ["ELB app/b/*"]}])["NetworkInterfaces"]
        self.url = f"http://{nics[0]['Association']['PublicIp']}/"
        mine = self.ec2.describe_network_interfaces(Filters=[
            {"Name": "attachment.instance-id", "Values": [self.machine]}])["NetworkInterfaces"]
        self.address = mine[0]["PrivateIpAddress"]

    def register(self, *ports):
        self.elb.register_targets(TargetGroupArn=self.group, Targets=[
            {"Id": self.machine, "Port": p} for p in ports])

    def states(self):
        return [d["TargetHealth"] for d in self.elb.describe_target_health(
            TargetGroupArn=self.group)["TargetHealthDescriptions"]]

    def until_asked(self, word):
        """Milliseconds until a request reaches the target that answers this."""
        began = time.monotonic()
        while True:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                if answer.read().decode() == word:
                    return (time.monotonic() - began) * 1000
            if time.monotonic() - began > 20:
                raise TimeoutError(f"no request reached {word}")


def first_request(b, port):
    """In turns: it goes, it comes back; the other one stays."""
    took = []
    b.elb.modify_target_group_attributes(TargetGroupArn=b.group, Attributes=[
        {"Key": "deregistration_delay.timeout_seconds", "Value": "0"}])
    for _ in range(10):
        b.elb.deregister_targets(TargetGroupArn=b.group,
                                 Targets=[{"Id": b.machine, "Port": port}])
        host.await_true(lambda: len(b.states()) == 1, 20, "a target less")
        time.sleep(0.2)  # what the edge does with it is not what is measured
        b.register(port)
        took.append(b.until_asked("two"))
    return report.median(took)


def thousand(b):
    began = time.monotonic()
    for n in range(20000, 20998, 100):
        b.register(*range(n, min(n + 100, 20998)))
    host.await_true(lambda: not any(s.get("Reason") == "Elb.RegistrationInProgress"
                                    for s in b.states()), 60, "a thousand targets known")
    return time.monotonic() - began


def run(out, options):
    for program in ("haproxy", "wrk"):
        if not shutil.which(program):
            out.note(f"not measured: load balancers: there is no {program}")
            return
    ports = set()
    while len(ports) < 3:
        ports.add(host.free_port())
    one, two, by_hand = ports
    seconds = max(1, int(options.seconds))
    ours, theirs, nearer = [], [], []
    with host.workspace() as folder, \
            host.Gantry(options.program, folder / "gantry", (
                "up", "--detach", "--no-fargate", "--hosts-file", "none")) as gantry, \
            haproxy(folder, "origin", ORIGIN.format(one=one, two=two)):
        gantry.await_instance()
        b = Balanced(gantry)
        b.register(one, two)
        host.await_true(lambda: [s["State"] for s in b.states()] == ["healthy"] * 2, 30,
                        "healthy targets")
        # By hand twice: in the balancer's own place in the VPC, and on the machine itself, where
        # no packet leaves the loopback interface.
        place, = (folder / "gantry/run/balancers").glob("*/netns")
        machine = f"127.0.0.1:{by_hand}"
        peer = {"address": b.address, "one": one, "two": two}
        with haproxy(folder, "vpc", BY_HAND.format(listen="0.0.0.0:81", **peer), "nsenter",
                     f"--net={place}"), \
                haproxy(folder, "machine", BY_HAND.format(listen=machine, **peer)):
            for url in (b.url.rstrip("/") + ":81/", f"http://{machine}/"):
                host.await_true(lambda u=url: answers(u), 20, url)
            for n in range(ROUNDS):
                host.say(f"load balancer: round {n + 1} of {ROUNDS}")
                theirs.append(wrk(b.url.rstrip("/") + ":81/", seconds))
                ours.append(wrk(b.url, seconds))
                nearer.append(wrk(f"http://{machine}/", seconds))
        joined = first_request(b, two)
        many = thousand(b)
    rows = [(what, f"{report.median([r for r, _ in v]):.0f}",
             report.show(report.median([p for _, p in v]), "ms"))
            for what, v in (("gantry's ALB", ours), ("HAProxy by hand, in its place", theirs),
                            ("HAProxy by hand, on the machine", nearer))]
    rate = report.median([a[0] / b[0] for a, b in zip(ours, theirs)])
    slow = report.median([a[1] / b[1] for a, b in zip(ours, theirs)])
    out.table(f"Load balancer, {CONNECTIONS} connections kept alive, 2 targets on this machine",
              ("what", "requests/s", "p99"), rows,
              [report.verdict_min("requests/s beside HAProxy by hand", rate, 0.95, "×"),
               report.verdict_max("p99 beside HAProxy by hand", slow, 1.1, "×"),
               report.verdict_max("registered target's first request", joined, 300, "ms"),
               report.verdict_max("1,000 targets registered and known", many, 2, "s")])
