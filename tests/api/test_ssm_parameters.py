"""Parameter Store, driven by boto3: parameters of one's own."""
import base64
import pathlib
import re
import uuid

import botocore.exceptions
import pytest


@pytest.fixture
def ssm(server):
    return server.client("ssm")


@pytest.fixture
def path(request):
    return ("/t/" + re.sub(r"[^A-Za-z0-9]", "-", request.node.name) + "/" +
            uuid.uuid4().hex[:6])


def refused(code, operation, **more):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        operation(**more)
    reply = error.value.response
    assert reply["Error"]["Code"] == code, reply
    return reply["Error"]["Message"]


def put(ssm, name, value="v", kind="String", **more):
    return ssm.put_parameter(Name=name, Value=value, Type=kind, **more)


def test_put_and_get(ssm, path):
    r = put(ssm, path, "one", Description="d")
    assert r["Version"] == 1 and r["Tier"] == "Standard"
    arn = f"arn:aws:ssm:us-east-1:000000000000:parameter{path}"
    for name in (path, arn):
        p = ssm.get_parameter(Name=name)["Parameter"]
        assert p["Name"] == path and p["Value"] == "one" and p["Type"] == "String"
        assert p["Version"] == 1 and p["ARN"] == arn and p["DataType"] == "text"
    assert refused("ParameterAlreadyExists", put, ssm=ssm, name=path) == (
        "The parameter already exists. To overwrite this value, set the overwrite option in "
        "the request to true.")
    assert put(ssm, path, "two", Overwrite=True)["Version"] == 2
    assert ssm.put_parameter(Name=path, Value="three", Overwrite=True)["Version"] == 3
    for which, value in (("", "three"), (":1", "one"), (":2", "two")):
        p = ssm.get_parameter(Name=path + which)["Parameter"]
        assert p["Value"] == value and p.get("Selector", "") == which
        assert ssm.get_parameter(Name=arn + which)["Parameter"]["Value"] == value
    assert ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [path]}])[
        "Parameters"][0]["Description"] == "d"  # stays when nothing is said
    refused("ParameterNotFound", ssm.get_parameter, Name=path + "x")
    assert "could not find version 4" in refused("ParameterVersionNotFound",
                                                 ssm.get_parameter, Name=path + ":4")
    plain = "plain" + uuid.uuid4().hex
    put(ssm, plain, "no path")
    assert ssm.get_parameter(Name=f"arn:aws:ssm:us-east-1:000000000000:parameter/{plain}")[
        "Parameter"]["Name"] == plain
    # Both would have one ARN, so both are one.
    assert ssm.get_parameter(Name="/" + plain)["Parameter"]["Name"] == plain
    refused("ParameterAlreadyExists", put, ssm=ssm, name="/" + plain)


def test_an_account_and_a_region_see_their_own(ssm, server, path):
    put(ssm, path)
    for other in (server.client("ssm", account="111111111111"),
                  server.client("ssm", region="eu-west-1")):
        for name in (path, ssm.get_parameter(Name=path)["Parameter"]["ARN"]):
            refused("ParameterNotFound", other.get_parameter, Name=name)


def test_secure_strings(ssm, path):
    put(ssm, path, "geheim", "SecureString")
    sealed = ssm.get_parameter(Name=path)["Parameter"]
    assert sealed["Type"] == "SecureString" and sealed["Value"] != "geheim"
    assert b"geheim" not in base64.b64decode(sealed["Value"], validate=True)
    assert ssm.get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"] == "geheim"
    put(ssm, path, "neu", "SecureString", Overwrite=True, KeyId="alias/aws/ssm")
    h = ssm.get_parameter_history(Name=path, WithDecryption=True)["Parameters"]
    assert [p["Value"] for p in h] == ["geheim", "neu"]
    assert [p["KeyId"] for p in h] == ["alias/aws/ssm"] * 2
    assert "geheim" not in str(ssm.get_parameter_history(Name=path))
    r = ssm.get_parameters(Names=[path, path + ":1", path + ":9", "none"], WithDecryption=True)
    assert [p["Value"] for p in r["Parameters"]] == ["neu", "geheim"]
    assert r["InvalidParameters"] == [path + ":9", "none"]
    refused("InvalidKeyId", put, ssm=ssm, name=path + "k", kind="SecureString",
            KeyId="alias/mine")
    refused("ValidationException", put, ssm=ssm, name=path + "k", KeyId="alias/aws/ssm")
    refused("HierarchyTypeMismatchException", put, ssm=ssm, name=path, Overwrite=True)


