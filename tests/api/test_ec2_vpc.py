"""VPCs, subnets, internet gateways and route tables, as Terraform drives them."""

import botocore.exceptions
import pytest


@pytest.fixture
def ec2(server):
    return server.client("ec2")


@pytest.fixture
def vpc(ec2):
    v = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    yield v
    for t in ec2.describe_route_tables(Filters=of(v))["RouteTables"]:
        for a in t["Associations"]:
            if not a["Main"]:
                ec2.disassociate_route_table(AssociationId=a["RouteTableAssociationId"])
        if not any(a["Main"] for a in t["Associations"]):
            ec2.delete_route_table(RouteTableId=t["RouteTableId"])
    for g in ec2.describe_internet_gateways(
            Filters=[{"Name": "attachment.vpc-id", "Values": [v]}])["InternetGateways"]:
        ec2.detach_internet_gateway(InternetGatewayId=g["InternetGatewayId"], VpcId=v)
        ec2.delete_internet_gateway(InternetGatewayId=g["InternetGatewayId"])
    for s in ec2.describe_subnets(Filters=of(v))["Subnets"]:
        ec2.delete_subnet(SubnetId=s["SubnetId"])
    ec2.delete_vpc(VpcId=v)


def of(vpc):
    return [{"Name": "vpc-id", "Values": [vpc]}]


def refused(code, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    assert e.value.response["Error"]["Code"] == code
    return e.value.response["Error"]["Message"]


def main_table(ec2, vpc):
    tables = ec2.describe_route_tables(Filters=of(vpc) + [
        {"Name": "association.main", "Values": ["true"]}])["RouteTables"]
    assert len(tables) == 1
    return tables[0]


def test_an_account_begins_with_a_default_vpc(server):
    ec2 = server.client("ec2", account="111111111111", region="eu-west-1")
    v = ec2.describe_vpcs()["Vpcs"]
    assert len(v) == 1 and v[0]["IsDefault"] and v[0]["CidrBlock"] == "172.31.0.0/16"
    assert v[0]["OwnerId"] == "111111111111"
    subnets = ec2.describe_subnets()["Subnets"]
    assert {(s["AvailabilityZone"], s["AvailabilityZoneId"], s["CidrBlock"]) for s in subnets} == {
        ("eu-west-1a", "euw1-az1", "172.31.0.0/20"), ("eu-west-1b", "euw1-az2", "172.31.16.0/20"),
        ("eu-west-1c", "euw1-az3", "172.31.32.0/20")}
    assert all(s["AvailableIpAddressCount"] == 4091 and s["MapPublicIpOnLaunch"] for s in subnets)
    table = main_table(ec2, v[0]["VpcId"])
    gateway = ec2.describe_internet_gateways()["InternetGateways"][0]
    assert gateway["Attachments"] == [{"State": "available", "VpcId": v[0]["VpcId"]}]
    assert [(r["DestinationCidrBlock"], r["GatewayId"]) for r in table["Routes"]] == [
        ("172.31.0.0/16", "local"), ("0.0.0.0/0", gateway["InternetGatewayId"])]
    server.restart()
    again = server.client("ec2", account="111111111111", region="eu-west-1")
    assert again.describe_vpcs()["Vpcs"] == v
    assert again.describe_subnets()["Subnets"] == subnets


def test_life_of_a_vpc(ec2, server):
    v = ec2.create_vpc(CidrBlock="10.1.2.3/16", TagSpecifications=[
        {"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "one"}]}])["Vpc"]
    assert v["CidrBlock"] == "10.1.0.0/16" and v["Tags"] == [{"Key": "Name", "Value": "one"}]
    assert not v["IsDefault"] and v["DhcpOptionsId"].startswith("dopt-")
    ec2.get_waiter("vpc_available").wait(VpcIds=[v["VpcId"]])
    found = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["on?"]},
                                       {"Name": "cidr", "Values": ["10.1.*"]}])["Vpcs"]
    assert [x["VpcId"] for x in found] == [v["VpcId"]]
    ec2.delete_vpc(VpcId=v["VpcId"])
    assert "does not exist" in refused("InvalidVpcID.NotFound", ec2.delete_vpc, VpcId=v["VpcId"])
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[v["VpcId"]])


