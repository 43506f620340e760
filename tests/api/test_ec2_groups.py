"""Security groups and their rules, driven by boto3."""

import botocore.exceptions
import pytest


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
def vpc(ec2):
    return ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0][
        "VpcId"]


@pytest.fixture
def group(ec2, request):
    """A group of the test's own in the default VPC; returns its id."""
    return ec2.create_security_group(GroupName="g " + request.node.name,
                                     Description="of a test")["GroupId"]


def described(ec2, group):
    return ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]


def rules(ec2, group, **more):
    return ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group]}], **more)["SecurityGroupRules"]


def tcp(port, *cidrs, **more):
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port,
            "IpRanges": [{"CidrIp": c} for c in cidrs], **more}


def test_life_of_a_group(ec2, vpc):
    made = ec2.create_security_group(
        GroupName="life", Description="a b", VpcId=vpc, TagSpecifications=[
            {"ResourceType": "security-group", "Tags": [{"Key": "a", "Value": "1"}]}])
    id = made["GroupId"]
    assert id.startswith("sg-") and len(id) == 20
    assert made["SecurityGroupArn"] == f"arn:aws:ec2:us-east-1:000000000000:security-group/{id}"
    assert made["Tags"] == [{"Key": "a", "Value": "1"}]
    g = described(ec2, id)
    assert (g["GroupName"], g["Description"], g["VpcId"], g["OwnerId"]) == (
        "life", "a b", vpc, "000000000000")
    assert g["IpPermissions"] == []
    assert g["IpPermissionsEgress"] == [
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [],
         "PrefixListIds": [], "UserIdGroupPairs": []}]
    assert refused("InvalidGroup.Duplicate", ec2.create_security_group, GroupName="life",
                   Description="again")
    by_name = ec2.describe_security_groups(GroupNames=["life"])["SecurityGroups"]
    assert [x["GroupId"] for x in by_name] == [id]
    refused("DryRunOperation", ec2.delete_security_group, GroupId=id, DryRun=True)
    reply = ec2.delete_security_group(GroupId=id)
    assert reply["Return"] is True and reply["GroupId"] == id
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=[id])
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupNames=["life"])
    refused("InvalidGroup.NotFound", ec2.delete_security_group, GroupId=id)
    refused("MissingParameter", ec2.delete_security_group)


@pytest.mark.parametrize("code, more", [
    ("InvalidParameterValue", {"GroupName": "default"}),
    ("InvalidParameterValue", {"GroupName": "sg-x"}),
    ("InvalidParameterValue", {"GroupName": "a\u00e4"}),
    ("InvalidParameterValue", {"GroupName": ""}),
    ("InvalidParameterValue", {"Description": ""}),
    ("InvalidParameterValue", {"Description": "x" * 256}),
    ("InvalidVpcID.NotFound", {"VpcId": "vpc-0123456789abcdef0"}),
    ("InvalidParameterValue", {"TagSpecifications": [
        {"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "1"}]}]}),
    ("DryRunOperation", {"DryRun": True}),
])
def test_groups_that_are_refused(ec2, code, more):
    args = {"GroupName": "bad", "Description": "x", **more}
    refused(code, ec2.create_security_group, **args)
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupNames=["bad"])


def test_the_default_group_stays(ec2, vpc):
    g = ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [vpc]},
                 {"Name": "group-name", "Values": ["default"]}])["SecurityGroups"][0]
    assert g["IpPermissions"][0]["UserIdGroupPairs"] == [
        {"UserId": "000000000000", "GroupId": g["GroupId"]}]
    assert "default" in refused("CannotDelete", ec2.delete_security_group,
                                GroupId=g["GroupId"])


