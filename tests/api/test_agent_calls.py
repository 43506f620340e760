"""DiscoverPollEndpoint, RegisterContainerInstance, SubmitTaskStateChange,
SubmitContainerStateChange, SubmitAttachmentStateChanges: the calls that agents make, by
hand. Agents repeat themselves and come late, so most of what is odd is acknowledged."""

import datetime

import pytest

from eventually import eventually
from fake_host import FakeHost


@pytest.fixture
def quiet(server, cluster):
    """A connected instance that reports nothing by itself."""
    h = FakeHost(server, cluster, auto=False)
    yield h
    h.close()


@pytest.fixture
def task(ecs, cluster, quiet, taskdef):
    """The ARN of a task that the instance was told to run."""
    arn = ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"][0]["taskArn"]
    quiet.wait(lambda: arn in quiet.tasks, what="the task")
    return arn


def shown(ecs, cluster, arn):
    return ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]


def test_the_endpoint_is_where_the_instance_is_told_to_poll(server, ecs, cluster, quiet):
    found = ecs.discover_poll_endpoint(cluster=cluster, containerInstance=quiet.arn)
    assert found["endpoint"] == found["telemetryEndpoint"] == server.url
    assert ecs.discover_poll_endpoint()["endpoint"] == server.url


@pytest.mark.parametrize("headers,url", [
    ({"Host": "gantry.example.test:99"}, "http://gantry.example.test:99"),
    ({"Host": "gantry.example.test", "X-Forwarded-Proto": "https"},
     "https://gantry.example.test"),
])
def test_the_endpoint_is_the_one_that_the_instance_uses(server, headers, url):
    def through_a_proxy(request, **_):
        request.headers.update(headers)
    ecs = server.client("ecs")
    ecs.meta.events.register("before-send.ecs.DiscoverPollEndpoint", through_a_proxy)
    assert ecs.discover_poll_endpoint()["endpoint"] == url


def test_registering_by_hand(ecs, cluster):
    resources = [{"name": "CPU", "type": "INTEGER", "integerValue": 1024},
                 {"name": "MEMORY", "type": "INTEGER", "integerValue": 512}]
    made = ecs.register_container_instance(
        cluster=cluster, totalResources=resources,
        versionInfo={"agentVersion": "1.2.3"}, tags=[{"key": "rack", "value": "7"}],
    )["containerInstance"]
    assert made["status"] == "ACTIVE" and made["agentConnected"] is False
    assert made["versionInfo"]["agentVersion"] == "1.2.3"
    assert made["tags"] == [{"key": "rack", "value": "7"}]
    assert f":container-instance/{cluster}/" in made["containerInstanceArn"]
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.register_container_instance(cluster="nowhere-" + cluster, totalResources=resources)
    # Who comes with an ARN that is no longer known gets a new one.
    stale = made["containerInstanceArn"].rsplit("/", 1)[0] + "/" + "0" * 32
    other = ecs.register_container_instance(
        cluster=cluster, totalResources=resources,
        containerInstanceArn=stale)["containerInstance"]["containerInstanceArn"]
    assert other not in (stale, made["containerInstanceArn"])


def test_a_task_is_what_its_agent_says(ecs, cluster, task):
    pulled = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    answer = ecs.submit_task_state_change(
        cluster=cluster, task=task, status="RUNNING", pullStartedAt=pulled,
        pullStoppedAt=pulled + datetime.timedelta(seconds=2),
        containers=[{"containerName": "app", "status": "RUNNING", "runtimeId": "abc",
                     "imageDigest": "sha256:" + "1" * 64,
                     "networkBindings": [{"bindIP": "0.0.0.0", "containerPort": 80,
                                          "hostPort": 49153, "protocol": "tcp"}]}])
    assert answer["acknowledgment"] == "ACCEPT"
    found = shown(ecs, cluster, task)
    assert found["lastStatus"] == "RUNNING" and found["pullStartedAt"] == pulled
    assert found["pullStoppedAt"] == pulled + datetime.timedelta(seconds=2)
    assert found["connectivity"] == "CONNECTED"
    container = found["containers"][0]
    assert container["runtimeId"] == "abc"
    assert container["imageDigest"] == "sha256:" + "1" * 64
    assert container["networkBindings"][0]["hostPort"] == 49153

    for _ in range(2):  # said twice, as after a lost reply
        answer = ecs.submit_task_state_change(
            cluster=cluster, task=task, status="STOPPED", reason="r" * 2000,
            containers=[{"containerName": "app", "status": "STOPPED", "exitCode": 3,
                         "reason": "why"}])
        assert answer["acknowledgment"] == "ACCEPT"
    found = shown(ecs, cluster, task)
    assert found["lastStatus"] == "STOPPED" and found["stopCode"] == "EssentialContainerExited"
    assert found["containers"][0]["exitCode"] == 3
    assert found["containers"][0]["reason"] == "why"
    assert len(found["stoppedReason"]) <= 1024
    # STOPPED is final: what comes late changes nothing.
    ecs.submit_task_state_change(cluster=cluster, task=task, status="RUNNING", containers=[
        {"containerName": "app", "status": "RUNNING"}])
    assert shown(ecs, cluster, task)["lastStatus"] == "STOPPED"


