"""Attributes of container instances, as people set them."""

import pytest

KIND = "container-instance"


def put(ecs, cluster, arn, **attributes):
    return ecs.put_attributes(cluster=cluster, attributes=[
        {"name": n, "targetId": arn, **({"value": v} if v is not None else {})}
        for n, v in attributes.items()])["attributes"]


def custom(ecs, cluster, arn):
    i = ecs.describe_container_instances(cluster=cluster, containerInstances=[arn])
    return {a["name"]: a.get("value") for a in i["containerInstances"][0]["attributes"]
            if "." not in a["name"]}


def listed(ecs, cluster, **how):
    return {(a["targetId"], a["name"]): a.get("value") for a in
            ecs.list_attributes(cluster=cluster, targetType=KIND, **how)["attributes"]}


def test_put_list_delete(ecs, cluster, hosts):
    one, two = hosts(2)
    made = put(ecs, cluster, one.arn, rack="r1", ssd=None)
    assert made == [{"name": "rack", "value": "r1", "targetType": KIND, "targetId": one.arn},
                    {"name": "ssd", "targetType": KIND, "targetId": one.arn}]
    ecs.put_attributes(cluster=cluster, attributes=[
        {"name": "rack", "value": "r2", "targetType": KIND,
         "targetId": two.arn.split("/")[-1]}])
    assert custom(ecs, cluster, one.arn) == {"rack": "r1", "ssd": None}
    assert listed(ecs, cluster, attributeName="rack") == {
        (one.arn, "rack"): "r1", (two.arn, "rack"): "r2"}
    assert listed(ecs, cluster, attributeName="rack", attributeValue="r2") == {
        (two.arn, "rack"): "r2"}
    assert listed(ecs, cluster, attributeName="nothing") == {}
    put(ecs, cluster, one.arn, rack="r9")
    assert custom(ecs, cluster, one.arn)["rack"] == "r9"
    ecs.delete_attributes(cluster=cluster, attributes=[
        {"name": "rack", "value": "other", "targetId": one.arn}])
    assert custom(ecs, cluster, one.arn)["rack"] == "r9"
    gone = ecs.delete_attributes(cluster=cluster, attributes=[
        {"name": "rack", "targetId": one.arn}])["attributes"]
    assert gone == [{"name": "rack", "value": "r9", "targetType": KIND, "targetId": one.arn}]
    assert custom(ecs, cluster, one.arn) == {"ssd": None}


def test_pages(ecs, cluster, hosts):
    for i, h in enumerate(hosts(3)):
        put(ecs, cluster, h.arn, a="1", b=str(i))
    want = listed(ecs, cluster)
    got, token, pages = {}, {}, 0
    while True:
        page = ecs.list_attributes(cluster=cluster, targetType=KIND, maxResults=7, **token)
        assert len(page["attributes"]) <= 7
        for a in page["attributes"]:
            assert (a["targetId"], a["name"]) not in got
            got[(a["targetId"], a["name"])] = a.get("value")
        pages += 1
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert got == want and pages == -(-len(want) // 7)


def test_constraints_see_a_change_at_once(ecs, cluster, hosts, taskdef):
    one, two = hosts(2)
    td = taskdef()
    rule = [{"type": "memberOf", "expression": "attribute:rack == r1"}]

    def run():
        return ecs.run_task(cluster=cluster, taskDefinition=td, placementConstraints=rule)

    out = run()
    assert not out["tasks"] and {f["reason"] for f in out["failures"]} == {
        "MemberOf placement constraint unsatisfied."}
    put(ecs, cluster, two.arn, rack="r1")
    assert run()["tasks"][0]["containerInstanceArn"] == two.arn
    ecs.delete_attributes(cluster=cluster, attributes=[{"name": "rack", "targetId": two.arn}])
    put(ecs, cluster, one.arn, rack="r1")
    assert run()["tasks"][0]["containerInstanceArn"] == one.arn


def test_a_service_that_waits_is_placed_by_an_attribute(ecs, cluster, host, taskdef):
    ecs.create_service(
        cluster=cluster, serviceName="s", taskDefinition=taskdef(), desiredCount=1,
        placementConstraints=[{"type": "memberOf", "expression": "attribute:rack exists"}])
    put(ecs, cluster, host.arn, rack="r1")
    host.wait(lambda: host.tasks, what="the service's task")
    ecs.delete_service(cluster=cluster, service="s", force=True)


def test_limits(ecs, cluster, host):
    put(ecs, cluster, host.arn, **{f"a{i}": "x" for i in range(9)})
    with pytest.raises(ecs.exceptions.AttributeLimitExceededException):
        put(ecs, cluster, host.arn, b1="x", b2="x")
    assert len(custom(ecs, cluster, host.arn)) == 9  # nothing half-done
    put(ecs, cluster, host.arn, b1="x", a0="y")
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        put(ecs, cluster, host.arn, **{f"c{i}": "x" for i in range(11)})


@pytest.mark.parametrize("attribute", [
    {"name": ""}, {"name": "a b"}, {"name": "x" * 129}, {"name": "a", "value": ""},
    {"name": "a", "value": " x"}, {"name": "a", "value": "x" * 129},
    {"name": "a", "value": "ü"}, {"name": "ecs.instance-type", "value": "m5.large"}])
def test_names_and_values_are_checked(ecs, cluster, host, attribute):
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.put_attributes(cluster=cluster, attributes=[{**attribute, "targetId": host.arn}])


def test_targets_are_checked(ecs, cluster, host):
    missing = host.arn[:-4] + "0000"
    for call in (ecs.put_attributes, ecs.delete_attributes):
        with pytest.raises(ecs.exceptions.TargetNotFoundException):
            call(cluster=cluster, attributes=[{"name": "a", "targetId": missing}])
        with pytest.raises(ecs.exceptions.InvalidParameterException):
            call(cluster=cluster, attributes=[{"name": "a"}])
        with pytest.raises(ecs.exceptions.InvalidParameterException):
            call(cluster=cluster, attributes=[{"name": "a", "targetId": missing[-32:]}])
        with pytest.raises(ecs.exceptions.ClusterNotFoundException):
            call(cluster="none", attributes=[{"name": "a", "targetId": host.arn}])
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.list_attributes(cluster=cluster, targetType=KIND, attributeValue="x")


def test_they_stay_when_the_agent_comes_back(ecs, cluster, host):
    put(ecs, cluster, host.arn, rack="r1")
    host.register(4096, 8192, ["22"], [{"name": "role", "value": "web"}], arn=host.arn)
    assert custom(ecs, cluster, host.arn) == {"rack": "r1", "role": "web"}
