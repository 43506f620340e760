"""Amazon's public parameters: which image is the ECS-optimized one."""

import json

import botocore.exceptions
import pytest

BASE = "/aws/service/ecs/optimized-ami"


@pytest.fixture
def ssm(server):
    return server.client("ssm")


def refused(code, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    assert e.value.response["Error"]["Code"] == code, e.value


def test_the_image(server, ssm):
    ec2 = server.client("ec2")
    for generation, name in (("amazon-linux-2", "amzn2-"), ("amazon-linux-2023", "al2023-")):
        base = f"{BASE}/{generation}/recommended"
        p = ssm.get_parameter(Name=base + "/image_id")["Parameter"]
        assert p["Type"] == "String" and p["Version"] == 1
        assert p["ARN"] == f"arn:aws:ssm:us-east-1::parameter{base}/image_id"
        image, = ec2.describe_images(ImageIds=[p["Value"]])["Images"]
        assert image["Name"].startswith(name)
        whole = json.loads(ssm.get_parameter(Name=base)["Parameter"]["Value"])
        assert whole["image_id"] == p["Value"] and whole["image_name"] == image["Name"]
        assert ssm.get_parameter(Name=p["ARN"] + ":1")["Parameter"]["Value"] == p["Value"]


def test_several_and_by_path(ssm):
    base = BASE + "/amazon-linux-2023/recommended"
    r = ssm.get_parameters(Names=[base + "/os", "nothing"])
    assert [p["Value"] for p in r["Parameters"]] == ["Amazon Linux 2023"]
    assert r["InvalidParameters"] == ["nothing"]
    names = [p["Name"] for p in ssm.get_parameters_by_path(Path=base)["Parameters"]]
    assert base + "/image_id" in names and len(names) == 6
    assert ssm.get_parameters_by_path(Path=BASE + "/amazon-linux-2023")["Parameters"][0][
        "Name"] == base
    pages = list(ssm.get_paginator("get_parameters_by_path").paginate(
        Path=BASE, Recursive=True, PaginationConfig={"PageSize": 5}))
    assert sum(len(p["Parameters"]) for p in pages) == 14
    assert ssm.get_parameters_by_path(Path="/mine")["Parameters"] == []


def test_what_is_not_there(ssm):
    refused("ParameterNotFound", ssm.get_parameter, Name="mine")
    refused("ParameterVersionNotFound", ssm.get_parameter,
            Name=BASE + "/amazon-linux-2/recommended:2")
    refused("InvalidNextToken", ssm.get_parameters_by_path, Path="/aws", NextToken="x")
    refused("InvalidFilterKey", ssm.get_parameters_by_path, Path="/aws/", ParameterFilters=[
        {"Key": "Type", "Values": ["String"]}])
