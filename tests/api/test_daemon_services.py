"""Services with the scheduling strategy DAEMON: one task on every instance that may have one."""

import pytest

from eventually import eventually


def service_of(ecs, cluster, name="d"):
    return ecs.describe_services(cluster=cluster, services=[name])["services"][0]


def where(ecs, cluster, name="d"):
    """instance ARN -> task ARN of the running ones"""
    arns = ecs.list_tasks(cluster=cluster, serviceName=name)["taskArns"]
    if not arns:
        return {}
    found = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    return {t["containerInstanceArn"]: t["taskArn"] for t in found
            if t["lastStatus"] == "RUNNING"}


def everywhere(ecs, cluster, hosts, name="d"):
    wanted = {h.arn for h in hosts}

    def look():
        s = service_of(ecs, cluster, name)
        return (set(where(ecs, cluster, name)) == wanted and len(s["deployments"]) == 1
                and s["desiredCount"] == s["runningCount"] == len(wanted)
                and s["deployments"][0]["rolloutState"] == "COMPLETED")
    eventually(look, timeout=30, what=f"a task on each: {service_of(ecs, cluster, name)}")


def create(ecs, cluster, td, name="d", **more):
    return ecs.create_service(cluster=cluster, serviceName=name, taskDefinition=td,
                              schedulingStrategy="DAEMON", **more)["service"]


def test_instances_come_and_go(ecs, cluster, hosts, taskdef):
    first = hosts(2)
    made = create(ecs, cluster, taskdef())
    assert made["schedulingStrategy"] == "DAEMON"
    assert made["deploymentConfiguration"]["maximumPercent"] == 100
    assert made["deploymentConfiguration"]["minimumHealthyPercent"] == 0
    everywhere(ecs, cluster, first)
    ecs.get_waiter("services_stable").wait(cluster=cluster, services=["d"])
    more = hosts(1)
    everywhere(ecs, cluster, first + more)
    ecs.update_container_instances_state(cluster=cluster, status="DRAINING",
                                         containerInstances=[first[0].arn])
    everywhere(ecs, cluster, first[1:] + more)
    ecs.update_container_instances_state(cluster=cluster, status="ACTIVE",
                                         containerInstances=[first[0].arn])
    everywhere(ecs, cluster, first + more)
    assert ecs.list_services(cluster=cluster, schedulingStrategy="DAEMON")["serviceArns"] == [
        made["serviceArn"]]
    assert ecs.list_services(cluster=cluster, schedulingStrategy="REPLICA")["serviceArns"] == []


def test_a_dead_task_comes_back_on_its_instance(ecs, cluster, hosts, taskdef):
    made = hosts(2)
    create(ecs, cluster, taskdef())
    everywhere(ecs, cluster, made)
    victim = where(ecs, cluster)[made[0].arn]
    made[0].stopped(victim, exit_code=1)
    eventually(lambda: where(ecs, cluster).get(made[0].arn) not in (None, victim))
    everywhere(ecs, cluster, made)


def test_constraints_say_where(ecs, cluster, hosts, taskdef):
    plain = hosts(1)
    gpu = hosts(2, attributes=[{"name": "kind", "value": "gpu"}])
    create(ecs, cluster, taskdef(), placementConstraints=[
        {"type": "memberOf", "expression": "attribute:kind == gpu"}])
    everywhere(ecs, cluster, gpu)
    ecs.put_attributes(cluster=cluster, attributes=[
        {"name": "kind", "value": "gpu", "targetId": plain[0].arn}])
    everywhere(ecs, cluster, gpu + plain)
    ecs.put_attributes(cluster=cluster, attributes=[
        {"name": "kind", "value": "plain", "targetId": gpu[0].arn}])
    everywhere(ecs, cluster, gpu[1:] + plain)


def test_an_update_replaces_each(ecs, cluster, hosts, taskdef):
    made = hosts(3)
    create(ecs, cluster, taskdef())
    everywhere(ecs, cluster, made)
    before = where(ecs, cluster)
    new = taskdef(cpu=64)
    ecs.update_service(cluster=cluster, service="d", taskDefinition=new)
    eventually(lambda: not set(where(ecs, cluster).values()) & set(before.values())
               and service_of(ecs, cluster)["taskDefinition"] == new)
    everywhere(ecs, cluster, made)


def test_an_instance_without_room_is_told(ecs, cluster, hosts, taskdef):
    small = hosts(1, cpu=100)
    big = hosts(1)
    create(ecs, cluster, taskdef(cpu=512))
    eventually(lambda: set(where(ecs, cluster)) == {big[0].arn})
    assert service_of(ecs, cluster)["desiredCount"] == 2
    text = f"(container-instance {small[0].arn.rsplit('/', 1)[1]}) has insufficient CPU units"
    eventually(lambda: any(text in e["message"] for e in service_of(ecs, cluster)["events"]))


def test_the_daemon_leaves_a_draining_instance_last(ecs, cluster, hosts, taskdef):
    (host,) = hosts(1)
    create(ecs, cluster, taskdef())
    everywhere(ecs, cluster, [host])
    ecs.create_service(cluster=cluster, serviceName="r", taskDefinition=taskdef(), desiredCount=1)
    eventually(lambda: service_of(ecs, cluster, "r")["runningCount"] == 1)
    replica = ecs.list_tasks(cluster=cluster, serviceName="r")["taskArns"][0]
    daemon = where(ecs, cluster)[host.arn]
    ecs.update_container_instances_state(cluster=cluster, status="DRAINING",
                                         containerInstances=[host.arn])
    # With 100 % the replica stays until a replacement runs, and there is nowhere for one.
    assert service_of(ecs, cluster, "r")["runningCount"] == 1
    assert ecs.list_tasks(cluster=cluster, serviceName="d")["taskArns"] == [daemon]
    ecs.stop_task(cluster=cluster, task=replica)
    eventually(lambda: ecs.list_tasks(cluster=cluster, serviceName="d")["taskArns"] == [])


def test_deleting(ecs, cluster, hosts, taskdef):
    made = hosts(2)
    create(ecs, cluster, taskdef())
    everywhere(ecs, cluster, made)
    ecs.delete_service(cluster=cluster, service="d", force=True)
    eventually(lambda: service_of(ecs, cluster)["status"] == "INACTIVE")
    assert where(ecs, cluster) == {}


@pytest.mark.parametrize("more, text", [
    ({"desiredCount": 0}, "a desired count for services"),
    ({"placementStrategy": [{"type": "random"}]}, "placement strategies"),
    ({"deploymentConfiguration": {"maximumPercent": 200}}, "values above 100 for maximumPercent"),
    ({"availabilityZoneRebalancing": "ENABLED"}, "does not support DAEMON services"),
    ({"launchType": "FARGATE"}, "does not support"),
])
def test_what_a_daemon_refuses(ecs, cluster, taskdef, more, text):
    with pytest.raises(ecs.exceptions.InvalidParameterException, match=text):
        create(ecs, cluster, taskdef(), **more)


def test_what_an_update_of_a_daemon_refuses(ecs, cluster, taskdef):
    create(ecs, cluster, taskdef())
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="a desired count"):
        ecs.update_service(cluster=cluster, service="d", desiredCount=1)
