"""IAM's policies: managed, inline, attached, boundaries, driven by boto3."""
import json

import pytest

from iam import AWS, allow, own_account, refused, sized, trust


@pytest.fixture
def iam(server):
    return own_account(server)[0]


def policy(iam, name, text=None, **more):
    return iam.create_policy(PolicyName=name, PolicyDocument=text or allow(), **more)["Policy"]


def test_life_of_a_policy(server):
    iam, account = own_account(server)
    made = policy(iam, "P", Path="/p/", Description="d", Tags=[{"Key": "a", "Value": "1"}])
    arn = f"arn:aws:iam::{account}:policy/p/P"
    assert made["Arn"] == arn and made["PolicyId"].startswith("ANPA")
    assert made["DefaultVersionId"] == "v1" and made["AttachmentCount"] == 0
    assert made["IsAttachable"] and made["PermissionsBoundaryUsageCount"] == 0
    iam.get_waiter("policy_exists").wait(PolicyArn=arn)
    got = iam.get_policy(PolicyArn=arn)["Policy"]
    assert got["Description"] == "d" and got["Tags"] == [{"Key": "a", "Value": "1"}]
    assert refused("EntityAlreadyExists", 409, policy, iam=iam, name="p") == \
        "A policy called p already exists. Duplicate names are not allowed."
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"] == \
        json.loads(allow())
    iam.delete_policy(PolicyArn=arn)
    assert refused("NoSuchEntity", 404, iam.get_policy, PolicyArn=arn) == \
        f"Policy {arn} was not found."
    refused("NoSuchEntity", 404, iam.delete_policy, PolicyArn=arn)
    refused("NoSuchEntity", 404, iam.get_policy, PolicyArn=arn.replace("/p/P", "/P"))
    refused("ValidationError", 400, iam.get_policy, PolicyArn="this is not an arn at all")


def test_bad_policies(iam):
    for text in ("{", "{}", allow(Principal="*"), '{"Version": "2012-10-17"}',
                 allow("notanaction"), allow() + "x"):
        refused("MalformedPolicyDocument", 400, policy, iam=iam, name="p", text=text)
    policy(iam, "most", sized(6144))
    assert refused("LimitExceeded", 409, policy, iam=iam, name="p", text=sized(6145)) == \
        "Cannot exceed quota for PolicySize: 6144"
    # blanks do not count
    policy(iam, "blank", sized(6144).replace(" ", " " * 200))
    refused("ValidationError", 400, policy, iam=iam, name="p", Path="/x")
    refused("ValidationError", 400, policy, iam=iam, name="p q")


def test_versions(iam):
    arn = policy(iam, "P")["Arn"]
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("s3:PutObject"))
    assert made["PolicyVersion"]["VersionId"] == "v2"
    assert made["PolicyVersion"]["IsDefaultVersion"] is False
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("s3:ListBucket"),
                                     SetAsDefault=True)
    assert made["PolicyVersion"]["IsDefaultVersion"] is True
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v3"
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow())
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow())
    assert refused("LimitExceeded", 409, iam.create_policy_version, PolicyArn=arn,
                   PolicyDocument=allow()).startswith("A managed policy can have up to 5 versions.")
    assert refused("DeleteConflict", 409, iam.delete_policy_version, PolicyArn=arn,
                   VersionId="v3") == "Cannot delete the default version of a policy."
    iam.delete_policy_version(PolicyArn=arn, VersionId="v5")
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow())
    assert made["PolicyVersion"]["VersionId"] == "v6"  # numbers do not come back
    got = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [v["VersionId"] for v in got] == ["v6", "v4", "v3", "v2", "v1"]
    assert [v["IsDefaultVersion"] for v in got] == [False, False, True, False, False]
    assert "Document" not in got[0]
    page = iam.list_policy_versions(PolicyArn=arn, MaxItems=4)
    assert page["IsTruncated"]
    page = iam.list_policy_versions(PolicyArn=arn, Marker=page["Marker"])
    assert [v["VersionId"] for v in page["Versions"]] == ["v1"]
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v1"
    got = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]
    assert got["Document"] == json.loads(allow("s3:PutObject"))
    assert "more than one version" in refused("DeleteConflict", 409, iam.delete_policy,
                                              PolicyArn=arn)
    for v in ("v2", "v3", "v4", "v6"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=v)
    for op in (iam.get_policy_version, iam.set_default_policy_version, iam.delete_policy_version):
        refused("NoSuchEntity", 404, op, PolicyArn=arn, VersionId="v2")
    refused("ValidationError", 400, iam.get_policy_version, PolicyArn=arn, VersionId="2")
    refused("MalformedPolicyDocument", 400, iam.create_policy_version, PolicyArn=arn,
            PolicyDocument="{}")
    refused("LimitExceeded", 409, iam.create_policy_version, PolicyArn=arn,
            PolicyDocument=sized(6145))
    iam.delete_policy(PolicyArn=arn)
    refused("NoSuchEntity", 404, iam.list_policy_versions, PolicyArn=arn)
    refused("NoSuchEntity", 404, iam.create_policy_version, PolicyArn=arn, PolicyDocument=allow())


