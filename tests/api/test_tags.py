"""TagResource, UntagResource, ListTagsForResource, on everything that has tags."""

import pytest

from eventually import eventually

TAGS = [{"key": "team", "value": "blue"}, {"key": "stage", "value": ""}]


def tags(ecs, arn):
    return ecs.list_tags_for_resource(resourceArn=arn)["tags"]


@pytest.fixture
def service(ecs, cluster, taskdef):
    return ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=taskdef(),
                              desiredCount=0)["service"]["serviceArn"]


@pytest.fixture
def task(ecs, cluster, host, taskdef):
    return ecs.run_task(cluster=cluster, taskDefinition=taskdef())["tasks"][0]["taskArn"]


@pytest.fixture
def arns(ecs, cluster, host, taskdef, service, task):
    """One ARN of each kind of resource that a cluster has."""
    return {
        "cluster": ecs.describe_clusters(clusters=[cluster])["clusters"][0]["clusterArn"],
        "task-definition": taskdef(),
        "service": service, "task": task, "container-instance": host.arn,
    }


@pytest.mark.parametrize("kind", ["cluster", "task-definition", "service", "task",
                                  "container-instance"])
def test_tags_come_change_and_go(ecs, arns, kind):
    arn = arns[kind]
    assert f":{kind}/" in arn and tags(ecs, arn) == []
    ecs.tag_resource(resourceArn=arn, tags=TAGS)
    assert tags(ecs, arn) == TAGS
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "team", "value": "red"}])
    assert tags(ecs, arn) == [{"key": "team", "value": "red"}, TAGS[1]]
    ecs.untag_resource(resourceArn=arn, tagKeys=["team", "never"])
    assert tags(ecs, arn) == TAGS[1:]
    ecs.untag_resource(resourceArn=arn, tagKeys=["stage"])
    assert tags(ecs, arn) == []


def test_tags_are_shown_where_they_are_asked_for(ecs, cluster, arns):
    for arn in arns.values():
        ecs.tag_resource(resourceArn=arn, tags=TAGS)
    include = {"include": ["TAGS"]}
    assert ecs.describe_clusters(clusters=[cluster], **include)["clusters"][0]["tags"] == TAGS
    assert ecs.describe_services(cluster=cluster, services=["s"],
                                 **include)["services"][0]["tags"] == TAGS
    assert ecs.describe_tasks(cluster=cluster, tasks=[arns["task"]],
                              **include)["tasks"][0]["tags"] == TAGS
    assert ecs.describe_task_definition(taskDefinition=arns["task-definition"],
                                        **include)["tags"] == TAGS
    assert ecs.describe_container_instances(
        cluster=cluster, containerInstances=[arns["container-instance"]],
        **include)["containerInstances"][0]["tags"] == TAGS


def missing(arn):
    return arn.rsplit("/", 1)[0] + "/" + "0" * 32


def test_what_is_not_there_has_no_tags(ecs, arns):
    x = ecs.exceptions
    for kind, fault in (("service", x.ServiceNotFoundException),
                        ("cluster", x.ClusterNotFoundException),
                        ("task", x.InvalidParameterException),
                        ("task-definition", x.InvalidParameterException),
                        ("container-instance", x.InvalidParameterException)):
        arn = missing(arns[kind])
        with pytest.raises(fault):
            ecs.tag_resource(resourceArn=arn, tags=TAGS)
        with pytest.raises(fault):
            ecs.untag_resource(resourceArn=arn, tagKeys=["team"])
        with pytest.raises(fault):
            tags(ecs, arn)


@pytest.mark.parametrize("arn", [
    "", "web", "arn:aws:ecs", "arn:aws:ecs:us-east-1:000000000000:cluster",
    "arn:aws:ecs:us-east-1:000000000000:nothing/default/x",
    "arn:aws:ecr:us-east-1:000000000000:repository/x", "x" * 3000,
])
def test_what_is_no_arn_of_a_resource(ecs, arn):
    x = ecs.exceptions
    for call, more in ((ecs.tag_resource, {"tags": TAGS}), (ecs.untag_resource, {"tagKeys": []}),
                       (ecs.list_tags_for_resource, {})):
        with pytest.raises((x.InvalidParameterException, x.ClusterNotFoundException)):
            call(resourceArn=arn, **more)


def test_refused_tags_leave_what_was(ecs, service):
    ecs.tag_resource(resourceArn=service, tags=TAGS)
    for bad in ([{"key": "aws:x", "value": "1"}],
                [{"key": "k" * 129, "value": "1"}], [{"key": "k", "value": "v" * 257}],
                [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}],
                [{"key": "a<b", "value": "1"}],
                [{"key": f"k{i}", "value": "1"} for i in range(49)]):  # with TAGS: 51
        with pytest.raises(ecs.exceptions.InvalidParameterException):
            ecs.tag_resource(resourceArn=service, tags=bad)
        assert tags(ecs, service) == TAGS


def test_other_accounts_see_no_tags(server, ecs, service):
    ecs.tag_resource(resourceArn=service, tags=TAGS)
    other = server.client("ecs", account="121212121212")
    x = other.exceptions
    for call in (lambda: tags(other, service),
                 lambda: other.untag_resource(resourceArn=service, tagKeys=["team"])):
        with pytest.raises((x.ClusterNotFoundException, x.InvalidParameterException)):
            call()
    assert tags(ecs, service) == TAGS


def test_a_stopped_task_has_no_tags_to_change(ecs, cluster, task):
    ecs.stop_task(cluster=cluster, task=task)
    eventually(lambda: ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"][0][
        "lastStatus"] == "STOPPED", what="the stopped task")
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.tag_resource(resourceArn=task, tags=TAGS)


def test_tags_survive_a_crash(own_server):
    ecs = own_server.client("ecs")
    arn = ecs.create_cluster(clusterName="c", tags=TAGS)["cluster"]["clusterArn"]
    ecs.untag_resource(resourceArn=arn, tagKeys=["stage"])
    own_server.restart()
    assert tags(own_server.client("ecs"), arn) == TAGS[:1]
