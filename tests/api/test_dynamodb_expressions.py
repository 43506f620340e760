"""DynamoDB's expressions, as clients write them and as boto3's own builders do."""
from decimal import Context, Decimal

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key

from dynamodb_help import attributes, item, key, make, plain_item, refusal, value

WHOLE = {"s": "hello", "n": 10, "ss": {"a", "b"}, "ns": {"1", "2.5"}, "yes": True, "nul": None,
         "l": ["a", 2, ["x"]], "m": {"x": 1, "y": [{"z": "deep"}, "q"]}, "b": b"\0\1\2"}
MUST = "; must remove or rewrite one of these paths; path one: "


@pytest.fixture(scope="module")
def dynamodb(server):
    return server.client("dynamodb")


@pytest.fixture(scope="module", autouse=True)
def tables(dynamodb):
    make(dynamodb, "expressions")
    make(dynamodb, "ranges", KeySchema=key("k", "r"), AttributeDefinitions=attributes(k="S", r="N"))


@pytest.fixture(scope="module")
def resource(server):
    return boto3.resource("dynamodb", endpoint_url=server.url, region_name="us-east-1",
                          aws_access_key_id="000000000000", aws_secret_access_key="any")


@pytest.fixture
def k(request, dynamodb):
    """The key of an item that has something of everything."""
    name = request.node.name
    dynamodb.put_item(TableName="expressions",
                      Item={**item(k=name, **WHOLE), "ns": {"NS": ["1", "2.5"]}})
    return name


def given(names=None, values=None):
    """The placeholders; names as "#n" -> "n", values as Python has them."""
    more = {}
    if names:
        more["ExpressionAttributeNames"] = names
    if values:
        more["ExpressionAttributeValues"] = {":" + n: value(v) for n, v in values.items()}
    return more


def update(dynamodb, k, expression, names=None, condition=None, returns="ALL_NEW", **values):
    more = {"ConditionExpression": condition} if condition else {}
    reply = dynamodb.update_item(TableName="expressions", Key=item(k=k), ReturnValues=returns,
                                 UpdateExpression=expression, **given(names, values), **more)
    return plain_item(reply.get("Attributes", {}))


def get(dynamodb, k, **more):
    return plain_item(dynamodb.get_item(TableName="expressions", Key=item(k=k), **more)["Item"])


# ---- updates ----

@pytest.mark.parametrize("expression, values, changed", [
    ("SET s = :v", {"v": "x"}, {"s": "x"}),
    ("SET s = n, n = s", {}, {"s": 10, "n": "hello"}),
    ("SET n = n + :v, c = if_not_exists(c, :z) + :v", {"v": 1, "z": 0}, {"n": 11, "c": 1}),
    ("SET n = n - :v", {"v": 0.5}, {"n": 9.5}),
    ("SET l = list_append(l, :v)", {"v": ["z"]}, {"l": ["a", 2, ["x"], "z"]}),
    ("SET h = list_append(if_not_exists(h, :e), :v)", {"e": [], "v": [1]}, {"h": [1]}),
    ("SET m.x = :v, m.y[0].z = :w", {"v": "1", "w": None},
     {"m": {"x": "1", "y": [{"z": None}, "q"]}}),
    ("SET l[9] = :v, l[7] = :w REMOVE l[0]", {"v": "v", "w": "w"},
     {"l": [2, ["x"], "w", "v"]}),
    ("REMOVE l[0], l[1], s, m.x", {}, {"l": [["x"]], "s": ..., "m": {"y": [{"z": "deep"}, "q"]}}),
    ("ADD n :v, ss :w, c :v", {"v": 5, "w": {"b", "c"}},
     {"n": 15, "ss": {"a", "b", "c"}, "c": 5}),
    ("DELETE ss :v", {"v": {"a"}}, {"ss": {"b"}}),
    ("DELETE ss :v SET s = :s", {"v": {"a", "b"}, "s": "x"}, {"ss": ..., "s": "x"}),
])
def test_updates_change_what_they_say(dynamodb, k, expression, values, changed):
    want = {**WHOLE, "k": k, **changed}
    want = {n: v for n, v in want.items() if v is not ...}
    assert update(dynamodb, k, expression, **values) == want
    assert get(dynamodb, k) == want


