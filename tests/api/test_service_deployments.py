"""Service deployments and service revisions: what a service ran, and how it got there."""

import datetime

import pytest

from eventually import eventually
from fake_host import FakeHost
from network import awsvpc, subnets


def service_of(ecs, cluster, name="s"):
    return ecs.describe_services(cluster=cluster, services=[name])["services"][0]


def deployments(ecs, cluster, **more):
    return ecs.list_service_deployments(cluster=cluster, service="s", **more)["serviceDeployments"]


def describe(ecs, arn):
    return ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]


def revision(ecs, arn):
    return ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"][0]


def settled(ecs, cluster, status="SUCCESSFUL"):
    return eventually(lambda: (d := deployments(ecs, cluster)) and d[0]["status"] == status
                      and d[0],
                      timeout=60, what=f"{status}: {deployments(ecs, cluster)}")


QUICK = {"minimumHealthyPercent": 0, "maximumPercent": 200}


def create(ecs, cluster, td, count=2, **more):
    return ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=td,
                              desiredCount=count,
                              deploymentConfiguration={**QUICK, **more})["service"]


def test_the_first_deployment(ecs, cluster, host, taskdef):
    td = taskdef()
    made = create(ecs, cluster, td)
    arn = made["currentServiceDeployment"]
    assert f":service-deployment/{cluster}/s/" in arn and len(arn.rsplit("/", 1)[1]) == 21
    done = settled(ecs, cluster)
    assert done["serviceDeploymentArn"] == arn and done["serviceArn"] == made["serviceArn"]
    assert done["createdAt"] <= done["startedAt"] <= done["finishedAt"]
    found = describe(ecs, arn)
    assert found["sourceServiceRevisions"] == []
    target = found["targetServiceRevision"]
    assert target["requestedTaskCount"] == target["runningTaskCount"] == 2
    assert target["pendingTaskCount"] == 0
    assert found["deploymentConfiguration"]["maximumPercent"] == 200
    assert found["deploymentCircuitBreaker"] == {"status": "DISABLED", "failureCount": 0,
                                                 "threshold": 3}
    rev = revision(ecs, target["arn"])
    assert rev["taskDefinition"] == td and rev["launchType"] == "EC2"
    assert f":service-revision/{cluster}/s/" in target["arn"]
    assert target["arn"].rsplit("/", 1)[1].isdigit() and len(target["arn"].rsplit("/", 1)[1]) == 19
    now = service_of(ecs, cluster)
    assert "currentServiceDeployment" not in now
    assert now["currentServiceRevisions"] == [
        {"arn": target["arn"], "requestedTaskCount": 2, "runningTaskCount": 2,
         "pendingTaskCount": 0}]


def test_an_update_goes_from_one_revision_to_the_next(ecs, cluster, host, taskdef):
    create(ecs, cluster, taskdef())
    first = settled(ecs, cluster)
    ecs.update_service(cluster=cluster, service="s", taskDefinition=taskdef(cpu=64))
    second = eventually(lambda: len(d := deployments(ecs, cluster)) == 2 and d[0])
    found = describe(ecs, second["serviceDeploymentArn"])
    assert [r["arn"] for r in found["sourceServiceRevisions"]] == [
        first["targetServiceRevisionArn"]]
    settled(ecs, cluster)
    # Counts alone are no deployment.
    ecs.update_service(cluster=cluster, service="s", desiredCount=1)
    assert len(deployments(ecs, cluster)) == 2
    ecs.update_service(cluster=cluster, service="s", forceNewDeployment=True)
    assert len(deployments(ecs, cluster)) == 3


def test_a_newer_one_supersedes(ecs, cluster, hosts, taskdef):
    hosts(1, auto=False)
    create(ecs, cluster, taskdef())
    first = deployments(ecs, cluster)[0]
    assert first["status"] == "IN_PROGRESS"
    ecs.update_service(cluster=cluster, service="s", forceNewDeployment=True)
    status = [d["status"] for d in deployments(ecs, cluster)]
    assert status == ["IN_PROGRESS", "STOPPED"]
    assert "stoppedAt" in describe(ecs, first["serviceDeploymentArn"])


def test_listing(ecs, cluster, host, taskdef):
    create(ecs, cluster, taskdef(), count=0)
    for _ in range(4):
        settled(ecs, cluster)
        ecs.update_service(cluster=cluster, service="s", forceNewDeployment=True)
    settled(ecs, cluster)
    everything = deployments(ecs, cluster)
    created = [d["createdAt"] for d in everything]
    assert len(everything) == 5 and created == sorted(created, reverse=True)
    pages, token = [], {}
    while True:
        page = ecs.list_service_deployments(cluster=cluster, service="s", maxResults=2, **token)
        pages += page["serviceDeployments"]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert pages == everything
    assert deployments(ecs, cluster, status=["STOPPED"]) == []
    assert deployments(ecs, cluster, status=["STOPPED", "SUCCESSFUL"]) == everything
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now()
    around = {"after": now - day, "before": now + day}
    assert deployments(ecs, cluster, createdAt=around) == everything
    assert deployments(ecs, cluster, createdAt={"before": now - day}) == []
    assert deployments(ecs, cluster, createdAt={"after": now + day}) == []


