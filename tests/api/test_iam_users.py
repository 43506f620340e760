"""IAM's users and groups, driven by boto3."""
import pytest

from iam import AWS, allow, own_account, refused


@pytest.fixture
def iam(server):
    return own_account(server)[0]


def test_life_of_a_user(server):
    iam, account = own_account(server)
    made = iam.create_user(UserName="Alice", Path="/team/a/", Tags=[{"Key": "a", "Value": "1"}])
    user = made["User"]
    assert user["Arn"] == f"arn:aws:iam::{account}:user/team/a/Alice"
    assert user["UserId"].startswith("AIDA") and len(user["UserId"]) == 21
    assert user["Path"] == "/team/a/" and user["Tags"] == [{"Key": "a", "Value": "1"}]
    got = iam.get_user(UserName="Alice")["User"]
    assert got == user
    # Names differ by more than case; the name keeps the case it was given.
    assert "User with name alice already exists." == refused(
        "EntityAlreadyExists", 409, iam.create_user, UserName="alice")
    assert iam.get_user(UserName="ALICE")["User"]["UserName"] == "Alice"
    iam.get_waiter("user_exists").wait(UserName="Alice")
    iam.update_user(UserName="Alice", NewUserName="Bob")
    assert refused("NoSuchEntity", 404, iam.get_user, UserName="Alice") == \
        "The user with name Alice cannot be found."
    got = iam.get_user(UserName="Bob")["User"]
    assert got["UserId"] == user["UserId"] and got["CreateDate"] == user["CreateDate"]
    assert got["Arn"] == f"arn:aws:iam::{account}:user/team/a/Bob"
    iam.update_user(UserName="Bob", NewPath="/")
    assert iam.get_user(UserName="Bob")["User"]["Arn"] == f"arn:aws:iam::{account}:user/Bob"
    iam.create_user(UserName="Carol")
    refused("EntityAlreadyExists", 409, iam.update_user, UserName="Carol", NewUserName="BOB")
    iam.update_user(UserName="Carol", NewUserName="CAROL")
    assert iam.get_user(UserName="carol")["User"]["UserName"] == "CAROL"
    iam.delete_user(UserName="Bob")
    refused("NoSuchEntity", 404, iam.delete_user, UserName="Bob")
    refused("NoSuchEntity", 404, iam.update_user, UserName="Bob")


def test_a_new_user_of_an_old_name_is_another(iam):
    first = iam.create_user(UserName="u")["User"]
    iam.delete_user(UserName="u")
    assert iam.create_user(UserName="u")["User"]["UserId"] != first["UserId"]


def test_bad_names_and_paths(iam):
    refused("ValidationError", 400, iam.create_user, UserName="a b")
    refused("ValidationError", 400, iam.create_user, UserName="x" * 65)
    refused("ValidationError", 400, iam.create_user, UserName="a", Path="/x")
    refused("ValidationError", 400, iam.create_user, UserName="a", Path="x/")
    refused("ValidationError", 400, iam.create_user, UserName="a", Path="/" + "x" * 511 + "/")
    refused("InvalidInput", 400, iam.create_user, UserName="a",
            Tags=[{"Key": "k", "Value": ""}, {"Key": "K", "Value": ""}])
    refused("NoSuchEntity", 404, iam.create_user, UserName="a",
            PermissionsBoundary=AWS + "/NoSuchPolicy")
    refused("NoSuchEntity", 404, iam.get_user, UserName="a")


def test_get_user_of_root(server):
    iam, account = own_account(server)
    user = iam.get_user()["User"]
    assert user["Arn"] == f"arn:aws:iam::{account}:root" and user["UserId"] == account