def test_an_update_tells_what_it_changed(dynamodb, k):
    expression = "SET m.x = :v, fresh = :v REMOVE s ADD n :v"
    old = update(dynamodb, k, expression, returns="UPDATED_OLD", v=2)
    assert old == {"m": {"x": 1}, "s": "hello", "n": 10}
    new = update(dynamodb, k, "SET m.x = :v, l[1] = :v REMOVE fresh ADD n :v",
                 returns="UPDATED_NEW", v=3)
    assert new == {"m": {"x": 3}, "l": [3], "n": 15}
    assert update(dynamodb, k, "SET s = :v", returns="NONE", v="x") == {}


def test_numbers_are_added_exactly(dynamodb, k):
    def add(n, more):
        table = {"TableName": "expressions", "Key": item(k=k)}
        dynamodb.update_item(UpdateExpression="SET n = :n", **table,
                             ExpressionAttributeValues={":n": {"N": n}})
        return dynamodb.update_item(UpdateExpression="ADD n :n", ReturnValues="UPDATED_NEW",
                                    ExpressionAttributeValues={":n": {"N": more}}, **table)
    for a, b in [("0.1", "0.2"), ("1e37", "1"), ("-0.00000000000000000001", "3"),
                 ("9" * 38, "1")]:
        reply = add(a, b)["Attributes"]["n"]["N"]
        assert Decimal(reply) == Context(prec=80).add(Decimal(a), Decimal(b))
        assert "E" not in reply
    for a, b, text in [("1e38", "1", "Attempting to store more than 38 significant digits in a "
                                     "Number"),
                       ("9e125", "1e125", "Number overflow. Attempting to store a number with "
                                          "magnitude larger than supported range")]:
        assert refusal(add, a, b) == ("ValidationException", text)


@pytest.mark.parametrize("expression, text", [
    ("SET x = gone, y = :one", "The provided expression refers to an attribute that does not "
                               "exist in the item"),
    ("SET x = s + :one", "An operand in the update expression has an incorrect data type"),
    ("SET gone.x = :one", "The document path provided in the update expression is invalid for "
                          "update"),
    ("ADD s :one", "An operand in the update expression has an incorrect data type"),
    ("SET k = :one", "One or more parameter values were invalid: Cannot update attribute k. This "
                     "attribute is part of the key"),
    ("SET status = :one", "Invalid UpdateExpression: Attribute name is a reserved keyword; "
                          "reserved keyword: status"),
    ("SET x = :two", "Invalid UpdateExpression: An expression attribute value used in expression "
                     "is not defined; attribute value: :two"),
    ("SET x = :one, x.y = :one",
     "Invalid UpdateExpression: Two document paths overlap with each other" + MUST +
     "[x], path two: [x, y]"),
    ("SET x[0] = :one, x.y = :one",
     "Invalid UpdateExpression: Two document paths conflict with each other" + MUST +
     "[x, [0]], path two: [x, y]"),
    ("SET first-name = :one",
     'Invalid UpdateExpression: Syntax error; token: "-", near: "first-name"'),
    ("", "Invalid UpdateExpression: The expression can not be empty;"),
    ("SET x = :one SET y = :one", 'Invalid UpdateExpression: The "SET" section can only be used '
                                  'once in an update expression;'),
    ("DELETE x :one", "Invalid UpdateExpression: Incorrect operand type for operator or "
                      "function; operator: DELETE, operand type: NUMBER, typeSet: "
                      "ALLOWED_FOR_DELETE_OPERAND"),
    ("REMOVE x", "Value provided in ExpressionAttributeValues unused in expressions: keys: "
                 "{:one}"),
])
def test_updates_are_refused_in_the_service_s_words(dynamodb, k, expression, text):
    assert refusal(update, dynamodb, k, expression, one=1) == ("ValidationException", text)
    assert get(dynamodb, k) == {**WHOLE, "k": k}


