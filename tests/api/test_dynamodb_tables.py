"""DynamoDB's tables: what may be made, what they tell, how they change and end."""
import json

import pytest
from dynamodb_help import INVALID, THROUGHPUT, attributes, index, key, make, refusal
from eventually import eventually


@pytest.fixture
def dynamodb(server):
    return server.client("dynamodb")


@pytest.fixture
def name(request):
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[:200]


def test_the_endpoint_is_the_one_that_was_called(server, dynamodb):
    endpoint, = dynamodb.describe_endpoints()["Endpoints"]
    assert f"http://{endpoint['Address']}" == server.url
    assert endpoint["CachePeriodInMinutes"] > 0


def test_limits_are_those_of_an_account(dynamodb):
    limits = dynamodb.describe_limits()
    assert limits["AccountMaxReadCapacityUnits"] == 80000
    assert limits["TableMaxWriteCapacityUnits"] == 40000


def test_a_table_tells_what_it_was_made_with(server, dynamodb, name):
    made = make(dynamodb, name, KeySchema=key("k", "r"), BillingMode="PROVISIONED",
                ProvisionedThroughput=THROUGHPUT,
                AttributeDefinitions=attributes(k="S", r="N", a="B"),
                LocalSecondaryIndexes=[index("by-a", "k", "a", "KEYS_ONLY")],
                GlobalSecondaryIndexes=[index("all-a", "a", None, "INCLUDE", names=["x"],
                                              ProvisionedThroughput=THROUGHPUT)])
    told = dynamodb.describe_table(TableName=name)["Table"]
    assert told == made
    assert told["TableArn"] == f"arn:aws:dynamodb:us-east-1:000000000000:table/{name}"
    assert told["TableStatus"] == "ACTIVE"
    assert told["KeySchema"] == key("k", "r")
    assert told["AttributeDefinitions"] == attributes(k="S", r="N", a="B")
    assert told["ProvisionedThroughput"]["WriteCapacityUnits"] == 6
    assert "BillingModeSummary" not in told
    assert told["DeletionProtectionEnabled"] is False
    assert (told["ItemCount"], told["TableSizeBytes"]) == (0, 0)
    local, = told["LocalSecondaryIndexes"]
    assert local["IndexArn"] == told["TableArn"] + "/index/by-a"
    assert local["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    indexed, = told["GlobalSecondaryIndexes"]
    assert indexed["IndexStatus"] == "ACTIVE"
    assert indexed["Projection"]["NonKeyAttributes"] == ["x"]
    assert dynamodb.describe_table(TableName=told["TableArn"])["Table"] == told


def test_waiters_see_it_come_and_go(dynamodb, name):
    make(dynamodb, name)
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    assert dynamodb.delete_table(TableName=name)["TableDescription"]["TableStatus"] == \
        "DELETING"
    dynamodb.get_waiter("table_not_exists").wait(TableName=name)
    assert refusal(dynamodb.describe_table, TableName=name) == (
        "ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
    assert refusal(dynamodb.delete_table, TableName=name)[0] == "ResourceNotFoundException"


def test_a_name_is_taken_once(dynamodb, name):
    make(dynamodb, name)
    assert refusal(make, dynamodb, name) == ("ResourceInUseException",
                                             f"Table already exists: {name}")


@pytest.mark.parametrize("more, text", [
    (dict(TableName="ab"), "Invalid table/index name."),
    (dict(TableName="a/bc"), "Invalid table/index name."),
    (dict(KeySchema=None), "keySchema"),
    (dict(KeySchema=key("x")), INVALID + "Some index key attributes are not defined in "
     "AttributeDefinitions. Keys: [x], AttributeDefinitions: [k]"),
    (dict(AttributeDefinitions=attributes(k="S", x="S")),
     INVALID + "Number of attributes in KeySchema does not exactly match number of attributes "
     "defined in AttributeDefinitions"),
    (dict(AttributeDefinitions=attributes(k="S") * 2),
     "Cannot have two attributes with the same name"),
    (dict(KeySchema=key("k", "k")), "Both the Hash Key and the Range Key element in the "
     "KeySchema have the same name"),
    (dict(KeySchema=list(reversed(key("k", "r")))), "The first KeySchemaElement is not a HASH"),
    (dict(BillingMode="PROVISIONED"), "must both be specified when BillingMode is PROVISIONED"),
    (dict(BillingMode=None), "must both be specified when BillingMode is PROVISIONED"),
    (dict(ProvisionedThroughput=THROUGHPUT), "Neither ReadCapacityUnits nor WriteCapacityUnits"),
    (dict(LocalSecondaryIndexes=[index("lll", "k", "r")]),
     "Table KeySchema does not have a range key"),
    (dict(GlobalSecondaryIndexes=[]), "List of GlobalSecondaryIndexes is empty"),
    (dict(GlobalSecondaryIndexes=[index("ggg", "k"), index("ggg", "k")]),
     "Duplicate index name: ggg"),
    (dict(GlobalSecondaryIndexes=[index("ggg", "k", None, "INCLUDE")]),
     "ProjectionType is INCLUDE, but NonKeyAttributes is not specified"),
    (dict(GlobalSecondaryIndexes=[index("ggg", "k", None, "ALL", names=["x"])]),
     "ProjectionType is ALL, but NonKeyAttributes is specified"),
    (dict(GlobalSecondaryIndexes=[index("ggg", "k", None, "KEYS_ONLY", names=["x"])]),
     "ProjectionType is KEYS_ONLY, but NonKeyAttributes is specified"),
    (dict(GlobalSecondaryIndexes=[index(f"g{i:02}", "k") for i in range(21)]),
     "exceeds the per-table limit of 20"),
    (dict(StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}),
     "StreamSpecification is not supported"),
    (dict(SSESpecification={"Enabled": True, "SSEType": "KMS"}),
     "SSESpecification is not supported"),
    (dict(Tags=[{"Key": "aws:x", "Value": ""}]), "Tag keys can't begin with"),
])
def test_what_can_not_be_is_refused(dynamodb, more, text):
    code, said = refusal(make, dynamodb, more.pop("TableName", "never-made"), **more)
    assert code == "ValidationException"
    assert text in said
    assert "never-made" not in dynamodb.list_tables()["TableNames"]


def test_local_indexes_share_the_partition(dynamodb, name):
    table = dict(KeySchema=key("k", "r"), AttributeDefinitions=attributes(k="S", r="S", a="S"))
    assert "does not have the same leading hash key as table KeySchema for index: lll. index " \
        "hash key: a, table hash key: k" in refusal(
            make, dynamodb, name, LocalSecondaryIndexes=[index("lll", "a", "r")], **table)[1]
    assert "Index KeySchema does not have a range key for index: lll" in refusal(
        make, dynamodb, name, LocalSecondaryIndexes=[index("lll", "k")], **table)[1]
    assert "exceeds per-table limit of 5" in refusal(
        make, dynamodb, name, **table,
        LocalSecondaryIndexes=[index(f"l{i:02}", "k", "a") for i in range(6)])[1]
    assert "Some AttributeDefinitions are not used. AttributeDefinitions: [k, r, a], keys used: " \
        "[k, r]" in refusal(make, dynamodb, name, **table,
                            GlobalSecondaryIndexes=[index("ggg", "r")])[1]


def test_tables_are_listed_by_pages(server):
    dynamodb = server.client("dynamodb", account="000000000077")
    names = [f"list-{i:02}" for i in range(7)]
    for n in reversed(names):
        make(dynamodb, n)
    page = dynamodb.list_tables(Limit=3)
    assert page["TableNames"] == names[:3] and page["LastEvaluatedTableName"] == names[2]
    pages = dynamodb.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2})
    assert [n for p in pages for n in p["TableNames"]] == names
    assert "LastEvaluatedTableName" not in dynamodb.list_tables(Limit=7)
    other = server.client("dynamodb", account="000000000077", region="eu-west-1")
    assert other.list_tables()["TableNames"] == []


