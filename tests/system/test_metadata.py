"""What containers ask their agent at 169.254.170.2, asked by unmodified programs in them."""
import json
import os
import socket
import subprocess
import time

import pytest

import fake_ecs
from fake_ecs import busybox, in_netns
from test_agent import (Agent, BUILD, agent, netns, pytestmark, scratch,  # noqa: F401
                        server)

ASK = BUILD / 'tests/system/ask'
V4 = '$ECS_CONTAINER_METADATA_URI_V4'


@pytest.fixture(autouse=True)
def image(server):
    server.images['ask'] = busybox([('bin/ask', ASK.read_bytes())], Cmd=['sleep', '1000'])


def shell(text):
    return ['sh', '-c', text + '; sleep 1000']


def start(server, command, name='main', containers=(), **definition):
    main = {'name': name, 'image': '127.0.0.1:4566/ask:latest', 'command': shell(command)}
    return server.start([main, *containers], **definition)


def soon(read, timeout=10):
    deadline = time.monotonic() + timeout
    while True:
        value = read()
        if value:
            return value
        assert time.monotonic() < deadline, 'nothing came'
        time.sleep(0.02)


def lines(agent, task, n, name='main'):
    return soon(lambda: (lambda got: got if len(got) >= n else None)(
        agent.log_of(task, name)))


def parse(text):
    status, _, body = text.partition('\n')
    try:
        return int(status), json.loads(body)
    except ValueError:
        return int(status), body.strip()


class Inside:
    """Asks from where a task's container is."""

    def __init__(self, agent, server, mode, **definition):
        self.agent, self.mode = agent, mode
        self.task = start(server, 'env', networkMode=mode, **definition)
        self.report = server.wait_status(self.task, 'RUNNING')
        self.env = soon(lambda: self.read_env())

    def read_env(self):
        got = dict(line.partition('=')[::2] for line in self.agent.log_of(self.task))
        return got if 'ECS_AGENT_URI' in got else None

    def ns(self):
        if self.mode == 'host':
            return self.agent.netns
        run = self.agent.run_dir / 'net/ns'  # by container, or (awsvpc) by task
        return next(run / f for f in os.listdir(run) if f.startswith(self.task))

    def ask(self, url, *more, check=True):
        p = subprocess.run(['nsenter', f'--net={self.ns()}', ASK, url, *more],
                           capture_output=True, text=True, timeout=30)
        assert p.returncode == 0 or not check, p.stderr
        return parse(p.stdout) if p.returncode == 0 else None

    def v4(self, path=''):
        return self.ask(self.env['ECS_CONTAINER_METADATA_URI_V4'] + path)


@pytest.mark.parametrize('mode', ['bridge', 'host', 'awsvpc'])
def test_first_process_is_answered(agent, server, mode):
    task = start(server, f'ask {V4}/task', networkMode=mode)
    got = lines(agent, task, 2)
    assert got[0] == '200'
    document = json.loads(got[1])
    assert document['TaskARN'].endswith(task)
    assert document['Containers'][0]['Name'] == 'main'


@pytest.mark.parametrize('mode', ['bridge', 'host'])
def test_documents(agent, server, mode):
    side = {'name': 'side', 'image': '127.0.0.1:4566/ask:latest', 'cpu': 128,
            'command': shell('true'), 'dockerLabels': {'team': 'red'},
            'healthCheck': {'command': ['CMD-SHELL', 'echo fine'], 'interval': 5}}
    inside = Inside(agent, server, mode, containers=[side])
    assert inside.env['ECS_CONTAINER_METADATA_URI'].startswith('http://169.254.170.2/v3/')
    assert inside.env['AWS_EXECUTION_ENV'] == 'AWS_ECS_EC2'
    assert inside.env['AWS_REGION'] == inside.env['AWS_DEFAULT_REGION'] == 'us-east-1'
    status, own = inside.v4()
    assert status == 200 and own['Name'] == 'main' and own['KnownStatus'] == 'RUNNING'
    assert own['DockerName'].startswith('ecs-test-1-main-')
    assert own['Labels']['com.amazonaws.ecs.task-arn'].endswith(inside.task)
    assert own['Limits'] == {'CPU': 0, 'Memory': 64} and own['Type'] == 'NORMAL'
    assert own['ImageID'] == server.images['ask'].digest
    assert own['StartedAt'].endswith('Z')
    network = own['Networks'][0]
    assert network['NetworkMode'] == mode
    if mode == 'bridge':
        address = network['IPv4Addresses'][0]
        assert network['SubnetGatewayIpv4Address'].startswith(address.rsplit('.', 2)[0])
    status, task = inside.v4('/task')
    assert status == 200 and task['Cluster'] == 'default' and task['Revision'] == '1'
    assert task['KnownStatus'] == task['DesiredStatus'] == 'RUNNING'
    by_name = {c['Name']: c for c in task['Containers']}
    assert by_name['side']['Labels']['team'] == 'red'
    assert by_name['side']['Limits']['CPU'] == 128
    assert by_name['side']['Health']['status'] in ('UNKNOWN', 'HEALTHY')
    assert 'Health' not in by_name['main']
    v3 = inside.ask(inside.env['ECS_CONTAINER_METADATA_URI'])[1]
    assert v3['DockerId'] == own['DockerId']
    assert inside.v4('/associations/elastic-inference') == (200, {'Associations': []})