def names(page):
    return [p["PolicyName"] for p in page["Policies"]]


def test_listing(iam):
    for i in range(3):
        policy(iam, f"own{i}", Path="/own/" if i else "/")
    assert names(iam.list_policies(Scope="Local")) == ["own0", "own1", "own2"]
    assert names(iam.list_policies(Scope="Local", PathPrefix="/own/")) == ["own1", "own2"]
    aws = names(iam.list_policies(Scope="AWS", MaxItems=1000))
    assert "AdministratorAccess" in aws and "own0" not in aws
    every = names(iam.list_policies(MaxItems=1000))
    assert every == aws + ["own0", "own1", "own2"]
    assert names(iam.list_policies(PathPrefix="/service-role/", Scope="AWS")) == [
        n for n in names(iam.list_policies(PathPrefix="/service-role/"))]
    seen, marker = [], {}
    while True:
        page = iam.list_policies(MaxItems=7, **marker)
        seen += names(page)
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert seen == every
    iam.create_user(UserName="u", PermissionsBoundary=AWS + "/PowerUserAccess")
    iam.attach_user_policy(UserName="u", PolicyArn=AWS + "/ReadOnlyAccess")
    assert names(iam.list_policies(OnlyAttached=True)) == ["PowerUserAccess", "ReadOnlyAccess"]
    assert names(iam.list_policies(PolicyUsageFilter="PermissionsPolicy")) == ["ReadOnlyAccess"]
    assert names(iam.list_policies(PolicyUsageFilter="PermissionsBoundary")) == ["PowerUserAccess"]
    refused("ValidationError", 400, iam.list_policies, Marker="x")


def test_policy_tags(iam):
    arn = policy(iam, "P")["Arn"]
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert iam.list_policy_tags(PolicyArn=AWS + "/AdministratorAccess")["Tags"] == []
    refused("NoSuchEntity", 404, iam.tag_policy, PolicyArn=arn + "x", Tags=[])
    refused("NoSuchEntity", 404, iam.untag_policy, PolicyArn=arn + "x", TagKeys=[])
    refused("NoSuchEntity", 404, iam.list_policy_tags, PolicyArn=arn + "x")


EXPECTED = """service-role/AmazonECSTaskExecutionRolePolicy
service-role/AmazonEC2ContainerServiceforEC2Role
service-role/AmazonEC2ContainerServiceRole service-role/AmazonEC2ContainerServiceAutoscaleRole
service-role/AmazonEC2ContainerServiceEventsRole AmazonEC2ContainerRegistryPullOnly
AmazonEC2ContainerRegistryReadOnly AmazonEC2ContainerRegistryPowerUser
AmazonEC2ContainerRegistryFullAccess service-role/AmazonECSInfrastructureRolePolicyForVolumes
AmazonECS_FullAccess AmazonEKSWorkerNodePolicy AmazonEKSFargatePodExecutionRolePolicy
AdministratorAccess""".split()


