"""ExecuteCommand at the API: who is refused, and what the instance is told. Real sessions:
tests/system/test_exec.py."""

import http.client
import urllib.parse

import pytest

from eventually import eventually
from fake_host import SIGNED

OFF = ("The execute command failed because execute command was not enabled when the task was run "
       "or the execute command agent isn\u2019t running. Wait and try again or run a new task "
       "with execute command enabled and try again.")


def run(ecs, cluster, host, definition, enabled=True):
    arn = ecs.run_task(cluster=cluster, taskDefinition=definition,
                       enableExecuteCommand=enabled)["tasks"][0]["taskArn"]
    host.wait(lambda: arn in host.tasks)
    return arn


def describe(ecs, cluster, arn):
    return ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]


def wait_for(ecs, cluster, arn, status):
    return eventually(lambda: (t := describe(ecs, cluster, arn))["lastStatus"] == status and t)


def agents(task):
    return [a["lastStatus"] for c in task["containers"] for a in c.get("managedAgents", [])]


def execute(ecs, cluster, task, command="sh", interactive=True, **more):
    return ecs.execute_command(cluster=cluster, task=task, command=command,
                               interactive=interactive, **more)


def refusal(ecs, cluster, task, **more):
    with pytest.raises(ecs.exceptions.ClientError) as e:
        execute(ecs, cluster, task, **more)
    error = e.value.response["Error"]
    return error["Code"], error["Message"]


def test_the_instance_is_told_and_the_caller_gets_a_session(ecs, cluster, host, taskdef):
    arn = run(ecs, cluster, host, taskdef())
    task = wait_for(ecs, cluster, arn, "RUNNING")
    assert agents(task) == ["RUNNING"]
    answer = execute(ecs, cluster, arn.rsplit("/", 1)[1], command="ls 'a b'")
    told = lambda: [m["session"] for m in host.messages if m["kind"] == "EXEC"]
    host.wait(told)
    assert told() == [{"sessionId": answer["session"]["sessionId"],
                       "taskId": arn.rsplit("/", 1)[1], "command": "ls 'a b'",
                       "containerName": task["containers"][0]["name"]}]
    where = urllib.parse.urlsplit(answer["session"]["streamUrl"])
    assert where.scheme == "ws"
    assert where.netloc == urllib.parse.urlsplit(host.server.url).netloc
    assert where.path == "/v1/data-channel/" + answer["session"]["sessionId"]
    assert len(answer["session"]["tokenValue"]) >= 32
    again = execute(ecs, cluster, arn)["session"]
    assert again["sessionId"] != answer["session"]["sessionId"]
    assert again["tokenValue"] != answer["session"]["tokenValue"]


def test_behind_a_proxy_that_speaks_tls(ecs, cluster, host, taskdef):
    arn = run(ecs, cluster, host, taskdef())
    wait_for(ecs, cluster, arn, "RUNNING")
    client = host.server.client("ecs")
    client.meta.events.register("before-sign.ecs.ExecuteCommand", lambda request, **_:
                                request.headers.add_header("X-Forwarded-Proto", "https"))
    assert execute(client, cluster, arn)["session"]["streamUrl"].startswith("wss://")


def test_a_task_that_was_not_enabled_or_does_not_run(ecs, cluster, host, taskdef):
    plain = run(ecs, cluster, host, taskdef(), enabled=False)
    assert agents(wait_for(ecs, cluster, plain, "RUNNING")) == []
    assert refusal(ecs, cluster, plain) == ("InvalidParameterException", OFF)
    stopped = run(ecs, cluster, host, taskdef())
    wait_for(ecs, cluster, stopped, "RUNNING")
    ecs.stop_task(cluster=cluster, task=stopped)
    assert agents(wait_for(ecs, cluster, stopped, "STOPPED")) == ["STOPPED"]
    assert refusal(ecs, cluster, stopped) == ("InvalidParameterException", OFF)


def test_bad_requests(ecs, cluster, host, taskdef):
    arn = run(ecs, cluster, host, taskdef())
    wait_for(ecs, cluster, arn, "RUNNING")
    invalid = "InvalidParameterException"
    assert refusal(ecs, cluster, "0" * 32) == (invalid, "The referenced task was not found.")
    assert refusal(ecs, cluster, arn, interactive=False)[0] == invalid
    assert refusal(ecs, cluster, arn, command="")[0] == invalid
    assert refusal(ecs, cluster, arn, command="x" * 8193)[0] == invalid
    assert refusal(ecs, cluster, arn, container="nobody")[0] == invalid
    assert refusal(ecs, "nowhere", arn)[0] == "ClusterNotFoundException"


def test_an_agent_that_is_away(ecs, cluster, host, taskdef):
    arn = run(ecs, cluster, host, taskdef())
    wait_for(ecs, cluster, arn, "RUNNING")
    host.close()

    def away():
        try:
            return execute(ecs, cluster, arn) and None
        except ecs.exceptions.TargetNotConnectedException:
            return True
    eventually(away)


def ask(server, path, **headers):
    where = urllib.parse.urlsplit(server.url)
    c = http.client.HTTPConnection(where.hostname, where.port, timeout=10)
    try:
        c.request("GET", path, headers=headers)
        answer = c.getresponse()
        return answer.status, answer.read()
    finally:
        c.close()


def test_strangers_at_the_channel(host):
    upgrade = {"Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
    path = "/v1/data-channel/ecs-execute-command-0"
    assert ask(host.server, path)[0] == 400
    assert ask(host.server, path, **{**upgrade, "Sec-WebSocket-Version": "8"})[0] == 426
    assert ask(host.server, path, **{**upgrade, "Sec-WebSocket-Key": "short"})[0] == 400
    assert ask(host.server, path, **{**upgrade, "Upgrade": "h2c"})[0] == 400
    assert ask(host.server, path, **upgrade)[0] == 404
    agent = "/gantry/v1/agent/session/ecs-execute-command-0"
    assert ask(host.server, agent, **upgrade)[0] == 403
    signed = {"Authorization": SIGNED.format(account="000000000000"),
              "X-Amz-Date": "20260101T000000Z"}
    assert ask(host.server, agent, **upgrade, **signed)[0] == 404


def test_an_agent_that_comes_back_is_asked_again(ecs, cluster, host, taskdef):
    """Its stream may have been dead when it was asked. Once it has come, it is not."""
    arn = run(ecs, cluster, host, taskdef())
    wait_for(ecs, cluster, arn, "RUNNING")
    asked = lambda: [m["session"]["sessionId"] for m in host.messages  # noqa: E731
                     if m["kind"] == "EXEC"]

    def reconnect():
        host.close()
        host.messages.clear()
        host.connect()

    session = execute(ecs, cluster, arn)["session"]["sessionId"]
    host.wait(lambda: session in asked())
    reconnect()
    host.wait(lambda: asked() == [session])
    address = urllib.parse.urlsplit(host.server.url)
    agent = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    agent.request("GET", f"/gantry/v1/agent/session/{session}", headers={
        "Authorization": SIGNED.format(account=host.account), "X-Amz-Date": "20260101T000000Z",
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert agent.getresponse().status == 101
    reconnect()
    another = execute(ecs, cluster, arn)["session"]["sessionId"]
    host.wait(lambda: another in asked())
    assert asked() == [another]
    agent.close()
