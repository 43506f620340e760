"""DynamoDB's batches and transactions."""
import uuid

import pytest

from dynamodb_help import attributes, index, item, key, make, plain_item, refusal, value


@pytest.fixture(scope="module")
def dynamodb(server):
    return server.client("dynamodb")


@pytest.fixture(scope="module", autouse=True)
def tables(dynamodb):
    make(dynamodb, "left")
    make(dynamodb, "right", KeySchema=key("k", "r"),
         AttributeDefinitions=attributes(k="S", r="N", a="S"),
         GlobalSecondaryIndexes=[index("by-a", "a")])


@pytest.fixture
def k(request):
    return request.node.name


def put(k, **more):
    return {"PutRequest": {"Item": item(k=k, **more)}}


def get(dynamodb, table, **more):
    found = dynamodb.get_item(TableName=table, Key=item(**more)).get("Item")
    return found and plain_item(found)


# ---- batches ----

def test_a_batch_writes_to_several_tables(dynamodb, k):
    reply = dynamodb.batch_write_item(ReturnConsumedCapacity="TOTAL", RequestItems={
        "left": [put(k, a=1), put(k + "2", a=2)], "right": [put(k, r=1, a="x" * 2000)]})
    assert reply["UnprocessedItems"] == {}
    assert {c["TableName"]: c["CapacityUnits"] for c in reply["ConsumedCapacity"]} == {
        "left": 2, "right": 4}
    reply = dynamodb.batch_write_item(RequestItems={
        "left": [{"DeleteRequest": {"Key": item(k=k)}}, put(k + "2", a=3)]})
    assert get(dynamodb, "left", k=k) is None
    assert get(dynamodb, "left", k=k + "2")["a"] == 3


def test_a_batch_reads_from_several_tables(dynamodb, k):
    dynamodb.batch_write_item(RequestItems={
        "left": [put(k + str(i), a=i, b=i) for i in range(5)], "right": [put(k, r=1)]})
    reply = dynamodb.batch_get_item(ReturnConsumedCapacity="TOTAL", RequestItems={
        "left": {"Keys": [item(k=k + str(i)) for i in range(7)], "ProjectionExpression": "a"},
        "right": {"Keys": [item(k=k, r=1)], "ConsistentRead": True}})
    assert sorted(i["a"]["N"] for i in reply["Responses"]["left"]) == list("01234")
    assert reply["Responses"]["right"] == [item(k=k, r=1)]
    assert reply["UnprocessedKeys"] == {}
    assert {c["TableName"]: c["CapacityUnits"] for c in reply["ConsumedCapacity"]} == {
        "left": 3.5, "right": 1}


def test_what_is_too_much_for_one_answer_is_left_over(dynamodb, k):
    keys = [item(k=k + str(i)) for i in range(50)]
    for i in range(0, 50, 5):
        dynamodb.batch_write_item(RequestItems={
            "left": [put(x["k"]["S"], a="x" * 380 * 1024) for x in keys[i:i + 5]]})
    reply = dynamodb.batch_get_item(RequestItems={"left": {"Keys": keys}})
    found, left = reply["Responses"]["left"], reply["UnprocessedKeys"]["left"]["Keys"]
    assert len(found) + len(left) == 50 and 40 <= len(found) <= 44
    rest = dynamodb.batch_get_item(RequestItems=reply["UnprocessedKeys"])
    assert len(rest["Responses"]["left"]) == len(left)
    assert rest["UnprocessedKeys"] == {}


@pytest.mark.parametrize("items, text", [
    ({"left": [put("a"), put("a")]}, "Provided list of item keys contains duplicates"),
    ({"left": [put("a"), {"DeleteRequest": {"Key": item(k="a")}}]},
     "Provided list of item keys contains duplicates"),
    ({"left": [put(f"{i}") for i in range(15)], "right": [put(f"{i}", r=1) for i in range(15)]},
     "Too many items requested for the BatchWriteItem call"),
    ({"left": [{}]}, "exactly one of PutRequest or DeleteRequest"),
    ({"left": [put("good"), {"PutRequest": {"Item": item(x="a")}}]}, "Missing the key k"),
])
def test_batches_that_can_not_be_written(dynamodb, items, text):
    code, said = refusal(dynamodb.batch_write_item, RequestItems=items)
    assert code == "ValidationException" and text in said
    assert get(dynamodb, "left", k="a") is None
    assert get(dynamodb, "left", k="good") is None


def test_batches_that_can_not_be_read(dynamodb):
    assert "Provided list of item keys contains duplicates" in refusal(
        dynamodb.batch_get_item, RequestItems={"left": {"Keys": [item(k="a")] * 2}})[1]
    assert "Too many items requested" in refusal(
        dynamodb.batch_get_item, RequestItems={
            "left": {"Keys": [item(k=str(i)) for i in range(60)]},
            "right": {"Keys": [item(k=str(i), r=1) for i in range(60)]}})[1]
    assert refusal(dynamodb.batch_get_item, RequestItems={
        "nowhere": {"Keys": [item(k="a")]}}) == (
        "ResourceNotFoundException", "Requested resource not found")


# ---- transactions ----

def transact_put(table, condition=None, **more):
    put = {"TableName": table, "Item": item(**more)}
    if condition:
        put["ConditionExpression"] = condition
    return {"Put": put}