def test_billing_changes_both_ways(dynamodb, name):
    make(dynamodb, name)
    assert "must both be specified" in refusal(
        dynamodb.update_table, TableName=name, BillingMode="PROVISIONED")[1]
    told = dynamodb.update_table(TableName=name, BillingMode="PROVISIONED",
                                 ProvisionedThroughput=THROUGHPUT)["TableDescription"]
    assert told["ProvisionedThroughput"]["ReadCapacityUnits"] == 5
    assert told["BillingModeSummary"]["BillingMode"] == "PROVISIONED"
    assert "will not change. The requested value equals the current value" in refusal(
        dynamodb.update_table, TableName=name, ProvisionedThroughput=THROUGHPUT)[1]
    told = dynamodb.update_table(TableName=name, BillingMode="PAY_PER_REQUEST")[
        "TableDescription"]
    assert told["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert told["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    assert refusal(dynamodb.update_table, TableName=name)[1].startswith("At least one of ")


def test_a_protected_table_stays(dynamodb, name):
    make(dynamodb, name, DeletionProtectionEnabled=True)
    assert refusal(dynamodb.delete_table, TableName=name) == (
        "ValidationException", "Resource cannot be deleted as it is currently protected against "
        "deletion. Disable deletion protection first.")
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=name)


def test_a_global_index_comes_and_goes(dynamodb, name):
    make(dynamodb, name)
    create = {"Create": index("by-a", "a", "n")}
    assert "are not defined in AttributeDefinitions" in refusal(
        dynamodb.update_table, TableName=name, GlobalSecondaryIndexUpdates=[create])[1]
    told = dynamodb.update_table(
        TableName=name, AttributeDefinitions=attributes(k="S", a="S", n="N"),
        GlobalSecondaryIndexUpdates=[create])["TableDescription"]
    assert told["GlobalSecondaryIndexes"][0]["IndexStatus"] == "CREATING"
    assert told["TableStatus"] == "UPDATING"

    def active():
        table = dynamodb.describe_table(TableName=name)["Table"]
        return table["TableStatus"] == "ACTIVE" and \
            table["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    eventually(active)
    assert refusal(dynamodb.update_table, TableName=name,
                   AttributeDefinitions=attributes(k="S", a="S", n="N"),
                   GlobalSecondaryIndexUpdates=[create])[1] == \
        "Attempting to create an index which already exists"
    assert refusal(dynamodb.update_table, TableName=name, GlobalSecondaryIndexUpdates=[
        {"Delete": {"IndexName": "by-a"}}, {"Delete": {"IndexName": "by-a"}}])[0] == \
        "LimitExceededException"
    told = dynamodb.update_table(TableName=name, GlobalSecondaryIndexUpdates=[
        {"Delete": {"IndexName": "by-a"}}])["TableDescription"]
    assert "GlobalSecondaryIndexes" not in told
    assert told["AttributeDefinitions"] == attributes(k="S")
    assert refusal(dynamodb.update_table, TableName=name, GlobalSecondaryIndexUpdates=[
        {"Delete": {"IndexName": "by-a"}}])[0] == "ResourceNotFoundException"


def test_tags(dynamodb, name):
    arn = make(dynamodb, name, Tags=[{"Key": "a", "Value": "1"}])["TableArn"]
    dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"},
                                                 {"Key": "b", "Value": ""}])
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["b", "none"])
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == [
        {"Key": "a", "Value": "2"}]
    assert refusal(dynamodb.list_tags_of_resource, ResourceArn=arn + "x") == (
        "ResourceNotFoundException",
        f"Requested resource not found: ResourcArn: {arn}x not found")
    assert refusal(dynamodb.tag_resource, ResourceArn=arn, Tags=[
        {"Key": f"k{i}", "Value": ""} for i in range(50)])[0] == "ValidationException"


