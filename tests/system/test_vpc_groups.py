"""Security groups with real packets: which of two interfaces reaches the other, by whose
rules, and from when on."""

import contextlib
import itertools
import json
import os
import socket
import struct
import time

import pytest

from support.machine import setns
from support.vpc_router import (ANY, GATEWAY, Interface, Place, connecting, connects, group,
                                is_open, listen, rule, until)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root')

VPC = 'vpc-0a'
ROUTES = [{'destinationCidrBlock': '0.0.0.0/0', 'target': 'INTERNET', 'id': 'igw-0a'}]
PORTS = (80, 85, 90, 91, 443)
# What each group lets in, and out.
GROUPS = [
    group('sg-own', [rule('-1', group='sg-own')]),  # a VPC's default group
    group('sg-web', [rule('tcp', (80, 90)), rule('udp', 443, cidr='10.0.0.0/30')]),
    group('sg-inner', [rule('tcp', 443, group='sg-web'), rule('tcp', 80, cidr='10.0.0.16/28'),
                       rule('icmp', (8, -1), group='sg-web')]),
    group('sg-mute', [ANY], egress=[]),
    group('sg-narrow', [ANY], egress=[rule('tcp', 443, group='sg-web'),
                                      rule('tcp', 80, cidr='10.0.0.12/32')]),
    group('sg-six', [rule('6', (443, 443), cidr='10.0.0.0/16')]),
]
# Address and groups of an interface.
MEMBERS = {
    'own1': ('10.0.0.4', ['sg-own']), 'own2': ('10.0.0.5', ['sg-own']),
    'web1': ('10.0.0.8', ['sg-web']), 'web2': ('10.0.0.9', ['sg-web']),
    'inner': ('10.0.0.12', ['sg-inner']), 'both': ('10.0.0.17', ['sg-inner', 'sg-own']),
    'mute': ('10.0.0.20', ['sg-mute']), 'narrow': ('10.0.0.21', ['sg-narrow']),
    'six': ('10.0.0.24', ['sg-six']),
}


def expected(source, target, port):
    """The rules above, in other words."""
    src, dst = MEMBERS[source][1], MEMBERS[target][1]
    if source == 'mute':
        return False
    if source == 'narrow' and not (port == 443 and 'sg-web' in dst
                                   or port == 80 and target == 'inner'):
        return False
    lets_in = {
        'sg-own': 'sg-own' in src,
        'sg-web': 80 <= port <= 90,
        'sg-inner': port == 443 and 'sg-web' in src or port == 80 and source in (
            'both', 'mute', 'narrow', 'six'),
        'sg-mute': True, 'sg-narrow': True, 'sg-six': port == 443,
    }
    return any(lets_in[g] for g in dst)


def vpc(groups, **more):
    return {'vpcId': VPC, 'cidrBlocks': ['10.0.0.0/16'], 'securityGroups': groups,
            'subnets': [{'subnetId': 'subnet-0a', 'cidrBlock': '10.0.0.0/24',
                         'routes': ROUTES}], **more}


@pytest.fixture(scope='module')
def world():
    with contextlib.closing(Place()) as place:
        place.start()
        place.members = {name: Interface(place, VPC, n + 1, *m)
                         for n, (name, m) in enumerate(MEMBERS.items())}
        half = len(MEMBERS) // 2  # some are wired before the router hears of them
        place.desired([vpc(GROUPS)], [])
        for i in list(place.members.values())[:half]:
            i.wire()
        place.desired([vpc(GROUPS)], place.members.values())
        for i in list(place.members.values())[half:]:
            i.wire()
        for i in place.members.values():
            i.ready()
        yield place


@pytest.fixture(autouse=True)
def restored(world):
    yield
    world.forget_sockets()
    for name, i in world.members.items():
        i.said['groupIds'] = MEMBERS[name][1]
    world.desired([vpc(GROUPS)], world.members.values())


