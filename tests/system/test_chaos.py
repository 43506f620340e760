"""kill -9 of anything at any moment: tasks go on or are replaced, what the API says is what
runs, nothing is lost and nothing runs twice; and `down --purge` then leaves nothing.

GANTRY_CHAOS_SEED and GANTRY_CHAOS_KILLS change what is done; the seed is printed."""

import collections
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

import pytest

from support import images, machine
from support.gantry import AWAY, GANTRY, Gantry, Not, eventually, reasons_not_to_run

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.timeout(600),
]

SERVICE_TASKS, LONE_TASKS = 6, 3
PATIENCE = 25  # seconds until state and reality must agree
KILLS = int(os.environ.get("GANTRY_CHAOS_KILLS", "210"))
SEED = int(os.environ.get("GANTRY_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)

PARTS = ("server", "agent", "up")
WEIGHTS = {"server": 24, "agent": 24, "up": 14, "conmon": 19, "container": 19}


def task_id(arn):
    return arn.rsplit("/", 1)[-1]


class World:
    """What should run, what the API says, and what does run."""

    def __init__(self, gantry, shared):
        self.g = gantry
        self.shared = shared
        self.desired = SERVICE_TASKS
        self.lone = set()      # ids of standalone tasks that nobody hurt
        self.hurt = set()      # ids whose container or supervisor was killed
        self.stopped = set()   # ids that were stopped through the API
        self.early = set()     # ids whose supervisor was killed before the first instruction:
                               # such a start is tried again
        self.first_seen = {}   # id -> process, which must stay the same
        self.runtime_id = {}   # task id -> container id
        self.network = True

    # ---- starting ----

    def begin(self, ref):
        volumes = [{"name": "shared", "host": {"sourcePath": self.shared}}]
        self.definition = self.g.define(
            "hold", {"name": "main", "image": ref, "memory": 16, "stopTimeout": 5,
                     "command": ["hold", "/shared", "80"],
                     "portMappings": [{"containerPort": 80, "hostPort": 0}],
                     "mountPoints": [{"sourceVolume": "shared", "containerPath": "/shared"}]},
            networkMode="bridge", volumes=volumes)
        self.g.ecs.create_service(serviceName="web", taskDefinition=self.definition,
                                  desiredCount=self.desired)
        for i in range(LONE_TASKS):
            self.run_lone(f"begin-{i}")

    def run_lone(self, token):
        """Accepted once, whatever dies: the token makes the repetition the same task."""
        answer = self.g.steadily(lambda: self.g.ecs.run_task(
            taskDefinition=self.definition, clientToken=token))
        assert not answer["failures"], answer
        self.lone.add(task_id(answer["tasks"][0]["taskArn"]))

    def stop_lone(self, task):
        self.lone.discard(task)
        self.stopped.add(task)
        self.g.steadily(lambda: self.g.ecs.stop_task(task=task, reason="chaos"))

    def scale(self, count):
        self.desired = count
        self.g.steadily(lambda: self.g.ecs.update_service(service="web", desiredCount=count))

    # ---- looking ----

    def api(self):
        """{task id: task} of those that are to run, and the service."""
        arns = [a for page in self.g.ecs.get_paginator("list_tasks").paginate()
                for a in page["taskArns"]]
        tasks = {task_id(t["taskArn"]): t for t in self.g.describe(*arns)} if arns else {}
        return tasks, self.g.ecs.describe_services(services=["web"])["services"][0]

    def agreement(self):
        """True once all that can be compared is the same; before that, what is not."""
        try:
            tasks, service = self.api()
        except AWAY as e:
            return Not(f"the server is away: {e}")
        containers, supervisors = self.g.processes.look()
        self.check_once(containers)
        for key in ("runningCount", "desiredCount"):
            if service[key] != self.desired:
                return Not(f"{key} {service[key]}, not {self.desired}")
        if service["pendingCount"]:
            return Not(f"pendingCount {service['pendingCount']}")
        if any(t["lastStatus"] != "RUNNING" for t in tasks.values()):
            return Not({k: (t["lastStatus"], t["containers"]) for k, t in tasks.items()
                        if t["lastStatus"] != "RUNNING"})
        running, real = set(tasks), {task for task, _ in containers}
        if running != real:
            return Not(f"the API says {running - real} and not {real - running}")
        ids = {t["containers"][0]["runtimeId"] for t in tasks.values()}
        if ids != set(supervisors):
            return Not(f"supervised: {ids ^ set(supervisors)}")
        lone = {k for k, t in tasks.items() if t["group"].startswith("family:")} - self.early
        if lone != self.lone:
            return Not(f"standalone: {lone}, not {self.lone}")
        return self.instance_agrees(len(tasks)) and self.answers(tasks)

    def instance_agrees(self, count):
        arns = self.g.ecs.list_container_instances()["containerInstanceArns"]
        found = self.g.ecs.describe_container_instances(
            containerInstances=arns)["containerInstances"]
        if len(found) != 1:
            return Not(f"{len(found)} instances")
        if not found[0]["agentConnected"] or found[0]["runningTasksCount"] != count or \
                found[0]["pendingTasksCount"]:
            return Not(found[0])
        return True

    def answers(self, tasks):
        """Behind each host port is the container that the API names."""
        for task, found in tasks.items():
            port = found["containers"][0]["networkBindings"][0]["hostPort"]
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
                    said = s.recv(100).decode()
            except OSError as e:
                return Not(f"port {port} of {task}: {e}")
            if said != task[:12]:
                return Not(f"port {port} of {task}: {said}")
        return True

    def check_once(self, containers):
        """Holds at every moment, not only in agreement."""
        for key, found in containers.items():
            assert len(found) == 1, f"{key} runs twice: {found}"

    def check_identity(self):
        """In agreement: who was not hurt is who it was."""
        containers, _ = self.g.processes.look()
        now = {task: found[0] for (task, _), found in containers.items()}
        for task, process in self.first_seen.items():
            if task not in self.hurt and task not in self.stopped and task in now:
                assert now[task] == process, f"{task} was {process}, is {now[task]}"
        self.first_seen = now
        starts = pathlib.Path(self.shared, "starts").read_text().splitlines()
        again = [x for x, n in collections.Counter(starts).items() if n > 1]
        assert not again and not any(s.startswith("twice") for s in starts), again

    def check_unhurt(self, before):
        """Of those that ran before the kills, only the hurt may be gone."""
        containers, _ = self.g.processes.look()
        gone = set(before) - {task for task, _ in containers}
        allowed = self.hurt | self.early | self.stopped | self.scaled_away()
        assert gone <= allowed, f"gone though nobody touched them: {gone - allowed}"

    def scaled_away(self):
        stopped = self.g.ecs.list_tasks(serviceName="web", desiredStatus="STOPPED")["taskArns"]
        found = self.g.describe(*stopped[:100]) if stopped else []
        return {task_id(t["taskArn"]) for t in found
                if t.get("stopCode") == "ServiceSchedulerInitiated"}

    def check_reasons(self):
        """Each hurt or stopped task ended, and says why."""
        arns = [a for page in self.g.ecs.get_paginator("list_tasks").paginate(
            desiredStatus="STOPPED") for a in page["taskArns"]]
        found = {}
        for i in range(0, len(arns), 100):
            found.update({task_id(t["taskArn"]): t for t in self.g.describe(*arns[i:i + 100])})
        missing = (self.hurt | self.stopped) - set(found)
        assert not missing, f"nobody knows {missing}"
        for task in self.hurt - self.stopped:
            t = found[task]
            c = t["containers"][0]
            assert t["lastStatus"] == "STOPPED", str(t)
            if t["stopCode"] == "ServiceSchedulerInitiated":
                continue
            if t["stopCode"] == "TaskFailedToStart":  # killed before its first instruction
                assert c["reason"].startswith(("CannotStartContainerError: ",
                                               "CannotCreateContainerError: ")), str(t)
                continue
            assert t["stopCode"] == "EssentialContainerExited", str(t)
            assert t["stoppedReason"] == "Essential container in task exited", str(t)
            assert c["exitCode"] == 137, str(t)
        for task in self.stopped - self.hurt:
            t = found[task]
            assert (t["stopCode"], t["stoppedReason"]) == ("UserInitiated", "chaos"), str(t)
            assert t["lastStatus"] == "STOPPED", str(t)


class Killer:
    def __init__(self, world, rng):
        self.world, self.g, self.rng = world, world.g, rng
        self.done = collections.Counter()

    def targets(self, kind):
        if kind in PARTS:
            found = self.g.part(kind)
            return [(None, found)] if found else []
        containers, supervisors = self.g.processes.look()
        if kind == "container":
            return [(task, p[0]) for (task, _), p in sorted(containers.items())]
        return [(name.split("-")[0], p[0]) for name, p in sorted(supervisors.items())]

    def kill(self, kind):
        """False when there is none just now."""
        found = self.targets(kind)
        if not found:
            return False
        begun_before = {name for name, _ in self.g.processes.look()[0]}
        task, process = self.rng.choice(found)
        try:
            fd = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return False
        try:
            if machine.identify(process.pid) != process:
                return False
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(fd)
        if task:
            begun = kind == "container" or task in begun_before
            (self.world.hurt if begun else self.world.early).add(task)
            self.world.lone.discard(task)
        self.done[kind] += 1
        if kind == "up":
            # At once or not: the next `up` has to wait for the parts to end by itself.
            self.g.up()
        return True

    def some(self):
        """One to five kills, close together; in between the API is used."""
        kinds = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()),
                                 k=self.rng.choice([1, 1, 2, 3, 5]))
        for kind in kinds:
            self.kill(kind)
            if self.rng.random() < 0.5:
                time.sleep(self.rng.random() * 0.05)
        return kinds


