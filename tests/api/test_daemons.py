"""Daemons: one task on every instance of some capacity providers."""

import pytest

from eventually import eventually
from fake_host import FakeHost

ACCOUNT = "000000000000"


@pytest.fixture
def provider(ecs, cluster):
    """A provider of the test's own and what an instance of it registers with."""
    name = cluster[:60]
    ecs.create_capacity_provider(name=name, autoScalingGroupProvider={
        "autoScalingGroupArn": f"arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:"
                               f"11111111-2222-3333-4444-555555555555:autoScalingGroupName/{name}"})
    ecs.put_cluster_capacity_providers(cluster=cluster, capacityProviders=[name],
                                       defaultCapacityProviderStrategy=[])
    found = ecs.describe_capacity_providers(capacityProviders=[name])["capacityProviders"][0]
    return found["capacityProviderArn"]


@pytest.fixture
def of_provider(hosts, provider):
    def make(n):
        return hosts(n, attributes=[{"name": "gantry.capacity-provider",
                                     "value": provider.rsplit("/", 1)[1]}])
    return make


@pytest.fixture
def definition(ecs, cluster):
    def register(**more):
        return ecs.register_daemon_task_definition(family=cluster, containerDefinitions=[
            {"name": "agent", "image": "example.test/agent:1", "memory": 32, **more}])[
                "daemonTaskDefinitionArn"]
    return register


def create(ecs, cluster, provider, td, name="d", **more):
    return ecs.create_daemon(daemonName=name, clusterArn=cluster, daemonTaskDefinitionArn=td,
                             capacityProviderArns=[provider], **more)


def where(ecs, cluster, name="d"):
    arns = ecs.list_tasks(cluster=cluster, daemonName=name)["taskArns"]
    found = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    return {t["containerInstanceArn"]: t for t in found if t["lastStatus"] == "RUNNING"}


def everywhere(ecs, cluster, hosts, td=None):
    def look():
        now = where(ecs, cluster)
        return set(now) == {h.arn for h in hosts} and (
            not td or all(t["taskDefinitionArn"] == td for t in now.values()))
    eventually(look, timeout=30, what=f"a task on each instance: {where(ecs, cluster)}")


def deployment(ecs, arn):
    return ecs.describe_daemon_deployments(daemonDeploymentArns=[arn])["daemonDeployments"][0]


def test_it_runs_on_the_instances_of_its_provider(ecs, cluster, hosts, of_provider, provider,
                                                  definition):
    hosts(1)  # of no provider
    first = of_provider(2)
    td = definition()
    made = create(ecs, cluster, provider, td)
    assert made["daemonArn"].endswith(f":daemon/{cluster}/d") and made["status"] == "ACTIVE"
    everywhere(ecs, cluster, first, td)
    task = list(where(ecs, cluster).values())[0]
    assert task["group"] == "daemon:d"
    more = of_provider(1)
    everywhere(ecs, cluster, first + more)
    daemon = ecs.describe_daemon(daemonArn=made["daemonArn"])["daemon"]
    (revision,) = daemon["currentRevisions"]
    assert revision["totalRunningCount"] == 3
    assert revision["capacityProviders"] == [{"arn": provider, "runningCount": 3}]
    assert daemon["deploymentArn"] == made["deploymentArn"]
    eventually(lambda: deployment(ecs, made["deploymentArn"])["status"] == "SUCCESSFUL")
    # It is no service.
    assert ecs.list_services(cluster=cluster)["serviceArns"] == []
    assert ecs.describe_services(cluster=cluster, services=[".daemon.d"])["services"] == []
    assert ecs.describe_clusters(clusters=[cluster])["clusters"][0]["activeServicesCount"] == 0
    with pytest.raises(ecs.exceptions.ClusterContainsServicesException):
        ecs.delete_cluster(cluster=cluster)


