"""EC2 instances of this machine behind load balancers: tasks on them are targets by dynamic
host port and by interface, and one instance ends under load. Two runs have some at once."""

import os
import shutil
import socket
import time

import pytest

from support import machine, web
from support.balanced import DELAY, Balanced
from support.gantry import Gantry, Not, eventually, reasons_not_to_run

MISSING = [p for p in ("haproxy", "dnsmasq", "wrk") if not shutil.which(p)]

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()) or not os.path.exists("/dev/loop-control"),
                       reason=str(reasons_not_to_run() or "needs loop devices")),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}"),
    pytest.mark.timeout(240),
]
USER_DATA = "#!/bin/bash\necho ECS_CLUSTER=fleet >> /etc/ecs/ecs.config\n"
SPREAD = [{"type": "spread", "field": "instanceId"}]


def make(folder, **more):
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    g = Gantry("--hosts-file", str(hosts), **more)
    g.hosts = hosts
    try:
        g.ecs.create_cluster(clusterName="fleet")
        g.instance_profile()
        g.ami = g.client("ssm").get_parameter(
            Name="/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
        )["Parameter"]["Value"]
    except BaseException:
        g.close()
        raise
    return g


@pytest.fixture(scope="module")
def g(tmp_path_factory):
    gantry = make(tmp_path_factory.mktemp("names"))
    try:
        yield gantry
    except BaseException:
        print(gantry.log()[-8000:])
        raise
    finally:
        gantry.close()


def members(g):
    """ec2InstanceId to container instance ARN, of those that are connected."""
    arns = g.ecs.list_container_instances(cluster="fleet")["containerInstanceArns"]
    found = g.ecs.describe_container_instances(
        cluster="fleet", containerInstances=arns)["containerInstances"] if arns else []
    return {i["ec2InstanceId"]: i["containerInstanceArn"] for i in found if i["agentConnected"]}


def launch(g, n, *groups):
    """Instances of the cluster, with room for two tasks' interfaces each."""
    r = g.client("ec2").run_instances(
        ImageId=g.ami, InstanceType="t3.small", MinCount=n, MaxCount=n, UserData=USER_DATA,
        IamInstanceProfile={"Name": "ecsInstanceRole"},
        SecurityGroupIds=list(groups), SubnetId=g.awsvpc()["awsvpcConfiguration"]["subnets"][0])
    ids = {i["InstanceId"] for i in r["Instances"]}
    eventually(lambda: ids <= set(members(g)) or Not(members(g)), 40, "instances in the cluster")
    return ids


def tasks(b):
    """Its tasks that run or stop: by ARN, with their container instances."""
    ecs = b.gantry.ecs
    arns = [arn for status in ("RUNNING", "STOPPED") for arn in ecs.list_tasks(
        cluster="fleet", serviceName=b.name, desiredStatus=status)["taskArns"]]
    return {t["taskArn"]: t for t in ecs.describe_tasks(cluster="fleet", tasks=arns)["tasks"]}


def targets(b):
    """(id, port) to state, of the service's group."""
    found = b.elb.describe_target_health(TargetGroupArn=b.groups[0])["TargetHealthDescriptions"]
    return {(d["Target"]["Id"], d["Target"]["Port"]): d["TargetHealth"]["State"] for d in found}


def target_of(b, task):
    if b.kind == "instance":
        ids = {arn: i for i, arn in b.instances.items()}
        (binding,) = task["containers"][0]["networkBindings"]
        return ids[task["containerInstanceArn"]], binding["hostPort"]
    return task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"], 8080


def stands(b):
    """Two healthy targets that are its two running tasks, of any instances."""
    running = {a: t for a, t in tasks(b).items() if t["lastStatus"] == "RUNNING"}
    b.instances = {**getattr(b, "instances", {}), **members(b.gantry)}
    wanted = {target_of(b, t): "healthy" for t in running.values()}
    now = targets(b)
    return running if len(wanted) == 2 and now == wanted else Not((wanted, now))


class Held:
    """Requests that are on their way when an instance ends."""

    def __init__(self, b, count):
        self.sockets = [socket.create_connection((b.address, 80), timeout=20)
                        for _ in range(count)]
        for s in self.sockets:
            s.sendall(b"GET /hold HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n")

    def statuses(self):
        found = []
        for s in self.sockets:
            with s, s.makefile("rb") as f:
                found.append(int(f.readline().split()[1]))
        return found


def holding(instance):
    """How many of its processes hold a request."""
    return sum(instance in machine.read(f"/proc/{p}/cgroup") and
               machine.read(f"/proc/{p}/comm") == "hold\n"
               for p in filter(str.isdigit, os.listdir("/proc")))


class Timed(web.Callers):
    """Callers that know when each try that got no answer was begun and ended; those that
    were made again over a new connection are among them."""

    def __init__(self, url, count):
        super().__init__(url, count)
        self.broken = []
        for c in self.callers:
            c.once = self.timed(c.once)

    def timed(self, once):
        def f():
            begun = time.monotonic()
            try:
                once()
            except Exception as e:
                self.broken.append((begun, time.monotonic(), repr(e)))
                raise
        return f


