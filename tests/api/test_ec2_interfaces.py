"""Network interfaces, tags and key pairs of EC2, driven by boto3."""

import base64
import ipaddress
import pathlib
import subprocess
import threading

import botocore.exceptions
import pytest

from certificates import openssl


def refused(code, operation, **more):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        operation(**more)
    reply = error.value.response
    assert reply["Error"]["Code"] == code, reply
    assert reply["ResponseMetadata"]["HTTPStatusCode"] in (400, 412)
    return reply["Error"]["Message"]


@pytest.fixture
def ec2(server):
    return server.client("ec2")


@pytest.fixture
def subnet(ec2):
    """The first default subnet."""
    return sorted(ec2.describe_subnets()["Subnets"], key=lambda s: s["AvailabilityZone"])[0]


@pytest.fixture
def group(ec2, request):
    return ec2.create_security_group(GroupName="i " + request.node.name,
                                     Description="of a test")["GroupId"]


@pytest.fixture
def interface(ec2, subnet):
    return ec2.create_network_interface(SubnetId=subnet["SubnetId"])["NetworkInterface"]


def described(ec2, id):
    return ec2.describe_network_interfaces(NetworkInterfaceIds=[id])["NetworkInterfaces"][0]


def test_life_of_an_interface(ec2, subnet, group):
    i = ec2.create_network_interface(
        SubnetId=subnet["SubnetId"], Description="mine", Groups=[group], TagSpecifications=[
            {"ResourceType": "network-interface", "Tags": [{"Key": "a", "Value": "1"}]}])[
                "NetworkInterface"]
    id = i["NetworkInterfaceId"]
    assert id.startswith("eni-") and len(id) == 21
    assert ipaddress.ip_address(i["PrivateIpAddress"]) in ipaddress.ip_network(
        subnet["CidrBlock"])
    assert i["PrivateDnsName"] == f"ip-{i['PrivateIpAddress'].replace('.', '-')}.ec2.internal"
    assert i["MacAddress"].startswith("02:") and len(i["MacAddress"]) == 17
    assert i["PrivateIpAddresses"] == [{"Primary": True, "PrivateIpAddress": i["PrivateIpAddress"],
                                        "PrivateDnsName": i["PrivateDnsName"]}]
    assert (i["VpcId"], i["AvailabilityZone"]) == (subnet["VpcId"], subnet["AvailabilityZone"])
    assert (i["Status"], i["InterfaceType"], i["Description"]) == (
        "available", "interface", "mine")
    assert (i["RequesterManaged"], i["SourceDestCheck"]) == (False, True)
    assert [g["GroupId"] for g in i["Groups"]] == [group]
    assert i["TagSet"] == [{"Key": "a", "Value": "1"}]
    assert described(ec2, id) == i
    assert refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    refused("DryRunOperation", ec2.delete_network_interface, NetworkInterfaceId=id, DryRun=True)
    ec2.delete_network_interface(NetworkInterfaceId=id)
    refused("InvalidNetworkInterfaceID.NotFound", ec2.describe_network_interfaces,
            NetworkInterfaceIds=[id])
    refused("InvalidNetworkInterfaceID.NotFound", ec2.delete_network_interface,
            NetworkInterfaceId=id)
    ec2.delete_security_group(GroupId=group)


def test_an_address_is_not_given_again_at_once(ec2, subnet):
    seen = set()
    for _ in range(5):
        i = ec2.create_network_interface(SubnetId=subnet["SubnetId"])["NetworkInterface"]
        assert i["PrivateIpAddress"] not in seen
        seen.add(i["PrivateIpAddress"])
        ec2.delete_network_interface(NetworkInterfaceId=i["NetworkInterfaceId"])


