"""DynamoDB's items, one at a time: put, get, update, delete; and that nothing is lost."""
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from dynamodb_help import INVALID, attributes, index, item, key, make, plain_item, refusal, value


@pytest.fixture(scope="module")
def dynamodb(server):
    return server.client("dynamodb")


@pytest.fixture(scope="module", autouse=True)
def tables(dynamodb):
    make(dynamodb, "plain")
    make(dynamodb, "ranged", KeySchema=key("k", "r"),
         AttributeDefinitions=attributes(k="S", r="N", a="S"),
         LocalSecondaryIndexes=[index("local-a", "k", "a")],
         GlobalSecondaryIndexes=[index("by-a", "a")])


@pytest.fixture
def k(request):
    return request.node.name


def put(dynamodb, k, **more):
    return dynamodb.put_item(TableName="plain", Item=item(k=k, **more))


def get(dynamodb, k, **more):
    return dynamodb.get_item(TableName="plain", Key=item(k=k), **more).get("Item")


def test_an_item_comes_back_as_it_was_put(dynamodb, k):
    whole = {**item(k=k, s="täxt", empty="", b=b"\0\xff", yes=True, no=False, none=None,
                    ss={"a", "b"}, l=[1, "x", [2]], m={"in": {"deep": 1}}),
             "bs": {"BS": [b"1", b"2"]}, "ns": {"NS": ["1", "2.5"]}, "n": {"N": "-1.5"}}
    assert "Attributes" not in dynamodb.put_item(TableName="plain", Item=whole)
    assert get(dynamodb, k) == whole
    assert get(dynamodb, k, ConsistentRead=True) == whole


def test_numbers_are_exact_and_have_one_text(dynamodb, k):
    for given, kept in [("1.0", "1"), ("0.10", "0.1"), ("1e3", "1000"), ("-0", "0"),
                        ("12345678901234567890123456789012345678",) * 2,
                        ("0.00000000000000000000000000000000000001",) * 2]:
        dynamodb.put_item(TableName="plain", Item={"k": {"S": k}, "n": {"N": given}})
        assert get(dynamodb, k)["n"] == {"N": kept}
    for bad in ("1" * 39, "1e126", "x", ""):
        code, _ = refusal(dynamodb.put_item, TableName="plain",
                          Item={"k": {"S": k}, "n": {"N": bad}})
        assert code == "ValidationException", bad


def test_what_is_not_there_has_no_item(dynamodb, k):
    reply = dynamodb.get_item(TableName="plain", Key=item(k=k))
    assert "Item" not in reply
    reply = dynamodb.delete_item(TableName="plain", Key=item(k=k), ReturnValues="ALL_OLD")
    assert "Attributes" not in reply


def test_parts_of_an_item(dynamodb, k):
    put(dynamodb, k, a=1, m={"x": 2, "y": 3}, l=[1, 2, 3], size="z")
    assert plain_item(get(dynamodb, k, ProjectionExpression="a, m.x, l[1], #s, lacks",
                          ExpressionAttributeNames={"#s": "size"})) == {
        "a": 1, "m": {"x": 2}, "l": [2], "size": "z"}
    assert plain_item(get(dynamodb, k, AttributesToGet=["a", "k"])) == {"a": 1, "k": k}
    assert get(dynamodb, k, ProjectionExpression="lacks") == {}


@pytest.mark.parametrize("given, text", [
    ({"x": {"S": "1"}}, INVALID + "Missing the key k in the item"),
    ({"k": {"N": "1"}}, INVALID + "Type mismatch for key k expected: S actual: N"),
    ({"k": {"S": ""}}, "One or more parameter values are not valid. The AttributeValue for a "
     "key attribute cannot contain an empty string value. Key: k"),
    ({"k": {"S": "x" * 2049}}, "has exceeded the maximum size limit of2048 bytes"),
    ({"k": {"S": "x"}, "s": {"SS": []}}, "empty"),
    ({"k": {"S": "x"}, "s": {"SS": ["a", "a"]}}, "contains duplicates"),
    ({"k": {"S": "x"}, "big": {"S": "x" * 410 * 1024}},
     "Item size has exceeded the maximum allowed size"),
])
def test_items_that_are_none_are_refused(dynamodb, given, text):
    code, said = refusal(dynamodb.put_item, TableName="plain", Item=given)
    assert code == "ValidationException"
    assert text in said


