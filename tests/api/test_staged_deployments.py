"""Deployments by stages: BLUE_GREEN, LINEAR, CANARY, their hooks, and who decides on them.

Services of no tasks go through their stages at once: here it is about hooks, answers and
what is shown. How tasks come and go is in tests/unit/ecs/staged_test.c, on a virtual clock."""

import http.server
import json
import queue
import signal
import threading
import time

import pytest
from botocore.exceptions import ClientError

from eventually import eventually
from fake_host import FakeHost

BLUE_GREEN = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0}
SUCCEEDED = {"hookStatus": "SUCCEEDED"}


class Hook:
    """An HTTP server that answers what `answers` has next, at last the last one."""

    def __init__(self, *answers):
        self.calls = queue.Queue()
        self.answers = list(answers)
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.calls.put((self.path, self.headers["Content-Type"], json.loads(body)))
                status, answer = hook.next()
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *args: None  # who asks may be killed meanwhile
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, tuple) else (200, answer)

    def call(self):
        return self.calls.get(timeout=20)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hook():
    made = []

    def make(*answers):
        made.append(Hook(*answers))
        return made[-1]

    yield make
    for h in made:
        h.close()


def lambda_hook(url, *stages, **more):
    return {"targetType": "AWS_LAMBDA", "hookTargetArn": url, "lifecycleStages": list(stages),
            **more}


def pause_hook(*stages, **more):
    return {"targetType": "PAUSE", "lifecycleStages": list(stages), **more}


def create(ecs, cluster, td, count=0, **conf):
    return ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=td,
                              desiredCount=count,
                              deploymentConfiguration={**BLUE_GREEN, **conf})["service"]


def newest(ecs, cluster):
    arn = ecs.list_service_deployments(
        cluster=cluster, service="s")["serviceDeployments"][0]["serviceDeploymentArn"]
    return ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]


def wait_for(ecs, cluster, status):
    return eventually(lambda: (d := newest(ecs, cluster))["status"] == status and d, timeout=20,
                      what=f"{status}: {newest(ecs, cluster)}")


def at_hook(ecs, cluster, stage):
    return eventually(lambda: (d := newest(ecs, cluster)).get("lifecycleStage") == stage
                      and d.get("lifecycleHookDetails") and d, timeout=20, what=stage)


def update(ecs, cluster, td, **conf):
    ecs.update_service(cluster=cluster, service="s", taskDefinition=td,
                       deploymentConfiguration=conf)


def test_stages_end_and_are_shown(ecs, cluster, taskdef):
    made = create(ecs, cluster, taskdef())
    assert made["deploymentConfiguration"]["strategy"] == "BLUE_GREEN"
    first = wait_for(ecs, cluster, "SUCCESSFUL")
    td = taskdef(cpu=64)
    update(ecs, cluster, td)
    second = eventually(lambda: (d := newest(ecs, cluster))["serviceDeploymentArn"]
                        != first["serviceDeploymentArn"] and d["status"] == "SUCCESSFUL" and d)
    assert second["lifecycleStage"] == "CLEAN_UP"
    target = second["targetServiceRevision"]
    assert target["requestedProductionTrafficWeight"] == 100.0
    assert target["requestedTestTrafficWeight"] == 100.0
    assert second["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"] == 0.0
    now = ecs.describe_services(cluster=cluster, services=["s"])["services"][0]
    assert now["taskDefinition"] == td and len(now["deployments"]) == 1
    assert now["deployments"][0]["rolloutState"] == "COMPLETED"