# ---- conditions ----

CONDITIONS = [
    ("s = :v AND n > :w", {"v": "hello", "w": 9}, True),
    ("s = :v AND NOT n > :w", {"v": "hello", "w": 9}, False),
    ("s = :x OR s = :v AND n = :w", {"x": "no", "v": "hello", "w": 10}, True),
    ("(s = :x OR s = :v) AND n = :w", {"x": "no", "v": "hello", "w": 11}, False),
    ("n BETWEEN :v AND :w AND s IN (:x, :y)", {"v": 2, "w": 10, "x": "x", "y": "hello"}, True),
    ("attribute_exists(m.y[0].z) AND attribute_not_exists(m.y[2])", {}, True),
    ("attribute_type(l, :v) AND attribute_type(nul, :w)", {"v": "L", "w": "NULL"}, True),
    ("begins_with(s, :v) AND begins_with(b, :w)", {"v": "he", "w": b"\0\1"}, True),
    ("contains(s, :v) AND contains(ss, :w) AND contains(l, :x)",
     {"v": "ell", "w": "a", "x": ["x"]}, True),
    ("contains(ns, :v)", {"v": 2.5}, True),
    ("size(s) = :v AND size(m) < :v AND size(l) < size(s)", {"v": 5}, True),
    ("ss = :v AND m = :w", {"v": {"b", "a"}, "w": {"y": [{"z": "deep"}, "q"], "x": 1}}, True),
    ("s < :v", {"v": 5}, False),
    ("s <> :v", {"v": 5}, True),
    ("gone = :v OR gone < :v", {"v": 5}, False),
]


@pytest.mark.parametrize("condition, values, holds", CONDITIONS)
def test_a_write_waits_on_its_condition(dynamodb, k, condition, values, holds):
    if holds:
        assert update(dynamodb, k, "SET seen = :yes", condition=condition, yes=True,
                      **values)["seen"]
        return
    assert refusal(update, dynamodb, k, "SET seen = :yes", condition=condition, yes=True,
                   **values) == ("ConditionalCheckFailedException",
                                 "The conditional request failed")
    assert "seen" not in get(dynamodb, k)


@pytest.mark.parametrize("condition, values, holds", CONDITIONS)
def test_a_scan_filters_by_the_same(dynamodb, k, condition, values, holds):
    reply = dynamodb.scan(TableName="expressions", FilterExpression=f"k = :k AND ({condition})",
                          **given(values={"k": k, **values}))
    assert [i["k"]["S"] for i in reply["Items"]] == ([k] if holds else [])


def test_a_put_and_a_delete_have_conditions_too(dynamodb, k):
    assert refusal(dynamodb.put_item, TableName="expressions", Item=item(k=k),
                   ConditionExpression="attribute_not_exists(k)")[0] == \
        "ConditionalCheckFailedException"
    assert refusal(dynamodb.delete_item, TableName="expressions", Key=item(k=k),
                   ConditionExpression="#n = :v", **given({"#n": "n"}, {"v": 9}))[0] == \
        "ConditionalCheckFailedException"
    dynamodb.delete_item(TableName="expressions", Key=item(k=k),
                         ConditionExpression="#n = :v", **given({"#n": "n"}, {"v": 10}))
    dynamodb.put_item(TableName="expressions", Item=item(k=k, s="again"),
                      ConditionExpression="attribute_not_exists(k)")
    assert get(dynamodb, k) == {"k": k, "s": "again"}


