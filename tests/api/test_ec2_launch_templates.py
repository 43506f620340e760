"""Launch templates by boto3."""

import base64

import botocore.exceptions
import pytest


@pytest.fixture
def ec2(server):
    return server.client("ec2")


@pytest.fixture
def image(ec2):
    return ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]


def refused(code, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    assert e.value.response["Error"]["Code"] == code, e.value
    return e.value.response["Error"]["Message"]


def numbers(versions):
    return [v["VersionNumber"] for v in versions["LaunchTemplateVersions"]]


def test_life(server, ec2, image):
    server.client("iam").create_instance_profile(InstanceProfileName="role")
    data = {"ImageId": image, "InstanceType": "t3.micro",
            "UserData": base64.b64encode(b"hello").decode(),
            "IamInstanceProfile": {"Name": "role"},
            "NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": False}],
            "TagSpecifications": [{"ResourceType": "instance",
                                   "Tags": [{"Key": "from", "Value": "template"}]}]}
    t = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data,
                                   VersionDescription="first", TagSpecifications=[
                                       {"ResourceType": "launch-template",
                                        "Tags": [{"Key": "a", "Value": "b"}]}])["LaunchTemplate"]
    lt = t["LaunchTemplateId"]
    assert lt.startswith("lt-") and t["DefaultVersionNumber"] == t["LatestVersionNumber"] == 1
    assert t["Tags"] == [{"Key": "a", "Value": "b"}]
    refused("InvalidLaunchTemplateName.AlreadyExistsException", ec2.create_launch_template,
            LaunchTemplateName="web", LaunchTemplateData=data)
    v, = ec2.describe_launch_template_versions(LaunchTemplateName="web")["LaunchTemplateVersions"]
    assert v["LaunchTemplateData"] == data and v["DefaultVersion"]
    assert v["VersionDescription"] == "first"

    v = ec2.create_launch_template_version(
        LaunchTemplateId=lt, SourceVersion="1",
        LaunchTemplateData={"InstanceType": "t3.nano"})["LaunchTemplateVersion"]
    assert v["VersionNumber"] == 2 and v["LaunchTemplateData"]["ImageId"] == image
    assert v["LaunchTemplateData"]["InstanceType"] == "t3.nano" and not v["DefaultVersion"]
    v = ec2.create_launch_template_version(
        LaunchTemplateName="web", LaunchTemplateData={"ImageId": image})["LaunchTemplateVersion"]
    assert v["VersionNumber"] == 3 and v["LaunchTemplateData"] == {"ImageId": image}
    of = {"LaunchTemplateId": lt}
    describe = ec2.describe_launch_template_versions
    assert numbers(describe(**of)) == [3, 2, 1]
    assert numbers(describe(Versions=["$Latest"], **of)) == [3]
    assert numbers(describe(Versions=["$Default", "2"], **of)) == [2, 1]
    assert numbers(describe(MinVersion="2", **of)) == [3, 2]
    nano = [{"Name": "instance-type", "Values": ["t3.nano"]}]
    assert numbers(describe(Filters=nano, **of)) == [2]
    pages = list(ec2.get_paginator("describe_launch_template_versions").paginate(
        PaginationConfig={"PageSize": 2}, **of))
    assert [numbers(p) for p in pages] == [[3, 2], [1]]
    refused("InvalidLaunchTemplateId.VersionNotFound", describe, Versions=["9"], **of)

    # Used: the default version, another one, and what the request itself says over it.
    i = ec2.run_instances(MinCount=1, MaxCount=1, LaunchTemplate={"LaunchTemplateName": "web"},
                          TagSpecifications=[{"ResourceType": "instance", "Tags": [
                              {"Key": "own", "Value": "x"}]}])["Instances"][0]
    assert i["InstanceType"] == "t3.micro" and "PublicIpAddress" not in i
    assert sorted(x["Key"] for x in i["Tags"]) == ["from", "own"]
    i = ec2.run_instances(MinCount=1, MaxCount=1, LaunchTemplate={
        "LaunchTemplateId": lt, "Version": "2"})["Instances"][0]
    assert i["InstanceType"] == "t3.nano"
    i = ec2.run_instances(MinCount=1, MaxCount=1, InstanceType="t3.small", LaunchTemplate={
        "LaunchTemplateId": lt, "Version": "$Latest"})["Instances"][0]
    assert i["InstanceType"] == "t3.small"
    got = ec2.get_launch_template_data(InstanceId=i["InstanceId"])["LaunchTemplateData"]
    assert got["InstanceType"] == "t3.small" and got["ImageId"] == image
    assert got["NetworkInterfaces"][0]["SubnetId"] == i["SubnetId"]

    t = ec2.modify_launch_template(LaunchTemplateId=lt, DefaultVersion="2")["LaunchTemplate"]
    assert t["DefaultVersionNumber"] == 2 and t["LatestVersionNumber"] == 3
    d = ec2.delete_launch_template_versions(LaunchTemplateId=lt, Versions=["1", "2", "9"])
    ok = d["SuccessfullyDeletedLaunchTemplateVersions"]
    assert [x["VersionNumber"] for x in ok] == [1]
    bad = {x["VersionNumber"]: x["ResponseError"]["Code"]
           for x in d["UnsuccessfullyDeletedLaunchTemplateVersions"]}
    assert bad == {2: "unexpectedError", 9: "launchTemplateVersionDoesNotExist"}

    server.restart()
    ec2 = server.client("ec2")
    t, = ec2.describe_launch_templates(LaunchTemplateNames=["web"])["LaunchTemplates"]
    assert t["LaunchTemplateId"] == lt and t["DefaultVersionNumber"] == 2
    assert ec2.delete_launch_template(LaunchTemplateName="web")["LaunchTemplate"][
        "LaunchTemplateId"] == lt
    refused("InvalidLaunchTemplateId.NotFound", ec2.describe_launch_templates,
            LaunchTemplateIds=[lt])
    refused("InvalidLaunchTemplateName.NotFoundException", ec2.delete_launch_template,
            LaunchTemplateName="web")


