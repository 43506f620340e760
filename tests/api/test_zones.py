"""Availability zone rebalancing."""

from eventually import eventually


def service_of(ecs, cluster):
    return ecs.describe_services(cluster=cluster, services=["s"])["services"][0]


def zones(ecs, cluster):
    arns = ecs.list_tasks(cluster=cluster, serviceName="s")["taskArns"]
    found = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    where = [t["availabilityZone"][-1] for t in found if t["desiredStatus"] == "RUNNING"]
    return "".join(sorted(where))


def in_zone(hosts, letter, n=1, **more):
    return hosts(n, attributes=[{"name": "ecs.availability-zone", "value": f"us-east-1{letter}"}],
                 **more)


def create(ecs, cluster, td, count, **more):
    ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=td, desiredCount=count,
                       deploymentConfiguration={"minimumHealthyPercent": 0,
                                                "maximumPercent": 200}, **more)
    eventually(lambda: service_of(ecs, cluster)["runningCount"] == count)
    eventually(lambda: any("steady state" in e["message"]
                           for e in service_of(ecs, cluster)["events"]))


def test_a_move_begins_when_a_zone_joins(ecs, cluster, hosts, taskdef):
    in_zone(hosts, "a")
    create(ecs, cluster, taskdef(), 4)
    assert zones(ecs, cluster) == "aaaa"
    in_zone(hosts, "b")
    # One more task than desired starts there; the old one waits until it is healthy.
    eventually(lambda: zones(ecs, cluster) == "aaaab")
    text = "(service s) is not AZ balanced with 4 tasks in us-east-1a, 0 tasks in us-east-1b. "
    eventually(lambda: any(e["message"] == text + "AZ Rebalancing in progress."
                           for e in service_of(ecs, cluster)["events"]))
    assert service_of(ecs, cluster)["desiredCount"] == 4


def test_disabled_means_left_alone(ecs, cluster, hosts, taskdef):
    in_zone(hosts, "a")
    create(ecs, cluster, taskdef(), 4, availabilityZoneRebalancing="DISABLED")
    in_zone(hosts, "b")
    ecs.update_service(cluster=cluster, service="s", healthCheckGracePeriodSeconds=1)
    assert zones(ecs, cluster) == "aaaa"
    assert not any("AZ balanced" in e["message"] for e in service_of(ecs, cluster)["events"])


def test_without_room_nothing_moves(ecs, cluster, hosts, taskdef):
    in_zone(hosts, "a")
    create(ecs, cluster, taskdef(cpu=512), 4)
    in_zone(hosts, "b", cpu=100)
    eventually(lambda: any("is not AZ balanced" in e["message"]
                           for e in service_of(ecs, cluster)["events"]))
    assert zones(ecs, cluster) == "aaaa"
    assert not any("unable to place" in e["message"] for e in service_of(ecs, cluster)["events"])
    in_zone(hosts, "b")
    eventually(lambda: zones(ecs, cluster) == "aaaab")