def test_addresses_that_are_asked_for(ec2, subnet):
    net = ipaddress.ip_network(subnet["CidrBlock"])
    free = ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"][0][
        "AvailableIpAddressCount"]
    i = ec2.create_network_interface(
        SubnetId=subnet["SubnetId"], PrivateIpAddresses=[
            {"PrivateIpAddress": str(net[500]), "Primary": True},
            {"PrivateIpAddress": str(net[501])}])["NetworkInterface"]
    assert [(a["PrivateIpAddress"], a["Primary"]) for a in i["PrivateIpAddresses"]] == [
        (str(net[500]), True), (str(net[501]), False)]
    assert ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"][0][
        "AvailableIpAddressCount"] == free - 2

    def create(**more):
        return ec2.create_network_interface(SubnetId=subnet["SubnetId"], **more)

    refused("InvalidIPAddress.InUse", create, PrivateIpAddress=str(net[500]))
    refused("InvalidIPAddress.InUse", create, PrivateIpAddress=str(net[3]))
    refused("InvalidIPAddress.InUse", create, PrivateIpAddress=str(net[502]),
            PrivateIpAddresses=[{"PrivateIpAddress": str(net[501])}])
    refused("InvalidParameterValue", create, PrivateIpAddress="10.99.0.1")
    refused("InvalidParameterValue", create, PrivateIpAddress="x")
    refused("InvalidParameterValue", create, PrivateIpAddress=str(net[503]),
            PrivateIpAddresses=[{"PrivateIpAddress": str(net[503])}])
    refused("InvalidParameterCombination", create, PrivateIpAddress=str(net[504]),
            PrivateIpAddresses=[{"PrivateIpAddress": str(net[505]), "Primary": True}])
    refused("PrivateIpAddressLimitExceeded", create, SecondaryPrivateIpAddressCount=50)
    assert ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"][0][
        "AvailableIpAddressCount"] == free - 2  # a failed call took nothing
    more = create(SecondaryPrivateIpAddressCount=3)["NetworkInterface"]
    assert len(more["PrivateIpAddresses"]) == 4
    for x in (i, more):
        ec2.delete_network_interface(NetworkInterfaceId=x["NetworkInterfaceId"])
    assert ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"][0][
        "AvailableIpAddressCount"] == free


def test_secondary_addresses_come_and_go(ec2, subnet, interface):
    net = ipaddress.ip_network(subnet["CidrBlock"])
    id = interface["NetworkInterfaceId"]
    got = ec2.assign_private_ip_addresses(NetworkInterfaceId=id,
                                          SecondaryPrivateIpAddressCount=2)
    assert got["NetworkInterfaceId"] == id
    two = [a["PrivateIpAddress"] for a in got["AssignedPrivateIpAddresses"]]
    ec2.assign_private_ip_addresses(NetworkInterfaceId=id, PrivateIpAddresses=[str(net[600])])
    ec2.assign_private_ip_addresses(NetworkInterfaceId=id, PrivateIpAddresses=[str(net[600])])

    def have():
        return [a["PrivateIpAddress"] for a in described(ec2, id)["PrivateIpAddresses"]]

    primary = interface["PrivateIpAddress"]
    assert have() == [primary, *two, str(net[600])]
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=id, PrivateIpAddresses=two)
    assert have() == [primary, str(net[600])]
    refused("InvalidParameterValue", ec2.unassign_private_ip_addresses, NetworkInterfaceId=id,
            PrivateIpAddresses=[primary])
    refused("InvalidParameterValue", ec2.unassign_private_ip_addresses, NetworkInterfaceId=id,
            PrivateIpAddresses=two)
    refused("MissingParameter", ec2.assign_private_ip_addresses, NetworkInterfaceId=id)
    refused("MissingParameter", ec2.unassign_private_ip_addresses, NetworkInterfaceId=id)
    refused("InvalidParameterCombination", ec2.assign_private_ip_addresses,
            NetworkInterfaceId=id, SecondaryPrivateIpAddressCount=1,
            PrivateIpAddresses=[str(net[601])])
    refused("UnsupportedOperation", ec2.assign_private_ip_addresses, NetworkInterfaceId=id,
            Ipv4PrefixCount=1)
    refused("InvalidNetworkInterfaceID.NotFound", ec2.assign_private_ip_addresses,
            NetworkInterfaceId="eni-0", SecondaryPrivateIpAddressCount=1)


