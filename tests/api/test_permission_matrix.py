"""Every operation that is offered, tried by everybody: nobody, with a wrong secret, with a
session that is over, by another account, without a policy, with one, and against a deny."""
import base64
import json
import os
import pathlib
import signal
import time

import boto3
import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore import UNSIGNED
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from conftest import TOP, Server

ACCOUNT, OTHER = "000000000000", "111111111111"
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


def text_of(name, shape, texts):
    if shape.enum:
        return shape.enum[0]
    lower = name.lower()
    for key, text in texts.items():
        if lower == key:
            return text
    if lower.endswith(("arn", "arns")):
        return "arn:aws:iam::000000000000:role/nobody"
    least = shape.metadata.get("min", 1) or 1
    return ("1" if "[0-9]" in shape.metadata.get("pattern", "") or
            "\\d" in shape.metadata.get("pattern", "")[:6] else "a") * max(int(least), 1)


def value_of(name, shape, texts):
    kind = shape.type_name
    if kind == "string":
        return text_of(name, shape, texts)
    if kind == "structure":
        # An empty structure would vanish from a query.
        wanted = shape.required_members or [
            m for m, s in shape.members.items() if s.type_name == "string"][:1]
        return {m: value_of(m, shape.members[m], texts) for m in wanted}
    if kind == "list":
        n = max(int(shape.metadata.get("min", 1) or 1), 1)
        return [value_of(name, shape.member, texts)] * n
    if kind == "map":
        return {"aaa": value_of(name, shape.value, texts)} if shape.metadata.get("min") else {}
    if kind in ("integer", "long", "float", "double"):
        return max(int(shape.metadata.get("min", 1) or 1), 1)
    if kind == "boolean":
        return True
    if kind == "blob":
        return b"x" * max(int(shape.metadata.get("min", 1) or 1), 1)
    return "2026-01-01T00:00:00Z"


def request_of(client, operation, texts):
    """What must be said, and whatever else `texts` has a word for."""
    shape = client.meta.service_model.operation_model(operation).input_shape
    if shape is None:
        return {}
    more = [m for m in shape.members if texts is not TEXTS and m.lower() in texts]
    return {m: value_of(m, shape.members[m], texts)
            for m in dict.fromkeys([*shape.required_members, *more])}


# ---- callers ----

class Callers:
    """A strict server, and clients for each kind of caller, kept by service."""

    def __init__(self):
        self.server = Server()  # with --dev an account is made by calling as its root
        other = self.user(self.server.client("iam", account=OTHER), "other", [ALLOW_ALL])
        self.server.options.remove("--dev")
        self.server.restart(signal.SIGTERM)
        keys = json.loads((pathlib.Path(self.server.dir) /
                           "data/server/root-keys.json").read_text())
        self.root = (keys["accessKeyId"], keys["secretAccessKey"], None)
        iam = self.client("iam", self.root)
        self.known = {"root": self.root, "other": other}
        for name, policies in (("bare", []), ("free", [ALLOW_ALL]),
                               ("denied", [ALLOW_ALL, {
                                   "Version": "2012-10-17", "Statement": {
                                       "Effect": "Deny", "Action": "*", "Resource": "*"}}])):
            self.known[name] = self.user(iam, name, policies)
        iam.create_role(RoleName="nobody", AssumeRolePolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": {
                "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}}))
        self.known["wrong"] = (self.known["free"][0], "x" * 40, None)
        self.known["unknown"] = ("AKIAIOSFODNN7EXAMPLE", "x" * 40, None)
        self.known["expired"] = self.expired()
        self.clients = {}

    @staticmethod
    def user(iam, name, policies):
        iam.create_user(UserName=name)
        for i, document in enumerate(policies):
            iam.put_user_policy(UserName=name, PolicyName=f"p{i}",
                                PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"], None

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

    def call(self, who, service, operation, texts=TEXTS):
        """What is asked, and the answer."""
        if (who, service) not in self.clients:
            self.clients[who, service] = self.client(service, self.known.get(who))
        client = self.clients[who, service]
        request = request_of(client, operation, texts)
        return request, getattr(client, botocore.xform_name(operation))(**request)

    def refusal(self, who, service, operation):
        """The error's code and message; (None, "") when there was none."""
        try:
            _, reply = self.call(who, service, operation)
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


# ---- another account ----

TRUST_ECS = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"Service": "ecs-tasks.amazonaws.com"}}})


