"""Tasks in network mode awsvpc as one agent runs them: the interface in a VPC, the leg to the
agent, what containers find, and what is left after kill -9."""
import json
import os
import shutil
import socket
import subprocess
import time

import pytest

from fake_ecs import busybox, in_netns
from test_agent import (BUILD, agent, netns, pytestmark, scratch,  # noqa: F401
                        server)

ASK = BUILD / 'tests/system/ask'


@pytest.fixture(autouse=True)
def image(server):
    server.images['ask'] = busybox([('bin/ask', ASK.read_bytes())], Cmd=['sleep', '1000'])


def container(script, name='main', **more):
    return {'name': name, 'image': '127.0.0.1:4566/ask:latest',
            'command': ['sh', '-c', script + '\ntrap "exit 0" TERM; sleep 1000 & wait'], **more}


def start(server, *containers, **more):
    return server.start(list(containers), networkMode='awsvpc', **more)


def words(server, task):
    return server.tasks[task]['host']['interface']


def said(agent, task, name='main', n=1):
    end = time.monotonic() + 10
    while len(agent.log_of(task, name)) < n:
        assert time.monotonic() < end, agent.log_of(task, name)
        time.sleep(0.02)
    return agent.log_of(task, name)


def inside(agent, task, *command, check=True):
    return subprocess.run(['nsenter', f'--net={agent.run_dir}/net/ns/{task}', *command],
                          capture_output=True, text=True, check=check, timeout=30).stdout


def told(server, task):
    with server.lock:
        return [a['status'] for r in server.attachments if r['task'].endswith(task)
                for a in r['attachments']]


def test_what_a_task_finds(agent, server):
    task = start(server, container('''
hostname; echo --; cat /etc/resolv.conf; echo --; cat /etc/hosts; echo --
ask $ECS_CONTAINER_METADATA_URI_V4'''),
                 container('busybox wget -qO- http://127.0.0.1:81 || true', name='side'))
    server.wait_status(task, 'RUNNING')
    own = words(server, task)
    name, resolv, hosts, answer = '\n'.join(said(agent, task, n=11)).split('\n--\n')
    assert name == own['privateDnsName']
    assert resolv.splitlines() == ['nameserver 172.31.0.2', 'search ec2.internal']
    assert f'{own["privateIpAddress"]}\t{name}' in hosts.splitlines()
    status, _, body = answer.partition('\n')
    document = json.loads(body)
    assert status == '200' and document['Networks'] == [{
        'NetworkMode': 'awsvpc', 'IPv4Addresses': [own['privateIpAddress']],
        'AttachmentIndex': 0, 'MACAddress': own['macAddress'],
        'IPv4SubnetCIDRBlock': '172.31.0.0/20', 'DomainNameServers': ['172.31.0.2'],
        'DomainNameSearchList': ['ec2.internal'], 'PrivateDNSName': name,
        'SubnetGatewayIpv4Address': '172.31.0.1/20'}]
    links = {line['ifname']: line for line in json.loads(inside(agent, task, 'ip', '-j', 'addr'))}
    assert set(links) == {'lo', 'eth0', 'ecs-eth0'}
    assert links['eth0']['address'] == own['macAddress']
    assert [(a['local'], a['prefixlen']) for a in links['eth0']['addr_info']
            if a['family'] == 'inet'] == [(own['privateIpAddress'], 32)]
    routes = {r['dst']: r['dev'] for r in json.loads(inside(agent, task, 'ip', '-j', 'route'))}
    assert routes['default'] == 'eth0' and routes['169.254.170.2'] == 'ecs-eth0'
    assert [d for d, dev in routes.items() if dev == 'ecs-eth0'] == ['169.254.170.2']
    listed = agent.output('find', task=task)
    assert own['privateIpAddress'] in listed


def test_what_is_told_of_the_interface(agent, server):
    task = start(server, container('trap "exit 0" TERM; echo up',
                                   portMappings=[{'containerPort': 80}]))
    running = server.wait_status(task, 'RUNNING')
    assert said(agent, task) == ['up']
    arn = words(server, task)['attachmentArn']
    assert told(server, task) == ['ATTACHED']
    assert running['attachments'] == [{'attachmentArn': arn, 'status': 'ATTACHED'}]
    assert 'networkBindings' not in running['containers'][0]
    server.stop(task)
    stopped = server.wait_status(task, 'STOPPED')
    assert told(server, task) == ['ATTACHED', 'DETACHING']
    assert stopped['attachments'] == [{'attachmentArn': arn, 'status': 'DETACHED'}]
    assert not server.vpc.links()


def test_tasks_reach_each_other_and_are_counted(agent, server):
    one = start(server, container('busybox nc -l -p 7000 -e echo hello'))
    server.wait_status(one, 'RUNNING')
    address = words(server, one)['privateIpAddress']
    two = start(server, container(f'until busybox nc {address} 7000; do sleep 0.1; done; '
                                  'ask $ECS_CONTAINER_METADATA_URI_V4/stats'))
    lines = said(agent, two, n=3)
    assert lines[0] == 'hello' and lines[1] == '200'
    counted = json.loads(lines[2])['networks']['eth0']
    assert 100 < counted['tx_bytes'] < 100000 and counted['rx_bytes'] > 100
    server.stop(one)
    server.stop(two)
    for t in (one, two):
        server.wait_status(t, 'STOPPED')


