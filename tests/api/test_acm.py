"""AWS Certificate Manager, driven by boto3."""

import datetime

import botocore.exceptions
import pytest

from certificates import RSA, Certificate, expired, openssl


def refused(code, operation, **more):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        operation(**more)
    reply = error.value.response
    assert reply["Error"]["Code"] == code, reply
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 400
    return reply["Error"]["Message"]


@pytest.fixture
def acm(server):
    return server.client("acm")


@pytest.fixture(scope="module")
def root():
    return Certificate("Test Root", subject="/C=US/O=Gantry Test/CN=Test Root")


@pytest.fixture(scope="module")
def leaf(root):
    return Certificate("www.example.test", names=["www.example.test", "*.example.test"],
                       issuer=root, key=RSA, usage="digitalSignature,keyEncipherment",
                       extended="serverAuth,1.2.3.4")


def import_(acm, cert, **more):
    return acm.import_certificate(Certificate=cert.pem, PrivateKey=cert.key,
                                  **more)["CertificateArn"]


def test_a_certificate_tells_what_is_in_it(acm, leaf, root):
    arn = import_(acm, leaf, CertificateChain=root.pem, Tags=[{"Key": "a", "Value": "1"}])
    assert arn.startswith("arn:aws:acm:us-east-1:000000000000:certificate/")
    d = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert d["CertificateArn"] == arn
    assert d["DomainName"] == "www.example.test"
    assert d["SubjectAlternativeNames"] == ["www.example.test", "*.example.test"]
    assert d["Subject"] == "CN=www.example.test"
    assert d["Issuer"] == "Gantry Test"
    assert d["Status"] == "ISSUED"
    assert d["Type"] == "IMPORTED"
    assert d["KeyAlgorithm"] == "RSA_2048"
    assert d["SignatureAlgorithm"] == "SHA256WITHECDSA"
    assert d["KeyUsages"] == [{"Name": "DIGITAL_SIGNATURE"}, {"Name": "KEY_ENCIPHERMENT"}]
    assert d["ExtendedKeyUsages"] == [
        {"Name": "TLS_WEB_SERVER_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.1"},
        {"Name": "CUSTOM", "OID": "1.2.3.4"}]
    assert d["RenewalEligibility"] == "INELIGIBLE"
    assert d["InUseBy"] == []
    left = d["NotAfter"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=29) < left < datetime.timedelta(days=31)
    serial = openssl("x509", "-noout", "-serial", data=leaf.pem).strip().split("=")[1]
    assert d["Serial"].replace(":", "").upper() == serial
    got = acm.get_certificate(CertificateArn=arn)
    assert got["Certificate"] == leaf.pem
    assert got["CertificateChain"] == root.pem
    assert "PRIVATE" not in str(d) + str(got)
    acm.delete_certificate(CertificateArn=arn)
    refused("ResourceNotFoundException", acm.describe_certificate, CertificateArn=arn)
    refused("ResourceNotFoundException", acm.get_certificate, CertificateArn=arn)
    refused("ResourceNotFoundException", acm.delete_certificate, CertificateArn=arn)


def test_import_again_keeps_the_arn(acm):
    arn = import_(acm, Certificate("one.test"), Tags=[{"Key": "k", "Value": "v"}])
    before = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    second = Certificate("two.test")
    assert import_(acm, second, CertificateArn=arn) == arn
    after = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert (before["DomainName"], after["DomainName"]) == ("one.test", "two.test")
    assert after["CreatedAt"] == before["CreatedAt"]
    assert acm.get_certificate(CertificateArn=arn)["Certificate"] == second.pem
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == [
        {"Key": "k", "Value": "v"}]
    refused("ValidationException", import_, acm=acm, cert=second, CertificateArn=arn,
            Tags=[{"Key": "x", "Value": "y"}])
    refused("ResourceNotFoundException", import_, acm=acm, cert=second,
            CertificateArn=arn[:-4] + "ffff")


