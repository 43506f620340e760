"""Tasks and their roles: what containers find at 169.254.170.2 with unmodified SDKs, what others
do not find there, and whose signature pulls and secrets have."""
import datetime
import json
import subprocess
import uuid

import pytest

from fake_ecs import ARN, busybox
from test_agent import (Agent, agent, netns, pytestmark, scratch, server)  # noqa: F401
from test_metadata import ASK, Inside, image, soon  # noqa: F401

ROLE = 'arn:aws:iam::000000000000:role/app'
EXECUTION = 'arn:aws:iam::000000000000:role/execution'
# What boto3 in a container would do: nothing is configured but the environment.
FIND = """
import json, os, botocore.session
c = botocore.session.Session().get_credentials()
f = c.get_frozen_credentials()
print(json.dumps([c.method, f.access_key, f.secret_key, f.token]))
"""


def role_task(agent, server, mode, key='ASIATASK', **more):
    """A running task with a task role."""
    words = {'credentialsId': str(uuid.uuid4())}
    inside = Inside.__new__(Inside)
    inside.agent, inside.mode = agent, mode
    inside.task = server.start(
        [{'image': '127.0.0.1:4566/ask:latest', 'command': ['sh', '-c', 'env; sleep 1000'],
          **more}], networkMode=mode, taskRoleArn=ROLE, words=words)
    server.give(inside.task, 'TASK', ROLE, key)
    inside.id = words['credentialsId']
    inside.report = server.wait_status(inside.task, 'RUNNING')
    inside.env = soon(inside.read_env)
    return inside


def by_id(inside, identifier):
    return inside.ask(f'http://169.254.170.2/v2/credentials/{identifier}')


