"""Services behind load balancers, from the caller's side: dynamic host ports are found, tasks
are replaced without one failed request, connections that stay are left alone until the delay
is over, and what breaks is taken out."""

import os
import shutil
import time

import pytest

from support import web
from support.balanced import DELAY, Balanced
from support.gantry import Gantry, eventually, reasons_not_to_run

ROUNDS = int(os.environ.get("GANTRY_ROLLOUTS", "2"))
MISSING = [p for p in ("haproxy", "dnsmasq", "wrk") if not shutil.which(p)]

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}"),
    pytest.mark.timeout(300 + 20 * ROUNDS),
]


@pytest.fixture(scope="module")
def gantry(tmp_path_factory):
    hosts = tmp_path_factory.mktemp("names") / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    g = Gantry("--hosts-file", str(hosts))
    g.hosts = hosts
    try:
        yield g
    except BaseException:
        print(g.log()[-8000:])
        raise
    finally:
        g.close()


@pytest.mark.parametrize("kind", ["instance", "ip"])
def test_rolling_updates_lose_nothing(gantry, kind, capsys):
    b = Balanced(gantry, kind, f"roll-{kind}")
    b.create()
    assert b.health() == ["healthy", "healthy"]
    updated = {}
    with web.Callers(b.url, 2) as calls, web.Callers(b.url + "slow", 4) as slow, \
            web.Wrk(b.url) as wrk, web.Sockets(b.address, 4) as sockets:
        for n in range(1, ROUNDS + 1):
            sockets.fill()
            updated[str(n - 1)] = time.monotonic()  # its targets are replaced from now on
            b.update(n)
            b.rest()
        eventually(lambda: all(s.version == str(ROUNDS) for s in sockets.alive), 20,
                   "the end of connections to what is gone")
    early = [(v, end - updated[v]) for v, end in sockets.ends
             if v not in updated or end < updated[v] + DELAY]
    with capsys.disabled():
        print(f"\nrolling updates, {kind} targets: {ROUNDS}; requests of wrk {wrk.calls} "
              f"(failed: {wrk.failures}), of others {calls.calls + slow.calls} "
              f"(failed: {calls.failures + slow.failures}), WebSockets {sockets.opened} "
              f"(closed before their target had drained: {early})")
    assert (calls.failures, slow.failures, wrk.failures, early) == ([], [], [], [])
    assert (calls.reopened, slow.reopened) == (0, 0)
    assert len(calls.answers) >= 2 * ROUNDS, "the new tasks were never asked"
    assert sockets.ends, "no target of a WebSocket was ever replaced"
    gantry.ecs.delete_service(service=b.name, force=True)


def test_a_websocket_is_left_alone_until_the_delay_is_over(gantry):
    b = Balanced(gantry, "ip", "stay")
    b.create()
    sockets = [web.WebSocket(b.address) for _ in range(4)]
    b.update(1)
    eventually(lambda: "draining" in b.health(), 30, "draining targets")
    began = time.monotonic()
    while time.monotonic() - began < DELAY - 1:
        assert all(s.echoes() for s in sockets)
    b.rest()
    eventually(lambda: not any(s.echoes() for s in sockets), 20, "the end of old connections")
    gantry.ecs.delete_service(service=b.name, force=True)


def test_blue_and_green(gantry):
    b = Balanced(gantry, "ip", "blue")
    rule = b.elb.describe_rules(ListenerArn=b.listener)["Rules"][0]["RuleArn"]
    b.create(deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0},
             balancer={"advancedConfiguration": {
                 "alternateTargetGroupArn": b.groups[1], "productionListenerRule": rule,
                 "roleArn": "arn:aws:iam::000000000000:role/ecs"}})
    with web.Callers(b.url, 4) as calls:
        eventually(lambda: len(calls.answers) == 2, 20, "both tasks' answers")
        b.update(1)
        eventually(lambda: len(calls.answers) == 4, 60, "answers of the green ones")
        b.rest()
    assert calls.failures == []
    gantry.ecs.delete_service(service=b.name, force=True)