def test_rules_come_and_go_by_permissions(ec2, group):
    reply = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            tcp(80, "10.0.0.0/8", "192.168.1.7/16"),
            {"IpProtocol": "6", "FromPort": 443, "ToPort": 444,
             "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "the world"}],
             "Ipv6Ranges": [{"CidrIpv6": "2001:DB8:0::1/32"}]},
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}],
        TagSpecifications=[{"ResourceType": "security-group-rule",
                            "Tags": [{"Key": "k", "Value": "v"}]}])
    made = reply["SecurityGroupRules"]
    assert reply["Return"] is True and len(made) == 5
    assert all(r["SecurityGroupRuleId"].startswith("sgr-") and r["GroupId"] == group and
               r["GroupOwnerId"] == "000000000000" and r["IsEgress"] is False and
               r["Tags"] == [{"Key": "k", "Value": "v"}] for r in made)
    assert made[1]["CidrIpv4"] == "192.168.0.0/16"  # as AWS: without bits behind the prefix
    assert made[3]["CidrIpv6"] == "2001:db8::/32"
    assert made[4]["ReferencedGroupInfo"] == {"GroupId": group, "UserId": "000000000000"}
    assert (made[4]["FromPort"], made[4]["ToPort"]) == (-1, -1)
    g = described(ec2, group)
    assert g["IpPermissions"] == [
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [],
         "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "192.168.0.0/16"}],
         "Ipv6Ranges": [], "PrefixListIds": []},
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 444, "UserIdGroupPairs": [],
         "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "the world"}],
         "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}], "PrefixListIds": []},
        {"IpProtocol": "-1", "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [],
         "UserIdGroupPairs": [{"GroupId": group, "UserId": "000000000000"}]}]
    # what DescribeSecurityGroups shows can be given back to Revoke
    assert "peer: 10.0.0.0/8, TCP, from port: 80, to port: 80" in refused(
        "InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=group,
        IpPermissions=[tcp(81, "10.0.0.0/8"), tcp(80, "10.0.0.0/8")])
    refused("InvalidPermission.NotFound", ec2.revoke_security_group_ingress, GroupId=group,
            IpPermissions=[tcp(80, "10.0.0.0/8"), tcp(81, "10.0.0.0/8")])
    assert len(rules(ec2, group)) == 6  # a failed call changes nothing
    reply = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=g["IpPermissions"])
    assert len(reply["RevokedSecurityGroupRules"]) == 5
    assert reply["RevokedSecurityGroupRules"][4]["ReferencedGroupId"] == group
    assert described(ec2, group)["IpPermissions"] == []


def test_rules_that_differ_in_one_thing_are_two(ec2, group):
    def allow(first, last, cidr="10.0.0.0/8", protocol="tcp"):
        ec2.authorize_security_group_ingress(GroupId=group, IpProtocol=protocol, FromPort=first,
                                             ToPort=last, CidrIp=cidr)

    some = [(80, 80), (80, 81), (79, 80), (80, 80, "10.0.0.0/9"), (80, 80, "10.0.0.0/8", "udp")]
    for one in some:
        allow(*one)
    for one in some:
        refused("InvalidPermission.Duplicate", lambda: allow(*one))
    ec2.authorize_security_group_egress(GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80,
                                        CidrIp="10.0.0.0/8")
    assert len(described(ec2, group)["IpPermissions"]) == 4
    ec2.revoke_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=81,
                                      CidrIp="10.0.0.0/8")
    assert sorted((r["FromPort"], r["ToPort"], r["CidrIpv4"], r["IpProtocol"])
                  for r in rules(ec2, group) if not r["IsEgress"]) == sorted(
                      [(80, 80, "10.0.0.0/8", "tcp"), (79, 80, "10.0.0.0/8", "tcp"),
                       (80, 80, "10.0.0.0/9", "tcp"), (80, 80, "10.0.0.0/8", "udp")])


