"""Instances are told which images the services of their cluster need, and which of them
they may be asked to run: for image clean-up, and to have them before tasks come."""

import pytest

from fake_host import FakeHost


@pytest.fixture
def one_host(server, cluster):
    made = []

    def make(**more):
        made.append(FakeHost(server, cluster, **more))
        return made[-1]
    yield make
    for h in made:
        h.close()


def told(host):
    lists = [m["images"] for m in host.messages if m["kind"] == "IMAGES"]
    return {i["image"]: i["prefetch"] for i in lists[-1]} if lists else None


def register(ecs, family, image, **more):
    return ecs.register_task_definition(
        family=family, containerDefinitions=[{"name": "c", "image": image, "memory": 64}],
        **more)["taskDefinition"]["taskDefinitionArn"]


def wait_told(host, images):
    host.wait(lambda: told(host) == images, what=f"{images}; told: {told(host)}")


def test_every_instance_is_told(ecs, cluster, one_host):
    one, two = one_host(), one_host(attributes=[{"name": "disk", "value": "ssd"}])
    wait_told(one, {})
    ecs.create_service(cluster=cluster, serviceName="plain", desiredCount=0,
                       taskDefinition=register(ecs, "il-plain", "plain:1"))
    ecs.create_service(
        cluster=cluster, serviceName="fast", desiredCount=0,
        taskDefinition=register(ecs, "il-fast", "fast:1"),
        placementConstraints=[{"type": "memberOf", "expression": "attribute:disk == ssd"}])
    wait_told(one, {"plain:1": True, "fast:1": False})
    wait_told(two, {"plain:1": True, "fast:1": True})
    late = one_host()
    wait_told(late, {"plain:1": True, "fast:1": False})


def test_new_revisions_and_deleted_services(ecs, cluster, one_host):
    host = one_host()
    ecs.create_service(cluster=cluster, serviceName="s", desiredCount=0,
                       taskDefinition=register(ecs, "il-s", "app:1"))
    wait_told(host, {"app:1": True})
    ecs.update_service(cluster=cluster, service="s",
                       taskDefinition=register(ecs, "il-s", "app:2"))
    host.wait(lambda: {"app:2"} <= set(told(host)))
    wait_told(host, {"app:2": True})
    ecs.delete_service(cluster=cluster, service="s", force=True)
    wait_told(host, {})


def test_draining_instances_fetch_nothing(ecs, cluster, one_host):
    host = one_host()
    ecs.create_service(cluster=cluster, serviceName="s", desiredCount=0,
                       taskDefinition=register(ecs, "il-d", "app:1"))
    wait_told(host, {"app:1": True})
    for status, prefetch in (("DRAINING", False), ("ACTIVE", True)):
        ecs.update_container_instances_state(
            cluster=cluster, containerInstances=[host.arn], status=status)
        wait_told(host, {"app:1": prefetch})


def test_what_does_not_change_is_not_told_again(ecs, cluster, one_host):
    host = one_host(auto=True)
    ecs.create_service(cluster=cluster, serviceName="s", desiredCount=2,
                       taskDefinition=register(ecs, "il-n", "app:1"))
    ecs.get_waiter("services_stable").wait(cluster=cluster, services=["s"],
                                           WaiterConfig={"Delay": 1})
    wait_told(host, {"app:1": True})
    for task in list(host.tasks):
        host.stopped(task)
    host.wait(lambda: len(host.starts) == 4)
    ecs.create_service(cluster=cluster, serviceName="last", desiredCount=0,
                       taskDefinition=register(ecs, "il-n2", "other:1"))
    wait_told(host, {"app:1": True, "other:1": True})
    lists = [m["images"] for m in host.messages if m["kind"] == "IMAGES"]
    assert all(a != b for a, b in zip(lists, lists[1:]))


def test_pinned_digests_are_told(ecs, cluster, one_host):
    host, digest = one_host(auto=False), "sha256:" + "7" * 64
    ecs.create_service(cluster=cluster, serviceName="s", desiredCount=1,
                       taskDefinition=register(ecs, "il-p", "app:1"))
    host.wait(lambda: host.tasks, what="a task")
    wait_told(host, {"app:1": True})
    host.submit(next(iter(host.tasks)), "RUNNING", [
        {"containerName": "c", "status": "RUNNING", "runtimeId": "r", "imageDigest": digest}])
    host.wait(lambda: [i for i in host.messages[-1].get("images", [])
                       if i.get("digest") == digest], what="the digest")