@pytest.mark.parametrize("code,arguments", [
    ("InvalidVpc.Range", {"CidrBlock": "10.0.0.0/8"}),
    ("InvalidVpc.Range", {"CidrBlock": "10.0.0.0/29"}),
    ("InvalidParameterValue", {"CidrBlock": "10.0.0/16"}),
    ("InvalidParameterValue", {"CidrBlock": "10.0.0.256/16"}),
    ("MissingParameter", {}),
    ("UnsupportedOperation", {"CidrBlock": "10.0.0.0/16", "AmazonProvidedIpv6CidrBlock": True}),
    ("UnsupportedOperation", {"CidrBlock": "10.0.0.0/16", "InstanceTenancy": "dedicated"}),
    ("InvalidParameterValue", {"CidrBlock": "10.0.0.0/16", "TagSpecifications": [
        {"ResourceType": "subnet", "Tags": [{"Key": "a", "Value": "b"}]}]}),
    ("DryRunOperation", {"CidrBlock": "10.0.0.0/16", "DryRun": True}),
])
def test_vpcs_that_can_not_be(ec2, code, arguments):
    before = len(ec2.describe_vpcs()["Vpcs"])
    refused(code, ec2.create_vpc, **arguments)
    assert len(ec2.describe_vpcs()["Vpcs"]) == before


def test_attributes_of_a_vpc(ec2, vpc):
    def value(name, key):
        return ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name)[key]["Value"]
    assert value("enableDnsSupport", "EnableDnsSupport") is True
    assert value("enableDnsHostnames", "EnableDnsHostnames") is False
    assert value("enableNetworkAddressUsageMetrics", "EnableNetworkAddressUsageMetrics") is False
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    assert value("enableDnsHostnames", "EnableDnsHostnames") is True
    assert value("enableDnsSupport", "EnableDnsSupport") is False
    refused("UnsupportedOperation", ec2.modify_vpc_attribute, VpcId=vpc,
            EnableNetworkAddressUsageMetrics={"Value": True})


def test_further_ranges(ec2, vpc):
    a = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.9.0.0/16")["CidrBlockAssociation"]
    assert {r["DestinationCidrBlock"] for r in main_table(ec2, vpc)["Routes"]} == {
        "10.0.0.0/16", "10.9.0.0/16"}
    refused("InvalidVpc.Range", ec2.associate_vpc_cidr_block, VpcId=vpc, CidrBlock="10.9.1.0/24")
    s = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    refused("InvalidCidrBlock.InUse", ec2.disassociate_vpc_cidr_block,
            AssociationId=a["AssociationId"])
    ec2.delete_subnet(SubnetId=s)
    ec2.disassociate_vpc_cidr_block(AssociationId=a["AssociationId"])
    assert len(ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlockAssociationSet"]) == 1
    first = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlockAssociationSet"][0]
    refused("OperationNotPermitted", ec2.disassociate_vpc_cidr_block,
            AssociationId=first["AssociationId"])
    refused("InvalidVpcCidrBlockAssociationID.NotFound", ec2.disassociate_vpc_cidr_block,
            AssociationId="vpc-cidr-assoc-0")


def test_subnets(ec2, vpc):
    made = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"] for n in range(3)]
    assert [s["AvailabilityZone"] for s in made] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert made[0]["AvailableIpAddressCount"] == 251
    ids = [s["SubnetId"] for s in made]
    ec2.get_waiter("subnet_available").wait(SubnetIds=ids)
    ec2.modify_subnet_attribute(SubnetId=ids[0], MapPublicIpOnLaunch={"Value": True})
    found = ec2.describe_subnets(Filters=of(vpc) + [
        {"Name": "map-public-ip-on-launch", "Values": ["true"]}])["Subnets"]
    assert [s["SubnetId"] for s in found] == ids[:1]
    refused("UnsupportedOperation", ec2.modify_subnet_attribute, SubnetId=ids[0],
            AssignIpv6AddressOnCreation={"Value": True})
    refused("InvalidSubnet.Conflict", ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.1.128/25")
    refused("InvalidSubnet.Range", ec2.create_subnet, VpcId=vpc, CidrBlock="10.1.0.0/24")
    refused("InvalidParameterValue", ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.8.0/24",
            AvailabilityZone="us-east-1z")
    by_id = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.8.0/24", AvailabilityZoneId="use1-az2")
    assert by_id["Subnet"]["AvailabilityZone"] == "us-east-1b"
    refused("DependencyViolation", ec2.delete_vpc, VpcId=vpc)
    refused("InvalidSubnetID.NotFound", ec2.delete_subnet, SubnetId="subnet-0")
    pages = list(ec2.get_paginator("describe_subnets").paginate(
        Filters=of(vpc), PaginationConfig={"PageSize": 5}))
    assert sorted(s["SubnetId"] for p in pages for s in p["Subnets"]) == sorted(
        ids + [by_id["Subnet"]["SubnetId"]])


def test_pages(ec2, vpc):
    made = {ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"]
            for n in range(12)}
    pages = list(ec2.get_paginator("describe_subnets").paginate(
        Filters=of(vpc), PaginationConfig={"PageSize": 5}))
    assert [len(p["Subnets"]) for p in pages] == [5, 5, 2]
    assert {s["SubnetId"] for p in pages for s in p["Subnets"]} == made
    refused("InvalidNextToken", ec2.describe_subnets, NextToken="x")
    refused("InvalidParameterCombination", ec2.describe_subnets, MaxResults=5,
            SubnetIds=[made.pop()])


def test_the_default_vpc_comes_back(server):
    ec2 = server.client("ec2", account="222222222222")
    refused("DefaultVpcAlreadyExists", ec2.create_default_vpc)
    v = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]]
    refused("DefaultSubnetAlreadyExistsInAvailabilityZone", ec2.create_default_subnet,
            AvailabilityZone="us-east-1a")
    for s in subnets:
        ec2.delete_subnet(SubnetId=s)
    one = ec2.create_default_subnet(AvailabilityZone="us-east-1b")["Subnet"]
    assert one["DefaultForAz"] and one["CidrBlock"] == "172.31.0.0/20"
    ec2.delete_subnet(SubnetId=one["SubnetId"])
    g = ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"]
    ec2.detach_internet_gateway(InternetGatewayId=g, VpcId=v)
    ec2.delete_internet_gateway(InternetGatewayId=g)
    ec2.delete_vpc(VpcId=v)
    refused("DefaultVpcDoesNotExist", ec2.create_default_subnet, AvailabilityZone="us-east-1b")
    assert ec2.create_default_vpc()["Vpc"]["IsDefault"]
    assert len(ec2.describe_subnets()["Subnets"]) == 3


