"""Tasks of launch type FARGATE under `gantry up`: real containers on the hidden pool, driven
by boto3, measured from inside and from outside."""

import json
import os
import pathlib
import resource
import signal

import pytest

from support import images, machine
from support.gantry import Gantry, Not, eventually, reasons_not_to_run

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()) or not os.path.exists("/dev/loop-control"),
                       reason=str(reasons_not_to_run() or "needs loop devices")),
    pytest.mark.timeout(120),
]

# What Docker gives a container, and nothing else: CHOWN … SETFCAP, no SYS_ADMIN, no NET_ADMIN.
DEFAULT_CAPABILITIES = "00000000a80425fb"


@pytest.fixture(scope="module")
def g():
    gantry = Gantry()
    try:
        gantry.image = gantry.push("probe", images.probe_image())
        busybox = pathlib.Path("/bin/busybox").read_bytes()
        gantry.busybox = gantry.push("busybox", images.probe_image(
            files=[("bin", None), ("bin/busybox", busybox)],
            Entrypoint=["/bin/busybox", "sh", "-c"]))
        yield gantry
    finally:
        gantry.close()


@pytest.fixture
def family(request):
    return "".join(ch if ch.isalnum() else "-" for ch in request.node.name)[:100]


@pytest.fixture(autouse=True)
def evidence(request):
    yield
    print(request.getfixturevalue("g").log()[-4000:])


def main(g, *command, **more):
    return {"name": "main", "image": g.image, "command": list(command), **more}


def shell(g, script, **more):
    return {"name": "main", "image": g.busybox, "command": [script], **more}


def define(g, family, *containers, cpu="256", memory="512", **more):
    return g.define(family, *containers, networkMode="awsvpc", cpu=cpu, memory=memory,
                    requiresCompatibilities=["FARGATE"], **more)


def start(g, family, *containers, **more):
    return g.run_task(define(g, family, *containers, **more), launchType="FARGATE",
                      networkConfiguration=g.awsvpc())


def end(g, family, *containers, **more):
    return g.wait_status(start(g, family, *containers, **more), "STOPPED")


def name_of(task):
    return task.rsplit("/", 1)[-1]


def stop(g, *tasks):
    for t in tasks:
        g.ecs.stop_task(task=t)
    return [g.wait_status(t, "STOPPED") for t in tasks]


def said(g, task, *container):
    return eventually(lambda: g.logs(task, *container) or Not("nothing"), 10, "output").strip()


def group(task):
    """The limits of the task's group, from whichever hierarchies there are."""
    found = {}
    for base, _, files in os.walk("/sys/fs/cgroup"):
        if base.endswith((f"/ecs/{name_of(task)}", f"ecstasks-{name_of(task)}.slice")):
            for f in files:
                if f in ("memory.limit_in_bytes", "cpu.cfs_quota_us", "memory.max", "cpu.max"):
                    found[f.split(".")[0]] = machine.read(f"{base}/{f}").split()[0]
    return found


def test_a_task(g, family):
    """An address, a disk and a group of exactly its size; localhost is the task's own."""
    task = start(g, family,
                 main(g, "serve", "8080", "from the neighbour", stopTimeout=2),
                 {**shell(g, "until /probe fetch 127.0.0.1 8080 > /said; do :; done; "
                             "busybox cat /said; exec busybox sleep 100"),
                  "name": "side", "stopTimeout": 2,
                  "environment": [{"name": "PATH", "value": "/bin"}]})
    found = g.wait_status(task, "RUNNING")
    assert found["launchType"] == "FARGATE" and found["platformVersion"] == "1.4.0"
    assert found["platformFamily"] == "Linux" and "containerInstanceArn" not in found
    assert found["ephemeralStorage"] == {"sizeInGiB": 20}
    assert len({i["privateIpv4Address"] for c in found["containers"]
                for i in c["networkInterfaces"]}) == 1
    assert said(g, task, "side") == "from the neighbour"
    assert group(task) == {"memory": str(512 << 20), "cpu": "25000"}
    disk = next(line.split()[1] for line in machine.read("/proc/mounts").splitlines()
                if f"/{name_of(task)}/.disk " in line)
    assert disk.startswith(f"{g.data}/fargate/")
    size = os.statvfs(disk)
    assert 19 << 30 < size.f_blocks * size.f_frsize <= 20 << 30
    inside = g.command("exec", name_of(task), "--container", "side", "--", "/bin/busybox", "echo",
                       "hello")
    assert inside.stdout == "hello\n", inside.stderr
    assert name_of(task)[:12] in g.command("status").stdout
    stop(g, task)
    assert not os.path.exists(disk) and not group(task)


