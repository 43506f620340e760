"""Daemon task definitions: families and revisions of their own, without networks and ports."""

import pytest

ARN = "arn:aws:ecs:us-east-1:{}:daemon-task-definition/{}:{}"


def register(ecs, family, **more):
    container = {"name": "agent", "image": "example.test/agent:1", "memory": 64, **more}
    return ecs.register_daemon_task_definition(
        family=family, containerDefinitions=[container])["daemonTaskDefinitionArn"]


@pytest.fixture
def own(server, request):
    """A client in an account of the test's own, and the account."""
    account = f"{abs(hash(request.node.name)) % 10**12:012d}"
    return server.client("ecs", account=account), account


def test_revisions_are_counted_apart_from_task_definitions(own):
    ecs, account = own
    ecs.register_task_definition(family="f", containerDefinitions=[
        {"name": "a", "image": "i", "memory": 8}])
    assert register(ecs, "f") == ARN.format(account, "f", 1)
    assert register(ecs, "f", privileged=True) == ARN.format(account, "f", 2)
    found = ecs.describe_daemon_task_definition(daemonTaskDefinition="f")["daemonTaskDefinition"]
    assert found["revision"] == 2 and found["status"] == "ACTIVE"
    assert found["registeredBy"] == f"arn:aws:iam::{account}:root"
    container = found["containerDefinitions"][0]
    assert container["privileged"] is True and container["essential"] is True
    assert "portMappings" not in container and "networkMode" not in found
    by_arn = ecs.describe_daemon_task_definition(
        daemonTaskDefinition=ARN.format(account, "f", 1))["daemonTaskDefinition"]
    assert by_arn["daemonTaskDefinitionArn"] == ARN.format(account, "f", 1)
    assert ecs.list_task_definitions()["taskDefinitionArns"] == [
        f"arn:aws:ecs:us-east-1:{account}:task-definition/f:1"]


def test_listing(own):
    ecs, account = own
    for family in ("aa", "ab", "b"):
        register(ecs, family)
    register(ecs, "aa")
    arns = [ARN.format(account, f, r) for f, r in (("aa", 1), ("aa", 2), ("ab", 1), ("b", 1))]

    def listed(**more):
        return [s["arn"] for s in ecs.list_daemon_task_definitions(**more)["daemonTaskDefinitions"]]
    assert listed() == arns
    assert listed(sort="DESC") == arns[::-1]
    assert listed(familyPrefix="a") == arns[:3]
    assert listed(family="ab") == arns[2:3]
    assert listed(revision="LAST_REGISTERED") == arns[1:]
    pages = ecs.get_paginator("list_daemon_task_definitions").paginate(
        sort="DESC", PaginationConfig={"PageSize": 1}) if ecs.can_paginate(
            "list_daemon_task_definitions") else None
    if pages is None:
        first = ecs.list_daemon_task_definitions(maxResults=3)
        assert len(first["daemonTaskDefinitions"]) == 3
        assert listed(nextToken=first["nextToken"]) == arns[3:]
    else:
        assert [s["arn"] for p in pages for s in p["daemonTaskDefinitions"]] == arns[::-1]
    ecs.delete_daemon_task_definition(daemonTaskDefinition="aa:1")
    assert listed(status="ALL") == arns[1:]


def test_deleting(own):
    ecs, account = own
    register(ecs, "f")
    answer = ecs.delete_daemon_task_definition(daemonTaskDefinition="f:1")
    assert answer["daemonTaskDefinitionArn"] == ARN.format(account, "f", 1)
    for name in ("f:1", ARN.format(account, "f", 1)):
        left = ecs.describe_daemon_task_definition(daemonTaskDefinition=name)
        assert left["daemonTaskDefinition"]["status"] == "DELETED"
        assert left["daemonTaskDefinition"]["daemonTaskDefinitionArn"] == ARN.format(
            account, "f", 1)
    for never in ("f:2", "f:0", "f:x", "g:1", "f", ARN.format("999999999999", "f", 1)):
        with pytest.raises(ecs.exceptions.ClientException):
            ecs.describe_daemon_task_definition(daemonTaskDefinition=never)
    assert register(ecs, "f") == ARN.format(account, "f", 2)  # numbers are not used again


def test_tags(own):
    ecs, _ = own
    arn = ecs.register_daemon_task_definition(
        family="f", containerDefinitions=[{"name": "a", "image": "i", "memory": 8}],
        tags=[{"key": "k", "value": "v"}])["daemonTaskDefinitionArn"]
    assert ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "k", "value": "v"}]


def test_what_is_refused(own):
    ecs, account = own
    x = ecs.exceptions
    with pytest.raises(x.ClientException):
        ecs.register_daemon_task_definition(family="f", containerDefinitions=[])
    with pytest.raises(x.ClientException):
        register(ecs, "f", essential=False)
    with pytest.raises(x.ClientException):
        ecs.register_daemon_task_definition(
            family="f", containerDefinitions=[{"name": "a", "image": "i"}])  # no memory
    for call in (ecs.describe_daemon_task_definition, ecs.delete_daemon_task_definition):
        with pytest.raises(x.ClientException):
            call(daemonTaskDefinition="nobody:1")
        with pytest.raises(x.ClientException):
            call(daemonTaskDefinition=f"arn:aws:ecs:us-east-1:{account}:task-definition/f:1")
    with pytest.raises(x.ClientException, match="Revision is missing"):
        ecs.delete_daemon_task_definition(daemonTaskDefinition="f")
    with pytest.raises(x.InvalidParameterException):
        ecs.list_daemon_task_definitions(nextToken="nonsense")