def test_internet_gateways(ec2, vpc):
    g = ec2.create_internet_gateway(TagSpecifications=[{
        "ResourceType": "internet-gateway", "Tags": [{"Key": "k", "Value": "v"}]}])
    g = g["InternetGateway"]["InternetGatewayId"]
    table = main_table(ec2, vpc)["RouteTableId"]
    refused("InvalidParameterValue", ec2.create_route, RouteTableId=table,
            DestinationCidrBlock="0.0.0.0/0", GatewayId=g)
    ec2.attach_internet_gateway(InternetGatewayId=g, VpcId=vpc)
    refused("Resource.AlreadyAssociated", ec2.attach_internet_gateway, InternetGatewayId=g,
            VpcId=vpc)
    other = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    refused("InvalidParameterValue", ec2.attach_internet_gateway, InternetGatewayId=other,
            VpcId=vpc)
    refused("Gateway.NotAttached", ec2.detach_internet_gateway, InternetGatewayId=other, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=other)
    refused("InvalidInternetGatewayID.NotFound", ec2.delete_internet_gateway,
            InternetGatewayId=other)
    refused("DependencyViolation", ec2.delete_internet_gateway, InternetGatewayId=g)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=g)
    ec2.detach_internet_gateway(InternetGatewayId=g, VpcId=vpc)
    assert main_table(ec2, vpc)["Routes"][1]["State"] == "blackhole"
    ec2.delete_internet_gateway(InternetGatewayId=g)


def test_route_tables(ec2, vpc):
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=[{
        "ResourceType": "route-table", "Tags": [{"Key": "Name", "Value": "t"}]}])["RouteTable"]
    assert [r["GatewayId"] for r in table["Routes"]] == ["local"]
    table = table["RouteTableId"]
    a = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    assert a["AssociationState"] == {"State": "associated"}
    refused("Resource.AlreadyAssociated", ec2.associate_route_table, RouteTableId=table,
            SubnetId=subnet)
    refused("DependencyViolation", ec2.delete_route_table, RouteTableId=table)
    found = ec2.describe_route_tables(Filters=[
        {"Name": "association.subnet-id", "Values": [subnet]}])["RouteTables"]
    assert [t["RouteTableId"] for t in found] == [table]
    second = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    b = ec2.replace_route_table_association(AssociationId=a["AssociationId"], RouteTableId=second)
    refused("InvalidAssociationID.NotFound", ec2.disassociate_route_table,
            AssociationId=a["AssociationId"])
    ec2.disassociate_route_table(AssociationId=b["NewAssociationId"])
    ec2.delete_route_table(RouteTableId=second)
    # the main association moves, as Terraform's aws_main_route_table_association has it
    main = main_table(ec2, vpc)
    moved = ec2.replace_route_table_association(
        AssociationId=main["Associations"][0]["RouteTableAssociationId"], RouteTableId=table)
    assert main_table(ec2, vpc)["RouteTableId"] == table
    refused("InvalidParameterValue", ec2.disassociate_route_table,
            AssociationId=moved["NewAssociationId"])
    ec2.replace_route_table_association(AssociationId=moved["NewAssociationId"],
                                        RouteTableId=main["RouteTableId"])


