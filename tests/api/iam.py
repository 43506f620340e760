"""What the tests of IAM share: documents, refusals, an account of the test's own."""
import itertools
import json

import botocore.exceptions
import pytest

AWS = "arn:aws:iam::aws:policy"
_accounts = itertools.count(310000000000)


def refused(code, status, operation, **more):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        operation(**more)
    reply = error.value.response
    assert reply["Error"]["Code"] == code, reply
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == status
    return reply["Error"]["Message"]


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action="s3:GetObject", resource="*", **more):
    return document({"Effect": "Allow", "Action": action, "Resource": resource, **more})


def trust(**principal):
    principal = principal or {"Service": "ecs-tasks.amazonaws.com"}
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def sized(size, action="s3:GetObject"):
    """A policy of so many characters that count."""
    text = allow(action, "arn:aws:s3:::")
    blank = len(text) - len("".join(text.split()))
    return text.replace("s3:::", "s3:::" + "x" * (size - len(text) + blank))


def own_account(server):
    """A client in an account that nobody else uses, and the account."""
    account = str(next(_accounts))
    return server.client("iam", account=account), account
