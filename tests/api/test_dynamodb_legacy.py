"""DynamoDB's parameters from before there were expressions, which older programs still send."""
import pytest

from dynamodb_help import INVALID, attributes, item, key, make, plain_item, refusal, value
from iam import document, own_account

WHOLE = {"s": "hello", "n": 10, "ss": {"a", "b"}, "l": ["a", 2], "m": {"x": 1}, "a.b": "dot"}


@pytest.fixture(scope="module")
def dynamodb(server):
    return server.client("dynamodb")


@pytest.fixture(scope="module", autouse=True)
def tables(dynamodb):
    make(dynamodb, "legacy")
    make(dynamodb, "legacy-range", KeySchema=key("k", "r"),
         AttributeDefinitions=attributes(k="S", r="N"))
    for r in range(6):
        dynamodb.put_item(TableName="legacy-range",
                          Item=item(k="x", r=r, odd=r % 2 == 1, s=f"t{r}"))


@pytest.fixture
def k(request, dynamodb):
    name = request.node.name
    dynamodb.put_item(TableName="legacy", Item=item(k=name, **WHOLE))
    return name


def get(dynamodb, k):
    found = dynamodb.get_item(TableName="legacy", Key=item(k=k)).get("Item")
    return found and plain_item(found)


def where(op, *values):
    more = {"AttributeValueList": [value(v) for v in values]} if values else {}
    return {"ComparisonOperator": op, **more}


EXPECTED = [
    ({"s": {"Value": value("hello")}}, True),
    ({"s": {"Value": value("x")}}, False),
    ({"gone": {"Exists": False}}, True),
    ({"s": {"Exists": False}}, False),
    ({"a.b": {"Exists": True, "Value": value("dot")}}, True),
    ({"n": {"ComparisonOperator": "GE", "Value": value(10)}}, True),
    ({"n": where("EQ", 10)}, True),
    ({"n": where("NE", 10)}, False),
    ({"gone": where("NE", 10)}, True),
    ({"n": where("LT", 9)}, False),
    ({"n": where("LE", 10)}, True),
    ({"n": where("GT", 9)}, True),
    ({"n": where("BETWEEN", 9, 11)}, True),
    ({"n": where("IN", 1, 10)}, True),
    ({"n": where("IN", 1, 2)}, False),
    ({"s": where("BEGINS_WITH", "he")}, True),
    ({"s": where("CONTAINS", "ell")}, True),
    ({"ss": where("CONTAINS", "a")}, True),
    ({"ss": where("NOT_CONTAINS", "a")}, False),
    ({"ss": where("NOT_CONTAINS", "z")}, True),
    ({"gone": where("NULL")}, True),
    ({"gone": where("NOT_NULL")}, False),
    ({"m": where("EQ", {"x": 1}), "ss": where("EQ", {"b", "a"})}, True),
    ({"n": where("EQ", 10), "s": where("EQ", "x")}, False),
]


@pytest.mark.parametrize("expected, holds", EXPECTED)
def test_a_write_waits_on_what_is_expected(dynamodb, k, expected, holds):
    asked = dict(TableName="legacy", Expected=expected)
    if holds:
        dynamodb.put_item(Item=item(k=k, **WHOLE), **asked)
        dynamodb.update_item(Key=item(k=k), AttributeUpdates={"seen": {"Value": value(1)}}, **asked)
        dynamodb.delete_item(Key=item(k=k), **asked)
        assert get(dynamodb, k) is None
        return
    for call, more in [(dynamodb.put_item, {"Item": item(k=k)}),
                       (dynamodb.update_item, {"Key": item(k=k), "AttributeUpdates": {
                           "seen": {"Value": value(1)}}}),
                       (dynamodb.delete_item, {"Key": item(k=k)})]:
        assert refusal(call, **more, **asked) == ("ConditionalCheckFailedException",
                                                  "The conditional request failed")
    assert get(dynamodb, k) == {"k": k, **WHOLE}


def test_one_of_several_is_enough_when_asked(dynamodb, k):
    either = {"n": where("EQ", 11), "s": where("EQ", "hello")}
    dynamodb.put_item(TableName="legacy", Item=item(k=k), Expected=either,
                      ConditionalOperator="OR")
    assert get(dynamodb, k) == {"k": k}


