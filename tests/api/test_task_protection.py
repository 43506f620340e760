"""Protected tasks stay through scale-in and deployments, until they may go."""

import time

import botocore.exceptions
import pytest

from eventually import eventually


def service_of(ecs, cluster):
    return ecs.describe_services(cluster=cluster, services=["s"])["services"][0]


def running(ecs, cluster, count):
    def look():
        arns = ecs.list_tasks(cluster=cluster, serviceName="s")["taskArns"]
        return len(arns) == count and service_of(ecs, cluster)["runningCount"] == count and arns
    return sorted(eventually(look, what=f"{count} running tasks"))


def protect(ecs, cluster, tasks, on=True, **more):
    return ecs.update_task_protection(cluster=cluster, tasks=tasks, protectionEnabled=on, **more)


@pytest.fixture
def service(ecs, cluster, host, taskdef):
    ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=taskdef(), desiredCount=3)
    return running(ecs, cluster, 3)


def test_a_protected_task_outlives_scale_in(ecs, cluster, service):
    kept = service[1]
    answer = protect(ecs, cluster, [kept.rsplit("/", 1)[1]])
    assert answer["failures"] == []
    assert [p["taskArn"] for p in answer["protectedTasks"]] == [kept]
    until = answer["protectedTasks"][0]["expirationDate"].timestamp()
    assert 119 * 60 < until - time.time() <= 120 * 60
    ecs.update_service(cluster=cluster, service="s", desiredCount=1)
    assert running(ecs, cluster, 1) == [kept]
    ecs.update_service(cluster=cluster, service="s", desiredCount=0)
    eventually(lambda: any("unable to scale in. Reason: The number of protected tasks are more "
                           "than the desired count of tasks." in e["message"]
                           for e in service_of(ecs, cluster)["events"]))
    assert running(ecs, cluster, 1) == [kept]
    answer = protect(ecs, cluster, [kept], on=False)
    assert answer["protectedTasks"] == [{"taskArn": kept, "protectionEnabled": False}]
    eventually(lambda: ecs.list_tasks(cluster=cluster, serviceName="s")["taskArns"] == [])


def test_protection_survives_a_restart_and_is_read_back(own_server):
    ecs = own_server.client("ecs")
    from fake_host import FakeHost
    ecs.create_cluster(clusterName="c")
    host = FakeHost(own_server, "c")
    td = ecs.register_task_definition(family="f", containerDefinitions=[
        {"name": "app", "image": "i", "memory": 8}])["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(cluster="c", serviceName="s", taskDefinition=td, desiredCount=2)
    first, second = running(ecs, "c", 2)
    said = protect(ecs, "c", [first], expiresInMinutes=2880)["protectedTasks"]
    host.close()
    own_server.restart()
    answer = ecs.get_task_protection(cluster="c", tasks=[first, second, "f" * 32])
    by_arn = {p["taskArn"]: p for p in answer["protectedTasks"]}
    assert by_arn[first] == said[0]
    assert by_arn[second] == {"taskArn": second, "protectionEnabled": False}
    assert [f["reason"] for f in answer["failures"]] == ["MISSING"]
    assert answer["failures"][0]["arn"].endswith("task/c/" + "f" * 32)


def test_a_deployment_waits_for_protected_tasks(ecs, cluster, service, taskdef):
    kept, other = service[0], service[1]
    protect(ecs, cluster, [kept])
    ecs.update_service(cluster=cluster, service="s", taskDefinition=taskdef(cpu=64),
                       deploymentConfiguration={"minimumHealthyPercent": 0,
                                                "maximumPercent": 200})
    blocked = protect(ecs, cluster, [other])["failures"]
    assert [(f["arn"], f["reason"]) for f in blocked] in (
        [(other, "DEPLOYMENT_BLOCKED")], [(other, "TASK_NOT_VALID")])  # it may be going already
    assert protect(ecs, cluster, [kept], expiresInMinutes=5)["failures"] == []

    def only_kept_is_old():
        old = [t for t in ecs.list_tasks(cluster=cluster, serviceName="s")["taskArns"]
               if t in service]
        return old == [kept]
    eventually(only_kept_is_old, timeout=60)
    assert len(service_of(ecs, cluster)["deployments"]) == 2
    ecs.stop_task(cluster=cluster, task=kept)  # protection does not keep people from it
    eventually(lambda: len(service_of(ecs, cluster)["deployments"]) == 1, timeout=60)


def test_who_cannot_be_protected(ecs, cluster, host, taskdef):
    alone = ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"][0]["taskArn"]
    failures = protect(ecs, cluster, [alone, "0" * 32])["failures"]
    assert [(f["arn"], f["reason"]) for f in failures] == [
        (alone, "TASK_NOT_VALID"), (alone.rsplit("/", 1)[0] + "/" + "0" * 32, "MISSING")]
    for bad in ({"tasks": []}, {"tasks": ["1" * 32] * 11}, {"expiresInMinutes": 0},
                {"expiresInMinutes": 2881}):
        with pytest.raises(botocore.exceptions.ClientError) as e:
            ecs.update_task_protection(**{"cluster": cluster, "tasks": [alone],
                                          "protectionEnabled": True, **bad})
        assert e.value.response["Error"]["Code"] == "InvalidParameterException"
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.get_task_protection(cluster="nowhere", tasks=[alone])
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.get_task_protection(cluster=cluster, tasks=[])