def test_the_flat_form(ec2, group, vpc):
    flat = {"GroupId": group, "IpProtocol": "udp", "FromPort": 53, "ToPort": 53,
            "CidrIp": "10.0.0.0/8"}
    ec2.authorize_security_group_ingress(**flat)
    refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, **flat)
    ec2.authorize_security_group_ingress(GroupId=group, SourceSecurityGroupName="default")
    p = described(ec2, group)["IpPermissions"]
    assert [x["IpProtocol"] for x in p] == ["udp", "-1"]
    ec2.revoke_security_group_ingress(**flat)
    ec2.revoke_security_group_egress(GroupId=group, IpProtocol="-1", CidrIp="0.0.0.0/0")
    assert described(ec2, group)["IpPermissionsEgress"] == []
    ec2.authorize_security_group_egress(GroupId=group, IpProtocol="tcp", FromPort=1, ToPort=9,
                                        CidrIp="10.0.0.0/8")
    name = described(ec2, group)["GroupName"]
    ec2.authorize_security_group_ingress(GroupName=name, IpProtocol="tcp", FromPort=1, ToPort=2,
                                         CidrIp="10.0.0.0/8")
    refused("InvalidParameterCombination", ec2.authorize_security_group_ingress,
            **flat, IpPermissions=[tcp(80, "10.0.0.0/8")])
    refused("MissingParameter", ec2.authorize_security_group_ingress, GroupId=group)
    refused("MissingParameter", ec2.authorize_security_group_ingress, IpProtocol="-1",
            CidrIp="10.0.0.0/8")
    refused("InvalidGroup.NotFound", ec2.authorize_security_group_ingress, GroupId=group,
            SourceSecurityGroupName="nobody")


@pytest.mark.parametrize("protocol, said", [
    ("TCP", "tcp"), ("17", "udp"), ("icmpv6", "icmpv6"), ("58", "icmpv6"), ("1", "icmp"),
    ("all", "-1"), ("50", "50"), ("0", "0")])
def test_names_and_numbers_of_protocols(ec2, group, protocol, said):
    ports = {"FromPort": 1, "ToPort": 2} if said in ("tcp", "udp") else {}
    made = ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol=protocol, CidrIp="10.0.0.0/8", **ports)[
            "SecurityGroupRules"][0]
    assert made["IpProtocol"] == said
    assert (made["FromPort"], made["ToPort"]) == ((1, 2) if ports else (-1, -1))