def act(world, rng, n):
    """Something that a person does meanwhile."""
    deed = rng.choice(["nothing", "nothing", "run", "stop", "scale"])
    if deed == "run" or not world.lone:
        world.run_lone(f"round-{n}")
    elif deed == "stop":
        world.stop_lone(rng.choice(sorted(world.lone)))
    elif deed == "scale":
        world.scale(rng.randint(SERVICE_TASKS - 2, SERVICE_TASKS + 2))


@pytest.fixture
def gantry():
    g = Gantry()
    try:
        yield g
    except BaseException:
        print(g.log()[-8000:])
        raise
    finally:
        g.close()


def kill_rounds(world, rng):
    killer, slowest, rounds = Killer(world, rng), (0, ()), 0
    while sum(killer.done.values()) < KILLS:
        before = {task for task, _ in world.g.processes.look()[0]}
        kinds = []
        if rng.random() < 0.3:
            kinds += killer.some()
        act(world, rng, rounds)
        kinds += killer.some()
        began = time.monotonic()
        eventually(world.agreement, PATIENCE, f"agreement after {kinds}")
        slowest = max(slowest, (time.monotonic() - began, tuple(kinds)))
        world.check_identity()
        world.check_unhurt(before)
        rounds += 1
    return killer.done, slowest, rounds


