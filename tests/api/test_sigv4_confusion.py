"""Requests made to confuse: what was signed is written in one way and what is sent in another.
Whatever is answered, it is not what the signer did not ask for. The canonical form is made here
by hand from the rules, and sent over a socket as it stands."""

import datetime
import hashlib
import hmac
import http.client
import json
import pathlib
import re

import boto3
import botocore.config
import pytest

import conftest

TARGET = "AmazonEC2ContainerServiceV20141113.ListClusters"
JSON = "application/x-amz-json-1.1"


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def locked():
    s = conftest.Server(dev=False)
    s.keys = json.loads(next(pathlib.Path(s.dir).glob("data/**/root-keys.json")).read_text())
    yield s
    s.close()


@pytest.fixture(scope="module")
def bucket(locked):
    config = botocore.config.Config(s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url=locked.url, region_name="us-east-1", config=config,
                      aws_access_key_id=locked.keys["accessKeyId"],
                      aws_secret_access_key=locked.keys["secretAccessKey"])
    s3.create_bucket(Bucket="confused")
    for key in ("a", "/a", "d/a", "x/../a", "./a", "a b", "a+b"):
        s3.put_object(Bucket="confused", Key=key, Body=f"<{key}>".encode())
    return "confused"


class Signer:
    """Signs `canonical` of path and query, whatever is sent."""

    def __init__(self, server, service, at=None):
        self.server, self.service = server, service
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
            seconds=at or 0)
        self.date = now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.date[:8]}/us-east-1/{service}/aws4_request"

    @property
    def host(self):
        return self.server.url[7:]

    def signature(self, canonical):
        key = ("AWS4" + self.server.keys["secretAccessKey"]).encode()
        for part in self.scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        text = f"AWS4-HMAC-SHA256\n{self.date}\n{self.scope}\n{digest(canonical.encode())}"
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def authorization(self, canonical, names):
        return (f"AWS4-HMAC-SHA256 Credential={self.server.keys['accessKeyId']}/{self.scope}, "
                f"SignedHeaders={names}, Signature={self.signature(canonical)}")

    def canonical(self, method, path, query, headers, names, payload):
        rows = "".join(f"{n}:{headers[n]}\n" for n in names.split(";"))
        return f"{method}\n{path}\n{query}\n{rows}\n{names}\n{payload}"

    def send(self, method, target, headers, body=b""):
        """Headers are (name, value) and sent as they are; status, code, text."""
        c = http.client.HTTPConnection(self.host, timeout=10)
        c.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            c.putheader(name, value)
        c.putheader("Content-Length", str(len(body)))
        c.endheaders(body)
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        found = re.search(r'<Code>(\w+)</Code>|"__type": ?"(?:[\w.]+#)?(\w+)"', text)
        return r.status, found and (found[1] or found[2]), text


def ecs(server, sent="/", signed="/", query=("", ""), at=0, drop=(), add=(), body=b"{}",
        signed_body=None, rename=str, more_signed=None, service="ecs"):
    """ListClusters. `add`: (name, value) sent besides; more_signed: name → value as signed."""
    s = Signer(server, service, at)
    headers = {"content-type": JSON, "host": s.host, "x-amz-date": s.date,
               "x-amz-target": TARGET}
    covered = {**{k: v for k, v in headers.items() if k not in drop}, **(more_signed or {})}
    names = ";".join(sorted(covered))
    canonical = s.canonical("POST", signed, query[1], covered, names,
                            digest(body if signed_body is None else signed_body))
    sent_headers = [*headers.items(), *add,
                    ("Authorization", s.authorization(canonical, rename(names)))]
    target = sent + ("?" + query[0] if query[0] else "")
    return s.send("POST", target, sent_headers, body)


GOOD = (200, None)
BAD = (400, "InvalidSignatureException")
INCOMPLETE = (400, "IncompleteSignatureException")


