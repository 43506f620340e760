"""Ways in and out of VPCs: route tables, the internet and NAT, public addresses, services of
the link, the machine's own interface. All in a network namespace that plays the machine."""

import contextlib
import json
import os
import socket
import subprocess

import pytest

from support.vpc_router import (ANY, DNS, SERVICE, Interface, Place, connects, group, listen,
                                until)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root')

INTERNET = {'destinationCidrBlock': '0.0.0.0/0', 'target': 'INTERNET', 'id': 'igw-0a'}
NAT = {'destinationCidrBlock': '0.0.0.0/0', 'target': 'NAT', 'id': 'nat-0a'}
GATEWAYS = [{'natGatewayId': 'nat-0a', 'subnetId': 'subnet-0a', 'publicIp': '198.18.17.99',
             'privateIpAddress': '10.0.0.250'}]
OPEN = [group('sg-open', [ANY])]


def subnet(letter, number, *routes):
    return {'subnetId': f'subnet-0{letter}', 'cidrBlock': f'10.0.{number}.0/24',
            'routes': list(routes)}


def vpc(vpc_id='vpc-0a', subnets=None, **more):
    return {'vpcId': vpc_id, 'cidrBlocks': ['10.0.0.0/16'], 'securityGroups': OPEN,
            'natGateways': GATEWAYS if vpc_id == 'vpc-0a' else [],
            'subnets': subnets or [subnet('a', 0, INTERNET), subnet('b', 1, NAT),
                                   subnet('c', 2)], **more}


class Machine:
    """Sockets of the machine itself, in the place of an interface."""

    def __init__(self, place):
        self.place = place

    def socket(self, kind=socket.SOCK_STREAM):
        return self.place.socket_in(None, kind)


class Outside(Machine):
    """A network namespace behind the machine, 192.0.2.2."""

    def __init__(self, place):
        super().__init__(place)
        self.netns = place.namespace()
        name = os.path.basename(self.netns)
        for command in (f'ip link add out type veth peer name eth0 netns {name}',
                        'ip addr add 192.0.2.1/24 dev out', 'ip link set out up',
                        f'ip -n {name} addr add 192.0.2.2/24 dev eth0',
                        f'ip -n {name} link set eth0 up'):
            subprocess.run(command.split(), check=True)

    def socket(self, kind=socket.SOCK_STREAM):
        return self.place.socket_in(self.netns, kind)


@pytest.fixture(scope='module')
def world():
    with contextlib.closing(Place()) as place:
        place.machine = Machine(place)
        place.outside = Outside(place)
        subprocess.run(['ip', 'addr', 'add', f'{DNS}/32', 'dev', 'lo'], check=True)
        server = listen(place.machine, 0, address='127.0.0.1')
        place.server_port = server.getsockname()[1]
        place.start()
        place.public = Interface(place, 'vpc-0a', 1, '10.0.0.4', ['sg-open'],
                                 publicIp='198.18.17.4')
        place.public2 = Interface(place, 'vpc-0a', 2, '10.0.0.5', ['sg-open'],
                                  publicIp='198.18.17.5')
        place.plain = Interface(place, 'vpc-0a', 3, '10.0.0.6', ['sg-open'])
        place.private = Interface(place, 'vpc-0a', 4, '10.0.1.4', ['sg-open'],
                                  subnetId='subnet-0b')
        place.closed = Interface(place, 'vpc-0a', 5, '10.0.2.4', ['sg-open'],
                                 subnetId='subnet-0c')
        # the same range, and even the same addresses, once more
        place.twin = Interface(place, 'vpc-0b', 6, '10.0.0.4', ['sg-open'],
                               publicIp='198.18.17.6')
        place.twin2 = Interface(place, 'vpc-0b', 7, '10.0.0.6', ['sg-open'])
        place.all = [place.public, place.public2, place.plain, place.private, place.closed,
                     place.twin, place.twin2]
        place.desired([vpc(), vpc('vpc-0b')], place.all)
        for i in place.all:
            i.wire()
            i.ready()
        place.server = server
        yield place


def peer_of(server):
    assert until(lambda: peer_of.found(server)) is not None
    return peer_of.address


def _found(server):
    try:
        connection, peer_of.address = server.accept()
    except BlockingIOError:
        return False
    connection.close()
    peer_of.address = peer_of.address[0]
    return True


peer_of.found = _found


def reaches(source, address, server):
    """As whom, or None."""
    if not connects(source, address, server.getsockname()[1], 0.4):
        return None
    return peer_of(server)


