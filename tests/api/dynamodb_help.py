"""What the tests of DynamoDB share."""

import pytest
from botocore.exceptions import ClientError

INVALID = "One or more parameter values were invalid: "
THROUGHPUT = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}


def key(hash_key, range_key=None):
    return [{"AttributeName": hash_key, "KeyType": "HASH"}] + (
        [{"AttributeName": range_key, "KeyType": "RANGE"}] if range_key else [])


def attributes(**types):
    return [{"AttributeName": n, "AttributeType": t} for n, t in types.items()]


def index(name, hash_key, range_key=None, projection="ALL", **more):
    names = {"NonKeyAttributes": more.pop("names")} if "names" in more else {}
    return {"IndexName": name, "KeySchema": key(hash_key, range_key),
            "Projection": {"ProjectionType": projection, **names}, **more}


def make(client, name, **more):
    """A table with the hash key k; None takes a parameter out."""
    given = {"TableName": name, "KeySchema": key("k"),
             "AttributeDefinitions": attributes(k="S"), "BillingMode": "PAY_PER_REQUEST"}
    given.update(more)
    return client.create_table(**{n: v for n, v in given.items() if v is not None})[
        "TableDescription"]


def refusal(call, *args, **more):
    with pytest.raises(ClientError) as e:
        call(*args, **more)
    return e.value.response["Error"]["Code"], e.value.response["Error"]["Message"]


def value(v):
    """A Python value as an attribute value."""
    if isinstance(v, bool):
        return {"BOOL": v}
    if v is None:
        return {"NULL": True}
    if isinstance(v, (int, float)):
        return {"N": str(v)}
    if isinstance(v, bytes):
        return {"B": v}
    if isinstance(v, str):
        return {"S": v}
    if isinstance(v, set):
        kind = {str: "SS", bytes: "BS"}.get(type(next(iter(v))), "NS")
        return {kind: sorted(str(x) for x in v) if kind != "BS" else sorted(v)}
    if isinstance(v, list):
        return {"L": [value(x) for x in v]}
    return {"M": item(**v)}


def item(**more):
    return {n: value(v) for n, v in more.items()}


def plain(v):
    """And back."""
    (kind, x), = v.items()
    if kind == "N":
        return float(x) if "." in x else int(x)
    if kind == "NULL":
        return None
    if kind == "M":
        return {n: plain(y) for n, y in x.items()}
    if kind == "L":
        return [plain(y) for y in x]
    return set(x) if kind in ("SS", "NS", "BS") else x


def plain_item(i):
    return {n: plain(v) for n, v in i.items()}