@pytest.mark.parametrize("code, permission", [
    ("InvalidParameterValue", {"IpProtocol": "tpc"}),
    ("InvalidParameterValue", {"IpProtocol": "256"}),
    ("MissingParameter", {}),
    ("InvalidParameterValue", {"IpProtocol": "tcp"}),
    ("InvalidParameterValue", {"IpProtocol": "tcp", "FromPort": 5}),
    ("InvalidParameterValue", {"IpProtocol": "tcp", "FromPort": 5, "ToPort": 4}),
    ("InvalidParameterValue", {"IpProtocol": "udp", "FromPort": 0, "ToPort": 65536}),
    ("InvalidParameterValue", {"IpProtocol": "icmp", "FromPort": 256, "ToPort": -1}),
    ("InvalidParameterValue", {"IpProtocol": "icmp", "FromPort": -1, "ToPort": 3}),
    ("InvalidParameterValue", {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/33"}]}),
    ("InvalidParameterValue", {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0"}]}),
    ("InvalidParameterValue", {"IpProtocol": "-1", "IpRanges": [{"Description": "none"}]}),
    ("InvalidParameterValue", {"IpProtocol": "-1", "IpRanges": [], "Ipv6Ranges": [
        {"CidrIpv6": "2001:db8::/129"}]}),
    ("InvalidParameterValue", {"IpProtocol": "-1", "IpRanges": [
        {"CidrIp": "10.0.0.0/8", "Description": "<b>"}]}),
    ("InvalidParameterValue", {"IpProtocol": "-1", "IpRanges": [
        {"CidrIp": "10.0.0.1/8"}, {"CidrIp": "10.0.0.2/8"}]}),
    ("MissingParameter", {"IpProtocol": "-1", "IpRanges": []}),
    ("UnsupportedOperation", {"IpProtocol": "-1", "PrefixListIds": [
        {"PrefixListId": "pl-0123"}]}),
    ("InvalidGroup.NotFound", {"IpProtocol": "-1", "UserIdGroupPairs": [
        {"GroupId": "sg-0123456789abcdef0"}]}),
    ("InvalidGroup.NotFound", {"IpProtocol": "-1", "UserIdGroupPairs": [
        {"GroupName": "nobody"}]}),
    ("InvalidGroup.NotFound", {"IpProtocol": "-1", "UserIdGroupPairs": [
        {"GroupName": "default", "UserId": "999999999999"}]}),
    ("MissingParameter", {"IpProtocol": "-1", "UserIdGroupPairs": [{"UserId": "1"}]}),
    ("UnsupportedOperation", {"IpProtocol": "-1", "UserIdGroupPairs": [
        {"GroupName": "default", "VpcPeeringConnectionId": "pcx-1"}]}),
])
def test_rules_that_are_refused(ec2, group, code, permission):
    permission = {"IpRanges": [{"CidrIp": "10.0.0.0/8"}], **permission}
    refused(code, ec2.authorize_security_group_ingress, GroupId=group,
            IpPermissions=[permission])
    assert described(ec2, group)["IpPermissions"] == []


def test_sixty_rules_a_direction(ec2, group):
    def allow(some, **more):
        return ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[tcp(p, "10.0.0.0/8") for p in some])

    allow(range(1, 60))
    refused("RulesPerSecurityGroupLimitExceeded", allow, some=[60, 61])
    allow([60])
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        tcp(1, Ipv6Ranges=[{"CidrIpv6": "::/0"}])])
    refused("RulesPerSecurityGroupLimitExceeded", allow, some=[61])
    got = []
    for page in ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": [group]}], MaxResults=7):
        assert len(page["SecurityGroupRules"]) <= 7
        got += page["SecurityGroupRules"]
    assert got == rules(ec2, group) and len(got) == 62


def test_rules_by_id(ec2, group):
    a, b = ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[tcp(80, "10.0.0.0/8", "11.0.0.0/8")])["SecurityGroupRules"]
    ids = [a["SecurityGroupRuleId"], b["SecurityGroupRuleId"]]

    def get(*ids):
        return ec2.describe_security_group_rules(SecurityGroupRuleIds=list(ids))[
            "SecurityGroupRules"]

    assert get(*ids) == [a, b]
    update = {"SecurityGroupRuleId": ids[0], "SecurityGroupRule": {
        "IpProtocol": "tcp", "FromPort": 81, "ToPort": 82, "CidrIpv4": "12.0.0.0/8",
        "Description": "new"}}
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[update])
    r = get(ids[0])[0]
    assert (r["FromPort"], r["ToPort"], r["CidrIpv4"], r["Description"]) == (
        81, 82, "12.0.0.0/8", "new")
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[
        {"SecurityGroupRuleId": ids[0], "SecurityGroupRule": {"Description": "words"}}])
    r = get(ids[0])[0]
    assert (r["Description"], r["FromPort"]) == ("words", 81)

    def modify(**rule):
        return ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[
            {"SecurityGroupRuleId": ids[1], "SecurityGroupRule": rule}])

    refused("InvalidPermission.Duplicate", modify, IpProtocol="tcp", FromPort=81, ToPort=82,
            CidrIpv4="12.0.0.0/8")
    refused("InvalidParameterValue", modify, IpProtocol="-1", CidrIpv6="::/0")
    refused("InvalidParameterValue", modify, IpProtocol="-1", ReferencedGroupId=group)
    refused("UnsupportedOperation", modify, IpProtocol="-1", PrefixListId="pl-1")
    refused("MissingParameter", modify, CidrIpv4="1.0.0.0/8")
    refused("InvalidSecurityGroupRuleId.NotFound", ec2.modify_security_group_rules,
            GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": "sgr-0"}])
    refused("InvalidSecurityGroupRuleId.NotFound", ec2.revoke_security_group_egress,
            GroupId=group, SecurityGroupRuleIds=[ids[1]])
    refused("InvalidParameterCombination", ec2.revoke_security_group_ingress, GroupId=group,
            SecurityGroupRuleIds=[ids[1]], IpPermissions=[tcp(80, "11.0.0.0/8")])
    reply = ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=ids)
    assert [x["SecurityGroupRuleId"] for x in reply["RevokedSecurityGroupRules"]] == ids
    refused("InvalidSecurityGroupRuleId.NotFound", ec2.describe_security_group_rules,
            SecurityGroupRuleIds=[ids[0]])
    refused("InvalidSecurityGroupRuleId.NotFound", ec2.revoke_security_group_ingress,
            GroupId=group, SecurityGroupRuleIds=[ids[0]])
    refused("InvalidParameterValue", ec2.describe_security_group_rules,
            Filters=[{"Name": "nonsense", "Values": ["x"]}])
    refused("InvalidNextToken", ec2.describe_security_group_rules, NextToken="x")


