"""Objects of S3: PutObject, GetObject, HeadObject, CopyObject, DeleteObject, DeleteObjects,
ListObjects, ListObjectsV2, tags."""

import base64
import datetime
import hashlib
import urllib.request
import zlib

import pytest

from s3_help import body, client, fault, new_bucket, server  # noqa: F401


@pytest.fixture(params=["path", "virtual"])
def s3(server, request):
    return client(server, request.param)


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


KEYS = ["plain", "a/b/c", "with space", "plus+and&amp;", "ü/ö", "100%", "a//b", "/lead",
        "..", "../../etc/passwd", "./x", "q?x=y", "#", "tail/", "arn:aws:s3:::other/x",
        "\U0001f600"]


@pytest.mark.parametrize("key", KEYS)
def test_any_key(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert body(s3.get_object(Bucket=bucket, Key=key)) == key.encode()
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert fault(s3.get_object, Bucket=bucket, Key=key) == ("NoSuchKey", 404)
    s3.delete_object(Bucket=bucket, Key=key)


def test_what_is_said_of_an_object(s3, bucket):
    data = b"some bytes"
    when = datetime.datetime(2030, 1, 2, tzinfo=datetime.timezone.utc)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, ContentType="text/plain",
                        CacheControl="no-store", ContentDisposition='attachment; filename="x"',
                        ContentEncoding="gzip", ContentLanguage="de", Expires=when,
                        Metadata={"Some-Name": "a value"}, Tagging="a=1&b=x%20y")
    etag = f'"{hashlib.md5(data).hexdigest()}"'
    assert put["ETag"] == etag
    for answer in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert answer["ETag"] == etag
        assert answer["ContentLength"] == len(data)
        assert answer["ContentType"] == "text/plain"
        assert answer["CacheControl"] == "no-store"
        assert answer["ContentDisposition"] == 'attachment; filename="x"'
        assert answer["ContentEncoding"] == "gzip"
        assert answer["ContentLanguage"] == "de"
        assert answer["Expires"] == when
        assert answer["Metadata"] == {"some-name": "a value"}
        assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "2"
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {}
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 0


def test_ranges(s3, bucket):
    data = bytes(range(256)) * 10
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    for text, part in [("bytes=0-0", data[:1]), ("bytes=5-9", data[5:10]),
                       ("bytes=2550-", data[2550:]), ("bytes=-7", data[-7:]),
                       ("bytes=10-99999", data[10:]), ("bytes=-99999", data)]:
        answer = s3.get_object(Bucket=bucket, Key="k", Range=text)
        assert body(answer) == part
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert answer["ContentRange"].endswith("/2560")
        assert s3.head_object(Bucket=bucket, Key="k", Range=text)["ContentLength"] == len(part)
    for text in ("bytes=2560-", "bytes=-0"):
        assert fault(s3.get_object, Bucket=bucket, Key="k", Range=text) == ("InvalidRange", 416)
    for text in ("bytes=9-5", "lines=1-2", "bytes=a-b"):
        assert body(s3.get_object(Bucket=bucket, Key="k", Range=text)) == data