def test_users_are_listed_by_name(iam):
    for name in ["b", "A", "c", "D", "e"]:
        iam.create_user(UserName=name, Path="/x/" if name in "bc" else "/")

    def names(page):
        return [u["UserName"] for u in page["Users"]]

    assert names(iam.list_users()) == ["A", "b", "c", "D", "e"]
    assert names(iam.list_users(PathPrefix="/x/")) == ["b", "c"]
    page = iam.list_users(MaxItems=2)
    assert names(page) == ["A", "b"] and page["IsTruncated"]
    page = iam.list_users(MaxItems=2, Marker=page["Marker"])
    assert names(page) == ["c", "D"] and page["IsTruncated"]
    page = iam.list_users(MaxItems=2, Marker=page["Marker"])
    assert names(page) == ["e"] and not page["IsTruncated"] and "Marker" not in page
    assert not iam.list_users(MaxItems=2, PathPrefix="/x/")["IsTruncated"]
    refused("ValidationError", 400, iam.list_users, Marker="nonsense")
    refused("ValidationError", 400, iam.list_users, MaxItems=1001)


def test_user_tags(iam):
    iam.create_user(UserName="t")
    iam.tag_user(UserName="t", Tags=[{"Key": k, "Value": k} for k in "abc"])
    iam.tag_user(UserName="t", Tags=[{"Key": "A", "Value": "new"}])
    iam.untag_user(UserName="t", TagKeys=["B", "none"])
    want = [{"Key": "A", "Value": "new"}, {"Key": "c", "Value": "c"}]
    assert iam.list_user_tags(UserName="t")["Tags"] == want
    assert iam.get_user(UserName="t")["User"]["Tags"] == want
    assert "Tags" not in iam.list_users()["Users"][0]
    page = iam.list_user_tags(UserName="t", MaxItems=1)
    assert page["IsTruncated"] and page["Tags"] == want[:1]
    assert iam.list_user_tags(UserName="t", Marker=page["Marker"])["Tags"] == want[1:]
    refused("LimitExceeded", 409, iam.tag_user, UserName="t",
            Tags=[{"Key": f"k{i}", "Value": ""} for i in range(49)])
    refused("InvalidInput", 400, iam.tag_user, UserName="t", Tags=[{"Key": "AWS:x", "Value": ""}])
    for op in (iam.tag_user, ):
        refused("NoSuchEntity", 404, op, UserName="no", Tags=[{"Key": "a", "Value": ""}])
    refused("NoSuchEntity", 404, iam.untag_user, UserName="no", TagKeys=["a"])
    refused("NoSuchEntity", 404, iam.list_user_tags, UserName="no")


def test_life_of_a_group(server):
    iam, account = own_account(server)
    group = iam.create_group(GroupName="Devs", Path="/d/")["Group"]
    assert group["Arn"] == f"arn:aws:iam::{account}:group/d/Devs"
    assert group["GroupId"].startswith("AGPA")
    assert refused("EntityAlreadyExists", 409, iam.create_group, GroupName="DEVS") == \
        "Group with name DEVS already exists."
    iam.create_group(GroupName="Ops")
    assert [g["GroupName"] for g in iam.list_groups()["Groups"]] == ["Devs", "Ops"]
    assert [g["GroupName"] for g in iam.list_groups(PathPrefix="/d")["Groups"]] == ["Devs"]
    page = iam.list_groups(MaxItems=1)
    assert page["IsTruncated"]
    assert iam.list_groups(Marker=page["Marker"])["Groups"][0]["GroupName"] == "Ops"
    refused("EntityAlreadyExists", 409, iam.update_group, GroupName="Ops", NewGroupName="devs")
    iam.update_group(GroupName="Ops", NewGroupName="People", NewPath="/p/")
    got = iam.get_group(GroupName="People")
    assert got["Group"]["Arn"] == f"arn:aws:iam::{account}:group/p/People" and got["Users"] == []
    assert refused("NoSuchEntity", 404, iam.get_group, GroupName="Ops") == \
        "The group with name Ops cannot be found."
    iam.delete_group(GroupName="People")
    refused("NoSuchEntity", 404, iam.delete_group, GroupName="People")
    refused("NoSuchEntity", 404, iam.update_group, GroupName="People")
    refused("ValidationError", 400, iam.create_group, GroupName="x" * 129)


