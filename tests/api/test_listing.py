"""ListServices, ListTaskDefinitions and ListTaskDefinitionFamilies: filters, pages, and
what no list takes."""

import pytest


@pytest.fixture
def own(server, request):
    """A client in an account of the test's own."""
    return server.client("ecs", account=f"{abs(hash(request.node.name)) % 10**12:012d}")


def register(ecs, *families):
    return [ecs.register_task_definition(family=f, containerDefinitions=[
        {"name": "a", "image": "i", "memory": 8}])["taskDefinition"]["taskDefinitionArn"]
        for f in families]


def pages(call, key, **more):
    """The lists that following nextToken gives."""
    found = []
    while True:
        reply = call(**more)
        found.append(reply[key])
        if not reply.get("nextToken"):
            return found
        more["nextToken"] = reply["nextToken"]


def test_services(own):
    own.create_cluster(clusterName="c")
    td = register(own, "f")[0]
    names = [f"s{i:02}" for i in range(12)]
    arns = [own.create_service(cluster="c", serviceName=n, taskDefinition=td, desiredCount=0)
            ["service"]["serviceArn"] for n in names]
    assert pages(own.list_services, "serviceArns", cluster="c") == [arns[:10], arns[10:]]
    assert pages(own.list_services, "serviceArns", cluster="c", maxResults=100) == [arns]
    assert own.list_services(cluster="c", launchType="FARGATE")["serviceArns"] == []
    assert own.list_services(cluster="c", schedulingStrategy="DAEMON")["serviceArns"] == []
    assert own.list_services(cluster="c", launchType="EC2", schedulingStrategy="REPLICA",
                             maxResults=100)["serviceArns"] == arns
    own.delete_service(cluster="c", service=names[0])
    assert own.list_services(cluster="c", maxResults=1)["serviceArns"] == arns[1:2]
    with pytest.raises(own.exceptions.ClusterNotFoundException):
        own.list_services(cluster="nowhere")
    for bad in ({"maxResults": 0}, {"maxResults": 101}, {"nextToken": "x"},
                {"launchType": "MOON"}, {"schedulingStrategy": "NEVER"}):
        with pytest.raises(own.exceptions.InvalidParameterException):
            own.list_services(cluster="c", **bad)


def test_task_definitions(own):
    arns = register(own, "a", "a", "ab", "b")
    listed = own.list_task_definitions
    assert listed()["taskDefinitionArns"] == arns
    assert listed(sort="DESC")["taskDefinitionArns"] == arns[::-1]
    # The prefix is a whole family's name here, unlike in ListTaskDefinitionFamilies.
    assert listed(familyPrefix="a")["taskDefinitionArns"] == arns[:2]
    assert pages(listed, "taskDefinitionArns", maxResults=3) == [arns[:3], arns[3:]]
    assert pages(listed, "taskDefinitionArns", maxResults=3, sort="DESC") == [
        arns[:0:-1], arns[:1]]
    own.deregister_task_definition(taskDefinition=arns[1])
    assert listed(status="INACTIVE")["taskDefinitionArns"] == arns[1:2]
    assert listed()["taskDefinitionArns"] == arns[:1] + arns[2:]
    own.delete_task_definitions(taskDefinitions=arns[1:2])
    assert listed(status="INACTIVE")["taskDefinitionArns"] == []
    for bad in ({"maxResults": 0}, {"maxResults": 101}, {"nextToken": "x"},
                {"sort": "SIDEWAYS"}, {"status": "GONE"}):
        with pytest.raises(own.exceptions.InvalidParameterException):
            listed(**bad)


def test_families(own):
    arns = register(own, "a", "ab", "ac", "b")
    listed = own.list_task_definition_families
    assert listed()["families"] == ["a", "ab", "ac", "b"]
    assert listed(familyPrefix="a")["families"] == ["a", "ab", "ac"]
    assert pages(listed, "families", maxResults=2) == [["a", "ab"], ["ac", "b"]]
    assert pages(listed, "families", maxResults=2, familyPrefix="a") == [["a", "ab"], ["ac"]]
    assert pages(listed, "families", maxResults=1, familyPrefix="a") == [["a"], ["ab"], ["ac"]]
    own.deregister_task_definition(taskDefinition=arns[0])
    assert listed(status="ACTIVE")["families"] == ["ab", "ac", "b"]
    assert listed(status="INACTIVE")["families"] == ["a"]
    assert listed(status="ALL")["families"] == listed()["families"] == ["a", "ab", "ac", "b"]
    for bad in ({"maxResults": 0}, {"maxResults": 101}, {"nextToken": "x"},
                {"status": "GONE"}):
        with pytest.raises(own.exceptions.InvalidParameterException):
            listed(**bad)
