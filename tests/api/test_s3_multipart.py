"""Uploads in parts: CreateMultipartUpload, UploadPart, UploadPartCopy, ListParts,
ListMultipartUploads, CompleteMultipartUpload, AbortMultipartUpload."""

import base64
import hashlib
import zlib

import pytest

from s3_help import body, client, fault, new_bucket, server  # noqa: F401

MIB = 1024 * 1024


@pytest.fixture
def s3(server):
    return client(server)


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


def send(s3, where, parts, **more):
    """{number: bytes} as parts; what complete wants to be told of them."""
    out = []
    for number, data in parts.items():
        answer = s3.upload_part(**where, PartNumber=number, Body=data, **more)
        out.append({"PartNumber": number, "ETag": answer["ETag"]})
    return out


def test_a_whole_upload(s3, bucket):
    parts = {1: b"a" * (5 * MIB), 3: b"b" * (5 * MIB), 10000: b"c"}
    made = s3.create_multipart_upload(Bucket=bucket, Key="big ü", ContentType="text/x",
                                      Metadata={"m": "1"}, Tagging="t=1")
    where = {"Bucket": bucket, "Key": "big ü", "UploadId": made["UploadId"]}
    done = send(s3, where, parts)
    assert fault(s3.get_object, Bucket=bucket, Key="big ü") == ("NoSuchKey", 404)
    whole = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": done})
    digest = hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts.values()))
    assert whole["ETag"] == f'"{digest.hexdigest()}-3"'
    answer = s3.get_object(Bucket=bucket, Key="big ü")
    assert body(answer) == b"".join(parts.values())
    assert (answer["ContentType"], answer["Metadata"]) == ("text/x", {"m": "1"})
    part = s3.get_object(Bucket=bucket, Key="big ü", PartNumber=2)
    assert (body(part), part["PartsCount"]) == (parts[3], 3)
    assert fault(s3.get_object, Bucket=bucket, Key="big ü", PartNumber=4) == \
        ("InvalidRange", 416)
    assert fault(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": done}) == \
        ("NoSuchUpload", 404)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_parts_that_do_not_fit(s3, bucket):
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    done = send(s3, where, {1: b"small", 2: b"x"})

    def complete(parts):
        return fault(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": parts})

    assert complete(done) == ("EntityTooSmall", 400)
    assert complete(done[::-1]) == ("InvalidPartOrder", 400)
    assert complete([{"PartNumber": 1, "ETag": '"x"'}]) == ("InvalidPart", 400)
    assert complete([{"PartNumber": 7, "ETag": done[0]["ETag"]}]) == ("InvalidPart", 400)
    assert complete([]) == ("MalformedXML", 400)
    assert fault(s3.upload_part, **where, PartNumber=10001, Body=b"") == ("InvalidArgument", 400)
    assert fault(s3.upload_part, Bucket=bucket, Key="k", UploadId="none", PartNumber=1,
                 Body=b"") == ("NoSuchUpload", 404)
    # A part that is sent again takes the place of the first.
    again = send(s3, where, {1: b"y" * (5 * MIB)})
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": again + done[1:]})
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 5 * MIB + 1


def test_lists_and_abort(s3, bucket):
    made = {}
    for key in ("a", "b", "b", "c"):
        made.setdefault(key, []).append(
            s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])
    found = [(u["Key"], u["UploadId"]) for p in
             s3.get_paginator("list_multipart_uploads").paginate(
                 Bucket=bucket, PaginationConfig={"PageSize": 1}) for u in p.get("Uploads", [])]
    assert sorted(found) == sorted((k, i) for k, ids in made.items() for i in ids)
    assert len(s3.list_multipart_uploads(Bucket=bucket, Prefix="b")["Uploads"]) == 2
    where = {"Bucket": bucket, "Key": "a", "UploadId": made["a"][0]}
    send(s3, where, {n: b"x" * n for n in (1, 2, 5)})
    sizes = [(p["PartNumber"], p["Size"]) for page in s3.get_paginator("list_parts").paginate(
        **where, PaginationConfig={"PageSize": 2}) for p in page["Parts"]]
    assert sizes == [(1, 1), (2, 2), (5, 5)]
    s3.abort_multipart_upload(**where)
    assert fault(s3.list_parts, **where) == ("NoSuchUpload", 404)
    assert fault(s3.abort_multipart_upload, **where) == ("NoSuchUpload", 404)
    for key in "bc":
        for upload in made[key]:
            s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
    s3.delete_bucket(Bucket=bucket)


def test_part_copy(s3, bucket):
    data = bytes(range(256)) * (6 * MIB // 256)
    s3.put_object(Bucket=bucket, Key="source", Body=data)
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    source = {"Bucket": bucket, "Key": "source"}
    one = s3.upload_part_copy(**where, PartNumber=1, CopySource=source)
    two = s3.upload_part_copy(**where, PartNumber=2, CopySource=source,
                              CopySourceRange="bytes=10-19")
    for bad in ("bytes=10-", "bytes=0-99999999"):
        assert fault(s3.upload_part_copy, **where, PartNumber=3, CopySource=source,
                     CopySourceRange=bad) == ("InvalidArgument", 400)
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [
        {"PartNumber": 1, "ETag": one["CopyPartResult"]["ETag"]},
        {"PartNumber": 2, "ETag": two["CopyPartResult"]["ETag"]}]})
    assert body(s3.get_object(Bucket=bucket, Key="k")) == data + data[10:20]


@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
def test_checksums_of_parts(s3, bucket, kind):
    parts = {1: b"a" * (5 * MIB), 2: b"b" * 1234567}
    crc = [zlib.crc32(p).to_bytes(4, "big") for p in parts.values()]
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(
        **where, ChecksumAlgorithm="CRC32", ChecksumType=kind)["UploadId"]
    done = [{"PartNumber": n, **{k: v for k, v in s3.upload_part(
        **where, PartNumber=n, Body=data, ChecksumAlgorithm="CRC32").items()
        if k in ("ETag", "ChecksumCRC32")}} for n, data in parts.items()]
    assert [base64.b64decode(p["ChecksumCRC32"]) for p in done] == crc
    whole = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": done})
    want = base64.b64encode(zlib.crc32(b"".join(crc)).to_bytes(4, "big")).decode() + "-2"
    if kind == "FULL_OBJECT":
        want = base64.b64encode(zlib.crc32(b"".join(parts.values())).to_bytes(4, "big")).decode()
    assert (whole["ChecksumCRC32"], whole["ChecksumType"]) == (want, kind)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (want, kind)
