"""kill -9 of server, agent, supervisors and containers in the middle of rolling updates: the
service comes to rest on the newest revision, and standalone tasks beside it are left alone.

GANTRY_CHAOS_SEED and GANTRY_CHAOS_ROLLOUTS change what is done; the seed is printed."""

import os
import pathlib
import random
import time

import pytest

from support import images
from support.gantry import AWAY, Gantry, Not, eventually, reasons_not_to_run
from test_chaos import PATIENCE, SEED, Killer, World, evidence

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.timeout(600),
]

ROLLOUTS = int(os.environ.get("GANTRY_CHAOS_ROLLOUTS", "10"))
KINDS = ["server", "server", "agent", "agent", "conmon", "container", "up"]


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


class Rollouts(World):
    """A world whose service is to have the newest revision, and nothing else."""

    def next_revision(self, ref, n):
        shared = [{"name": "shared", "host": {"sourcePath": self.shared}}]
        self.definition = self.g.steadily(lambda: self.g.define(
            "hold", {"name": "main", "image": ref, "memory": 16, "stopTimeout": 5,
                     "command": ["hold", "/shared", "80"],
                     "environment": [{"name": "N", "value": str(n)}],
                     "portMappings": [{"containerPort": 80, "hostPort": 0}],
                     "mountPoints": [{"sourceVolume": "shared", "containerPath": "/shared"}]},
            networkMode="bridge", volumes=shared))
        self.g.steadily(lambda: self.g.ecs.update_service(
            service="web", taskDefinition=self.definition,
            deploymentConfiguration={"minimumHealthyPercent": 0, "maximumPercent": 200}))

    def rolled_out(self):
        try:
            tasks, service = self.api()
        except AWAY as e:
            return Not(f"the server is away: {e}")
        revisions = [d["taskDefinition"] for d in service["deployments"]]
        if revisions != [self.definition]:
            return Not(f"deployments of {revisions}, not of {self.definition} alone")
        if service["deployments"][0]["rolloutState"] != "COMPLETED":
            return Not(service["deployments"][0])
        for t in tasks.values():
            if t["group"] == "service:web" and t["taskDefinitionArn"] != self.definition:
                return Not(f"{t['taskArn']} is of {t['taskDefinitionArn']}")
        return self.agreement()


def test_kills_during_deployments(gantry, capsys):
    rng = random.Random(SEED)
    shared = pathlib.Path(gantry.dir, "shared")
    shared.mkdir()
    shared.chmod(0o777)
    world = Rollouts(gantry, str(shared))
    ref = gantry.push("probe", images.probe_image())
    world.begin(ref)
    eventually(world.agreement, PATIENCE, "the beginning")
    world.check_identity()
    killer, slowest = Killer(world, rng), 0
    try:
        for n in range(ROLLOUTS):
            world.next_revision(ref, n)
            for _ in range(rng.randint(1, 4)):
                time.sleep(rng.random() * 0.3)  # the moment of the kill
                killer.kill(rng.choice(KINDS))
            if rng.random() < 0.3:  # and another one before it is over
                world.next_revision(ref, f"{n}-again")
                killer.kill(rng.choice(KINDS))
            began = time.monotonic()
            eventually(world.rolled_out, PATIENCE, f"rollout {n}")
            slowest = max(slowest, time.monotonic() - began)
            world.check_identity()
    except BaseException:
        print(f"seed {SEED}\n{gantry.log()[-30000:]}\n{evidence(gantry)}")
        raise
    with capsys.disabled():
        print(f"\nrollouts: seed {SEED}: {ROLLOUTS} with " +
              ", ".join(f"{k} {kind}" for kind, k in sorted(killer.done.items())) +
              f" killed; longest time to rest {slowest:.1f} s")
