"""IAM's server certificates, driven by boto3."""

import botocore.exceptions
import pytest

from certificates import RSA, Certificate, openssl


def refused(code, status, operation, **more):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        operation(**more)
    reply = error.value.response
    assert reply["Error"]["Code"] == code, reply
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == status
    return reply["Error"]["Message"]


@pytest.fixture
def iam(server):
    return server.client("iam")


@pytest.fixture(scope="module")
def root():
    return Certificate("Test Root")


@pytest.fixture(scope="module")
def leaf(root):
    return Certificate("www.example.test", issuer=root, key=RSA)


def upload(iam, name, cert, **more):
    return iam.upload_server_certificate(ServerCertificateName=name, CertificateBody=cert.pem,
                                         PrivateKey=cert.key, **more)


def test_life_of_a_certificate(iam, leaf, root):
    made = upload(iam, "life", leaf, Path="/cloud/", CertificateChain=root.pem,
                  Tags=[{"Key": "a", "Value": "1"}])
    m = made["ServerCertificateMetadata"]
    assert m["Arn"] == "arn:aws:iam::000000000000:server-certificate/cloud/life"
    assert m["Path"] == "/cloud/" and m["ServerCertificateName"] == "life"
    assert m["ServerCertificateId"].startswith("ASCA") and len(m["ServerCertificateId"]) == 21
    assert made["Tags"] == [{"Key": "a", "Value": "1"}]
    got = iam.get_server_certificate(ServerCertificateName="life")["ServerCertificate"]
    assert got["ServerCertificateMetadata"] == m
    assert got["CertificateBody"] == leaf.pem and got["CertificateChain"] == root.pem
    assert "PRIVATE" not in str(got)
    end = openssl("x509", "-noout", "-enddate", data=leaf.pem).strip().split("=")[1]
    assert m["Expiration"].strftime("%Y GMT") == end.split(maxsplit=3)[3]
    assert refused("EntityAlreadyExists", 409, upload, iam=iam, name="life", cert=leaf)
    iam.update_server_certificate(ServerCertificateName="life", NewServerCertificateName="then",
                                  NewPath="/")
    refused("NoSuchEntity", 404, iam.get_server_certificate, ServerCertificateName="life")
    got = iam.get_server_certificate(ServerCertificateName="then")["ServerCertificate"]
    assert got["ServerCertificateMetadata"]["Arn"].endswith(":server-certificate/then")
    assert got["ServerCertificateMetadata"]["ServerCertificateId"] == m["ServerCertificateId"]
    iam.update_server_certificate(ServerCertificateName="then", NewPath="/new/")
    got = iam.get_server_certificate(ServerCertificateName="then")["ServerCertificate"]
    assert got["ServerCertificateMetadata"]["Path"] == "/new/"
    assert got["CertificateBody"] == leaf.pem
    iam.delete_server_certificate(ServerCertificateName="then")
    refused("NoSuchEntity", 404, iam.delete_server_certificate, ServerCertificateName="then")
    refused("NoSuchEntity", 404, iam.update_server_certificate, ServerCertificateName="then")


def test_bad_input(iam, leaf, root):
    other = Certificate("other.test")
    up = iam.upload_server_certificate
    names = {"ServerCertificateName": "bad"}
    assert "PEM" in refused("MalformedCertificate", 400, up, **names, CertificateBody="x",
                            PrivateKey=leaf.key)
    refused("KeyPairMismatch", 400, up, **names, CertificateBody=leaf.pem,
            PrivateKey=other.key)
    refused("MalformedCertificate", 400, up, **names, CertificateBody=leaf.pem,
            PrivateKey="x")
    assert "chain" in refused("MalformedCertificate", 400, up, **names,
                              CertificateBody=leaf.pem, PrivateKey=leaf.key,
                              CertificateChain=other.pem)
    refused("ValidationError", 400, upload, iam=iam, name="a b", cert=leaf)
    refused("ValidationError", 400, upload, iam=iam, name="bad", cert=leaf, Path="/x")
    refused("InvalidInput", 400, upload, iam=iam, name="bad", cert=leaf,
            Tags=[{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}])
    upload(iam, "taken", leaf)
    upload(iam, "mover", leaf)
    refused("EntityAlreadyExists", 409, iam.update_server_certificate,
            ServerCertificateName="mover", NewServerCertificateName="taken")
    refused("NoSuchEntity", 404, iam.get_server_certificate, ServerCertificateName="bad")


def test_listing(server, leaf):
    iam = server.client("iam", account="222222222222", region="eu-west-1")
    for i in range(5):
        upload(iam, f"n{i}", leaf, Path="/a/" if i % 2 else "/b/")

    def names(page):
        return [m["ServerCertificateName"] for m in page["ServerCertificateMetadataList"]]

    page = iam.list_server_certificates()
    assert names(page) == ["n0", "n1", "n2", "n3", "n4"] and page["IsTruncated"] is False
    assert names(iam.list_server_certificates(PathPrefix="/a")) == ["n1", "n3"]
    page = iam.list_server_certificates(MaxItems=3)
    assert names(page) == ["n0", "n1", "n2"] and page["IsTruncated"] is True
    page = iam.list_server_certificates(MaxItems=3, Marker=page["Marker"])
    assert names(page) == ["n3", "n4"] and "Marker" not in page
    assert "Marker" not in iam.list_server_certificates(MaxItems=5)
    refused("InvalidInput", 400, iam.list_server_certificates, Marker="nonsense")
    # one for all regions
    assert len(names(server.client("iam", account="222222222222").list_server_certificates())
               ) == 5


def test_tags(iam, leaf):
    upload(iam, "tags", leaf)
    name = {"ServerCertificateName": "tags"}
    iam.tag_server_certificate(**name, Tags=[{"Key": k, "Value": k} for k in "abc"])
    iam.tag_server_certificate(**name, Tags=[{"Key": "A", "Value": "new"}])
    iam.untag_server_certificate(**name, TagKeys=["b", "none"])
    assert iam.list_server_certificate_tags(**name)["Tags"] == [
        {"Key": "A", "Value": "new"}, {"Key": "c", "Value": "c"}]
    page = iam.list_server_certificate_tags(**name, MaxItems=1)
    assert page["IsTruncated"] and page["Tags"] == [{"Key": "A", "Value": "new"}]
    page = iam.list_server_certificate_tags(**name, MaxItems=1, Marker=page["Marker"])
    assert not page["IsTruncated"] and page["Tags"] == [{"Key": "c", "Value": "c"}]
    many = [{"Key": f"k{i}", "Value": ""} for i in range(49)]
    refused("LimitExceeded", 409, iam.tag_server_certificate, **name, Tags=many)
    refused("InvalidInput", 400, iam.tag_server_certificate, **name,
            Tags=[{"Key": "aws:a", "Value": ""}])
    refused("NoSuchEntity", 404, iam.tag_server_certificate, ServerCertificateName="no",
            Tags=[{"Key": "a", "Value": ""}])
    refused("NoSuchEntity", 404, iam.untag_server_certificate, ServerCertificateName="no",
            TagKeys=["a"])
    refused("NoSuchEntity", 404, iam.list_server_certificate_tags, ServerCertificateName="no")
    refused("InvalidInput", 400, iam.list_server_certificate_tags, **name, Marker="x")