def test_stopping_rolls_back(ecs, cluster, hosts, taskdef):
    (host,) = hosts(1)
    td = taskdef()
    create(ecs, cluster, td)
    first = settled(ecs, cluster)
    host.auto = False
    ecs.update_service(cluster=cluster, service="s", taskDefinition=taskdef(cpu=64))
    second = deployments(ecs, cluster)[0]["serviceDeploymentArn"]
    host.auto = True
    stopped = ecs.stop_service_deployment(serviceDeploymentArn=second)
    assert stopped["serviceDeploymentArn"] == second
    found = describe(ecs, second)
    assert found["status"] in ("ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL")
    assert found["rollback"]["serviceRevisionArn"] == first["targetServiceRevisionArn"]
    settled(ecs, cluster, "ROLLBACK_SUCCESSFUL")
    s = service_of(ecs, cluster)
    assert s["taskDefinition"] == td and len(s["deployments"]) == 1
    told = f"(service s) rolling back to deployment {s['deployments'][0]['id']}."
    assert told in [e["message"] for e in s["events"]]
    with pytest.raises(ecs.exceptions.ConflictException):
        ecs.stop_service_deployment(serviceDeploymentArn=second)


def test_aborting_leaves_things_as_they_are(ecs, cluster, hosts, taskdef):
    hosts(1, auto=False)
    create(ecs, cluster, taskdef())
    arn = deployments(ecs, cluster)[0]["serviceDeploymentArn"]
    with pytest.raises(ecs.exceptions.ConflictException):  # there is nothing to go back to
        ecs.stop_service_deployment(serviceDeploymentArn=arn)
    ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ABORT")
    assert describe(ecs, arn)["status"] == "STOPPED"
    assert service_of(ecs, cluster)["deployments"][0]["rolloutState"] == "FAILED"


def test_the_breaker_rolls_back_to_what_worked(ecs, cluster, host, taskdef):
    good = taskdef()
    create(ecs, cluster, good, deploymentCircuitBreaker={"enable": True, "rollback": True})
    settled(ecs, cluster)
    first = service_of(ecs, cluster)["currentServiceRevisions"][0]["arn"]
    host.auto = False
    bad = taskdef(cpu=64)
    ecs.update_service(cluster=cluster, service="s", taskDefinition=bad)

    def fail_new_ones():
        for arn, task in list(host.tasks.items()):
            wanted = task["desiredStatus"]
            if task["taskDefinition"]["taskDefinitionArn"] == bad or wanted == "STOPPED":
                host.stopped(arn, exit_code=None, reason="no such image")
            else:
                host.running(arn)
        return deployments(ecs, cluster)[0]["status"] == "ROLLBACK_SUCCESSFUL"
    eventually(fail_new_ones, timeout=60)
    found = describe(ecs, deployments(ecs, cluster)[0]["serviceDeploymentArn"])
    assert found["deploymentCircuitBreaker"]["status"] == "TRIGGERED"
    assert found["rollback"]["serviceRevisionArn"] == first
    assert service_of(ecs, cluster)["taskDefinition"] == good


def test_images_are_pinned_by_the_first_task(ecs, cluster, hosts, taskdef):
    (host,) = hosts(1, auto=False)
    create(ecs, cluster, taskdef(), count=1)
    host.wait(lambda: host.tasks)
    first = list(host.tasks)[0]
    digest = "sha256:" + "a" * 64
    host.submit(first, "RUNNING", [{"containerName": "app", "status": "RUNNING",
                                    "imageDigest": digest}])
    arn = service_of(ecs, cluster)["currentServiceRevisions"][0]["arn"]
    assert revision(ecs, arn)["containerImages"] == [
        {"containerName": "app", "image": "example.test/app:1", "imageDigest": digest}]
    ecs.update_service(cluster=cluster, service="s", desiredCount=2)
    host.wait(lambda: len(host.tasks) == 2)
    second = next(t for t in host.tasks if t != first)
    assert host.tasks[second]["containers"][0]["imageDigest"] == digest
    ecs.update_service(cluster=cluster, service="s", forceNewDeployment=True)
    host.wait(lambda: len(host.tasks) > 2)
    third = next(t for t in host.tasks if t not in (first, second))
    assert "imageDigest" not in host.tasks[third]["containers"][0]


