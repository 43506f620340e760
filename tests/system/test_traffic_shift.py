"""Deployments by stages with real packets: who answers on the production and on the test
listener while a deployment waits between two of its steps, and that nobody is refused.

PAUSE hooks hold a deployment where the test wants to count; how long a step bakes is in
tests/unit/ecs, on a virtual clock."""

import math
import shutil

import pytest

from support import web
from support.balanced import ROLE, Balanced
from support.gantry import Gantry, Not, eventually, reasons_not_to_run

MISSING = [p for p in ("haproxy", "dnsmasq", "wrk") if not shutil.which(p)]

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}"),
    pytest.mark.timeout(180),
]
SAMPLE = 300  # answers that a share is counted in
CLEAR = {"bakeTimeInMinutes": 0, "lifecycleHooks": []}
LINEAR = {"strategy": "LINEAR",
          "linearConfiguration": {"stepPercent": 25.0, "stepBakeTimeInMinutes": 0}}
CANARY = {"strategy": "CANARY",
          "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 0}}
BLUE_GREEN = {"strategy": "BLUE_GREEN"}


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


def pause(*stages):
    return {"targetType": "PAUSE", "lifecycleStages": list(stages)}


class Staged(Balanced):
    """Production is a rule of the listener at 80, tests come in at 8080."""

    def __init__(self, gantry, kind, name, strategy):
        super().__init__(gantry, kind, name)
        self.strategy, self.n, self.decided = strategy, 0, []
        forward = [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
            {"TargetGroupArn": self.groups[0], "Weight": 1},
            {"TargetGroupArn": self.groups[1], "Weight": 0}]}}]
        self.rule = self.elb.create_rule(
            ListenerArn=self.listener, Priority=1, Actions=forward,
            Conditions=[{"Field": "path-pattern", "Values": ["/version"]}])["Rules"][0]["RuleArn"]
        test = self.elb.create_listener(LoadBalancerArn=self.balancer, Protocol="HTTP", Port=8080,
                                        DefaultActions=forward)["Listeners"][0]["ListenerArn"]
        self.test_rule = self.elb.describe_rules(ListenerArn=test)["Rules"][0]["RuleArn"]
        self.create(deploymentConfiguration={**strategy, **CLEAR}, balancer={
            "advancedConfiguration": {
                "alternateTargetGroupArn": self.groups[1], "roleArn": ROLE,
                "productionListenerRule": self.rule, "testListenerRule": self.test_rule}})
        eventually(lambda: self.deployment()["status"] == "SUCCESSFUL", 20, "the first deployment")

    def deploy(self, *stages):
        """The next version, which waits for a word at each of the stages."""
        self.n += 1
        self.update(self.n, deploymentConfiguration={
            **self.strategy, **CLEAR, "lifecycleHooks": [pause(*stages)]})
        return str(self.n)

    def deployment(self):
        ecs = self.gantry.ecs
        arn = ecs.list_service_deployments(service=self.name)["serviceDeployments"][0]
        return ecs.describe_service_deployments(
            serviceDeploymentArns=[arn["serviceDeploymentArn"]])["serviceDeployments"][0]

    def held(self, stage):
        """It waits at this stage, and what it says that it gives to the new version. The
        API's stages have no PRE_PRODUCTION_TRAFFIC_SHIFT: it is shown as the one after it."""
        def look():
            d = self.deployment()
            hooks = [h for h in d.get("lifecycleHookDetails", [])
                     if h["status"] == "AWAITING_ACTION" and h["hookId"] not in self.decided]
            if not hooks or d["lifecycleStage"] != stage.removeprefix("PRE_"):
                return Not(d)
            self.waiting = d["serviceDeploymentArn"], hooks[0]["hookId"]
            return d["targetServiceRevision"]
        return eventually(look, 40, f"a pause at {stage}")

    def decide(self, action="CONTINUE"):
        self.decided.append(self.waiting[1])
        self.gantry.ecs.continue_service_deployment(
            serviceDeploymentArn=self.waiting[0], hookId=self.waiting[1], action=action)

    def over(self, status):
        eventually(lambda: (d := self.deployment())["status"] == status or Not(d), 40, status)