@pytest.mark.parametrize("code, more", [
    ("InvalidSubnetID.NotFound", {"SubnetId": "subnet-0123456789abcdef0"}),
    ("InvalidGroup.NotFound", {"Groups": ["sg-0123456789abcdef0"]}),
    ("SecurityGroupsPerInterfaceLimitExceeded", {"Groups": ["sg-1"] * 6}),
    ("InvalidParameterValue", {"Description": "x" * 256}),
    ("UnsupportedOperation", {"InterfaceType": "efa"}),
    ("UnsupportedOperation", {"Ipv6AddressCount": 1}),
    ("UnsupportedOperation", {"Ipv4PrefixCount": 1}),
    ("InvalidParameterValue", {"TagSpecifications": [
        {"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "1"}]}]}),
    ("DryRunOperation", {"DryRun": True}),
])
def test_interfaces_that_are_refused(ec2, subnet, code, more):
    refused(code, ec2.create_network_interface, **{"SubnetId": subnet["SubnetId"], **more})


def test_the_same_token_makes_one_interface(own_server):
    ec2 = own_server.client("ec2")
    subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]]
    a = ec2.create_network_interface(SubnetId=subnets[0], ClientToken="t")
    assert ec2.create_network_interface(SubnetId=subnets[0], ClientToken="t")[
        "NetworkInterface"] == a["NetworkInterface"]
    own_server.restart()
    assert ec2.create_network_interface(SubnetId=subnets[0], ClientToken="t")[
        "NetworkInterface"] == a["NetworkInterface"]
    refused("IdempotentParameterMismatch", ec2.create_network_interface, SubnetId=subnets[1],
            ClientToken="t")
    ec2.delete_network_interface(NetworkInterfaceId=a["NetworkInterface"]["NetworkInterfaceId"])
    b = ec2.create_network_interface(SubnetId=subnets[1], ClientToken="t")
    assert b["NetworkInterface"]["NetworkInterfaceId"] != a["NetworkInterface"][
        "NetworkInterfaceId"]


def test_attributes(ec2, interface, group):
    id = interface["NetworkInterfaceId"]

    def attribute(name):
        return ec2.describe_network_interface_attribute(NetworkInterfaceId=id, Attribute=name)

    def modify(**more):
        return ec2.modify_network_interface_attribute(NetworkInterfaceId=id, **more)

    modify(Description={"Value": "new words"})
    assert attribute("description")["Description"] == {"Value": "new words"}
    modify(SourceDestCheck={"Value": False})
    assert attribute("sourceDestCheck")["SourceDestCheck"] == {"Value": False}
    modify(Groups=[group])
    assert [g["GroupId"] for g in attribute("groupSet")["Groups"]] == [group]
    assert "Attachment" not in attribute("attachment")
    i = described(ec2, id)
    assert (i["Description"], i["SourceDestCheck"]) == ("new words", False)
    refused("InvalidParameterCombination", modify)
    refused("InvalidParameterCombination", modify, Description={"Value": "x"}, Groups=[group])
    refused("InvalidGroup.NotFound", modify, Groups=["sg-0123456789abcdef0"])
    refused("InvalidAttachmentID.NotFound", modify, Attachment={
        "AttachmentId": "eni-attach-0", "DeleteOnTermination": True})
    refused("UnsupportedOperation", modify, EnaSrdSpecification={"EnaSrdEnabled": True})
    refused("UnsupportedOperation", modify, AssociatePublicIpAddress=True)
    refused("InvalidParameterCombination", ec2.describe_network_interface_attribute,
            NetworkInterfaceId=id)
    refused("InvalidNetworkInterfaceID.NotFound", ec2.modify_network_interface_attribute,
            NetworkInterfaceId="eni-0", Description={"Value": "x"})
    refused("InvalidNetworkInterfaceID.NotFound", ec2.describe_network_interface_attribute,
            NetworkInterfaceId="eni-0", Attribute="description")


def test_attachments_are_refused_clearly(ec2, interface):
    id = interface["NetworkInterfaceId"]
    refused("InvalidInstanceID.NotFound", ec2.attach_network_interface, NetworkInterfaceId=id,
            InstanceId="i-0123456789abcdef0", DeviceIndex=1)
    refused("InvalidNetworkInterfaceID.NotFound", ec2.attach_network_interface,
            NetworkInterfaceId="eni-0", InstanceId="i-0", DeviceIndex=1)
    refused("InvalidAttachmentID.NotFound", ec2.detach_network_interface,
            AttachmentId="eni-attach-0")


def test_filters(ec2, interface, subnet, group):
    id = interface["NetworkInterfaceId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=id, Groups=[group])
    ec2.modify_network_interface_attribute(NetworkInterfaceId=id,
                                           Description={"Value": "ELB app/x/1"})
    ec2.create_tags(Resources=[id], Tags=[{"Key": "filter", "Value": "me"}])
    name = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["GroupName"]

    def found(*filters):
        return [i["NetworkInterfaceId"] for i in ec2.describe_network_interfaces(
            Filters=[{"Name": n, "Values": [v]} for n, v in filters])["NetworkInterfaces"]]

    for one in [("network-interface-id", id), ("group-id", group), ("group-name", name),
                ("private-ip-address", interface["PrivateIpAddress"]),
                ("addresses.private-ip-address", interface["PrivateIpAddress"]),
                ("mac-address", interface["MacAddress"]), ("description", "ELB app/*"),
                ("private-dns-name", interface["PrivateDnsName"]), ("tag:filter", "me")]:
        assert found(one) == [id], one
        assert found(one, ("subnet-id", subnet["SubnetId"]), ("vpc-id", subnet["VpcId"]),
                     ("status", "available"), ("interface-type", "interface"),
                     ("availability-zone", subnet["AvailabilityZone"]),
                     ("owner-id", "000000000000"), ("requester-managed", "false"),
                     ("source-dest-check", "true"), ("addresses.primary", "true")) == [id], one
    for none in ["attachment.instance-id", "attachment.attachment-id", "requester-id",
                 "association.public-ip", "association.allocation-id"]:
        assert found((none, "x"), ("group-id", group)) == []
    refused("InvalidParameterValue", ec2.describe_network_interfaces,
            Filters=[{"Name": "color", "Values": ["red"]}])
    got = []
    for page in ec2.get_paginator("describe_network_interfaces").paginate(
            PaginationConfig={"PageSize": 5}):
        got += [i["NetworkInterfaceId"] for i in page["NetworkInterfaces"]]
    assert got == [i["NetworkInterfaceId"]
                   for i in ec2.describe_network_interfaces()["NetworkInterfaces"]]


def test_interfaces_outlive_the_server(own_server):
    ec2 = own_server.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    i = ec2.create_network_interface(SubnetId=subnet, SecondaryPrivateIpAddressCount=2)[
        "NetworkInterface"]
    free = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"]
    own_server.restart()
    assert described(ec2, i["NetworkInterfaceId"]) == i
    assert ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0][
        "AvailableIpAddressCount"] == free


# ---- tags ----


def tags(ec2, *filters):
    return [(t["ResourceType"], t["Key"], t["Value"]) for t in ec2.describe_tags(
        Filters=[{"Name": n, "Values": [v]} for n, v in filters])["Tags"]]


def test_every_kind_of_resource_has_tags(ec2, subnet, interface, group):
    vpc = subnet["VpcId"]
    rule = ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"][0][
            "SecurityGroupRuleId"]
    key = ec2.create_key_pair(KeyName="tagged", KeyType="ed25519")["KeyPairId"]
    kinds = {vpc: "vpc", subnet["SubnetId"]: "subnet", group: "security-group",
             rule: "security-group-rule", interface["NetworkInterfaceId"]: "network-interface",
             key: "key-pair"}
    ec2.create_tags(Resources=list(kinds), Tags=[{"Key": "every", "Value": "1"},
                                                 {"Key": "other", "Value": ""}])
    assert sorted(tags(ec2, ("key", "every"))) == sorted((k, "every", "1")
                                                         for k in kinds.values())
    for id, kind in kinds.items():
        assert tags(ec2, ("resource-id", id), ("key", "every")) == [(kind, "every", "1")]
        assert tags(ec2, ("resource-type", kind), ("tag:every", "1")) == [(kind, "every", "1")]
    assert {"Key": "every", "Value": "1"} in ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "every", "Value": "2"}])
    assert tags(ec2, ("resource-id", vpc), ("key", "every")) == [("vpc", "every", "2")]
    ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "every", "Value": "1"}])
    assert tags(ec2, ("resource-id", vpc), ("value", "2")) == [("vpc", "every", "2")]
    ec2.delete_tags(Resources=list(kinds), Tags=[{"Key": "every"}])
    assert tags(ec2, ("key", "every")) == []
    assert len(tags(ec2, ("key", "other"))) == len(kinds)
    got, more = [], {}
    while more is not None:
        page = ec2.describe_tags(MaxResults=5, **more)
        assert len(page["Tags"]) <= 5
        got += page["Tags"]
        more = {"NextToken": page["NextToken"]} if "NextToken" in page else None
    assert got == ec2.describe_tags()["Tags"]
    ec2.delete_tags(Resources=list(kinds))
    assert tags(ec2, ("key", "other")) == []