def test_history_survives_a_restart(own_server):
    ecs = own_server.client("ecs")
    ecs.create_cluster(clusterName="c")
    host = FakeHost(own_server, "c")
    td = ecs.register_task_definition(family="f", containerDefinitions=[
        {"name": "app", "image": "i", "memory": 8}])["taskDefinition"]["taskDefinitionArn"]
    create(ecs, "c", td)
    settled(ecs, "c")
    before = deployments(ecs, "c")
    found = describe(ecs, before[0]["serviceDeploymentArn"])
    host.close()
    own_server.restart()
    assert deployments(ecs, "c") == before
    assert describe(ecs, before[0]["serviceDeploymentArn"]) == found
    # A service of the same name begins anew.
    FakeHost(own_server, "c")
    ecs.delete_service(cluster="c", service="s", force=True)
    eventually(lambda: service_of(ecs, "c")["status"] == "INACTIVE")
    create(ecs, "c", td, count=0)
    assert [d["serviceDeploymentArn"] for d in deployments(ecs, "c")] != [
        before[0]["serviceDeploymentArn"]]
    assert len(deployments(ecs, "c")) == 1


def test_what_is_not_there(server, ecs, cluster, host, taskdef):
    create(ecs, cluster, taskdef(), count=0)
    arn = deployments(ecs, cluster)[0]["serviceDeploymentArn"]
    rev = deployments(ecs, cluster)[0]["targetServiceRevisionArn"]
    x = ecs.exceptions
    with pytest.raises(x.ServiceNotFoundException):
        ecs.list_service_deployments(cluster=cluster, service="nobody")
    with pytest.raises(x.ClusterNotFoundException):
        ecs.list_service_deployments(cluster="nowhere", service="s")
    with pytest.raises(x.InvalidParameterException):
        ecs.list_service_deployments(cluster=cluster, service="s", maxResults=101)
    for bad in ([], [arn] * 21):
        with pytest.raises(x.InvalidParameterException):
            ecs.describe_service_deployments(serviceDeploymentArns=bad)
        with pytest.raises(x.InvalidParameterException):
            ecs.describe_service_revisions(serviceRevisionArns=bad)
    answer = ecs.describe_service_deployments(serviceDeploymentArns=[arn[:-1], rev])
    assert [(f["arn"], f["reason"]) for f in answer["failures"]] == [
        (arn[:-1], "MISSING"), (rev, "MISSING")]
    answer = ecs.describe_service_revisions(serviceRevisionArns=["nonsense"])
    assert answer["failures"] == [{"arn": "nonsense", "reason": "MISSING"}]
    with pytest.raises(x.ServiceDeploymentNotFoundException):
        ecs.stop_service_deployment(serviceDeploymentArn=arn[:-1])
    stranger = server.client("ecs", account="999900001111")
    answer = stranger.describe_service_deployments(serviceDeploymentArns=[arn])
    assert len(answer["failures"]) == 1
    with pytest.raises(x.ServiceDeploymentNotFoundException):
        stranger.stop_service_deployment(serviceDeploymentArn=arn)


@pytest.mark.parametrize("change, deploys", [
    ({"desiredCount": 1}, False),
    ({"deploymentConfiguration": {"maximumPercent": 150, "minimumHealthyPercent": 50}}, False),
    ({"placementStrategy": [{"type": "random"}]}, False),
    ({"placementConstraints": [{"type": "distinctInstance"}]}, False),
    ({"healthCheckGracePeriodSeconds": 5}, False),
    ({"enableExecuteCommand": True}, False),
    ({"enableECSManagedTags": True, "propagateTags": "SERVICE"}, False),
    ({"availabilityZoneRebalancing": "DISABLED"}, False),
    ({"networkConfiguration": 0, "platformVersion": "1.4.0"}, False),  # as it is
    ({"forceNewDeployment": True}, True),
    ({"networkConfiguration": 1}, True),
    ({"platformVersion": "1.3.0"}, True),
])
def test_which_changes_start_a_deployment(server, ecs, cluster, change, deploys):
    ids = subnets(server)
    if "networkConfiguration" in change:
        change = {**change, "networkConfiguration": awsvpc(ids[change["networkConfiguration"]])}
    td = ecs.register_task_definition(
        family=cluster, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256",
        memory="512", containerDefinitions=[{"name": "a", "image": "i"}])
    ecs.create_service(cluster=cluster, serviceName="s", desiredCount=0, launchType="FARGATE",
                       taskDefinition=td["taskDefinition"]["taskDefinitionArn"],
                       networkConfiguration=awsvpc(ids[0]), platformVersion="1.4.0")
    before = service_of(ecs, cluster)["deployments"][0]["id"]
    ecs.update_service(cluster=cluster, service="s", **change)
    assert (service_of(ecs, cluster)["deployments"][0]["id"] != before) == deploys
