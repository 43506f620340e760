"""The bus as its history shows it: what is told after calls, and that it agrees with state."""

import datetime
import http.client
import json
import os
import pathlib
import subprocess
import threading
import urllib.parse

import botocore.exceptions
import pytest

from conftest import GANTRY, Server
from eventually import eventually
from fake_host import SIGNED, FakeHost

TASK = "ECS Task State Change"
INSTANCE = "ECS Container Instance State Change"
ACTION = "ECS Service Action"
DEPLOYMENT = "ECS Deployment State Change"


def ask(server, signed=True, account="000000000000", **query):
    address = urllib.parse.urlparse(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    headers = {"Authorization": SIGNED.format(account=account),
               "X-Amz-Date": "20260101T000000Z"} if signed else {}
    connection.request("GET", "/gantry/v1/events?" + urllib.parse.urlencode(
        query, quote_via=urllib.parse.quote),
                       headers=headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def history(server, **query):
    """All events of the query, page by page."""
    found, after = [], {}
    while True:
        status, text = ask(server, **query, **after)
        assert status == 200, text
        rows = [json.loads(line) for line in text.splitlines()]
        found += [row["event"] for row in rows if "event" in row]
        if not rows or "event" in rows[-1]:
            return found
        after = {"after": rows[-1]["cursor"]}


def names(events):
    return [e["detail"]["eventName"] for e in events]


def test_a_tasks_life_is_told(server, ecs, cluster, host, taskdef):
    td = taskdef()
    arn = ecs.run_task(cluster=cluster, taskDefinition=td)["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_running").wait(cluster=cluster, tasks=[arn])
    ecs.stop_task(cluster=cluster, task=arn, reason="enough")
    ecs.get_waiter("tasks_stopped").wait(cluster=cluster, tasks=[arn])
    events = history(server, resource=arn)
    assert [e["detail"]["lastStatus"] for e in events] == [
        "PENDING", "RUNNING", "STOPPING", "STOPPED"]
    versions = [e["detail"]["version"] for e in events]
    assert versions == sorted(set(versions))
    last = events[-1]
    assert (last["version"], last["source"], last["detail-type"]) == ("0", "aws.ecs", TASK)
    assert last["resources"] == [arn] and last["account"] == "000000000000"
    assert last["region"] == "us-east-1" and last["time"].endswith("Z")
    detail = last["detail"]
    assert detail["stoppedReason"] == "enough" and detail["stopCode"] == "UserInitiated"
    assert detail["containers"][0]["exitCode"] == 143
    assert detail["createdAt"].startswith("20") and detail["updatedAt"].endswith("Z")
    now = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]
    assert detail["version"] == now["version"]
    assert detail["stoppedAt"][:19] == now["stoppedAt"].astimezone(
        datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    assert len({e["id"] for e in events}) == 4


def test_instances_tell_of_themselves_and_their_tasks(server, ecs, cluster, host, taskdef):
    arn = ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_running").wait(cluster=cluster, tasks=[arn])
    running = eventually(
        lambda: [e for e in history(server, resource=host.arn, type=INSTANCE)
                 if e["detail"]["runningTasksCount"] == 1], what="the instance's news")
    left = {r["name"]: r.get("integerValue") for r in running[0]["detail"]["remainingResources"]}
    assert left["CPU"] == 4096 - 128 and left["MEMORY"] == 8192 - 64
    assert running[0]["detail"]["agentConnected"] is True
    assert any(e["detail-type"] == TASK for e in history(server, resource=host.arn))
    ecs.update_container_instances_state(cluster=cluster, containerInstances=[host.arn],
                                         status="DRAINING")
    ecs.deregister_container_instance(cluster=cluster, containerInstance=host.arn, force=True)
    seen = [e["detail"]["status"] for e in history(server, resource=host.arn, type=INSTANCE)]
    assert seen[-2:] == ["DRAINING", "INACTIVE"]


def test_services_and_deployments_are_told(server, ecs, cluster, host, taskdef):
    service = ecs.create_service(cluster=cluster, serviceName="web", desiredCount=2,
                                 taskDefinition=taskdef())["service"]["serviceArn"]
    eventually(lambda: "SERVICE_STEADY_STATE" in names(history(server, resource=service,
                                                               type=ACTION)))
    deployments = history(server, resource=service, type=DEPLOYMENT)
    assert names(deployments) == ["SERVICE_DEPLOYMENT_IN_PROGRESS",
                                  "SERVICE_DEPLOYMENT_COMPLETED"]
    assert deployments[0]["detail"]["deploymentId"].startswith("ecs-svc/")
    assert deployments[0]["detail"]["eventType"] == "INFO"
    tasks = {e["resources"][0] for e in history(server, resource=service, type=TASK)}
    assert len(tasks) == 2
    ecs.update_service(cluster=cluster, service="web", desiredCount=1)
    eventually(lambda: "TASKS_STOPPED" in names(history(server, resource=service, type=ACTION)))


def test_a_placement_failure_is_told(server, ecs, cluster, host, taskdef):
    service = ecs.create_service(cluster=cluster, serviceName="big", desiredCount=1,
                                 taskDefinition=taskdef(memory=60000))["service"]["serviceArn"]
    failure = eventually(lambda: [
        e for e in history(server, resource=service, type=ACTION)
        if e["detail"]["eventName"] == "SERVICE_TASK_PLACEMENT_FAILURE"])[0]
    assert failure["detail"]["eventType"] == "ERROR"
    assert "insufficient memory" in failure["detail"]["reason"]


def test_a_new_count_and_a_daemon_out_of_place_are_told(server, ecs, cluster, host, taskdef):
    service = ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=taskdef(),
                                 desiredCount=1)["service"]["serviceArn"]
    ecs.update_service(cluster=cluster, service="s", desiredCount=1)
    told = "SERVICE_DESIRED_COUNT_UPDATED"
    assert told not in names(history(server, resource=service, type=ACTION))
    ecs.update_service(cluster=cluster, service="s", desiredCount=2)
    eventually(lambda: told in names(history(server, resource=service, type=ACTION)))

    ecs.put_attributes(cluster=cluster, attributes=[
        {"name": "kind", "value": "good", "targetId": host.arn}])
    daemon = ecs.create_service(cluster=cluster, serviceName="d", taskDefinition=taskdef(),
                                schedulingStrategy="DAEMON", placementConstraints=[
                                    {"type": "memberOf", "expression": "attribute:kind == good"}])
    arn = daemon["service"]["serviceArn"]
    eventually(lambda: ecs.list_tasks(cluster=cluster, serviceName="d")["taskArns"])
    ecs.put_attributes(cluster=cluster, attributes=[
        {"name": "kind", "value": "bad", "targetId": host.arn}])
    eventually(lambda: "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED" in names(
        history(server, resource=arn, type=ACTION)))


def test_reading_is_paged_in_both_directions(server, ecs, cluster, host, taskdef):
    td = taskdef()
    for _ in range(3):
        ecs.run_task(cluster=cluster, taskDefinition=td, count=5)
    eventually(lambda: len(history(server, type=TASK,
                                   resource=f"cluster/{cluster}")) >= 30)
    up = [e["id"] for e in history(server, type=TASK, resource=f"cluster/{cluster}")]
    small = [e["id"] for e in history(server, type=TASK, resource=f"cluster/{cluster}", limit=7)]
    down = [e["id"] for e in history(server, type=TASK, resource=f"cluster/{cluster}", limit=7,
                                     order="newest")]
    assert up == small == down[::-1] and len(set(up)) == len(up)
    assert history(server, since=(1 << 48) - 1) == []


@pytest.mark.parametrize("query, status", [
    ({"limit": "x"}, 400), ({"limit": 1001}, 400), ({"since": -1}, 400), ({"after": "x"}, 400)])
def test_bad_questions_are_refused(server, query, status):
    assert ask(server, **query)[0] == status


def test_only_the_account_of_the_caller_is_told(server, ecs, cluster):
    server.client("ecs", account="111122223333").create_cluster(clusterName="theirs")
    FakeHost(server, "theirs", account="111122223333").close()
    theirs = history(server, account="111122223333")
    assert theirs and {e["account"] for e in theirs} == {"111122223333"}
    assert {e["account"] for e in history(server)} <= {"000000000000"}
    assert history(server, resource=theirs[0]["resources"][0]) == []
    assert ask(server, signed=False)[0] == 403


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_kill_9_leaves_history_and_state_in_agreement(own_server):
    """Whatever the moment of the kill: the last event of each task that is there says what it
    is, and there is no event of a task that is not."""
    ecs = own_server.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(family="f", containerDefinitions=[
        {"name": "app", "image": "x", "memory": 4}])
    for _ in range(6):
        host = FakeHost(own_server, "c", memory=1 << 20)

        def work():
            client = own_server.client("ecs")
            try:
                while True:
                    arn = client.run_task(cluster="c", taskDefinition="f")["tasks"][0]["taskArn"]
                    client.stop_task(cluster="c", task=arn)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError,
                    IndexError):
                return
        workers = [threading.Thread(target=work) for _ in range(3)]
        for w in workers:
            w.start()
        eventually(lambda: len(host.starts) > 20)
        own_server.kill()
        for w in workers:
            w.join()
        host.close()
        own_server.start()
        check_agreement(own_server)


