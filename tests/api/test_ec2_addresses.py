"""Elastic addresses, NAT gateways, and what every VPC has or has not: DHCP options, the network
ACL, peerings, endpoints, prefix lists, ClassicLink."""

import ipaddress

import botocore.exceptions
import pytest

from conftest import Server


@pytest.fixture(scope="module")
def account():
    """Accounts of their own: each test sees its own things only."""
    numbers = iter(range(200000000000, 200000001000))
    return lambda: str(next(numbers))


@pytest.fixture
def ec2(server, account):
    return server.client("ec2", account=account())


@pytest.fixture
def vpc(ec2):
    """A VPC with a subnet and a gateway."""
    v = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    s = ec2.create_subnet(VpcId=v, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    g = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=g, VpcId=v)
    return {"vpc": v, "subnet": s, "gateway": g}


def refused(code, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    assert e.value.response["Error"]["Code"] == code, e.value.response
    return e.value.response["Error"]["Message"]


def by(name, *values):
    return [{"Name": name, "Values": list(values)}]


def interface(ec2, vpc, **more):
    return ec2.create_network_interface(SubnetId=vpc["subnet"],
                                        **more)["NetworkInterface"]["NetworkInterfaceId"]


def association_of(ec2, interface):
    return ec2.describe_network_interfaces(
        NetworkInterfaceIds=[interface])["NetworkInterfaces"][0].get("Association")


def test_life_of_an_address(ec2):
    a = ec2.allocate_address(Domain="vpc", TagSpecifications=[
        {"ResourceType": "elastic-ip", "Tags": [{"Key": "Name", "Value": "one"}]}])
    assert ipaddress.ip_address(a["PublicIp"]) in ipaddress.ip_network("198.18.0.0/15")
    assert a["Domain"] == "vpc" and a["PublicIpv4Pool"] == "amazon"
    assert a["NetworkBorderGroup"] == "us-east-1"
    b = ec2.allocate_address()
    assert b["PublicIp"] != a["PublicIp"]
    found = ec2.describe_addresses(AllocationIds=[a["AllocationId"]])["Addresses"]
    assert found == [{"AllocationId": a["AllocationId"], "Domain": "vpc",
                      "PublicIp": a["PublicIp"], "PublicIpv4Pool": "amazon",
                      "NetworkBorderGroup": "us-east-1",
                      "Tags": [{"Key": "Name", "Value": "one"}]}]
    assert ec2.describe_addresses(PublicIps=[a["PublicIp"]])["Addresses"] == found
    assert ec2.describe_addresses(Filters=by("tag:Name", "o*"))["Addresses"] == found
    assert ec2.describe_addresses(Filters=by("public-ip", a["PublicIp"]))["Addresses"] == found
    assert len(ec2.describe_addresses(Filters=by("domain", "vpc"))["Addresses"]) == 2
    assert ec2.describe_addresses(Filters=by("instance-id", "*"))["Addresses"] == []
    attributes = ec2.describe_addresses_attribute(AllocationIds=[a["AllocationId"]],
                                                  Attribute="domain-name")["Addresses"]
    assert attributes == [{"AllocationId": a["AllocationId"], "PublicIp": a["PublicIp"]}]
    ec2.create_tags(Resources=[b["AllocationId"]], Tags=[{"Key": "k", "Value": "v"}])
    assert len(ec2.describe_addresses(Filters=by("tag-key", "k"))["Addresses"]) == 1
    ec2.release_address(AllocationId=a["AllocationId"])
    ec2.release_address(PublicIp=b["PublicIp"])
    assert ec2.describe_addresses()["Addresses"] == []
    assert a["AllocationId"] in refused("InvalidAllocationID.NotFound", ec2.release_address,
                                        AllocationId=a["AllocationId"])
    again = ec2.allocate_address(Address=a["PublicIp"])
    assert again["PublicIp"] == a["PublicIp"]
    refused("InvalidAddress.NotFound", ec2.allocate_address, Address=a["PublicIp"])
    refused("InvalidAddress.NotFound", ec2.allocate_address, Address="8.8.8.8")


@pytest.mark.parametrize("code, arguments", [
    ("UnsupportedOperation", {"Domain": "standard"}),
    ("UnsupportedOperation", {"CustomerOwnedIpv4Pool": "ipv4pool-coip-1"}),
    ("UnsupportedOperation", {"IpamPoolId": "ipam-pool-1"}),
    ("InvalidPublicIpv4PoolID.NotFound", {"PublicIpv4Pool": "ipv4pool-ec2-1"}),
    ("InvalidParameterValue", {"NetworkBorderGroup": "us-east-1-nyc-1"}),
    ("InvalidParameterValue", {"Address": "1.2.3"}),
    ("InvalidParameterValue", {"TagSpecifications": [
        {"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}]}),
    ("DryRunOperation", {"DryRun": True}),
])
def test_addresses_that_can_not_be(ec2, code, arguments):
    refused(code, ec2.allocate_address, **arguments)
    assert ec2.describe_addresses()["Addresses"] == []


def test_addresses_that_are_not_there(ec2):
    refused("InvalidAllocationID.NotFound", ec2.describe_addresses, AllocationIds=["eipalloc-0"])
    refused("InvalidAddress.NotFound", ec2.describe_addresses, PublicIps=["198.18.1.1"])
    refused("InvalidParameterValue", ec2.describe_addresses, Filters=by("vpc-id", "x"))
    refused("InvalidAllocationID.NotFound", ec2.describe_addresses_attribute,
            AllocationIds=["eipalloc-0"], Attribute="domain-name")
    refused("MissingParameter", ec2.release_address)
    refused("InvalidParameterCombination", ec2.release_address, AllocationId="eipalloc-0",
            PublicIp="198.18.1.1")
    refused("MissingParameter", ec2.disassociate_address)
    refused("InvalidAssociationID.NotFound", ec2.disassociate_address,
            AssociationId="eipassoc-0")


def test_addresses_of_interfaces(ec2, server, vpc):
    one, two = interface(ec2, vpc), interface(ec2, vpc)
    a = ec2.allocate_address()
    association = ec2.associate_address(AllocationId=a["AllocationId"],
                                        NetworkInterfaceId=one)["AssociationId"]
    shown = association_of(ec2, one)
    assert shown["PublicIp"] == a["PublicIp"] and shown["AssociationId"] == association
    assert shown["AllocationId"] == a["AllocationId"]
    found = ec2.describe_addresses(Filters=by("network-interface-id", one))["Addresses"]
    assert [(x["AssociationId"], x["PrivateIpAddress"][:7]) for x in found] == [
        (association, "10.0.1.")]
    # the same again is the same
    assert ec2.associate_address(AllocationId=a["AllocationId"],
                                 NetworkInterfaceId=one)["AssociationId"] == association
    refused("Resource.AlreadyAssociated", ec2.associate_address, AllocationId=a["AllocationId"],
            NetworkInterfaceId=two, AllowReassociation=False)
    refused("InvalidIPAddress.InUse", ec2.release_address, AllocationId=a["AllocationId"])
    refused("DependencyViolation", ec2.detach_internet_gateway, VpcId=vpc["vpc"],
            InternetGatewayId=vpc["gateway"])
    server.restart()
    assert association_of(ec2, one) == shown
    moved = ec2.associate_address(AllocationId=a["AllocationId"],
                                  NetworkInterfaceId=two)["AssociationId"]
    assert moved != association and association_of(ec2, one) is None
    assert association_of(ec2, two)["PublicIp"] == a["PublicIp"]
    # another address takes its place; it stays allocated
    b = ec2.allocate_address()
    other = ec2.associate_address(PublicIp=b["PublicIp"], NetworkInterfaceId=two)["AssociationId"]
    assert association_of(ec2, two)["PublicIp"] == b["PublicIp"]
    ec2.release_address(AllocationId=a["AllocationId"])
    ec2.disassociate_address(AssociationId=other)
    assert association_of(ec2, two) is None
    # it goes free with its interface
    ec2.associate_address(AllocationId=b["AllocationId"], NetworkInterfaceId=one)
    ec2.delete_network_interface(NetworkInterfaceId=one)
    assert "AssociationId" not in ec2.describe_addresses()["Addresses"][0]
    ec2.release_address(AllocationId=b["AllocationId"])
    ec2.detach_internet_gateway(VpcId=vpc["vpc"], InternetGatewayId=vpc["gateway"])
    c = ec2.allocate_address()["AllocationId"]
    refused("Gateway.NotAttached", ec2.associate_address, AllocationId=c, NetworkInterfaceId=two)


def test_associations_that_can_not_be(ec2, vpc):
    nic = interface(ec2, vpc, PrivateIpAddresses=[
        {"PrivateIpAddress": "10.0.1.50", "Primary": True},
        {"PrivateIpAddress": "10.0.1.51", "Primary": False}])
    a = ec2.allocate_address()["AllocationId"]
    refused("MissingParameter", ec2.associate_address, AllocationId=a)
    refused("MissingParameter", ec2.associate_address, NetworkInterfaceId=nic)
    refused("InvalidParameterCombination", ec2.associate_address, AllocationId=a,
            NetworkInterfaceId=nic, InstanceId="i-0123456789abcdef0")
    refused("InvalidInstanceID.NotFound", ec2.associate_address, AllocationId=a,
            InstanceId="i-0123456789abcdef0")
    refused("InvalidNetworkInterfaceID.NotFound", ec2.associate_address, AllocationId=a,
            NetworkInterfaceId="eni-0")
    refused("InvalidAllocationID.NotFound", ec2.associate_address, AllocationId="eipalloc-0",
            NetworkInterfaceId=nic)
    refused("UnsupportedOperation", ec2.associate_address, AllocationId=a,
            NetworkInterfaceId=nic, PrivateIpAddress="10.0.1.51")
    refused("InvalidParameterValue", ec2.associate_address, AllocationId=a,
            NetworkInterfaceId=nic, PrivateIpAddress="10.0.1.52")
    refused("DryRunOperation", ec2.associate_address, AllocationId=a, NetworkInterfaceId=nic,
            DryRun=True)
    assert association_of(ec2, nic) is None
    ec2.associate_address(AllocationId=a, NetworkInterfaceId=nic, PrivateIpAddress="10.0.1.50")


def test_the_pool_is_used_up():
    server = Server("--public-pool", "198.18.32.0/23")
    try:
        ec2 = server.client("ec2")
        got = {ec2.allocate_address()["PublicIp"] for _ in range(255)}
        assert len(got) == 255
        assert all(ipaddress.ip_address(x) in ipaddress.ip_network("198.18.33.0/24") for x in got)
        refused("InsufficientAddressCapacity", ec2.allocate_address)
        refused("InsufficientAddressCapacity",
                server.client("ec2", account="111111111111").allocate_address)
        server.restart()
        refused("InsufficientAddressCapacity", ec2.allocate_address)
        first = ec2.describe_addresses()["Addresses"][0]
        ec2.release_address(AllocationId=first["AllocationId"])
        assert ec2.allocate_address()["PublicIp"] == first["PublicIp"]
        pages = ec2.get_paginator("describe_addresses_attribute").paginate(
            Attribute="domain-name", PaginationConfig={"PageSize": 100})
        assert [len(p["Addresses"]) for p in pages] == [100, 100, 55]
    finally:
        server.close()


def test_life_of_a_nat_gateway(ec2, server, vpc):
    a = ec2.allocate_address()
    n = ec2.create_nat_gateway(
        SubnetId=vpc["subnet"], AllocationId=a["AllocationId"], ClientToken="t1",
        TagSpecifications=[{"ResourceType": "natgateway",
                            "Tags": [{"Key": "Name", "Value": "way"}]}])["NatGateway"]
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[n["NatGatewayId"]])
    found = ec2.describe_nat_gateways(Filter=by("vpc-id", vpc["vpc"]))["NatGateways"][0]
    assert found["State"] == "available" and found["ConnectivityType"] == "public"
    assert found["Tags"] == [{"Key": "Name", "Value": "way"}]
    address = found["NatGatewayAddresses"][0]
    assert address["PublicIp"] == a["PublicIp"] and address["PrivateIp"].startswith("10.0.1.")
    assert address["AllocationId"] == a["AllocationId"] and address["IsPrimary"]
    nic = ec2.describe_network_interfaces(
        NetworkInterfaceIds=[address["NetworkInterfaceId"]])["NetworkInterfaces"][0]
    assert nic["InterfaceType"] == "natGateway" and nic["RequesterManaged"]
    assert nic["Groups"] == [] and not nic["SourceDestCheck"]
    assert nic["Association"]["PublicIp"] == a["PublicIp"]
    # what it has is not to be taken from it
    refused("AuthFailure", ec2.disassociate_address, AssociationId=address["AssociationId"])
    refused("InvalidIPAddress.InUse", ec2.release_address, AllocationId=a["AllocationId"])
    refused("Resource.AlreadyAssociated", ec2.associate_address, AllocationId=a["AllocationId"],
            NetworkInterfaceId=interface(ec2, vpc))
    refused("DependencyViolation", ec2.delete_vpc, VpcId=vpc["vpc"])
    # the same token, the same gateway
    assert ec2.create_nat_gateway(SubnetId=vpc["subnet"], AllocationId=a["AllocationId"],
                                  ClientToken="t1")["NatGateway"] == found
    refused("IdempotentParameterMismatch", ec2.create_nat_gateway, SubnetId=vpc["subnet"],
            AllocationId="eipalloc-0", ClientToken="t1")
    table = ec2.create_route_table(VpcId=vpc["vpc"])["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0",
                     NatGatewayId=n["NatGatewayId"])
    server.restart()
    assert ec2.describe_nat_gateways()["NatGateways"] == [found]
    assert ec2.delete_nat_gateway(NatGatewayId=n["NatGatewayId"])["NatGatewayId"] == \
        n["NatGatewayId"]
    ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[n["NatGatewayId"]])
    gone = ec2.describe_nat_gateways(Filter=by("state", "deleted"))["NatGateways"][0]
    assert "DeleteTime" in gone
    route = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"][1]
    assert route["State"] == "blackhole"
    refused("InvalidNatGatewayID.NotFound", ec2.create_route, RouteTableId=table,
            DestinationCidrBlock="192.0.2.0/24", NatGatewayId=n["NatGatewayId"])
    ec2.release_address(AllocationId=a["AllocationId"])
    refused("InvalidNetworkInterfaceID.NotFound", ec2.describe_network_interfaces,
            NetworkInterfaceIds=[address["NetworkInterfaceId"]])
    server.restart()
    assert ec2.describe_nat_gateways()["NatGateways"] == [gone]
    # nothing of it holds the VPC
    ec2.delete_route_table(RouteTableId=table)
    ec2.detach_internet_gateway(InternetGatewayId=vpc["gateway"], VpcId=vpc["vpc"])
    for i in ec2.describe_network_interfaces()["NetworkInterfaces"]:
        ec2.delete_network_interface(NetworkInterfaceId=i["NetworkInterfaceId"])
    ec2.delete_subnet(SubnetId=vpc["subnet"])
    ec2.delete_vpc(VpcId=vpc["vpc"])


def test_nat_gateways_that_fail(ec2, vpc):
    a = ec2.allocate_address()["AllocationId"]
    arguments = {"SubnetId": vpc["subnet"], "AllocationId": a}
    refused("UnsupportedOperation", ec2.create_nat_gateway, SubnetId=vpc["subnet"],
            ConnectivityType="private")
    refused("UnsupportedOperation", ec2.create_nat_gateway, VpcId=vpc["vpc"],
            AvailabilityMode="regional")
    refused("UnsupportedOperation", ec2.create_nat_gateway, SecondaryPrivateIpAddressCount=1,
            **arguments)
    refused("MissingParameter", ec2.create_nat_gateway, SubnetId=vpc["subnet"])
    refused("InvalidSubnetID.NotFound", ec2.create_nat_gateway, SubnetId="subnet-0",
            AllocationId=a)
    refused("InvalidAllocationID.NotFound", ec2.create_nat_gateway, SubnetId=vpc["subnet"],
            AllocationId="eipalloc-0")
    refused("InvalidParameterValue", ec2.create_nat_gateway, PrivateIpAddress="10.9.9.9",
            **arguments)
    refused("InvalidIPAddress.InUse", ec2.create_nat_gateway, PrivateIpAddress="10.0.1.1",
            **arguments)
    refused("DryRunOperation", ec2.create_nat_gateway, DryRun=True, **arguments)
    refused("NatGatewayNotFound", ec2.delete_nat_gateway, NatGatewayId="nat-0")
    refused("NatGatewayNotFound", ec2.describe_nat_gateways, NatGatewayIds=["nat-0"])
    refused("InvalidParameterValue", ec2.describe_nat_gateways, Filter=by("colour", "red"))
    assert ec2.describe_nat_gateways()["NatGateways"] == []
    ec2.associate_address(AllocationId=a, NetworkInterfaceId=interface(ec2, vpc))
    used = ec2.create_nat_gateway(**arguments)["NatGateway"]
    assert used["State"] == "failed" and used["FailureCode"] == "Resource.AlreadyAssociated"
    ec2.disassociate_address(PublicIp=ec2.describe_addresses()["Addresses"][0]["PublicIp"])
    ec2.detach_internet_gateway(InternetGatewayId=vpc["gateway"], VpcId=vpc["vpc"])
    alone = ec2.create_nat_gateway(**arguments)["NatGateway"]
    assert alone["FailureCode"] == "Gateway.NotAttached"
    assert vpc["vpc"] in alone["FailureMessage"]
    ec2.release_address(AllocationId=a)


def test_routes_follow_their_gateway(ec2, vpc):
    table = ec2.create_route_table(VpcId=vpc["vpc"])["RouteTable"]["RouteTableId"]
    nic = interface(ec2, vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0",
                     GatewayId=vpc["gateway"])
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="192.0.2.0/24",
                     NetworkInterfaceId=nic)

    def states():
        return [r["State"] for r in
                ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]]
    assert states() == ["active", "active", "active"]
    ec2.detach_internet_gateway(InternetGatewayId=vpc["gateway"], VpcId=vpc["vpc"])
    ec2.delete_network_interface(NetworkInterfaceId=nic)
    assert states() == ["active", "blackhole", "blackhole"]
    ec2.attach_internet_gateway(InternetGatewayId=vpc["gateway"], VpcId=vpc["vpc"])
    assert states() == ["active", "active", "blackhole"]


def test_dhcp_options(server, account):
    ec2 = server.client("ec2", account=account(), region="eu-west-1")
    options = ec2.describe_dhcp_options()["DhcpOptions"]
    assert len(options) == 1
    assert {c["Key"]: [v["Value"] for v in c["Values"]]
            for c in options[0]["DhcpConfigurations"]} == {
        "domain-name": ["eu-west-1.compute.internal"],
        "domain-name-servers": ["AmazonProvidedDNS"]}
    assert ec2.describe_vpcs()["Vpcs"][0]["DhcpOptionsId"] == options[0]["DhcpOptionsId"]
    assert ec2.describe_dhcp_options(
        DhcpOptionsIds=[options[0]["DhcpOptionsId"]])["DhcpOptions"] == options
    assert ec2.describe_dhcp_options(Filters=by("value", "Amazon*"))["DhcpOptions"] == options
    assert ec2.describe_dhcp_options(Filters=by("key", "ntp-servers"))["DhcpOptions"] == []
    refused("InvalidDhcpOptionID.NotFound", ec2.describe_dhcp_options, DhcpOptionsIds=["dopt-0"])
    refused("InvalidParameterValue", ec2.describe_dhcp_options, Filters=by("vpc-id", "x"))


def test_network_acls(ec2, vpc):
    acl = ec2.describe_network_acls(Filters=by("vpc-id", vpc["vpc"]) +
                                    by("default", "true"))["NetworkAcls"]
    assert len(acl) == 1 and acl[0]["IsDefault"]
    assert [a["SubnetId"] for a in acl[0]["Associations"]] == [vpc["subnet"]]
    assert [(e["Egress"], e["RuleNumber"], e["RuleAction"]) for e in acl[0]["Entries"]] == [
        (True, 100, "allow"), (True, 32767, "deny"),
        (False, 100, "allow"), (False, 32767, "deny")]
    assert ec2.describe_network_acls(NetworkAclIds=[acl[0]["NetworkAclId"]])["NetworkAcls"] == acl
    assert ec2.describe_network_acls(
        Filters=by("association.subnet-id", vpc["subnet"]))["NetworkAcls"] == acl
    assert len(ec2.describe_network_acls()["NetworkAcls"]) == 2
    assert ec2.describe_network_acls(Filters=by("default", "false"))["NetworkAcls"] == []
    refused("InvalidNetworkAclID.NotFound", ec2.describe_network_acls, NetworkAclIds=["acl-0"])
    refused("InvalidParameterValue", ec2.describe_network_acls, Filters=by("colour", "red"))


def test_what_no_vpc_has(ec2, vpc):
    assert ec2.describe_vpc_peering_connections(
        Filters=by("requester-vpc-info.vpc-id", vpc["vpc"]))["VpcPeeringConnections"] == []
    refused("InvalidVpcPeeringConnectionID.NotFound", ec2.describe_vpc_peering_connections,
            VpcPeeringConnectionIds=["pcx-0"])
    assert ec2.describe_vpc_endpoints(Filters=by("vpc-id", vpc["vpc"]))["VpcEndpoints"] == []
    refused("InvalidVpcEndpointId.NotFound", ec2.describe_vpc_endpoints, VpcEndpointIds=["vpce-0"])
    assert ec2.describe_prefix_lists(
        Filters=by("prefix-list-name", "com.amazonaws.*"))["PrefixLists"] == []
    refused("InvalidPrefixListID.NotFound", ec2.describe_prefix_lists, PrefixListIds=["pl-0"])
    for call in (ec2.describe_vpc_peering_connections, ec2.describe_vpc_endpoints,
                 ec2.describe_prefix_lists, ec2.describe_vpc_classic_link):
        refused("InvalidParameterValue", call, Filters=by("colour", "red"))
        refused("DryRunOperation", call, DryRun=True)


def test_classic_link_is_off(ec2, vpc):
    links = ec2.describe_vpc_classic_link(VpcIds=[vpc["vpc"]])["Vpcs"]
    assert links == [{"VpcId": vpc["vpc"], "ClassicLinkEnabled": False, "Tags": []}]
    assert len(ec2.describe_vpc_classic_link(
        Filters=by("is-classic-link-enabled", "false"))["Vpcs"]) == 2
    names = ec2.describe_vpc_classic_link_dns_support(VpcIds=[vpc["vpc"]])["Vpcs"]
    assert names == [{"VpcId": vpc["vpc"], "ClassicLinkDnsSupported": False}]
    refused("InvalidVpcID.NotFound", ec2.describe_vpc_classic_link, VpcIds=["vpc-0"])
    refused("InvalidVpcID.NotFound", ec2.describe_vpc_classic_link_dns_support, VpcIds=["vpc-0"])