def test_names(ssm):
    qualified = "Parameter name must be a fully qualified name."
    for name in ("a/b", "/a//b", "/a/"):
        assert refused("ValidationException", put, ssm=ssm, name=name) == qualified
    for name in ("a b", "/a/ä", "a:b"):
        assert "mix of letters, numbers and the following 3 symbols .-_" in refused(
            "ValidationException", put, ssm=ssm, name=name)
    assert refused("AccessDeniedException", put, ssm=ssm, name="/aws/x") == \
        "No access to reserved parameter name: /aws/x."
    for name in ("aws-x", "AWSx", "ssm", "/ssm/x", "/SsmX"):
        assert refused("ValidationException", put, ssm=ssm, name=name).startswith(
            'Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).')
    assert put(ssm, "/l" * 15)["Version"] == 1
    refused("HierarchyLevelLimitExceededException", put, ssm=ssm, name="/l" * 16)
    refused("ValidationException", put, ssm=ssm, name="/" + "x" * 1011)


def test_values_and_tiers(ssm, path):
    assert "length greater than or equal to 1" in refused("ValidationException", put, ssm=ssm,
                                                          name=path, value="")
    assert "maximum parameter value of 4096 characters" in refused(
        "ValidationException", put, ssm=ssm, name=path, value="x" * 4097)
    assert "maximum parameter value of 8192 characters" in refused(
        "ValidationException", put, ssm=ssm, name=path, value="x" * 8193, Tier="Advanced")
    assert put(ssm, path, "ä" * 4096)["Tier"] == "Standard"
    assert put(ssm, path, "x" * 8192, Tier="Advanced", Overwrite=True)["Tier"] == "Advanced"
    assert put(ssm, path, "x", Overwrite=True)["Tier"] == "Advanced"
    assert "can't downgrade" in refused("ValidationException", put, ssm=ssm, name=path,
                                        Tier="Standard", Overwrite=True)
    clever = {"ssm": ssm, "name": path + "i", "Tier": "Intelligent-Tiering"}
    assert put(value="x", **clever)["Tier"] == "Standard"
    assert put(value="x" * 4097, Overwrite=True, **clever)["Tier"] == "Advanced"
    assert refused("ValidationException", ssm.put_parameter, Name=path + "t", Value="x") == \
        "A parameter type is required when you create a parameter."
    refused("InvalidAllowedPatternException", put, ssm=ssm, name=path + "t", AllowedPattern="x")
    refused("InvalidPolicyTypeException", put, ssm=ssm, name=path + "t", Policies="[]")
    refused("ValidationException", put, ssm=ssm, name=path + "t", DataType="aws:ec2:image")
    put(ssm, path + "t", "a,b", "StringList", DataType="text")
    assert ssm.get_parameter(Name=path + "t")["Parameter"]["Value"] == "a,b"


def test_labels(ssm, path):
    for n in "123":
        put(ssm, path, n, Overwrite=True)
    r = ssm.label_parameter_version(Name=path, ParameterVersion=1,
                                    Labels=["prod", "1st", "aws-x", "a/b"])
    assert r["InvalidLabels"] == ["1st", "aws-x", "a/b"] and r["ParameterVersion"] == 1
    assert ssm.get_parameter(Name=path + ":prod")["Parameter"]["Value"] == "1"
    assert ssm.label_parameter_version(Name=path, Labels=["prod"])["ParameterVersion"] == 3
    assert ssm.get_parameter(Name=path + ":prod")["Parameter"]["Value"] == "3"
    history = ssm.get_parameter_history(Name=path)["Parameters"]
    assert [p["Labels"] for p in history] == [[], [], ["prod"]]
    assert [p["LastModifiedUser"] for p in history] == ["arn:aws:iam::000000000000:root"] * 3
    refused("ParameterVersionNotFound", ssm.get_parameter, Name=path + ":none")
    refused("ParameterVersionNotFound", ssm.label_parameter_version, Name=path,
            ParameterVersion=9, Labels=["x"])
    refused("ParameterNotFound", ssm.label_parameter_version, Name=path + "x", Labels=["x"])
    ssm.label_parameter_version(Name=path, ParameterVersion=2, Labels=[f"l{n}" for n in range(9)])
    ssm.label_parameter_version(Name=path, ParameterVersion=2, Labels=["l0", "l9"])
    refused("ParameterVersionLabelLimitExceeded", ssm.label_parameter_version, Name=path,
            ParameterVersion=2, Labels=["prod"])
    r = ssm.unlabel_parameter_version(Name=path, ParameterVersion=3, Labels=["prod", "l0"])
    assert r["RemovedLabels"] == ["prod"] and r["InvalidLabels"] == ["l0"]
    refused("ParameterVersionNotFound", ssm.get_parameter, Name=path + ":prod")