def test_conditions_of_reads(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    made = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    hour = datetime.timedelta(hours=1)
    where = {"Bucket": bucket, "Key": "k"}
    assert body(s3.get_object(**where, IfMatch=etag)) == b"x"
    assert fault(s3.get_object, **where, IfMatch='"other"') == ("PreconditionFailed", 412)
    assert fault(s3.get_object, **where, IfNoneMatch=etag) == ("304", 304)
    assert body(s3.get_object(**where, IfNoneMatch='"other"')) == b"x"
    assert fault(s3.get_object, **where, IfModifiedSince=made) == ("304", 304)
    assert body(s3.get_object(**where, IfModifiedSince=made - hour)) == b"x"
    assert fault(s3.get_object, **where, IfUnmodifiedSince=made - hour) == \
        ("PreconditionFailed", 412)
    assert body(s3.get_object(**where, IfUnmodifiedSince=made)) == b"x"
    # A tag that matches counts before a time that does not.
    assert body(s3.get_object(**where, IfMatch=etag, IfUnmodifiedSince=made - hour)) == b"x"
    assert fault(s3.head_object, **where, IfMatch='"other"') == ("412", 412)


def test_conditions_of_writes(s3, bucket):
    where = {"Bucket": bucket, "Key": "k"}
    assert fault(s3.put_object, **where, Body=b"0", IfMatch='"x"') == ("NoSuchKey", 404)
    etag = s3.put_object(**where, Body=b"1", IfNoneMatch="*")["ETag"]
    assert fault(s3.put_object, **where, Body=b"2", IfNoneMatch="*") == \
        ("PreconditionFailed", 412)
    assert fault(s3.put_object, **where, Body=b"2", IfMatch='"x"') == \
        ("PreconditionFailed", 412)
    assert body(s3.get_object(**where)) == b"1"
    s3.put_object(**where, Body=b"2", IfMatch=etag)
    assert body(s3.get_object(**where)) == b"2"
    assert fault(s3.delete_object, **where, IfMatch=etag) == ("PreconditionFailed", 412)
    s3.delete_object(**where, IfMatch=f'"{hashlib.md5(b"2").hexdigest()}"')


def test_listing(s3, bucket):
    keys = sorted(["a", "a/1", "a/2", "a/b/1", "b", "b/1", "c/", "ü"], key=str.encode)
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    def listed(call, **more):
        answer = call(Bucket=bucket, **more)
        return ([o["Key"] for o in answer.get("Contents", [])],
                [p["Prefix"] for p in answer.get("CommonPrefixes", [])])

    for call in (s3.list_objects, s3.list_objects_v2):
        assert listed(call) == (keys, [])
        assert listed(call, Delimiter="/") == (["a", "b", "ü"], ["a/", "b/", "c/"])
        assert listed(call, Prefix="a/", Delimiter="/") == (["a/1", "a/2"], ["a/b/"])
        assert listed(call, Prefix="a") == (["a", "a/1", "a/2", "a/b/1"], [])
        assert listed(call, Prefix="zz") == ([], [])
        assert listed(call, MaxKeys=0) == ([], [])
    assert listed(s3.list_objects_v2, StartAfter="a/2") == (["a/b/1", "b", "b/1", "c/", "ü"], [])
    assert listed(s3.list_objects, Marker="a/2", Delimiter="/") == \
        (["b", "ü"], ["a/", "b/", "c/"])
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=2)["KeyCount"] == 2


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_pages_lose_and_repeat_nothing(s3, bucket, operation, size):
    keys = [f"{a}/{b}" for a in "abc" for b in range(3)] + ["top", "z"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    pages = s3.get_paginator(operation).paginate
    found = [o["Key"] for p in pages(Bucket=bucket, PaginationConfig={"PageSize": size})
             for o in p.get("Contents", [])]
    assert found == sorted(keys)
    rows = [r for p in pages(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size})
            for r in [o["Key"] for o in p.get("Contents", [])] +
            [c["Prefix"] for c in p.get("CommonPrefixes", [])]]
    assert sorted(rows) == ["a/", "b/", "c/", "top", "z"]


def test_copy(s3, bucket):
    other = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"data", ContentType="text/x",
                  Metadata={"m": "1"}, Tagging="t=1")
    source = {"Bucket": bucket, "Key": "a b/ü"}
    result = s3.copy_object(Bucket=other, Key="copy", CopySource=source)["CopyObjectResult"]
    assert result["ETag"] == f'"{hashlib.md5(b"data").hexdigest()}"'
    copy = s3.get_object(Bucket=other, Key="copy")
    assert (body(copy), copy["ContentType"], copy["Metadata"]) == (b"data", "text/x", {"m": "1"})
    assert s3.get_object_tagging(Bucket=other, Key="copy")["TagSet"] == \
        [{"Key": "t", "Value": "1"}]
    s3.copy_object(Bucket=other, Key="copy", CopySource=source, MetadataDirective="REPLACE",
                   ContentType="text/y", Metadata={"n": "2"}, TaggingDirective="REPLACE",
                   Tagging="u=2")
    copy = s3.get_object(Bucket=other, Key="copy")
    assert (copy["ContentType"], copy["Metadata"]) == ("text/y", {"n": "2"})
    assert s3.get_object_tagging(Bucket=other, Key="copy")["TagSet"] == \
        [{"Key": "u", "Value": "2"}]
    assert fault(s3.copy_object, Bucket=bucket, Key="a b/ü", CopySource=source) == \
        ("InvalidRequest", 400)
    assert fault(s3.copy_object, Bucket=other, Key="x",
                 CopySource={"Bucket": bucket, "Key": "none"}) == ("NoSuchKey", 404)
    assert fault(s3.copy_object, Bucket=other, Key="x", CopySource="no-such-bucket-x/y") == \
        ("NoSuchBucket", 404)
    assert fault(s3.copy_object, Bucket=other, Key="x", CopySource=source,
                 CopySourceIfMatch='"x"') == ("PreconditionFailed", 412)