def test_aws_own_policies(iam):
    for name in EXPECTED:
        arn = f"{AWS}/{name}"
        got = iam.get_policy(PolicyArn=arn)["Policy"]
        assert got["Arn"] == arn and len(got["PolicyId"]) == 21
        version = iam.get_policy_version(PolicyArn=arn, VersionId=got["DefaultVersionId"])
        assert version["PolicyVersion"]["Document"]["Statement"]
    arn = AWS + "/service-role/AmazonEC2ContainerServiceforEC2Role"
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v10"
    execution = AWS + "/service-role/AmazonECSTaskExecutionRolePolicy"
    statement = iam.get_policy_version(
        PolicyArn=execution, VersionId="v1")["PolicyVersion"]["Document"]["Statement"][0]
    assert statement["Resource"] == "*" and set(statement["Action"]) == {
        "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability",
        "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "logs:CreateLogStream",
        "logs:PutLogEvents"}
    for op, more in ((iam.delete_policy, {}), (iam.create_policy_version,
                                               {"PolicyDocument": allow()}),
                     (iam.delete_policy_version, {"VersionId": "v1"}),
                     (iam.set_default_policy_version, {"VersionId": "v1"}),
                     (iam.tag_policy, {"Tags": [{"Key": "a", "Value": ""}]})):
        refused("InvalidInput", 400, op, PolicyArn=execution, **more)
    refused("NoSuchEntity", 404, iam.get_policy,
            PolicyArn=AWS + "/AmazonECSTaskExecutionRolePolicy")


def test_inline_policies(iam):
    iam.create_user(UserName="u")
    iam.create_group(GroupName="g")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust())
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=allow())
    iam.put_group_policy(GroupName="g", PolicyName="p", PolicyDocument=allow())
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=allow())
    want = json.loads(allow())
    got = iam.get_user_policy(UserName="u", PolicyName="p")
    assert got["PolicyDocument"] == want and got["UserName"] == "u"
    assert iam.get_group_policy(GroupName="g", PolicyName="p")["PolicyDocument"] == want
    assert iam.get_role_policy(RoleName="r", PolicyName="p")["PolicyDocument"] == want
    iam.put_role_policy(RoleName="r", PolicyName="q", PolicyDocument=allow())
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=allow("s3:PutObject"))
    assert iam.get_role_policy(RoleName="r", PolicyName="p")["PolicyDocument"] != want
    assert iam.list_user_policies(UserName="u")["PolicyNames"] == ["p"]
    assert iam.list_group_policies(GroupName="g")["PolicyNames"] == ["p"]
    assert iam.list_role_policies(RoleName="r")["PolicyNames"] == ["p", "q"]
    page = iam.list_role_policies(RoleName="r", MaxItems=1)
    assert page["IsTruncated"]
    assert iam.list_role_policies(RoleName="r", Marker=page["Marker"])["PolicyNames"] == ["q"]
    refused("DeleteConflict", 409, iam.delete_group, GroupName="g")
    refused("DeleteConflict", 409, iam.delete_role, RoleName="r")
    iam.delete_user_policy(UserName="u", PolicyName="p")
    iam.delete_group_policy(GroupName="g", PolicyName="p")
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    assert iam.list_role_policies(RoleName="r")["PolicyNames"] == ["q"]
    for op, more, kind in ((iam.get_user_policy, {"UserName": "u"}, "user"),
                           (iam.delete_user_policy, {"UserName": "u"}, "user"),
                           (iam.get_group_policy, {"GroupName": "g"}, "group"),
                           (iam.delete_group_policy, {"GroupName": "g"}, "group"),
                           (iam.get_role_policy, {"RoleName": "r"}, "role"),
                           (iam.delete_role_policy, {"RoleName": "r"}, "role")):
        assert refused("NoSuchEntity", 404, op, PolicyName="p", **more) == \
            f"The {kind} policy with name p cannot be found."
        who = {next(iter(more)): "none"}
        assert refused("NoSuchEntity", 404, op, PolicyName="p", **who) == \
            f"The {kind} with name none cannot be found."
    refused("NoSuchEntity", 404, iam.list_role_policies, RoleName="none")
    refused("NoSuchEntity", 404, iam.put_role_policy, RoleName="none", PolicyName="p",
            PolicyDocument=allow())
    refused("MalformedPolicyDocument", 400, iam.put_role_policy, RoleName="r", PolicyName="p",
            PolicyDocument="nothing")