def check_agreement(server):
    ecs = server.client("ecs")
    told = {}
    for e in history(server, type=TASK, limit=1000):
        arn, detail = e["resources"][0], e["detail"]
        assert detail["version"] == told.get(arn, {"version": 0})["version"] + 1
        told[arn] = detail
    arns = []
    for desired in ("RUNNING", "STOPPED"):
        for page in ecs.get_paginator("list_tasks").paginate(cluster="c", desiredStatus=desired):
            arns += page["taskArns"]
    assert set(arns) == set(told)
    for i in range(0, len(arns), 100):
        for t in ecs.describe_tasks(cluster="c", tasks=arns[i:i + 100])["tasks"]:
            last = told[t["taskArn"]]
            assert (last["version"], last["lastStatus"]) == (t["version"], t["lastStatus"])


# ---- the command line ----

def gantry(server, *args):
    run = pathlib.Path(server.dir) / "run"
    run.mkdir(exist_ok=True)
    (run / "up.json").write_text(json.dumps({
        "url": server.url, "region": "us-east-1", "accountId": "000000000000", "dev": True,
        "dataDir": f"{server.dir}/data", "runDir": str(run), "runId": "x"}))
    done = subprocess.run([GANTRY, args[0], "--run-dir", run, "--data-dir", f"{server.dir}/data",
                           *args[1:]], capture_output=True, text=True, check=False, timeout=30,
                          env={**os.environ})
    return done.returncode, done.stdout, done.stderr


