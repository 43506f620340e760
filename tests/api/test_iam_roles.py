"""IAM's roles, their trust, instance profiles and service-linked roles, driven by boto3."""
import json
import urllib.parse

import pytest

from iam import AWS, allow, document, own_account, refused, trust


@pytest.fixture
def iam(server):
    return own_account(server)[0]


def role(iam, name, **more):
    more.setdefault("AssumeRolePolicyDocument", trust())
    return iam.create_role(RoleName=name, **more)["Role"]


def test_life_of_a_role(server):
    iam, account = own_account(server)
    made = role(iam, "Worker", Path="/w/", Description="works", MaxSessionDuration=7200,
                Tags=[{"Key": "a", "Value": "1"}])
    assert made["Arn"] == f"arn:aws:iam::{account}:role/w/Worker"
    assert made["RoleId"].startswith("AROA") and len(made["RoleId"]) == 21
    assert made["MaxSessionDuration"] == 7200 and made["Description"] == "works"
    assert made["AssumeRolePolicyDocument"] == json.loads(trust())
    got = iam.get_role(RoleName="Worker")["Role"]
    assert got["RoleLastUsed"] == {} and got["Tags"] == [{"Key": "a", "Value": "1"}]
    iam.get_waiter("role_exists").wait(RoleName="Worker")
    assert refused("EntityAlreadyExists", 409, role, iam=iam, name="worker") == \
        "Role with name worker already exists."
    assert role(iam, "Plain")["MaxSessionDuration"] == 3600
    listed = iam.list_roles()["Roles"]
    assert [r["RoleName"] for r in listed] == ["Plain", "Worker"]
    assert "Tags" not in listed[1] and "RoleLastUsed" not in listed[1]
    assert [r["RoleName"] for r in iam.list_roles(PathPrefix="/w/")["Roles"]] == ["Worker"]
    page = iam.list_roles(MaxItems=1)
    assert iam.list_roles(Marker=page["Marker"])["Roles"][0]["RoleName"] == "Worker"
    iam.update_role(RoleName="Worker", MaxSessionDuration=3600)
    got = iam.get_role(RoleName="Worker")["Role"]
    assert got["MaxSessionDuration"] == 3600 and got["Description"] == "works"
    iam.update_role(RoleName="Worker", Description="rests")
    assert iam.get_role(RoleName="Worker")["Role"]["Description"] == "rests"
    got = iam.update_role_description(RoleName="Worker", Description="sleeps")["Role"]
    assert got["Description"] == "sleeps"
    iam.delete_role(RoleName="Worker")
    assert refused("NoSuchEntity", 404, iam.get_role, RoleName="Worker") == \
        "The role with name Worker cannot be found."
    for op in (iam.delete_role, iam.update_role):
        refused("NoSuchEntity", 404, op, RoleName="Worker")
    refused("NoSuchEntity", 404, iam.update_role_description, RoleName="Worker", Description="")
    refused("NoSuchEntity", 404, iam.update_assume_role_policy, RoleName="Worker",
            PolicyDocument=trust())


def test_documents_travel_encoded(server):
    iam, _ = own_account(server)
    seen = []
    iam.meta.events.register_first("after-call.iam", lambda parsed, **_: seen.append(
        parsed.get("Role", {}).get("AssumeRolePolicyDocument")))
    # Registered before botocore's own decoder runs: what is on the wire.
    role(iam, "r", AssumeRolePolicyDocument=trust(Service="a~b.amazonaws.com"))
    assert isinstance(seen[0], str) and seen[0].startswith("%7B%22Version%22%3A")
    assert "a~b.amazonaws.com" in seen[0]
    assert json.loads(urllib.parse.unquote(seen[0]))["Version"] == "2012-10-17"


