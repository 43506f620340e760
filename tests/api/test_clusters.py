"""CreateCluster, DescribeClusters, ListClusters, DeleteCluster."""

import botocore.exceptions
import pytest

from eventually import eventually


def code(error):
    return error.value.response["Error"]["Code"]


def message(error):
    return error.value.response["Error"]["Message"]


def test_created_cluster_is_described_and_listed(ecs):
    made = ecs.create_cluster(clusterName="alpha", tags=[{"key": "k", "value": "v"}])["cluster"]
    assert made["clusterArn"] == "arn:aws:ecs:us-east-1:000000000000:cluster/alpha"
    assert made["status"] == "ACTIVE"
    assert made["tags"] == [{"key": "k", "value": "v"}]
    shown = ecs.describe_clusters(clusters=["alpha"])["clusters"][0]
    assert shown["tags"] == [] and shown["statistics"] == []
    shown = ecs.describe_clusters(clusters=[made["clusterArn"]],
                                  include=["TAGS", "STATISTICS", "SETTINGS"])["clusters"][0]
    assert shown["tags"] == [{"key": "k", "value": "v"}]
    assert {"name": "runningEC2TasksCount", "value": "0"} in shown["statistics"]
    assert shown["settings"] == [{"name": "containerInsights", "value": "disabled"}]
    assert made["clusterArn"] in ecs.list_clusters()["clusterArns"]


def test_create_is_idempotent_and_deleted_comes_back(ecs):
    ecs.create_cluster(clusterName="again")
    assert ecs.create_cluster(clusterName="again")["cluster"]["status"] == "ACTIVE"
    assert ecs.delete_cluster(cluster="again")["cluster"]["status"] == "INACTIVE"
    assert ecs.describe_clusters(clusters=["again"])["clusters"][0]["status"] == "INACTIVE"
    with pytest.raises(ecs.exceptions.ClusterNotFoundException) as error:
        ecs.delete_cluster(cluster="again")
    assert message(error) == "Cluster not found."
    assert ecs.create_cluster(clusterName="again")["cluster"]["status"] == "ACTIVE"


def test_default_cluster_is_made_without_a_name(ecs):
    assert ecs.create_cluster()["cluster"]["clusterName"] == "default"
    assert ecs.describe_clusters()["clusters"][0]["clusterName"] == "default"


def test_missing_clusters_are_failures(ecs):
    reply = ecs.describe_clusters(clusters=["nowhere"])
    assert reply["clusters"] == []
    assert reply["failures"] == [
        {"arn": "arn:aws:ecs:us-east-1:000000000000:cluster/nowhere", "reason": "MISSING"}]


@pytest.mark.parametrize("name", ["a b", "ä", "x" * 256, "a/b"])
def test_bad_names_are_refused(ecs, name):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        ecs.create_cluster(clusterName=name)
    assert code(error) == "InvalidParameterException"


def test_accounts_and_regions_are_apart(server, ecs):
    ecs.create_cluster(clusterName="mine")
    other = server.client("ecs", account="111122223333")
    assert other.describe_clusters(clusters=["mine"])["failures"]
    arn = "arn:aws:ecs:us-east-1:000000000000:cluster/mine"
    assert other.describe_clusters(clusters=[arn])["failures"][0]["reason"] == "MISSING"
    elsewhere = server.client("ecs", region="eu-west-1")
    assert elsewhere.list_clusters()["clusterArns"] == []


def test_listing_pages(server):
    ecs = server.client("ecs", account="555566667777")
    names = [f"p{i:03}" for i in range(25)]
    for name in names:
        ecs.create_cluster(clusterName=name)
    pages, token = [], None
    while True:
        reply = ecs.list_clusters(maxResults=10, **({"nextToken": token} if token else {}))
        pages.append([arn.split("/")[-1] for arn in reply["clusterArns"]])
        token = reply.get("nextToken")
        if not token:
            break
    assert [len(p) for p in pages] == [10, 10, 5]
    assert sum(pages, []) == names
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.list_clusters(nextToken="nonsense")
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.list_clusters(maxResults=101)


def test_cluster_in_use_is_not_deleted(ecs, cluster, host, taskdef):
    with pytest.raises(ecs.exceptions.ClusterContainsContainerInstancesException) as error:
        ecs.delete_cluster(cluster=cluster)
    assert message(error) == ("The Cluster cannot be deleted while Container Instances are "
                              "active or draining.")
    ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=taskdef(),
                       desiredCount=0)
    with pytest.raises(ecs.exceptions.ClusterContainsServicesException) as error:
        ecs.delete_cluster(cluster=cluster)
    assert message(error) == "The Cluster cannot be deleted while Services are active."


def test_override_logging_needs_a_target(ecs):
    with pytest.raises(ecs.exceptions.InvalidParameterException) as error:
        ecs.create_cluster(clusterName="x", configuration={
            "executeCommandConfiguration": {"logging": "OVERRIDE"}})
    assert message(error).startswith("A CloudWatch log group name or S3 bucket name must be")


def test_first_instance_makes_the_default_cluster(server):
    account = "222233334444"
    ecs = server.client("ecs", account=account)
    assert ecs.describe_clusters()["failures"]
    from fake_host import FakeHost
    host = FakeHost(server, "default", account=account)
    assert eventually(lambda: ecs.describe_clusters()["clusters"])[0]["status"] == "ACTIVE"
    host.close()