def test_an_update_replaces_its_tasks(ecs, cluster, of_provider, provider, definition):
    made_hosts = of_provider(3)
    old, new = definition(), definition(command=["new"])
    made = create(ecs, cluster, provider, old)
    everywhere(ecs, cluster, made_hosts, old)
    eventually(lambda: deployment(ecs, made["deploymentArn"])["status"] == "SUCCESSFUL")
    answer = ecs.update_daemon(daemonArn=made["daemonArn"], daemonTaskDefinitionArn=new,
                               capacityProviderArns=[provider],
                               deploymentConfiguration={"drainPercent": 100.0})
    assert answer["deploymentArn"] != made["deploymentArn"]
    everywhere(ecs, cluster, made_hosts, new)
    eventually(lambda: deployment(ecs, answer["deploymentArn"])["status"] == "SUCCESSFUL")
    found = deployment(ecs, answer["deploymentArn"])
    assert len(found["sourceDaemonRevisions"]) == 1
    assert found["targetDaemonRevision"]["totalRunningInstanceCount"] == 3
    assert found["deploymentConfiguration"]["drainPercent"] == 100.0
    assert found["circuitBreaker"]["status"] == "MONITORING_COMPLETE"
    listed = ecs.list_daemon_deployments(daemonArn=made["daemonArn"])["daemonDeployments"]
    assert [d["daemonDeploymentArn"] for d in listed] == [answer["deploymentArn"],
                                                          made["deploymentArn"]]
    only = ecs.list_daemon_deployments(daemonArn=made["daemonArn"], maxResults=1)
    assert len(only["daemonDeployments"]) == 1 and only["nextToken"]
    assert ecs.list_daemon_deployments(daemonArn=made["daemonArn"],
                                       status=["STOPPED"])["daemonDeployments"] == []
    revisions = ecs.describe_daemon_revisions(
        daemonRevisionArns=[d["targetDaemonRevisionArn"] for d in listed])["daemonRevisions"]
    assert [r["daemonTaskDefinitionArn"] for r in revisions] == [new, old]
    assert all(r["daemonArn"] == made["daemonArn"] for r in revisions)


def test_no_more_than_the_drain_percent_goes(ecs, cluster, of_provider, provider, definition):
    made_hosts = of_provider(4)
    old, new = definition(), definition(command=["new"])
    made = create(ecs, cluster, provider, old, deploymentConfiguration={"drainPercent": 25.0})
    everywhere(ecs, cluster, made_hosts, old)
    eventually(lambda: deployment(ecs, made["deploymentArn"])["status"] == "SUCCESSFUL")
    for h in made_hosts:
        h.auto = False
    ecs.update_daemon(daemonArn=made["daemonArn"], daemonTaskDefinitionArn=new,
                      capacityProviderArns=[provider])
    # No task has been RUNNING for 40 s yet, so none counts as healthy and none may go.
    assert len(where(ecs, cluster)) == 4


def test_deleting(ecs, cluster, of_provider, provider, definition):
    made_hosts = of_provider(2)
    td = definition()
    made = create(ecs, cluster, provider, td)
    everywhere(ecs, cluster, made_hosts)
    answer = ecs.delete_daemon(daemonArn=made["daemonArn"])
    assert answer["status"] == "DELETE_IN_PROGRESS"

    def gone():
        try:
            ecs.describe_daemon(daemonArn=made["daemonArn"])
        except ecs.exceptions.DaemonNotFoundException:
            return True
    eventually(gone)
    assert ecs.list_daemons(clusterArn=cluster)["daemonSummariesList"] == []
    eventually(lambda: where(ecs, cluster) == {})
    again = create(ecs, cluster, provider, td)
    assert again["daemonArn"] == made["daemonArn"]
    assert again["deploymentArn"] != made["deploymentArn"]


def test_listing_and_tags(ecs, cluster, provider, definition):
    td = definition()
    arns = [create(ecs, cluster, provider, td, name=n,
                   tags=[{"key": "n", "value": n}])["daemonArn"] for n in ("a", "b", "c")]
    listed = ecs.list_daemons(clusterArn=cluster)["daemonSummariesList"]
    assert [d["daemonArn"] for d in listed] == arns
    assert len(ecs.list_daemons(clusterArn=cluster, capacityProviderArns=[provider])[
        "daemonSummariesList"]) == 3
    assert ecs.list_daemons(clusterArn=cluster, capacityProviderArns=["other"])[
        "daemonSummariesList"] == []
    first = ecs.list_daemons(clusterArn=cluster, maxResults=2)
    assert len(first["daemonSummariesList"]) == 2
    rest = ecs.list_daemons(clusterArn=cluster, nextToken=first["nextToken"])
    assert [d["daemonArn"] for d in rest["daemonSummariesList"]] == arns[2:]
    assert ecs.list_tags_for_resource(resourceArn=arns[1])["tags"] == [{"key": "n", "value": "b"}]