def test_inline_quotas(iam):
    iam.create_user(UserName="u")
    iam.create_group(GroupName="g")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust())
    cases = ((iam.put_user_policy, {"UserName": "u"}, 2048, "user u"),
             (iam.put_group_policy, {"GroupName": "g"}, 5120, "group g"),
             (iam.put_role_policy, {"RoleName": "r"}, 10240, "role r"))
    for put, who, limit, what in cases:
        put(PolicyName="half", PolicyDocument=sized(limit // 2), **who)
        put(PolicyName="rest", PolicyDocument=sized(limit - limit // 2), **who)
        put(PolicyName="rest", PolicyDocument=sized(limit - limit // 2), **who)  # replaced
        assert refused("LimitExceeded", 409, put, PolicyName="rest",
                       PolicyDocument=sized(limit - limit // 2 + 1), **who) == \
            f"Maximum policy size of {limit} bytes exceeded for {what}"


def test_attached_policies(iam):
    iam.create_user(UserName="u")
    iam.create_group(GroupName="g")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust())
    arn = policy(iam, "P", Path="/x/")["Arn"]
    iam.attach_user_policy(UserName="u", PolicyArn=arn)
    iam.attach_group_policy(GroupName="g", PolicyArn=arn)
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)  # again: nothing new
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 3
    want = [{"PolicyName": "P", "PolicyArn": arn}]
    assert iam.list_attached_user_policies(UserName="u")["AttachedPolicies"] == want
    assert iam.list_attached_group_policies(GroupName="g")["AttachedPolicies"] == want
    assert iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"] == want
    assert refused("DeleteConflict", 409, iam.delete_policy, PolicyArn=arn) == \
        "Cannot delete a policy attached to entities."
    got = iam.list_entities_for_policy(PolicyArn=arn)
    assert [u["UserName"] for u in got["PolicyUsers"]] == ["u"]
    assert [g["GroupName"] for g in got["PolicyGroups"]] == ["g"]
    assert [r["RoleName"] for r in got["PolicyRoles"]] == ["r"]
    got = iam.list_entities_for_policy(PolicyArn=arn, EntityFilter="Group")
    assert got["PolicyUsers"] == [] and len(got["PolicyGroups"]) == 1
    page = iam.list_entities_for_policy(PolicyArn=arn, MaxItems=2)
    assert page["IsTruncated"]
    rest = iam.list_entities_for_policy(PolicyArn=arn, Marker=page["Marker"])
    assert sum(len(rest[k]) for k in ("PolicyUsers", "PolicyGroups", "PolicyRoles")) == 1
    iam.attach_role_policy(RoleName="r", PolicyArn=AWS + "/ReadOnlyAccess")
    assert iam.list_attached_role_policies(RoleName="r", PathPrefix="/x/")[
        "AttachedPolicies"] == want
    assert iam.list_attached_role_policies(RoleName="r", MaxItems=1)["IsTruncated"]
    iam.detach_user_policy(UserName="u", PolicyArn=arn)
    iam.detach_group_policy(GroupName="g", PolicyArn=arn)
    iam.detach_role_policy(RoleName="r", PolicyArn=arn)
    refused("NoSuchEntity", 404, iam.detach_role_policy, RoleName="r", PolicyArn=arn)
    refused("NoSuchEntity", 404, iam.detach_user_policy, UserName="u", PolicyArn=arn)
    refused("NoSuchEntity", 404, iam.detach_group_policy, GroupName="g", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    assert refused("NoSuchEntity", 404, iam.attach_role_policy, RoleName="r", PolicyArn=arn) == \
        f"Policy {arn} does not exist or is not attachable."
    refused("NoSuchEntity", 404, iam.list_entities_for_policy, PolicyArn=arn)
    refused("NoSuchEntity", 404, iam.attach_user_policy, UserName="none",
            PolicyArn=AWS + "/ReadOnlyAccess")
    refused("NoSuchEntity", 404, iam.attach_group_policy, GroupName="none",
            PolicyArn=AWS + "/ReadOnlyAccess")
    refused("PolicyNotAttachable", 400, iam.attach_role_policy, RoleName="r",
            PolicyArn=AWS + "/aws-service-role/AmazonECSServiceRolePolicy")


def test_ten_policies_can_be_attached(iam):
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust())
    for i in range(10):
        iam.attach_role_policy(RoleName="r", PolicyArn=policy(iam, f"p{i}")["Arn"])
    assert refused("LimitExceeded", 409, iam.attach_role_policy, RoleName="r",
                   PolicyArn=AWS + "/ReadOnlyAccess") == \
        "Cannot exceed quota for PoliciesPerRole: 10"


def test_accounts_do_not_see_each_other(server):
    iam, account = own_account(server)
    other, _ = own_account(server)
    arn = policy(iam, "P")["Arn"]
    iam.create_user(UserName="u")
    iam.attach_user_policy(UserName="u", PolicyArn=AWS + "/ReadOnlyAccess")
    refused("NoSuchEntity", 404, other.get_user, UserName="u")
    refused("NoSuchEntity", 404, other.get_policy, PolicyArn=arn)
    other.create_user(UserName="u")
    refused("NoSuchEntity", 404, other.attach_user_policy, UserName="u", PolicyArn=arn)
    got = other.get_policy(PolicyArn=AWS + "/ReadOnlyAccess")["Policy"]
    assert got["AttachmentCount"] == 0
    assert other.list_entities_for_policy(PolicyArn=AWS + "/ReadOnlyAccess")["PolicyUsers"] == []


def test_boundaries(iam):
    arn = policy(iam, "B")["Arn"]
    iam.create_user(UserName="u", PermissionsBoundary=arn)
    got = iam.get_user(UserName="u")["User"]["PermissionsBoundary"]
    assert got == {"PermissionsBoundaryType": "PermissionsBoundaryPolicy",
                   "PermissionsBoundaryArn": arn} or \
        got["PermissionsBoundaryArn"] == arn
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(), PermissionsBoundary=arn)
    assert iam.get_role(RoleName="r")["Role"]["PermissionsBoundary"][
        "PermissionsBoundaryArn"] == arn
    got = iam.get_policy(PolicyArn=arn)["Policy"]
    assert got["PermissionsBoundaryUsageCount"] == 2 and got["AttachmentCount"] == 0
    users = iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsBoundary")
    assert len(users["PolicyUsers"]) == 1 and len(users["PolicyRoles"]) == 1
    assert iam.list_entities_for_policy(
        PolicyArn=arn, PolicyUsageFilter="PermissionsPolicy")["PolicyUsers"] == []
    refused("DeleteConflict", 409, iam.delete_policy, PolicyArn=arn)
    iam.put_user_permissions_boundary(UserName="u", PermissionsBoundary=AWS + "/PowerUserAccess")
    iam.put_role_permissions_boundary(RoleName="r", PermissionsBoundary=AWS + "/PowerUserAccess")
    iam.delete_policy(PolicyArn=arn)
    iam.delete_user_permissions_boundary(UserName="u")
    iam.delete_role_permissions_boundary(RoleName="r")
    assert "PermissionsBoundary" not in iam.get_user(UserName="u")["User"]
    refused("NoSuchEntity", 404, iam.delete_user_permissions_boundary, UserName="u")
    refused("NoSuchEntity", 404, iam.delete_role_permissions_boundary, RoleName="r")
    refused("NoSuchEntity", 404, iam.put_user_permissions_boundary, UserName="u",
            PermissionsBoundary=arn)
    refused("NoSuchEntity", 404, iam.put_role_permissions_boundary, RoleName="none",
            PermissionsBoundary=AWS + "/PowerUserAccess")
    iam.delete_user(UserName="u")
    iam.delete_role(RoleName="r")