def test_matrix_of_groups_and_ports(world):
    for i in world.members.values():
        for port in PORTS:
            listen(i, port)
    tries = {(a, b, port): connecting(world.members[a], world.members[b].address, port)
             for a, b in itertools.permutations(MEMBERS, 2) for port in PORTS}
    wanted = {k for k in tries if expected(*k)}
    assert 0 < len(wanted) < len(tries)
    assert until(lambda: all(is_open(tries[k]) for k in wanted)) is not None, \
        sorted(k for k in wanted if not is_open(tries[k]))
    time.sleep(0.2)  # what is denied is silence: nothing tells that it came
    assert {k for k, s in tries.items() if is_open(s)} == wanted


def datagrams(source, target, port):
    receiver = listen(target, port, socket.SOCK_DGRAM)
    sender = source.socket(socket.SOCK_DGRAM)
    sender.sendto(b'?', (target.address, port))
    try:
        return until(lambda: received(receiver), 0.4) is not None
    finally:
        receiver.close()


def received(s):
    try:
        return bool(s.recv(10))
    except BlockingIOError:
        return False


def test_udp_and_icmp_have_rules_of_their_own(world):
    m = world.members
    assert not datagrams(m['web1'], m['web2'], 443)  # 10.0.0.8 is not of 10.0.0.0/30
    assert not datagrams(m['web1'], m['web2'], 80)   # open for TCP
    assert datagrams(m['own1'], m['own2'], 9000)
    assert pings(m['web1'], m['inner'])
    assert not pings(m['own1'], m['inner'])
    assert not pings(m['inner'], m['web1'])  # echo is let in one way only


def test_only_a_load_balancer_without_groups_is_open(world):
    m = world.members
    listen(m['own1'], 9000)
    assert not connects(m['web1'], m['own1'].address, 9000, 0.3)
    m['own1'].say(groupIds=[])
    world.send('sync')
    assert not connects(m['web1'], m['own1'].address, 9000, 0.3)
    assert not connects(m['own2'], m['own1'].address, 9000, 0.3)
    m['own1'].say(use='BALANCER')
    world.send('sync')
    try:
        for name in ('web1', 'own2', 'six'):
            assert connects(m[name], m['own1'].address, 9000)
        listen(m['web2'], 85)
        assert connects(m['own1'], m['web2'].address, 85)
        assert not connects(m['own1'], m['own2'].address, 85, 0.3)  # others' groups hold
        world.kill()
        world.start()  # the next router finds it so
        world.desired([vpc(GROUPS)], m.values())
        assert connects(m['web1'], m['own1'].address, 9000)
    finally:
        m['own1'].said['use'] = 'TASK'


def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    total = (total & 0xffff) + (total >> 16)
    return struct.pack('!H', ~(total + (total >> 16)) & 0xffff)


def pings(source, target):
    raw = source.socket(socket.SOCK_RAW, socket.IPPROTO_ICMP)
    raw.setblocking(False)
    echo = struct.pack('!BBHHH', 8, 0, 0, os.getpid() & 0xffff, 1)
    raw.sendto(echo[:2] + checksum(echo) + echo[4:], (target.address, 0))
    try:
        return until(lambda: received(raw), 0.3) is not None
    finally:
        raw.close()


def expected_beside_tcp(source, target, kind):
    """The rules above for datagrams (to ports that no range names for them) and for echo."""
    src, dst = MEMBERS[source][1], MEMBERS[target][1]
    if source in ('mute', 'narrow'):
        return False
    lets_in = {'sg-own': 'sg-own' in src, 'sg-inner': kind == 'echo' and 'sg-web' in src,
               'sg-mute': True, 'sg-narrow': True}
    return any(lets_in.get(g, False) for g in dst)


