"""Query and Scan: of tables and indexes, by pages, with filters and projections."""
import pytest

from dynamodb_help import INVALID, attributes, index, item, key, make, plain_item, refusal, value
from eventually import eventually


@pytest.fixture(scope="module")
def dynamodb(server):
    return server.client("dynamodb")


@pytest.fixture(scope="module", autouse=True)
def tables(dynamodb):
    make(dynamodb, "songs", KeySchema=key("artist", "n"),
         AttributeDefinitions=attributes(artist="S", n="N", year="N", genre="S"),
         LocalSecondaryIndexes=[index("by-year", "artist", "year", "KEYS_ONLY")],
         GlobalSecondaryIndexes=[index("by-genre", "genre", "year", "INCLUDE", names=["title"]),
                                 index("all-genre", "genre")])
    for artist in ("a", "b", "c"):
        for n in range(-5, 5):
            more = {"genre": "odd" if n % 2 else "even"} if artist != "c" else {}
            dynamodb.put_item(TableName="songs", Item=item(
                artist=artist, n=n, year=2000 - n, title=f"{artist}{n}", extra="x", **more))
    make(dynamodb, "texts", KeySchema=key("k", "r"), AttributeDefinitions=attributes(k="S", r="S"))
    for r in ("", "a", "ab", "abc", "b", "b\u00ff", "\u00e9"):
        if r:
            dynamodb.put_item(TableName="texts", Item=item(k="x", r=r))
    make(dynamodb, "bytes", KeySchema=key("k", "r"), AttributeDefinitions=attributes(k="B", r="B"))
    for r in (b"\0", b"\0\0", b"\0\1", b"\1", b"\xff", b"\xff\0", b"a\0b"):
        dynamodb.put_item(TableName="bytes", Item=item(k=b"\0k", r=r))


def query(dynamodb, condition, table="songs", **more):
    values = {":" + n: value(v) for n, v in more.pop("values", {}).items()}
    return dynamodb.query(TableName=table, KeyConditionExpression=condition,
                          ExpressionAttributeValues=values, **more)


def numbers(reply):
    return [plain_item(i)["n"] for i in reply["Items"]]


@pytest.mark.parametrize("condition, values, want", [
    ("artist = :a", {}, range(-5, 5)),
    ("artist = :a AND n = :x", {"x": 3}, [3]),
    ("artist = :a AND n < :x", {"x": -2}, [-5, -4, -3]),
    ("artist = :a AND n <= :x", {"x": -3}, [-5, -4, -3]),
    ("artist = :a AND n > :x", {"x": 2}, [3, 4]),
    ("n >= :x AND artist = :a", {"x": 3}, [3, 4]),
    ("artist = :a AND n BETWEEN :x AND :y", {"x": -1, "y": 1.5}, [-1, 0, 1]),
])
def test_a_query_reads_a_range(dynamodb, condition, values, want):
    values = {"a": "b", **values}
    reply = query(dynamodb, condition, values=values)
    assert numbers(reply) == list(want)
    assert reply["Count"] == reply["ScannedCount"] == len(list(want))
    assert "LastEvaluatedKey" not in reply
    back = query(dynamodb, condition, values=values, ScanIndexForward=False)
    assert numbers(back) == list(reversed(list(want)))


def test_texts_begin_with(dynamodb):
    def keys(condition, **values):
        reply = query(dynamodb, "k = :k AND " + condition, "texts", values={"k": "x", **values})
        return [plain_item(i)["r"] for i in reply["Items"]]
    assert keys("begins_with(r, :p)", p="ab") == ["ab", "abc"]
    assert keys("begins_with(r, :p)", p="a") == ["a", "ab", "abc"]
    assert keys("begins_with(r, :p)", p="c") == []
    assert keys("r >= :p", p="b") == ["b", "b\u00ff", "\u00e9"]


