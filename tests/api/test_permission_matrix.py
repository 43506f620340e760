"""Every operation that is offered, tried by everybody: nobody, with a wrong secret, with a
session that is over, by another account, without a policy, with one, and against a deny."""
import base64
import json
import os
import pathlib
import time

import boto3
import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore import UNSIGNED
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from conftest import TOP, Server

ACCOUNT = "000000000000"
ALLOW_ALL = {"Version": "2012-10-17",
             "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
# Allowed to every caller who is known: there is nothing to deny.
OPEN = {("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")}
# AWS does not say why, or not in this form.
REASONLESS = {("sts", "AssumeRole"), ("s3", "DeleteObjects")}
# Signed by nobody: what they carry says who calls.
UNSIGNED_OPERATIONS = {("sts", "AssumeRoleWithWebIdentity")}


def offered():
    """(service, operation) of every row that a handler stands behind."""
    for path in sorted((TOP / "api").glob("*/operations.json")):
        for name, row in json.loads(path.read_text()).items():
            if row["kind"] != "absent":
                yield path.parent.name, name


def client_name(service):
    return {"elbv2": "elbv2"}.get(service, service)


# ---- a request that the model accepts ----

TEXTS = {  # by member name; the rest is made of the shape's own bounds
    "policydocument": json.dumps(ALLOW_ALL),
    "assumerolepolicydocument": json.dumps(
        {"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "ecs.amazonaws.com"}}}),
    "certificatearn": "arn:aws:acm:us-east-1:000000000000:certificate/none",
    "cidrblock": "10.9.0.0/16",
    "copysource": "matrix-bucket/none",
    "versionid": "v1",
    "awsservicename": "ecs.amazonaws.com",
    "bucket": "matrix-bucket",
}


def text_of(name, shape):
    if shape.enum:
        return shape.enum[0]
    lower = name.lower()
    for key, text in TEXTS.items():
        if lower == key:
            return text
    if lower.endswith(("arn", "arns")):
        return "arn:aws:iam::000000000000:role/nobody"
    least = shape.metadata.get("min", 1) or 1
    return ("1" if "[0-9]" in shape.metadata.get("pattern", "") or
            "\\d" in shape.metadata.get("pattern", "")[:6] else "a") * max(int(least), 1)


def value_of(name, shape, depth=0):
    kind = shape.type_name
    if kind == "string":
        return text_of(name, shape)
    if kind == "structure":
        # An empty structure would vanish from a query.
        wanted = shape.required_members or [
            m for m, s in shape.members.items() if s.type_name == "string"][:1]
        return {m: value_of(m, shape.members[m], depth + 1) for m in wanted}
    if kind == "list":
        n = max(int(shape.metadata.get("min", 1) or 1), 1)
        return [value_of(name, shape.member, depth + 1)] * n
    if kind == "map":
        return {}
    if kind in ("integer", "long", "float", "double"):
        return max(int(shape.metadata.get("min", 1) or 1), 1)
    if kind == "boolean":
        return True
    if kind == "blob":
        return b"x" * max(int(shape.metadata.get("min", 1) or 1), 1)
    return "2026-01-01T00:00:00Z"


def request_of(client, operation):
    shape = client.meta.service_model.operation_model(operation).input_shape
    return {} if shape is None else {m: value_of(m, shape.members[m])
                                     for m in shape.required_members}


# ---- callers ----

class Callers:
    """A strict server, and clients for each kind of caller, kept by service."""

    def __init__(self):
        self.server = Server(dev=False)
        keys = json.loads((pathlib.Path(self.server.dir) /
                           "data/server/root-keys.json").read_text())
        self.root = (keys["accessKeyId"], keys["secretAccessKey"], None)
        iam = self.client("iam", self.root)
        self.known = {"root": self.root}
        for name, policies in (("bare", []), ("free", [ALLOW_ALL]),
                               ("denied", [ALLOW_ALL, {
                                   "Version": "2012-10-17", "Statement": {
                                       "Effect": "Deny", "Action": "*", "Resource": "*"}}])):
            iam.create_user(UserName=name)
            for i, document in enumerate(policies):
                iam.put_user_policy(UserName=name, PolicyName=f"p{i}",
                                    PolicyDocument=json.dumps(document))
            key = iam.create_access_key(UserName=name)["AccessKey"]
            self.known[name] = (key["AccessKeyId"], key["SecretAccessKey"], None)
        iam.create_role(RoleName="nobody", AssumeRolePolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": {
                "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}}))
        self.known["wrong"] = (self.known["free"][0], "x" * 40, None)
        self.known["unknown"] = ("AKIAIOSFODNN7EXAMPLE", "x" * 40, None)
        self.known["expired"] = self.expired()
        self.clients = {}

    def prepare(self, service):
        """What must be there, so that who may is not told apart by what is missing."""
        if service == "s3":
            self.client("s3", self.root).create_bucket(Bucket=TEXTS["bucket"])

    def expired(self):
        """A session of user `free` as STS makes it, but for its end (seal.h, iam_session.h)."""
        sts = self.client("sts", self.known["free"])
        c = sts.get_session_token()["Credentials"]
        seal = next(pathlib.Path(self.server.dir).rglob("seal.key")).read_bytes()[-32:]
        key_id, body = c["SessionToken"].split(".", 1)
        bound = f"sealed:1:{key_id}:/iam/session/{c['AccessKeyId']}".encode()
        raw = base64.b64decode(body)
        record = json.loads(AESGCM(seal).decrypt(raw[:12], raw[12:], bound))
        assert record["expiresAt"] > time.time()
        record["expiresAt"] = time.time() - 5
        nonce = os.urandom(12)
        sealed = AESGCM(seal).encrypt(nonce, json.dumps(record).encode(), bound)
        return (c["AccessKeyId"], c["SecretAccessKey"],
                key_id + "." + base64.b64encode(nonce + sealed).decode())

    def client(self, service, keys):
        more = {}
        if keys:
            more = dict(zip(("aws_access_key_id", "aws_secret_access_key",
                             "aws_session_token"), keys))
        config = Config(retries={"total_max_attempts": 1}, parameter_validation=False,
                        read_timeout=20, signature_version=None if keys else UNSIGNED,
                        s3={"addressing_style": "path"})
        return boto3.client(client_name(service), endpoint_url=self.server.url,
                            region_name="us-east-1", config=config, **more)

    def refusal(self, who, service, operation):
        """The error's code and message; (None, "") when there was none."""
        if (who, service) not in self.clients:
            self.clients[who, service] = self.client(service, self.known.get(who))
        client = self.clients[who, service]
        method = botocore.xform_name(operation)
        try:
            reply = getattr(client, method)(**request_of(client, operation))
        except ClientError as e:
            error = e.response["Error"]
            return error.get("Code", ""), error.get("Message", "") or ""
        # DeleteObjects says it of each key.
        for error in reply.get("Errors", []) if service == "s3" else []:
            return error["Code"], error.get("Message", "")
        return None, ""


@pytest.fixture(scope="module")
def callers():
    c = Callers()
    yield c
    c.server.close()


def is_denied(code):
    return code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")


NO_AUTH = ("MissingAuthenticationToken", "MissingAuthenticationTokenException", "AuthFailure",
           "AccessDenied", "403",
           # What nobody signed and no service claims is answered in JSON, which boto3 does not
           # expect of S3.
           "400", "")
BAD_SIGNATURE = ("SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "403")
UNKNOWN_KEY = ("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure",
               "InvalidAccessKeyId", "403")
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "400", "403")


@pytest.mark.parametrize("service, operation", list(offered()))
def test_nobody_gets_through_who_should_not(callers, service, operation):
    callers.prepare(service)
    if (service, operation) in UNSIGNED_OPERATIONS:
        assert not is_denied(callers.refusal("bare", service, operation)[0])
        return
    assert callers.refusal(None, service, operation)[0] in NO_AUTH
    assert callers.refusal("wrong", service, operation)[0] in BAD_SIGNATURE
    assert callers.refusal("unknown", service, operation)[0] in UNKNOWN_KEY
    assert callers.refusal("expired", service, operation)[0] in EXPIRED
    if (service, operation) in OPEN:
        assert callers.refusal("denied", service, operation) == (None, "")
        return
    code, text = callers.refusal("bare", service, operation)
    assert is_denied(code), (code, text)
    assert code == "403" or (service, operation) in REASONLESS or \
        "user/bare is not authorized to perform: " in text
    code, text = callers.refusal("denied", service, operation)
    assert is_denied(code), (code, text)
    assert code == "403" or (service, operation) in REASONLESS or \
        "with an explicit deny in an identity-based policy" in text
    code, text = callers.refusal("free", service, operation)
    assert not is_denied(code), (code, text)
