"""AssumeRoleWithWebIdentity: roles for who has a token of an identity provider that the
account believes. The provider is a small server of the test's own, with its own keys."""
import base64
import datetime
import http.server
import ipaddress
import json
import ssl
import threading
import time

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iam import own_account

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
CLIENT = "client.example"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(n, size=None):
    return b64(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))


def rsa_jwk(key, kid, **more):
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": kid, "use": "sig", "n": number(numbers.n),
            "e": number(numbers.e), **more}


def ec_jwk(key, kid, curve, size):
    numbers = key.public_key().public_numbers()
    return {"kty": "EC", "kid": kid, "crv": curve, "x": number(numbers.x, size),
            "y": number(numbers.y, size)}


HASH = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}


def sign(key, algorithm, data):
    digest = HASH[algorithm[2:]]()
    if algorithm.startswith("RS"):
        return key.sign(data, padding.PKCS1v15(), digest)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
    size = {"256": 32, "384": 48}[algorithm[2:]]
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def token(claims, key=RSA, algorithm="RS256", kid="r", **header):
    head = {"alg": algorithm, "typ": "JWT", "kid": kid, **header}
    if kid is None:
        del head["kid"]
    data = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims).encode())}".encode()
    return f"{data.decode()}.{b64(sign(key, algorithm, data))}"


class Issuer:
    """Publishes its keys and counts who asked."""

    def __init__(self, tls=None):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                answer = outer.answers.get(self.path)
                status, body = answer if answer else (404, b"")
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", body.decode())
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.asked = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.name = self.url.split("//")[1]
        self.answers = {}
        self.publish([rsa_jwk(RSA, "r"), ec_jwk(P256, "p256", "P-256", 32),
                      ec_jwk(P384, "p384", "P-384", 48)])
        self.configure()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def publish(self, keys):
        self.answers["/keys"] = (200, json.dumps({"keys": keys}).encode())

    def configure(self, **more):
        self.answers["/.well-known/openid-configuration"] = (200, json.dumps(
            {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **more}).encode())

    def claims(self, **more):
        now = int(time.time())
        claims = {"iss": self.url, "sub": "repo:o/r", "aud": CLIENT, "iat": now - 10,
                  "exp": now + 600, **more}
        return {k: v for k, v in claims.items() if v is not None}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer():
    i = Issuer()
    yield i
    i.close()


class World:
    """An account that believes the issuer, with a role for its subjects."""

    def __init__(self, server, issuer, clients=(CLIENT,), condition=None, register=True,
                 thumbprints=()):
        self.server, self.issuer = server, issuer
        self.iam, self.account = own_account(server)
        self.provider = f"arn:aws:iam::{self.account}:oidc-provider/{issuer.name}"
        if register:
            made = self.iam.create_open_id_connect_provider(
                Url=issuer.url, ClientIDList=list(clients), ThumbprintList=list(thumbprints))
            assert made["OpenIDConnectProviderArn"] == self.provider
        self.role = self.iam.create_role(RoleName="web", Path="/p/", AssumeRolePolicyDocument=(
            self.trust(condition)))["Role"]["Arn"]

    def trust(self, condition=None):
        statement = {"Effect": "Allow", "Principal": {"Federated": self.provider},
                     "Action": "sts:AssumeRoleWithWebIdentity"}
        if condition:
            statement["Condition"] = condition
        return json.dumps({"Version": "2012-10-17", "Statement": statement})

    def sts(self):
        return boto3.client("sts", endpoint_url=self.server.url, region_name="us-east-1",
                            config=Config(signature_version=UNSIGNED, read_timeout=20,
                                          retries={"total_max_attempts": 1},
                                          parameter_validation=False))

    def assume(self, text=None, **more):
        return self.sts().assume_role_with_web_identity(
            RoleArn=self.role, RoleSessionName="job-7",
            WebIdentityToken=text or token(self.issuer.claims()), **more)

    def refused(self, code, text=None, **more):
        with pytest.raises(ClientError) as e:
            self.assume(text, **more)
        assert e.value.response["Error"]["Code"] == code, e.value
        return e.value.response["Error"]["Message"]


@pytest.fixture
def world(server, issuer):
    return World(server, issuer)


def test_a_token_becomes_a_session(server, issuer, world):
    reply = world.assume()
    assert reply["SubjectFromWebIdentityToken"] == "repo:o/r"
    assert (reply["Audience"], reply["Provider"]) == (CLIENT, issuer.url)
    arn = f"arn:aws:sts::{world.account}:assumed-role/web/job-7"
    assert reply["AssumedRoleUser"]["Arn"] == arn
    c = reply["Credentials"]
    sts = server.client("sts", aws_access_key_id=c["AccessKeyId"],
                        aws_secret_access_key=c["SecretAccessKey"],
                        aws_session_token=c["SessionToken"])
    assert sts.get_caller_identity()["Arn"] == arn
    # Keys are asked for once, and kept.
    world.assume()
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize("key, algorithm, kid", [
    (RSA, "RS256", "r"), (RSA, "RS384", "r"), (RSA, "RS512", "r"), (RSA, "RS256", None),
    (P256, "ES256", "p256"), (P384, "ES384", "p384"), (P384, "ES384", None)])