def test_the_largest_item_fits(dynamodb, k):
    put(dynamodb, k, big="x" * (400 * 1024 - len(k) - 4))
    assert len(get(dynamodb, k)["big"]["S"]) > 400 * 1000
    assert refusal(put, dynamodb, k, big="x" * (400 * 1024 - len(k) - 3))[0] == \
        "ValidationException"


@pytest.mark.parametrize("count", [1000, 15000])
def test_many_small_numbers_fit(dynamodb, k, count):
    given = {"k": {"S": k}, "l": {"L": [{"N": "1"}] * count}}
    dynamodb.put_item(TableName="plain", Item=given)
    assert get(dynamodb, k) == given


def test_thirty_two_levels_are_allowed(dynamodb, k):
    deep = {"S": "x"}
    for _ in range(32):
        deep = {"L": [deep]}
    dynamodb.put_item(TableName="plain", Item={"k": {"S": k}, "d": deep})
    assert get(dynamodb, k)["d"] == deep
    assert refusal(dynamodb.put_item, TableName="plain",
                   Item={"k": {"S": k}, "d": {"L": [deep]}})[0] == "ValidationException"


@pytest.mark.parametrize("given", [
    {}, item(k="x", r=1), item(x="x"), {"k": {"N": "1"}}])
def test_a_key_is_the_whole_key_and_nothing_else(dynamodb, given):
    for call in (dynamodb.get_item, dynamodb.delete_item):
        assert refusal(call, TableName="plain", Key=given) == (
            "ValidationException", "The provided key element does not match the schema")


def test_tables_that_are_not_there(dynamodb):
    for call, more in ((dynamodb.get_item, dict(Key=item(k="x"))),
                       (dynamodb.put_item, dict(Item=item(k="x"))),
                       (dynamodb.scan, {})):
        assert refusal(call, TableName="nowhere", **more) == (
            "ResourceNotFoundException", "Requested resource not found")


def test_a_table_by_its_arn(dynamodb, k):
    put(dynamodb, k, a=1)
    arn = "arn:aws:dynamodb:us-east-1:000000000000:table/plain"
    assert dynamodb.get_item(TableName=arn, Key=item(k=k))["Item"]["a"] == {"N": "1"}
    assert refusal(dynamodb.get_item, TableName=arn.replace("us-east-1", "us-west-2"),
                   Key=item(k=k))[0] == "ResourceNotFoundException"


def test_old_values_are_told_when_asked(dynamodb, k):
    put(dynamodb, k, a=1)
    reply = dynamodb.put_item(TableName="plain", Item=item(k=k, a=2), ReturnValues="ALL_OLD")
    assert plain_item(reply["Attributes"]) == {"k": k, "a": 1}
    assert refusal(dynamodb.put_item, TableName="plain", Item=item(k=k),
                   ReturnValues="ALL_NEW")[1] == "ReturnValues can only be ALL_OLD or NONE"
    reply = dynamodb.delete_item(TableName="plain", Key=item(k=k), ReturnValues="ALL_OLD")
    assert plain_item(reply["Attributes"]) == {"k": k, "a": 2}
    assert get(dynamodb, k) is None


