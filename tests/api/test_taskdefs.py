"""RegisterTaskDefinition and its relatives. Each rule of a definition has its row in
tests/unit/ecs/taskdef_test.c; here is what a client sees of the whole."""

import pytest

from conftest import container

APP = [{"name": "app", "image": "x", "memory": 64}]


@pytest.fixture
def mine(server, request):
    """A client of an account of the test's own: listings show nothing else."""
    number = abs(hash(request.node.name)) % 10**9
    return server.client("ecs", account=f"{number:012}")


def register(ecs, family="f", **more):
    return ecs.register_task_definition(family=family, containerDefinitions=APP,
                                        **more)["taskDefinition"]


def test_registered_is_described_as_stored(ecs):
    made = ecs.register_task_definition(
        family="whole", containerDefinitions=[container(
            portMappings=[{"containerPort": 80}],
            environment=[{"name": "A", "value": "ä"}],
            logConfiguration={"logDriver": "none"})],
        tags=[{"key": "k", "value": "v"}])
    definition = made["taskDefinition"]
    assert made["tags"] == [{"key": "k", "value": "v"}]
    assert definition["taskDefinitionArn"].endswith(":task-definition/whole:1")
    assert definition["revision"] == 1 and definition["status"] == "ACTIVE"
    assert definition["networkMode"] == "bridge"
    assert definition["registeredBy"] == "arn:aws:iam::000000000000:root"
    app = definition["containerDefinitions"][0]
    assert app["essential"] is True and app["mountPoints"] == []
    assert app["portMappings"] == [{"containerPort": 80, "hostPort": 0, "protocol": "tcp"}]
    assert {"name": "com.amazonaws.ecs.capability.logging-driver.none"} in \
        definition["requiresAttributes"]
    shown = ecs.describe_task_definition(taskDefinition="whole", include=["TAGS"])
    assert shown["taskDefinition"] == definition and shown["tags"] == made["tags"]
    assert "tags" not in ecs.describe_task_definition(taskDefinition="whole:1")


def test_family_means_its_newest_active_revision(mine):
    first, second = register(mine), register(mine)
    assert (first["revision"], second["revision"]) == (1, 2)
    assert mine.describe_task_definition(taskDefinition="f")["taskDefinition"]["revision"] == 2
    gone = mine.deregister_task_definition(taskDefinition="f:2")["taskDefinition"]
    assert gone["status"] == "INACTIVE" and gone["deregisteredAt"]
    assert mine.describe_task_definition(taskDefinition="f")["taskDefinition"]["revision"] == 1
    assert mine.describe_task_definition(taskDefinition="f:2")["taskDefinition"]["revision"] == 2


def test_deleted_revisions_are_never_used_again(mine):
    register(mine)
    reply = mine.delete_task_definitions(taskDefinitions=["f:1", "f:9"])
    assert reply["taskDefinitions"] == []
    assert [f["reason"] for f in reply["failures"]] == ["ACTIVE", "MISSING"]
    mine.deregister_task_definition(taskDefinition="f:1")
    gone = mine.delete_task_definitions(taskDefinitions=["f:1"])["taskDefinitions"][0]
    assert gone["status"] == "DELETE_IN_PROGRESS"
    with pytest.raises(mine.exceptions.ClientException) as error:
        mine.describe_task_definition(taskDefinition="f:1")
    assert "Unable to describe task definition." in str(error.value)
    assert register(mine)["revision"] == 2


@pytest.mark.parametrize("reference,fault,text", [
    ("nobody:1", "ClientException", "Unable to describe task definition."),
    ("f", "ClientException", "Revision is missing."),
    ("f:x", "InvalidParameterException", "Invalid revision number. Number: x"),
])
def test_deregister_wants_a_revision(ecs, reference, fault, text):
    with pytest.raises(getattr(ecs.exceptions, fault)) as error:
        ecs.deregister_task_definition(taskDefinition=reference)
    assert text in str(error.value)


def test_too_many_to_delete(ecs):
    with pytest.raises(ecs.exceptions.InvalidParameterException) as error:
        ecs.delete_task_definitions(taskDefinitions=[f"f:{i}" for i in range(1, 12)])
    assert "Size of TaskDefinition references list cannot exceed 10" in str(error.value)


def test_listings(mine):
    for family in ("alpha", "alphabet", "beta"):
        for _ in range(11 if family == "alpha" else 1):
            register(mine, family)
    mine.deregister_task_definition(taskDefinition="beta:1")

    def names(**how):
        pages = mine.get_paginator("list_task_definitions").paginate(
            PaginationConfig={"PageSize": 4}, **how)
        return [arn.split("/")[-1] for page in pages for arn in page["taskDefinitionArns"]]

    alphas = [f"alpha:{i}" for i in range(1, 12)]
    assert names() == alphas + ["alphabet:1"]
    assert names(sort="DESC") == ["alphabet:1"] + alphas[::-1]
    assert names(familyPrefix="alpha") == alphas  # a family here, no prefix
    assert names(status="INACTIVE") == ["beta:1"]
    families = mine.list_task_definition_families
    assert families()["families"] == ["alpha", "alphabet", "beta"]
    assert families(familyPrefix="alpha")["families"] == ["alpha", "alphabet"]
    assert families(status="ACTIVE")["families"] == ["alpha", "alphabet"]
    assert families(status="INACTIVE")["families"] == ["beta"]


@pytest.mark.parametrize("change,text", [
    ({"containerDefinitions": []}, "Container list cannot be empty"),
    ({"containerDefinitions": [{**APP[0], "essential": False}]},
     "Task definition doesn't have any essential container"),
    ({"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc"},
     "Fargate requires that 'cpu' be defined at the task level."),
    ({"family": "a b"}, "amily"),
])
def test_a_bad_definition_changes_nothing(mine, change, text):
    with pytest.raises(Exception) as error:
        mine.register_task_definition(**{"family": "f", "containerDefinitions": APP, **change})
    assert text in str(error.value)
    assert mine.list_task_definition_families()["families"] == []


def test_tags_of_a_definition(ecs):
    arn = register(ecs, "tagged")["taskDefinitionArn"]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "1"},
                                            {"key": "b", "value": "2"}])
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "3"}])
    ecs.untag_resource(resourceArn=arn, tagKeys=["b", "never"])
    assert ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "a", "value": "3"}]
    for bad in ([{"key": "aws:x", "value": "1"}], [{"key": "k" * 129, "value": ""}],
                [{"key": f"k{i}", "value": ""} for i in range(51)]):
        with pytest.raises(ecs.exceptions.InvalidParameterException):
            ecs.tag_resource(resourceArn=arn, tags=bad)
    assert len(ecs.list_tags_for_resource(resourceArn=arn)["tags"]) == 1
