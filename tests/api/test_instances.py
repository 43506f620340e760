"""Container instances: registration, connection, draining, deregistration."""

import pytest

from eventually import eventually
from fake_host import FakeHost


def instance(ecs, cluster, arn):
    return ecs.describe_container_instances(
        cluster=cluster, containerInstances=[arn])["containerInstances"][0]


def test_registration_is_echoed(ecs, cluster, host):
    shown = instance(ecs, cluster, host.arn)
    assert shown["status"] == "ACTIVE" and shown["agentConnected"] is True
    assert {r["name"]: r["integerValue"] for r in shown["registeredResources"]
            if r["type"] == "INTEGER"} == {"CPU": 4096, "MEMORY": 8192}
    names = {a["name"] for a in shown["attributes"]}
    assert {"ecs.availability-zone", "ecs.cpu-architecture"} <= names
    assert ecs.list_container_instances(cluster=cluster)["containerInstanceArns"] == [host.arn]
    shown = ecs.describe_clusters(clusters=[cluster])["clusters"][0]
    assert shown["registeredContainerInstancesCount"] == 1


def test_registering_again_keeps_the_identity(ecs, cluster, host):
    again = host.register(8192, 1024, ["22"], [], arn=host.arn)
    assert again == host.arn
    shown = instance(ecs, cluster, host.arn)
    assert {r["name"]: r["integerValue"] for r in shown["registeredResources"]
            if r["type"] == "INTEGER"} == {"CPU": 8192, "MEMORY": 1024}
    assert len(ecs.list_container_instances(cluster=cluster)["containerInstanceArns"]) == 1


def test_type_changes_are_refused(ecs, cluster, host):
    host.register(4096, 8192, ["22"], [{"name": "ecs.instance-type", "value": "a"}],
                  arn=host.arn)
    with pytest.raises(ecs.exceptions.ClientException) as error:
        host.register(4096, 8192, ["22"], [{"name": "ecs.instance-type", "value": "b"}],
                      arn=host.arn)
    assert "Container instance type changes are not supported." in str(error.value)


def test_a_second_stream_replaces_the_first(ecs, cluster, hosts):
    host = hosts(1)[0]
    first = host.thread
    host.messages.clear()
    host.connect()
    first.join(20)
    assert not first.is_alive()
    assert instance(ecs, cluster, host.arn)["agentConnected"] is True


def test_deregistration(ecs, cluster, host, taskdef):
    arn = ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"][0]["taskArn"]
    with pytest.raises(ecs.exceptions.InvalidParameterException) as error:
        ecs.deregister_container_instance(cluster=cluster, containerInstance=host.arn)
    assert "Found running tasks on the instance." in str(error.value)
    gone = ecs.deregister_container_instance(cluster=cluster, containerInstance=host.arn,
                                             force=True)["containerInstance"]
    assert gone["status"] == "INACTIVE"
    task = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]
    assert task["lastStatus"] == "STOPPED" and "stopCode" not in task
    assert task["stoppedReason"] == "Container instance deregistration forced by user"
    host.thread.join(20)
    assert not host.thread.is_alive(), "the stream of a deregistered instance goes on"
    reply = ecs.describe_container_instances(cluster=cluster, containerInstances=[host.arn])
    assert reply["failures"] == [{"arn": host.arn, "reason": "MISSING"}]
    assert ecs.describe_clusters(clusters=[cluster])["clusters"][0][
        "registeredContainerInstancesCount"] == 0


def test_draining_takes_no_new_tasks(ecs, cluster, host, taskdef):
    ecs.update_container_instances_state(cluster=cluster, containerInstances=[host.arn],
                                         status="DRAINING")
    assert ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"] == []
    ecs.update_container_instances_state(cluster=cluster, containerInstances=[host.arn],
                                         status="ACTIVE")
    assert len(ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"]) == 1
    with pytest.raises(ecs.exceptions.InvalidParameterException) as error:
        ecs.update_container_instances_state(cluster=cluster, containerInstances=[host.arn],
                                             status="DEREGISTERING")
    assert "Container instance status should be one of [ACTIVE, DRAINING]" in str(error.value)


def test_filters(ecs, cluster, hosts):
    a, b = hosts(2)
    c = hosts(1, attributes=[{"name": "disk", "value": "ssd"}])[0]

    def listed(**how):
        return set(ecs.list_container_instances(cluster=cluster, **how)["containerInstanceArns"])

    assert listed() == {a.arn, b.arn, c.arn}
    assert listed(filter="attribute:disk == ssd") == {c.arn}
    assert listed(filter="attribute:disk !exists") == {a.arn, b.arn}
    ecs.update_container_instances_state(cluster=cluster, containerInstances=[a.arn],
                                         status="DRAINING")
    assert listed(status="DRAINING") == {a.arn} and listed(status="ACTIVE") == {b.arn, c.arn}
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        listed(filter="attribute:disk ==")


def test_a_stream_needs_its_own_account(server, cluster, host):
    stranger = FakeHost(server, cluster, connect=False)
    stranger.account = "999999999999"
    assert stranger.open().status == 400
    stranger.account, stranger.arn = "000000000000", stranger.arn[:-4] + "0000"
    assert stranger.open().status == 404


def test_tasks_follow_a_restart_of_the_server(own_server):
    ecs = own_server.client("ecs")
    ecs.create_cluster(clusterName="c")
    host = FakeHost(own_server, "c")
    td = ecs.register_task_definition(family="f", containerDefinitions=[
        {"name": "app", "image": "x", "memory": 64}])["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(cluster="c", serviceName="s", taskDefinition=td, desiredCount=3)
    eventually(lambda: ecs.describe_services(cluster="c", services=["s"])["services"][0][
        "runningCount"] == 3)
    before = set(ecs.list_tasks(cluster="c")["taskArns"])
    own_server.restart()
    ecs = own_server.client("ecs")
    host.messages.clear()
    host.ecs = ecs
    host.connect()
    assert {t["taskArn"] for t in host.messages[0]["tasks"]} == before
    assert set(ecs.list_tasks(cluster="c")["taskArns"]) == before
    assert ecs.describe_services(cluster="c", services=["s"])["services"][0]["runningCount"] == 3
    # The restarted server still replaces what dies.
    host.stopped(sorted(before)[0])
    eventually(lambda: len(set(ecs.list_tasks(cluster="c")["taskArns"]) - before) == 1)
    host.close()