def test_a_condition_decides(dynamodb, k):
    new = dict(TableName="plain", Item=item(k=k, a=1),
               ConditionExpression="attribute_not_exists(k)")
    dynamodb.put_item(**new)
    assert refusal(dynamodb.put_item, **new) == (
        "ConditionalCheckFailedException", "The conditional request failed")
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as e:
        dynamodb.put_item(**new, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert plain_item(e.value.response["Item"]) == {"k": k, "a": 1}
    assert refusal(dynamodb.delete_item, TableName="plain", Key=item(k=k),
                   ConditionExpression="a > :a", ExpressionAttributeValues={":a": value(1)})[0] \
        == "ConditionalCheckFailedException"
    dynamodb.delete_item(TableName="plain", Key=item(k=k), ConditionExpression="a = :a",
                         ExpressionAttributeValues={":a": value(1)})
    assert get(dynamodb, k) is None


def test_an_update_changes_what_it_names(dynamodb, k):
    def update(text, want, **more):
        values = {":" + n: value(v) for n, v in more.items()}
        reply = dynamodb.update_item(TableName="plain", Key=item(k=k), UpdateExpression=text,
                                     ReturnValues=want,
                                     **({"ExpressionAttributeValues": values} if values else {}))
        return plain_item(reply.get("Attributes", {}))
    assert update("SET a = :a, b = :b", "ALL_NEW", a=1, b="x") == {"k": k, "a": 1, "b": "x"}
    assert update("SET a = a + :one REMOVE b", "UPDATED_OLD", one=1) == {"a": 1, "b": "x"}
    assert update("ADD a :two", "UPDATED_NEW", two=2) == {"a": 4}
    assert update("SET l = list_append(if_not_exists(l, :e), :l)", "ALL_OLD", e=[], l=[1]) == {
        "k": k, "a": 4}
    assert update("REMOVE l", "NONE") == {}
    assert plain_item(get(dynamodb, k)) == {"k": k, "a": 4}


def test_an_update_of_nothing_makes_the_item(dynamodb, k):
    dynamodb.update_item(TableName="plain", Key=item(k=k))
    assert plain_item(get(dynamodb, k)) == {"k": k}


def test_updates_that_can_not_be(dynamodb, k):
    put(dynamodb, k, a="text")
    for text, more, said in [
            ("SET k = :a", {":a": value("x")}, "This attribute is part of the key"),
            ("SET a.b = :a", {":a": value("x")}, "The document path provided in the update "
             "expression is invalid for update"),
            ("ADD a :a", {":a": value(1)}, "incorrect data type"),
            ("SET size = :a", {":a": value(1)}, "Attribute name is a reserved keyword; reserved "
             "keyword: size"),
            ("SET b = :c", {":a": value(1)}, "not defined")]:
        code, message = refusal(dynamodb.update_item, TableName="plain", Key=item(k=k),
                                UpdateExpression=text, ExpressionAttributeValues=more)
        assert code == "ValidationException" and said in message, message
    assert plain_item(get(dynamodb, k)) == {"k": k, "a": "text"}


def test_what_an_index_needs_has_its_type(dynamodb, k):
    assert refusal(dynamodb.put_item, TableName="ranged", Item=item(k=k, r=1, a=5)) == (
        "ValidationException", INVALID + "Type mismatch for Index Key a Expected: S Actual: N "
        "IndexName: local-a")
    dynamodb.put_item(TableName="ranged", Item=item(k=k, r=1))
    assert refusal(dynamodb.update_item, TableName="ranged", Key=item(k=k, r=1),
                   UpdateExpression="SET a = :a",
                   ExpressionAttributeValues={":a": value(1)})[1] == (
        "The update expression attempted to update the secondary index key to unsupported type")
    assert "cannot contain an empty string value. IndexName: local-a, IndexKey: a" in refusal(
        dynamodb.put_item, TableName="ranged", Item=item(k=k, r=1, a=""))[1]


def test_capacity_is_told(dynamodb, k):
    def units(reply):
        return reply["ConsumedCapacity"]["CapacityUnits"]
    table = dict(TableName="plain", ReturnConsumedCapacity="TOTAL")
    assert units(dynamodb.put_item(Item=item(k=k, a="x" * 2500), **table)) == 3
    assert units(dynamodb.get_item(Key=item(k=k), **table)) == 0.5
    assert units(dynamodb.get_item(Key=item(k=k), ConsistentRead=True, **table)) == 1
    assert units(dynamodb.put_item(Item=item(k=k, a="x" * 5000), **table)) == 5
    assert units(dynamodb.get_item(Key=item(k=k), **table)) == 1
    assert units(dynamodb.delete_item(Key=item(k=k), **table)) == 5
    reply = dynamodb.put_item(TableName="ranged", Item=item(k=k, r=1, a="x"),
                              ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert reply["TableName"] == "ranged"
    assert reply["CapacityUnits"] == 3
    assert reply["Table"] == {"CapacityUnits": 1}
    assert reply["GlobalSecondaryIndexes"] == {"by-a": {"CapacityUnits": 1}}
    assert reply["LocalSecondaryIndexes"] == {"local-a": {"CapacityUnits": 1}}
    assert "ConsumedCapacity" not in dynamodb.get_item(TableName="plain", Key=item(k=k))


def test_metrics_of_collections_are_not_pretended(dynamodb, k):
    dynamodb.put_item(TableName="plain", Item=item(k=k), ReturnItemCollectionMetrics="SIZE")
    assert "ReturnItemCollectionMetrics is not supported" in refusal(
        dynamodb.put_item, TableName="ranged", Item=item(k=k, r=1),
        ReturnItemCollectionMetrics="SIZE")[1]


def test_a_table_counts_its_items(server, dynamodb):
    make(dynamodb, "counted", AttributeDefinitions=attributes(k="S", a="S"),
         GlobalSecondaryIndexes=[index("by-a", "a", None, "KEYS_ONLY")])

    def counts():
        t = dynamodb.describe_table(TableName="counted")["Table"]
        x, = t["GlobalSecondaryIndexes"]
        return t["ItemCount"], t["TableSizeBytes"], x["ItemCount"], x["IndexSizeBytes"]
    dynamodb.put_item(TableName="counted", Item=item(k="1", a="a", b="123"))
    dynamodb.put_item(TableName="counted", Item=item(k="2"))
    assert counts() == (2, 8 + 2, 1, 4)
    dynamodb.put_item(TableName="counted", Item=item(k="1", a="aa"))
    assert counts() == (2, 5 + 2, 1, 5)
    dynamodb.delete_item(TableName="counted", Key=item(k="1"))
    assert counts() == (1, 2, 0, 0)


# ---- nothing is lost ----

def test_what_was_acknowledged_survives_a_crash(own_server):
    dynamodb = own_server.client("dynamodb")
    make(dynamodb, "kept")
    for i in range(5):
        dynamodb.put_item(TableName="kept", Item=item(k=str(i), n=i))
        own_server.restart()
        dynamodb = own_server.client("dynamodb")
        assert dynamodb.get_item(TableName="kept", Key=item(k=str(i)))["Item"] == item(
            k=str(i), n=i)
    assert dynamodb.scan(TableName="kept")["Count"] == 5


def test_a_crash_among_many_writers_loses_nothing(own_server):
    """Each write that was answered is there, and its rows of the index, however the server
    ended; nothing is half there."""
    make(own_server.client("dynamodb"), "kept", AttributeDefinitions=attributes(k="S", a="S"),
         GlobalSecondaryIndexes=[index("by-a", "a")])
    acknowledged, enough = [], threading.Event()

    def write(i):
        client = own_server.client("dynamodb")
        for n in range(10000):
            try:
                client.put_item(TableName="kept", Item=item(k=f"{i}-{n}", a="x"))
            except (BotoCoreError, ClientError):
                return
            acknowledged.append(f"{i}-{n}")
            if len(acknowledged) > 400:
                enough.set()
    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    assert enough.wait(60)
    own_server.kill()
    for t in threads:
        t.join()
    own_server.start()
    client = own_server.client("dynamodb")
    there = {i["k"]["S"] for page in client.get_paginator("scan").paginate(TableName="kept")
             for i in page["Items"]}
    indexed = {i["k"]["S"] for page in client.get_paginator("scan").paginate(
        TableName="kept", IndexName="by-a") for i in page["Items"]}
    assert set(acknowledged) <= there == indexed
    assert len(there) <= len(acknowledged) + 4  # those on their way
    assert client.describe_table(TableName="kept")["Table"]["ItemCount"] == len(there)


def together(n, work):
    failures = []

    def run(i):
        try:
            work(i)
        except Exception as e:  # told below
            failures.append(e)
    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures[0]


def test_two_who_add_lose_nothing(server, dynamodb, k):
    def add(i):
        client = server.client("dynamodb")
        for _ in range(100):
            client.update_item(TableName="plain", Key=item(k=k), UpdateExpression="ADD n :one",
                               ExpressionAttributeValues={":one": value(1)})
    together(2, add)
    assert get(dynamodb, k)["n"] == {"N": "200"}


def test_two_who_compare_and_set_lose_nothing(server, dynamodb, k):
    put(dynamodb, k, n=0)

    def add(i):
        client, done = server.client("dynamodb"), 0
        while done < 50:
            now = client.get_item(TableName="plain", Key=item(k=k),
                                  ConsistentRead=True)["Item"]["n"]
            try:
                client.update_item(
                    TableName="plain", Key=item(k=k), UpdateExpression="SET n = n + :one",
                    ConditionExpression="n = :now",
                    ExpressionAttributeValues={":one": value(1), ":now": now})
                done += 1
            except client.exceptions.ConditionalCheckFailedException:
                pass
    together(2, add)
    assert get(dynamodb, k)["n"] == {"N": "100"}
