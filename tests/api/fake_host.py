"""A container instance without containers: registers, holds the stream, and answers as an
agent would. What it does with a task is up to the test:
    auto=True      each task is RUNNING at once and STOPPED when asked
    auto=False     the test calls running(task) and stopped(task) itself
Waiting is for events: wait(predicate) looks again whenever something arrived."""

import http.client
import json
import socket
import threading
import time
import urllib.parse

SIGNED = ("AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/ecs/aws4_request, "
          "SignedHeaders=host;x-amz-date;x-amz-target, Signature=" + "0" * 64)


class FakeHost:
    def __init__(self, server, cluster, cpu=4096, memory=8192, ports=("22",), auto=True,
                 attributes=(), account="000000000000", connect=True):
        self.server, self.cluster, self.auto, self.account = server, cluster, auto, account
        self.ecs = server.client("ecs", account=account)
        self.tasks = {}      # ARN -> the last HostTask seen
        self.starts = {}     # ARN -> how often a start was seen as new
        self.messages = []
        self.changed = threading.Condition()
        self.closing = False
        self.thread = None
        self.connection = None
        self.arn = self.register(cpu, memory, ports, attributes)
        if connect:
            self.connect()

    def register(self, cpu, memory, ports, attributes, arn=None):
        more = {"containerInstanceArn": arn} if arn else {}
        return self.ecs.register_container_instance(
            cluster=self.cluster,
            totalResources=[
                {"name": "CPU", "type": "INTEGER", "integerValue": cpu},
                {"name": "MEMORY", "type": "INTEGER", "integerValue": memory},
                {"name": "PORTS", "type": "STRINGSET", "stringSetValue": list(ports)},
                {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
            ],
            attributes=[
                *([] if any(a["name"] == "ecs.availability-zone" for a in attributes)
                  else [{"name": "ecs.availability-zone", "value": "us-east-1a"}]),
                {"name": "ecs.cpu-architecture", "value": "x86_64"},
                {"name": "ecs.os-type", "value": "linux"},
                *CAPABILITIES,
                *attributes,
            ], **more)["containerInstance"]["containerInstanceArn"]

    def connect(self):
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        self.wait(lambda: self.messages, what="the first message")

    def open(self):
        address = urllib.parse.urlparse(self.server.url)
        self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        self.connection.request(
            "GET", "/gantry/v1/agent?" + urllib.parse.urlencode(
                {"containerInstanceArn": self.arn}),
            headers={"Authorization": SIGNED.format(account=self.account),
                     "X-Amz-Date": "20260101T000000Z"})
        return self.connection.getresponse()

    def read(self):
        try:
            response = self.open()
            while line := response.readline():
                self.take(json.loads(line))
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass  # cut by close(), or the server went away

    def take(self, message):
        new = []
        with self.changed:
            self.messages.append(message)
            if message["kind"] == "DESIRED":
                new = message.get("tasks", [])
            elif message["kind"] == "TASK":
                new = [message["task"]]
            elif message["kind"] == "FORGET":
                self.tasks.pop(message["taskArn"], None)
            for task in new:
                if task["taskArn"] not in self.starts:
                    self.starts[task["taskArn"]] = 0
                if task["taskArn"] not in self.tasks:
                    self.starts[task["taskArn"]] += 1
                self.tasks[task["taskArn"]] = task
            self.changed.notify_all()
        if self.auto:
            for task in new:
                if task["desiredStatus"] == "STOPPED":
                    self.stopped(task["taskArn"], exit_code=143)
                else:
                    self.running(task["taskArn"])

    def submit(self, arn, status, containers, **more):
        if self.closing:
            return
        self.ecs.submit_task_state_change(cluster=self.cluster, task=arn, status=status,
                                          containers=containers, **more)

    def names(self, arn):
        return [c["name"] for c in self.tasks[arn]["taskDefinition"]["containerDefinitions"]]

    def running(self, arn):
        self.submit(arn, "RUNNING", [{"containerName": n, "status": "RUNNING",
                                      "runtimeId": "r-" + n} for n in self.names(arn)])

    def stopped(self, arn, exit_code=0, reason=None, container_reason=None):
        more = {"reason": reason} if reason else {}
        each = {"status": "STOPPED"}
        if exit_code is not None:
            each["exitCode"] = exit_code
        if container_reason:
            each["reason"] = container_reason
        self.submit(arn, "STOPPED", [{"containerName": n, **each} for n in self.names(arn)],
                    **more)

    def telemetry(self, tasks, arn=None, raw=None, length=None):
        """What an agent measured; tasks: {task ARN: {container: health status}}."""
        address = urllib.parse.urlparse(self.server.url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        body = raw if raw is not None else json.dumps(
            {"containerInstanceArn": arn or self.arn,
             "tasks": [{"taskArn": t, "containers": [
                 {"name": n, "healthStatus": h} for n, h in containers.items()]}
                 for t, containers in tasks.items()]})
        connection.request("POST", "/gantry/v1/agent/telemetry", body=body,
                           headers={"Authorization": SIGNED.format(account=self.account),
                                    "X-Amz-Date": "20260101T000000Z",
                                    **({"Content-Length": str(length)} if length else {})})
        response = connection.getresponse()
        status, text = response.status, response.read().decode()
        connection.close()
        return status, text

    def wait(self, predicate, timeout=20, what="it"):
        end = time.monotonic() + timeout
        with self.changed:
            while not predicate():
                left = end - time.monotonic()
                assert left > 0, f"{what} did not come; last messages: {self.messages[-3:]}"
                self.changed.wait(left)

    def close(self):
        self.closing = True
        if self.connection and self.connection.sock:
            try:
                self.connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the server closed it first
        if self.thread:
            self.thread.join(5)


CAPABILITIES = [{"name": n} for n in (
    "com.amazonaws.ecs.capability.docker-remote-api.1.18",
    "com.amazonaws.ecs.capability.docker-remote-api.1.19",
    "com.amazonaws.ecs.capability.docker-remote-api.1.21",
    "com.amazonaws.ecs.capability.docker-remote-api.1.25",
    "com.amazonaws.ecs.capability.logging-driver.json-file",
    "com.amazonaws.ecs.capability.logging-driver.none",
    "com.amazonaws.ecs.capability.ecr-auth",
    "com.amazonaws.ecs.capability.privileged-container",
    "ecs.capability.task-cpu-mem-limit",
    "ecs.capability.container-ordering",
    "ecs.capability.container-health-check",
    "ecs.capability.task-eni",
)]