def test_a_url_is_called_and_decides(ecs, cluster, taskdef, hook):
    asked = hook({"hookStatus": "IN_PROGRESS", "callBackDelay": 1, "hookDetails": {"n": [1]}},
                 SUCCEEDED, {"hookStatus": "FAILED"}, SUCCEEDED)
    old = taskdef()
    create(ecs, cluster, old)
    wait_for(ecs, cluster, "SUCCESSFUL")
    update(ecs, cluster, taskdef(cpu=64), lifecycleHooks=[
        lambda_hook(asked.url, "TEST_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT",
                    hookDetails={"mine": True})])
    path, kind, body = asked.call()
    here = newest(ecs, cluster)
    assert path == "/hook" and kind == "application/json"
    assert body["lifecycleStage"] == "TEST_TRAFFIC_SHIFT" and body["hookDetails"] == {"mine": True}
    assert body["resourceArn"] == here["serviceDeploymentArn"]
    green, blue = here["targetServiceRevision"]["arn"], here["sourceServiceRevisions"][0]["arn"]
    assert body["executionDetails"] == {
        "serviceArn": here["serviceArn"], "targetServiceRevisionArn": green,
        "testTrafficWeights": {green: 100.0, blue: 0.0},
        "productionTrafficWeights": {green: 0.0, blue: 100.0}}
    again = asked.call()[2]
    assert again["executionId"] == body["executionId"] and again["hookDetails"] == {"n": [1]}
    after = asked.call()[2]
    assert after["lifecycleStage"] == "POST_PRODUCTION_TRAFFIC_SHIFT"
    assert after["executionId"] != body["executionId"]
    assert after["executionDetails"]["productionTrafficWeights"] == {green: 100.0, blue: 0.0}
    # That one failed: the SHIFT stage that has a hook is told of the way back.
    back = asked.call()[2]
    assert back["lifecycleStage"] == "TEST_TRAFFIC_SHIFT"
    assert back["executionDetails"]["testTrafficWeights"] == {green: 0.0, blue: 100.0}
    assert back["executionDetails"]["targetServiceRevisionArn"] == green
    done = wait_for(ecs, cluster, "ROLLBACK_SUCCESSFUL")
    assert done["rollback"]["serviceRevisionArn"] == blue
    assert "POST_PRODUCTION_TRAFFIC_SHIFT failed" in done["rollback"]["reason"]
    now = ecs.describe_services(cluster=cluster, services=["s"])["services"][0]
    assert now["taskDefinition"] == old
    assert [d["status"] for d in now["deployments"]] == ["PRIMARY"]


@pytest.mark.parametrize("answer", [(404, b"no"), b"{", {"hookStatus": "WELL"}, {}],
                         ids=["404", "no-json", "unknown-status", "nothing"])
def test_an_answer_that_is_none_rolls_back(ecs, cluster, taskdef, hook, answer):
    asked = hook(answer)
    create(ecs, cluster, taskdef())
    wait_for(ecs, cluster, "SUCCESSFUL")
    update(ecs, cluster, taskdef(cpu=64), lifecycleHooks=[lambda_hook(asked.url, "POST_SCALE_UP")])
    wait_for(ecs, cluster, "ROLLBACK_SUCCESSFUL")
    assert asked.calls.qsize() == 1


@pytest.mark.parametrize("action", ["CONTINUE", "ROLLBACK"])
def test_a_pause_waits_for_a_person(ecs, cluster, taskdef, action):
    create(ecs, cluster, taskdef())
    wait_for(ecs, cluster, "SUCCESSFUL")
    update(ecs, cluster, taskdef(cpu=64), lifecycleHooks=[
        pause_hook("POST_TEST_TRAFFIC_SHIFT",
                   timeoutConfiguration={"timeoutInMinutes": 20160, "action": "CONTINUE"})])
    found = at_hook(ecs, cluster, "POST_TEST_TRAFFIC_SHIFT")
    detail = found["lifecycleHookDetails"][0]
    assert detail["status"] == "AWAITING_ACTION" and detail["targetType"] == "PAUSE"
    assert detail["timeoutAction"] == "CONTINUE"
    assert abs((detail["expiresAt"] - found["startedAt"]).total_seconds() - 20160 * 60) < 60
    arn = found["serviceDeploymentArn"]
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId="another")
    with pytest.raises(ecs.exceptions.ServiceDeploymentNotFoundException):
        ecs.continue_service_deployment(serviceDeploymentArn=arn[:-1] + "_",
                                        hookId=detail["hookId"])
    said = ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=detail["hookId"],
                                           action=action)
    assert said["serviceDeploymentArn"] == arn
    wait_for(ecs, cluster, "SUCCESSFUL" if action == "CONTINUE" else "ROLLBACK_SUCCESSFUL")
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=detail["hookId"])