def test_members(iam):
    for name in ["u1", "u2", "u3"]:
        iam.create_user(UserName=name)
    for i in range(11):
        iam.create_group(GroupName=f"g{i}")
    for name in ["u1", "u2", "u3"]:
        iam.add_user_to_group(GroupName="g0", UserName=name)
    iam.add_user_to_group(GroupName="g0", UserName="u1")  # again: nothing new
    assert [u["UserName"] for u in iam.get_group(GroupName="g0")["Users"]] == ["u1", "u2", "u3"]
    page = iam.get_group(GroupName="g0", MaxItems=2)
    assert page["IsTruncated"] and len(page["Users"]) == 2
    assert iam.get_group(GroupName="g0", Marker=page["Marker"])["Users"][0]["UserName"] == "u3"
    for i in range(1, 10):
        iam.add_user_to_group(GroupName=f"g{i}", UserName="u1")
    assert refused("LimitExceeded", 409, iam.add_user_to_group, GroupName="g10",
                   UserName="u1") == "Cannot exceed quota for GroupsPerUser: 10"
    assert len(iam.list_groups_for_user(UserName="u1")["Groups"]) == 10
    assert iam.list_groups_for_user(UserName="u1", MaxItems=3)["IsTruncated"]
    # a new name changes nothing about who is where
    iam.update_group(GroupName="g0", NewGroupName="zero")
    iam.update_user(UserName="u2", NewUserName="two")
    assert [u["UserName"] for u in iam.get_group(GroupName="zero")["Users"]] == ["u1", "two", "u3"]
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName="two")["Groups"]] == ["zero"]
    assert refused("DeleteConflict", 409, iam.delete_group, GroupName="zero") == \
        "Cannot delete entity, must remove users from group first."
    refused("DeleteConflict", 409, iam.delete_user, UserName="two")
    iam.remove_user_from_group(GroupName="zero", UserName="two")
    refused("NoSuchEntity", 404, iam.remove_user_from_group, GroupName="zero", UserName="two")
    iam.delete_user(UserName="two")
    refused("NoSuchEntity", 404, iam.add_user_to_group, GroupName="zero", UserName="two")
    refused("NoSuchEntity", 404, iam.add_user_to_group, GroupName="none", UserName="u1")
    refused("NoSuchEntity", 404, iam.list_groups_for_user, UserName="two")


def test_a_user_with_policies_stays(iam):
    iam.create_user(UserName="u")
    iam.attach_user_policy(UserName="u", PolicyArn=AWS + "/ReadOnlyAccess")
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=allow())
    assert refused("DeleteConflict", 409, iam.delete_user, UserName="u") == \
        "Cannot delete entity, must detach all policies first."
    iam.detach_user_policy(UserName="u", PolicyArn=AWS + "/ReadOnlyAccess")
    assert refused("DeleteConflict", 409, iam.delete_user, UserName="u") == \
        "Cannot delete entity, must delete policies first."
    iam.delete_user_policy(UserName="u", PolicyName="p")
    key = iam.create_access_key(UserName="u")["AccessKey"]["AccessKeyId"]
    assert refused("DeleteConflict", 409, iam.delete_user, UserName="u") == \
        "Cannot delete entity, must delete access keys first."
    iam.delete_access_key(UserName="u", AccessKeyId=key)
    iam.delete_user(UserName="u")


def test_credentials_that_nobody_can_have(iam):
    iam.create_user(UserName="u")
    assert iam.list_mfa_devices(UserName="u")["MFADevices"] == []
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.list_ssh_public_keys(UserName="u")["SSHPublicKeys"] == []
    assert iam.list_signing_certificates(UserName="u")["Certificates"] == []
    assert iam.list_service_specific_credentials(
        UserName="u")["ServiceSpecificCredentials"] == []
    assert refused("NoSuchEntity", 404, iam.get_login_profile, UserName="u") == \
        "Login Profile for User u cannot be found."
    refused("NoSuchEntity", 404, iam.delete_login_profile, UserName="u")
    refused("NoSuchEntity", 404, iam.list_mfa_devices, UserName="no")
    refused("NoSuchEntity", 404, iam.list_ssh_public_keys, UserName="no")
    refused("NoSuchEntity", 404, iam.list_signing_certificates, UserName="no")
    refused("NoSuchEntity", 404, iam.list_service_specific_credentials, UserName="no")
    refused("NoSuchEntity", 404, iam.get_login_profile, UserName="no")