def test_rules_by_tag(ec2, group):
    def tagged(key, value, port):
        return ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[tcp(port, "10.0.0.0/8")], TagSpecifications=[
                {"ResourceType": "security-group-rule",
                 "Tags": [{"Key": key, "Value": value}]}])[
                     "SecurityGroupRules"][0]["SecurityGroupRuleId"]

    one, two = tagged("rbt", "one", 1), tagged("rbt", "two", 2)

    def ids(name, *values):
        return [r["SecurityGroupRuleId"] for r in ec2.describe_security_group_rules(
            Filters=[{"Name": name, "Values": list(values)}])["SecurityGroupRules"]]

    assert ids("tag:rbt", "one") == [one]
    assert sorted(ids("tag:rbt", "t*", "one")) == sorted([one, two])
    assert sorted(ids("tag-key", "rbt")) == sorted([one, two])
    assert ids("security-group-rule-id", two) == [two]


def test_descriptions_of_rules(ec2, group):
    made = ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[tcp(80, "10.0.0.0/8")])["SecurityGroupRules"][0]
    permission = tcp(80)
    permission["IpRanges"] = [{"CidrIp": "10.0.0.0/8", "Description": "by permission"}]
    ec2.update_security_group_rule_descriptions_ingress(GroupId=group,
                                                        IpPermissions=[permission])
    assert described(ec2, group)["IpPermissions"][0]["IpRanges"] == permission["IpRanges"]
    ec2.update_security_group_rule_descriptions_ingress(
        GroupId=group, SecurityGroupRuleDescriptions=[
            {"SecurityGroupRuleId": made["SecurityGroupRuleId"], "Description": "by id"}])
    assert described(ec2, group)["IpPermissions"][0]["IpRanges"][0]["Description"] == "by id"
    egress = rules(ec2, group)
    egress = [r["SecurityGroupRuleId"] for r in egress if r["IsEgress"]][0]
    ec2.update_security_group_rule_descriptions_egress(
        GroupId=group, SecurityGroupRuleDescriptions=[
            {"SecurityGroupRuleId": egress, "Description": "out"}])
    assert described(ec2, group)["IpPermissionsEgress"][0]["IpRanges"][0][
        "Description"] == "out"
    ec2.update_security_group_rule_descriptions_ingress(
        GroupId=group, IpPermissions=[tcp(80, "10.0.0.0/8")])
    assert "Description" not in described(ec2, group)["IpPermissions"][0]["IpRanges"][0]
    refused("InvalidPermission.NotFound", ec2.update_security_group_rule_descriptions_ingress,
            GroupId=group, IpPermissions=[tcp(81, "10.0.0.0/8")])
    refused("InvalidSecurityGroupRuleId.NotFound",
            ec2.update_security_group_rule_descriptions_egress, GroupId=group,
            SecurityGroupRuleDescriptions=[
                {"SecurityGroupRuleId": made["SecurityGroupRuleId"], "Description": "x"}])
    refused("MissingParameter", ec2.update_security_group_rule_descriptions_ingress,
            GroupId=group)