@pytest.mark.parametrize("code, id", [
    ("InvalidVpcID.NotFound", "vpc-0"), ("InvalidSubnetID.NotFound", "subnet-0"),
    ("InvalidGroup.NotFound", "sg-0"), ("InvalidSecurityGroupRuleId.NotFound", "sgr-0"),
    ("InvalidNetworkInterfaceID.NotFound", "eni-0"), ("InvalidInstanceID.NotFound", "i-0"),
    ("InvalidRouteTableID.NotFound", "rtb-0"), ("InvalidID", "nonsense"),
    ("InvalidInternetGatewayID.NotFound", "igw-0"), ("NatGatewayNotFound", "nat-0"),
    ("InvalidAllocationID.NotFound", "eipalloc-0"), ("InvalidKeyPair.NotFound", "key-0")])
def test_tags_of_what_is_not_there(ec2, group, code, id):
    refused(code, ec2.create_tags, Resources=[group, id], Tags=[{"Key": "a", "Value": "1"}])
    refused(code, ec2.delete_tags, Resources=[group, id])
    assert tags(ec2, ("resource-id", group)) == []


def test_bad_tags(ec2, group):
    def create(tags):
        return ec2.create_tags(Resources=[group], Tags=tags)

    refused("InvalidParameterValue", create, tags=[{"Key": "aws:x", "Value": ""}])
    refused("InvalidParameterValue", create, tags=[{"Key": "", "Value": ""}])
    refused("TagLimitExceeded", create, tags=[{"Key": str(i), "Value": ""} for i in range(51)])
    create([{"Key": str(i), "Value": ""} for i in range(50)])
    refused("TagLimitExceeded", create, tags=[{"Key": "more", "Value": ""}])
    refused("InvalidParameterValue", ec2.describe_tags,
            Filters=[{"Name": "x", "Values": ["y"]}])
    refused("InvalidNextToken", ec2.describe_tags, NextToken="x")