@pytest.mark.parametrize("more, expected", [
    ({}, GOOD),
    # the path is normalised, then encoded for a second time
    ({"sent": "//", "signed": "/"}, GOOD),
    ({"sent": "/./", "signed": "/"}, GOOD),
    ({"sent": "/a/../", "signed": "/"}, GOOD),
    ({"sent": "/%2e/", "signed": "/"}, BAD),
    ({"sent": "/", "signed": "//"}, BAD),
    ({"sent": "/", "signed": "/%2F"}, BAD),
    # the query: sorted, encoded strictly, '+' is a plus
    ({"query": ("b=2&a=1", "a=1&b=2")}, GOOD),
    ({"query": ("a=2&a=1", "a=1&a=2")}, GOOD),
    ({"query": ("a=1&a=2", "a=2&a=1")}, BAD),
    ({"query": ("a", "a=")}, GOOD),
    ({"query": ("a=b+c", "a=b%2Bc")}, GOOD),
    ({"query": ("a=b+c", "a=b%20c")}, BAD),
    ({"query": ("a=%2f", "a=%2F")}, GOOD),
    ({"query": ("a=/", "a=%2F")}, GOOD),
    ({"query": ("a=1", "")}, BAD),
    ({"query": ("", "a=1")}, BAD),
    ({"query": ("X-Amz-%53ignature=1", "")}, BAD),
    # headers
    ({"drop": ["host"]}, INCOMPLETE),
    ({"drop": ["x-amz-target"]}, INCOMPLETE),
    ({"drop": ["content-type"]}, GOOD),
    ({"add": [("x-test", "  a   b\t c ")], "more_signed": {"x-test": "a b c"}}, GOOD),
    ({"add": [("x-test", "a"), ("X-Test", "b")], "more_signed": {"x-test": "a,b"}}, GOOD),
    ({"add": [("x-test", "a"), ("X-Test", "b")], "more_signed": {"x-test": "b,a"}}, BAD),
    ({"add": [("x-test", "a"), ("X-Test", "b")], "more_signed": {"x-test": "a"}}, BAD),
    ({"more_signed": {"x-test": ""}}, GOOD),
    ({"more_signed": {"x-test": "a"}}, BAD),
    ({"add": [("x-amz-target", TARGET.replace("List", "Create") + "x")]}, BAD),
    ({"rename": str.upper}, INCOMPLETE),
    ({"rename": lambda n: n + ";"}, BAD),
    ({"rename": lambda n: n.replace("host", "host;host")}, BAD),
    ({"rename": lambda n: ";".join(reversed(n.split(";")))}, BAD),
    # body and clock and scope
    ({"body": b'{"maxResults": 1}', "signed_body": b"{}"}, BAD),
    ({"body": b"{}", "signed_body": b""}, BAD),
    ({"at": 290}, GOOD),
    ({"at": -290}, GOOD),
    ({"at": 310}, BAD),
    ({"at": -310}, BAD),
    ({"at": 86400}, BAD),
    ({"service": "iam"}, BAD),
    # what is signed for S3 is read as S3 would
    ({"service": "s3"}, (400, "AuthorizationHeaderMalformed")),
])
def test_json(locked, more, expected):
    status, code, text = ecs(locked, **more)
    assert (status, code) == expected, text
    if expected is GOOD:
        assert "clusterArns" in text


def test_words_about_the_clock(locked):
    assert "Signature expired: " in ecs(locked, at=-310)[2]
    assert "Signature not yet current: " in ecs(locked, at=310)[2]
    assert "Credential should be scoped to correct service: 'ecs'" in ecs(
        locked, service="iam")[2]


def sts_url(server, expires="60", at=0, extra="", action="GetCallerIdentity", drop=None):
    s = Signer(server, "sts", at)
    credential = f"{server.keys['accessKeyId']}/{s.scope}".replace("/", "%2F")
    query = {"Action": action, "Version": "2011-06-15",
             "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": credential,
             "X-Amz-Date": s.date, "X-Amz-Expires": expires, "X-Amz-SignedHeaders": "host"}
    if drop:
        del query[drop]
    text = "&".join(f"{k}={query[k]}" for k in sorted(query))
    canonical = s.canonical("GET", "/", text, {"host": s.host}, "host", digest(b""))
    return s.send("GET", f"/?{text}&X-Amz-Signature={s.signature(canonical)}{extra}",
                  [("Host", s.host)])