def own_things(callers):
    """Makes one of most things as root; member names in lower case, and what names the thing."""
    root = lambda service: callers.client(service, callers.root)  # noqa: E731
    ecs, ec2, iam, elb = root("ecs"), root("ec2"), root("iam"), root("elbv2")
    cluster = ecs.create_cluster(clusterName="theirs")["cluster"]["clusterArn"]
    definition = ecs.register_task_definition(family="theirs", containerDefinitions=[
        {"name": "c", "image": "x", "memory": 64}])["taskDefinition"]["taskDefinitionArn"]
    service = ecs.create_service(cluster=cluster, serviceName="theirs", desiredCount=1,
                                 taskDefinition=definition)["service"]["serviceArn"]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [x["SubnetId"] for x in ec2.describe_subnets()["Subnets"]]
    group = ec2.create_security_group(GroupName="theirs", Description="d", VpcId=vpc)["GroupId"]
    policy = iam.create_policy(PolicyName="theirs", PolicyDocument=json.dumps(ALLOW_ALL)
                               )["Policy"]["Arn"]
    iam.create_user(UserName="theirs")
    iam.create_group(GroupName="theirs")
    iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=TRUST_ECS)
    iam.create_instance_profile(InstanceProfileName="theirs")
    balancer = elb.create_load_balancer(Name="theirs", Subnets=subnets[:2])[
        "LoadBalancers"][0]["LoadBalancerArn"]
    targets = elb.create_target_group(Name="theirs", Protocol="HTTP", Port=80, VpcId=vpc,
                                      TargetType="ip")["TargetGroups"][0]["TargetGroupArn"]
    listener = elb.create_listener(
        LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[
            {"Type": "forward", "TargetGroupArn": targets}])["Listeners"][0]["ListenerArn"]
    secret = root("secretsmanager").create_secret(Name="theirs", SecretString="hush")["ARN"]
    root("ssm").put_parameter(Name="theirs", Value="hush", Type="SecureString")
    root("ecr").create_repository(repositoryName="theirs")
    key = ec2.create_key_pair(KeyName="theirs")["KeyPairId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    names = {"cluster": cluster, "clusters": cluster, "taskdefinition": definition,
             "service": service, "services": service, "vpcid": vpc, "vpcids": vpc,
             "subnetid": subnets[0], "subnetids": subnets[0], "subnets": subnets[0],
             "groupid": group, "groupids": group, "securitygroups": group,
             "policyarn": policy, "loadbalancerarn": balancer, "loadbalancerarns": balancer,
             "targetgrouparn": targets, "targetgrouparns": targets, "listenerarn": listener,
             "listenerarns": listener, "secretid": secret, "secretidlist": secret,
             "keypairids": key, "keypairid": key, "allocationid": address,
             "allocationids": address, "resourcearn": cluster, "resourcearns": balancer,
             "rolearn": f"arn:aws:iam::{ACCOUNT}:role/theirs",
             "policysourcearn": f"arn:aws:iam::{ACCOUNT}:user/theirs",
             "bucket": TEXTS["bucket"], "registryid": ACCOUNT}
    for member in ("username", "groupname", "rolename", "instanceprofilename", "name", "names",
                   "repositoryname", "repositorynames", "keyname", "keynames", "groupnames"):
        names[member] = "theirs"
    return {**TEXTS, **names}


def all_that_root_sees(callers):
    """Of every listing and description that needs no name: what the account has."""
    seen = {}
    for service, operation in offered():
        client = callers.clients.setdefault(("root", service),
                                            callers.client(service, callers.root))
        if operation.startswith(("List", "Describe")) and not request_of(
                client, operation, TEXTS):
            try:
                reply = getattr(client, botocore.xform_name(operation))()
            except ClientError:  # one that wants to know of what, after all
                continue
            reply.pop("ResponseMetadata")
            seen[service, operation] = json.dumps(reply, default=str, sort_keys=True)
    return seen


def test_an_account_neither_sees_nor_changes_another(callers):
    callers.prepare("s3")
    texts = own_things(callers)
    before = all_that_root_sees(callers)
    assert len(before) > 30
    leaks, answered = {}, 0
    for service, operation in offered():
        try:
            request, reply = callers.call("other", service, operation, texts)
        except ClientError as e:
            assert e.response["ResponseMetadata"]["HTTPStatusCode"] < 500, (operation, e)
            continue
        answered += 1
        reply.pop("ResponseMetadata")
        text = json.dumps(reply, default=str)
        for said in [v for v in request.values() if isinstance(v, str)] + [
                v for vs in request.values() if isinstance(vs, list) for v in vs
                if isinstance(v, str)]:
            text = text.replace(said, "")  # what the caller said itself is no news
        if ACCOUNT in text or "hush" in text:
            leaks[service, operation] = text[:300]
    assert not leaks
    assert answered > 60
    after = all_that_root_sees(callers)
    changed = {k for k in before if before[k] != after[k]}
    assert not changed, {k: (before[k][:2000], after[k][:2000]) for k in changed}