@pytest.mark.parametrize("condition, text", [
    ("s =", 'Syntax error; token: "<EOF>", near: "="'),
    ("user-id = :v", 'Syntax error; token: "-", near: "user-id"'),
    ("((s = :v))", "The expression has redundant parentheses;"),
    ("nope(s, :v)", "Invalid function name; function: nope"),
    ("size(s)", "The function is not allowed to be used this way in an expression; function: "
                "size"),
    ("name = :v", "Attribute name is a reserved keyword; reserved keyword: name"),
    ("#x = :v", "An expression attribute name used in the document path is not defined; "
                "attribute name: #x"),
    ("begins_with(s)", "Incorrect number of operands for operator or function; operator or "
                       "function: begins_with, number of operands: 1"),
    ("s = s", "The first operand must be distinct from the remaining operands for this operator "
              "or function; operator: =, first operand: [s]"),
    ("begins_with(s, :n)", "Incorrect operand type for operator or function; operator or "
                           "function: begins_with, operand type: N"),
    ("s BETWEEN :v AND :n", "The BETWEEN operator requires same data type for lower and upper "
                            "bounds; lower bound operand: AttributeValue: {S:hello}, upper "
                            "bound operand: AttributeValue: {N:1}"),
    ("s=:v" + " OR s=:v" * 150, "The expression contains too many operators; operator count: 301"),
    ("s IN (:v" + ",:v" * 100 + ")", "The IN operator is provided with too many operands; number "
                                     "of operands: 101"),
    ("s = :v" + " " * 4091, "Expression size has exceeded the maximum allowed size; expression "
                            "size: 4097"),
    ("(" * 2000, "The expression has redundant parentheses;"),
])
def test_conditions_are_refused_in_the_service_s_words(dynamodb, condition, text):
    values = given(values={"v": "hello", "n": 1})
    assert refusal(dynamodb.put_item, TableName="expressions", Item=item(k="never"),
                   ConditionExpression=condition, **values) == (
        "ValidationException", "Invalid ConditionExpression: " + text)
    assert refusal(dynamodb.scan, TableName="expressions", FilterExpression=condition,
                   **values) == ("ValidationException", "Invalid FilterExpression: " + text)


def test_placeholders_must_be_used(dynamodb):
    def put(**more):
        return dynamodb.put_item(TableName="expressions", Item=item(k="never"), **more)
    unused = "Value provided in {} unused in expressions: keys: {{{}}}"
    for more, text in [
            (given({"#a": "a"}), "ExpressionAttributeNames can only be specified when using "
                                 "expressions"),
            (given(values={"a": 1}), "ExpressionAttributeValues can only be specified when using "
                                     "expressions: ConditionExpression is null"),
            ({"ConditionExpression": "a = :a", **given({"#b": "b"}, {"a": 1})},
             unused.format("ExpressionAttributeNames", "#b")),
            ({"ConditionExpression": "a = :a", **given(values={"a": 1, "b": 2})},
             unused.format("ExpressionAttributeValues", ":b")),
            ({"ConditionExpression": "a = :a", "ExpressionAttributeValues": {":a": {"N": "x"}}},
             "ExpressionAttributeValues contains invalid value: The parameter cannot be "
             "converted to a numeric value: x for key :a"),
            ({"ConditionExpression": "a = :a", "ExpressionAttributeValues": {"a": {"N": "1"}}},
             'ExpressionAttributeValues contains invalid key: Syntax error; key: "a"')]:
        assert refusal(put, **more) == ("ValidationException", text)


# ---- projections and key conditions ----

@pytest.mark.parametrize("projection, names, want", [
    ("s, n", {}, {"s": "hello", "n": 10}),
    ("m.y[0].z, l[2], l[0]", {}, {"m": {"y": [{"z": "deep"}]}, "l": ["a", ["x"]]}),
    ("#m.#x, gone, s.x", {"#m": "m", "#x": "x"}, {"m": {"x": 1}}),
    ("gone", {}, {}),
])
def test_projections_cut_parts_out(dynamodb, k, projection, names, want):
    assert get(dynamodb, k, ProjectionExpression=projection, **given(names)) == want