def test_kills_of_everything(gantry, capsys):
    rng = random.Random(SEED)
    shared = pathlib.Path(gantry.dir, "shared")
    shared.mkdir()
    shared.chmod(0o777)
    world = World(gantry, str(shared))
    world.begin(gantry.push("probe", images.probe_image()))
    eventually(world.agreement, PATIENCE, "the beginning")
    world.check_identity()
    began = time.monotonic()
    try:
        done, slowest, rounds = kill_rounds(world, rng)
    except BaseException:
        print(f"seed {SEED}\n{gantry.log()[-30000:]}\n{evidence(gantry)}")
        raise
    took = time.monotonic() - began
    with capsys.disabled():
        print(f"\nchaos: seed {SEED}: {sum(done.values())} kills in {rounds} rounds and "
              f"{took:.0f} s: " + ", ".join(f"{n} {k}" for k, n in sorted(done.items())) +
              f"; longest time to agreement {slowest[0]:.1f} s, after {' '.join(slowest[1])}")
    world.check_reasons()
    check_runtime(gantry)


def wait_all(gantry, tasks, status):
    def look():
        try:
            found = gantry.describe(*tasks)
        except AWAY as e:
            return Not(e)
        seen = collections.Counter(t["lastStatus"] for t in found)
        if seen["STOPPED"] and status != "STOPPED":
            raise AssertionError([t for t in found if t["lastStatus"] == "STOPPED"])
        return seen[status] == len(tasks) or Not(seen)
    eventually(look, 60, f"all {status}")