@pytest.mark.parametrize("updates, changed", [
    ({"s": {"Value": "x"}}, {"s": "x"}),
    ({"s": {"Value": "x", "Action": "PUT"}, "fresh": {"Value": [1]}}, {"s": "x", "fresh": [1]}),
    ({"n": {"Value": 5, "Action": "ADD"}, "c": {"Value": 1, "Action": "ADD"}}, {"n": 15, "c": 1}),
    ({"ss": {"Value": {"b", "c"}, "Action": "ADD"}}, {"ss": {"a", "b", "c"}}),
    ({"l": {"Value": ["z"], "Action": "ADD"}, "h": {"Value": ["z"], "Action": "ADD"}},
     {"l": ["a", 2, "z"], "h": ["z"]}),
    ({"ss": {"Value": {"a"}, "Action": "DELETE"}}, {"ss": {"b"}}),
    ({"ss": {"Value": {"a", "b"}, "Action": "DELETE"}}, {"ss": ...}),
    ({"s": {"Action": "DELETE"}, "gone": {"Action": "DELETE"}}, {"s": ...}),
    ({"a.b": {"Value": 1}}, {"a.b": 1}),
])
def test_attributes_are_updated(dynamodb, k, updates, changed):
    sent = {n: {**u, "Value": value(u["Value"])} if "Value" in u else u
            for n, u in updates.items()}
    reply = dynamodb.update_item(TableName="legacy", Key=item(k=k), AttributeUpdates=sent,
                                 ReturnValues="UPDATED_NEW")
    assert plain_item(reply.get("Attributes", {})) == {
        n: v for n, v in changed.items() if v is not ...}
    assert get(dynamodb, k) == {n: v for n, v in {"k": k, **WHOLE, **changed}.items()
                                if v is not ...}


def test_who_only_deletes_makes_nothing(dynamodb):
    def update(k, **updates):
        return dynamodb.update_item(TableName="legacy", Key=item(k=k), AttributeUpdates=updates,
                                    ReturnValues="ALL_NEW").get("Attributes")
    assert update("nobody", a={"Action": "DELETE"}) is None
    assert get(dynamodb, "nobody") is None
    assert update("nobody", a={"Action": "ADD", "Value": value(1)}) == item(k="nobody", a=1)


@pytest.mark.parametrize("conditions, want", [
    ({"k": where("EQ", "x")}, [0, 1, 2, 3, 4, 5]),
    ({"k": where("EQ", "x"), "r": where("GE", 4)}, [4, 5]),
    ({"r": where("BETWEEN", 1, 3), "k": where("EQ", "x")}, [1, 2, 3]),
])
def test_a_query_has_key_conditions_and_a_filter(dynamodb, conditions, want):
    def found(**more):
        reply = dynamodb.query(TableName="legacy-range", KeyConditions=conditions, **more)
        return [int(i["r"]["N"]) for i in reply["Items"]]
    assert found() == want
    assert found(QueryFilter={"odd": where("EQ", True)}) == [r for r in want if r % 2]
    assert found(FilterExpression="odd = :t", ExpressionAttributeValues={
        ":t": value(True)}) == [r for r in want if r % 2]
    assert found(AttributesToGet=["r"], ScanIndexForward=False) == want[::-1]


def test_a_scan_has_a_filter(dynamodb):
    reply = dynamodb.scan(TableName="legacy-range", ScanFilter={
        "odd": where("EQ", True), "s": where("EQ", "t0")}, ConditionalOperator="OR")
    assert sorted(int(i["r"]["N"]) for i in reply["Items"]) == [0, 1, 3, 5]


def put(**more):
    return "put_item", {"Item": item(k="never"), **more}


def update(**more):
    return "update_item", {"Key": item(k="never"), **more}


def query(**more):
    return "query", {"TableName": "legacy-range", **more}


BOTH = ("Can not use both expression and non-expression parameters in the same request: "
        "Non-expression parameters: {%s} Expression parameters: {%s}")