def collect(sockets, read, wanted):
    """What read(data, name) makes of all that comes; whatever is denied is silence."""
    came = set()

    def look():
        for name, s in sockets:
            with contextlib.suppress(BlockingIOError):
                while True:
                    came.add(read(s.recv(2000), name))
        return wanted <= came
    assert until(look) is not None, wanted - came
    time.sleep(0.2)  # nothing tells that the rest came
    look()
    return came - {None}


def test_matrix_of_datagrams(world):
    m, ports = world.members, (80, 443, 9000)
    receivers = [((n, port), listen(m[n], port, socket.SOCK_DGRAM)) for n in m for port in ports]
    senders = {n: m[n].socket(socket.SOCK_DGRAM) for n in m}
    pairs = [(a, b, port) for a, b in itertools.permutations(MEMBERS, 2) for port in ports]
    for a, b, port in pairs:
        with contextlib.suppress(PermissionError):
            senders[a].sendto(a.encode(), (m[b].address, port))
    wanted = {k for k in pairs if expected_beside_tcp(k[0], k[1], 'datagram')}
    assert 0 < len(wanted) < len(pairs)
    assert collect(receivers, lambda d, name: (d.decode(), *name), wanted) == wanted


def test_matrix_of_echoes(world):
    m, pairs = world.members, list(itertools.permutations(MEMBERS, 2))
    raw = {n: m[n].socket(socket.SOCK_RAW, socket.IPPROTO_ICMP) for n in m}
    for n, (a, b) in enumerate(pairs):
        raw[a].setblocking(False)
        echo = struct.pack('!BBHHH', 8, 0, 0, 1000 + n, 1)
        with contextlib.suppress(PermissionError):
            raw[a].sendto(echo[:2] + checksum(echo) + echo[4:], (m[b].address, 0))

    def answered(packet, name):
        kind, _, _, number = struct.unpack('!BBHH', packet[20:26])
        pair = pairs[number - 1000] if kind == 0 and 0 <= number - 1000 < len(pairs) else None
        return pair if pair and pair[0] == name else None

    wanted = {k for k in pairs if expected_beside_tcp(*k, 'echo')}
    assert 0 < len(wanted) < len(pairs)
    assert collect(raw.items(), answered, wanted) == wanted


def test_answers_pass_without_a_rule(world):
    """web lets nobody in at 5000, but what it asks for comes back."""
    server = listen(world.members['own1'], 5000)
    world.send(f'vpc {json.dumps(vpc([group("sg-own", [ANY])] + GROUPS[1:]))}')
    world.send('sync')
    client = connecting(world.members['web1'], '10.0.0.4', 5000)
    assert until(lambda: is_open(client)) is not None
    accepted, _ = server.accept()
    accepted.sendall(b'hello')
    client.setblocking(True)
    client.settimeout(3)
    assert client.recv(5) == b'hello'


def test_a_rule_is_in_force_at_once_and_revoked_for_new_connections(world):
    server = listen(world.members['inner'], 8080)
    web = world.members['web1']
    assert not connects(web, '10.0.0.12', 8080, 0.3)
    opened = [group('sg-inner', GROUPS[2]['ingress'] + [rule('tcp', 8080, group='sg-web')])
              if g['groupId'] == 'sg-inner' else g for g in GROUPS]
    begin = time.monotonic()
    world.send(f'vpc {json.dumps(vpc(opened))}')
    world.send('sync')
    took = time.monotonic() - begin
    assert took < 1
    kept = connecting(web, '10.0.0.12', 8080)
    assert until(lambda: is_open(kept)) is not None
    world.send(f'vpc {json.dumps(vpc(GROUPS))}')
    world.send('sync')
    assert not connects(web, '10.0.0.12', 8080, 0.3)
    accepted, _ = server.accept()  # one that is established goes on
    kept.setblocking(True)
    kept.sendall(b'still')
    accepted.settimeout(3)
    assert accepted.recv(5) == b'still'


