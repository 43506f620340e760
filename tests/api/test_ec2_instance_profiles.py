"""IAM instance profiles of instances: at launch, associated later, replaced, taken away."""

import json

import botocore.exceptions
import pytest

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
    "Action": "sts:AssumeRole"}]})


@pytest.fixture
def ec2(server):
    return server.client("ec2")


@pytest.fixture
def image(ec2):
    return ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]


@pytest.fixture
def profile(server):
    """Makes profiles, each with a role of its name."""
    iam = server.client("iam")
    made = []

    def make(name, trust=TRUST):
        p = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        made.append(name)
        return p

    yield make
    for name in made:
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
        iam.delete_instance_profile(InstanceProfileName=name)
        iam.delete_role(RoleName=name)


def launch(ec2, image, **more):
    return ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro",
                             **more)["Instances"][0]


def refused(code, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    assert e.value.response["Error"]["Code"] == code, e.value
    return e.value.response["Error"]["Message"]


def associations(ec2, instance):
    return ec2.describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [instance]}])["IamInstanceProfileAssociations"]


def test_at_launch(ec2, image, profile):
    p = profile("at-launch")
    for named in ({"Name": "at-launch"}, {"Arn": p["Arn"]}):
        i = launch(ec2, image, IamInstanceProfile=named)
        assert i["IamInstanceProfile"] == {"Arn": p["Arn"], "Id": p["InstanceProfileId"]}
        a, = associations(ec2, i["InstanceId"])
        assert a["AssociationId"].startswith("iip-assoc-") and a["State"] == "associated"
        assert a["IamInstanceProfile"]["Arn"] == p["Arn"]
    text = refused("InvalidParameterValue", ec2.run_instances, ImageId=image, MinCount=1,
                   MaxCount=1, InstanceType="t3.micro",
                   IamInstanceProfile={"Name": "nobodys"})
    assert text == ("Value (nobodys) for parameter iamInstanceProfile.name is invalid. Invalid "
                    "IAM Instance Profile name")


def test_later(ec2, image, profile):
    one, two = profile("one"), profile("two")
    i = launch(ec2, image)["InstanceId"]
    assert associations(ec2, i) == []
    a = ec2.associate_iam_instance_profile(
        InstanceId=i, IamInstanceProfile={"Name": "one"})["IamInstanceProfileAssociation"]
    assert a["State"] == "associating" and a["InstanceId"] == i and a["Timestamp"]
    assert a["IamInstanceProfile"] == {"Arn": one["Arn"], "Id": one["InstanceProfileId"]}
    refused("IncorrectState", ec2.associate_iam_instance_profile, InstanceId=i,
            IamInstanceProfile={"Name": "two"})
    b = ec2.replace_iam_instance_profile_association(
        AssociationId=a["AssociationId"],
        IamInstanceProfile={"Arn": two["Arn"]})["IamInstanceProfileAssociation"]
    assert b["AssociationId"] != a["AssociationId"]
    refused("NoSuchAssociation", ec2.disassociate_iam_instance_profile,
            AssociationId=a["AssociationId"])
    shown, = ec2.describe_iam_instance_profile_associations(
        AssociationIds=[b["AssociationId"]])["IamInstanceProfileAssociations"]
    assert shown["IamInstanceProfile"]["Arn"] == two["Arn"]
    gone = ec2.disassociate_iam_instance_profile(
        AssociationId=b["AssociationId"])["IamInstanceProfileAssociation"]
    assert gone["State"] == "disassociating"
    assert associations(ec2, i) == []
    found = ec2.describe_instances(InstanceIds=[i])["Reservations"][0]["Instances"][0]
    assert "IamInstanceProfile" not in found


def test_what_is_refused(ec2, image, profile):
    profile("real")
    i = launch(ec2, image)["InstanceId"]
    refused("InvalidParameterValue", ec2.associate_iam_instance_profile, InstanceId=i,
            IamInstanceProfile={"Name": "nobodys"})
    refused("InvalidParameterValue", ec2.associate_iam_instance_profile, InstanceId=i,
            IamInstanceProfile={"Arn": "x"})
    refused("InvalidParameterCombination", ec2.associate_iam_instance_profile, InstanceId=i,
            IamInstanceProfile={"Name": "real",
                                "Arn": "arn:aws:iam::000000000000:instance-profile/real"})
    refused("InvalidInstanceID.NotFound", ec2.associate_iam_instance_profile,
            InstanceId="i-0123456789abcdef0", IamInstanceProfile={"Name": "real"})
    refused("NoSuchAssociation", ec2.replace_iam_instance_profile_association,
            AssociationId="iip-assoc-0123", IamInstanceProfile={"Name": "real"})