@pytest.mark.parametrize("projection, text", [
    ("s, name", "Attribute name is a reserved keyword; reserved keyword: name"),
    ("m, m.x", "Two document paths overlap with each other" + MUST + "[m], path two: [m, x]"),
    ("s,", 'Syntax error; token: "<EOF>", near: ","'),
])
def test_projections_are_refused_in_the_service_s_words(dynamodb, k, projection, text):
    assert refusal(get, dynamodb, k, ProjectionExpression=projection) == (
        "ValidationException", "Invalid ProjectionExpression: " + text)


@pytest.mark.parametrize("condition, text", [
    ("k = :s OR r = :n", "Invalid operator used in KeyConditionExpression: OR"),
    ("k = :s AND r IN (:n)", "Invalid operator used in KeyConditionExpression: IN"),
    ("k = :s AND size(r) = :n", "KeyConditionExpressions cannot contain nested operations"),
    ("k.x = :s AND r = :n", "KeyConditionExpressions cannot have conditions on nested "
                            "attributes"),
    ("k = :s AND k = :n", "KeyConditionExpressions must only contain one condition per key"),
    ("r = :n AND q = :s", "Query condition missed key schema element: k"),
    ("k = :s AND q = :n", "Query condition missed key schema element: r"),
    ("k > :s AND r = :n", "Query key condition not supported"),
    ("k = :n AND r = :s", "One or more parameter values were invalid: Condition parameter type "
                          "does not match schema type"),
    ("begins_with(r, :n) AND k = :s",
     "Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator "
     "or function: begins_with, operand type: N"),
])
def test_key_conditions_are_refused_in_the_service_s_words(dynamodb, condition, text):
    assert refusal(dynamodb.query, TableName="ranges", KeyConditionExpression=condition,
                   **given(values={"s": "x", "n": 1})) == ("ValidationException", text)


# ---- what boto3's builders write ----

def test_the_builders_of_boto3_are_understood(resource, request):
    table, k = resource.Table("ranges"), request.node.name
    for r in range(6):
        table.put_item(Item={"k": k, "r": r, "tags": {"a", f"t{r}"}, "in": {"n": [r, r * r]},
                             "status": "even" if r % 2 == 0 else "odd"})

    def found(range_key=None, **more):
        condition = Key("k").eq(k)
        reply = table.query(KeyConditionExpression=condition & range_key if range_key is not None
                            else condition, **more)
        return [int(i["r"]) for i in reply["Items"]]
    assert found() == [0, 1, 2, 3, 4, 5]
    assert found(Key("r").between(2, 4)) == [2, 3, 4]
    assert found(Key("r").gte(4)) == [4, 5]
    assert found(Key("r").lt(2), ScanIndexForward=False) == [1, 0]
    for attr, want in [
            (Attr("status").eq("even"), [0, 2, 4]),
            (Attr("status").ne("even") & Attr("tags").contains("t3"), [3]),
            (Attr("in.n[1]").between(4, 16), [2, 3, 4]),
            (~Attr("in.n[1]").lt(9) | Attr("tags").contains("t0"), [0, 3, 4, 5]),
            (Attr("status").is_in(["odd", "x"]) & ~Attr("gone").exists(), [1, 3, 5]),
            (Attr("status").begins_with("ev") & Attr("tags").size().eq(2), [0, 2, 4]),
            (Attr("tags").attribute_type("SS") & Attr("status").contains("dd"), [1, 3, 5])]:
        assert found(FilterExpression=attr) == want
    table.update_item(Key={"k": k, "r": 5}, UpdateExpression="SET #i.n[0] = #i.n[0] + :d",
                      ConditionExpression=Attr("in.n[0]").eq(5) & Attr("status").eq("odd"),
                      ExpressionAttributeNames={"#i": "in"},
                      ExpressionAttributeValues={":d": Decimal("0.25")})
    assert table.get_item(Key={"k": k, "r": 5}, ProjectionExpression="#i.n[0]",
                          ExpressionAttributeNames={"#i": "in"})["Item"] == {
        "in": {"n": [Decimal("5.25")]}}