def test_bytes_are_in_their_order(dynamodb):
    reply = query(dynamodb, "k = :k", "bytes", values={"k": b"\0k"})
    assert [plain_item(i)["r"] for i in reply["Items"]] == sorted(
        [b"\0", b"\0\0", b"\0\1", b"\1", b"\xff", b"\xff\0", b"a\0b"])
    reply = query(dynamodb, "k = :k AND begins_with(r, :p)", "bytes",
                  values={"k": b"\0k", "p": b"\0"})
    assert reply["Count"] == 3
    reply = query(dynamodb, "k = :k AND begins_with(r, :p)", "bytes",
                  values={"k": b"\0k", "p": b"\xff"})
    assert reply["Count"] == 2


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 10])
@pytest.mark.parametrize("more", [{}, {"IndexName": "by-year"}])
def test_pages_of_a_query(dynamodb, limit, forward, more):
    pages = dynamodb.get_paginator("query").paginate(
        TableName="songs", KeyConditionExpression="artist = :a", ScanIndexForward=forward,
        ExpressionAttributeValues={":a": value("b")}, PaginationConfig={"PageSize": limit},
        **more)
    replies = list(pages)
    want = list(range(-5, 5))
    if forward == bool(more):
        want.reverse()
    assert [n for r in replies for n in numbers(r)] == want
    # The limit was reached, so there is a key to go on from, though nothing is behind it.
    assert len(replies) == 10 // limit + 1
    assert replies[0]["LastEvaluatedKey"].keys() == (
        {"artist", "n", "year"} if more else {"artist", "n"})


def test_a_limit_counts_what_is_looked_at(dynamodb):
    reply = query(dynamodb, "artist = :a", values={"a": "a", "t": "a-1"}, Limit=5,
                  FilterExpression="title = :t")
    assert (reply["Count"], reply["ScannedCount"]) == (1, 5)
    assert reply["LastEvaluatedKey"] == item(artist="a", n=-1)


def test_a_global_index_is_sparse_and_projects(dynamodb):
    reply = query(dynamodb, "genre = :g", IndexName="by-genre", values={"g": "odd"})
    assert reply["Count"] == 10
    years = [plain_item(i)["year"] for i in reply["Items"]]
    assert years == sorted(years)
    assert all(i.keys() == {"artist", "n", "genre", "year", "title"} for i in reply["Items"])
    whole = query(dynamodb, "genre = :g", IndexName="all-genre", values={"g": "odd"})
    assert all("extra" in i for i in whole["Items"])
    assert dynamodb.scan(TableName="songs", IndexName="by-genre")["Count"] == 20


def test_a_local_index_reads_the_table_when_asked(dynamodb):
    more = dict(values={"a": "a"}, IndexName="by-year", ReturnConsumedCapacity="INDEXES")
    reply = query(dynamodb, "artist = :a", **more)
    assert all(i.keys() == {"artist", "n", "year"} for i in reply["Items"])
    assert reply["ConsumedCapacity"]["LocalSecondaryIndexes"] == {
        "by-year": {"CapacityUnits": 0.5}}
    assert reply["ConsumedCapacity"]["Table"] == {"CapacityUnits": 0}
    reply = query(dynamodb, "artist = :a", Select="ALL_ATTRIBUTES", **more)
    assert all("extra" in i for i in reply["Items"])
    assert reply["ConsumedCapacity"]["Table"] == {"CapacityUnits": 5}
    reply = query(dynamodb, "artist = :a", ProjectionExpression="extra", **more)
    assert all(i.keys() == {"extra"} for i in reply["Items"])


def test_indexes_follow_their_items(dynamodb):
    def genre(g):
        reply = query(dynamodb, "genre = :g", IndexName="all-genre", values={"g": g})
        return [(plain_item(i)["artist"], plain_item(i)["n"]) for i in reply["Items"]]
    dynamodb.put_item(TableName="songs", Item=item(artist="z", n=1, genre="new", year=1))
    assert genre("new") == [("z", 1)]
    dynamodb.update_item(TableName="songs", Key=item(artist="z", n=1),
                         UpdateExpression="SET genre = :g",
                         ExpressionAttributeValues={":g": value("newer")})
    assert (genre("new"), genre("newer")) == ([], [("z", 1)])
    dynamodb.update_item(TableName="songs", Key=item(artist="z", n=1),
                         UpdateExpression="REMOVE genre")
    assert genre("newer") == []
    dynamodb.put_item(TableName="songs", Item=item(artist="z", n=1, genre="last"))
    assert genre("last") == [("z", 1)]
    dynamodb.delete_item(TableName="songs", Key=item(artist="z", n=1))
    assert genre("last") == []


def test_a_count_has_no_items(dynamodb):
    reply = query(dynamodb, "artist = :a", values={"a": "a"}, Select="COUNT")
    assert (reply["Count"], reply.get("Items")) == (10, None)


SONGS = dict(TableName="songs")


