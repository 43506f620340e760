"""balancer.py: an Application Load Balancer of gantry beside HAProxy configured by hand, for the
same targets, in turns; how soon a new target gets requests; and an interface of a VPC."""
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import boto3

import host
import report

CONNECTIONS = 32
ROUNDS = 11

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

# As short as it can be; and with the other headers that an Application Load Balancer sets, and
# with buffers for headers as long as it takes them.
BY_HAND = """
global
    nbthread {threads}
{buffers}
    maxconn 4000
defaults
    mode http
    option forwardfor
    timeout client 60s
    timeout server 60s
    timeout connect 5s
frontend all
    bind {listen}
{headers}
    default_backend targets
backend targets
    balance roundrobin
    option httpchk GET /
    server one {address}:{one} check inter 5s
    server two {address}:{two} check inter 5s
"""


HEADERS = """
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Port 80
    http-request set-header X-Amzn-Trace-Id "Root=1-%[date,hex,lower,bytes(8)]-\
%[uuid,regsub(-,,g),bytes(0,24)]" unless { req.hdr(x-amzn-trace-id) -m found }
"""


@contextlib.contextmanager
def haproxy(folder, name, config, *inside):
    """`inside`: a command in front, that puts it somewhere else. In a session of its own, as a
    daemon is, and as gantry's is: Linux divides the processor between sessions first
    (sched_autogroup), and one that shares wrk's is woken sooner on a busy machine."""
    path = folder / f"{name}.cfg"
    path.write_text(config)
    with open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen([*inside, "haproxy", "-db", "-f", path], stdout=log,
                                   stderr=log, start_new_session=True)
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
                                                  ToPort=82, CidrIp="0.0.0.0/0")
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


class Rival:
    """One of those that are measured in turns: (requests a second, p99) of each round."""

    def __init__(self, what, url):
        self.what, self.url, self.rounds = what, url, []

    def row(self):
        return (self.what, f"{report.median([r for r, _ in self.rounds]):.0f}",
                report.show(report.median([p for _, p in self.rounds]), "ms"))

    def ratio(self, other, n):
        """Of the same round, since the machine's speed drifts; the median."""
        return report.median([a[n] / b[n] for a, b in zip(self.rounds, other.rounds)])


def take_turns(rivals, seconds):
    for n in range(ROUNDS):
        host.say(f"load balancer: round {n + 1} of {ROUNDS}")
        for rival in rivals if n % 2 else reversed(rivals):
            rival.rounds.append(wrk(rival.url, seconds))


def by_hand(folder, b, one, two, port, inside):
    """HAProxy by hand twice in the balancer's own place in the VPC, and once on the machine
    itself, where no packet leaves the loopback interface."""
    local, url = f"127.0.0.1:{port}", b.url.rstrip("/")
    config = {"address": b.address, "one": one, "two": two,
              "threads": min(4, os.cpu_count() or 1)}
    stack = contextlib.ExitStack()
    for name, listen, headers, place in (("plain", "0.0.0.0:81", "", inside),
                                         ("headers", "0.0.0.0:82", HEADERS, inside),
                                         ("machine", local, "", ())):
        text = BY_HAND.format(listen=listen, headers=headers, **config,
                              buffers="    tune.bufsize 32768" if headers else "")
        stack.enter_context(haproxy(folder, name, text, *place))
    return stack, [Rival("HAProxy by hand, in its place", f"{url}:81/"),
                   Rival("the same, with the same headers and buffers", f"{url}:82/"),
                   Rival("HAProxy by hand, on the machine", f"http://{local}/")]


def measure(folder, gantry, seconds):
    one, two, port = host.free_port(), host.free_port(), host.free_port()
    with haproxy(folder, "origin", ORIGIN.format(one=one, two=two)):
        gantry.await_instance()
        b = Balanced(gantry)
        b.register(one, two)
        host.await_true(lambda: [s["State"] for s in b.states()] == ["healthy"] * 2, 30,
                        "healthy targets")
        place, = (folder / "gantry/run/balancers").glob("*/netns")
        hands, theirs = by_hand(folder, b, one, two, port, ("nsenter", f"--net={place}"))
        rivals = [Rival("gantry's ALB", b.url), *theirs]
        with hands:
            for rival in rivals:
                host.await_true(lambda u=rival.url: answers(u), 20, rival.url)
            take_turns(rivals, seconds)
        return rivals, first_request(b, two), thousand(b)


def interface_made():
    """Milliseconds; None: there is no driver of the router."""
    done = subprocess.run([sys.executable, host.HERE / "vpc.py", "--made"], check=False,
                          capture_output=True, text=True)
    return float(done.stdout) if done.returncode == 0 else None


def run(out, options):
    for program in ("haproxy", "wrk"):
        if not shutil.which(program):
            out.note(f"not measured: load balancers: there is no {program}")
            return
    # gantry first: its port is its own before others are chosen.
    with host.workspace() as folder, \
            host.Gantry(options.program, folder / "gantry", (
                "up", "--detach", "--no-fargate", "--hosts-file", "none")) as gantry:
        rivals, joined, many = measure(folder, gantry, max(1, int(options.seconds)))
    ours, plain, same, _ = rivals
    out.table(f"Load balancer, {CONNECTIONS} connections kept alive, 2 targets on this machine",
              ("what", "requests/s", "p99"), [r.row() for r in rivals],
              [report.verdict_min("requests/s beside HAProxy by hand", ours.ratio(plain, 0),
                                  0.95, "×"),
               report.verdict_max("p99 beside HAProxy by hand", ours.ratio(plain, 1), 1.1, "×"),
               report.verdict_min("requests/s beside the one with the same headers and buffers",
                                  ours.ratio(same, 0), 0.95, "×"),
               report.verdict_max("p99 beside the one with the same headers and buffers",
                                  ours.ratio(same, 1), 1.1, "×"),
               report.verdict_max("registered target's first request", joined, 300, "ms"),
               report.verdict_max("1,000 targets registered and known", many, 2, "s"),
               report.verdict_max("interface made, wired and in force", interface_made(), 3,
                                  "ms")])
