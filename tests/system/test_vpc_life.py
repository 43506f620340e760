"""A router that is killed at any moment, many interfaces, and nothing left behind."""

import contextlib
import json
import os
import pathlib
import random
import subprocess
import time

import pytest

from support import machine
from support.vpc_router import (ANY, Interface, Place, connecting, connects, group, is_open,
                                listen, rule, until)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root')

VPC = 'vpc-0a'


def vpc(*groups, **more):
    return {'vpcId': VPC, 'cidrBlocks': ['10.0.0.0/16'], 'securityGroups': list(groups),
            'subnets': [{'subnetId': 'subnet-0a', 'cidrBlock': '10.0.0.0/16', 'routes': [
                {'destinationCidrBlock': '0.0.0.0/0', 'target': 'INTERNET', 'id': 'igw'}]}],
            **more}


OPEN = group('sg-open', [ANY])
WEB = group('sg-web', [rule('tcp', 80, group='sg-open')])


@pytest.fixture
def place():
    with contextlib.closing(Place()) as p:
        yield p.start()


def links(path):
    return subprocess.run(['nsenter', f'--net={path}', 'ip', '-br', 'link'], check=True,
                          capture_output=True, text=True).stdout


def test_kill_9_stops_no_packet_and_the_next_one_makes_the_difference(place):
    a = Interface(place, VPC, 1, '10.0.0.4', ['sg-open'])
    b = Interface(place, VPC, 2, '10.0.0.5', ['sg-web'], publicIp='198.18.17.5')
    c = Interface(place, VPC, 3, '10.0.0.6', ['sg-web', 'sg-open'], publicIp='198.18.17.6')
    place.desired([vpc(OPEN, WEB), {**vpc(), 'vpcId': 'vpc-0old'}], [a, b, c])
    for i in (a, b, c):
        i.wire()
    server = listen(b, 80)
    kept = connecting(a, '10.0.0.5', 80)
    assert until(lambda: is_open(kept)) is not None
    accepted, _ = server.accept()
    before = place.nft(VPC)
    place.kill()
    assert connects(a, '10.0.0.5', 80)
    place.start()
    assert connects(a, '10.0.0.5', 80)
    place.desired([vpc(OPEN, WEB), {**vpc(), 'vpcId': 'vpc-0old'}], [a, b, c])
    assert without_counters(place.nft(VPC)) == without_counters(before)
    # once more, and the world has changed meanwhile
    place.kill()
    place.start()
    b.said.update(groupIds=['sg-new'], publicIp='198.18.17.7')
    new = group('sg-new', [rule('tcp', 80, cidr='10.0.0.6/32')])
    place.desired([vpc(OPEN, new)], [a, b])
    assert not connects(a, '10.0.0.5', 80, 0.3)
    kept.setblocking(True)
    kept.sendall(b'still')  # what is established goes on
    accepted.settimeout(3)
    assert accepted.recv(5) == b'still'
    rules = place.nft(VPC)
    assert 'sg-web' not in rules and c.near not in rules and '198.18.17.6' not in rules
    assert not os.path.exists(place.vpc_path('vpc-0old'))
    routes = subprocess.run(['ip', 'route'], capture_output=True, text=True,
                            check=True).stdout
    assert '198.18.17.7' in routes and '198.18.17.6' not in routes


def without_counters(text):
    lines = [' '.join(w for w in line.split() if not w.isdigit())
             for line in text.splitlines()]
    return sorted(w for line in lines for w in line.replace(',', ' ').split())


def test_killed_anywhere_it_comes_to_the_same(place):
    """Kills at random moments while much is asked; afterwards only what was said last."""
    dice = random.Random(7)
    interfaces = [Interface(place, VPC, n + 1, f'10.0.1.{n + 1}', ['sg-open'],
                            publicIp=f'198.18.17.{n + 1}') for n in range(12)]
    end = [Interface(place, VPC, n + 1, f'10.0.1.{n + 1}', ['sg-web' if n % 2 else 'sg-open'])
           for n in range(12)]
    for _ in range(8):
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            for line in ('begin', f'vpc {json.dumps(vpc(OPEN, WEB))}'):
                place.post(line)
            for i in dice.sample(interfaces, 9):
                groups = dice.choice([['sg-open'], ['sg-web'], ['sg-open', 'sg-web']])
                place.post(f'interface {json.dumps({**i.said, "groupIds": groups})}')
            place.post('settled')
            place.driver.stdin.flush()
        time.sleep(dice.random() * 0.03)  # the moment of the kill, not a wait
        place.kill()
        place.start()
    place.desired([vpc(OPEN, WEB)], end)
    end[0].wire()
    end[1].wire()
    listen(end[1], 80)
    listen(end[1], 81)
    assert connects(end[0], '10.0.1.2', 80)
    assert not connects(end[0], '10.0.1.2', 81, 0.3)
    assert '198.18.17' not in place.nft(VPC)