# ---- key pairs ----


def public_of(private, tmp_path):
    path = tmp_path / "key"
    path.write_text(private)
    path.chmod(0o600)
    return openssl("pkey", "-in", str(path), "-pubout")


def test_an_rsa_pair(ec2, tmp_path):
    made = ec2.create_key_pair(KeyName="rsa", TagSpecifications=[
        {"ResourceType": "key-pair", "Tags": [{"Key": "a", "Value": "1"}]}])
    assert made["KeyPairId"].startswith("key-") and made["KeyName"] == "rsa"
    assert made["KeyMaterial"].startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert made["Tags"] == [{"Key": "a", "Value": "1"}]
    (tmp_path / "key").write_text(made["KeyMaterial"])
    # as EC2's guide says to verify it
    der = subprocess.run(["openssl", "pkcs8", "-in", str(tmp_path / "key"), "-inform", "PEM",
                          "-outform", "DER", "-topk8", "-nocrypt"], check=True,
                         capture_output=True).stdout
    digest = subprocess.run(["openssl", "sha1", "-c"], input=der, check=True,
                            capture_output=True).stdout.decode().split()[-1]
    assert made["KeyFingerprint"] == digest and len(digest) == 59
    [info] = ec2.describe_key_pairs(KeyNames=["rsa"])["KeyPairs"]
    assert (info["KeyPairId"], info["KeyType"], info["KeyFingerprint"]) == (
        made["KeyPairId"], "rsa", digest)
    assert "PublicKey" not in info
    [info] = ec2.describe_key_pairs(KeyPairIds=[made["KeyPairId"]], IncludePublicKey=True)[
        "KeyPairs"]
    assert info["PublicKey"].startswith("ssh-rsa AAAA") and info["PublicKey"].endswith(" rsa")
    # importing its public half, as text and as DER, shows MD5 of the public key
    spki = openssl("pkey", "-in", str(tmp_path / "key"), "-pubout", "-outform", "PEM")
    bare = "".join(spki.splitlines()[1:-1])
    md5 = subprocess.run(["openssl", "md5", "-c"], input=base64.b64decode(bare), check=True,
                         capture_output=True).stdout.decode().split()[-1]
    for name, material in [("as ssh", info["PublicKey"]), ("as der", bare)]:
        got = ec2.import_key_pair(KeyName=name, PublicKeyMaterial=material)
        assert got["KeyFingerprint"] == md5 and got["KeyName"] == name
    refused("InvalidKeyPair.Duplicate", ec2.create_key_pair, KeyName="rsa")
    assert ec2.delete_key_pair(KeyName="rsa")["KeyPairId"] == made["KeyPairId"]
    refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyNames=["rsa"])
    assert ec2.delete_key_pair(KeyName="rsa")["Return"] is True
    refused("InvalidKeyPair.NotFound", ec2.describe_key_pairs, KeyPairIds=[made["KeyPairId"]])