def test_somebody_turns_it_back(ecs, cluster, taskdef):
    create(ecs, cluster, taskdef())
    wait_for(ecs, cluster, "SUCCESSFUL")
    update(ecs, cluster, taskdef(cpu=64), lifecycleHooks=[
        pause_hook("POST_PRODUCTION_TRAFFIC_SHIFT")])
    arn = at_hook(ecs, cluster, "POST_PRODUCTION_TRAFFIC_SHIFT")["serviceDeploymentArn"]
    ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
    done = wait_for(ecs, cluster, "ROLLBACK_SUCCESSFUL")
    assert done["targetServiceRevision"]["requestedProductionTrafficWeight"] == 0.0
    assert done["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"] == 100.0
    with pytest.raises(ecs.exceptions.ConflictException):
        ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")


def test_a_task_decides(ecs, cluster, server, taskdef):
    host = FakeHost(server, cluster, auto=False)
    try:
        create(ecs, cluster, taskdef())
        wait_for(ecs, cluster, "SUCCESSFUL")
        probe = taskdef(family=cluster + "-probe")
        update(ecs, cluster, taskdef(cpu=64), lifecycleHooks=[
            {"hookTargetArn": probe, "lifecycleStages": ["PRE_SCALE_UP"]}])
        host.wait(lambda: host.tasks, what="the hook's task")
        arn, task = next(iter(host.tasks.items()))
        told = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]
        variable = told["overrides"]["containerOverrides"][0]["environment"][0]
        assert told["taskDefinitionArn"] == probe and variable["name"] == "ECS_LIFECYCLE_HOOK"
        assert json.loads(variable["value"])["lifecycleStage"] == "PRE_SCALE_UP"
        assert newest(ecs, cluster)["lifecycleHookDetails"][0]["status"] == "IN_PROGRESS"
        host.running(arn)
        host.stopped(arn, exit_code=3)
        wait_for(ecs, cluster, "ROLLBACK_SUCCESSFUL")
    finally:
        host.close()


def test_a_deployment_goes_on_after_kill_9(own_server, hook):
    ecs = own_server.client("ecs")
    ecs.create_cluster(clusterName="c")
    tds = [ecs.register_task_definition(family="f", containerDefinitions=[
        {"name": "a", "image": "x:1", "memory": 64, "cpu": n}])["taskDefinition"]
        ["taskDefinitionArn"] for n in (1, 2)]
    asked = hook({"hookStatus": "IN_PROGRESS", "callBackDelay": 2}, SUCCEEDED)
    create(ecs, "c", tds[0])
    wait_for(ecs, "c", "SUCCESSFUL")
    update(ecs, "c", tds[1], lifecycleHooks=[
        lambda_hook(asked.url, "PRODUCTION_TRAFFIC_SHIFT"), pause_hook("PRE_SCALE_UP")])
    found = at_hook(ecs, "c", "PRE_SCALE_UP")
    own_server.restart()
    assert newest(ecs, "c")["lifecycleHookDetails"] == found["lifecycleHookDetails"]
    ecs.continue_service_deployment(serviceDeploymentArn=found["serviceDeploymentArn"],
                                    hookId=found["lifecycleHookDetails"][0]["hookId"])
    first = asked.call()[2]
    eventually(lambda: newest(ecs, "c")["lifecycleStage"] == "PRODUCTION_TRAFFIC_SHIFT")
    own_server.restart()
    assert asked.call()[2]["executionId"] == first["executionId"]
    wait_for(ecs, "c", "SUCCESSFUL")