def test_500_interfaces_leave_nothing(place):
    place.desired([vpc(OPEN, WEB)], [])
    namespace = place.namespace()
    many = [Interface(place, VPC, n + 1, f'10.0.{n // 250}.{n % 250 + 4}',
                      ['sg-open'] if n % 2 else ['sg-web', 'sg-open']) for n in range(500)]
    for n, i in enumerate(many):
        i.say()
        place.send(f'attach {VPC} {i.id} {i.mac} {i.address} {namespace} eth{n}')
    place.send('sync')
    assert place.nft(VPC).count(many[321].near) == 2  # a source, and its class
    assert links(place.vpc_path(VPC)).count('\n') == 502
    for i in many:
        place.send(f'interface_gone {VPC} {i.id}')
    for i in many[:40]:
        place.send(f'detach {VPC} {i.id}')
    assert links(namespace).count('\n') == 461
    place.end(namespace)  # as a task does: the others go with it
    for i in many[200:300]:
        place.send(f'detach {VPC} {i.id}')
    place.send('sync')
    assert until(lambda: links(place.vpc_path(VPC)).count('\n') == 2) is not None  # lo, uplink
    rules = place.nft(VPC)
    assert '10.0.1.' not in rules and '"e0' not in rules
    place.send(f'vpc_gone {VPC}')
    place.send('sync')
    assert not [f for f in os.listdir(f'{place.dir}/vpc')]
    assert 'gu' not in links(place.network.path)


def test_purge_leaves_nothing(place):
    own = Interface(place, VPC, 1, '10.0.0.4', ['sg-open'], use='MACHINE')
    other = Interface(place, VPC, 2, '10.0.0.5', ['sg-open'], publicIp='198.18.17.5')
    place.desired([vpc(OPEN)], [own, other])
    assert 'gm' in links(place.network.path)
    place.purge()
    assert not os.listdir(f'{place.dir}/vpc')
    changed = machine.difference(place.before, place.network.state())
    assert not changed, changed
    mounts = pathlib.Path('/proc/self/mountinfo').read_text(encoding='utf-8')
    assert place.dir not in mounts


def test_a_foreign_firewall_lets_vpcs_out_and_is_left_as_it_was(place):
    load = '''add table ip theirs
        add chain ip theirs FORWARD { type filter hook forward priority 0; policy drop; }'''
    place.kill()
    subprocess.run(['nft', '-f', '-'], input=load, text=True, check=True)
    before = subprocess.run(['nft', 'list', 'table', 'ip', 'theirs'], text=True, check=True,
                            capture_output=True).stdout
    place.start()
    a = Interface(place, VPC, 1, '10.0.0.4', ['sg-open'], publicIp='198.18.17.4')
    b = Interface(place, 'vpc-0b', 2, '10.0.0.4', ['sg-open'], publicIp='198.18.17.5')
    place.desired([vpc(OPEN), {**vpc(OPEN), 'vpcId': 'vpc-0b'}], [a, b])
    for i in (a, b):
        i.wire()
    listen(b, 80)
    assert connects(a, '198.18.17.5', 80)
    place.purge()
    after = subprocess.run(['nft', 'list', 'table', 'ip', 'theirs'], text=True, check=True,
                           capture_output=True).stdout
    assert after == before
    subprocess.run(['nft', 'delete', 'table', 'ip', 'theirs'], check=True)


def test_ready_tells_when_rules_are_in_force(place):
    place.desired([vpc(OPEN)], [])
    i = Interface(place, VPC, 1, '10.0.0.4', ['sg-open'])
    i.wire()
    i.say()
    i.ready()
    assert i.near in place.nft(VPC)
    # wired again it is the same, and elsewhere it moves
    place.send(f'attach {VPC} {i.id} {i.mac} {i.address} {i.netns} eth0')
    old = i.netns
    subprocess.run(['ip', '-n', os.path.basename(old), 'link', 'del', 'eth0'], check=True)
    i.wire()
    assert 'eth0' in links(i.netns)