def test_another_group_of_a_running_interface(world):
    listen(world.members['web1'], 443)
    own = world.members['own1']
    assert not connects(own, '10.0.0.8', 443, 0.3)
    begin = time.monotonic()
    world.members['web1'].say(groupIds=['sg-web', 'sg-own'])
    world.send('sync')
    assert time.monotonic() - begin < 1
    assert connects(own, '10.0.0.8', 443)
    # and as a member it is let in by others of that group
    listen(world.members['own2'], 7000)
    assert connects(world.members['web1'], '10.0.0.5', 7000)
    world.members['web1'].say(groupIds=['sg-web'])
    world.send('sync')
    assert not connects(world.members['web1'], '10.0.0.5', 7000, 0.3)


def test_a_group_that_goes_lets_nothing_pass(world):
    listen(world.members['web1'], 80)
    listen(world.members['inner'], 443)
    assert connects(world.members['own1'], '10.0.0.8', 80)
    without = [g for g in GROUPS if g['groupId'] != 'sg-web']
    world.send(f'vpc {json.dumps(vpc(without))}')
    world.send('sync')
    assert not connects(world.members['own1'], '10.0.0.8', 80, 0.3)
    assert not connects(world.members['web2'], '10.0.0.12', 443, 0.3)


def frame(source, target, mac, address, payload):
    """An Ethernet frame with a UDP datagram to port 9, said by whom one likes."""
    udp = struct.pack('!HHHH', 9, 9, 8 + len(payload), 0) + payload
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                       socket.inet_aton(address), socket.inet_aton(target.address))
    head = head[:10] + checksum(head) + head[12:]
    return bytes.fromhex('0a58a9fe0101') + bytes.fromhex(mac.replace(':', '')) + b'\x08\x00' \
        + head + udp


def test_nobody_speaks_for_another(world):
    own1, own2, web = (world.members[n] for n in ('own1', 'own2', 'web1'))
    receiver = listen(own2, 9, socket.SOCK_DGRAM)

    def say(source, mac, address, payload):
        setns(source.netns)
        try:
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        finally:
            setns(world.network.path)
        raw.bind(('eth0', 0))
        raw.send(frame(source, own2, mac, address, payload))
        raw.close()

    say(web, web.mac, own1.address, b'address')
    say(web, own1.mac, own1.address, b'both')
    say(own1, web.mac, own1.address, b'mac')
    say(own1, own1.mac, '10.0.0.99', b'nobody')
    say(own1, own1.mac, own1.address, b'honest')
    assert until(lambda: received(receiver), 2) is not None  # the last, and no other
    with pytest.raises(BlockingIOError):
        receiver.recv(10)
    # with sourceDestCheck off it may pass on what others said, by its own MAC
    own1.say(sourceDestCheck=False)
    world.send('sync')
    say(own1, web.mac, '10.0.0.5', b'mac')
    say(own1, own1.mac, '10.0.0.99', b'free')  # a class of its interface, not its address
    say(own1, own1.mac, own1.address, b'honest')
    assert until(lambda: received(receiver), 2) is not None
    own1.say(sourceDestCheck=True)
    world.send('sync')


def test_from_outside_only_what_comes_in_is_asked(world):
    mute = world.members['mute']
    listen(mute, 80)
    mute.say(publicIp='198.18.17.20')
    world.send('sync')

    class Machine:
        @staticmethod
        def socket(kind=socket.SOCK_STREAM):
            return world.socket_in(None, kind)

    assert connects(Machine, '198.18.17.20', 80)
    gate = world.socket_in(None)
    gate.bind((GATEWAY, 0))
    gate.listen(1)
    assert not connects(mute, GATEWAY, gate.getsockname()[1], 0.3)  # it may say nothing
    web = world.members['web1']
    web.say(publicIp='198.18.17.8')
    world.send('sync')
    assert connects(web, GATEWAY, gate.getsockname()[1])
    mute.say(publicIp=None)
    web.say(publicIp=None)
    world.send('sync')