def test_a_container_on_its_own(ecs, cluster, task):
    answer = ecs.submit_container_state_change(
        cluster=cluster, task=task, containerName="app", status="RUNNING", runtimeId="xyz",
        networkBindings=[{"bindIP": "0.0.0.0", "containerPort": 80, "hostPort": 50001}])
    assert answer["acknowledgment"] == "ACCEPT"
    container = shown(ecs, cluster, task)["containers"][0]
    assert container["lastStatus"] == "RUNNING" and container["runtimeId"] == "xyz"
    assert container["networkBindings"][0]["hostPort"] == 50001
    ecs.submit_container_state_change(cluster=cluster, task=task, containerName="app",
                                      status="STOPPED", exitCode=9, reason="why")
    ecs.submit_container_state_change(cluster=cluster, task=task, containerName="app",
                                      status="RUNNING", reason="late")
    container = shown(ecs, cluster, task)["containers"][0]
    assert (container["lastStatus"], container["exitCode"], container["reason"]) == (
        "STOPPED", 9, "why")


def test_news_of_what_is_not_there_is_dropped(ecs, cluster, task):
    gone = task.rsplit("/", 1)[0] + "/" + "0" * 32
    before = shown(ecs, cluster, task)
    for say in (
        lambda: ecs.submit_task_state_change(cluster=cluster, task=gone, status="STOPPED"),
        lambda: ecs.submit_container_state_change(cluster=cluster, task=gone,
                                                  containerName="app", status="STOPPED"),
        lambda: ecs.submit_container_state_change(cluster=cluster, task=task,
                                                  containerName="nobody", status="STOPPED"),
    ):
        assert say()["acknowledgment"] == "ACCEPT"
    assert shown(ecs, cluster, task) == before


def test_attachments(ecs, cluster):
    arn = f"arn:aws:ecs:us-east-1:000000000000:attachment/{cluster}/{'a' * 32}"
    answer = ecs.submit_attachment_state_changes(
        cluster=cluster, attachments=[{"attachmentArn": arn, "status": "ATTACHED"}])
    assert answer["acknowledgment"] == "ACCEPT"
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.submit_attachment_state_changes(
            cluster=cluster, attachments=[{"attachmentArn": "eth0", "status": "ATTACHED"}])


def test_clusters_that_are_not_there(ecs, cluster):
    nowhere, x = "nowhere-" + cluster, ecs.exceptions
    for call, more in (
        (ecs.submit_task_state_change, {"task": "t", "status": "RUNNING"}),
        (ecs.submit_container_state_change,
         {"task": "t", "containerName": "app", "status": "RUNNING"}),
        (ecs.submit_attachment_state_changes, {"attachments": []}),
    ):
        with pytest.raises(x.ClusterNotFoundException):
            call(cluster=nowhere, **more)
    with pytest.raises(x.InvalidParameterException):
        ecs.submit_task_state_change(cluster=cluster, task="", status="RUNNING")


def test_a_service_counts_what_its_agents_say(ecs, cluster, quiet, taskdef):
    ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=taskdef(),
                       desiredCount=1)
    quiet.wait(lambda: quiet.tasks, what="the service's task")
    arn = next(iter(quiet.tasks))

    def count():
        return ecs.describe_services(cluster=cluster,
                                     services=["s"])["services"][0]["runningCount"]
    assert count() == 0
    ecs.submit_task_state_change(cluster=cluster, task=arn, status="RUNNING", containers=[
        {"containerName": "app", "status": "RUNNING"}])
    assert eventually(lambda: count() == 1, what="the running task")