def test_bad_roles(iam):
    refused("MalformedPolicyDocument", 400, role, iam=iam, name="r", AssumeRolePolicyDocument="{")
    refused("MalformedPolicyDocument", 400, role, iam=iam, name="r",
            AssumeRolePolicyDocument=allow("sts:AssumeRole"))
    big = document({"Effect": "Allow", "Action": "sts:AssumeRole",
                    "Principal": {"Service": "x" * 2048}})
    assert refused("LimitExceeded", 409, role, iam=iam, name="r", AssumeRolePolicyDocument=big) \
        == "Cannot exceed quota for ACLSizePerRole: 2048"
    refused("ValidationError", 400, role, iam=iam, name="r", MaxSessionDuration=43201)
    refused("ValidationError", 400, role, iam=iam, name="x" * 65)
    refused("InvalidInput", 400, role, iam=iam, name="r",
            Path="/aws-service-role/ecs.amazonaws.com/")
    refused("NoSuchEntity", 404, role, iam=iam, name="r", PermissionsBoundary=AWS + "/None")
    assert iam.list_roles()["Roles"] == []


def test_role_tags(iam):
    role(iam, "r")
    iam.tag_role(RoleName="r", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_role(RoleName="r", TagKeys=["A"])
    assert iam.list_role_tags(RoleName="r")["Tags"] == [{"Key": "b", "Value": "2"}]
    refused("NoSuchEntity", 404, iam.tag_role, RoleName="no", Tags=[])
    refused("NoSuchEntity", 404, iam.untag_role, RoleName="no", TagKeys=[])
    refused("NoSuchEntity", 404, iam.list_role_tags, RoleName="no")


def principal(iam, name):
    statement = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    return (statement[0] if isinstance(statement, list) else statement)["Principal"]


def test_who_is_trusted_must_be_there(server):
    iam, account = own_account(server)
    arn = f"arn:aws:iam::{account}:role/deep/er/caller"
    text = refused("MalformedPolicyDocument", 400, role, iam=iam, name="r",
                   AssumeRolePolicyDocument=trust(AWS=arn))
    assert text == f'Invalid principal in policy: "AWS":"{arn}"'
    role(iam, "caller", Path="/deep/er/")
    role(iam, "r", AssumeRolePolicyDocument=trust(AWS=arn))
    assert principal(iam, "r") == {"AWS": arn}
    for bad in (f"arn:aws:iam::{account}:role/caller", f"arn:aws:iam::{account}:role/deep/er/*",
                f"arn:aws:iam::{account}:user/none", f"arn:aws:iam::{account}:group/g",
                "AROAAAAAAAAAAAAAAAAAA", "somebody", f"arn:aws:s3::{account}:role/x"):
        refused("MalformedPolicyDocument", 400, iam.update_assume_role_policy, RoleName="r",
                PolicyDocument=trust(AWS=bad))
    iam.create_group(GroupName="g")
    refused("MalformedPolicyDocument", 400, iam.update_assume_role_policy, RoleName="r",
            PolicyDocument=trust(AWS=f"arn:aws:iam::{account}:group/g"))
    # others' accounts need not be known; their users and roles must be
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=trust(AWS="123456789012"))
    assert principal(iam, "r") == {"AWS": "arn:aws:iam::123456789012:root"}
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=trust(
        AWS=["*", arn, f"arn:aws:sts::{account}:assumed-role/caller/session"]))
    assert principal(iam, "r")["AWS"][1] == arn
    other, theirs = own_account(server)
    other.create_user(UserName="u")
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=trust(
        AWS=f"arn:aws:iam::{theirs}:user/u"))


def test_trust_is_in_who_was_there(server):
    iam, account = own_account(server)
    arn = f"arn:aws:iam::{account}:role/caller"
    first = role(iam, "caller")
    role(iam, "r", AssumeRolePolicyDocument=document(
        {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole",
         "Condition": {"ArnEquals": {"aws:PrincipalArn": arn}}}))
    iam.delete_role(RoleName="caller")
    assert principal(iam, "r") == {"AWS": first["RoleId"]}
    role(iam, "caller")
    assert principal(iam, "r") == {"AWS": first["RoleId"]}
    # only principals are bound: conditions stay as written
    statement = iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert statement["Condition"] == {"ArnEquals": {"aws:PrincipalArn": arn}}
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=trust(AWS=arn))
    assert principal(iam, "r") == {"AWS": arn}
    # a user that gets another name is still the one who is trusted
    iam.create_user(UserName="before")
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=trust(
        AWS=f"arn:aws:iam::{account}:user/before"))
    iam.update_user(UserName="before", NewUserName="after")
    assert principal(iam, "r") == {"AWS": f"arn:aws:iam::{account}:user/after"}