def test_groups_that_are_named_by_others_stay(ec2, group):
    other = ec2.create_security_group(GroupName="names another", Description="x")["GroupId"]
    name = described(ec2, group)["GroupName"]
    pair = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupName": name}]}]
    made = ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=pair)
    assert made["SecurityGroupRules"][0]["ReferencedGroupInfo"]["GroupId"] == group
    refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    assert ec2.describe_security_group_references(GroupId=[group])[
        "SecurityGroupReferenceSet"] == []
    refused("InvalidGroup.NotFound", ec2.describe_security_group_references, GroupId=["sg-0"])
    ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=pair)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_security_group(GroupName="names another")


def test_nothing_is_stale(ec2, vpc):
    assert ec2.describe_stale_security_groups(VpcId=vpc)["StaleSecurityGroupSet"] == []
    refused("InvalidVpcID.NotFound", ec2.describe_stale_security_groups, VpcId="vpc-0")


def test_filters(ec2, group, vpc):
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        tcp(4711, "10.9.0.0/16"), {"IpProtocol": "udp", "FromPort": 5, "ToPort": 7117,
                                  "UserIdGroupPairs": [{"GroupId": group}]},
        {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "fe80::/64"}]}])
    name = described(ec2, group)["GroupName"]

    def found(*filters):
        return [g["GroupId"] for g in ec2.describe_security_groups(Filters=[
            {"Name": n, "Values": [v]} for n, v in filters])["SecurityGroups"]]

    for one in [("ip-permission.cidr", "10.9.0.0/16"), ("ip-permission.from-port", "4711"),
                ("ip-permission.to-port", "7117"), ("ip-permission.group-id", group),
                ("ip-permission.group-name", name), ("ip-permission.ipv6-cidr", "fe80::/64"),
                ("group-name", name), ("group-id", group)]:
        assert found(one) == [group], one
        assert found(one, ("vpc-id", vpc), ("owner-id", "000000000000"),
                     ("description", "of a*"), ("egress.ip-permission.cidr", "0.0.0.0/0"),
                     ("ip-permission.protocol", "udp"),
                     ("ip-permission.user-id", "000000000000")) == [group], one
    assert found(("group-id", group), ("egress.ip-permission.from-port", "5")) == []
    refused("InvalidParameterValue", ec2.describe_security_groups,
            Filters=[{"Name": "color", "Values": ["red"]}])


def test_pages_of_groups(server):
    ec2 = server.client("ec2", account="333333333333")
    made = {ec2.create_security_group(GroupName=f"p{i}", Description="x")["GroupId"]
            for i in range(8)}
    got = []
    for page in ec2.get_paginator("describe_security_groups").paginate(
            PaginationConfig={"PageSize": 5}):
        assert len(page["SecurityGroups"]) <= 5
        got += [g["GroupId"] for g in page["SecurityGroups"]]
    assert len(got) == len(set(got)) == 9 and made < set(got)


def test_groups_outlive_the_server(own_server):
    ec2 = own_server.client("ec2")
    g = ec2.create_security_group(GroupName="stays", Description="x")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=g, IpPermissions=[
        tcp(80, "10.0.0.0/8"), {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": g}]}])
    before, all = described(ec2, g), rules(ec2, g)
    own_server.restart()
    assert described(ec2, g) == before and rules(ec2, g) == all
    assert ec2.describe_security_group_rules(
        SecurityGroupRuleIds=[all[0]["SecurityGroupRuleId"]])["SecurityGroupRules"] == all[:1]