@pytest.mark.parametrize("call, text", [
    (put(Expected={"a": {"Exists": False}}, ConditionExpression="attribute_exists(a)"),
     BOTH % ("Expected", "ConditionExpression")),
    (update(AttributeUpdates={"a": {"Action": "DELETE"}}, UpdateExpression="REMOVE a"),
     BOTH % ("AttributeUpdates", "UpdateExpression")),
    (query(KeyConditions={"k": where("EQ", "x")}, KeyConditionExpression="k = :k",
           ExpressionAttributeValues={":k": value("x")}),
     BOTH % ("KeyConditions", "KeyConditionExpression")),
    (("scan", {"ScanFilter": {"a": where("NULL")}, "FilterExpression": "attribute_exists(a)"}),
     BOTH % ("ScanFilter", "FilterExpression")),
    (put(Expected={"a": {}}),
     INVALID + "Value must be provided when Exists is null for Attribute: a"),
    (put(Expected={"a": {"Exists": True}}),
     INVALID + "Value must be provided when Exists is true for Attribute: a"),
    (put(Expected={"a": {"Exists": False, "Value": value(1)}}),
     INVALID + "Value cannot be used when Exists is false for Attribute: a"),
    (put(Expected={"a": {"AttributeValueList": [value(1)]}}),
     INVALID + "AttributeValueList can only be used with a ComparisonOperator for Attribute: a"),
    (put(Expected={"a": {"Exists": True, "ComparisonOperator": "NULL"}}),
     INVALID + "Exists and ComparisonOperator cannot be used together for Attribute: a"),
    (put(Expected={"a": {"ComparisonOperator": "EQ"}}),
     INVALID + "Value or AttributeValueList must be used with ComparisonOperator: EQ for "
               "Attribute: a"),
    (put(Expected={"a": where("EQ", 1, 2)}),
     INVALID + "Invalid number of argument(s) for the EQ ComparisonOperator"),
    (put(Expected={"a": where("IN", 1, "2")}),
     INVALID + "AttributeValues inside AttributeValueList must be of same type"),
    (put(Expected={"a": where("LT", True)}),
     INVALID + "ComparisonOperator LT is not valid for BOOL AttributeValue type"),
    (put(Expected={"a": where("BETWEEN", 2, 1)}),
     "The BETWEEN condition was provided a range where the lower bound is greater than the "
     "upper bound"),
    (put(ConditionalOperator="OR"),
     INVALID + "ConditionalOperator cannot be used without Filter or Expected"),
    (update(AttributeUpdates={"a": {}}),
     INVALID + "Only DELETE action is allowed when no attribute value is specified"),
    (update(AttributeUpdates={"a": {"Action": "ADD", "Value": value("x")}}),
     INVALID + "ADD action is not supported for the type S"),
    (update(AttributeUpdates={"a": {"Action": "DELETE", "Value": value(1)}}),
     INVALID + "DELETE action with value is not supported for the type N"),
    (update(AttributeUpdates={"k": {"Value": value("x")}}),
     INVALID + "Cannot update attribute k. This attribute is part of the key"),
    (query(KeyConditions={}), "Conditions can be of length 1 or 2 only"),
    (query(KeyConditions={"k": where("NE", "x")}),
     "Attempted conditional constraint is not an indexable operation"),
    (query(KeyConditions={"r": where("EQ", 1)}),
     "Query condition missed key schema element: k"),
    (query(KeyConditions={"k": where("EQ", "x")}, QueryFilter={"r": where("EQ", 1)}),
     "QueryFilter can only contain non-primary key attributes: Primary key attribute: r"),
    (query(), "Either the KeyConditions or KeyConditionExpression parameter must be specified in "
              "the request."),
])
def test_mistakes_are_told_in_the_service_s_words(dynamodb, call, text):
    name, more = call
    assert refusal(getattr(dynamodb, name), **{"TableName": "legacy", **more}) == (
        "ValidationException", text)


def test_types_must_match(dynamodb, k):
    for name, more in [("s", value(1)), ("n", value({"a"})), ("s", value(["a"]))]:
        assert refusal(dynamodb.update_item, TableName="legacy", Key=item(k=k), AttributeUpdates={
            name: {"Action": "ADD", "Value": more}}) == (
            "ValidationException", "Type mismatch for attribute to update")


def user_of(server, account, policy):
    iam = server.client("iam", account=account)
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=policy)
    key_of = iam.create_access_key(UserName="reader")["AccessKey"]
    return server.client("dynamodb", aws_access_key_id=key_of["AccessKeyId"],
                         aws_secret_access_key=key_of["SecretAccessKey"])


def test_they_are_no_way_around_a_policy(server):
    _, account = own_account(server)
    root = server.client("dynamodb", account=account)
    make(root, "guarded", KeySchema=key("k", "r"), AttributeDefinitions=attributes(k="N", r="N"))
    root.put_item(TableName="guarded", Item=item(k=1, r=1, secret="s", open="o"))
    user = user_of(server, account, document(
        {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*", "Condition": {
            "ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": ["1"]}}},
        {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*", "Condition": {
            "ForAnyValue:StringEquals": {"dynamodb:Attributes": ["secret"]}}}))

    def asked(name, **more):
        return getattr(user, name), {"TableName": "guarded", **more}
    two = item(k=2, r=2)
    for call, more in [
            asked("query", KeyConditions={"k": where("EQ", 1)}),
            asked("query", KeyConditions={"k": {"ComparisonOperator": "EQ", "AttributeValueList": [
                {"N": "1.0"}]}}),
            asked("get_item", Key={"k": {"N": "1.0"}, "r": {"N": "1"}}),
            asked("query", KeyConditions={"k": where("EQ", 2)},
                  QueryFilter={"secret": where("NOT_NULL")}),
            asked("scan", ScanFilter={"secret": where("EQ", "s")}),
            asked("put_item", Item=two, Expected={"secret": {"Exists": False}}),
            asked("delete_item", Key=two, Expected={"secret": {"Exists": False}}),
            asked("update_item", Key=two, AttributeUpdates={"secret": {"Value": value("x")}})]:
        assert refusal(call, **more)[0] == "AccessDeniedException", more
    assert user.query(TableName="guarded", KeyConditions={"k": where("EQ", 2)})["Count"] == 0
    user.update_item(TableName="guarded", Key=two, AttributeUpdates={"open": {"Value": value("x")}},
                     Expected={"open": {"Exists": False}})
    assert user.scan(TableName="guarded", ScanFilter={"open": where("EQ", "x")})["Count"] == 1