def test_life_of_a_profile(server):
    iam, account = own_account(server)
    profile = iam.create_instance_profile(InstanceProfileName="P", Path="/p/",
                                          Tags=[{"Key": "a", "Value": "1"}])["InstanceProfile"]
    assert profile["Arn"] == f"arn:aws:iam::{account}:instance-profile/p/P"
    assert profile["InstanceProfileId"].startswith("AIPA") and profile["Roles"] == []
    assert refused("EntityAlreadyExists", 409, iam.create_instance_profile,
                   InstanceProfileName="p") == "Instance Profile p already exists."
    iam.get_waiter("instance_profile_exists").wait(InstanceProfileName="P")
    role(iam, "r")
    role(iam, "s")
    iam.add_role_to_instance_profile(InstanceProfileName="P", RoleName="r")
    assert refused("LimitExceeded", 409, iam.add_role_to_instance_profile,
                   InstanceProfileName="P", RoleName="s") == \
        "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
    got = iam.get_instance_profile(InstanceProfileName="P")["InstanceProfile"]
    assert [r["RoleName"] for r in got["Roles"]] == ["r"]
    assert got["Roles"][0]["AssumeRolePolicyDocument"] == json.loads(trust())
    assert got["Tags"] == [{"Key": "a", "Value": "1"}]
    iam.create_instance_profile(InstanceProfileName="Q")
    iam.add_role_to_instance_profile(InstanceProfileName="Q", RoleName="r")
    both = iam.list_instance_profiles_for_role(RoleName="r")["InstanceProfiles"]
    assert [p["InstanceProfileName"] for p in both] == ["P", "Q"]
    page = iam.list_instance_profiles_for_role(RoleName="r", MaxItems=1)
    page = iam.list_instance_profiles_for_role(RoleName="r", Marker=page["Marker"])
    assert [p["InstanceProfileName"] for p in page["InstanceProfiles"]] == ["Q"]
    listed = iam.list_instance_profiles()["InstanceProfiles"]
    assert [p["InstanceProfileName"] for p in listed] == ["P", "Q"]
    assert [p["InstanceProfileName"] for p in iam.list_instance_profiles(
        PathPrefix="/p/")["InstanceProfiles"]] == ["P"]
    assert iam.list_instance_profiles(MaxItems=1)["IsTruncated"]
    assert refused("DeleteConflict", 409, iam.delete_role, RoleName="r") == \
        "Cannot delete entity, must remove roles from instance profile first."
    refused("DeleteConflict", 409, iam.delete_instance_profile, InstanceProfileName="P")
    iam.remove_role_from_instance_profile(InstanceProfileName="P", RoleName="r")
    refused("NoSuchEntity", 404, iam.remove_role_from_instance_profile,
            InstanceProfileName="P", RoleName="r")
    iam.delete_instance_profile(InstanceProfileName="P")
    assert refused("NoSuchEntity", 404, iam.get_instance_profile, InstanceProfileName="P") == \
        "Instance Profile P cannot be found."
    refused("NoSuchEntity", 404, iam.delete_instance_profile, InstanceProfileName="P")
    refused("NoSuchEntity", 404, iam.add_role_to_instance_profile, InstanceProfileName="P",
            RoleName="r")
    refused("NoSuchEntity", 404, iam.add_role_to_instance_profile, InstanceProfileName="Q",
            RoleName="none")
    refused("NoSuchEntity", 404, iam.list_instance_profiles_for_role, RoleName="none")