def test_time_to_live_is_told(dynamodb, name):
    make(dynamodb, name)
    live = {"TableName": name,
            "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"}}
    assert dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "DISABLED"}
    assert dynamodb.update_time_to_live(**live)["TimeToLiveSpecification"] == \
        live["TimeToLiveSpecification"]
    assert refusal(dynamodb.update_time_to_live, **live)[1] == "TimeToLive is already enabled"
    assert dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED", "AttributeName": "ends"}
    live["TimeToLiveSpecification"]["Enabled"] = False
    dynamodb.update_time_to_live(**live)
    assert refusal(dynamodb.update_time_to_live, **live)[1] == "TimeToLive is already disabled"


def test_backups_are_off(dynamodb, name):
    make(dynamodb, name)
    told = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert told["ContinuousBackupsStatus"] == "DISABLED"
    assert told["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    assert refusal(dynamodb.describe_continuous_backups, TableName="none") == (
        "TableNotFoundException", "Table not found: none")


def test_tables_survive_a_crash(own_server):
    dynamodb = own_server.client("dynamodb")
    told = make(dynamodb, "kept", Tags=[{"Key": "a", "Value": "1"}],
                AttributeDefinitions=attributes(k="S", a="S"),
                GlobalSecondaryIndexes=[index("by-a", "a")])
    make(dynamodb, "gone")
    dynamodb.delete_table(TableName="gone")
    own_server.restart()
    dynamodb = own_server.client("dynamodb")
    assert dynamodb.list_tables()["TableNames"] == ["kept"]
    assert dynamodb.describe_table(TableName="kept")["Table"] == told


def test_a_policy_of_its_own(server, dynamodb, name):
    arn = make(dynamodb, name)["TableArn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"AWS": "000000000088"},
        "Action": "dynamodb:DescribeTable", "Resource": arn}})
    assert refusal(dynamodb.get_resource_policy, ResourceArn=arn)[0] == "PolicyNotFoundException"
    other = server.client("dynamodb", account="000000000088")
    assert refusal(other.describe_table, TableName=arn)[0] == "AccessDeniedException"
    revision = dynamodb.put_resource_policy(ResourceArn=arn, Policy=policy)["RevisionId"]
    told = dynamodb.get_resource_policy(ResourceArn=arn)
    assert (told["Policy"], told["RevisionId"]) == (policy, revision)
    assert other.describe_table(TableName=arn)["Table"]["TableArn"] == arn
    assert refusal(dynamodb.put_resource_policy, ResourceArn=arn,
                   Policy="{}")[0] == "ValidationException"
    assert refusal(dynamodb.delete_resource_policy, ResourceArn=arn,
                   ExpectedRevisionId="1")[0] == "PolicyNotFoundException"
    assert dynamodb.delete_resource_policy(ResourceArn=arn)["RevisionId"] == revision
    assert refusal(other.describe_table, TableName=arn)[0] == "AccessDeniedException"
