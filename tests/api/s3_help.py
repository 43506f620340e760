"""What the tests of S3 share: a bucket of the test's own, errors, clients in both styles."""

import http.client
import itertools
import json
import pathlib
import socket

import boto3
import botocore.config
import botocore.exceptions
import pytest

import conftest

# Names below localhost are this machine (RFC 6761 §6.3), whatever its resolver knows of them.
_ask = socket.getaddrinfo


def _resolve(host, *rest, **more):
    below = isinstance(host, str) and host.endswith(".localhost")
    return _ask("127.0.0.1" if below else host, *rest, **more)


socket.getaddrinfo = _resolve

_names = (f"test-bucket-{n}" for n in itertools.count())


class Upstream:
    """Another service of S3, and how a server is told of it."""

    def __init__(self):
        self.server = conftest.Server(dev=False)
        self.keys = next(pathlib.Path(self.server.dir).glob("data/**/root-keys.json"))
        keys = json.loads(self.keys.read_text())
        self.s3 = boto3.client("s3", endpoint_url=self.server.url, region_name="us-east-1",
                               aws_access_key_id=keys["accessKeyId"],
                               aws_secret_access_key=keys["secretAccessKey"])
        self.s3.create_bucket(Bucket="store")

    @property
    def options(self):
        return ("--s3-upstream", f"{self.server.url}/store/objects",
                "--s3-upstream-keys", str(self.keys))

    def objects(self):
        return {o["Key"]: o["Size"] for page in self.s3.get_paginator("list_objects_v2")
                .paginate(Bucket="store") for o in page.get("Contents", [])}


@pytest.fixture(scope="module", params=["files", "upstream"])
def server(request):
    """One with each driver: what a test says holds for both."""
    upstream = Upstream() if request.param == "upstream" else None
    s = conftest.Server(*(upstream.options if upstream else ()))
    yield s
    s.close()
    if upstream:
        upstream.server.close()


def new_bucket(s3):
    name = next(_names)
    s3.create_bucket(Bucket=name)
    return name


def client(server, style="path", account="000000000000", **more):
    config = botocore.config.Config(
        retries={"total_max_attempts": 1}, read_timeout=60, signature_version="s3v4",
        s3={"addressing_style": style}, **more)
    url = server.url if style == "path" else f"http://s3.localhost:{server.port}"
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=config,
                        aws_access_key_id=account, aws_secret_access_key="any")


def fault(call, **arguments):
    """(code, status) of what must fail."""
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    r = e.value.response
    return r["Error"]["Code"], r["ResponseMetadata"]["HTTPStatusCode"]


def body(answer):
    return answer["Body"].read()


def send(server, method, path, data=b"", headers=()):
    """(status, headers, body) of a request by hand; a server with --dev takes the signature."""
    signature = ("AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/s3/aws4_request, "
                 "SignedHeaders={}, Signature=" + "0" * 64)
    sent = {"x-amz-date": "20260101T000000Z", "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
            **dict(headers)}
    signed = ";".join(sorted({"host", *(h.lower() for h in sent)}))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, body=data,
                       headers={**sent, "Authorization": signature.format(signed)})
    answer = connection.getresponse()
    out = answer.status, answer.headers, answer.read()
    connection.close()
    return out