@pytest.mark.parametrize("more, text", [
    ({}, "Either the KeyConditions or KeyConditionExpression parameter must be specified"),
    (dict(KeyConditionExpression="n = :a"), "Query condition missed key schema element"),
    (dict(KeyConditionExpression="artist = :a", IndexName="nope"),
     "The table does not have the specified index: nope"),
    (dict(KeyConditionExpression="genre = :a", IndexName="by-genre", ConsistentRead=True),
     "Consistent reads are not supported on global secondary indexes"),
    (dict(KeyConditionExpression="genre = :a", IndexName="by-genre", Select="ALL_ATTRIBUTES"),
     INVALID + "Select type ALL_ATTRIBUTES is not supported for global secondary index by-genre "
     "because its projection type is not ALL"),
    (dict(KeyConditionExpression="genre = :a", IndexName="by-genre",
          ProjectionExpression="extra"),
     INVALID + "Global secondary index by-genre does not project [extra]"),
    (dict(KeyConditionExpression="artist = :a", FilterExpression="n = :a"),
     "Filter Expression can only contain non-primary key attributes: Primary key attribute: n"),
    (dict(KeyConditionExpression="artist = :a", Select="ALL_PROJECTED_ATTRIBUTES"),
     "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"),
    (dict(KeyConditionExpression="artist = :a", Select="COUNT", ProjectionExpression="extra"),
     "Cannot specify the ProjectionExpression when choosing to get only the Count"),
    (dict(KeyConditionExpression="artist = :a", ExclusiveStartKey=item(artist="b", n=1)),
     "The provided starting key is outside query boundaries based on provided conditions"),
    (dict(KeyConditionExpression="artist = :a", ExclusiveStartKey=item(artist="a")),
     "The provided starting key is invalid"),
])
def test_queries_that_can_not_be(dynamodb, more, text):
    values = {"ExpressionAttributeValues": {":a": value("a")}} if more else {}
    code, said = refusal(dynamodb.query, TableName="songs", **more, **values)
    assert code == "ValidationException"
    assert text in said


# ---- Scan ----

def everything(dynamodb, **more):
    return sorted((i["artist"]["S"], int(i["n"]["N"]))
                  for page in dynamodb.get_paginator("scan").paginate(TableName="songs", **more)
                  for i in page["Items"])


def test_a_scan_sees_everything_once(dynamodb):
    want = [(a, n) for a in "abc" for n in range(-5, 5)]
    assert everything(dynamodb) == want
    assert everything(dynamodb, PaginationConfig={"PageSize": 1}) == want
    assert everything(dynamodb, PaginationConfig={"PageSize": 7}) == want
    parts = [everything(dynamodb, Segment=i, TotalSegments=5) for i in range(5)]
    assert sorted(sum(parts, [])) == want
    assert everything(dynamodb, IndexName="by-genre", PaginationConfig={"PageSize": 3}) == [
        x for x in want if x[0] != "c"]


def test_a_scan_filters(dynamodb):
    reply = dynamodb.scan(TableName="songs", FilterExpression="n > :n AND artist <> :a",
                          ExpressionAttributeValues={":n": value(2), ":a": value("a")},
                          ProjectionExpression="title")
    assert sorted(i["title"]["S"] for i in reply["Items"]) == ["b3", "b4", "c3", "c4"]
    assert reply["ScannedCount"] == 30


@pytest.mark.parametrize("more, text", [
    (dict(Segment=0), "The TotalSegments parameter is required"),
    (dict(TotalSegments=2), "The Segment parameter is required"),
    (dict(Segment=2, TotalSegments=2), "Segment: 2 is not less than TotalSegments: 2"),
    (dict(IndexName="nope"), "The table does not have the specified index: nope"),
])
def test_scans_that_can_not_be(dynamodb, more, text):
    code, said = refusal(dynamodb.scan, TableName="songs", **more)
    assert code == "ValidationException"
    assert text in said


def test_a_key_of_another_segment(dynamodb):
    last = dynamodb.scan(TableName="songs", Limit=1)["LastEvaluatedKey"]
    found = [i for i in range(2) if dynamodb.scan(
        TableName="songs", Segment=i, TotalSegments=2, FilterExpression="artist = :a AND n = :n",
        ExpressionAttributeValues={":a": last["artist"], ":n": last["n"]})["Count"]]
    assert len(found) == 1
    assert "Please use ExclusiveStartKey with correct Segment" in refusal(
        dynamodb.scan, TableName="songs", Segment=1 - found[0], TotalSegments=2,
        ExclusiveStartKey=last)[1]