def test_routes(ec2, vpc):
    g = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=g, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]

    def destinations():
        t = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]
        return [r["DestinationCidrBlock"] for r in t["Routes"]]
    assert ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0",
                            GatewayId=g)["Return"]
    refused("RouteAlreadyExists", ec2.create_route, RouteTableId=table,
            DestinationCidrBlock="0.0.0.0/0", GatewayId=g)
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=g)
    refused("InvalidParameterValue", ec2.replace_route, RouteTableId=table,
            DestinationCidrBlock="8.8.8.0/24", GatewayId=g)
    for code, more in [("MissingParameter", {}), ("InvalidGatewayID.NotFound",
                                                  {"GatewayId": "igw-0"}),
                       ("InvalidNatGatewayID.NotFound", {"NatGatewayId": "nat-0"}),
                       ("InvalidNetworkInterfaceID.NotFound", {"NetworkInterfaceId": "eni-0"}),
                       ("InvalidInstanceID.NotFound", {"InstanceId": "i-0"}),
                       ("UnsupportedOperation", {"TransitGatewayId": "tgw-0"}),
                       ("InvalidParameterCombination", {"GatewayId": g, "NatGatewayId": "nat-0"})]:
        refused(code, ec2.create_route, RouteTableId=table, DestinationCidrBlock="8.0.0.0/8",
                **more)
    refused("InvalidParameterValue", ec2.create_route, RouteTableId=table,
            DestinationCidrBlock="10.0.1.0/24", GatewayId=g)
    refused("UnsupportedOperation", ec2.create_route, RouteTableId=table,
            DestinationIpv6CidrBlock="::/0", GatewayId=g)
    assert destinations() == ["10.0.0.0/16", "0.0.0.0/0"]
    refused("InvalidParameterValue", ec2.delete_route, RouteTableId=table,
            DestinationCidrBlock="10.0.0.0/16")
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    refused("InvalidRoute.NotFound", ec2.delete_route, RouteTableId=table,
            DestinationCidrBlock="0.0.0.0/0")
    assert destinations() == ["10.0.0.0/16"]
    refused("InvalidRouteTableID.NotFound", ec2.delete_route_table, RouteTableId="rtb-0")


def test_zones_regions_and_the_account(ec2):
    zones = ec2.describe_availability_zones(Filters=[{"Name": "state", "Values": ["available"]}])
    assert [(z["ZoneName"], z["ZoneId"], z["State"]) for z in zones["AvailabilityZones"]] == [
        ("us-east-1a", "use1-az1", "available"), ("us-east-1b", "use1-az2", "available"),
        ("us-east-1c", "use1-az3", "available")]
    assert len(ec2.describe_availability_zones(ZoneNames=["us-east-1b"])["AvailabilityZones"]) == 1
    refused("InvalidParameterValue", ec2.describe_availability_zones, ZoneNames=["eu-west-1a"])
    refused("InvalidParameterValue", ec2.describe_availability_zones,
            Filters=[{"Name": "color", "Values": ["red"]}])
    regions = ec2.describe_regions(RegionNames=["eu-west-1"])["Regions"]
    assert regions == [{"OptInStatus": "opt-in-not-required", "RegionName": "eu-west-1",
                        "Endpoint": "ec2.eu-west-1.amazonaws.com"}]
    refused("InvalidParameterValue", ec2.describe_regions, RegionNames=["mars-1"])
    attributes = {a["AttributeName"]: a["AttributeValues"] for a in
                  ec2.describe_account_attributes()["AccountAttributes"]}
    assert attributes["supported-platforms"] == [{"AttributeValue": "VPC"}]
    default = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]
    assert attributes["default-vpc"] == [{"AttributeValue": default["VpcId"]}]


def test_a_filter_that_no_resource_has(ec2):
    assert "'nonsense'" in refused("InvalidParameterValue", ec2.describe_vpcs,
                                   Filters=[{"Name": "nonsense", "Values": ["x"]}])
    refused("InvalidParameterValue", ec2.describe_vpcs, Filters=[{"Name": "vpc-id", "Values": []}])
