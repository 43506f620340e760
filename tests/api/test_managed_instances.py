"""Providers of managed instances: tasks by strategy only, on instances that say they are theirs."""

import pytest

from eventually import eventually
from fake_host import FakeHost


def managed(**more):
    return {"infrastructureRoleArn": "arn:aws:iam::000000000000:role/infrastructure",
            "instanceLaunchTemplate": {
                "ec2InstanceProfileArn": "arn:aws:iam::000000000000:instance-profile/p",
                "networkConfiguration": {"subnets": ["subnet-1"]}}, **more}


@pytest.fixture
def provider(ecs, cluster):
    name = "m-" + cluster[:50]
    ecs.create_capacity_provider(name=name, cluster=cluster, managedInstancesProvider=managed())
    return name


def instance(server, cluster, name):
    return FakeHost(server, cluster, attributes=[
        {"name": "gantry.capacity-provider", "value": name}])


def by(name):
    return [{"capacityProvider": name, "weight": 1}]


def test_tasks_wait_for_an_instance_of_theirs(server, ecs, cluster, provider, taskdef):
    plain = FakeHost(server, cluster)
    answer = ecs.run_task(cluster=cluster, taskDefinition=taskdef(),
                          capacityProviderStrategy=by(provider))
    (task,) = answer["tasks"]
    assert answer["failures"] == [] and task["lastStatus"] == "PROVISIONING"
    assert task["capacityProviderName"] == provider
    assert task["launchType"] == "MANAGED_INSTANCES"
    host = instance(server, cluster, provider)

    def runs():
        found = ecs.describe_tasks(cluster=cluster, tasks=[task["taskArn"]])["tasks"][0]
        return found["lastStatus"] == "RUNNING" and found["containerInstanceArn"] == host.arn
    eventually(runs)
    assert ecs.list_tasks(cluster=cluster, launchType="MANAGED_INSTANCES")["taskArns"] == [
        task["taskArn"]]
    assert ecs.list_tasks(cluster=cluster, launchType="EC2")["taskArns"] == []
    plain.close()
    host.close()


def test_a_service_by_strategy(server, ecs, cluster, provider, taskdef):
    host = instance(server, cluster, provider)
    ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=taskdef(), desiredCount=2,
                       capacityProviderStrategy=by(provider))
    eventually(lambda: ecs.describe_services(cluster=cluster, services=["s"])["services"][0][
        "runningCount"] == 2)
    with pytest.raises(ecs.exceptions.ClientError):
        ecs.delete_capacity_provider(capacityProvider=provider)
    host.close()


def test_the_launch_type_alone_is_refused(ecs, cluster, provider, taskdef):
    td = taskdef()
    for call, more in ((ecs.run_task, {}),
                       (ecs.create_service, {"serviceName": "s", "desiredCount": 0})):
        with pytest.raises(ecs.exceptions.InvalidParameterException):
            call(cluster=cluster, taskDefinition=td, launchType="MANAGED_INSTANCES", **more)


def test_providers_of_different_kinds_are_not_mixed(ecs, cluster, provider, taskdef):
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.run_task(cluster=cluster, taskDefinition=taskdef(), capacityProviderStrategy=[
            {"capacityProvider": provider, "weight": 1},
            {"capacityProvider": "FARGATE", "weight": 1}])


@pytest.mark.parametrize("bad", [
    {"instanceLaunchTemplate": {"ec2InstanceProfileArn": "arn:aws:iam::1:instance-profile/p",
                                "networkConfiguration": {"subnets": []}}},
    {"infrastructureOptimization": {"scaleInAfter": -2}},
    {"infrastructureOptimization": {"scaleInAfter": 3601}},
])
def test_bad_providers(ecs, cluster, bad):
    with pytest.raises(ecs.exceptions.ClientError) as e:
        ecs.create_capacity_provider(name="bad", cluster=cluster,
                                     managedInstancesProvider=managed(**bad))
    assert e.value.response["Error"]["Code"] in ("InvalidParameterException", "ClientException")


def test_both_kinds_or_none(ecs, cluster):
    for more in ({}, {"managedInstancesProvider": managed(), "autoScalingGroupProvider": {
            "autoScalingGroupArn": "arn:aws:autoscaling:us-east-1:1:autoScalingGroup:x:"
                                   "autoScalingGroupName/x"}}):
        with pytest.raises(ecs.exceptions.ClientError):
            ecs.create_capacity_provider(name="both", cluster=cluster, **more)


def test_it_belongs_to_one_cluster(ecs, cluster, provider):
    ecs.create_cluster(clusterName=cluster + "-other")
    with pytest.raises(ecs.exceptions.ClientError):
        ecs.put_cluster_capacity_providers(cluster=cluster + "-other",
                                           capacityProviders=[provider],
                                           defaultCapacityProviderStrategy=[])


def test_it_survives_a_crash(own_server):
    ecs = own_server.client("ecs")
    ecs.create_cluster(clusterName="c")
    made = ecs.create_capacity_provider(name="m", cluster="c", managedInstancesProvider=managed(),
                                        tags=[{"key": "k", "value": "v"}])["capacityProvider"]
    own_server.restart()
    (found,) = ecs.describe_capacity_providers(capacityProviders=["m"], include=["TAGS"])[
        "capacityProviders"]
    assert found["managedInstancesProvider"] == made["managedInstancesProvider"]
    assert found["tags"] == [{"key": "k", "value": "v"}]
    assert ecs.describe_clusters(clusters=["c"])["clusters"][0]["capacityProviders"] == ["m"]
