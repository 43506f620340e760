"""Services with the deployment controller EXTERNAL: task sets, scaled and shifted by a client."""

import botocore.exceptions
import pytest

from eventually import eventually
from fake_host import FakeHost


def service_of(ecs, cluster):
    return ecs.describe_services(cluster=cluster, services=["s"])["services"][0]


def sets(ecs, cluster, *ids, **more):
    return ecs.describe_task_sets(cluster=cluster, service="s", taskSets=list(ids),
                                  **more)["taskSets"]


def steady(ecs, cluster, task_set, count):
    def look():
        found = sets(ecs, cluster, task_set)[0]
        return (found["stabilityStatus"] == "STEADY_STATE" and found["runningCount"] == count
                and found["pendingCount"] == 0 and found)
    return eventually(look, what=f"{count} running tasks of {task_set}")


def create(ecs, cluster, td, scale=None, **more):
    if scale is not None:
        more["scale"] = {"value": scale, "unit": "PERCENT"}
    return ecs.create_task_set(cluster=cluster, service="s", taskDefinition=td, **more)["taskSet"]


def tasks_of(ecs, cluster, task_set):
    return ecs.list_tasks(cluster=cluster, startedBy=task_set)["taskArns"]


@pytest.fixture
def service(ecs, cluster, host):
    return ecs.create_service(cluster=cluster, serviceName="s", desiredCount=4,
                              deploymentController={"type": "EXTERNAL"})["service"]


def test_a_service_without_a_task_set_runs_nothing(ecs, cluster, service):
    assert service["deploymentController"] == {"type": "EXTERNAL"}
    assert service["deployments"] == [] and service["taskSets"] == []
    assert "taskDefinition" not in service
    assert ecs.list_tasks(cluster=cluster)["taskArns"] == []


def test_blue_and_green_by_hand(ecs, cluster, service, taskdef):
    blue = create(ecs, cluster, taskdef(), externalId="blue",
                  tags=[{"key": "colour", "value": "blue"}])
    assert blue["status"] == "ACTIVE" and blue["scale"] == {"value": 100.0, "unit": "PERCENT"}
    assert blue["externalId"] == "blue" and blue["launchType"] == "EC2"
    assert blue["taskSetArn"].endswith(f":task-set/{cluster}/s/{blue['id']}")
    found = steady(ecs, cluster, blue["id"], 4)
    assert found["computedDesiredCount"] == 4
    assert found["tags"] == []
    assert sets(ecs, cluster, blue["taskSetArn"], include=["TAGS"])[0]["tags"] == [
        {"key": "colour", "value": "blue"}]
    assert len(tasks_of(ecs, cluster, blue["id"])) == 4
    answer = ecs.update_service_primary_task_set(cluster=cluster, service="s",
                                                 primaryTaskSet=blue["id"])["taskSet"]
    assert answer["status"] == "PRIMARY"
    assert service_of(ecs, cluster)["taskDefinition"] == blue["taskDefinition"]

    green = create(ecs, cluster, taskdef(cpu=64), 30)
    found = steady(ecs, cluster, green["id"], 2)  # ceil(4 * 30 %)
    assert found["computedDesiredCount"] == 2
    ecs.update_task_set(cluster=cluster, service="s", taskSet=green["taskSetArn"],
                        scale={"value": 100, "unit": "PERCENT"})
    steady(ecs, cluster, green["id"], 4)
    ecs.update_service_primary_task_set(cluster=cluster, service="s",
                                        primaryTaskSet=green["id"])
    status = {t["id"]: t["status"] for t in service_of(ecs, cluster)["taskSets"]}
    assert status == {green["id"]: "PRIMARY", blue["id"]: "ACTIVE"}
    assert service_of(ecs, cluster)["runningCount"] == 8

    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.delete_task_set(cluster=cluster, service="s", taskSet=blue["id"])
    answer = ecs.delete_task_set(cluster=cluster, service="s", taskSet=blue["id"], force=True)
    assert answer["taskSet"]["status"] == "DRAINING"
    eventually(lambda: [t["id"] for t in sets(ecs, cluster)] == [green["id"]])
    assert tasks_of(ecs, cluster, blue["id"]) == []
    assert len(tasks_of(ecs, cluster, green["id"])) == 4
    assert any(f"(service s, taskSet {green['id']}) has reached a steady state." == e["message"]
               for e in service_of(ecs, cluster)["events"])