def test_an_ed25519_pair(ec2):
    made = ec2.create_key_pair(KeyName="ed", KeyType="ed25519")
    lines = made["KeyMaterial"].splitlines()
    assert lines[0] == "-----BEGIN OPENSSH PRIVATE KEY-----"
    blob = base64.b64decode("".join(lines[1:-1]))
    assert blob.startswith(b"openssh-key-v1\0") and blob.count(b"ssh-ed25519") == 2
    [info] = ec2.describe_key_pairs(KeyNames=["ed"], IncludePublicKey=True)["KeyPairs"]
    public = base64.b64decode(info["PublicKey"].split()[1])
    assert public in blob and info["KeyType"] == "ed25519"
    digest = subprocess.run(["openssl", "sha256", "-binary"], input=public, check=True,
                            capture_output=True).stdout
    assert made["KeyFingerprint"] == base64.b64encode(digest).decode()
    got = ec2.import_key_pair(KeyName="ed again", PublicKeyMaterial=info["PublicKey"])
    assert got["KeyFingerprint"] == made["KeyFingerprint"]


def test_of_two_at_once_one_gets_the_name(server):
    answers = []

    def create():
        try:
            server.client("ec2").create_key_pair(KeyName="once")
            answers.append("made")
        except botocore.exceptions.ClientError as e:
            answers.append(e.response["Error"]["Code"])

    threads = [threading.Thread(target=create) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(answers) == ["InvalidKeyPair.Duplicate"] * 2 + ["made"]


def test_private_keys_are_not_kept(own_server):
    ec2 = own_server.client("ec2")
    made = [ec2.create_key_pair(KeyName=t, KeyType=t)["KeyMaterial"] for t in ("rsa", "ed25519")]
    public = ec2.describe_key_pairs(KeyNames=["rsa"], IncludePublicKey=True)["KeyPairs"][0][
        "PublicKey"].split()[1].encode()
    own_server.restart()
    kept = b"".join(p.read_bytes() for p in pathlib.Path(own_server.dir).rglob("*")
                    if p.is_file())
    assert public in kept
    for pem in made:
        assert not any(line.encode() in kept for line in pem.splitlines()[4:-2])


def test_bad_key_pairs(ec2):
    for material in ["", "ssh-rsa", "ssh-rsa AAAA", "ssh-dss AAAAB3NzaC1kc3M=", "!!",
                     "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQ=="]:
        refused("InvalidKey.Format", ec2.import_key_pair, KeyName="bad",
                PublicKeyMaterial=material)
    refused("InvalidParameterValue", ec2.create_key_pair, KeyName=" x")
    refused("InvalidParameterValue", ec2.create_key_pair, KeyName="\u00e4")
    refused("UnsupportedOperation", ec2.create_key_pair, KeyName="ppk", KeyFormat="ppk")
    refused("MissingParameter", ec2.delete_key_pair)
    refused("DryRunOperation", ec2.create_key_pair, KeyName="dry", DryRun=True)
    assert "dry" not in [k["KeyName"] for k in ec2.describe_key_pairs()["KeyPairs"]]
    ec2.create_key_pair(KeyName="by filter", KeyType="ed25519")
    found = ec2.describe_key_pairs(Filters=[{"Name": "key-name", "Values": ["by f*"]}])
    assert [k["KeyName"] for k in found["KeyPairs"]] == ["by filter"]
