"""Buckets of S3: CreateBucket, HeadBucket, ListBuckets, DeleteBucket, their policy and tags,
and the settings that every bucket has."""

import json

import botocore.handlers
import pytest

from s3_help import fault, new_bucket, send, server  # noqa: F401


@pytest.fixture
def s3(server):
    return server.client("s3")


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


def test_create_head_list_delete(s3):
    name = new_bucket(s3)
    head = s3.head_bucket(Bucket=name)
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert s3.delete_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert fault(s3.head_bucket, Bucket=name) == ("404", 404)
    assert fault(s3.delete_bucket, Bucket=name) == ("NoSuchBucket", 404)
    s3.create_bucket(Bucket=name)
    assert "Contents" not in s3.list_objects_v2(Bucket=name)


@pytest.mark.parametrize("name", ["ab", "Upper", "1.2.3.4", "a..b", "-abc", "x" * 64, "a_b"])
def test_bad_names_are_refused(server, name):
    s3 = server.client("s3")
    s3.meta.events.unregister("before-parameter-build.s3",
                              botocore.handlers.validate_bucket_name)
    assert fault(s3.create_bucket, Bucket=name) == ("InvalidBucketName", 400)


def test_create_again_and_by_another(server, s3, bucket):
    s3.create_bucket(Bucket=bucket)
    other = server.client("s3", account="111111111111")
    assert fault(other.create_bucket, Bucket=bucket) == ("BucketAlreadyExists", 409)
    assert bucket not in [b["Name"] for b in other.list_buckets()["Buckets"]]


def test_location(server, s3, bucket):
    west = server.client("s3", region="eu-west-1")
    where = {"LocationConstraint": "eu-west-1"}
    west.create_bucket(Bucket="in-the-west", CreateBucketConfiguration=where)
    assert west.get_bucket_location(Bucket="in-the-west")["LocationConstraint"] == "eu-west-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert fault(west.create_bucket, Bucket="in-the-west", CreateBucketConfiguration=where) == \
        ("BucketAlreadyOwnedByYou", 409)
    assert fault(s3.create_bucket, Bucket="elsewhere", CreateBucketConfiguration=where) == \
        ("IllegalLocationConstraintException", 400)
    assert fault(west.create_bucket, Bucket="elsewhere") == \
        ("IllegalLocationConstraintException", 400)


def test_not_empty(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert fault(s3.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    s3.put_object(Bucket=bucket, Key="l", Body=b"x")  # it was not closed for good
    for key in "kl":
        s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_bucket(Bucket=bucket)


def test_policy(s3, bucket):
    assert fault(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)
    assert fault(s3.get_bucket_policy_status, Bucket=bucket) == ("NoSuchBucketPolicy", 404)
    text = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::{bucket}/*"}]})
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    s3.delete_bucket_policy(Bucket=bucket)
    assert fault(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)
    for bad in ("{", "[]", '{"Statement": []}', " " * 20481):
        assert fault(s3.put_bucket_policy, Bucket=bucket, Policy=bad) == \
            ("MalformedPolicy", 400), bad[:20]


def test_tags(s3, bucket):
    assert fault(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    tags = [{"Key": "team", "Value": "a b"}, {"Key": "empty", "Value": ""}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    assert fault(s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": twice}) == \
        ("InvalidTag", 400)
    s3.delete_bucket_tagging(Bucket=bucket)
    assert fault(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)


def test_settings_that_nobody_made(s3, bucket):
    """What Terraform's aws_s3_bucket reads."""
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert [g["Permission"] for g in acl["Grants"]] == ["FULL_CONTROL"]
    assert acl["Grants"][0]["Grantee"] == {"ID": acl["Owner"]["ID"], "Type": "CanonicalUser"}
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert fault(s3.get_bucket_cors, Bucket=bucket) == ("NoSuchCORSConfiguration", 404)
    assert fault(s3.get_bucket_website, Bucket=bucket) == ("NoSuchWebsiteConfiguration", 404)
    assert fault(s3.get_bucket_encryption, Bucket=bucket) == \
        ("ServerSideEncryptionConfigurationNotFoundError", 404)
    assert fault(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == \
        ("NoSuchLifecycleConfiguration", 404)
    assert fault(s3.get_bucket_replication, Bucket=bucket) == \
        ("ReplicationConfigurationNotFoundError", 404)
    assert fault(s3.get_object_lock_configuration, Bucket=bucket) == \
        ("ObjectLockConfigurationNotFoundError", 404)
    assert fault(s3.get_public_access_block, Bucket=bucket) == \
        ("NoSuchPublicAccessBlockConfiguration", 404)


def test_what_is_not_offered_is_refused_and_changes_nothing(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for method, path in [("PUT", f"/{bucket}/k?acl"), ("PUT", f"/{bucket}?lifecycle"),
                         ("PUT", f"/{bucket}/k?retention"), ("GET", f"/{bucket}?versions"),
                         ("DELETE", f"/{bucket}?cors"), ("PUT", f"/{bucket}?versioning")]:
        status, _, text = send(server, method, path, b"<x/>" if method == "PUT" else b"")
        assert (status, b"<Code>NotImplemented</Code>" in text) == (501, True), path
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_buckets_survive_a_restart(own_server):
    s3 = own_server.client("s3")
    s3.create_bucket(Bucket="stays")
    s3.put_bucket_policy(Bucket="stays", Policy=json.dumps({"Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket",
         "Resource": "arn:aws:s3:::stays"}]}))
    s3.put_object(Bucket="stays", Key="k", Body=b"x")
    own_server.restart()
    s3 = own_server.client("s3")
    assert "s3:DeleteBucket" in s3.get_bucket_policy(Bucket="stays")["Policy"]
    assert s3.get_object(Bucket="stays", Key="k")["Body"].read() == b"x"