def test_stats(agent, server):
    inside = Inside(agent, server, 'bridge')
    status, first = inside.v4('/stats')
    assert status == 200 and 'network_rate_stats' not in first
    assert first['cpu_stats']['cpu_usage']['total_usage'] > 0
    assert first['cpu_stats']['online_cpus'] == os.cpu_count()
    assert first['memory_stats']['usage'] > 0
    assert first['memory_stats']['limit'] == 64 * 1024 * 1024
    assert first['pids_stats']['current'] >= 1
    assert first['networks']['eth0']['rx_bytes'] > 0
    status, second = inside.v4('/stats')
    assert second['precpu_stats']['cpu_usage'] == first['cpu_stats']['cpu_usage']
    assert second['preread'] == first['read']
    assert second['network_rate_stats']['rx_bytes_per_sec'] > 0
    status, every = inside.v4('/task/stats')
    assert list(every) == [inside.v4()[1]['DockerId']]


def test_strangers_learn_nothing(agent, server):
    one, two = Inside(agent, server, 'bridge'), Inside(agent, server, 'bridge')
    secret = one.env['ECS_CONTAINER_METADATA_URI_V4']
    assert one.ask(secret)[0] == 200
    assert two.ask(secret)[0] == 404
    assert secret.split('/')[-1] not in json.dumps(one.v4('/task'))
    assert one.ask('http://169.254.170.2/v4/' + '0' * 32)[0] == 404
    assert one.ask('http://169.254.170.2/')[0] == 404
    status, error = one.ask('http://169.254.170.2/v2/credentials/nobody')
    assert (status, error['code']) == (400, 'InvalidIdInRequest')
    status, error = one.ask('http://169.254.170.2/v2/credentials')
    assert (status, error['code']) == (400, 'NoIdInRequest')
    assert one.ask('http://169.254.170.2/v2/metadata')[1]['TaskARN'].endswith(one.task)
    assert two.ask('http://169.254.170.2/v2/metadata')[1]['TaskARN'].endswith(two.task)


def test_rate_limit(agent, server):
    one, two = Inside(agent, server, 'bridge'), Inside(agent, server, 'bridge')
    url = one.env['ECS_CONTAINER_METADATA_URI_V4']
    p = subprocess.run(['nsenter', f'--net={one.ns()}', 'sh', '-c',
                        f'for i in $(seq 150); do {ASK} {url} | head -1; done'],
                       capture_output=True, text=True, timeout=30)
    assert set(p.stdout.split()) == {'200', '429'}
    assert two.v4()[0] == 200


def test_open_connections_keep_nobody_out(agent, server):
    one, two = Inside(agent, server, 'bridge'), Inside(agent, server, 'bridge')

    def hold():
        held = []
        for _ in range(200):
            s = socket.create_connection(('169.254.170.2', 80), timeout=5)
            s.sendall(b'GET /v4/x HTTP/1.1\r\n')  # and no more
            held.append(s)
        return held
    held = in_netns(str(one.ns()), hold)
    try:
        assert two.v4()[0] == 200
    finally:
        for s in held:
            s.close()
    assert one.v4()[0] == 200