def test_events_and_why_of_a_forgotten_task():
    server = Server("--stopped-task-retention", "1s")
    try:
        ecs = server.client("ecs")
        ecs.create_cluster(clusterName="c")
        host = FakeHost(server, "c", auto=False)
        ecs.register_task_definition(family="f", containerDefinitions=[
            {"name": "app", "image": "x", "memory": 4}])
        arn = ecs.run_task(cluster="c", taskDefinition="f")["tasks"][0]["taskArn"]
        host.wait(lambda: arn in host.tasks, what="the task")
        host.running(arn)
        host.stopped(arn, exit_code=127)
        eventually(lambda: not ecs.describe_tasks(cluster="c", tasks=[arn])["tasks"])
        host.close()
        code, out, err = gantry(server, "why", arn)
        assert code == 0, err
        assert "ECS has forgotten it" in out and "is STOPPED" in out
        assert "'app' ended with exit code 127 (its command was not found)" in out
        code, out, err = gantry(server, "why", "--cluster", "c", arn.split("/")[-1])
        assert code == 0 and "is STOPPED" in out, err
        code, out, err = gantry(server, "events", "--task", arn)
        assert code == 0, err
        assert [line.split()[3] for line in out.splitlines()] == ["PENDING", "RUNNING", "STOPPED"]
        code, out, err = gantry(server, "events", "--json", "--type", "task", "--since", "1h")
        assert [json.loads(line)["detail"]["lastStatus"] for line in out.splitlines()] == [
            "PENDING", "RUNNING", "STOPPED"]
        code, out, err = gantry(server, "why", "nobody")
        assert code == 1 and "no such service" in err
        assert gantry(server, "events", "--since", "x")[0] == 1
    finally:
        server.close()
