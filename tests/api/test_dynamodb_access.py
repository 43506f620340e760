"""Who may do what to DynamoDB's items: tables, indexes, and conditions on keys and attributes."""
import json

import pytest

from conftest import Server
from dynamodb_help import attributes, index, item, key, make, refusal, value

TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/"
MULTI = "ForAllValues:StringEquals"


@pytest.fixture(scope="module")
def strict():
    s = Server(dev=False)
    s.keys = json.loads(next(__import__("pathlib").Path(s.dir).rglob("root-keys.json")).read_text())
    s.root = dict(aws_access_key_id=s.keys["accessKeyId"],
                  aws_secret_access_key=s.keys["secretAccessKey"])
    root = s.client("dynamodb", **s.root)
    for name in ("mine", "other"):
        make(root, name, KeySchema=key("k", "r"), AttributeDefinitions=attributes(
            k="S", r="N", a="S"), GlobalSecondaryIndexes=[index("by-a", "a")],
            Tags=[{"Key": "team", "Value": name}])
        root.put_item(TableName=name, Item=item(k="alice", r=1, a="x", secret="s"))
    yield s
    s.close()


@pytest.fixture
def user(strict, request):
    """user(*statements): a client of a user who may do that."""
    def allow(*statements):
        iam = strict.client("iam", **strict.root)
        name = "u" + str(abs(hash(request.node.name)))[:12]
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Resource": TABLE + "mine", **s} for s in statements]}))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return strict.client("dynamodb", aws_access_key_id=made["AccessKeyId"],
                             aws_secret_access_key=made["SecretAccessKey"])
    return allow


def denied(call, **more):
    code, text = refusal(call, **more)
    assert code == "AccessDeniedException", (code, text)
    return text


ALICE = dict(TableName="mine", Key=item(k="alice", r=1))
BY_A = dict(TableName="mine", IndexName="by-a", KeyConditionExpression="a = :a",
            ExpressionAttributeValues={":a": value("x")})
BY_K = dict(TableName="mine", KeyConditionExpression="k = :k",
            ExpressionAttributeValues={":k": value("alice")})


def test_a_table_is_not_another(user):
    client = user({"Action": "dynamodb:GetItem"})
    client.get_item(**ALICE)
    assert "is not authorized to perform: dynamodb:GetItem on resource: " + TABLE + "other " in \
        denied(client.get_item, TableName="other", Key=ALICE["Key"])
    denied(client.put_item, TableName="mine", Item=item(k="x", r=1))
    denied(client.scan, TableName="mine")


def test_an_index_is_not_its_table(user):
    client = user({"Action": "dynamodb:Query", "Resource": TABLE + "mine/index/*"})
    assert client.query(**BY_A)["Count"] == 1
    denied(client.query, **BY_K)


def test_a_batch_asks_for_each_table(user):
    client = user({"Action": ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"]})
    keys = {"Keys": [ALICE["Key"]]}
    client.batch_get_item(RequestItems={"mine": keys})
    assert "table/other" in denied(client.batch_get_item,
                                   RequestItems={"mine": keys, "other": keys})
    put = [{"PutRequest": {"Item": item(k="batch", r=1)}}]
    assert "table/other" in denied(client.batch_write_item,
                                   RequestItems={"mine": put, "other": put})
    assert "Item" not in client.batch_get_item(RequestItems={
        "mine": {"Keys": [item(k="batch", r=1)]}})["Responses"]["mine"]


def test_a_transaction_asks_for_each_action(user):
    client = user({"Action": ["dynamodb:PutItem", "dynamodb:GetItem"]})
    put = {"Put": {"TableName": "mine", "Item": item(k="t", r=1)}}
    check = {"ConditionCheck": {"TableName": "mine", "Key": ALICE["Key"],
                                "ConditionExpression": "attribute_exists(k)"}}
    client.transact_write_items(TransactItems=[put])
    assert "dynamodb:ConditionCheckItem" in denied(client.transact_write_items,
                                                   TransactItems=[put, check])
    client.transact_get_items(TransactItems=[{"Get": ALICE}])
    denied(client.transact_get_items, TransactItems=[{"Get": {**ALICE, "TableName": "other"}}])


def test_only_within_a_transaction(user):
    client = user({"Action": "dynamodb:PutItem", "Condition": {
        "StringEquals": {"dynamodb:EnclosingOperation": "TransactWriteItems"}}})
    put = dict(TableName="mine", Item=item(k="e", r=1))
    client.transact_write_items(TransactItems=[{"Put": put}])
    denied(client.put_item, **put)


def test_leading_keys(user):
    client = user({"Action": "dynamodb:*", "Resource": [TABLE + "mine", TABLE + "mine/*"],
                   "Condition": {"ForAllValues:StringEquals": {
                       "dynamodb:LeadingKeys": ["alice"]},
                       "Null": {"dynamodb:LeadingKeys": "false"}}})
    client.get_item(**ALICE)
    client.put_item(TableName="mine", Item=item(k="alice", r=2))
    assert client.query(**BY_K)["Count"] >= 1
    client.batch_get_item(RequestItems={"mine": {"Keys": [ALICE["Key"]]}})
    bob = item(k="bob", r=1)
    denied(client.get_item, TableName="mine", Key=bob)
    denied(client.put_item, TableName="mine", Item=bob)
    denied(client.query, **{**BY_K, "ExpressionAttributeValues": {":k": value("bob")}})
    denied(client.batch_get_item, RequestItems={"mine": {"Keys": [ALICE["Key"], bob]}})
    denied(client.scan, TableName="mine")
    denied(client.query, **BY_A)  # leads with another attribute


def test_attributes_and_select(user):
    client = user({"Action": ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"],
                   "Condition": {MULTI: {"dynamodb:Attributes": ["k", "r", "a"]},
                                 "StringEqualsIfExists": {
                                     "dynamodb:Select": "SPECIFIC_ATTRIBUTES",
                                     "dynamodb:ReturnValues": ["NONE", "UPDATED_NEW"]}}})
    client.get_item(**ALICE, ProjectionExpression="#a", ExpressionAttributeNames={"#a": "a"})
    denied(client.get_item, **ALICE)
    denied(client.get_item, **ALICE, ProjectionExpression="a, secret")
    denied(client.get_item, **ALICE, ProjectionExpression="#s",
           ExpressionAttributeNames={"#s": "secret"})
    denied(client.query, **BY_K, ProjectionExpression="a", FilterExpression="secret = :k")
    update = dict(ALICE, ExpressionAttributeValues={":a": value("x")})
    client.update_item(**update, UpdateExpression="SET a = if_not_exists(a, :a)")
    denied(client.update_item, **update, UpdateExpression="SET a = :a",
           ConditionExpression="secret <> :a")
    denied(client.update_item, **update, UpdateExpression="SET a = :a", ReturnValues="ALL_OLD")


def test_tags_of_a_table(user):
    client = user({"Action": "dynamodb:*", "Resource": "*", "Condition": {
        "StringEquals": {"aws:ResourceTag/team": "mine"}}})
    client.get_item(**ALICE)
    client.describe_table(TableName="mine")
    denied(client.get_item, TableName="other", Key=ALICE["Key"])
    denied(client.delete_table, TableName="other")
