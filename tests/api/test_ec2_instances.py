"""EC2 instances by boto3; what the edge would say of them is said by the test."""

import base64
import threading

import botocore.exceptions
import pytest

import edge

T = "t3.micro"


@pytest.fixture
def ec2(server):
    return server.client("ec2")


@pytest.fixture
def image(ec2):
    return ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]


@pytest.fixture
def launch(ec2, image):
    def f(n=1, **more):
        more.setdefault("InstanceType", T)
        r = ec2.run_instances(ImageId=image, MinCount=n, MaxCount=n, **more)
        return r["Instances"][0] if n == 1 else r["Instances"]
    return f


def refused(code, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    assert e.value.response["Error"]["Code"] == code, e.value
    return e.value.response["Error"]["Message"]


def one(ec2, i):
    r = ec2.describe_instances(InstanceIds=[i])["Reservations"]
    assert len(r) == 1 and len(r[0]["Instances"]) == 1
    return r[0]["Instances"][0]


def state(ec2, i):
    return one(ec2, i)["State"]["Name"]


def subnet_in(ec2, zone):
    return ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": [zone]},
                                         {"Name": "default-for-az", "Values": ["true"]}]
                                )["Subnets"][0]


def test_what_a_new_instance_looks_like(server, ec2, image):
    server.client("iam").create_instance_profile(InstanceProfileName="ecsInstanceRole")
    s = subnet_in(ec2, "us-east-1b")
    r = ec2.run_instances(
        ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1, SubnetId=s["SubnetId"],
        UserData="#!/bin/bash\necho ECS_CLUSTER=x >> /etc/ecs/ecs.config\n",
        IamInstanceProfile={"Name": "ecsInstanceRole"}, Monitoring={"Enabled": True},
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50}}],
        MetadataOptions={"HttpTokens": "optional", "HttpPutResponseHopLimit": 3},
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "disk", "Value": "root"}]}])
    assert r["ReservationId"].startswith("r-") and r["OwnerId"] == "000000000000"
    i = r["Instances"][0]
    assert len(i["InstanceId"]) == 19 and i["State"] == {"Code": 0, "Name": "pending"}
    assert i["InstanceType"] == "t3.small" and i["ImageId"] == image
    assert i["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert i["SubnetId"] == s["SubnetId"] and i["VpcId"] == s["VpcId"]
    assert i["PrivateDnsName"] == "ip-" + i["PrivateIpAddress"].replace(".", "-") + ".ec2.internal"
    assert i["IamInstanceProfile"]["Arn"] == (
        "arn:aws:iam::000000000000:instance-profile/ecsInstanceRole")
    assert i["Monitoring"]["State"] == "enabled"
    assert i["MetadataOptions"]["HttpTokens"] == "optional"
    assert i["Tags"] == [{"Key": "Name", "Value": "web"}]
    assert i["PublicIpAddress"].startswith("198.1")
    nic, = i["NetworkInterfaces"]
    assert nic["PrivateIpAddress"] == i["PrivateIpAddress"] and nic["Status"] == "in-use"
    assert nic["Attachment"]["DeviceIndex"] == 0 and nic["Attachment"]["DeleteOnTermination"]
    assert [g["GroupName"] for g in i["SecurityGroups"]] == ["default"]
    volume, = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id",
                                             "Values": [i["InstanceId"]]}])["Volumes"]
    assert volume["Size"] == 50 and volume["Tags"] == [{"Key": "disk", "Value": "root"}]
    assert volume["VolumeId"] == i["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert ec2.describe_volumes(VolumeIds=[volume["VolumeId"]])["Volumes"][0] == volume
    refused("InvalidVolume.NotFound", ec2.describe_volumes, VolumeIds=["vol-0"])
    assert one(ec2, i["InstanceId"])["NetworkInterfaces"][0]["MacAddress"] == nic["MacAddress"]


def test_life(server, ec2, launch):
    i = launch()["InstanceId"]
    refused("IncorrectInstanceState", ec2.stop_instances, InstanceIds=[i])
    refused("IncorrectInstanceState", ec2.reboot_instances, InstanceIds=[i])
    edge.instance(server, i, "running", generation=7)  # not the boot we asked for
    assert state(ec2, i) == "pending"
    assert ec2.describe_instance_status(InstanceIds=[i])["InstanceStatuses"] == []
    s, = ec2.describe_instance_status(InstanceIds=[i], IncludeAllInstances=True)["InstanceStatuses"]
    assert s["InstanceState"]["Name"] == "pending"
    edge.instance(server, i, "running", console="Linux version 6\nready\n")
    x = one(ec2, i)
    assert x["State"] == {"Code": 16, "Name": "running"}
    s, = ec2.describe_instance_status(InstanceIds=[i])["InstanceStatuses"]
    assert s["InstanceStatus"]["Status"] == s["SystemStatus"]["Status"] == "ok"
    assert ec2.get_console_output(InstanceId=i)["Output"] == "Linux version 6\nready\n"
    public = x["PublicIpAddress"]

    ec2.reboot_instances(InstanceIds=[i])
    assert state(ec2, i) == "running"
    edge.instance(server, i, "running", generation=2)

    c, = ec2.stop_instances(InstanceIds=[i])["StoppingInstances"]
    assert c["PreviousState"]["Name"] == "running" and c["CurrentState"]["Name"] == "stopping"
    refused("IncorrectInstanceState", ec2.start_instances, InstanceIds=[i])
    edge.instance(server, i, "stopped", generation=2)
    x = one(ec2, i)
    assert x["State"] == {"Code": 80, "Name": "stopped"} and "PublicIpAddress" not in x
    assert x["StateTransitionReason"].startswith("User initiated (20")
    assert x["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert x["PrivateIpAddress"]

    c, = ec2.start_instances(InstanceIds=[i])["StartingInstances"]
    assert c["CurrentState"]["Name"] == "pending"
    edge.instance(server, i, "stopped", generation=2)  # late news
    assert state(ec2, i) == "pending"
    edge.instance(server, i, "running", generation=3)
    x = one(ec2, i)
    assert x["PublicIpAddress"] and x["PublicIpAddress"] != public
    assert x["StateTransitionReason"] == "" and "StateReason" not in x

    c, = ec2.terminate_instances(InstanceIds=[i])["TerminatingInstances"]
    assert c["CurrentState"] == {"Code": 32, "Name": "shutting-down"}
    edge.instance(server, i, "terminated", generation=3)
    x = one(ec2, i)
    assert x["State"] == {"Code": 48, "Name": "terminated"}
    assert x["NetworkInterfaces"] == [] and "PrivateIpAddress" not in x
    assert ec2.describe_network_interfaces(Filters=[
        {"Name": "attachment.instance-id", "Values": [i]}])["NetworkInterfaces"] == []
    ec2.terminate_instances(InstanceIds=[i])
    refused("IncorrectInstanceState", ec2.start_instances, InstanceIds=[i])


def test_an_instance_that_can_not_start_ends(server, ec2, launch):
    i = launch()["InstanceId"]
    edge.instance(server, i, "failed", reason="no room for it")
    x = one(ec2, i)
    assert x["State"]["Name"] == "shutting-down"
    assert x["StateReason"] == {"Code": "Server.InternalError",
                                "Message": "Server.InternalError: no room for it"}
    edge.instance(server, i, "terminated")
    assert state(ec2, i) == "terminated"


def test_waiters(server, ec2, launch):
    """As a script would wait, with an edge that answers meanwhile."""
    i = launch()["InstanceId"]
    quick = {"Delay": 1, "MaxAttempts": 10}
    t = threading.Timer(0.3, edge.instance, (server, i, "running"))
    t.start()
    ec2.get_waiter("instance_running").wait(InstanceIds=[i], WaiterConfig=quick)
    ec2.get_waiter("instance_status_ok").wait(InstanceIds=[i], WaiterConfig=quick)
    ec2.terminate_instances(InstanceIds=[i])
    u = threading.Timer(0.3, edge.instance, (server, i, "terminated"))
    u.start()
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[i], WaiterConfig=quick)
    t.join()
    u.join()


def test_survives_the_server(ec2, server, launch):
    i = launch(ClientToken="again-and-again")
    server.restart()
    ec2 = server.client("ec2")
    assert one(ec2, i["InstanceId"]) == i
    again = ec2.run_instances(ImageId=i["ImageId"], InstanceType=T, MinCount=1, MaxCount=1,
                              ClientToken="again-and-again")["Instances"][0]
    assert again["InstanceId"] == i["InstanceId"]
    refused("IdempotentParameterMismatch", ec2.run_instances, ImageId=i["ImageId"],
            InstanceType=T, MinCount=1, MaxCount=2, ClientToken="again-and-again")
    edge.instance(server, i["InstanceId"], "running")
    assert state(ec2, i["InstanceId"]) == "running"


def test_network_choices(ec2, launch, image):
    s = subnet_in(ec2, "us-east-1c")
    g = ec2.create_security_group(GroupName="web", Description="x")["GroupId"]
    address = s["CidrBlock"].split("/")[0].rsplit(".", 1)[0] + ".77"
    i = launch(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": s["SubnetId"], "Groups": [g],
                                   "AssociatePublicIpAddress": False,
                                   "PrivateIpAddress": address}])
    assert i["PrivateIpAddress"] == address and "PublicIpAddress" not in i
    assert [x["GroupId"] for x in i["SecurityGroups"]] == [g]
    refused("InvalidIPAddress.InUse", launch, SubnetId=s["SubnetId"], PrivateIpAddress=address)
    assert launch(SecurityGroups=["web"])["SecurityGroups"][0]["GroupId"] == g
    assert launch(Placement={"AvailabilityZone": "us-east-1c"})["SubnetId"] == s["SubnetId"]
    refused("InvalidParameterCombination", launch, SubnetId=s["SubnetId"],
            NetworkInterfaces=[{"DeviceIndex": 0}])
    refused("InvalidGroup.NotFound", launch, SecurityGroupIds=["sg-00000000000000000"])
    refused("InvalidGroup.NotFound", launch, SecurityGroups=["nobody"])
    refused("InvalidSubnetID.NotFound", launch, SubnetId="subnet-00000000000000000")
    refused("InvalidParameterValue", launch, Placement={"AvailabilityZone": "us-east-1x"})
    refused("UnsupportedOperation", launch, NetworkInterfaces=[
        {"DeviceIndex": 0, "NetworkInterfaceId": "eni-1"}])