def test_what_does_not_belong_together_is_refused(acm, leaf, root):
    other = Certificate("other.test")
    imp = acm.import_certificate

    def bad(**more):
        return refused("ValidationException", imp, **more)

    assert "does not match" in bad(Certificate=leaf.pem, PrivateKey=other.key)
    assert "chain" in bad(Certificate=leaf.pem, PrivateKey=leaf.key,
                          CertificateChain=other.pem)
    assert "more than one" in bad(Certificate=leaf.pem + root.pem, PrivateKey=leaf.key)
    assert "PEM" in bad(Certificate="hello", PrivateKey=leaf.key)
    assert "PEM" in bad(Certificate=leaf.key, PrivateKey=leaf.key)
    assert "PEM" in bad(Certificate=leaf.pem, PrivateKey="hello")
    assert "PEM" in bad(Certificate=leaf.pem, PrivateKey=leaf.pem)
    assert "PEM" in bad(Certificate=leaf.pem, PrivateKey=leaf.key + other.key)
    assert "PEM" in bad(Certificate=b"\xff\xfe\x00", PrivateKey=leaf.key)
    assert "PEM" in bad(Certificate=leaf.pem, PrivateKey=leaf.key, CertificateChain="x")
    locked = openssl("pkcs8", "-topk8", "-passout", "pass:x", data=leaf.key)
    assert "encrypted" in bad(Certificate=leaf.pem, PrivateKey=locked)
    locked = openssl("rsa", "-traditional", "-aes128", "-passout", "pass:x", data=leaf.key)
    assert "encrypted" in bad(Certificate=leaf.pem, PrivateKey=locked)
    odd = Certificate("ed.test", key=("-newkey", "ed25519"))
    assert "P-256" in bad(Certificate=odd.pem, PrivateKey=odd.key)
    pem, key = expired("old.test")
    assert "expired" in bad(Certificate=pem, PrivateKey=key)


def test_keys_in_the_older_forms_are_taken(acm, leaf):
    old = openssl("rsa", "-traditional", data=leaf.key)
    assert "BEGIN RSA PRIVATE KEY" in old
    acm.import_certificate(Certificate=leaf.pem, PrivateKey=old)
    ec = Certificate("ec.test")
    old = openssl("ec", data=ec.key)
    parameters = openssl("ecparam", "-name", "prime256v1")
    acm.import_certificate(Certificate=ec.pem, PrivateKey=parameters + old)
    acm.import_certificate(Certificate=ec.pem.replace("\n", "\r\n"), PrivateKey=ec.key)


def test_bad_arns(acm):
    refused("ValidationException", acm.describe_certificate, CertificateArn="x" * 30)
    refused("InvalidArnException", acm.describe_certificate,
            CertificateArn="arn:aws:acm:us-east-1:000000000000:thing/abc")
    refused("ResourceNotFoundException", acm.list_tags_for_certificate,
            CertificateArn="arn:aws:acm:eu-west-1:000000000000:certificate/abc")


def test_tags(acm):
    arn = import_(acm, Certificate("tags.test"))
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == []
    acm.add_tags_to_certificate(CertificateArn=arn, Tags=[
        {"Key": "a", "Value": "1"}, {"Key": "b"}, {"Key": "c", "Value": "3"}])
    acm.add_tags_to_certificate(CertificateArn=arn, Tags=[{"Key": "a", "Value": "2"}])
    acm.remove_tags_from_certificate(CertificateArn=arn, Tags=[
        {"Key": "b"}, {"Key": "c", "Value": "other"}, {"Key": "none"}])
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == [
        {"Key": "a", "Value": "2"}, {"Key": "c", "Value": "3"}]
    refused("InvalidTagException", acm.add_tags_to_certificate, CertificateArn=arn,
            Tags=[{"Key": "aws:x", "Value": "1"}])
    many = [{"Key": f"k{i}", "Value": ""} for i in range(49)]
    refused("TooManyTagsException", acm.add_tags_to_certificate, CertificateArn=arn, Tags=many)
    acm.add_tags_to_certificate(CertificateArn=arn, Tags=many[:48])
    assert len(acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]) == 50