def test_algorithms(issuer, world, key, algorithm, kid):
    world.assume(token(issuer.claims(), key, algorithm, kid))


def test_signatures_that_count_for_nothing(issuer, world):
    good = token(issuer.claims())
    head, body, signature = good.split(".")
    assert "signature" in world.refused("InvalidIdentityToken", token(issuer.claims(), OTHER))
    other = b64(json.dumps(issuer.claims(sub="root")).encode())
    world.refused("InvalidIdentityToken", f"{head}.{other}.{signature}")
    world.refused("InvalidIdentityToken", f"{head}.{body}.")
    none = b64(json.dumps({"alg": "none", "kid": "r"}).encode())
    assert "not a valid JWT" in world.refused("InvalidIdentityToken", f"{none}.{body}.")
    # The public key as a secret: an old trick.
    import hmac
    shared = b64(json.dumps({"alg": "HS256", "kid": "r"}).encode())
    mac = hmac.new(json.loads(issuer.answers["/keys"][1])["keys"][0]["n"].encode(),
                   f"{shared}.{body}".encode(), "sha256").digest()
    world.refused("InvalidIdentityToken", f"{shared}.{body}.{b64(mac)}")
    # A key of another kind than the algorithm's, a signature for another algorithm.
    world.refused("InvalidIdentityToken", token(issuer.claims(), RSA, "RS256", "p256"))
    assert "Couldn't retrieve verification key" in world.refused(
        "InvalidIdentityToken", token(issuer.claims(), RSA, "RS256", "nobody's"))
    world.refused("InvalidIdentityToken", token(issuer.claims(), crit=["b64"]))
    for text in ("a.b.c", "abcd", good + ".x", good[:-1] + "=", "." * 40):
        world.refused("InvalidIdentityToken", text)
    world.assume(good)
    # A key that is not known has the provider asked again, but not at each call.
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_times(issuer, world):
    now = int(time.time())
    assert world.refused("ExpiredTokenException", token(issuer.claims(exp=now - 1))).startswith(
        "Token expired: current date/time ")
    world.refused("InvalidIdentityToken", token(issuer.claims(nbf=now + 900)))
    world.refused("InvalidIdentityToken", token(issuer.claims(iat=now + 900)))
    world.assume(token(issuer.claims(nbf=now + 30)))  # clocks differ a little
    world.assume(token(issuer.claims(nbf=0, exp=now + 60.5)))  # as some providers write them
    world.refused("InvalidIdentityToken", token(issuer.claims(nbf="soon")))
    for name in ("exp", "iat", "sub", "aud"):
        assert world.refused("InvalidIdentityToken", token(issuer.claims(**{name: None}))) == \
            f"Missing a required claim: {name}"


def test_audiences(server, issuer):
    world = World(server, issuer, clients=["a", "b"])
    assert world.assume(token(issuer.claims(aud="a")))["Audience"] == "a"
    assert world.assume(token(issuer.claims(aud=["x", "b"])))["Audience"] == "b"
    assert world.refused("InvalidIdentityToken", token(issuer.claims())) == \
        "Incorrect token audience"
    # Whom it was made for is who asked for it, when it says so.
    assert world.assume(token(issuer.claims(aud="x", azp="a")))["Audience"] == "a"
    world.refused("InvalidIdentityToken", token(issuer.claims(aud="a", azp="x")))
    world.iam.add_client_id_to_open_id_connect_provider(
        OpenIDConnectProviderArn=world.provider, ClientID=CLIENT)
    world.assume()
    world.iam.remove_client_id_from_open_id_connect_provider(
        OpenIDConnectProviderArn=world.provider, ClientID=CLIENT)
    world.refused("InvalidIdentityToken")


def test_the_trust_policy_decides(server, issuer):
    key = issuer.name
    world = World(server, issuer, condition={
        "StringEquals": {f"{key}:aud": CLIENT}, "StringLike": {f"{key}:sub": "repo:o/*"},
        "ForAnyValue:StringLike": {f"{key}:amr": "mfa"}})
    world.assume(token(issuer.claims(amr=["pwd", "mfa"])))
    denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    assert world.refused("AccessDenied") == denied
    assert world.refused("AccessDenied", token(issuer.claims(amr=["mfa"], sub="x"))) == denied
    world.iam.update_assume_role_policy(RoleName="web", PolicyDocument=world.trust().replace(
        world.provider, world.provider + "x"))
    assert world.refused("AccessDenied") == denied
    world.iam.update_assume_role_policy(RoleName="web", PolicyDocument=world.trust(
        {"StringEquals": {"sts:RoleSessionName": "job-7"}}))
    world.assume()
    world.role += "x"
    assert world.refused("AccessDenied") == denied