def test_what_is_wrong_or_not_offered(ec2, launch, image):
    run = ec2.run_instances
    n = {"MinCount": 1, "MaxCount": 1}
    refused("MissingParameter", run, InstanceType=T, **n)
    refused("MissingParameter", run, ImageId=image, **n)
    refused("InvalidAMIID.NotFound", run, ImageId="ami-0123456789abcdef0", InstanceType=T, **n)
    refused("InvalidAMIID.Malformed", run, ImageId="x", InstanceType=T, **n)
    refused("Unsupported", launch, InstanceType="p3.2xlarge")
    assert "larger than" in refused("InsufficientInstanceCapacity", launch,
                                    InstanceType="m5.24xlarge")
    refused("InvalidParameterValue", run, ImageId=image, InstanceType=T, MinCount=2, MaxCount=1)
    refused("InvalidKeyPair.NotFound", launch, KeyName="nobody")
    refused("UnsupportedOperation", launch, Placement={"Tenancy": "dedicated"})
    refused("UnsupportedOperation", launch, HibernationOptions={"Configured": True})
    refused("UnsupportedOperation", launch, Ipv6AddressCount=1)
    refused("UnsupportedOperation", launch, BlockDeviceMappings=[
        {"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 8}}])
    refused("InvalidBlockDeviceMapping", launch, BlockDeviceMappings=[
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}])
    refused("InvalidParameterValue", launch, IamInstanceProfile={"Arn": "x"})
    refused("InvalidParameterValue", launch, TagSpecifications=[
        {"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}])
    refused("DryRunOperation", launch, DryRun=True)
    refused("InvalidInstanceID.NotFound", ec2.describe_instances,
            InstanceIds=["i-00000000000000000"])
    refused("InvalidInstanceID.Malformed", ec2.describe_instances, InstanceIds=["x"])
    refused("InvalidInstanceID.NotFound", ec2.terminate_instances,
            InstanceIds=["i-00000000000000000"])


def test_spot_and_credits(server, ec2, launch):
    i = launch(InstanceMarketOptions={"MarketType": "spot"},
               CreditSpecification={"CpuCredits": "standard"})
    assert i["InstanceLifecycle"] == "spot" and i["SpotInstanceRequestId"].startswith("sir-")
    c, = ec2.describe_instance_credit_specifications(InstanceIds=[i["InstanceId"]])[
        "InstanceCreditSpecifications"]
    assert c == {"InstanceId": i["InstanceId"], "CpuCredits": "standard"}
    edge.instance(server, i["InstanceId"], "running")
    refused("UnsupportedOperation", ec2.stop_instances, InstanceIds=[i["InstanceId"]])


def test_listing(ec2, launch):
    token = [{"ResourceType": "instance", "Tags": [{"Key": "batch", "Value": "listing"}]}]
    all_of_it = launch(7, TagSpecifications=token)
    launch(TagSpecifications=token)
    mine = [{"Name": "tag:batch", "Values": ["listing"]}]
    rs = ec2.describe_instances(Filters=mine)["Reservations"]
    assert sorted(len(r["Instances"]) for r in rs) == [1, 7]
    pages = list(ec2.get_paginator("describe_instances").paginate(
        Filters=mine, PaginationConfig={"PageSize": 5}))
    assert len(pages) == 2
    ids = [i["InstanceId"] for p in pages for r in p["Reservations"] for i in r["Instances"]]
    assert len(set(ids)) == 8
    i = all_of_it[3]
    for name, value in (("instance-id", i["InstanceId"]),
                        ("private-ip-address", i["PrivateIpAddress"]),
                        ("ip-address", i["PublicIpAddress"]),
                        ("private-dns-name", i["PrivateDnsName"]),
                        ("network-interface.network-interface-id",
                         i["NetworkInterfaces"][0]["NetworkInterfaceId"])):
        r = ec2.describe_instances(Filters=mine + [{"Name": name, "Values": [value]}])
        assert [x["InstanceId"] for x in r["Reservations"][0]["Instances"]] == [i["InstanceId"]]
    for name, value, n in (("instance-state-name", "pending", 8), ("instance-type", "t3.*", 8),
                           ("instance-state-code", "16", 0), ("instance.group-name", "default", 8),
                           ("vpc-id", i["VpcId"], 8), ("architecture", "x86_64", 8)):
        r = ec2.describe_instances(Filters=mine + [{"Name": name, "Values": [value]}])
        assert sum(len(x["Instances"]) for x in r["Reservations"]) == n, name
    refused("InvalidParameterValue", ec2.describe_instances,
            Filters=[{"Name": "color", "Values": ["red"]}])


def test_attributes(server, ec2, launch):
    i = launch(UserData="first", DisableApiTermination=True)["InstanceId"]

    def attribute(name):
        return ec2.describe_instance_attribute(InstanceId=i, Attribute=name)

    assert attribute("userData")["UserData"]["Value"] == base64.b64encode(b"first").decode()
    assert attribute("instanceType")["InstanceType"]["Value"] == T
    assert attribute("disableApiTermination")["DisableApiTermination"]["Value"]
    assert not attribute("disableApiStop")["DisableApiStop"]["Value"]
    assert attribute("groupSet")["Groups"][0]["GroupName"] == "default"
    assert attribute("instanceInitiatedShutdownBehavior")[
        "InstanceInitiatedShutdownBehavior"]["Value"] == "stop"
    assert attribute("sourceDestCheck")["SourceDestCheck"]["Value"]
    assert attribute("rootDeviceName")["RootDeviceName"]["Value"] == "/dev/xvda"
    edge.instance(server, i, "running")
    refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[i])
    modify = ec2.modify_instance_attribute
    refused("IncorrectInstanceState", modify, InstanceId=i, InstanceType={"Value": "t3.nano"})
    refused("IncorrectInstanceState", modify, InstanceId=i, UserData={"Value": b"second"})
    modify(InstanceId=i, DisableApiStop={"Value": True})
    refused("OperationNotPermitted", ec2.stop_instances, InstanceIds=[i])
    modify(InstanceId=i, Attribute="disableApiStop", Value="false")
    modify(InstanceId=i, SourceDestCheck={"Value": False})
    assert not attribute("sourceDestCheck")["SourceDestCheck"]["Value"]
    modify(InstanceId=i, InstanceInitiatedShutdownBehavior={"Value": "terminate"})
    g = ec2.create_security_group(GroupName="other", Description="x")["GroupId"]
    modify(InstanceId=i, Groups=[g])
    assert one(ec2, i)["SecurityGroups"][0]["GroupId"] == g
    ec2.stop_instances(InstanceIds=[i])
    edge.instance(server, i, "stopped")
    modify(InstanceId=i, InstanceType={"Value": "t3.nano"})
    modify(InstanceId=i, UserData={"Value": b"second"})
    assert one(ec2, i)["InstanceType"] == "t3.nano"
    assert attribute("userData")["UserData"]["Value"] == base64.b64encode(b"second").decode()
    refused("UnsupportedOperation", modify, InstanceId=i, EnaSupport={"Value": True})
    refused("InvalidAttributeValue", modify, InstanceId=i, InstanceType={"Value": "x1.y"})
    m = ec2.modify_instance_metadata_options(InstanceId=i, HttpTokens="required",
                                             HttpPutResponseHopLimit=1)
    assert m["InstanceMetadataOptions"]["HttpPutResponseHopLimit"] == 1
    refused("InvalidParameterValue", ec2.modify_instance_metadata_options, InstanceId=i,
            HttpPutResponseHopLimit=65)
    modify(InstanceId=i, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[i])


def test_types(ec2):
    t, = ec2.describe_instance_types(InstanceTypes=["m5.large"])["InstanceTypes"]
    assert t["VCpuInfo"]["DefaultVCpus"] == 2 and t["MemoryInfo"]["SizeInMiB"] == 8192
    assert t["NetworkInfo"]["MaximumNetworkInterfaces"] == 3
    assert t["NetworkInfo"]["Ipv4AddressesPerInterface"] == 10
    refused("InvalidInstanceType", ec2.describe_instance_types, InstanceTypes=["p3.2xlarge"])
    every = [t["InstanceType"] for p in ec2.get_paginator("describe_instance_types").paginate(
        PaginationConfig={"PageSize": 20}) for t in p["InstanceTypes"]]
    assert len(every) == len(set(every)) > 50 and "t3.micro" in every
    small = ec2.describe_instance_types(Filters=[
        {"Name": "memory-info.size-in-mib", "Values": ["1024"]},
        {"Name": "current-generation", "Values": ["true"]}])["InstanceTypes"]
    assert sorted(t["InstanceType"] for t in small) == ["t3.micro", "t3a.micro"]
    offered = ec2.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": ["t3.micro"]}])["InstanceTypeOfferings"]
    assert [o["Location"] for o in offered] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    offered = ec2.describe_instance_type_offerings()["InstanceTypeOfferings"]
    assert len(offered) == len(every) and {o["Location"] for o in offered} == {"us-east-1"}


def test_images(server, ec2, image):
    images = ec2.describe_images(Owners=["amazon"], Filters=[
        {"Name": "name", "Values": ["al2023-ami-ecs-hvm-*"]}])["Images"]
    assert [i["ImageId"] for i in images] == [image]
    assert images[0]["RootDeviceName"] == "/dev/xvda" and images[0]["State"] == "available"
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    assert ec2.describe_images(ImageIds=[image])["Images"] == images
    refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=["ami-0123456789abcdef0"])
    other = server.client("ec2", region="eu-west-1")
    assert other.describe_images(Owners=["amazon"])["Images"][0]["ImageId"] != image