def test_kills_while_images_are_pulled(gantry):
    """Nobody's task fails because the registry, the agent or all was started again in the
    middle of its pull."""
    rng = random.Random(SEED)
    tasks = []
    for n in range(4):
        ref = gantry.push(f"large-{n}",
                          images.probe_image(files=[("large", images.layer_of(24 << 20))]))
        tasks.append(gantry.define(f"large-{n}", {"name": "main", "image": ref, "memory": 16,
                                                  "command": ["polite"]}, networkMode="bridge"))
    tasks = [gantry.run_task(t) for t in tasks]
    world = World(gantry, gantry.dir)
    killer = Killer(world, rng)
    for _ in range(20):
        killer.kill(rng.choice(PARTS))
        time.sleep(rng.random() * 0.1)  # not to wait for anything: so that pulls advance
    wait_all(gantry, tasks, "RUNNING")
    containers, supervisors = gantry.processes.look()
    world.check_once(containers)
    assert len(containers) == len(supervisors) == len(tasks)


def test_purge_of_ruins(gantry):
    """`down --purge` after everything was killed, and after it was itself killed at any
    moment. The fixture sees that nothing is left."""
    rng = random.Random(SEED)
    shared = pathlib.Path(gantry.dir, "shared")
    shared.mkdir()
    shared.chmod(0o777)
    world = World(gantry, str(shared))
    world.begin(gantry.push("probe", images.probe_image()))
    eventually(world.agreement, PATIENCE, "the beginning")
    world.scale(SERVICE_TASKS * 2)  # some are being made just now
    killer = Killer(world, rng)
    killer.kill("conmon")
    killer.kill("container")
    for part in ("agent", "server", "up"):
        process = gantry.part(part)
        if process:
            os.kill(process.pid, signal.SIGKILL)
    for n in range(12):
        down = subprocess.Popen([GANTRY, "down", "--purge", *gantry.place],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.02 + 0.03 * n * rng.random())  # the moment of the kill
        down.kill()
        down.wait()
    gantry.purge()


def evidence(gantry):
    """What a person would look at after a failure."""
    def words(command):
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        return f"$ {command}\n{done.stdout}{done.stderr}"
    commands = ("ip -o addr", "ip neigh", "bridge link", "nft list ruleset",
                f"grep -r . {gantry.run}/agent/net", f"ls {gantry.run}/agent/*",
                "cat /proc/sys/net/ipv4/ip_forward",
                "ps -eo pid,ppid,stat,args | grep -E 'conmon|probe|gantry'")
    return "\n".join(map(words, commands)) + f"\n{gantry.processes.look()}"


def check_runtime(gantry):
    """What the runtime lists and what the agent shows is what runs."""
    real = gantry.processes.look()[1].keys()
    listed = subprocess.run(["crun", "--root", f"{gantry.run}/agent/crun", "list", "-q"],
                            capture_output=True, text=True, check=True).stdout.split()
    assert set(listed) == set(real)
    shown = [c for c in gantry.status()["containers"] if c["status"] == "RUNNING"]
    assert {c["taskId"] for c in shown} == {name.split("-")[0] for name in real}
    roots = [d for d in os.listdir(f"{gantry.data}/agent/roots")]
    assert set(roots) == set(real)
