"""Account settings: whose they are, what holds, and what they do."""

import pytest

ACCOUNT = "000000000000"


@pytest.fixture
def account(server):
    """A client of an account of the test's own."""
    account.number = getattr(account, "number", 100000000000) + 1
    return server.client("ecs", account=str(account.number))


def listed(ecs, **how):
    return {s["name"]: s["value"] for s in ecs.list_account_settings(**how)["settings"]}


def test_what_nobody_set_has_built_in_values(account):
    assert listed(account) == {}
    page = account.list_account_settings(effectiveSettings=True)
    assert len(page["settings"]) == 10
    rest = account.list_account_settings(effectiveSettings=True, nextToken=page["nextToken"])
    assert "nextToken" not in rest
    values = {s["name"]: s["value"] for s in page["settings"] + rest["settings"]}
    assert values == {
        "serviceLongArnFormat": "enabled", "taskLongArnFormat": "enabled",
        "containerInstanceLongArnFormat": "enabled", "awsvpcTrunking": "disabled",
        "containerInsights": "disabled", "fargateFIPSMode": "disabled",
        "tagResourceAuthorization": "off", "fargateTaskRetirementWaitPeriod": "7",
        "guardDutyActivate": "off", "defaultLogDriverMode": "non-blocking",
        "fargateEventWindows": "disabled"}
    kinds = {s["name"]: s["type"] for s in page["settings"] + rest["settings"]}
    assert kinds["guardDutyActivate"] == "aws_managed" and kinds["awsvpcTrunking"] == "user"


def test_principal_then_root_then_built_in(account):
    root = account.list_account_settings(effectiveSettings=True)["settings"][0]["principalArn"]
    bob = root.replace(":root", ":user/bob")
    name = "containerInsights"
    account.put_account_setting_default(name=name, value="enabled")
    assert listed(account, principalArn=bob) == {}
    assert listed(account, principalArn=bob, effectiveSettings=True, name=name) == {
        name: "enabled"}
    put = account.put_account_setting(name=name, value="enhanced", principalArn=bob)["setting"]
    assert put == {"name": name, "value": "enhanced", "principalArn": bob, "type": "user"}
    assert listed(account, principalArn=bob) == {name: "enhanced"}
    assert listed(account) == {name: "enabled"}
    gone = account.delete_account_setting(name=name, principalArn=bob)["setting"]
    assert gone["value"] == "enabled"
    account.delete_account_setting(name=name)
    assert listed(account, effectiveSettings=True, name=name) == {name: "disabled"}


def test_filters_and_pages(account):
    for name in ("awsvpcTrunking", "fargateFIPSMode", "containerInsights"):
        account.put_account_setting(name=name, value="enabled")
    assert listed(account, name="awsvpcTrunking", value="enabled") == {
        "awsvpcTrunking": "enabled"}
    assert listed(account, name="awsvpcTrunking", value="disabled") == {}
    seen, token = [], {}
    while True:
        page = account.list_account_settings(maxResults=1, **token)
        assert len(page["settings"]) <= 1
        seen += [s["name"] for s in page["settings"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert seen == ["awsvpcTrunking", "containerInsights", "fargateFIPSMode"]
    for bad in ({"value": "enabled"}, {"nextToken": "00"}, {"maxResults": 11}):
        with pytest.raises(account.exceptions.InvalidParameterException):
            account.list_account_settings(**bad)


@pytest.mark.parametrize("name,value", [
    ("containerInsights", "on"), ("tagResourceAuthorization", "enabled"),
    ("fargateTaskRetirementWaitPeriod", "8"), ("guardDutyActivate", "on"),
    ("taskLongArnFormat", "disabled"), ("defaultLogDriverMode", ""), ("noSuchThing", "on")])
def test_values_are_checked(account, name, value):
    for call in (account.put_account_setting, account.put_account_setting_default):
        with pytest.raises(account.exceptions.InvalidParameterException):
            call(name=name, value=value)
    assert listed(account) == {}


@pytest.mark.parametrize("arn", ["bob", "arn:aws:iam::999999999999:root",
                                 "arn:aws:iam::000000000000:group/x"])
def test_principals_are_of_the_account(ecs, arn):
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.put_account_setting(name="containerInsights", value="enabled", principalArn=arn)


def test_container_insights_is_the_default_of_new_clusters(account):
    account.put_account_setting_default(name="containerInsights", value="enhanced")
    made = account.create_cluster(clusterName="x")["cluster"]
    assert made["settings"] == [{"name": "containerInsights", "value": "enhanced"}]
    made = account.create_cluster(clusterName="y", settings=[
        {"name": "containerInsights", "value": "disabled"}])["cluster"]
    assert made["settings"] == [{"name": "containerInsights", "value": "disabled"}]


def test_settings_survive_a_crash(own_server):
    ecs = own_server.client("ecs")
    ecs.put_account_setting_default(name="tagResourceAuthorization", value="on")
    own_server.restart()
    assert listed(own_server.client("ecs")) == {"tagResourceAuthorization": "on"}


def test_deleting_is_for_known_settings_and_principals_of_the_account(account):
    from_elsewhere = "arn:aws:iam::999999999999:user/bob"
    with pytest.raises(account.exceptions.InvalidParameterException):
        account.delete_account_setting(name="containerInsights", principalArn=from_elsewhere)
    with pytest.raises(account.exceptions.InvalidParameterException):
        account.delete_account_setting(name="noSuchSetting")
