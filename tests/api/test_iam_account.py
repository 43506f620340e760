"""IAM's access keys, identity providers and what an account has as a whole, by boto3."""
import base64
import json
import pathlib

import pytest

from iam import AWS, allow, own_account, refused, trust


@pytest.fixture
def iam(server):
    return own_account(server)[0]


def test_life_of_an_access_key(server):
    iam, account = own_account(server)
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    assert key["AccessKeyId"].startswith("AKIA") and len(key["AccessKeyId"]) == 20
    assert len(key["SecretAccessKey"]) == 40 and key["Status"] == "Active"
    # the key tells its account: five bytes in base 32, and one letter for odd and even
    half = int.from_bytes(base64.b32decode(key["AccessKeyId"][4:12]), "big") - (1 << 39)
    odd = key["AccessKeyId"][12] in "QRSTUVWXYZ234567"
    assert 2 * half + odd == int(account)
    second = iam.create_access_key(UserName="u")["AccessKey"]
    assert refused("LimitExceeded", 409, iam.create_access_key, UserName="u") == \
        "Cannot exceed quota for AccessKeysPerUser: 2"
    listed = iam.list_access_keys(UserName="u")["AccessKeyMetadata"]
    assert [k["AccessKeyId"] for k in listed] == [key["AccessKeyId"], second["AccessKeyId"]]
    assert listed[0]["UserName"] == "u" and "SecretAccessKey" not in listed[0]
    page = iam.list_access_keys(UserName="u", MaxItems=1)
    assert page["IsTruncated"]
    iam.update_access_key(UserName="u", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert iam.list_access_keys(UserName="u")["AccessKeyMetadata"][0]["Status"] == "Inactive"
    used = iam.get_access_key_last_used(AccessKeyId=second["AccessKeyId"])
    assert used["UserName"] == "u"
    assert used["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    iam.update_user(UserName="u", NewUserName="v")
    assert iam.list_access_keys(UserName="v")["AccessKeyMetadata"][0]["UserName"] == "v"
    iam.create_user(UserName="other")
    gone = {"AccessKeyId": key["AccessKeyId"]}
    refused("NoSuchEntity", 404, iam.delete_access_key, UserName="other", **gone)
    refused("NoSuchEntity", 404, iam.update_access_key, UserName="other", Status="Active", **gone)
    iam.delete_access_key(UserName="v", **gone)
    assert refused("NoSuchEntity", 404, iam.delete_access_key, UserName="v", **gone) == \
        f"The Access Key with id {key['AccessKeyId']} cannot be found."
    refused("NoSuchEntity", 404, iam.get_access_key_last_used, **gone)
    refused("NoSuchEntity", 404, iam.create_access_key, UserName="none")
    refused("NoSuchEntity", 404, iam.list_access_keys, UserName="none")
    refused("ValidationError", 400, iam.update_access_key, UserName="v", Status="Broken",
            AccessKeyId=second["AccessKeyId"])
    theirs, _ = own_account(server)
    refused("NoSuchEntity", 404, theirs.get_access_key_last_used,
            AccessKeyId=second["AccessKeyId"])


def test_root_has_keys_without_a_name(iam):
    key = iam.create_access_key()["AccessKey"]
    assert "UserName" not in key
    assert [k["AccessKeyId"] for k in iam.list_access_keys()["AccessKeyMetadata"]] == [
        key["AccessKeyId"]]
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1
    iam.delete_access_key(AccessKeyId=key["AccessKeyId"])
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 0


URL = "https://token.example.test/id/ABC"
PRINT = "9e99a48a9960b14926bb7f3b02e22da2b0ab7280"


def test_life_of_a_provider(server):
    iam, account = own_account(server)
    made = iam.create_open_id_connect_provider(
        Url=URL + "/", ClientIDList=["sts.amazonaws.com"], ThumbprintList=[PRINT],
        Tags=[{"Key": "a", "Value": "1"}])
    arn = made["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{account}:oidc-provider/token.example.test/id/ABC"
    got = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert got["Url"] == "token.example.test/id/ABC"
    assert got["ClientIDList"] == ["sts.amazonaws.com"] and got["ThumbprintList"] == [PRINT]
    assert got["Tags"] == [{"Key": "a", "Value": "1"}]
    assert refused("EntityAlreadyExists", 409, iam.create_open_id_connect_provider, Url=URL,
                   ThumbprintList=[]) == f"Provider with url {URL} already exists."
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="c")
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="c")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn,
                                                       ClientID="sts.amazonaws.com")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn,
                                                       ClientID="never there")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn,
                                                   ThumbprintList=["0" * 40])
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn,
                                     Tags=[{"Key": "b", "Value": "2"}])
    iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=["a"])
    assert iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn)["Tags"] == [
        {"Key": "b", "Value": "2"}]
    got = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert got["ClientIDList"] == ["c"] and got["ThumbprintList"] == ["0" * 40]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)  # no mistake
    assert refused("NoSuchEntity", 404, iam.get_open_id_connect_provider,
                   OpenIDConnectProviderArn=arn) == \
        f"OpenIDConnect Provider not found for arn {arn}"
    for op, more in (
            (iam.add_client_id_to_open_id_connect_provider, {"ClientID": "c"}),
            (iam.remove_client_id_from_open_id_connect_provider, {"ClientID": "c"}),
            (iam.update_open_id_connect_provider_thumbprint, {"ThumbprintList": []}),
            (iam.tag_open_id_connect_provider, {"Tags": []}),
            (iam.untag_open_id_connect_provider, {"TagKeys": []}),
            (iam.list_open_id_connect_provider_tags, {})):
        refused("NoSuchEntity", 404, op, OpenIDConnectProviderArn=arn, **more)