def test_tags_and_protection_come_from_the_server(agent, server):
    inside = Inside(agent, server, 'bridge')
    status, task = inside.v4('/taskWithTags')
    assert status == 200
    assert task['TaskTags'] == {'of': 'task'}
    assert task['ContainerInstanceTags'] == {'of': 'container-instance'}
    state = inside.env['ECS_AGENT_URI'] + '/task-protection/v1/state'
    status, answer = inside.ask(state)
    assert (status, answer['protection']['ProtectionEnabled']) == (200, False)
    status, answer = inside.ask(
        state, 'PUT', '{"ProtectionEnabled":true,"ExpiresInMinutes":60}')
    assert status == 200 and answer['protection']['ProtectionEnabled'] is True
    assert answer['protection']['ExpirationDate'].endswith('Z')
    assert answer['protection']['TaskArn'].endswith(inside.task)
    status, answer = inside.ask(state, 'PUT', '{"ProtectionEnabled":true,"For":1}')
    assert (status, answer['error']['Code']) == (400, 'InvalidParameterException')
    status, answer = inside.ask(state, 'PUT', '{"ProtectionEnabled":true,'
                                '"ExpiresInMinutes":5000}')
    assert (status, answer['error']['Code']) == (400, 'InvalidParameterException')


def test_a_silent_server_delays_only_its_own_part(agent, server):
    inside = Inside(agent, server, 'bridge')
    server.tag_gate.clear()
    try:
        began = time.monotonic()
        status, task = inside.v4('/taskWithTags')
        assert status == 200 and 3 < time.monotonic() - began < 6
        assert {e['ErrorField'] for e in task['Errors']} == {'TaskTags',
                                                             'ContainerInstanceTags'}
    finally:
        server.tag_gate.set()


@pytest.mark.parametrize('mode', ['bridge', 'host', 'awsvpc'])
def test_answers_again_after_kill(agent, server, mode):
    inside = Inside(agent, server, mode)
    before = inside.v4()[1]
    agent.restart()
    status, after = soon(lambda: inside.ask(inside.env['ECS_CONTAINER_METADATA_URI_V4'],
                                            check=False))
    assert status == 200
    assert after['DockerId'] == before['DockerId']
    assert after['StartedAt'] == before['StartedAt']
    soon(lambda: inside.v4()[1]['Networks'] == before['Networks'])


def get(netns, path):
    return parse(subprocess.run(['nsenter', f'--net={netns}', ASK,
                                 'http://127.0.0.1:51678' + path],
                                capture_output=True, text=True, check=True).stdout)


def test_introspection(agent, server, netns):
    tasks = [start(server, 'true', networkMode='bridge') for _ in range(2)]
    for t in tasks:
        server.wait_status(t, 'RUNNING')
    status, own = get(netns, '/v1/metadata')
    assert status == 200 and own['Cluster'] == 'default'
    assert own['ContainerInstanceArn'] == fake_ecs.INSTANCE and 'gantry' in own['Version']
    every = get(netns, '/v1/tasks')[1]['Tasks']
    assert {t['Arn'].split('/')[-1] for t in every} == set(tasks)
    one = every[0]
    assert one['KnownStatus'] == 'RUNNING' and one['Containers'][0]['Name'] == 'main'
    assert get(netns, f'/v1/tasks?taskarn={one["Arn"].replace("/", "%2F")}') == (200, one)
    docker_id = one['Containers'][0]['DockerId']
    assert get(netns, f'/v1/tasks?dockerid={docker_id}') == (200, one)
    assert get(netns, f'/v1/tasks?dockerid={docker_id[:12]}') == (200, one)
    assert get(netns, '/v1/tasks?dockerid=nothing')[0] == 404
    assert get(netns, '/license')[0] == 200
    assert get(netns, '/')[1]['AvailableCommands'] == ['/v1/metadata', '/v1/tasks',
                                                       '/license']


def test_second_run_in_the_same_network(agent, server, scratch, netns):
    root = scratch / 'b'
    root.mkdir()
    other = Agent(root, netns, server)
    server.drop_streams()
    agent.term()
    other.start()
    try:
        server.wait_connected()
        for mode in ('bridge', 'host'):
            inside = Inside(other, server, mode)
            uri = inside.env['ECS_CONTAINER_METADATA_URI_V4']
            assert uri.startswith('http://169.254.170.2/') == (mode == 'bridge')
            assert inside.v4()[0] == 200
    finally:
        other.purge()
