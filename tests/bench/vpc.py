#!/usr/bin/python3
"""vpc.py: what a VPC costs: an interface made, wired and in force; a packet and a connection
beside 10 and 10,000 interfaces; a rule, a group of an interface; a new router over all that.

    sudo tests/bench/vpc.py [--many 10000 | --made]

It drives the edge's router by build/tests/system/router_driver, in a network namespace."""
import argparse
import contextlib
import json
import pathlib
import socket
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from support.vpc_router import Interface, Place, group, listen, rule  # noqa: E402

VPC = "vpc-0a"


def vpc(port=None):
    groups = [group("sg-all", [rule("-1", group="sg-all")])]
    groups += [group(f"sg-{k:03d}", [rule("tcp", 80 + k)]) for k in range(10)]
    if port:
        groups[1]["ingress"].append(rule("tcp", port))
    return {"vpcId": VPC, "cidrBlocks": ["10.0.0.0/8"], "securityGroups": groups,
            "subnets": [{"subnetId": "subnet-0a", "cidrBlock": "10.0.0.0/8", "routes": []}]}


def interface(place, n):
    return Interface(place, VPC, n + 1, f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", ["sg-all"])


def median_ms(work, times):
    took = []
    for k in range(times):
        begin = time.monotonic()
        work(k)
        took.append((time.monotonic() - begin) * 1000)
    return statistics.median(took)


def made(place):
    """Said, wired by another than the router, in force."""
    namespaces = [place.namespace() for _ in range(40)]

    def make(k):
        i = interface(place, 100 + k)
        i.say()
        place.send(f"attach {VPC} {i.id} {i.mac} {i.address} {namespaces[k]} eth0")
        i.ready()
    return median_ms(make, len(namespaces))


def best(measure_once, a, b):
    """Of several slices: what else runs on the machine only adds."""
    return min(measure_once(a, b) for _ in range(7))


def round_trip_us(a, b, count=3000):
    server = listen(b, 9, socket.SOCK_DGRAM)
    server.setblocking(True)
    client = a.socket(socket.SOCK_DGRAM)
    client.connect((b.address, 9))
    begin = time.monotonic()
    for _ in range(count):
        client.send(b"x")
        data, who = server.recvfrom(1)
        server.sendto(data, who)
        client.recv(1)
    took = time.monotonic() - begin
    a.place.forget_sockets()
    return took / count * 1e6


def connection_us(a, b, count=600):
    server = listen(b, 80)
    server.setblocking(True)
    begin = time.monotonic()
    for _ in range(count):
        client = a.socket()
        client.connect((b.address, 80))
        server.accept()[0].close()
        a.place.sockets.pop().close()
    took = time.monotonic() - begin
    a.place.forget_sockets()
    return took / count * 1e6


def figures(place, a, b):
    def say_rule(k):
        place.send(f"vpc {json.dumps(vpc(1000 + k))}")
        place.send("sync")

    def say_group(k):
        b.say(groupIds=["sg-all", "sg-001"] if k % 2 else ["sg-all"])
        place.send("sync")
    return (f"{best(round_trip_us, a, b):.1f} us", f"{best(connection_us, a, b):.0f} us",
            f"{median_ms(say_rule, 5):.1f} ms", f"{median_ms(say_group, 9):.1f} ms")


def pair(place):
    place.desired([vpc()], [])
    two = interface(place, 4), interface(place, 5)
    for i in two:
        i.say()
        i.wire()
        i.ready()
    return two


def measure(place, many):
    a, b = pair(place)
    print(f"made, wired, in force: {made(place):.2f} ms (median; goal 3 ms)\n")
    few = figures(place, a, b)
    rest = [interface(place, n) for n in range(300, 300 + many)]
    far = place.namespace()
    for n, i in enumerate(rest):
        i.say()
        place.send(f"attach {VPC} {i.id} {i.mac} {i.address} {far} eth{n}")
    place.send("sync")
    lots = figures(place, a, b)
    print(f"| | 10 | {many} |\n| --- | --- | --- |")
    names = ("round trip, UDP", "connection, TCP", "a rule in force", "a group of an interface")
    for row in zip(names, few, lots):
        print(f"| {' | '.join(row)} |")
    place.kill()
    place.start()
    begin = time.monotonic()
    place.desired([vpc()], [a, b] + rest)
    print(f"\na new router over {many}: {time.monotonic() - begin:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=10000)
    parser.add_argument("--made", action="store_true", help="only that figure, in ms")
    options = parser.parse_args()
    with contextlib.closing(Place()) as place:
        place.start()
        if options.made:
            pair(place)
            print(f"{made(place):.2f}")
        else:
            measure(place, options.many)


main()