def test_bad_providers(iam):
    make = iam.create_open_id_connect_provider
    refused("InvalidInput", 400, make, Url="http://x.test", ThumbprintList=[PRINT])
    refused("InvalidInput", 400, make, Url="https://x.test/?a=b", ThumbprintList=[PRINT])
    refused("InvalidInput", 400, make, Url="https://", ThumbprintList=[PRINT])
    refused("InvalidInput", 400, make, Url=URL, ThumbprintList=["x" * 40])
    refused("ValidationError", 400, make, Url=URL, ThumbprintList=["0" * 41])
    refused("InvalidInput", 400, make, Url=URL, ThumbprintList=[PRINT] * 6)
    refused("LimitExceeded", 409, make, Url=URL, ThumbprintList=[PRINT],
            ClientIDList=[str(i) for i in range(101)])
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_alias(server):
    iam, _ = own_account(server)
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_account_alias(AccountAlias="our-house")
    assert iam.list_account_aliases()["AccountAliases"] == ["our-house"]
    iam.create_account_alias(AccountAlias="our-home")  # takes its place
    assert iam.list_account_aliases()["AccountAliases"] == ["our-home"]
    other, _ = own_account(server)
    refused("EntityAlreadyExists", 409, other.create_account_alias, AccountAlias="our-home")
    other.create_account_alias(AccountAlias="our-house")  # free again
    refused("NoSuchEntity", 404, iam.delete_account_alias, AccountAlias="our-house")
    for bad in ("-abc", "abc-", "a--b", "ABC", "123456789012", "a_b"):
        refused("ValidationError", 400, iam.create_account_alias, AccountAlias=bad)
    refused("ValidationError", 400, iam.create_account_alias, AccountAlias="a" * 64)
    iam.delete_account_alias(AccountAlias="our-home")
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_summary(iam):
    iam.create_user(UserName="u")
    iam.create_group(GroupName="g")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust())
    arn = iam.create_policy(PolicyName="p", PolicyDocument=allow())["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow())
    iam.create_instance_profile(InstanceProfileName="i")
    have = iam.get_account_summary()["SummaryMap"]
    want = {"Users": 1, "Groups": 1, "Roles": 1, "Policies": 1, "PolicyVersionsInUse": 2,
            "InstanceProfiles": 1, "ServerCertificates": 0, "UsersQuota": 5000,
            "AccessKeysPerUserQuota": 2, "PolicySizeQuota": 6144, "GroupsPerUserQuota": 10,
            "AttachedPoliciesPerRoleQuota": 10, "VersionsPerPolicyQuota": 5}
    assert {k: have[k] for k in want} == want
    iam.delete_user(UserName="u")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy(PolicyArn=arn)
    have = iam.get_account_summary()["SummaryMap"]
    assert have["Users"] == 0 and have["Policies"] == 0 and have["PolicyVersionsInUse"] == 0


def everything(iam):
    """All that can be asked, without what changes between two calls."""
    def clean(reply):
        reply.pop("ResponseMetadata")
        return reply
    return [clean(r) for r in (
        iam.list_users(), iam.get_user(UserName="u"), iam.list_groups(),
        iam.get_group(GroupName="g"),
        iam.list_groups_for_user(UserName="u"), iam.get_role(RoleName="r"),
        iam.get_role(RoleName="AWSServiceRoleForECS"),
        iam.get_role_policy(RoleName="r", PolicyName="i"), iam.list_role_policies(RoleName="r"),
        iam.list_attached_role_policies(RoleName="r"), iam.list_policies(MaxItems=1000),
        iam.list_entities_for_policy(PolicyArn=AWS + "/ReadOnlyAccess"),
        iam.list_instance_profiles_for_role(RoleName="r"), iam.list_access_keys(UserName="u"),
        iam.list_open_id_connect_providers(), iam.list_account_aliases(),
        iam.get_account_summary())]


def test_all_of_it_survives_a_crash(own_server):
    iam, account = own_account(own_server)
    iam.create_user(UserName="u", PermissionsBoundary=AWS + "/PowerUserAccess",
                    Tags=[{"Key": "a", "Value": "1"}])
    iam.create_group(GroupName="G")
    iam.update_group(GroupName="G", NewGroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="u")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(
        AWS=f"arn:aws:iam::{account}:user/u"))
    iam.put_role_policy(RoleName="r", PolicyName="i", PolicyDocument=allow())
    arn = iam.create_policy(PolicyName="p", PolicyDocument=allow())["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("ec2:*"), SetAsDefault=True)
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    iam.attach_role_policy(RoleName="r", PolicyArn=AWS + "/ReadOnlyAccess")
    iam.create_instance_profile(InstanceProfileName="p")
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
    secret = iam.create_access_key(UserName="u")["AccessKey"]["SecretAccessKey"]
    iam.create_open_id_connect_provider(Url=URL, ThumbprintList=[PRINT])
    iam.create_account_alias(AccountAlias="kept")
    iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    iam.create_user(UserName="gone")
    iam.delete_user(UserName="gone")
    before = everything(iam)
    own_server.restart()
    iam = own_server.client("iam", account=account)
    assert everything(iam) == before
    refused("UnmodifiableEntity", 400, iam.delete_role, RoleName="AWSServiceRoleForECS")
    iam.delete_service_linked_role(RoleName="AWSServiceRoleForECS")
    # no file of the server says the secret
    for path in pathlib.Path(own_server.dir).rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_authorization_details(server):
    iam, account = own_account(server)
    iam.create_group(GroupName="g")
    iam.create_user(UserName="u", PermissionsBoundary=AWS + "/PowerUserAccess",
                    Tags=[{"Key": "a", "Value": "1"}])
    iam.add_user_to_group(GroupName="g", UserName="u")
    iam.put_group_policy(GroupName="g", PolicyName="i", PolicyDocument=allow())
    for name in ("r1", "r2"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust())
    arn = iam.create_policy(PolicyName="p", PolicyDocument=allow())["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="r1", PolicyArn=arn)
    iam.create_instance_profile(InstanceProfileName="ip")
    iam.add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r1")
    got = iam.get_account_authorization_details()
    assert not got["IsTruncated"]
    user = got["UserDetailList"][0]
    assert user["GroupList"] == ["g"] and user["UserPolicyList"] == []
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == AWS + "/PowerUserAccess"
    assert user["Tags"] == [{"Key": "a", "Value": "1"}]
    assert got["GroupDetailList"][0]["GroupPolicyList"][0]["PolicyDocument"] == json.loads(allow())
    role = got["RoleDetailList"][0]
    assert role["AttachedManagedPolicies"] == [{"PolicyName": "p", "PolicyArn": arn}]
    assert role["InstanceProfileList"][0]["InstanceProfileName"] == "ip"
    assert role["AssumeRolePolicyDocument"] == json.loads(trust())
    assert [p["PolicyName"] for p in got["Policies"]] == ["p", "PowerUserAccess"]
    version = got["Policies"][0]["PolicyVersionList"][0]
    assert version["Document"] == json.loads(allow()) and version["IsDefaultVersion"]
    # page by page it is the same
    keys = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
    seen, marker = {k: [] for k in keys}, {}
    for _ in range(6):
        page = iam.get_account_authorization_details(MaxItems=1, **marker)
        assert sum(len(page[k]) for k in keys) == 1
        for k in keys:
            seen[k] += page[k]
        marker = {"Marker": page.get("Marker", "")}
    assert not page["IsTruncated"] and seen == {k: got[k] for k in keys}
    some = iam.get_account_authorization_details(Filter=["Role", "AWSManagedPolicy"])
    assert [len(some[k]) for k in keys] == [0, 0, 2, 1]
    refused("ValidationError", 400, iam.get_account_authorization_details, Marker="x")


def test_quotas_of_an_account(server):
    iam, _ = own_account(server)
    for i in range(300):
        iam.create_group(GroupName=f"g{i}")
    assert refused("LimitExceeded", 409, iam.create_group, GroupName="more") == \
        "Cannot exceed quota for GroupsPerAccount: 300"
    for i in range(1000):
        iam.create_role(RoleName=f"r{i}", AssumeRolePolicyDocument=trust())
    assert refused("LimitExceeded", 409, iam.create_role, RoleName="more",
                   AssumeRolePolicyDocument=trust()) == \
        "Cannot exceed quota for RolesPerAccount: 1000"
    assert len(iam.list_roles(MaxItems=1000)["Roles"]) == 1000
    iam.delete_role(RoleName="r7")
    iam.create_role(RoleName="more", AssumeRolePolicyDocument=trust())