def test_a_hundred_versions_are_kept(ssm, path):
    for n in range(101):
        assert put(ssm, path, str(n), Overwrite=True)["Version"] == n + 1
    pages = ssm.get_paginator("get_parameter_history").paginate(
        Name=path, PaginationConfig={"PageSize": 30})
    versions = [p["Version"] for page in pages for p in page["Parameters"]]
    assert versions == list(range(2, 102))
    ssm.label_parameter_version(Name=path, ParameterVersion=2, Labels=["keep"])
    assert "Version 2, the oldest version, can't be deleted" in refused(
        "ParameterMaxVersionLimitExceeded", put, ssm=ssm, name=path, Overwrite=True)


def test_by_path(ssm, path):
    for n in ("a", "b", "c/d", "c/e/f"):
        put(ssm, f"{path}/{n}", n, "SecureString" if n == "b" else "String")
    put(ssm, path + "x", "beside it")

    def found(**more):
        return [p["Name"][len(path) + 1:] for p in
                ssm.get_parameters_by_path(Path=path, **more)["Parameters"]]
    assert found() == ["a", "b"] == [n.strip("/") for n in found()]
    assert found(Recursive=True) == ["a", "b", "c/d", "c/e/f"]
    assert ssm.get_parameters_by_path(Path=path + "/", WithDecryption=True)["Parameters"][1][
        "Value"] == "b"
    secure = [{"Key": "Type", "Values": ["SecureString"]}]
    assert found(Recursive=True, ParameterFilters=secure) == ["b"]
    ssm.label_parameter_version(Name=path + "/c/d", Labels=["prod"])
    put(ssm, path + "/c/d", "newer", Overwrite=True)
    label = [{"Key": "Label", "Values": ["prod"]}]
    p, = ssm.get_parameters_by_path(Path=path, Recursive=True, ParameterFilters=label)[
        "Parameters"]
    assert p["Value"] == "c/d" and p["Version"] == 1
    pages = [[p["Value"] for p in page["Parameters"]]
             for page in ssm.get_paginator("get_parameters_by_path").paginate(
                 Path=path, Recursive=True, PaginationConfig={"PageSize": 3})]
    assert [len(p) for p in pages] == [3, 1]
    refused("InvalidFilterKey", ssm.get_parameters_by_path, Path=path,
            ParameterFilters=[{"Key": "Name", "Values": ["x"]}])
    refused("InvalidNextToken", ssm.get_parameters_by_path, Path=path, NextToken="x")
    refused("ValidationException", ssm.get_parameters_by_path, Path="x")


