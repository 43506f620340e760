"""A private subnet as Terraform makes it: no public addresses, its route table leads to a NAT
gateway. A task there reaches the world outside of the machine while the gateway is there."""

import os
import pathlib
import random
import socket
import subprocess
import threading

import pytest

from fake_ecs import in_netns
from support import images
from support.gantry import Gantry, Not, eventually, reasons_not_to_run

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()) or not os.path.exists("/dev/loop-control"),
                       reason=str(reasons_not_to_run() or "needs loop devices")),
    pytest.mark.timeout(120),
]


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Outside:
    """Another machine: a namespace behind a cable, where a server says hello to everybody. It
    knows no way back but to this machine's end of the cable."""

    def __init__(self):
        run = os.urandom(3).hex()
        self.netns, self.cable = f"outside-{run}", f"out{run}"
        net = f"100.127.{random.randrange(256)}."
        self.address = net + "2"
        ip("netns", "add", self.netns)
        try:
            ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0",
               "netns", self.netns)
            ip("addr", "add", net + "1/30", "dev", self.cable)
            ip("link", "set", self.cable, "up")
            ip("-n", self.netns, "addr", "add", self.address + "/30", "dev", "eth0")
            ip("-n", self.netns, "link", "set", "eth0", "up")
            self.server = in_netns(f"/run/netns/{self.netns}",
                                   lambda: socket.create_server((self.address, 8080)))
        except BaseException:
            ip("netns", "delete", self.netns)
            raise
        self.thread = threading.Thread(target=self.greet)
        self.thread.start()

    def greet(self):
        while True:
            try:
                s, _ = self.server.accept()
            except OSError:
                return
            s.sendall(b"hello\n")
            s.close()

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.server.close()
        ip("netns", "delete", self.netns)


@pytest.fixture
def outside():
    o = Outside()
    yield o
    o.close()


@pytest.fixture
def g():
    gantry = Gantry()
    try:
        busybox = pathlib.Path("/bin/busybox").read_bytes()
        gantry.image = gantry.push("busybox", images.probe_image(
            files=[("bin", None), ("bin/busybox", busybox), ("bin/sh", "busybox")],
            Entrypoint=["/bin/busybox", "sh", "-c"]))
        yield gantry
        print(gantry.log()[-6000:])
    finally:
        gantry.close()


class Network:
    """A VPC with a public subnet, in it a NAT gateway, and a private subnet that leads there."""

    def __init__(self, ec2):
        self.ec2 = ec2
        self.vpc = ec2.create_vpc(CidrBlock="10.44.0.0/16")["Vpc"]["VpcId"]
        self.public, self.private = (ec2.create_subnet(
            VpcId=self.vpc, CidrBlock=f"10.44.{n}.0/24",
            AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"] for n in (1, 2))
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        self.table(self.public, GatewayId=gateway)
        self.address = ec2.allocate_address()
        self.nat = ec2.create_nat_gateway(
            SubnetId=self.public,
            AllocationId=self.address["AllocationId"])["NatGateway"]["NatGatewayId"]
        ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[self.nat])
        self.table(self.private, NatGatewayId=self.nat)

    def table(self, subnet, **target):
        table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        self.ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)


def test_a_private_subnet_reaches_out_through_its_gateway(g, outside):
    network = Network(g.client("ec2"))
    definition = g.define("t" + os.urandom(4).hex(), {
        "name": "main", "image": g.image, "memory": 64,
        "environment": [{"name": "PATH", "value": "/bin"}],
        "command": [
            f'trap "exit 0" TERM\nwhile :; do if busybox timeout 1 busybox nc {outside.address} '
            '8080 </dev/null | busybox grep -q hello; then echo through; else echo closed; fi; '
            'busybox sleep 0.2; done & wait']}, networkMode="awsvpc")
    task = g.run_task(definition, launchType="EC2", networkConfiguration={
        "awsvpcConfiguration": {"subnets": [network.private], "assignPublicIp": "DISABLED"}})
    g.wait_status(task, "RUNNING")

    def said(word, after=0):
        def look():
            text = g.logs(task)[after:]
            return text if word in text else Not(text)
        return eventually(look, 15, f"'{word}' of {task}")
    said("through")
    g.client("ec2").delete_nat_gateway(NatGatewayId=network.nat)
    said("closed", after=len(g.logs(task)))
    g.ecs.stop_task(task=task)
    g.wait_status(task, "STOPPED")
