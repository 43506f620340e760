"""An edge without networks: holds the stream, keeps what it is told, and reports what the
test says."""

import http.client
import json
import socket
import threading
import time
import urllib.parse

from fake_host import SIGNED
from raw import call

STREAM = "/gantry/v1/edge"
REPORT = "/gantry/v1/edge/report"
KEPT = {"VPC": ("vpc", lambda o: o["vpcId"]),
        "INTERFACE": ("interface", lambda o: o["networkInterfaceId"]),
        "BALANCER": ("balancer", lambda o: o["loadBalancer"]["LoadBalancerArn"]),
        "TARGETS": ("targetGroup", lambda o: o["targetGroup"]["TargetGroupArn"]),
        "INSTANCE": ("instance", lambda o: o["instanceId"])}
LISTS = {"VPC": "vpcs", "INTERFACE": "interfaces", "BALANCER": "balancers",
         "TARGETS": "targetGroups", "INSTANCE": "instances"}


class FakeEdge:
    def __init__(self, server):
        self.server = server
        self.messages = []
        self.has = {kind: {} for kind in KEPT}  # kind -> id -> object
        self.changed = threading.Condition()
        self.ended = False
        address = urllib.parse.urlparse(server.url)
        self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        self.connection.request("GET", STREAM, headers={
            "Authorization": SIGNED.format(account="000000000000"),
            "X-Amz-Date": "20260101T000000Z"})
        self.socket = self.connection.sock
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        threading.Thread(target=self.read, daemon=True).start()
        self.wait(lambda: self.messages, "the first message")

    def read(self):
        try:
            while line := self.response.readline():
                self.take(json.loads(line))
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass  # cut by close(), or the server went away
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def take(self, message):
        kind = message["kind"]
        with self.changed:
            self.messages.append(message)
            if kind == "DESIRED":
                for each, name in LISTS.items():
                    key = KEPT[each][1]
                    self.has[each] = {key(o): o for o in message.get(name, [])}
            elif kind in KEPT:
                member, key = KEPT[kind]
                self.has[kind][key(message[member])] = message[member]
            elif kind == "VPC_GONE":
                self.has["VPC"].pop(message["vpcId"], None)
            elif kind.endswith("_GONE"):
                self.has[kind[:-5]].pop(message["id"], None)
            self.changed.notify_all()

    def wait(self, probe, what="the expected message", timeout=10):
        end = time.monotonic() + timeout
        with self.changed:
            while not (result := probe()):
                left = end - time.monotonic()
                assert left > 0, f"{what} did not come; {self.messages[-3:]}"
                self.changed.wait(left)
            return result

    def object(self, kind, key, probe=lambda o: True):
        """Once it is there like that."""
        return self.wait(lambda: key in self.has[kind] and probe(self.has[kind][key]) and
                         self.has[kind][key], f"{kind} {key}")

    def gone(self, kind, key):
        self.wait(lambda: key not in self.has[kind], f"the end of {kind} {key}")

    def report(self, **content):
        reply = report(self.server, json.dumps(content))
        assert reply.status == 200, reply.body

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # the reader ends by itself
        except OSError:
            pass  # it was cut already
        self.wait(lambda: self.ended, "the reader's end")
        self.connection.close()


def report(server, body, **more):
    return call(server, None, body, path=REPORT, content_type="application/json", **more)