def test_no_privileges(g, family):
    found = end(g, family, main(g, "dump"))
    assert found["containers"][0]["exitCode"] == 0, found
    seen = json.loads(g.logs(found["taskArn"]))
    status = dict(line.split(":\t", 1) for line in seen["status"].splitlines() if ":\t" in line)
    assert status["CapBnd"] == status["CapEff"] == DEFAULT_CAPABILITIES
    assert status["Seccomp"].strip() == "2"
    assert "AWS_EXECUTION_ENV=AWS_ECS_FARGATE" in seen["env"]
    nofile = next(line for line in seen["limits"].splitlines() if "open files" in line)
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert nofile.split()[3] == nofile.split()[4]
    assert int(nofile.split()[3]) in (65535, min(allowed, 65535))
    devices = end(g, family + "-dev", shell(g, "busybox ls /dev; busybox mknod /x b 7 0; "
                                               "busybox head -c1 /x",
                                            environment=[{"name": "PATH", "value": "/bin"}]))
    words = g.logs(devices["taskArn"])
    assert not [w for w in words.split() if w.startswith(("loop", "sd", "vd", "kmsg", "mem"))]
    assert devices["containers"][0]["exitCode"] != 0  # no block device can be opened


def test_metadata_says_fargate(g, family):
    env = [{"name": "PATH", "value": "/bin"}]
    found = end(g, family, shell(g, "busybox wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task; echo",
                                 environment=env))
    document = json.loads(said(g, found["taskArn"]))
    assert document["LaunchType"] == "FARGATE"
    assert document["Limits"] == {"CPU": 0.25, "Memory": 512}
    assert document["TaskARN"] == found["taskArn"]


def test_too_much_memory(g, family):
    found = end(g, family, main(g, "eat", "600"))
    container, = found["containers"]
    assert container["exitCode"] == 137
    assert container["reason"].startswith("OutOfMemoryError: "), found


def test_ephemeral_storage(g, family):
    """21 GiB are a limit, however much the machine has; a full disk is ENOSPC inside."""
    script = ("exec 2>&1; busybox fallocate -l 20g /a && echo fits; "
              "busybox fallocate -l 2g /b || echo full; busybox rm /a")
    found = end(g, family, shell(g, script, environment=[{"name": "PATH", "value": "/bin"}]),
                ephemeralStorage={"sizeInGiB": 21})
    words = g.logs(found["taskArn"])
    assert "No space left on device" in words and words.split()[0] == "fits", words
    assert words.split()[-1] == "full"
    assert found["ephemeralStorage"] == {"sizeInGiB": 21}


def test_the_agent_is_killed(g, family):
    """Its tasks go on; the next one adopts them, and what it missed is told."""
    task = start(g, family, main(g, "polite"))
    started = g.wait_status(task, "RUNNING")["startedAt"]
    old = g.part("fargate")
    os.kill(old.pid, signal.SIGKILL)
    eventually(lambda: g.part("fargate") not in (None, old), 20, "another agent")
    other = start(g, family + "-other", main(g, "polite"))
    g.wait_status(other, "RUNNING")
    again = g.describe(task)[0]
    assert again["lastStatus"] == "RUNNING" and again["startedAt"] == started
    for found in stop(g, task, other):
        assert found["containers"][0]["exitCode"] == 0


def test_side_by_side_with_a_service(g, family):
    """A service on FARGATE and a task on the instance: neither counts for the other."""
    definition = define(g, family, main(g, "polite"))
    g.ecs.create_service(serviceName=family, taskDefinition=definition, desiredCount=2,
                         launchType="FARGATE", networkConfiguration=g.awsvpc())
    plain = g.run_task(g.define(family + "-plain", {**main(g, "polite"), "memory": 32}))
    try:
        def steady():
            s = g.ecs.describe_services(services=[family])["services"][0]
            return s["runningCount"] == 2 or Not(s["events"][:3])
        eventually(steady, 30)
        here = g.wait_status(plain, "RUNNING")
        assert here["launchType"] == "EC2"
        instance = g.ecs.describe_container_instances(
            containerInstances=[here["containerInstanceArn"]])["containerInstances"][0]
        assert instance["runningTasksCount"] == 1
        assert os.path.isdir(f"{g.data}/agent/tasks/{name_of(plain)}")
        tasks = g.ecs.list_tasks(serviceName=family)["taskArns"]
        assert all(os.path.isdir(f"{g.data}/fargate/tasks/{name_of(t)}") for t in tasks)
        names = g.command("status").stdout
        assert all(name_of(t)[:12] in names for t in [*tasks, plain])
    finally:
        g.ecs.delete_service(service=family, force=True)
        stop(g, plain)


def test_without_the_pool(family):
    """--no-fargate: no third process, and its tasks wait; what down --purge leaves is
    checked by close(), here with a task still running."""
    g = Gantry("--no-fargate")
    try:
        assert g.part("fargate") is None
        g.image = g.push("probe", images.probe_image())
        task = start(g, family, main(g, "polite"))
        assert g.describe(task)[0]["lastStatus"] == "PROVISIONING"
        assert g.command("down").returncode == 0
        g.options = []
        g.up()
        g.wait_status(task, "RUNNING")
    finally:
        g.close()


def test_shares(family):
    g = Gantry("--fargate-share", "25")
    try:
        arns = g.ecs.list_container_instances()["containerInstanceArns"]
        found = g.ecs.describe_container_instances(
            containerInstances=arns)["containerInstances"][0]
        cpu = {r["name"]: r for r in found["registeredResources"]}["CPU"]["integerValue"]
        assert cpu == len(os.sched_getaffinity(0)) * 1024 * 75 // 100
    finally:
        g.close()