def test_it_survives_a_crash(own_server):
    ecs = own_server.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.create_capacity_provider(name="p", autoScalingGroupProvider={
        "autoScalingGroupArn": f"arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:"
                               "11111111-2222-3333-4444-555555555555:autoScalingGroupName/p"})
    ecs.put_cluster_capacity_providers(cluster="c", capacityProviders=["p"],
                                       defaultCapacityProviderStrategy=[])
    arn = ecs.describe_capacity_providers(capacityProviders=["p"])["capacityProviders"][0][
        "capacityProviderArn"]
    td = ecs.register_daemon_task_definition(family="f", containerDefinitions=[
        {"name": "a", "image": "i", "memory": 8}])["daemonTaskDefinitionArn"]
    attributes = [{"name": "gantry.capacity-provider", "value": "p"}]
    host = FakeHost(own_server, "c", attributes=attributes)
    made = create(ecs, "c", arn, td, clientToken="t")
    everywhere(ecs, "c", [host])
    before = where(ecs, "c")
    host.close()
    own_server.restart()
    assert {i: t["taskArn"] for i, t in where(ecs, "c").items()} == {
        i: t["taskArn"] for i, t in before.items()}
    assert create(ecs, "c", arn, td, clientToken="t")["daemonArn"] == made["daemonArn"]
    other = FakeHost(own_server, "c", attributes=attributes)
    eventually(lambda: other.arn in where(ecs, "c"))
    other.close()


def test_what_is_refused(ecs, cluster, provider, definition):
    td = definition()
    x = ecs.exceptions
    made = create(ecs, cluster, provider, td)
    with pytest.raises(x.ClientException):
        create(ecs, cluster, provider, td)
    with pytest.raises(x.ClientException):
        create(ecs, cluster, provider, td + "0", name="e")
    for bad in ({"capacityProviderArns": []}, {"capacityProviderArns": ["nothing"]},
                {"capacityProviderArns": ["FARGATE"]}, {"daemonName": "no good"},
                {"deploymentConfiguration": {"drainPercent": 0.0}},
                {"deploymentConfiguration": {"drainPercent": 100.5}},
                {"deploymentConfiguration": {"bakeTimeInMinutes": 1441}},
                {"deploymentConfiguration": {"alarms": {"enable": True, "alarmNames": []}}}):
        with pytest.raises(x.InvalidParameterException):
            ecs.create_daemon(**{"daemonName": "e", "clusterArn": cluster,
                                 "daemonTaskDefinitionArn": td,
                                 "capacityProviderArns": [provider], **bad})
    with pytest.raises(x.ClusterNotFoundException):
        create(ecs, "nowhere", provider, td)
    for call in (ecs.describe_daemon, ecs.delete_daemon, ecs.list_daemon_deployments):
        with pytest.raises(x.DaemonNotFoundException):
            call(daemonArn=made["daemonArn"] + "x")
        with pytest.raises(x.DaemonNotFoundException):
            call(daemonArn="nonsense")
    with pytest.raises(x.DaemonNotFoundException):
        ecs.update_daemon(daemonArn=made["daemonArn"] + "x", daemonTaskDefinitionArn=td,
                          capacityProviderArns=[provider])
    for call, word in ((ecs.describe_daemon_deployments, "daemonDeploymentArns"),
                       (ecs.describe_daemon_revisions, "daemonRevisionArns")):
        with pytest.raises(x.InvalidParameterException):
            call(**{word: []})
        answer = call(**{word: [made["daemonArn"]]})
        assert [f["reason"] for f in answer["failures"]] == ["MISSING"]