def test_listing(server, leaf):
    acm = server.client("acm", account="111111111111")
    ec = [import_(acm, Certificate(f"l{i}.test", extended="clientAuth")) for i in range(3)]
    rsa = import_(acm, leaf)

    def arns(**more):
        return [s["CertificateArn"]
                for s in acm.list_certificates(**more)["CertificateSummaryList"]]

    every = {"keyTypes": ["RSA_2048", "EC_prime256v1"]}
    assert arns() == [rsa]  # as ACM: RSA only unless key types are named
    assert sorted(arns(Includes=every)) == sorted([*ec, rsa])
    by_time = {"SortBy": "CREATED_AT", "SortOrder": "DESCENDING"}
    assert arns(Includes=every, **by_time)[0] == rsa
    got, more = [], {}
    while more is not None:
        page = acm.list_certificates(Includes=every, MaxItems=2, **by_time, **more)
        assert len(page["CertificateSummaryList"]) <= 2
        got += [s["CertificateArn"] for s in page["CertificateSummaryList"]]
        more = {"NextToken": page["NextToken"]} if "NextToken" in page else None
    assert got == arns(Includes=every, **by_time)
    client = {**every, "extendedKeyUsage": ["TLS_WEB_CLIENT_AUTHENTICATION"]}
    assert sorted(arns(Includes=client)) == sorted(ec)
    assert arns(Includes={**every, "keyUsage": ["KEY_ENCIPHERMENT"]}) == [rsa]
    assert arns(CertificateStatuses=["EXPIRED"], Includes=every) == []
    assert arns(CertificateStatuses=["ISSUED"]) == [rsa]
    summary = acm.list_certificates()["CertificateSummaryList"][0]
    assert summary["DomainName"] == "www.example.test"
    assert summary["InUse"] is False and summary["KeyUsages"] == [
        "DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT"]
    refused("ValidationException", acm.list_certificates, SortBy="CREATED_AT")
    refused("InvalidArgsException", acm.list_certificates, NextToken="nonsense")


def test_certificates_outlive_the_server_and_keys_stay_inside(own_server, leaf, root):
    acm = own_server.client("acm")
    arn = import_(acm, leaf, CertificateChain=root.pem)
    before = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    own_server.restart()
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"] == before
    assert acm.get_certificate(CertificateArn=arn)["Certificate"] == leaf.pem
    refused("ValidationException", acm.import_certificate, Certificate=leaf.pem,
            PrivateKey="-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    log = own_server.log()
    assert "PRIVATE KEY" not in log and "c2VjcmV0" not in log


def test_a_listener_uses_a_certificate_of_its_own_account(own_server):
    acm, elb, ec2, iam = (own_server.client(s) for s in ("acm", "elbv2", "ec2", "iam"))
    subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]][:2]
    balancer = elb.create_load_balancer(Name="uses", Subnets=subnets)["LoadBalancers"][0][
        "LoadBalancerArn"]
    cert = Certificate("uses.test")
    arn = import_(acm, cert)

    def listen(certificate, port):
        return elb.create_listener(
            LoadBalancerArn=balancer, Protocol="HTTPS", Port=port,
            Certificates=[{"CertificateArn": certificate}],
            DefaultActions=[{"Type": "fixed-response",
                             "FixedResponseConfig": {"StatusCode": "200"}}])["Listeners"][0][
                                 "ListenerArn"]

    for other in (own_server.client("acm", account="444444444444"),
                  own_server.client("acm", region="eu-west-1")):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            listen(import_(other, cert), 443)
        assert error.value.response["Error"]["Code"] == "CertificateNotFound"
    listener = listen(arn, 443)
    theirs = iam.upload_server_certificate(
        ServerCertificateName="uses", CertificateBody=cert.pem,
        PrivateKey=cert.key)["ServerCertificateMetadata"]["Arn"]
    second = listen(theirs, 444)

    def in_use():
        return acm.describe_certificate(CertificateArn=arn)["Certificate"]["InUseBy"]

    assert in_use() == [balancer]
    own_server.restart()
    assert in_use() == [balancer]
    refused("ResourceInUseException", acm.delete_certificate, CertificateArn=arn)
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_server_certificate(ServerCertificateName="uses")
    elb.delete_listener(ListenerArn=listener)
    elb.delete_listener(ListenerArn=second)
    assert in_use() == []
    acm.delete_certificate(CertificateArn=arn)
    iam.delete_server_certificate(ServerCertificateName="uses")