def test_what_dies_in_a_set_is_replaced_and_scale_in_ends_tasks(ecs, cluster, host, service,
                                                               taskdef):
    made = create(ecs, cluster, taskdef(), 50)
    steady(ecs, cluster, made["id"], 2)
    victim = tasks_of(ecs, cluster, made["id"])[0]
    host.stopped(victim, exit_code=1)
    eventually(lambda: victim not in tasks_of(ecs, cluster, made["id"])
               and len(tasks_of(ecs, cluster, made["id"])) == 2)
    ecs.update_service(cluster=cluster, service="s", desiredCount=2)
    assert steady(ecs, cluster, made["id"], 1)["computedDesiredCount"] == 1
    ecs.update_task_set(cluster=cluster, service="s", taskSet=made["id"],
                        scale={"value": 0, "unit": "PERCENT"})
    eventually(lambda: tasks_of(ecs, cluster, made["id"]) == [])
    ecs.delete_task_set(cluster=cluster, service="s", taskSet=made["id"])
    eventually(lambda: sets(ecs, cluster) == [])


def test_deleting_the_service_ends_its_task_sets(ecs, cluster, service, taskdef):
    td = taskdef()
    made = create(ecs, cluster, td)
    steady(ecs, cluster, made["id"], 4)
    ecs.delete_service(cluster=cluster, service="s", force=True)
    eventually(lambda: service_of(ecs, cluster)["status"] == "INACTIVE")
    ecs.deregister_task_definition(taskDefinition=td)
    ecs.delete_task_definitions(taskDefinitions=[td])

    def gone():
        try:
            ecs.describe_task_definition(taskDefinition=td)
        except botocore.exceptions.ClientError:
            return True
    eventually(gone, what="the end of a revision that no task set uses any more")


def test_task_sets_survive_a_restart(own_server):
    ecs = own_server.client("ecs")
    ecs.create_cluster(clusterName="c")
    host = FakeHost(own_server, "c")
    td = ecs.register_task_definition(family="f", containerDefinitions=[
        {"name": "app", "image": "i", "memory": 8}])["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(cluster="c", serviceName="s", desiredCount=2,
                       deploymentController={"type": "EXTERNAL"})
    made = create(ecs, "c", td, clientToken="once")
    assert create(ecs, "c", td, clientToken="once")["id"] == made["id"]
    steady(ecs, "c", made["id"], 2)
    before = sorted(tasks_of(ecs, "c", made["id"]))
    host.close()
    own_server.restart()
    assert [t["id"] for t in sets(ecs, "c")] == [made["id"]]
    assert sorted(tasks_of(ecs, "c", made["id"])) == before
    assert steady(ecs, "c", made["id"], 2)["taskDefinition"] == td


def test_tags_of_a_task_set(ecs, cluster, service, taskdef):
    arn = create(ecs, cluster, taskdef(), 0)["taskSetArn"]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "k", "value": "v"}])
    assert ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "k", "value": "v"}]
    ecs.untag_resource(resourceArn=arn, tagKeys=["k"])
    assert ecs.list_tags_for_resource(resourceArn=arn)["tags"] == []
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.list_tags_for_resource(resourceArn=arn + "0")


def test_what_is_refused(ecs, cluster, service, taskdef):
    td = taskdef()
    x = ecs.exceptions
    with pytest.raises(x.InvalidParameterException, match="TaskDefinition must be blank"):
        ecs.create_service(cluster=cluster, serviceName="t", taskDefinition=td, desiredCount=1,
                           deploymentController={"type": "EXTERNAL"})
    with pytest.raises(x.InvalidParameterException):
        ecs.update_service(cluster=cluster, service="s", taskDefinition=td)
    with pytest.raises(x.ServiceNotFoundException):
        ecs.create_task_set(cluster=cluster, service="nobody", taskDefinition=td)
    with pytest.raises(x.ClusterNotFoundException):
        ecs.describe_task_sets(cluster="nowhere", service="s")
    ecs.create_service(cluster=cluster, serviceName="plain", taskDefinition=td, desiredCount=0)
    with pytest.raises(x.InvalidParameterException):
        ecs.create_task_set(cluster=cluster, service="plain", taskDefinition=td)
    for scale in (-1, 100.5):
        with pytest.raises(x.InvalidParameterException):
            create(ecs, cluster, td, scale)
    made = [create(ecs, cluster, td, 0) for _ in range(5)]
    with pytest.raises(x.LimitExceededException):
        create(ecs, cluster, td, 0)
    for call in (ecs.delete_task_set, ecs.update_task_set):
        more = {"scale": {"value": 1}} if call == ecs.update_task_set else {}
        with pytest.raises(x.TaskSetNotFoundException):
            call(cluster=cluster, service="s", taskSet="ecs-svc/1", **more)
    with pytest.raises(x.TaskSetNotFoundException):
        ecs.update_service_primary_task_set(cluster=cluster, service="s",
                                            primaryTaskSet="ecs-svc/1")
    answer = ecs.describe_task_sets(cluster=cluster, service="s",
                                    taskSets=[made[0]["id"], "ecs-svc/1"])
    assert [t["id"] for t in answer["taskSets"]] == [made[0]["id"]]
    assert [(f["arn"].rsplit("/", 1)[1], f["reason"]) for f in answer["failures"]] == [
        ("1", "MISSING")]
