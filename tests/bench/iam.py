#!/usr/bin/env python3
"""iam.py: an account with a thousand roles, each with a policy attached and one of its own:
how long they take to be made, found, listed, asked, and loaded again. No root needed.

    tests/bench/iam.py [--gantry build/gantry] [--roles 1000]

One connection, so a figure is a whole round trip through this client as well."""
import argparse
import http.client
import json
import pathlib
import statistics
import subprocess
import tempfile
import time
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parents[2]
TRUST = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    "Action": "sts:AssumeRole"}})
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::b/*"}})
ACCOUNT = "111122223333"
ATTACHED = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
HEADERS = {"content-type": "application/x-www-form-urlencoded", "x-amz-date": "20260101T000000Z",
           "authorization": f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/us-east-1/iam/"
                            "aws4_request, SignedHeaders=host;x-amz-date, Signature=" + "0" * 64}


class Server:
    """Takes any signature (--dev), so that signing is not measured."""

    def __init__(self, gantry, folder):
        self.command = [gantry, "server", "--dev", "--data-dir", f"{folder}/data", "--run-dir",
                        f"{folder}/run", "--listen", "127.0.0.1:0"]

    def __enter__(self):
        begun = time.monotonic()
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL)
        url = urllib.parse.urlparse(self.process.stdout.readline().split()[-1])
        self.start_s = time.monotonic() - begun
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        self.process.wait()

    def call(self, action, **parameters):
        body = urllib.parse.urlencode({"Action": action, "Version": "2010-05-08", **parameters})
        self.connection.request("POST", "/", body, HEADERS)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{action}: {answer.status} {text[:300]!r}")
        return text


def timed(title, operation, count):
    took = []
    for i in range(count):
        begun = time.perf_counter()
        operation(i)
        took.append((time.perf_counter() - begun) * 1000)
    took.sort()
    print(f"| {title} | {count} | {statistics.median(took):.2f} ms | "
          f"{took[int(count * 0.99) - 1]:.2f} ms |", flush=True)


def measure(server, roles):
    print(f"| of an account with {roles} roles | calls | p50 | p99 |\n| --- | --- | --- | --- |")
    timed("CreateRole", lambda i: server.call("CreateRole", RoleName=f"role-{i}",
                                              AssumeRolePolicyDocument=TRUST), roles)
    timed("PutRolePolicy", lambda i: server.call("PutRolePolicy", RoleName=f"role-{i}",
                                                 PolicyName="own", PolicyDocument=ALLOW), roles)
    timed("AttachRolePolicy", lambda i: server.call("AttachRolePolicy", RoleName=f"role-{i}",
                                                    PolicyArn=ATTACHED), roles)
    timed("GetRole", lambda i: server.call("GetRole", RoleName=f"role-{i}"), roles)
    timed("ListRoles of 1,000", lambda i: server.call("ListRoles", MaxItems=1000), 20)
    timed("ListEntitiesForPolicy of 1,000",
          lambda i: server.call("ListEntitiesForPolicy", PolicyArn=ATTACHED, MaxItems=1000), 20)
    timed("SimulatePrincipalPolicy", lambda i: server.call(
        "SimulatePrincipalPolicy", PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:role/role-{i}",
        **{"ActionNames.member.1": "s3:GetObject", "ResourceArns.member.1": "arn:aws:s3:::b/k"}),
        roles)


def main():
    args = argparse.ArgumentParser(description="a thousand roles")
    args.add_argument("--gantry", default=str(TOP / "build" / "gantry"))
    args.add_argument("--roles", type=int, default=1000)
    options = args.parse_args()
    with tempfile.TemporaryDirectory(prefix="gantry-bench-iam-") as folder:
        pathlib.Path(folder).chmod(0o755)  # the server is nobody in particular
        with Server(options.gantry, folder) as server:
            empty_s = server.start_s
            measure(server, min(options.roles, 1000))
        with Server(options.gantry, folder) as server:
            print(f"\nstart: {empty_s * 1000:.0f} ms empty, {server.start_s * 1000:.0f} ms with "
                  f"all of that stored")


if __name__ == "__main__":
    main()