def test_describe(ssm, path):
    put(ssm, path + "/a", Tags=[{"Key": "env", "Value": "prod"}])
    put(ssm, path + "/b", "x", "SecureString", Tags=[{"Key": "env", "Value": "test"}])
    put(ssm, path + "/c/d", "x" * 5000, Tier="Advanced")

    def found(*filters):
        r = ssm.describe_parameters(ParameterFilters=[
            {"Key": "Path", "Option": "Recursive", "Values": [path]},
            *({"Key": k, "Values": v, **o} for k, v, o in filters)])
        return [p["Name"][len(path) + 1:] for p in r["Parameters"]]
    assert found() == ["a", "b", "c/d"]
    assert found(("Type", ["String"], {})) == ["a", "c/d"]
    assert found(("KeyId", ["alias/aws/ssm"], {})) == ["b"]
    assert found(("Tier", ["Advanced"], {})) == ["c/d"]
    assert found(("DataType", ["text"], {})) == ["a", "b", "c/d"]
    assert found(("tag:env", ["prod"], {})) == ["a"]
    assert found(("tag:env", ["prod", "test"], {})) == ["a", "b"]
    assert found(("Name", [path[1:] + "/b"], {"Option": "Contains"})) == ["b"]
    assert found(("Name", [path + "/c"], {"Option": "BeginsWith"})) == ["c/d"]
    old = ssm.describe_parameters(Filters=[{"Key": "Name", "Values": [path]}])["Parameters"]
    assert [p["Name"][len(path) + 1:] for p in old] == ["a", "b", "c/d"]
    a = old[0]
    assert a["ARN"].endswith(":parameter" + path + "/a") and a["Tier"] == "Standard"
    assert "Value" not in a
    pages = list(ssm.get_paginator("describe_parameters").paginate(
        ParameterFilters=[{"Key": "Path", "Option": "Recursive", "Values": [path]}],
        PaginationConfig={"PageSize": 2}))
    assert [len(p["Parameters"]) for p in pages] == [2, 1]
    bad = {"operation": ssm.describe_parameters}
    refused("InvalidFilterKey", ParameterFilters=[{"Key": "Label", "Values": ["x"]}], **bad)
    refused("InvalidFilterOption", ParameterFilters=[
        {"Key": "Type", "Option": "Contains", "Values": ["x"]}], **bad)
    refused("InvalidFilterValue", ParameterFilters=[{"Key": "Type"}], **bad)
    refused("InvalidNextToken", NextToken="x", **bad)
    refused("ValidationException", Filters=[{"Key": "Name", "Values": ["x"]}],
            ParameterFilters=[{"Key": "Name", "Values": ["x"]}], **bad)


def test_delete(ssm, path):
    for n in "abc":
        put(ssm, path + n)
    ssm.delete_parameter(Name=path + "a")
    refused("ParameterNotFound", ssm.delete_parameter, Name=path + "a")
    r = ssm.delete_parameters(Names=[path + "b", path + "a", path + "c"])
    assert r["DeletedParameters"] == [path + "b", path + "c"]
    assert r["InvalidParameters"] == [path + "a"]
    assert put(ssm, path + "a")["Version"] == 1


def test_tags(ssm, path):
    put(ssm, path, Tags=[{"Key": "a", "Value": "1"}])
    me = {"ResourceType": "Parameter", "ResourceId": path}
    ssm.add_tags_to_resource(Tags=[{"Key": "b", "Value": "2"}], **me)
    ssm.remove_tags_from_resource(TagKeys=["a", "none"], **me)
    assert ssm.list_tags_for_resource(**me)["TagList"] == [{"Key": "b", "Value": "2"}]
    assert "tags and overwrite can't be used together" in refused(
        "ValidationException", put, ssm=ssm, name=path, Overwrite=True,
        Tags=[{"Key": "a", "Value": "1"}])
    refused("InvalidResourceId", ssm.list_tags_for_resource, ResourceType="Parameter",
            ResourceId=path + "x")
    refused("InvalidResourceType", ssm.list_tags_for_resource, ResourceType="Document",
            ResourceId=path)
    refused("TooManyTagsError", ssm.add_tags_to_resource,
            Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)], **me)


def test_values_are_nowhere_in_clear(own_server):
    ssm = own_server.client("ssm")
    value = "plain-" + uuid.uuid4().hex
    put(ssm, "/a", value, "SecureString")
    put(ssm, "/a", value + "2", "SecureString", Overwrite=True)
    ssm.label_parameter_version(Name="/a", ParameterVersion=1, Labels=["first"])
    ssm.get_parameters(Names=["/a"], WithDecryption=True)
    for _ in range(2):
        files = [p.read_bytes() for p in pathlib.Path(own_server.dir).rglob("*")
                 if p.is_file()]
        assert b"sealed:1:" in b"".join(files)
        for found in files:
            assert value.encode() not in found
        own_server.restart()
    assert ssm.get_parameter(Name="/a:first", WithDecryption=True)["Parameter"][
        "Value"] == value
    assert put(ssm, "/a", "x", "SecureString", Overwrite=True)["Version"] == 3