def listen(kind):
    s = socket.socket(socket.AF_INET, kind)
    s.bind(('0.0.0.0', 7000))
    if kind == socket.SOCK_STREAM:
        s.listen()
    s.settimeout(0.5)
    return s


def test_the_bridge_is_no_way_around_the_vpc(agent, server):
    """Not from a container in bridge mode or the machine, though both have the leg's address on
    their link; not even a datagram, which needs no answer."""
    task = start(server, container('true'))
    other = server.start([container('true')], networkMode='bridge')
    server.wait_status(task, 'RUNNING')
    server.wait_status(other, 'RUNNING')
    leg = next(a['local'] for line in json.loads(inside(agent, task, 'ip', '-j', 'addr'))
               if line['ifname'] == 'ecs-eth0' for a in line['addr_info']
               if a['family'] == 'inet')
    assert 'inet6' not in inside(agent, task, 'ip', 'addr', 'show', 'ecs-eth0')
    names = agent.run_dir / 'net/ns'
    bridged = next(names / f for f in os.listdir(names) if f.startswith(other))
    datagrams, calls = (in_netns(names / task, lambda k=kind: listen(k))
                        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
    with datagrams, calls:
        for place in (bridged, agent.netns):
            udp = in_netns(place, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            udp.sendto(b'x', (leg, 7000))
            udp.close()
            tcp = in_netns(place, lambda: socket.socket())
            tcp.settimeout(0.3)
            with pytest.raises(OSError):
                tcp.connect((leg, 7000))
            tcp.close()
        with pytest.raises(TimeoutError):
            datagrams.recv(1)
        with pytest.raises(TimeoutError):
            calls.accept()


def test_an_interface_that_comes_late(agent, server):
    """Agent and edge hear of a new VPC apart: the task waits, others do not."""
    late = server.vpc.interface()
    late['vpcId'] = 'vpc-0' + os.urandom(8).hex()
    place = server.vpc.dir / late['vpcId']
    task = start(server, container('echo up'), words={'interface': late})
    ruleless = start(server, container('echo up'),
                     words={'interface': server.vpc.interface(in_force=False)})
    other = start(server, container('echo up'))
    server.wait_status(other, 'RUNNING')
    assert told(server, task) == told(server, ruleless) == []
    server.vpc.enforce(words(server, ruleless))
    server.wait_status(ruleless, 'RUNNING')
    assert told(server, task) == []
    place.symlink_to(server.vpc.netns)
    server.wait_status(task, 'RUNNING')
    server.stop(task)
    server.wait_status(task, 'STOPPED')
    place.unlink()


@pytest.mark.parametrize('interface,reason', [
    (None, 'the server sent no network interface'),
    ({'vpcId': 'vpc-1'}, 'make no sense'),
    ({'vpcId': 'vpc-1', 'networkInterfaceId': 'eni-1', 'macAddress': 'x',
      'privateIpAddress': '1.2.3.4'}, 'make no sense'),
])
def test_words_that_are_no_interface(agent, server, interface, reason):
    task = start(server, container('true'), words={'interface': interface})
    report = server.wait_status(task, 'STOPPED')
    assert reason in report['containers'][0]['reason']
    assert report['containers'][0]['reason'].startswith('ContainerNetworkingError: ')


def test_kill_at_any_moment(agent, server):
    """Whatever the agent was doing: the task runs in the end, and nothing stays afterwards."""
    tasks = []
    for delay in (0, 0.005, 0.01, 0.02, 0.04, 0.08):
        tasks.append(start(server, container('echo up'), container('true', name='side')))
        time.sleep(delay)
        agent.restart()
    for t in tasks:
        server.wait_status(t, 'RUNNING')
    before = {t: inside(agent, t, 'cat', '/sys/class/net/eth0/ifindex', check=False)
              for t in tasks}
    agent.restart()
    for t in tasks:
        assert inside(agent, t, 'ip', '-o', 'link', 'show', 'eth0')
    assert len(server.vpc.links()) == len(tasks) == len(before)
    agent.kill()
    for t in tasks[:3]:
        server.stop(t, send=False)
    for t in tasks[3:]:
        server.tasks.pop(t)  # the server does not know them any more
    agent.start()
    for t in tasks[:3]:
        server.wait_status(t, 'STOPPED')
    end = time.monotonic() + 20
    while server.vpc.links():
        assert time.monotonic() < end, server.vpc.links()
        time.sleep(0.05)


@pytest.mark.skipif(not shutil.which('ip'), reason='needs ip')
def test_what_belongs_to_no_task_goes(agent, server):
    """A task's folder was lost with the power, its namespace was not."""
    task = start(server, container('true'))
    server.wait_status(task, 'RUNNING')
    agent.kill()
    shutil.rmtree(agent.data / 'tasks' / task)
    server.tasks.pop(task)
    agent.start()
    end = time.monotonic() + 20
    while server.vpc.links():
        assert time.monotonic() < end, server.vpc.links()
        time.sleep(0.05)