def test_a_page_ends_at_a_megabyte(dynamodb):
    make(dynamodb, "large", KeySchema=key("k", "r"), AttributeDefinitions=attributes(k="S", r="N"))
    for n in range(5):
        dynamodb.put_item(TableName="large", Item=item(k="x", r=n, a="x" * 300 * 1024))
    first = query(dynamodb, "k = :k", "large", values={"k": "x"}, ReturnConsumedCapacity="TOTAL")
    assert first["Count"] == 3 and first["LastEvaluatedKey"] == item(k="x", r=2)
    assert 112 <= first["ConsumedCapacity"]["CapacityUnits"] <= 128
    # Before the filter is asked.
    none = query(dynamodb, "k = :k", "large", values={"k": "x", "b": 1},
                 FilterExpression="b = :b")
    assert none["Count"] == 0 and none["LastEvaluatedKey"] == item(k="x", r=2)
    rest = query(dynamodb, "k = :k", "large", values={"k": "x"},
                 ExclusiveStartKey=first["LastEvaluatedKey"])
    assert rest["Count"] == 2 and "LastEvaluatedKey" not in rest


def test_an_index_that_is_added_is_filled(own_server):
    dynamodb = own_server.client("dynamodb")
    make(dynamodb, "filled")
    for i in range(0, 500, 25):
        dynamodb.batch_write_item(RequestItems={"filled": [
            {"PutRequest": {"Item": item(k=str(n), a=str(n % 7) if n % 2 else n, b="x")}}
            for n in range(i, i + 25)]})
    dynamodb.update_table(TableName="filled", AttributeDefinitions=attributes(k="S", a="S"),
                          GlobalSecondaryIndexUpdates=[{"Create": index("by-a", "a")}])
    dynamodb.put_item(TableName="filled", Item=item(k="1", a="moved"))
    own_server.restart()
    dynamodb = own_server.client("dynamodb")
    eventually(lambda: dynamodb.describe_table(TableName="filled")["Table"][
        "GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE")
    x, = dynamodb.describe_table(TableName="filled")["Table"]["GlobalSecondaryIndexes"]
    assert x["ItemCount"] == 250
    assert dynamodb.scan(TableName="filled", IndexName="by-a")["Count"] == 250
    assert query(dynamodb, "a = :a", "filled", IndexName="by-a", values={"a": "moved"})[
        "Count"] == 1


def test_items_expire(dynamodb):
    import time
    make(dynamodb, "mortal", AttributeDefinitions=attributes(k="S", a="S"),
         GlobalSecondaryIndexes=[index("by-a", "a")])
    now = int(time.time())

    def put(k, ends):
        dynamodb.put_item(TableName="mortal", Item={**item(k=k, a="x"), "ends": ends})
    put("past", {"N": str(now - 10)})
    put("future", {"N": str(now + 3600)})
    put("text", {"S": str(now - 10)})
    put("ancient", {"N": str(now - 6 * 365 * 24 * 3600)})
    dynamodb.update_time_to_live(TableName="mortal", TimeToLiveSpecification={
        "Enabled": True, "AttributeName": "ends"})
    put("later", {"N": str(now - 1)})

    def left():
        return {i["k"]["S"] for i in dynamodb.scan(TableName="mortal")["Items"]}
    eventually(lambda: left() == {"future", "text", "ancient"})
    assert dynamodb.scan(TableName="mortal", IndexName="by-a")["Count"] == 3
    dynamodb.update_item(TableName="mortal", Key=item(k="future"),
                         UpdateExpression="SET ends = :e",
                         ExpressionAttributeValues={":e": value(now - 5)})
    eventually(lambda: left() == {"text", "ancient"})


def test_a_deleted_table_leaves_no_rows(own_server):
    import sqlite3
    dynamodb = own_server.client("dynamodb")
    make(dynamodb, "gone", AttributeDefinitions=attributes(k="S", a="S"),
         GlobalSecondaryIndexes=[index("by-a", "a")])
    for i in range(0, 1000, 25):
        dynamodb.batch_write_item(RequestItems={"gone": [
            {"PutRequest": {"Item": item(k=str(n), a="x")}} for n in range(i, i + 25)]})
    dynamodb.delete_table(TableName="gone")
    make(dynamodb, "gone")
    dynamodb.put_item(TableName="gone", Item=item(k="new"))
    own_server.restart()
    dynamodb = own_server.client("dynamodb")
    path, = __import__("pathlib").Path(own_server.dir).rglob("dynamodb.db")

    def rows():
        with sqlite3.connect(path) as db:
            return [db.execute(f"SELECT count(*) FROM {t}").fetchone()[0]
                    for t in ("item", "entry", "totals")]
    eventually(lambda: rows() == [1, 0, 1])
    assert dynamodb.scan(TableName="gone")["Items"] == [item(k="new")]