def test_profile_tags(iam):
    iam.create_instance_profile(InstanceProfileName="p")
    iam.tag_instance_profile(InstanceProfileName="p", Tags=[{"Key": "a", "Value": "1"},
                                                           {"Key": "b", "Value": "2"}])
    iam.untag_instance_profile(InstanceProfileName="p", TagKeys=["a"])
    assert iam.list_instance_profile_tags(InstanceProfileName="p")["Tags"] == [
        {"Key": "b", "Value": "2"}]
    refused("NoSuchEntity", 404, iam.tag_instance_profile, InstanceProfileName="no", Tags=[])
    refused("NoSuchEntity", 404, iam.untag_instance_profile, InstanceProfileName="no", TagKeys=[])
    refused("NoSuchEntity", 404, iam.list_instance_profile_tags, InstanceProfileName="no")


LINKED = [("ecs.amazonaws.com", "AWSServiceRoleForECS"),
          ("replication.ecr.amazonaws.com", "AWSServiceRoleForECRReplication"),
          ("pullthroughcache.ecr.amazonaws.com", "AWSServiceRoleForECRPullThroughCache"),
          ("ecs.application-autoscaling.amazonaws.com",
           "AWSServiceRoleForApplicationAutoScaling_ECSService"),
          ("eks.amazonaws.com", "AWSServiceRoleForAmazonEKS")]


@pytest.mark.parametrize("service, name", LINKED)
def test_service_linked_roles(server, service, name):
    iam, account = own_account(server)
    made = iam.create_service_linked_role(AWSServiceName=service, Description="d")["Role"]
    assert made["RoleName"] == name and made["Description"] == "d"
    assert made["Arn"] == f"arn:aws:iam::{account}:role/aws-service-role/{service}/{name}"
    assert made["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": service}
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert attached[0]["PolicyArn"].startswith(AWS + "/aws-service-role/")
    assert "has been taken in this account" in refused(
        "InvalidInput", 400, iam.create_service_linked_role, AWSServiceName=service)


def test_a_service_linked_role_is_its_services(server):
    iam, _ = own_account(server)
    name = "AWSServiceRoleForECS"
    iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    iam.create_instance_profile(InstanceProfileName="p")
    protected = [
        (iam.delete_role, {}),
        (iam.put_role_policy, {"PolicyName": "p", "PolicyDocument": allow()}),
        (iam.attach_role_policy, {"PolicyArn": AWS + "/ReadOnlyAccess"}),
        (iam.detach_role_policy, {"PolicyArn": AWS + "/ReadOnlyAccess"}),
        (iam.update_assume_role_policy, {"PolicyDocument": trust()}),
        (iam.put_role_permissions_boundary, {"PermissionsBoundary": AWS + "/ReadOnlyAccess"}),
        (iam.update_role, {"MaxSessionDuration": 7200}),
        (iam.add_role_to_instance_profile, {"InstanceProfileName": "p"})]
    for operation, more in protected:
        assert f"'{name}'" in refused("UnmodifiableEntity", 400, operation, RoleName=name, **more)
    iam.update_role_description(RoleName=name, Description="may be said")
    task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
    assert task.startswith(f"task/aws-service-role/ecs.amazonaws.com/{name}/")
    assert iam.get_service_linked_role_deletion_status(
        DeletionTaskId=task)["Status"] == "SUCCEEDED"
    refused("NoSuchEntity", 404, iam.get_role, RoleName=name)
    refused("NoSuchEntity", 404, iam.delete_service_linked_role, RoleName=name)
    refused("NoSuchEntity", 404, iam.get_service_linked_role_deletion_status,
            DeletionTaskId=task[:-1] + "x")
    iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    role(iam, "r")
    refused("InvalidInput", 400, iam.delete_service_linked_role, RoleName="r")
    refused("InvalidInput", 400, iam.create_service_linked_role,
            AWSServiceName="nothing.amazonaws.com")
    refused("InvalidInput", 400, iam.create_service_linked_role,
            AWSServiceName="replication.ecr.amazonaws.com", CustomSuffix="x")
    made = iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com",
                                          CustomSuffix="x")["Role"]
    assert made["RoleName"] == "AWSServiceRoleForAutoScaling_x"