@pytest.mark.parametrize('mode', ['bridge', 'host', 'awsvpc'])
def test_an_sdk_finds_the_task_role_by_itself(agent, server, mode):
    inside = role_task(agent, server, mode)
    assert inside.env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'] == (
        '/v2/credentials/' + inside.id)
    environment = {'PATH': '/usr/bin', 'HOME': '/nonexistent', **{
        k: v for k, v in inside.env.items() if k.startswith('AWS_')}}
    done = subprocess.run(['nsenter', f'--net={inside.ns()}', '/usr/bin/python3', '-c', FIND],
                          env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ['container-role', 'ASIATASK', 'secret-ASIATASK',
                                       'token-ASIATASK']
    status, answer = by_id(inside, inside.id)
    assert status == 200 and set(answer) == {'RoleArn', 'AccessKeyId', 'SecretAccessKey',
                                             'Token', 'Expiration'}
    assert answer['RoleArn'] == ROLE
    left = datetime.datetime.strptime(answer['Expiration'], '%Y-%m-%dT%H:%M:%SZ').replace(
        tzinfo=datetime.timezone.utc) - datetime.datetime.now(datetime.timezone.utc)
    assert 3000 < left.total_seconds() <= 3601


@pytest.mark.parametrize('mode', ['bridge', 'awsvpc'])
def test_one_task_never_sees_anothers(agent, server, mode):
    one = role_task(agent, server, mode, 'ASIAONE')
    two = role_task(agent, server, mode, 'ASIATWO')
    host = Inside(agent, server, 'host')
    assert by_id(one, one.id)[1]['AccessKeyId'] == 'ASIAONE'
    assert by_id(two, two.id)[1]['AccessKeyId'] == 'ASIATWO'
    for asker, of in ((one, two), (two, one), (host, one), (host, two)):
        status, answer = by_id(asker, of.id)
        assert (status, answer['code']) == (400, 'InvalidIdInRequest')
        assert 'AccessKeyId' not in json.dumps(answer)
    assert by_id(one, uuid.uuid4())[1] == by_id(one, two.id)[1]


def test_rotation_and_a_restart(agent, server):
    inside = role_task(agent, server, 'bridge', 'ASIAOLD')
    server.give(inside.task, 'TASK', ROLE, 'ASIANEW')
    soon(lambda: by_id(inside, inside.id)[1]['AccessKeyId'] == 'ASIANEW')
    # The next agent has none until the stream brings them; nothing of them is on the disk.
    server.refuse_streams = True
    agent.kill()
    server.drop_streams()
    for path in agent.data.rglob('*'):
        if path.is_file() and path.suffix in ('.json', '.log') and path.name != 'main.log':
            assert b'ASIANEW' not in path.read_bytes(), path
    agent.start()
    soon(lambda: by_id_or_nothing(inside))
    status, answer = by_id(inside, inside.id)
    assert (status, answer['code'], answer['HTTPErrorCode']) == (
        503, 'CredentialsUninitialized', 503)
    server.refuse_streams = False
    soon(lambda: by_id(inside, inside.id)[0] == 200)
    assert by_id(inside, inside.id)[1]['AccessKeyId'] == 'ASIANEW'
    assert 'ASIANEW' not in (agent.root / 'agent.log').read_text()


def by_id_or_nothing(inside):
    return inside.ask(f'http://169.254.170.2/v2/credentials/{inside.id}', check=False)


def test_expired_ones_are_not_given(agent, server):
    inside = role_task(agent, server, 'bridge')
    server.give(inside.task, 'TASK', ROLE, 'ASIAPAST', lives=-1)
    soon(lambda: by_id(inside, inside.id)[0] == 503)


def test_a_task_without_a_role_is_told_of_none(agent, server):
    inside = Inside(agent, server, 'bridge')
    assert not [k for k in inside.env if k.startswith('AWS_CONTAINER_CREDENTIALS')]


def test_the_execution_role_pulls_and_reads_secrets(agent, server):
    secret = f'{ARN.replace(":ecs:", ":secretsmanager:")}:secret:s-AbCdEf'
    server.secrets[secret] = 'value'
    server.images['own'] = busybox(Cmd=['sleep', '1000'])
    before = len(server.signers)
    task = server.start(
        [{'image': '127.0.0.1:4566/own:latest',
          'command': ['sh', '-c', 'env; sleep 1000'],
          'secrets': [{'name': 'S', 'valueFrom': secret}]}],
        networkMode='bridge', executionRoleArn=EXECUTION,
        words={'executionCredentials': True})
    # Nothing is done in another's name while they are not there.
    soon(lambda: server.tasks[task])
    server.give(task, 'EXECUTION', EXECUTION, 'ASIAEXECUTION')
    server.wait_status(task, 'RUNNING')
    by = {name: who for name, who in server.signers[before:]
          if name in ('GetAuthorizationToken', 'GetSecretValue')}
    assert by == {'GetAuthorizationToken': 'ASIAEXECUTION', 'GetSecretValue': 'ASIAEXECUTION'}
    env = soon(lambda: [x for x in agent.log_of(task) if x.startswith(('S=', 'AWS_'))])
    assert 'S=value' in env
    assert not [x for x in env if 'CREDENTIALS' in x or 'ASIAEXECUTION' in x]


def test_a_second_run_has_host_mode_by_a_full_uri(agent, server, netns, scratch):
    """169.254.170.2 is the first run's there; SDKs take http from the loopback too."""
    role_task(agent, server, 'host', 'ASIAFIRST')
    root = scratch / 'second'
    root.mkdir()
    second = Agent(root, netns, server)
    agent.kill()  # the fake server knows one instance
    second.start()
    try:
        server.tasks.clear()
        server.credentials.clear()
        inside = role_task(second, server, 'host', 'ASIASECOND')
        assert 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI' not in inside.env
        uri = inside.env['AWS_CONTAINER_CREDENTIALS_FULL_URI']
        assert uri.startswith('http://127.0.0.1:')
        environment = {'PATH': '/usr/bin', 'AWS_CONTAINER_CREDENTIALS_FULL_URI': uri}
        done = subprocess.run(['nsenter', f'--net={netns}', '/usr/bin/python3', '-c', FIND],
                              env=environment, capture_output=True, text=True, timeout=30)
        assert json.loads(done.stdout)[1] == 'ASIASECOND', done.stderr
    finally:
        second.purge()
        agent.start()
