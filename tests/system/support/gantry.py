"""A whole gantry in a place of its own: `gantry up --detach`, driven by boto3."""

import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import boto3
import botocore.config
import botocore.exceptions

from support import images, machine
from support.ports import free_port

TOP = pathlib.Path(__file__).resolve().parents[3]
GANTRY = os.environ.get("GANTRY", str(TOP / "build" / "gantry"))
os.environ.setdefault("AWS_DATA_PATH", str(TOP / "api"))

# What a client sees while the server is being started again.
AWAY = (botocore.exceptions.EndpointConnectionError, botocore.exceptions.HTTPClientError,
        botocore.exceptions.ConnectionClosedError, ConnectionError)


def reasons_not_to_run():
    if os.geteuid() != 0:
        return "needs root"
    for program in ("crun", "conmon", "nft", "ip", "gcc"):
        if not shutil.which(program):
            return f"needs {program}"
    return None if os.path.exists(GANTRY) else f"{GANTRY} is not built"


def eventually(probe, timeout=20, what="the expected state", every=0.02):
    """The first true result of probe(). What isn't true says why by its repr()."""
    end = time.monotonic() + timeout
    while True:
        result = probe()
        if result:
            return result
        assert time.monotonic() < end, f"{what} did not come in {timeout} s: {result!r}"
        time.sleep(every)


class Not:
    """A false value that says why."""

    def __init__(self, why):
        self.why = why

    def __bool__(self):
        return False

    def __repr__(self):
        return str(self.why)


