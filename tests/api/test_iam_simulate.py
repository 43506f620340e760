"""IAM's policy simulator, driven by boto3."""
import pytest

from iam import AWS, allow, document, own_account, refused, trust

DENY = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}


@pytest.fixture
def iam(server):
    return own_account(server)[0]


def decisions(reply):
    return [r["EvalDecision"] for r in reply["EvaluationResults"]]


def sources(reply, i=0):
    return [(m["SourcePolicyId"], m["SourcePolicyType"])
            for m in reply["EvaluationResults"][i]["MatchedStatements"]]


def test_custom_policies(iam):
    text = document({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::mine/*"}, DENY)
    got = iam.simulate_custom_policy(
        PolicyInputList=[text], ActionNames=["s3:GetObject", "s3:DeleteObject"],
        ResourceArns=["arn:aws:s3:::mine/a", "arn:aws:s3:::other/a"])
    assert decisions(got) == ["allowed", "implicitDeny", "explicitDeny", "explicitDeny"]
    assert got["EvaluationResults"][1]["EvalResourceName"] == "arn:aws:s3:::other/a"
    assert sources(got) == [("PolicyInputList.1", "none")] and sources(got, 1) == []
    got = iam.simulate_custom_policy(PolicyInputList=[allow("s3:ListAllMyBuckets")],
                                     ActionNames=["s3:ListAllMyBuckets"])
    assert decisions(got) == ["allowed"]
    assert got["EvaluationResults"][0]["EvalResourceName"] == "*"


def test_context(iam):
    text = allow(Condition={"StringEquals": {"aws:PrincipalTag/team": "a"},
                            "Bool": {"aws:SecureTransport": "true"}})
    more = {"PolicyInputList": [text], "ActionNames": ["s3:GetObject"]}
    got = iam.simulate_custom_policy(**more)
    assert decisions(got) == ["implicitDeny"]
    assert "aws:PrincipalTag/team" in got["EvaluationResults"][0]["MissingContextValues"]
    entries = [{"ContextKeyName": "aws:PrincipalTag/team", "ContextKeyValues": ["a"],
                "ContextKeyType": "string"},
               {"ContextKeyName": "AWS:securetransport", "ContextKeyValues": ["true"],
                "ContextKeyType": "boolean"}]
    got = iam.simulate_custom_policy(ContextEntries=entries, **more)
    assert decisions(got) == ["allowed"]
    assert got["EvaluationResults"][0]["MissingContextValues"] == []
    several = allow(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}})
    for keys, want in ((["a"], "allowed"), (["a", "c"], "implicitDeny")):
        got = iam.simulate_custom_policy(
            PolicyInputList=[several], ActionNames=["s3:GetObject"],
            ContextEntries=[{"ContextKeyName": "aws:TagKeys", "ContextKeyValues": keys,
                             "ContextKeyType": "stringList"}])
        assert decisions(got) == [want]


def positions(statement):
    return [(statement[end]["Line"], statement[end]["Column"])
            for end in ("StartPosition", "EndPosition")]


def behind(text, part):
    """Line and column behind the first and the last letter of a part of the text."""
    places = (text.index(part) + 1, text.index(part) + len(part))
    return [(text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1) for at in places]


def test_where_the_statements_are(iam):
    # AWS's own example of the simulator: columns are those behind the braces.
    text = ('{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*",'
            '"Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":'
            '"2018-08-16T12:00:00Z"}}}}')
    when = [{"ContextKeyName": "aws:CurrentTime", "ContextKeyType": "date",
             "ContextKeyValues": ["2019-04-25T11:00:00Z"]}]
    more = {"PolicyInputList": [text], "ActionNames": ["dynamodb:CreateBackup"]}
    result = iam.simulate_custom_policy(ContextEntries=when, **more)["EvaluationResults"][0]
    assert [positions(m) for m in result["MatchedStatements"]] == [[(1, 38), (1, 167)]]
    assert result["MissingContextValues"] == [] and result["ResourceSpecificResults"] == []
    result = iam.simulate_custom_policy(**more)["EvaluationResults"][0]
    assert result["MatchedStatements"] == []
    assert result["MissingContextValues"] == ["aws:CurrentTime"]


def test_every_statement_that_decides(server):
    iam, account = own_account(server)
    wide = '{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}'
    deny = '''{
      "Sid": "Braces", "Effect": "Deny",
      "Action": "s3:Delete*", "Resource": "arn:aws:s3:::ü}{\\\\\\"/*" }'''
    narrow = '''{"Effect": "Allow", "Action": "s3:Get*", "Resource": ["arn:aws:s3:::a/*"],
     "Condition": {"Null": {"aws:x": ["true"]}}}'''
    text = f'''{{
  "Version": "2012-10-17",
  "Id": "Statement",
  "Statement": [
    {wide}, {deny},
    {narrow}
  ]
}}'''
    iam.create_user(UserName="u")
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=text)
    boundary = iam.create_policy(PolicyName="b", PolicyDocument=allow("s3:Get*"))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="u", PermissionsBoundary=boundary)
    got = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{account}:user/u",
        ActionNames=["s3:GetObject", "s3:DeleteObject"],
        ResourceArns=["arn:aws:s3:::a/b", 'arn:aws:s3:::ü}{\\"/k'])
    first, other, undecided, denied = got["EvaluationResults"]
    assert [positions(m) for m in first["MatchedStatements"]] == [
        behind(text, wide), behind(text, narrow)]
    assert [positions(m) for m in other["MatchedStatements"]] == [behind(text, wide)]
    assert (undecided["EvalDecision"], undecided["MatchedStatements"]) == ("implicitDeny", [])
    assert [positions(m) for m in denied["MatchedStatements"]] == [behind(text, deny)]
    for result in got["EvaluationResults"]:
        specific, = result["ResourceSpecificResults"]
        assert specific["EvalResourceName"] == result["EvalResourceName"]
        assert specific["EvalResourceDecision"] == result["EvalDecision"]
        assert specific["MatchedStatements"] == result["MatchedStatements"]
        inside = specific["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]
        assert inside == result["EvalActionName"].startswith("s3:Get")


def test_principals(server):
    iam, account = own_account(server)
    iam.create_user(UserName="u")
    iam.create_group(GroupName="g")
    iam.put_user_policy(UserName="u", PolicyName="mine", PolicyDocument=allow("s3:GetObject"))
    iam.put_group_policy(GroupName="g", PolicyName="ours", PolicyDocument=allow("s3:PutObject"))
    user = f"arn:aws:iam::{account}:user/u"

    def ask(arn=user, actions=("s3:GetObject", "s3:PutObject"), **more):
        return iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=list(actions), **more)

    assert decisions(ask()) == ["allowed", "implicitDeny"]
    iam.add_user_to_group(GroupName="g", UserName="u")
    got = ask()
    assert decisions(got) == ["allowed", "allowed"]
    assert sources(got) == [("mine", "user")] and sources(got, 1) == [("ours", "group")]
    # what is in force changes at once
    iam.put_group_policy(GroupName="g", PolicyName="ours", PolicyDocument=document(
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}))
    assert decisions(ask()) == ["explicitDeny", "explicitDeny"]
    iam.delete_group_policy(GroupName="g", PolicyName="ours")
    assert decisions(ask()) == ["allowed", "implicitDeny"]
    iam.attach_group_policy(GroupName="g", PolicyArn=AWS + "/AmazonS3FullAccess")
    got = ask()
    assert decisions(got) == ["allowed", "allowed"]
    assert sources(got, 1) == [(AWS + "/AmazonS3FullAccess", "aws-managed")]
    assert decisions(ask(f"arn:aws:iam::{account}:group/g")) == ["allowed", "allowed"]
    iam.remove_user_from_group(GroupName="g", UserName="u")
    assert decisions(ask()) == ["allowed", "implicitDeny"]
    assert decisions(ask(PolicyInputList=[allow("s3:PutObject")])) == ["allowed", "allowed"]
    refused("NoSuchEntity", 404, iam.simulate_principal_policy, PolicySourceArn=user + "x",
            ActionNames=["s3:GetObject"])


def test_versions_in_force(server):
    iam, account = own_account(server)
    arn = iam.create_policy(PolicyName="p", PolicyDocument=allow("s3:GetObject"))["Policy"]["Arn"]
    iam.create_role(RoleName="r", Path="/x/", AssumeRolePolicyDocument=trust())
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    more = {"PolicySourceArn": f"arn:aws:iam::{account}:role/x/r", "ActionNames": ["s3:GetObject"]}
    got = iam.simulate_principal_policy(**more)
    assert decisions(got) == ["allowed"] and sources(got) == [(arn, "user-managed")]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("s3:PutObject"),
                              SetAsDefault=True)
    assert decisions(iam.simulate_principal_policy(**more)) == ["implicitDeny"]
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert decisions(iam.simulate_principal_policy(**more)) == ["allowed"]
    iam.detach_role_policy(RoleName="r", PolicyArn=arn)
    assert decisions(iam.simulate_principal_policy(**more)) == ["implicitDeny"]


def test_boundaries(server):
    iam, account = own_account(server)
    arn = iam.create_policy(PolicyName="b", PolicyDocument=allow("s3:GetObject"))["Policy"]["Arn"]
    iam.create_user(UserName="u", PermissionsBoundary=arn)
    iam.attach_user_policy(UserName="u", PolicyArn=AWS + "/AdministratorAccess")
    more = {"PolicySourceArn": f"arn:aws:iam::{account}:user/u",
            "ActionNames": ["s3:GetObject", "s3:PutObject"]}
    got = iam.simulate_principal_policy(**more)
    assert decisions(got) == ["allowed", "implicitDeny"]
    assert [r["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]
            for r in got["EvaluationResults"]] == [True, False]
    got = iam.simulate_principal_policy(
        PermissionsBoundaryPolicyInputList=[allow("s3:PutObject")], **more)
    assert decisions(got) == ["implicitDeny", "allowed"]
    refused("InvalidInput", 400, iam.simulate_principal_policy,
            PermissionsBoundaryPolicyInputList=[allow(), allow()], **more)


def test_resource_policies(server):
    iam, account = own_account(server)
    caller = f"arn:aws:iam::{account}:user/u"
    bucket = document({"Effect": "Allow", "Principal": {"AWS": caller}, "Action": "s3:GetObject",
                       "Resource": "arn:aws:s3:::b/*"})
    more = {"PolicyInputList": [allow("sqs:SendMessage")], "ActionNames": ["s3:GetObject"],
            "ResourceArns": ["arn:aws:s3:::b/k"], "ResourcePolicy": bucket}
    got = iam.simulate_custom_policy(CallerArn=caller, **more)
    assert decisions(got) == ["allowed"] and sources(got) == [("ResourcePolicy", "resource")]
    assert decisions(iam.simulate_custom_policy(CallerArn=caller + "x", **more)) == ["implicitDeny"]
    got = iam.simulate_custom_policy(CallerArn=caller, ResourceOwner="123456789012", **more)
    assert decisions(got) == ["implicitDeny"]  # another account's: both must allow
    refused("InvalidInput", 400, iam.simulate_custom_policy, **more)
    refused("InvalidInput", 400, iam.simulate_custom_policy,
            CallerArn=f"arn:aws:iam::{account}:role/r", **more)


def test_pages_and_bad_input(iam):
    more = {"PolicyInputList": [allow()], "ActionNames": ["s3:GetObject", "s3:PutObject"],
            "ResourceArns": ["arn:aws:s3:::a/b", "arn:aws:s3:::a/c"]}
    page = iam.simulate_custom_policy(MaxItems=3, **more)
    assert page["IsTruncated"] and len(page["EvaluationResults"]) == 3
    page = iam.simulate_custom_policy(Marker=page["Marker"], **more)
    assert decisions(page) == ["implicitDeny"] and not page["IsTruncated"]
    refused("InvalidInput", 400, iam.simulate_custom_policy, PolicyInputList=["{}"],
            ActionNames=["s3:GetObject"])
    refused("InvalidInput", 400, iam.simulate_custom_policy, ResourceHandlingOption="EC2-VPC-EBS",
            **more)
    refused("ValidationError", 400, iam.simulate_custom_policy, Marker="x", **more)