def test_only_what_is_registered_is_asked(server, issuer):
    world = World(server, issuer, register=False)
    assert world.refused("InvalidIdentityToken") == \
        f"No OpenIDConnect provider found in your account for {issuer.url}"
    other = World(server, issuer)  # another account's provider is not this one's
    world.refused("InvalidIdentityToken")
    assert issuer.asked == []
    other.assume()
    other.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=other.provider)
    other.refused("InvalidIdentityToken")


@pytest.mark.parametrize("broken", ["nobody", "status", "redirect", "issuer", "scheme", "json",
                                    "large"])
def test_providers_that_do_not_answer(server, issuer, broken):
    world = World(server, issuer)
    if broken == "nobody":
        issuer.close()
    elif broken == "status":
        issuer.answers["/keys"] = (500, b"{}")
    elif broken == "redirect":
        issuer.answers["/elsewhere"] = issuer.answers["/keys"]
        issuer.answers["/keys"] = (302, b"/elsewhere")
    elif broken == "issuer":
        issuer.configure(issuer=issuer.url + "/other")
    elif broken == "scheme":
        issuer.configure(jwks_uri="http://example.com/keys")
    elif broken == "json":
        issuer.answers["/.well-known/openid-configuration"] = (200, b"{")
    else:
        issuer.answers["/keys"] = (200, b" " * (256 * 1024 + 1) + b"{}")
    world.refused("IDPCommunicationError")
    assert "/elsewhere" not in issuer.asked
    # The rest of the server is not held up.
    assert server.client("sts").get_caller_identity()["Arn"]


def test_keys_that_are_none(issuer, world):
    issuer.answers["/keys"] = (200, b"[]")
    assert "Couldn't retrieve verification key" in world.refused("InvalidIdentityToken")
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    issuer.publish([rsa_jwk(weak, "r")])
    world.refused("InvalidIdentityToken", token(issuer.claims(), weak))


def test_sessions_are_bounded(issuer, world):
    message = world.refused("ValidationError", DurationSeconds=7200)
    assert message == ("The requested DurationSeconds exceeds the MaxSessionDuration set for "
                       "this role.")
    world.assume(DurationSeconds=900, Policy=world.trust().replace(
        '"Principal": {"Federated": "%s"}' % world.provider, '"Resource": "*"'))
    assert "ProviderId" in world.refused("ValidationError", ProviderId="www.amazon.com")


def test_calls_that_say_too_little(issuer, world):
    world.refused("ValidationError", "abc")  # not even four letters
    world.refused("ValidationError", DurationSeconds=1)


# ---- certificates that the system does not trust ----

def certificate(name, key, issuer=None, address="127.0.0.1"):
    """Of a server; signed by `issuer` (certificate, key), or by itself."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    authority = address is None
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(
        issuer[0].subject if issuer else subject).public_key(key.public_key()).serial_number(
        x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1)
        ).not_valid_after(now + datetime.timedelta(days=1)).add_extension(
        x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if address:
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256())


def tls_of(folder, key, *chain):
    pem = folder / "server.pem"
    pem.write_bytes(key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + b"".join(
        c.public_bytes(Encoding.PEM) for c in chain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def thumbprint(c):
    return c.fingerprint(hashes.SHA1()).hex()


OWN = certificate("own", P256)
AUTHORITY = certificate("authority", RSA, address=None)
LEAF = certificate("leaf", P256, (AUTHORITY, RSA))
# Says that the authority signed it; another key did.
FORGED = certificate("leaf", P256, (AUTHORITY, OTHER))
ELSEWHERE = certificate("elsewhere", P256, (AUTHORITY, RSA), address="192.0.2.1")


@pytest.mark.parametrize("chain, pins, good", [
    ([OWN], [OWN], True), ([LEAF, AUTHORITY], [AUTHORITY], True),
    ([LEAF, AUTHORITY], [OWN, LEAF], True), ([OWN], [], False), ([OWN], [LEAF], False),
    ([FORGED, AUTHORITY], [AUTHORITY], False), ([OWN, AUTHORITY], [AUTHORITY], False),
    ([ELSEWHERE, AUTHORITY], [AUTHORITY], False)])
def test_thumbprints(server, tmp_path, chain, pins, good):
    issuer = Issuer(tls_of(tmp_path, P256, *chain))
    try:
        world = World(server, issuer, thumbprints=[thumbprint(c) for c in pins])
        if good:
            world.assume()
        else:
            world.refused("IDPCommunicationError")
        if chain[0] is OWN:  # thumbprints can be set right later
            world.iam.update_open_id_connect_provider_thumbprint(
                OpenIDConnectProviderArn=world.provider,
                ThumbprintList=[thumbprint(OWN).upper()])
            world.assume()
    finally:
        issuer.close()


def test_plain_http_is_for_this_machine(server):
    iam, _ = own_account(server)
    for url in ("http://example.com", "http://127.0.0.1.example.com", "ftp://127.0.0.1",
                "http://localhost:80@example.com"):
        with pytest.raises(ClientError) as e:
            iam.create_open_id_connect_provider(Url=url, ThumbprintList=[])
        assert e.value.response["Error"]["Code"] == "InvalidInput"