def test_an_instance_ends_under_load(g, capsys):
    """As on EC2: what is in flight to it gets 502, or a closed connection when that one was
    used before; what begins afterwards is answered, and the tasks start elsewhere."""
    both = [Balanced(g, kind, f"fleet-{kind}", "fleet") for kind in ("instance", "ip")]
    groups = [b.sg for b in both]
    old = launch(g, 2, *groups)
    for b in both:
        b.create(placementStrategy=SPREAD, launchType="EC2")
    before = {b.name: eventually(lambda b=b: stands(b), 40, f"targets of {b.name}") for b in both}
    assert {i for b in both for i in (t["containerInstanceArn"] for t in before[b.name].values())
            } == {members(g)[i] for i in old}, "one task of each service on each instance"
    (new,) = launch(g, 1, *groups)
    victim = sorted(old)[0]
    arn = members(g)[victim]
    with Timed(both[0].url, 4) as a, Timed(both[1].url, 4) as b, \
            Timed(both[0].url + "slow", 4) as c, Timed(both[1].url + "slow", 4) as d:
        callers = {x: (4, s) for x, s in ((a, both[0]), (b, both[1]), (c, both[0]), (d, both[1]))}
        gone = {s.name: target_of(s, t) for s in both for t in before[s.name].values()
                if t["containerInstanceArn"] == arn}
        eventually(lambda: all(len(x.answers) == 2 for x in callers), 20, "answers of all four")
        held = [Held(b, 8) for b in both]
        eventually(lambda: sum(map(holding, old)) == 16, 3, "held requests on both", every=0)
        lost = holding(victim)
        assert 0 < lost < 16
        cut = time.monotonic()
        g.client("ec2").terminate_instances(InstanceIds=[victim])
        # Whoever is told of a target, it leaves with the call that ends its machine.
        assert {targets(s).get(gone[s.name]) for s in both} <= {None, "draining", "unused"}
        after = {s.name: eventually(lambda s=s: stands(s), 40, f"targets again of {s.name}")
                 for s in both}
        eventually(lambda: all(len(x.answers) == 3 for x in callers), 20,
                   "answers of the tasks that started elsewhere")
        statuses = [status for h in held for status in h.statuses()]
    assert sorted(statuses) == [200] * (16 - lost) + [502] * lost
    for s in both:
        kept, ended = set(before[s.name]) & set(after[s.name]), set(before[s.name]) - set(
            after[s.name])
        assert len(kept) == len(ended) == 1
        (fresh,) = set(after[s.name]) - set(before[s.name])
        assert after[s.name][fresh]["containerInstanceArn"] == members(g)[new]
        (t,) = g.ecs.describe_tasks(cluster="fleet", tasks=list(ended))["tasks"]
        assert (t["lastStatus"], t["stoppedReason"]) == (
            "STOPPED", f"Host EC2 (instance {victim}) terminated.")
    with capsys.disabled():
        for x, (n, s) in callers.items():
            print(f"\n{s.name}: {x.calls} calls, {len(x.broken)} broken, {len(x.failures)} "
                  f"failed; " +
                  ", ".join(f"{b - cut:.2f}-{e - cut:.2f}: {why}" for b, e, why in x.broken))
    for x, (n, s) in callers.items():
        assert len(x.broken) <= 3 * n, "a few within the moment of the end, no more"
        assert all(ended < cut + DELAY for _, ended, _ in x.broken), "waited for the dead"
    for s in both:
        g.ecs.delete_service(cluster="fleet", service=s.name, force=True)
    for i in set(members(g)):
        g.client("ec2").terminate_instances(InstanceIds=[i])


def test_two_runs_with_instances(g, tmp_path):
    """In one network, under one kernel: each has an instance with a balanced task; one run is
    ended with all that it has while the other's is called."""
    mine = Balanced(g, "ip", "mine", "fleet")
    launch(g, 2, mine.sg)
    mine.create(placementStrategy=SPREAD, launchType="EC2")
    eventually(lambda: stands(mine), 40, "targets of mine")
    other = make(tmp_path, beside=g)
    try:
        theirs = Balanced(other, "instance", "theirs", "fleet")
        (instance,) = launch(other, 1, theirs.sg)
        assert instance not in members(g)
        with web.Callers(mine.url, 2) as calls:
            theirs.create(launchType="EC2")
            eventually(lambda: stands(theirs), 40, "targets of theirs")
            with web.Callers(theirs.url, 2) as others:
                eventually(lambda: len(others.answers) == 2 and len(calls.answers) == 2, 20,
                           "answers of both")
            assert (others.failures, calls.failures) == ([], [])
            assert not others.answers & calls.answers
            other.client("ec2").terminate_instances(InstanceIds=[instance])
            eventually(lambda: not members(other), 20, "the other's instance gone")
            other.close()
            other = None
            said = calls.calls
            eventually(lambda: calls.calls > said + 100, 20, "answers after the other's end")
        assert calls.failures == [] and len(calls.answers) == 2
        assert eventually(lambda: stands(mine), 5, "targets of mine, as before")
    finally:
        if other:
            other.close()
    g.ecs.delete_service(cluster="fleet", service="mine", force=True)