def test_the_outside_is_reached_by_route_and_public_address(world):
    server = listen(world.outside, 0)
    assert reaches(world.public, '192.0.2.2', server) == '192.0.2.1'  # the machine's
    assert reaches(world.private, '192.0.2.2', server) == '192.0.2.1'
    assert reaches(world.plain, '192.0.2.2', server) is None  # no public address
    assert reaches(world.closed, '192.0.2.2', server) is None  # no route
    assert reaches(world.twin2, '192.0.2.2', server) is None


def test_public_addresses_are_seen_by_the_machine_and_each_other(world):
    at_machine = listen(world.machine, 0)
    assert reaches(world.public, '198.18.16.1', at_machine) == '198.18.17.4'
    assert reaches(world.private, '198.18.16.1', at_machine) == '198.18.17.99'
    server = listen(world.public2, 8080)
    assert reaches(world.machine, '198.18.17.5', server) == '198.18.16.1'
    assert reaches(world.public, '198.18.17.5', server) == '198.18.17.4'  # of one VPC
    assert reaches(world.twin, '198.18.17.5', server) == '198.18.17.6'  # of two
    assert reaches(world.private, '198.18.17.5', server) == '198.18.17.99'


def test_nothing_comes_in_by_a_nat_gateway(world):
    listen(world.private, 8081)
    assert not connects(world.machine, '198.18.17.99', 8081, 0.3)


def test_two_vpcs_with_one_range_stay_apart(world):
    here, there = listen(world.public, 8082), listen(world.twin, 8082)
    assert reaches(world.plain, '10.0.0.4', here) == '10.0.0.6'
    assert reaches(world.twin2, '10.0.0.4', there) == '10.0.0.6'
    assert not peer_of.found(here)


def test_within_the_vpc_no_route_is_needed(world):
    server = listen(world.closed, 8083)
    for source in (world.public, world.plain, world.private):
        assert reaches(source, '10.0.2.4', server) == source.address


def test_an_address_of_nobody_leads_nowhere(world):
    server = listen(world.outside, 8084)
    subprocess.run(['ip', '-n', os.path.basename(world.outside.netns), 'addr', 'add',
                    '10.0.0.77/32', 'dev', 'eth0'], check=True)
    subprocess.run(['ip', 'route', 'add', '10.0.0.77', 'via', '192.0.2.2'], check=True)
    try:
        assert reaches(world.public, '10.0.0.77', server) is None
    finally:
        subprocess.run(['ip', 'route', 'del', '10.0.0.77'], check=True)


def test_a_range_that_goes_is_the_internet_s_again(world):
    def ranges():
        return world.public.place.run_in(world.vpc_path('vpc-0a'), 'ip', 'route')
    world.send(f'vpc {json.dumps(vpc(cidrBlocks=["10.0.0.0/16", "10.7.0.0/16"]))}')
    world.send('sync')
    assert 'blackhole 10.7.0.0/16' in ranges()
    world.send(f'vpc {json.dumps(vpc())}')
    world.send('sync')
    assert '10.7.' not in ranges() and 'blackhole 10.0.0.0/16' in ranges()


def test_the_server_and_names_are_reached_from_everywhere(world):
    closed = [group('sg-open', [], egress=[])]
    world.send(f'vpc {json.dumps(vpc(securityGroups=closed))}')
    world.send('sync')
    port = world.server.getsockname()[1]
    names = listen(world.machine, 53, socket.SOCK_DGRAM, DNS)
    stream = listen(world.machine, 53, address=DNS)
    try:
        for source in (world.public, world.closed):
            assert connects(source, SERVICE, port)
            peer_of(world.server)
            assert not connects(source, SERVICE, port + 1, 0.1)
            for address in ('10.0.0.2', '169.254.169.253'):
                asking = source.socket(socket.SOCK_DGRAM)
                asking.settimeout(3)
                asking.sendto(b'who', (address, 53))
                assert until(lambda: world_answers(names)) is not None
                answer, by = asking.recvfrom(10)
                assert (answer, by) == (b'you', (address, 53))
            assert connects(source, '10.0.0.2', 53)
            peer_of(stream)
    finally:
        world.send(f'vpc {json.dumps(vpc())}')
        world.send('sync')


def world_answers(names):
    try:
        _, who = names.recvfrom(10)
    except BlockingIOError:
        return False
    assert who[0].startswith('198.18.16.')
    names.sendto(b'you', who)
    return True