def test_delete_many(s3, bucket):
    keys = [f"k{n}" for n in range(1000)]
    for key in keys[:20]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    objects = [{"Key": k} for k in keys]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [d["Key"] for d in answer["Deleted"]] == keys and "Errors" not in answer
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects[:2], "Quiet": True})
    assert "Deleted" not in answer
    assert fault(s3.delete_objects, Bucket=bucket,
                 Delete={"Objects": objects + [{"Key": "one more"}]}) == ("MalformedXML", 400)


def test_tags_of_objects(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1")
    tags = [{"Key": "b", "Value": "2"}, {"Key": "c", "Value": ""}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"x"
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert fault(s3.get_object_tagging, Bucket=bucket, Key="none") == ("NoSuchKey", 404)
    many = [{"Key": f"k{n}", "Value": "v"} for n in range(11)]
    assert fault(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": many}) == \
        ("InvalidTag", 400)


def test_checksums(s3, bucket):
    data = b"123456789"
    sums = {"CRC32": zlib.crc32(data).to_bytes(4, "big"), "SHA1": hashlib.sha1(data).digest(),
            "SHA256": hashlib.sha256(data).digest(),
            "CRC32C": bytes.fromhex("e3069283"), "CRC64NVME": bytes.fromhex("ae8b14860a799888")}
    for name, value in sums.items():
        member, text = f"Checksum{name}", base64.b64encode(value).decode()
        put = s3.put_object(Bucket=bucket, Key=name, Body=data, **{member: text})
        assert put[member] == text
        assert s3.head_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED")[member] == text
        assert member not in s3.head_object(Bucket=bucket, Key=name)
        wrong = base64.b64encode(bytes([value[0] ^ 1]) + value[1:]).decode()
        assert fault(s3.put_object, Bucket=bucket, Key="no", Body=data, **{member: wrong}) == \
            ("BadDigest", 400)
    assert s3.put_object(Bucket=bucket, Key="k", Body=data)["ChecksumCRC64NVME"] == \
        base64.b64encode(sums["CRC64NVME"]).decode()
    assert fault(s3.head_object, Bucket=bucket, Key="no") == ("404", 404)
    md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
    s3.put_object(Bucket=bucket, Key="k", Body=data, ContentMD5=md5)
    bad = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    assert fault(s3.put_object, Bucket=bucket, Key="k", Body=data, ContentMD5=bad) == \
        ("BadDigest", 400)
    assert fault(s3.put_object, Bucket=bucket, Key="k", Body=data, ContentMD5="x") == \
        ("InvalidDigest", 400)


def test_presigned(s3, bucket):
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "p q"})
    request = urllib.request.Request(put, data=b"by url", method="PUT")
    assert urllib.request.urlopen(request).status == 200
    get = s3.generate_presigned_url("get_object", Params={
        "Bucket": bucket, "Key": "p q", "ResponseContentType": "text/z",
        "ResponseContentDisposition": "attachment"})
    with urllib.request.urlopen(get) as answer:
        assert answer.read() == b"by url"
        assert answer.headers["Content-Type"] == "text/z"
        assert answer.headers["Content-Disposition"] == "attachment"


def test_limits(s3, bucket):
    assert fault(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"") == \
        ("KeyTooLongError", 400)
    s3.put_object(Bucket=bucket, Key="k" * 1024, Body=b"")
    assert fault(s3.put_object, Bucket=bucket, Key="k", Body=b"",
                 Metadata={"a": "x" * 2048}) == ("MetadataTooLarge", 400)
    assert fault(s3.put_object, Bucket=bucket, Key="k", Body=b"",
                 ServerSideEncryption="aws:kms") == ("NotImplemented", 501)
    assert fault(s3.put_object, Bucket=bucket, Key="k", Body=b"", ACL="public-read") == \
        ("AccessControlListNotSupported", 400)
    assert fault(s3.put_object, Bucket=bucket, Key="k", Body=b"", StorageClass="GLACIER") == \
        ("InvalidStorageClass", 400)
    assert fault(s3.get_object, Bucket=bucket, Key="k" * 1024, VersionId="1") == \
        ("InvalidArgument", 400)
    assert fault(s3.put_object, Bucket="no-such-bucket-here", Key="k", Body=b"") == \
        ("NoSuchBucket", 404)
