"""VPCs without a server: the router's driver, interfaces in namespaces of their own, and
sockets in them."""

import json
import os
import pathlib
import select
import socket
import subprocess
import tempfile
import threading
import time

from .machine import Network, setns

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("GANTRY_BUILD", ROOT / "build"))
DRIVER = BUILD / "tests/system/router_driver"
POOL = "198.18.16.0/20"
GATEWAY = "198.18.16.1"
DNS = "198.18.16.2"
SERVICE = "169.254.169.250"
ANY = {"ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"}


def rule(protocol, ports=None, cidr=None, group=None):
    r = {"ipProtocol": protocol}
    if ports is not None:
        r["fromPort"], r["toPort"] = ports if isinstance(ports, tuple) else (ports, ports)
    r.update({"referencedGroupId": group} if group else {"cidrIpv4": cidr or "0.0.0.0/0"})
    return r


def group(group_id, ingress=(), egress=(ANY,)):
    return {"groupId": group_id, "ingress": list(ingress), "egress": list(egress)}


class Interface:
    def __init__(self, place, vpc_id, number, address, groups, **more):
        self.place, self.vpc_id, self.address = place, vpc_id, address
        self.id = f"eni-{number:014x}abc"
        self.near = "e" + self.id[4:18]
        self.mac = f"0a:00:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        self.said = {"networkInterfaceId": self.id, "vpcId": vpc_id, "subnetId": "subnet-0a",
                     "macAddress": self.mac, "privateIpAddress": address,
                     "groupIds": list(groups), "sourceDestCheck": True, "use": "TASK", **more}
        self.netns = None

    def say(self, **changes):
        self.said.update(changes)
        self.place.send(f"interface {json.dumps(self.said)}")

    def wire(self):
        self.netns = self.place.namespace()
        return self.place.send(f"attach {self.vpc_id} {self.id} {self.mac} {self.address} "
                               f"{self.netns} eth0")

    def ready(self):
        return self.place.send(f"ready {self.vpc_id} {self.id} {self.mac} {self.address}")

    def socket(self, kind=socket.SOCK_STREAM, protocol=0):
        return self.place.socket_in(self.netns, kind, protocol)

    def run(self, *command):
        return self.place.run_in(self.netns, *command)


class Place:
    """A machine's network, a router in it and its VPCs. Sockets of any namespace are made by
    the test's own process."""

    def __init__(self):
        self.network = Network()
        self.dir = tempfile.mkdtemp(prefix="gantryvpc")
        self.run = "t" + os.urandom(4).hex()
        self.count = 0
        self.namespaces = []
        self.sockets = []
        self.driver = None
        self.lock = threading.Lock()
        self.server_port = 4566
        self.before = self.network.state()

    def arguments(self):
        return [str(DRIVER), f"dir={self.dir}/vpc", f"run={self.run}", f"pool={POOL}",
                f"server=http://127.0.0.1:{self.server_port}", f"dns={DNS}"]

    def start(self):
        self.driver = subprocess.Popen(self.arguments(), stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        return self

    def post(self, line):
        self.driver.stdin.write(line + "\n")

    def answer(self):
        answer = self.driver.stdout.readline().split(" ", 1)
        assert answer[0] == "ok", " ".join(answer)
        return int(answer[1])

    def send(self, line):
        """Microseconds that it took."""
        self.post(line)
        self.driver.stdin.flush()
        return self.answer()

    def desired(self, vpcs, interfaces):
        self.send("begin")
        for v in vpcs:
            self.send(f"vpc {json.dumps(v)}")
        for i in interfaces:
            i.say()
        self.send("settled")
        return self.send("sync")

    def kill(self):
        self.driver.kill()
        self.driver.wait()
        self.driver.stdin.close()
        self.driver.stdout.close()
        self.driver = None

    def namespace(self):
        self.count += 1
        name = f"{self.run}-{self.count}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.namespaces.append(name)
        return f"/run/netns/{name}"

    def end(self, netns):
        name = os.path.basename(netns)
        self.namespaces.remove(name)
        subprocess.run(["ip", "netns", "delete", name], check=True)

    def vpc_path(self, vpc_id):
        return f"{self.dir}/vpc/{vpc_id}"

    def socket_in(self, netns, kind=socket.SOCK_STREAM, protocol=0):
        if netns:
            setns(netns)
        try:
            s = socket.socket(socket.AF_INET, kind, protocol)
        finally:
            if netns:
                setns(self.network.path)
        self.sockets.append(s)
        return s

    def run_in(self, netns, *command):
        return subprocess.run(["nsenter", f"--net={netns}", *command], check=True,
                              capture_output=True, text=True).stdout

    def nft(self, vpc_id):
        return self.run_in(self.vpc_path(vpc_id), "nft", "list", "ruleset")

    def purge(self):
        if self.driver:
            self.kill()
        subprocess.run(self.arguments() + ["purge=1"], check=True)

    def forget_sockets(self):
        while self.sockets:
            self.sockets.pop().close()

    def close(self):
        try:
            self.forget_sockets()
            self.purge()
        finally:
            for name in self.namespaces:
                subprocess.run(["ip", "netns", "delete", name], check=False)
            subprocess.run(["rm", "-rf", self.dir], check=False)
            self.network.close()


def listen(interface, port, kind=socket.SOCK_STREAM, address="0.0.0.0"):
    s = interface.socket(kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    if kind == socket.SOCK_STREAM:
        s.listen(64)
    s.setblocking(False)
    return s


def connecting(interface, address, port):
    s = interface.socket()
    s.setblocking(False)
    s.connect_ex((address, port))
    return s


def is_open(s):
    try:
        s.getpeername()
        return True
    except OSError:
        return False


def connects(interface, address, port, seconds=3.0):
    s = connecting(interface, address, port)
    select.select([], [s], [], seconds)
    ok = is_open(s)
    s.close()
    return ok


def until(condition, seconds=5.0):
    """When it was true, or None."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if condition():
            return time.monotonic() - begin
        time.sleep(0.005)
    return None