class Gantry:
    """Everything of it lives below one folder and in one network namespace, which the
    calling thread enters. close() purges, and fails when something is left."""

    def __init__(self, *options, disk_mib=None, beside=None):
        """disk_mib: the data lie on a file system of this size. beside: another Gantry, in
        whose network this one is, and which closes after it."""
        # Everyone may enter: the server does not run as root.
        self.dir = tempfile.mkdtemp(prefix="gantry-system-")
        os.chmod(self.dir, 0o755)
        self.beside = beside
        self.network = beside.network if beside else machine.Network()
        self.before = self.network.state()
        self.disk = f"{self.dir}/disk" if disk_mib else None
        if self.disk:
            os.mkdir(self.disk)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk_mib}m,mode=755",
                            "gantry-test", self.disk], check=True)
        self.data = f"{self.disk or self.dir}/data"
        self.run = f"{self.dir}/run"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.place = ["--data-dir", self.data, "--run-dir", self.run]
        self.options = list(options)
        self.clients = {}
        self.run_id = None
        try:
            self.up()
            self.run_id = pathlib.Path(self.data, "run-id").read_text().strip()
            self.processes = machine.Processes(self.run_id)
        except BaseException:
            self.close()
            raise

    # ---- the command ----

    def command(self, name, *arguments, place=True, **more):
        return subprocess.run([GANTRY, name, *(self.place if place else []), *arguments],
                              capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=120, **more)

    def up(self):
        done = self.command("up", "--detach", "--listen", self.address, *self.options)
        assert done.returncode == 0, done.stderr + self.log()[-4000:]
        return done

    def log(self):
        return machine.read(f"{self.run}/up.log")

    def record(self):
        return json.loads(machine.read(f"{self.run}/up.json"))

    def status(self):
        done = self.command("status", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def logs(self, task, *container):
        done = self.command("logs", task.rsplit("/", 1)[-1], *container)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # ---- clients ----

    def client(self, service):
        if service not in self.clients:
            keys = json.loads(machine.read(f"{self.data}/server/root-keys.json"))
            text = {k.lower(): v for k, v in keys.items()}
            config = botocore.config.Config(retries={"total_max_attempts": 1},
                                            connect_timeout=5, read_timeout=20)
            self.clients[service] = boto3.client(
                service, endpoint_url=f"http://{self.address}", region_name="us-east-1",
                config=config, aws_access_key_id=text["accesskeyid"],
                aws_secret_access_key=text["secretaccesskey"])
        return self.clients[service]

    @property
    def ecs(self):
        return self.client("ecs")

    def steadily(self, call, timeout=20):
        """call() again as long as nobody answers."""
        end = time.monotonic() + timeout
        while True:
            try:
                return call()
            except AWAY:
                assert time.monotonic() < end, f"no answer for {timeout} s\n{self.log()[-3000:]}"
                time.sleep(0.02)

    def role(self, name, *policies, service="ecs-tasks.amazonaws.com", document=None):
        """A role that the service may assume, with these policies of AWS's; its ARN."""
        iam = self.client("iam")
        trust = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust)
                              )["Role"]["Arn"]
        for policy in policies:
            iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/" + policy)
        if document:
            iam.put_role_policy(RoleName=name, PolicyName="own",
                                PolicyDocument=json.dumps({"Version": "2012-10-17",
                                                           "Statement": document}))
        return arn

    def instance_profile(self, name="ecsInstanceRole", *policies, **more):
        """As people make it for instances of a cluster; IamInstanceProfile of RunInstances."""
        policies = policies or ("service-role/AmazonEC2ContainerServiceforEC2Role",)
        iam = self.client("iam")
        self.role(name, *policies, service="ec2.amazonaws.com", **more)
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        return {"Name": name}

    def registry(self):
        token = self.client("ecr").get_authorization_token()["authorizationData"][0]
        user, password = base64.b64decode(token["authorizationToken"]).decode().split(":", 1)
        return images.Registry(self.address, user, password)

    def push(self, repository, image, tag="1"):
        try:
            self.client("ecr").create_repository(repositoryName=repository)
        except self.client("ecr").exceptions.RepositoryAlreadyExistsException:
            pass
        return self.registry().push(repository, tag, image)

    # ---- tasks ----

    def awsvpc(self, *groups, **more):
        """networkConfiguration: the default subnet of the machine's zone."""
        subnets = self.client("ec2").describe_subnets(Filters=[
            {"Name": "default-for-az", "Values": ["true"]},
            {"Name": "availability-zone", "Values": ["us-east-1a"]}])["Subnets"]
        return {"awsvpcConfiguration": {"subnets": [s["SubnetId"] for s in subnets],
                                        "securityGroups": list(groups), **more}}

    def define(self, family, *containers, **task):
        return self.ecs.register_task_definition(
            family=family, containerDefinitions=list(containers), **task
        )["taskDefinition"]["taskDefinitionArn"]

    def run_task(self, definition, **more):
        answer = self.ecs.run_task(taskDefinition=definition, **more)
        assert not answer["failures"], answer["failures"]
        return answer["tasks"][0]["taskArn"]

    def describe(self, *tasks):
        found = self.ecs.describe_tasks(tasks=list(tasks))
        assert not found["failures"], found["failures"]
        return found["tasks"]

    def wait_status(self, task, status, timeout=30):
        def look():
            found = self.describe(task)[0]
            return found if found["lastStatus"] == status else Not(found)
        return eventually(look, timeout, f"{status} of {task}")

    # ---- processes ----

    def part(self, name):
        """The live process of "up", "server" or "agent"; None while there is none."""
        record = self.record()
        found = record.get(name) or record.get("parts", {}).get(name) or {}
        pid = found.get("pid", 0)
        return machine.identify(pid) if pid else None

    # ---- the end ----

    def purge(self):
        done = self.command("down", "--purge")
        assert done.returncode == 0, done.stderr + self.log()[-3000:]

    def leftovers(self):
        found = machine.leftovers(self.dir, self.run_id)
        found += [str(p) for p in (self.data, self.run) if os.path.exists(p)]
        change = machine.difference(self.before, self.network.state())
        return found + [f"{k}: {v}" for k, v in change.items()]

    def close(self):
        """Purges; whatever happens, the folder and the network go."""
        try:
            self.purge()
            if self.disk:
                subprocess.run(["umount", self.disk], check=True)
            left = self.leftovers()
            assert not left, "\n".join(left)
        finally:
            if not self.beside:
                self.network.close()
            for m in machine.leftovers(self.dir, self.run_id):
                if m.startswith("process "):
                    os.kill(int(m.split()[1].rstrip(":")), signal.SIGKILL)
            subprocess.run(f"awk '$2 ~ \"^{self.dir}/\" {{print $2}}' /proc/mounts | tac | "
                           "xargs -r -n1 umount -l", shell=True, check=False)
            shutil.rmtree(self.dir, ignore_errors=True)