def test_a_server_does_not_wait_for_a_hook_to_end(own_server, hook):
    ecs = own_server.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(family="f", containerDefinitions=[
        {"name": "a", "image": "x:1", "memory": 64}])
    slow = hook(SUCCEEDED)
    gate = threading.Event()
    answer = slow.next
    slow.next = lambda: (gate.wait(60), answer())[1]
    create(ecs, "c", "f", lifecycleHooks=[lambda_hook(slow.url, "POST_SCALE_UP")])
    slow.call()
    assert newest(ecs, "c")["lifecycleHookDetails"][0]["status"] == "IN_PROGRESS"
    begun = time.monotonic()
    own_server.restart(signal.SIGTERM)
    assert time.monotonic() - begun < 10
    assert newest(ecs, "c")["lifecycleHookDetails"][0]["status"] == "IN_PROGRESS"
    gate.set()


@pytest.mark.parametrize("conf", [
    {"strategy": "BLUE_GREEN"},
    {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1441},
    {"strategy": "ROLLING", "lifecycleHooks": [pause_hook("POST_SCALE_UP")]},
    {"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 2.5}},
    {"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 101.0}},
    {"strategy": "CANARY", "linearConfiguration": {"stepPercent": 10.0}},
    {**BLUE_GREEN, "lifecycleHooks": [pause_hook()]},
    {**BLUE_GREEN, "lifecycleHooks": [lambda_hook("ftp://x", "POST_SCALE_UP")]},
    {**BLUE_GREEN, "lifecycleHooks": [pause_hook("POST_SCALE_UP", hookTargetArn="http://x")]},
    {**BLUE_GREEN, "lifecycleHooks": [pause_hook("POST_SCALE_UP")] * 21},
])
def test_bad_configurations(ecs, cluster, taskdef, conf):
    with pytest.raises(ClientError) as e:
        ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=taskdef(),
                           desiredCount=0, deploymentConfiguration=conf)
    assert e.value.response["Error"]["Code"] == "InvalidParameterException"


def test_daemons_only_roll(ecs, cluster, taskdef):
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=taskdef(),
                           schedulingStrategy="DAEMON",
                           deploymentConfiguration={**BLUE_GREEN, "maximumPercent": 100})


def test_defaults_and_changes_of_strategy(ecs, cluster, taskdef):
    conf = ecs.create_service(
        cluster=cluster, serviceName="s", taskDefinition=taskdef(), desiredCount=0,
        deploymentConfiguration={"strategy": "LINEAR"})["service"]["deploymentConfiguration"]
    assert conf["linearConfiguration"] == {"stepPercent": 10.0, "stepBakeTimeInMinutes": 6}
    wait_for(ecs, cluster, "SUCCESSFUL")  # the first one has nowhere to shift from
    changed = ecs.update_service(cluster=cluster, service="s", deploymentConfiguration={
        "strategy": "CANARY"})["service"]["deploymentConfiguration"]
    assert changed["canaryConfiguration"] == {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10}
    assert "linearConfiguration" not in changed
    ecs.update_service(cluster=cluster, service="s", forceNewDeployment=True)
    found = eventually(lambda: (d := newest(ecs, cluster)).get("lifecycleStage")
                       == "PRODUCTION_TRAFFIC_SHIFT" and d)
    assert found["targetServiceRevision"]["requestedProductionTrafficWeight"] == 5.0
    rolling = ecs.update_service(cluster=cluster, service="s", forceNewDeployment=True,
                                 deploymentConfiguration={"strategy": "ROLLING"})["service"]
    assert "canaryConfiguration" not in rolling["deploymentConfiguration"]
    wait_for(ecs, cluster, "SUCCESSFUL")