NO_MATCH = (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("more, expected", [
    ({}, GOOD),
    ({"expires": "604800"}, GOOD),
    ({"expires": "604801"}, (400, "IncompleteSignature")),
    ({"expires": "0"}, (400, "IncompleteSignature")),
    ({"expires": "-5"}, (400, "IncompleteSignature")),
    ({"expires": "1e3"}, (400, "IncompleteSignature")),
    ({"drop": "X-Amz-Expires"}, (400, "IncompleteSignature")),
    ({"drop": "X-Amz-Date"}, (400, "IncompleteSignature")),
    ({"at": -61}, NO_MATCH),
    ({"at": 320}, NO_MATCH),
    ({"extra": "&Action=GetSessionToken"}, NO_MATCH),
    ({"extra": "&X-Amz-Expires=604800"}, NO_MATCH),
    ({"extra": "&X-Amz-Date=20200101T000000Z"}, NO_MATCH),
    ({"extra": "&x"}, NO_MATCH),
    ({"extra": "&X-Amz-%53ignature=" + "0" * 64}, NO_MATCH),
])
def test_a_presigned_query(locked, more, expected):
    status, code, text = sts_url(locked, **more)
    assert (status, code) == expected, text
    if expected is GOOD:
        assert "GetCallerIdentityResult" in text


def s3(server, sent, signed, query=("", ""), at=0, add=(), more_signed=None):
    s = Signer(server, "s3", at)
    headers = {"host": s.host, "x-amz-content-sha256": digest(b""), "x-amz-date": s.date}
    covered = {**headers, **(more_signed or {})}
    names = ";".join(sorted(covered))
    canonical = s.canonical("GET", signed, query[1], covered, names, digest(b""))
    target = sent + ("?" + query[0] if query[0] else "")
    return s.send("GET", target, [*headers.items(), *add,
                                  ("Authorization", s.authorization(canonical, names))])


@pytest.mark.parametrize("sent, signed, got", [
    ("/confused/a", "/confused/a", "<a>"),
    ("/confused//a", "/confused//a", "</a>"),
    ("/confused//a", "/confused/a", None),  # not normalised: another key, another signature
    ("/confused/./a", "/confused/./a", "<./a>"),
    ("/confused/./a", "/confused/a", None),
    ("/confused/x/../a", "/confused/x/../a", "<x/../a>"),
    ("/confused/x/../a", "/confused/a", None),
    ("/confused/d%2Fa", "/confused/d/a", "<d/a>"),  # encoded once, a slash is a slash
    ("/confused/d%2fa", "/confused/d/a", "<d/a>"),
    ("/confused/%61", "/confused/a", "<a>"),
    ("/confused/a%20b", "/confused/a%20b", "<a b>"),
    ("/confused/a+b", "/confused/a%2Bb", "<a+b>"),
    ("/confused/a+b", "/confused/a%20b", None),
    ("/confused/a%2520b", "/confused/a%20b", None),
])
def test_keys_of_objects(locked, bucket, sent, signed, got):
    status, code, text = s3(locked, sent, signed)
    if got:
        assert (status, text) == (200, got)
    else:
        assert (status, code) == (403, "SignatureDoesNotMatch"), text


@pytest.mark.parametrize("more, expected", [
    ({"add": [("x-amz-acl", "public-read")]}, (403, "AccessDenied")),
    ({"add": [("x-amz-meta-a", "b")]}, (403, "AccessDenied")),
    ({"add": [("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]}, NO_MATCH),
    ({"query": ("X-Amz-Signature=" + "0" * 64, "")}, (400, "InvalidArgument")),
    ({"query": ("versionId=null", "")}, NO_MATCH),
    ({"at": 880}, GOOD),
    ({"at": -880}, GOOD),
    ({"at": 920}, (403, "RequestTimeTooSkewed")),
    ({"at": -920}, (403, "RequestTimeTooSkewed")),
])
def test_what_s3_refuses(locked, bucket, more, expected):
    status, code, text = s3(locked, "/confused/a", "/confused/a", **more)
    assert (status, code) == expected, text


def test_a_presigned_object(locked, bucket):
    def get(extra="", headers=(), expires="60"):
        s = Signer(locked, "s3")
        credential = f"{locked.keys['accessKeyId']}/{s.scope}".replace("/", "%2F")
        text = (f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}"
                f"&X-Amz-Date={s.date}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host")
        canonical = s.canonical("GET", "/confused/a", text, {"host": s.host}, "host",
                                "UNSIGNED-PAYLOAD")
        target = f"/confused/a?{text}&X-Amz-Signature={s.signature(canonical)}{extra}"
        return s.send("GET", target, [("Host", s.host), *headers])[:2]

    assert get() == GOOD
    assert get(extra="&response-content-type=text/html") == NO_MATCH
    assert get(headers=[("x-amz-acl", "private")]) == (403, "AccessDenied")
    assert get(expires="604801") == (400, "AuthorizationQueryParametersError")
    assert get(headers=[("Authorization", "AWS4-HMAC-SHA256 x")])[0] == 400
