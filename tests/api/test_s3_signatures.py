"""Who may what in S3, with signatures that are checked: headers, presigned URLs, chunks with
signatures of their own, trailers; callers without a signature; bodies that are not what was
signed. A server of its own, without --dev."""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import pathlib
import socket
import urllib.error
import urllib.request
import zlib

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

import conftest
from s3_help import body, fault, new_bucket

EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture(scope="module")
def locked():
    s = conftest.Server(dev=False)
    keys = json.loads(next(pathlib.Path(s.dir).glob("data/**/root-keys.json")).read_text())
    s.keys = botocore.credentials.Credentials(keys["accessKeyId"], keys["secretAccessKey"])
    yield s
    s.close()


@pytest.fixture
def s3(locked):
    import botocore.config
    return locked.client("s3", aws_access_key_id=locked.keys.access_key,
                         aws_secret_access_key=locked.keys.secret_key)


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


class Signed:
    """A request that is signed by botocore and sent by hand."""

    def __init__(self, server, method, path, payload, headers=()):
        self.server, self.method, self.path = server, method, path
        request = botocore.awsrequest.AWSRequest(
            method=method, url=server.url + path,
            headers={"x-amz-content-sha256": payload, **dict(headers)})
        signer = botocore.auth.S3SigV4Auth(server.keys, "s3", "us-east-1")
        signer.payload = lambda r: payload
        signer._should_sha256_sign_payload = lambda r: True
        request.context["client_config"] = None
        botocore.auth.SigV4Auth.add_auth(signer, request)
        self.headers = dict(request.headers)
        self.date = self.headers["X-Amz-Date"]
        self.signature = self.headers["Authorization"].rsplit("=", 1)[1]

    def key(self):
        key = ("AWS4" + self.server.keys.secret_key).encode()
        for part in (self.date[:8], "us-east-1", "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key

    def chain(self, kind, text):
        scope = f"{self.date[:8]}/us-east-1/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256-{kind}\n{self.date}\n{scope}\n{self.signature}\n{text}"
        self.signature = hmac.new(self.key(), text.encode(), hashlib.sha256).hexdigest()
        return self.signature

    def chunk(self, data):
        signature = self.chain("PAYLOAD", f"{EMPTY}\n{hashlib.sha256(data).hexdigest()}")
        return b"%x;chunk-signature=%s\r\n%s\r\n" % (len(data), signature.encode(), data)

    def last(self):
        return self.chunk(b"")[:-2]

    def trailer(self, name, value):
        line = f"{name}:{value}\n"
        signature = self.chain("TRAILER", hashlib.sha256(line.encode()).hexdigest())
        return f"{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()

    def send(self, data):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.request(self.method, self.path, body=data, headers=self.headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        code = text.split(b"<Code>")[1].split(b"<")[0].decode() if b"<Code>" in text else None
        return answer.status, code


def chunked(server, path, payload, size, **headers):
    return Signed(server, "PUT", path, payload, {
        "x-amz-decoded-content-length": str(size), "content-encoding": "aws-chunked",
        **{k.replace("_", "-"): v for k, v in headers.items()}})


DATA = [b"a" * 70000, b"b" * 65536, b"c"]
WHOLE = b"".join(DATA)
CRC = base64.b64encode(zlib.crc32(WHOLE).to_bytes(4, "big")).decode()


def test_signed_chunks(locked, s3, bucket):
    r = chunked(locked, f"/{bucket}/k", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", len(WHOLE))
    data = b"".join(r.chunk(d) for d in DATA) + r.chunk(b"")
    assert r.send(data) == (200, None)
    answer = s3.get_object(Bucket=bucket, Key="k")
    assert body(answer) == WHOLE
    assert "ContentEncoding" not in answer


def test_signed_chunks_and_trailer(locked, s3, bucket):
    r = chunked(locked, f"/{bucket}/k", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                len(WHOLE), x_amz_trailer="x-amz-checksum-crc32")
    data = b"".join(r.chunk(d) for d in DATA) + r.last()
    assert r.send(data + r.trailer("x-amz-checksum-crc32", CRC)) == (200, None)
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"] == CRC


def test_unsigned_chunks_and_trailer(locked, s3, bucket):
    def send(crc, size=len(WHOLE)):
        r = chunked(locked, f"/{bucket}/k", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", size,
                    x_amz_trailer="x-amz-checksum-crc32")
        return r.send(b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" %
                      (len(WHOLE), WHOLE, crc.encode()))
    assert send(CRC) == (200, None)
    assert body(s3.get_object(Bucket=bucket, Key="k")) == WHOLE
    assert send("AAAAAA==") == (400, "BadDigest")
    assert send(CRC, len(WHOLE) + 1) == (400, "IncompleteBody")
    assert send(CRC, len(WHOLE) - 1) == (400, "IncompleteBody")


@pytest.mark.parametrize("damage", ["data", "signature", "order", "cut", "longer", "trailer"])
def test_damaged_chunks_leave_nothing(locked, s3, bucket, damage):
    r = chunked(locked, f"/{bucket}/k", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                len(WHOLE), x_amz_trailer="x-amz-checksum-crc32")
    chunks = [r.chunk(d) for d in DATA] + [r.last()]
    end = r.trailer("x-amz-checksum-crc32", CRC)
    if damage == "data":
        chunks[1] = chunks[1].replace(b"bbbb", b"bbxb", 1)
    elif damage == "signature":
        chunks[0] = chunks[0].replace(b"signature=", b"signature=0", 1)[:-3] + b"\r\n"
    elif damage == "order":
        chunks[0], chunks[1] = chunks[1], chunks[0]
    elif damage == "cut":
        end = b""
    elif damage == "longer":
        end += b"more"
    else:
        end = end.replace(b"crc32:", b"crc32:A", 1)
    status, code = r.send(b"".join(chunks) + end)
    assert (status, code) in [(403, "SignatureDoesNotMatch"), (400, "IncompleteBody")]
    assert fault(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)


def test_body_that_was_not_signed(locked, s3, bucket):
    r = Signed(locked, "PUT", f"/{bucket}/k", hashlib.sha256(b"one").hexdigest())
    assert r.send(b"two") == (400, "XAmzContentSHA256Mismatch")
    r = Signed(locked, "PUT", f"/{bucket}?tagging", hashlib.sha256(b"one").hexdigest())
    assert r.send(b"two") == (400, "XAmzContentSHA256Mismatch")
    assert fault(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)


def test_wrong_keys(locked, bucket):
    wrong = locked.client("s3", aws_access_key_id=locked.keys.access_key,
                          aws_secret_access_key="wrong")
    assert fault(wrong.list_buckets) == ("SignatureDoesNotMatch", 403)
    assert fault(wrong.put_object, Bucket=bucket, Key="k", Body=b"x") == \
        ("SignatureDoesNotMatch", 403)
    unknown = locked.client("s3", aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
    assert fault(unknown.list_buckets) == ("InvalidAccessKeyId", 403)
    elsewhere = locked.client("s3", region="eu-west-1", aws_access_key_id=locked.keys.access_key,
                              aws_secret_access_key=locked.keys.secret_key)
    # Told where the bucket is, botocore goes there.
    assert elsewhere.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def ask(server, method, path, data=None):
    try:
        request = urllib.request.Request(server.url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def test_nobody_is_let_in_but_by_the_policy(locked, s3, bucket):
    s3.put_object(Bucket=bucket, Key="open/a", Body=b"x")
    s3.put_object(Bucket=bucket, Key="shut", Body=b"y")
    for method, path in [("GET", "open/a"), ("GET", "?list-type=2"), ("PUT", "open/b"),
                         ("DELETE", "open/a"), ("GET", "")]:
        assert ask(locked, method, f"/{bucket}/{path}")[0] == 403, path
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::{bucket}/open/*"},
        {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject",
         "Resource": f"arn:aws:s3:::{bucket}/drop/*"}]}))
    assert ask(locked, "GET", f"/{bucket}/open/a") == (200, b"x")
    assert ask(locked, "GET", f"/{bucket}/shut")[0] == 403
    # What is missing is told only to whom may list.
    assert ask(locked, "GET", f"/{bucket}/open/none")[0] == 403
    assert ask(locked, "PUT", f"/{bucket}/drop/c", b"z")[0] == 200
    assert ask(locked, "DELETE", f"/{bucket}/drop/c")[0] == 403
    assert ask(locked, "GET", f"/{bucket}/open/a?response-content-type=x")[0] == 400
    assert body(s3.get_object(Bucket=bucket, Key="drop/c")) == b"z"


def test_tags_of_an_object_open_it(locked, s3, bucket):
    """The policy asks for a tag: it is fetched, and the question asked again."""
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::{bucket}/*",
         "Condition": {"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}}]}))
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", Tagging="public=yes")
    s3.put_object(Bucket=bucket, Key="b", Body=b"x", Tagging="public=no")
    assert ask(locked, "GET", f"/{bucket}/a") == (200, b"x")
    assert ask(locked, "GET", f"/{bucket}/b")[0] == 403
    assert ask(locked, "GET", f"/{bucket}/none")[0] == 403


def test_presigned_for_something_else(locked, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    request = botocore.awsrequest.AWSRequest("GET", f"{locked.url}/{bucket}/k")
    botocore.auth.S3SigV4QueryAuth(locked.keys, "s3", "us-east-1", expires=60).add_auth(request)
    path = request.url.removeprefix(locked.url)
    assert ask(locked, "GET", path) == (200, b"x")
    assert ask(locked, "GET", path.replace("/k?", "/l?"))[0] == 403
    assert ask(locked, "DELETE", path)[0] == 403
    assert ask(locked, "GET", path.replace("Expires=60", "Expires=61"))[0] == 403


def test_an_upload_that_is_cut_off(locked, s3, bucket):
    r = Signed(locked, "PUT", f"/{bucket}/k", "UNSIGNED-PAYLOAD")
    with socket.create_connection(("127.0.0.1", locked.port)) as peer:
        head = "".join(f"{k}: {v}\r\n" for k, v in r.headers.items())
        peer.sendall(f"PUT /{bucket}/k HTTP/1.1\r\nHost: 127.0.0.1:{locked.port}\r\n"
                     f"Content-Length: 1000000\r\n{head}\r\n".encode() + b"x" * 500000)
    assert fault(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)
    s3.delete_bucket(Bucket=bucket)


def test_malicious_documents(locked, s3, bucket):
    bombs = [b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Delete>&b;</Delete>',
             b"<Delete>" + b"<a>" * 100000, b"<Delete", b"\xff\xfe", b"<Delete></Delete>",
             b""]
    for data in bombs:
        md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
        r = Signed(locked, "POST", f"/{bucket}?delete", hashlib.sha256(data).hexdigest(),
                   {"content-md5": md5})
        status, code = r.send(data)
        want = "MalformedXML" if data else "MissingRequestBodyError"
        assert (status, code) == (400, want), data[:40]
    assert s3.list_buckets()["Buckets"]


def test_users_may_what_their_policy_says(locked, s3, bucket):
    root = {"aws_access_key_id": locked.keys.access_key,
            "aws_secret_access_key": locked.keys.secret_key}
    iam = locked.client("iam", **root)
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:DeleteObject"],
             "Resource": f"arn:aws:s3:::{bucket}/mine/*"},
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}",
             "Condition": {"StringLike": {"s3:prefix": "mine/*"}}}]}))
    user = locked.client("s3", aws_access_key_id=key["AccessKeyId"],
                         aws_secret_access_key=key["SecretAccessKey"])
    for name in ("mine/a", "other/a", f"arn:aws:s3:::{bucket}/mine/x"):
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    assert body(user.get_object(Bucket=bucket, Key="mine/a")) == b"x"
    denied = ("AccessDenied", 403)
    assert fault(user.get_object, Bucket=bucket, Key="other/a") == denied
    assert fault(user.get_object, Bucket=bucket, Key=f"arn:aws:s3:::{bucket}/mine/x") == denied
    assert fault(user.put_object, Bucket=bucket, Key="mine/a", Body=b"y") == denied
    assert fault(user.list_objects_v2, Bucket=bucket) == denied
    assert user.list_objects_v2(Bucket=bucket, Prefix="mine/")["KeyCount"] == 1
    assert fault(user.copy_object, Bucket=bucket, Key="mine/b",
                 CopySource={"Bucket": bucket, "Key": "other/a"}) == denied
    answer = user.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": "mine/a"}, {"Key": "other/a"}]})
    assert [d["Key"] for d in answer["Deleted"]] == ["mine/a"]
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [("other/a", "AccessDenied")]
    assert fault(user.list_buckets) == denied
    # Who may not list is not told what is missing.
    assert fault(user.get_object, Bucket=bucket, Key="mine/none") == denied