def test_listing_and_repeating(ec2, image):
    data = {"ImageId": image}
    for n in range(7):
        ec2.create_launch_template(LaunchTemplateName=f"list-{n}", LaunchTemplateData=data,
                                   ClientToken=f"token-{n}")
    again = ec2.create_launch_template(LaunchTemplateName="list-0", LaunchTemplateData=data,
                                       ClientToken="token-0")
    assert again["LaunchTemplate"]["LaunchTemplateName"] == "list-0"
    pages = list(ec2.get_paginator("describe_launch_templates").paginate(
        Filters=[{"Name": "launch-template-name", "Values": ["list-*"]}],
        PaginationConfig={"PageSize": 5}))
    assert [len(p["LaunchTemplates"]) for p in pages] == [5, 2]


def test_what_is_wrong(ec2, image):
    create = ec2.create_launch_template
    refused("InvalidParameterValue", create, LaunchTemplateName="a b c",
            LaunchTemplateData={"ImageId": image})
    refused("UnsupportedOperation", create, LaunchTemplateName="bad-one",
            LaunchTemplateData={"InstanceRequirements": {"VCpuCount": {"Min": 1},
                                                         "MemoryMiB": {"Min": 1}}})
    refused("UnsupportedOperation", create, LaunchTemplateName="bad-one",
            LaunchTemplateData={"EnclaveOptions": {"Enabled": True}})
    refused("DryRunOperation", create, LaunchTemplateName="bad-one",
            LaunchTemplateData={"ImageId": image}, DryRun=True)
    refused("MissingParameter", ec2.describe_launch_template_versions)
    refused("InvalidLaunchTemplateId.Malformed", ec2.delete_launch_template,
            LaunchTemplateId="x")
    refused("InvalidLaunchTemplateName.NotFoundException", ec2.run_instances, MinCount=1,
            MaxCount=1, LaunchTemplate={"LaunchTemplateName": "nobody"})
    refused("InvalidLaunchTemplateName.NotFoundException", ec2.modify_launch_template,
            LaunchTemplateName="nobody", DefaultVersion="1")
    refused("InvalidLaunchTemplateName.NotFoundException", ec2.create_launch_template_version,
            LaunchTemplateName="nobody", LaunchTemplateData={"ImageId": image})
    refused("InvalidLaunchTemplateName.NotFoundException", ec2.delete_launch_template_versions,
            LaunchTemplateName="nobody", Versions=["1"])