def share_is(calls, version, percent):
    """The version's share of answers: it comes near, and stays there."""
    def near(n):
        got = calls.now(n)[version]
        spread = 5 * math.sqrt(n * percent * (100 - percent)) / 100
        return abs(got - n * percent / 100) <= spread or Not(f"{got} of {n} by {version}")
    eventually(lambda: near(100), 20, f"{percent} % of {version}")
    assert near(SAMPLE), (version, percent, near(SAMPLE))


class Traffic:
    """Callers of both listeners all the time; nobody may be refused."""

    def __init__(self, s):
        self.production = web.Shares(s.url + "version")
        self.test = web.Shares(f"http://{s.address}:8080/version")
        self.load = web.Wrk(s.url + "version")

    def __enter__(self):
        for x in (self.production, self.test, self.load):
            x.__enter__()
        return self

    def __exit__(self, *failed):
        for x in (self.production, self.test, self.load):
            x.__exit__(*failed)
        if not failed[0]:
            assert (self.production.failures, self.test.failures, self.load.failures) == \
                ([], [], [])


def test_linear_goes_by_its_steps(gantry):
    s = Staged(gantry, "ip", "linear", LINEAR)
    with Traffic(s) as t:
        share_is(t.production, "0", 100)
        new = s.deploy("POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT")
        weights = s.held("POST_TEST_TRAFFIC_SHIFT")
        assert (weights["requestedTestTrafficWeight"],
                weights["requestedProductionTrafficWeight"]) == (100.0, 0.0)
        share_is(t.test, new, 100)  # tests come to the new one before anybody else does
        assert new not in t.production.seen
        for percent in (0, 25, 50, 75):
            s.decide()
            weights = s.held("PRE_PRODUCTION_TRAFFIC_SHIFT")
            assert weights["requestedProductionTrafficWeight"] == percent
            share_is(t.production, new, percent)
        s.decide()
        share_is(t.production, new, 100)
        s.over("SUCCESSFUL")
        s.rest()
        share_is(t.production, new, 100)
        share_is(t.test, new, 100)
        eventually(lambda: s.health() == ["healthy"] * 2 or Not(s.health()), 20,
                   "the old targets gone")
    gantry.ecs.delete_service(service=s.name, force=True)


def test_canary_and_back(gantry):
    """Over instances' ports. What was green is blue next time; a person turns the second back."""
    s = Staged(gantry, "instance", "canary", CANARY)
    with Traffic(s) as t:
        wins = "0"
        for action, end in (("CONTINUE", "SUCCESSFUL"), ("ROLLBACK", "ROLLBACK_SUCCESSFUL")):
            new = s.deploy("PRE_PRODUCTION_TRAFFIC_SHIFT")
            s.held("PRE_PRODUCTION_TRAFFIC_SHIFT")
            share_is(t.production, new, 0)
            share_is(t.test, new, 100)
            s.decide()
            assert s.held("PRE_PRODUCTION_TRAFFIC_SHIFT")[
                "requestedProductionTrafficWeight"] == 10.0
            share_is(t.production, new, 10)
            s.decide(action)
            s.over(end)
            s.rest()
            wins = new if action == "CONTINUE" else wins
            share_is(t.production, wins, 100)
            share_is(t.test, wins, 100)
        assert s.service()["taskDefinition"].endswith(":2")
    gantry.ecs.delete_service(service=s.name, force=True)


@pytest.mark.parametrize("kind", ["ip", "instance"])
def test_all_of_it_comes_back(gantry, kind):
    """Blue and green, turned back when everybody is on green already, again and again."""
    s = Staged(gantry, kind, f"green-{kind}", BLUE_GREEN)
    with Traffic(s) as t:
        for _ in range(2):
            new = s.deploy("POST_PRODUCTION_TRAFFIC_SHIFT")
            weights = s.held("POST_PRODUCTION_TRAFFIC_SHIFT")
            assert weights["requestedProductionTrafficWeight"] == 100.0
            share_is(t.production, new, 100)
            gantry.ecs.stop_service_deployment(
                serviceDeploymentArn=s.waiting[0], stopType="ROLLBACK")
            s.over("ROLLBACK_SUCCESSFUL")
            share_is(t.production, "0", 100)
            share_is(t.test, "0", 100)
            s.rest()
    gantry.ecs.delete_service(service=s.name, force=True)
