"""Every waiter of the CLI and the SDKs ends when what it waits for is there, and gives up
when it can no longer come."""

import botocore.exceptions
import pytest

from fake_host import FakeHost

ACCOUNT = "000000000000"


def wait(ecs, name, times=400, **what):
    ecs.get_waiter(name).wait(WaiterConfig={"Delay": 0.05, "MaxAttempts": times}, **what)


def wait_in_vain(ecs, name, reason, **what):
    with pytest.raises(botocore.exceptions.WaiterError) as error:
        wait(ecs, name, 5, **what)
    assert reason in str(error.value)


FAILED, TIRED = "terminal failure", "Max attempts exceeded"


def test_every_waiter_has_its_test_here(ecs):
    assert set(ecs.waiter_names) == {
        "daemon_active", "daemon_deployment_stopped", "daemon_deployment_successful",
        "daemon_task_definition_active", "daemon_task_definition_deleted",
        "services_inactive", "services_stable", "tasks_running", "tasks_stopped"}


def test_tasks(server, ecs, cluster, taskdef):
    host = FakeHost(server, cluster, auto=False)
    arn = ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"][0]["taskArn"]
    one = {"cluster": cluster, "tasks": [arn]}
    host.wait(lambda: arn in host.tasks, what="the task")
    wait_in_vain(ecs, "tasks_running", TIRED, **one)
    host.running(arn)
    wait(ecs, "tasks_running", **one)
    wait_in_vain(ecs, "tasks_stopped", TIRED, **one)
    host.stopped(arn)
    wait(ecs, "tasks_stopped", **one)
    wait_in_vain(ecs, "tasks_running", FAILED, **one)
    wait_in_vain(ecs, "tasks_running", FAILED, cluster=cluster, tasks=["0" * 32])
    host.close()


def test_services(ecs, cluster, hosts, taskdef):
    ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=taskdef(),
                       desiredCount=3, deploymentConfiguration={
                           "minimumHealthyPercent": 0, "maximumPercent": 200})
    one = {"cluster": cluster, "services": ["s"]}
    wait_in_vain(ecs, "services_stable", TIRED, **one)  # there is no instance yet
    hosts(1)
    wait(ecs, "services_stable", **one)
    # Stable is said of what was asked for last: at once after an update it is not true yet.
    ecs.update_service(cluster=cluster, service="s", desiredCount=5, taskDefinition=taskdef())
    wait(ecs, "services_stable", **one)
    (service,) = ecs.describe_services(**one)["services"]
    assert service["runningCount"] == 5 and len(service["deployments"]) == 1
    wait_in_vain(ecs, "services_inactive", TIRED, **one)
    ecs.delete_service(cluster=cluster, service="s", force=True)
    wait(ecs, "services_inactive", **one)
    wait_in_vain(ecs, "services_stable", FAILED, **one)
    wait_in_vain(ecs, "services_stable", FAILED, cluster=cluster, services=["nobody"])


def test_daemon_task_definitions(ecs, cluster):
    arn = ecs.register_daemon_task_definition(family=cluster, containerDefinitions=[
        {"name": "a", "image": "i", "memory": 8}])["daemonTaskDefinitionArn"]
    one = {"daemonTaskDefinition": arn}
    wait(ecs, "daemon_task_definition_active", **one)
    ecs.delete_daemon_task_definition(**one)
    wait(ecs, "daemon_task_definition_deleted", **one)
    wait_in_vain(ecs, "daemon_task_definition_active", FAILED, **one)


@pytest.fixture
def daemon(ecs, cluster, hosts):
    """Makes a daemon on two instances; returns CreateDaemon's reply."""
    name = cluster[:60]
    ecs.create_capacity_provider(name=name, autoScalingGroupProvider={
        "autoScalingGroupArn": f"arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:"
                               f"11111111-2222-3333-4444-555555555555:autoScalingGroupName/{name}"})
    ecs.put_cluster_capacity_providers(cluster=cluster, capacityProviders=[name],
                                       defaultCapacityProviderStrategy=[])
    provider = ecs.describe_capacity_providers(capacityProviders=[name])[
        "capacityProviders"][0]["capacityProviderArn"]
    hosts(2, attributes=[{"name": "gantry.capacity-provider", "value": name}])
    td = ecs.register_daemon_task_definition(family=name, containerDefinitions=[
        {"name": "a", "image": "i", "memory": 8}])["daemonTaskDefinitionArn"]
    return ecs.create_daemon(daemonName="d", clusterArn=cluster, daemonTaskDefinitionArn=td,
                             capacityProviderArns=[provider])


def test_daemons(ecs, daemon):
    wait(ecs, "daemon_active", daemonArn=daemon["daemonArn"])
    one = {"daemonDeploymentArns": [daemon["deploymentArn"]]}
    wait(ecs, "daemon_deployment_successful", **one)
    wait_in_vain(ecs, "daemon_deployment_stopped", TIRED, **one)
    unknown = daemon["deploymentArn"][:-1] + ("1" if daemon["deploymentArn"][-1] != "1" else "2")
    for name in ("daemon_deployment_stopped", "daemon_deployment_successful"):
        wait_in_vain(ecs, name, FAILED, daemonDeploymentArns=[unknown])
    ecs.delete_daemon(daemonArn=daemon["daemonArn"])
    with pytest.raises(botocore.exceptions.WaiterError):
        wait(ecs, "daemon_active", 5, daemonArn=daemon["daemonArn"])


def test_lists_of_daemons_take_no_nonsense(ecs, cluster):
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.list_daemons(clusterArn="nowhere-" + cluster)
    for bad in ({"maxResults": 0}, {"maxResults": 101}, {"nextToken": "x"}):
        with pytest.raises(ecs.exceptions.InvalidParameterException):
            ecs.list_daemons(clusterArn=cluster, **bad)