def test_a_transaction_does_all_of_it(dynamodb, k):
    dynamodb.put_item(TableName="left", Item=item(k=k + "gone"))
    dynamodb.put_item(TableName="left", Item=item(k=k + "seen", a=1))
    reply = dynamodb.transact_write_items(ReturnConsumedCapacity="TOTAL", TransactItems=[
        transact_put("left", k=k, a=1),
        {"Update": {"TableName": "right", "Key": item(k=k, r=1), "UpdateExpression": "ADD n :n",
                    "ExpressionAttributeValues": {":n": value(5)}}},
        {"Delete": {"TableName": "left", "Key": item(k=k + "gone"),
                    "ConditionExpression": "attribute_exists(k)"}},
        {"ConditionCheck": {"TableName": "left", "Key": item(k=k + "seen"),
                            "ConditionExpression": "a = :a",
                            "ExpressionAttributeValues": {":a": value(1)}}}])
    assert get(dynamodb, "left", k=k) == {"k": k, "a": 1}
    assert get(dynamodb, "right", k=k, r=1) == {"k": k, "r": 1, "n": 5}
    assert get(dynamodb, "left", k=k + "gone") is None
    spent = {c["TableName"]: c for c in reply["ConsumedCapacity"]}
    assert spent["left"]["CapacityUnits"] == spent["left"]["WriteCapacityUnits"] == 6
    assert spent["right"]["CapacityUnits"] == 2


def test_or_nothing(dynamodb, k):
    dynamodb.put_item(TableName="left", Item=item(k=k + "old", a=1))
    old = transact_put("left", "attribute_not_exists(k)", k=k + "old")
    old["Put"]["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as e:
        dynamodb.transact_write_items(TransactItems=[
            transact_put("left", k=k), old, transact_put("right", k=k, r=1, a="x"),
            {"Update": {"TableName": "left", "Key": item(k=k + "bad"),
                        "UpdateExpression": "SET a = b + :n",
                        "ExpressionAttributeValues": {":n": value(1)}}}])
    assert e.value.response["Error"]["Message"] == (
        "Transaction cancelled, please refer cancellation reasons for specific reasons "
        "[None, ConditionalCheckFailed, None, ValidationError]")
    reasons = e.value.response["CancellationReasons"]
    assert [r["Code"] for r in reasons] == ["None", "ConditionalCheckFailed", "None",
                                            "ValidationError"]
    assert reasons[1]["Message"] == "The conditional request failed"
    assert plain_item(reasons[1]["Item"]) == {"k": k + "old", "a": 1}
    assert get(dynamodb, "left", k=k) is None
    assert get(dynamodb, "right", k=k, r=1) is None
    assert dynamodb.query(TableName="right", IndexName="by-a", KeyConditionExpression="a = :a",
                          ExpressionAttributeValues={":a": value("x")})["Count"] == 0


@pytest.mark.parametrize("parts, text", [
    ([transact_put("left", k="t"), {"Delete": {"TableName": "left", "Key": item(k="t")}}],
     "Transaction request cannot include multiple operations on one item"),
    ([{}], "TransactItems can only contain one of"),
    ([transact_put("left", k="t"), transact_put("left", x="t")], "Missing the key k in the item"),
    ([transact_put("left", "bad bad", k="t")], "ConditionExpression"),
])
def test_transactions_that_can_not_be(dynamodb, parts, text):
    code, said = refusal(dynamodb.transact_write_items, TransactItems=parts)
    assert code == "ValidationException" and text in said
    assert get(dynamodb, "left", k="t") is None


def test_a_token_makes_it_happen_once(dynamodb, k):
    add = dict(ClientRequestToken=str(uuid.uuid4()), TransactItems=[
        {"Update": {"TableName": "left", "Key": item(k=k), "UpdateExpression": "ADD n :n",
                    "ExpressionAttributeValues": {":n": value(1)}}}])
    dynamodb.transact_write_items(**add)
    dynamodb.transact_write_items(**add)
    assert get(dynamodb, "left", k=k)["n"] == 1
    add["TransactItems"][0]["Update"]["ExpressionAttributeValues"][":n"] = value(2)
    assert refusal(dynamodb.transact_write_items, **add)[0] == \
        "IdempotentParameterMismatchException"
    add["ClientRequestToken"] = str(uuid.uuid4())
    dynamodb.transact_write_items(**add)
    assert get(dynamodb, "left", k=k)["n"] == 3


def test_a_transaction_reads_as_of_one_moment(dynamodb, k):
    dynamodb.put_item(TableName="left", Item=item(k=k, a=1, b=2))
    reply = dynamodb.transact_get_items(ReturnConsumedCapacity="TOTAL", TransactItems=[
        {"Get": {"TableName": "left", "Key": item(k=k), "ProjectionExpression": "b"}},
        {"Get": {"TableName": "right", "Key": item(k=k, r=7)}}])
    assert reply["Responses"] == [{"Item": item(b=2)}, {}]
    assert {c["TableName"]: c["ReadCapacityUnits"] for c in reply["ConsumedCapacity"]} == {
        "left": 2, "right": 2}
    assert refusal(dynamodb.transact_get_items, TransactItems=[
        {"Get": {"TableName": "left", "Key": item(k=k, r=1)}}])[0] == "ValidationException"
    assert "cannot include multiple operations on one item" in refusal(
        dynamodb.transact_get_items, TransactItems=[
            {"Get": {"TableName": "left", "Key": item(k=k)}}] * 2)[1]


def test_transactions_survive_a_crash_whole(own_server):
    dynamodb = own_server.client("dynamodb")
    make(dynamodb, "one")
    make(dynamodb, "two")
    for i in range(3):
        dynamodb.transact_write_items(TransactItems=[
            transact_put(t, k=str(i)) for t in ("one", "two")])
        own_server.restart()
        dynamodb = own_server.client("dynamodb")
        assert [dynamodb.scan(TableName=t)["Count"] for t in ("one", "two")] == [i + 1, i + 1]