def test_routes_change(world):
    server = listen(world.outside, 0)
    changed = [subnet('a', 0), subnet('b', 1, INTERNET), subnet('c', 2, NAT)]
    # without the internet the gateway's own subnet leads nowhere either
    world.send(f'vpc {json.dumps(vpc(subnets=changed))}')
    world.send('sync')
    assert reaches(world.public, '192.0.2.2', server) is None
    assert reaches(world.private, '192.0.2.2', server) is None  # no public address
    assert reaches(world.closed, '192.0.2.2', server) is None
    changed = [subnet('a', 0, INTERNET), subnet('b', 1, {
        'destinationCidrBlock': '192.0.2.0/24', 'target': 'BLACKHOLE', 'id': 'nat-0x'}, NAT),
        subnet('c', 2, NAT)]
    world.send(f'vpc {json.dumps(vpc(subnets=changed))}')
    world.send('sync')
    assert reaches(world.public, '192.0.2.2', server)
    assert reaches(world.private, '192.0.2.2', server) is None
    assert reaches(world.closed, '192.0.2.2', server)
    world.send(f'vpc {json.dumps(vpc())}')
    world.send('sync')
    assert reaches(world.private, '192.0.2.2', server)
    assert reaches(world.closed, '192.0.2.2', server) is None


def test_a_public_address_moves(world):
    a, b = listen(world.public, 8085), listen(world.plain, 8085)
    assert reaches(world.machine, '198.18.17.4', a)
    world.public.say(publicIp=None)
    world.plain.say(publicIp='198.18.17.4')
    world.send('sync')
    assert reaches(world.machine, '198.18.17.4', b)
    assert not peer_of.found(a)
    world.plain.say(publicIp=None)
    world.public.say(publicIp='198.18.17.4')
    world.send('sync')
    assert reaches(world.machine, '198.18.17.4', a)


def test_a_route_to_an_interface_and_a_secondary_address(world):
    """An appliance that takes what goes to 203.0.113.0/24."""
    routes = [subnet('a', 0, INTERNET, {'destinationCidrBlock': '203.0.113.0/24',
                                        'target': 'INTERFACE', 'id': world.public2.id}),
              subnet('b', 1, NAT), subnet('c', 2)]
    world.public2.run('ip', 'addr', 'add', '203.0.113.7/32', 'dev', 'lo')
    world.public2.run('ip', 'addr', 'add', '10.0.0.55/32', 'dev', 'eth0')
    server = listen(world.public2, 8086)
    world.public2.say(sourceDestCheck=False, secondaryPrivateIpAddresses=['10.0.0.55'])
    world.send(f'vpc {json.dumps(vpc(subnets=routes))}')
    world.send('sync')
    assert reaches(world.plain, '203.0.113.7', server) == '10.0.0.6'
    assert reaches(world.private, '203.0.113.7', server) is None
    assert reaches(world.private, '10.0.0.55', server) == '10.0.1.4'
    world.public2.say(sourceDestCheck=True, secondaryPrivateIpAddresses=[])
    world.send(f'vpc {json.dumps(vpc())}')
    world.send('sync')
    assert reaches(world.plain, '203.0.113.7', server) is None


def test_the_machine_has_an_interface_of_its_own(world):
    own = Interface(world, 'vpc-0a', 8, '10.0.0.8', ['sg-open'], use='MACHINE')
    own.say()
    world.send('sync')
    server = listen(world.closed, 8087)
    assert reaches(world.machine, '10.0.2.4', server) == '10.0.0.8'
    at_machine = listen(world.machine, 8088)
    assert reaches(world.closed, '10.0.0.8', at_machine) == '10.0.2.4'
    # what leaves one VPC by its internet does not enter another by the machine's interface
    there = listen(world.closed, 8089)
    assert reaches(world.twin, '10.0.2.4', there) is None
    # another route of the machine is not taken over
    world.send(f'interface_gone vpc-0a {own.id}')
    world.send('sync')
    assert 'gm' not in subprocess.run(['ip', '-br', 'link'], capture_output=True, text=True,
                                      check=True).stdout
    subprocess.run('ip route add 10.0.0.0/15 via 192.0.2.2'.split(), check=True)
    try:
        own.say()
        world.send('sync')
        routes = subprocess.run(['ip', 'route', 'get', '10.0.2.4'], capture_output=True,
                                text=True, check=True).stdout
        assert 'via 192.0.2.2' in routes
        # but what comes by it is answered by it
        assert reaches(world.closed, '10.0.0.8', at_machine) == '10.0.2.4'
    finally:
        subprocess.run('ip route del 10.0.0.0/15'.split(), check=True)
        world.send(f'interface_gone vpc-0a {own.id}')
        world.send('sync')
    assert '10.0.0.8' not in subprocess.run(['ip', 'rule'], capture_output=True, text=True,
                                            check=True).stdout


def test_a_vpc_that_goes_takes_all_with_it(world):
    world.send('vpc_gone vpc-0b')
    world.send('sync')
    assert not os.path.exists(world.vpc_path('vpc-0b'))
    assert '198.18.17.6' not in subprocess.run(['ip', 'route'], capture_output=True,
                                               text=True, check=True).stdout
    world.desired([vpc(), vpc('vpc-0b')], world.all)
