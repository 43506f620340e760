"""What a task definition asks for is what its containers get: volumes, names, networks,
namespaces, devices, secrets, logs. One agent against a small server; real containers."""
import json
import os
import pathlib
import random
import shutil
import socket
import stat
import subprocess
import threading
import time

import pytest

from fake_ecs import FakeEcs, busybox, in_netns
from support.vpc import Vpc
from test_agent import DRIVER, Agent, pytestmark  # noqa: F401 (what is needed is the same)

HELPERS = 'helpers'  # a folder of PATH with programs of ours


class Place:
    """One agent, its server and its folder, for all tests of this file."""

    def __init__(self):
        self.name = 'settings' + os.urandom(3).hex()
        self.root = pathlib.Path(os.environ.get('GANTRY_TEST_DIR', '/tmp')) / self.name
        self.root.mkdir()
        helpers = self.root / HELPERS
        helpers.mkdir()
        (helpers / 'mount.efs').write_text(
            '#!/bin/sh\n[ "$1" = fs-bad:/ ] && { echo "mount.efs: no such file system" >&2; '
            'exit 1; }\nmount -t tmpfs efs "$2" && echo "$*" > "$2/said"\n')
        (helpers / 'mount.efs').chmod(0o755)
        subprocess.run(['ip', 'netns', 'add', self.name], check=True)
        self.netns = f'/run/netns/{self.name}'
        subprocess.run(['ip', '-n', self.name, 'link', 'set', 'lo', 'up'], check=True)
        self.server = FakeEcs(self.netns)
        self.server.images['busybox'] = busybox(Cmd=['sleep', '1000'])
        self.vpc = self.server.vpc = Vpc()
        self.agent = Agent(self.root, self.netns, self.server)
        os.environ['PATH'] = f'{helpers}:{os.environ["PATH"]}'
        self.agent.start()
        self.server.wait_connected()

    def close(self):
        try:
            self.agent.purge()
            assert not self.agent.leftovers()
            assert not self.vpc.links()
        finally:
            self.vpc.close()
            os.environ['PATH'] = os.environ['PATH'].split(':', 1)[1]
            self.server.close()
            subprocess.run(['ip', 'netns', 'delete', self.name], check=True)
            shutil.rmtree(self.root, ignore_errors=True)

    # -- tasks --

    def start(self, *containers, **definition):
        return self.server.start([dict(c) for c in containers], **definition)

    def up(self, *containers, **definition):
        task = self.start(*containers, **definition)
        self.server.wait_status(task, 'RUNNING')
        return task

    def end(self, *containers, **definition):
        """(the last report, what each container wrote)"""
        task = self.start(*containers, **definition)
        report = self.server.wait_status(task, 'STOPPED')
        return report, {c['name']: self.said(task, c['name']) for c in containers}

    def run(self, *containers, **definition):
        """What the containers wrote; all end well."""
        report, said = self.end(*containers, **definition)
        bad = [c for c in report['containers'] if c.get('exitCode') != 0]
        assert not bad, (bad, said)
        return said

    def refused(self, *containers, **definition):
        report, _ = self.end(*containers, **definition)
        return next(c['reason'] for c in report['containers'] if c.get('reason'))

    def said(self, task, name='main'):
        return self.agent.log_of(task, name)

    def wait_said(self, task, lines=1, name='main', timeout=10):
        end = time.monotonic() + timeout
        while len(self.said(task, name)) < lines:
            assert time.monotonic() < end, self.said(task, name)
            time.sleep(0.02)
        return self.said(task, name)

    def stop(self, *tasks):
        for task in tasks:
            self.server.stop(task)
        for task in tasks:
            self.server.wait_status(task, 'STOPPED')

    def mounts(self):
        return [line.split()[4] for line in
                pathlib.Path('/proc/self/mountinfo').read_text().splitlines()
                if str(self.root) in line]


@pytest.fixture(scope='module')
def place():
    p = Place()
    try:
        yield p
    except BaseException:
        print(p.root.joinpath('agent.log').read_text()[-4000:])
        raise
    finally:
        p.close()


@pytest.fixture(autouse=True)
def evidence(request, place):
    begin = place.root.joinpath('agent.log').stat().st_size
    yield
    print(place.root.joinpath('agent.log').read_text(errors='replace')[begin:][-3000:])


def sh(script, name='main', **more):
    return {'name': name, 'command': ['sh', '-c', script], 'stopTimeout': 1, **more}


def at(volume, path, **more):
    return {'sourceVolume': volume, 'containerPath': path, **more}


# ---- volumes ----

def docker(name, **more):
    return {'name': name, 'dockerVolumeConfiguration': more}


def test_shared_volume_survives_and_is_checked(place):
    volume = docker('kept', scope='shared', autoprovision=True, labels={'a': 'b'})
    use = {'mountPoints': [at('kept', '/v')]}
    place.run(sh('echo first > /v/file', **use), volumes=[volume])
    assert place.run(sh('cat /v/file', **use), volumes=[volume])['main'] == ['first']
    # without autoprovision it only has to be there
    there = docker('kept', scope='shared')
    assert place.run(sh('cat /v/file', **use), volumes=[there])['main'] == ['first']
    assert (place.agent.data / 'volumes/kept/file').read_text() == 'first\n'
    other = docker('kept', scope='shared', autoprovision=True, labels={'a': 'c'})
    assert place.refused(sh('true', **use), volumes=[other]) == (
        "CannotCreateVolumeError: intended volume 'kept' configuration does not match "
        'existing volume')
    reason = place.refused(sh('true', mountPoints=[at('none', '/v')]),
                           volumes=[docker('none', scope='shared')])
    assert reason == ("CannotCreateVolumeError: volume detection failed, volume 'none' does "
                      'not exist and autoprovision is set to false')


def test_driver_options(place):
    folder = place.root / 'bound'
    folder.mkdir()
    volumes = [
        docker('tmp', scope='task', driver='local', driverOpts={
            'type': 'tmpfs', 'device': 'tmpfs', 'o': 'size=1m,mode=1750,noexec'}),
        docker('bind', scope='task', driverOpts={
            'type': 'none', 'device': str(folder), 'o': 'bind'})]
    points = [at('tmp', '/t'), at('bind', '/b')]
    task = place.up(sh('busybox grep " /t " /proc/mounts; echo x > /b/x; ls -ld /t; exec sleep 100',
                       mountPoints=points), volumes=volumes)
    mount, listed = place.wait_said(task, 2)
    assert 'tmpfs' in mount and 'size=1024k' in mount and 'noexec' in mount
    assert listed.startswith('drwxr-x--T')
    where = str(place.agent.data / 'mounts' / task / 'tmp')
    assert where in place.mounts()
    place.stop(task)
    assert where not in place.mounts() and not os.path.exists(os.path.dirname(where))
    assert (folder / 'x').read_text() == 'x\n'  # a bind's content is somebody's


@pytest.mark.parametrize('config, reason', [
    ({'driver': 'rexray/ebs'}, 'create v: error looking up volume plugin rexray/ebs: '
                               'plugin "rexray/ebs" not found'),
    ({'driverOpts': {'type': 'tmpfs'}}, 'missing required option: "device"'),
    ({'driverOpts': {'colour': 'red'}}, 'invalid option: "colour"'),
    ({'driverOpts': {'type': 'nfs', 'device': ':/x', 'o': 'addr=no.such.host.invalid'}},
     'error resolving passed in network volume address: lookup no.such.host.invalid: '),
    ({'driverOpts': {'type': 'nosuchfs', 'device': 'x'}},
     'failed to mount local volume: mount x:'),
])
def test_volumes_that_cannot_be_made(place, config, reason):
    said = place.refused(sh('true', mountPoints=[at('v', '/v')]),
                         volumes=[docker('v', scope='task', **config)])
    assert said.startswith('CannotCreateVolumeError: ' + reason)


def test_volumes_from(place):
    """All of the other's volumes, those of its image and those it has from a third one."""
    folder = place.root / 'from'
    folder.mkdir()
    said = place.run(
        sh('cat /a/f /h/f; echo x > /a/g || echo refused; echo y > /h/z || echo refused',
           volumesFrom=[{'sourceContainer': 'second', 'readOnly': True}],
           dependsOn=[{'containerName': 'second', 'condition': 'SUCCESS'}]),
        sh('echo h > /h/f; echo w > /h/w', name='second', essential=False,
           mountPoints=[at('h', '/h')], volumesFrom=[{'sourceContainer': 'third'}],
           dependsOn=[{'containerName': 'third', 'condition': 'SUCCESS'}]),
        sh('echo a > /a/f', name='third', essential=False, mountPoints=[at('a', '/a')]),
        volumes=[{'name': 'a'}, {'name': 'h', 'host': {'sourcePath': str(folder)}}])
    assert said['main'][:2] == ['a', 'h'] and said['main'].count('refused') == 2
    assert (folder / 'w').read_text() == 'w\n'


def test_efs(place):
    def efs(**more):
        return {'name': 'e', 'efsVolumeConfiguration': {'fileSystemId': 'fs-1234', **more}}
    use = {'mountPoints': [at('e', '/e')]}
    # by TLS with the host's mount.efs (a stand-in here)
    volume = efs(rootDirectory='/data', transitEncryption='ENABLED', transitEncryptionPort=2999,
                 authorizationConfig={'accessPointId': 'fsap-1', 'iam': 'ENABLED'})
    task = place.up(sh('cat /e/said; exec sleep 100', **use), volumes=[volume])
    words = place.wait_said(task)[0].split()
    assert words[0] == 'fs-1234:/data'
    assert words[-1] == 'tls,tlsport=2999,iam,accesspoint=fsap-1'
    target = str(place.agent.data / 'mounts' / task / 'e')
    assert target in place.mounts()
    place.agent.restart()  # mounts belong to the task, not to the agent
    place.server.wait(lambda: len(place.server.registrations) > 1)
    assert target in place.mounts()
    place.stop(task)
    assert target not in place.mounts()
    assert place.refused(sh('true', **use), volumes=[
        efs(fileSystemId='fs-bad', transitEncryption='ENABLED')]) == (
        'CannotCreateVolumeError: mount.efs: mount.efs: no such file system')
    # without TLS it is NFS; here nobody has that name
    reason = place.refused(sh('true', **use), volumes=[efs()])
    assert reason.startswith('CannotCreateVolumeError: error resolving') and \
        'fs-1234.efs.us-east-1.amazonaws.com' in reason


# ---- networks and names ----

def inside(place, address, port, text=b'', udp=False):
    """What answers at address:port, asked from the instance."""
    def ask():
        kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as s:
            s.settimeout(2)
            s.connect((address, port))
            s.sendall(text or b'GET / HTTP/1.0\r\n\r\n')
            return s.recv(1000).decode()
    end = time.monotonic() + 10
    while True:
        try:
            return in_netns(place.netns, ask)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def bindings(place, task, name='main'):
    report = place.server.wait_status(task, 'RUNNING')
    return next(c for c in report['containers'] if c['containerName'] == name).get(
        'networkBindings', [])


def serve(port, text):
    return f'while true; do echo {text} | busybox nc -l -p {port}; done'


def answer_udp(place, task, port, text):
    """Plays a program in the task's only container."""
    path, = (place.agent.run_dir / 'net/ns').glob(task + '-*')
    s = in_netns(str(path), lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    s.bind(('0.0.0.0', port))

    def answer():
        with s:
            _, peer = s.recvfrom(100)
            s.sendto(text, peer)
    threading.Thread(target=answer, daemon=True).start()


def test_names(place):
    said = place.run(
        sh('cat /etc/hosts; echo --; cat /etc/resolv.conf; hostname', hostname='its-name',
           extraHosts=[{'hostname': 'far', 'ipAddress': '192.0.2.7'}],
           dnsServers=['192.0.2.53'], dnsSearchDomains=['a.example', 'b.example']),
        networkMode='bridge')['main']
    assert '192.0.2.7\tfar' in said and said[-1] == 'its-name'
    assert said[said.index('--') + 1:-1] == ['nameserver 192.0.2.53',
                                             'search a.example b.example']


def test_links(place):
    """Named in /etc/hosts, started before, reached without a published port."""
    _, said = place.end(
        sh('busybox grep -w db /etc/hosts | busybox cut -f2; '
           'until busybox wget -q -O - store:80/x 2>/dev/null; do sleep 0.1; done',
           links=['db:store', 'db']),
        sh('busybox mkdir -p /w; echo linked > /w/x; exec httpd -f -p 80 -h /w', name='db',
           essential=False), networkMode='bridge')
    assert said['main'] == ['store db', 'db', 'linked']


def test_port_range_and_udp(place):
    task = place.up(sh(
        serve(7001, 'first') + ' & ' + serve(7003, 'third'),
        portMappings=[{'containerPortRange': '7001-7003'},
                      {'containerPort': 7100, 'protocol': 'udp', 'hostPort': 0}]),
        networkMode='bridge')
    ranged, udp = bindings(place, task)
    low, high = map(int, ranged.pop('hostPortRange').split('-'))
    assert high - low == 2 and ranged == {
        'bindIP': '0.0.0.0', 'containerPortRange': '7001-7003', 'protocol': 'tcp'}
    assert inside(place, '127.0.0.1', low).strip() == 'first'
    assert inside(place, '127.0.0.1', high).strip() == 'third'
    assert udp['protocol'] == 'udp'
    answer_udp(place, task, 7100, b'datagram')
    assert inside(place, '127.0.0.1', udp['hostPort'], b'x', udp=True) == 'datagram'
    place.agent.restart()
    place.stop(task)
    # a long one: more than fits into one message to the kernel; all of them are free again
    for _ in range(2):
        place.run(sh('true', portMappings=[{'containerPortRange': '10000-11099'}]),
                  networkMode='bridge')


def test_one_network_for_a_task(place):
    """awsvpc: one address, one loopback, sysctls of the namespace, no published ports."""
    task = place.up(
        sh('busybox ifconfig eth0; exec sleep 100', portMappings=[{'containerPort': 7001}]),
        sh(serve(7001, 'shared'), name='peer',
           systemControls=[{'namespace': 'net.core.somaxconn', 'value': '321'}]),
        sh('until busybox nc 127.0.0.1 7001 </dev/null 2>/dev/null; do sleep 0.1; done; '
           'cat /proc/sys/net/core/somaxconn', name='caller', essential=False),
        networkMode='awsvpc')
    address = place.server.tasks[task]['host']['interface']['privateIpAddress']
    assert not bindings(place, task) and not bindings(place, task, 'peer')
    assert any(f'inet addr:{address} ' in line for line in place.wait_said(task, 3))
    assert place.wait_said(task, 2, 'caller') == ['shared', '321']
    place.agent.restart()
    place.server.wait(lambda: place.server.streams)
    place.stop(task)
    assert not place.vpc.links()
    listed = subprocess.run(['nsenter', f'--net={place.netns}', 'ip', '-o', 'link'],
                            capture_output=True, text=True, check=True).stdout
    assert ': gv' not in listed


def test_network_that_is_disabled(place):
    said = place.run(sh('busybox ifconfig -a', disableNetworking=True), networkMode='bridge')
    assert not any('eth0' in line for line in said['main'])


# ---- namespaces ----

def test_ipc_modes(place):
    look = 'busybox readlink /proc/self/ns/ipc; '
    said = place.run(
        sh(look + 'cat /dev/shm/x; busybox df -k /dev/shm | busybox tail -1',
           dependsOn=[{'containerName': 'b', 'condition': 'SUCCESS'}],
           linuxParameters={'sharedMemorySize': 10}),
        sh(look + 'echo given > /dev/shm/x', name='b', essential=False), ipcMode='task')
    assert said['main'][0] == said['b'][0] and said['main'][1] == 'given'
    assert said['main'][2].split()[1] == '10240'
    assert not list((place.agent.run_dir / 'spaces').iterdir())
    own = os.readlink('/proc/self/ns/ipc')
    assert place.run(sh(look), ipcMode='host')['main'] == [own]
    said = place.run(sh(look + 'ls -d /dev/shm || echo none'), ipcMode='none')['main']
    assert said[0] != own and 'none' in said[1:]
    said = place.run(sh('cat /proc/sys/kernel/msgmax', systemControls=[
        {'namespace': 'kernel.msgmax', 'value': '12345'}]))
    assert said['main'] == ['12345']


def test_pid_mode_task(place):
    """Containers see and may signal each other; none of them is the first process, and one
    that ends takes nobody with it."""
    look = 'busybox readlink /proc/self/ns/pid; '
    task = place.up(
        sh(look + 'sleep 0.3; busybox ps; busybox killall sleep; exec sleep 100'),
        sh(look + 'sleep 77; echo woken', name='b', essential=False),
        sh(look, name='c', essential=False), pidMode='task')
    seen = place.wait_said(task, 4)
    assert seen[0] == place.wait_said(task, 1, 'c')[0] != os.readlink('/proc/self/ns/pid')
    assert any('sleep 77' in line for line in seen)
    assert any(line.split()[:2] == ['1', '65534'] and '/dev/init --' in line
               for line in seen), seen
    assert place.wait_said(task, 2, 'b')[-1] in ('woken', 'Terminated')
    place.agent.restart()
    place.server.wait(lambda: place.server.streams)
    place.stop(task)
    report = place.server.of(task)[-1]
    assert report['containers'][0]['exitCode'] in (137, 143)
    assert not list((place.agent.run_dir / 'spaces').iterdir())


def test_rights_and_limits(place):
    """What linuxParameters and the like come to, as the container sees it."""
    said = place.run(
        sh('busybox grep -E "NoNewPrivs|CapEff" /proc/self/status; '
           'busybox df -k /dev/shm | busybox tail -1; busybox df -k /t | busybox tail -1; '
           'ulimit -n; busybox touch /x 2>/dev/null || echo read-only; id -u',
           user='app', readonlyRootFilesystem=True,
           ulimits=[{'name': 'nofile', 'softLimit': 77, 'hardLimit': 88}],
           dockerSecurityOptions=['no-new-privileges', 'apparmor:unconfined',
                                  'label:disable'],
           linuxParameters={
               'capabilities': {'add': ['NET_ADMIN'], 'drop': ['ALL']},
               'sharedMemorySize': 3,
               'tmpfs': [{'containerPath': '/t', 'size': 2, 'mountOptions': ['noexec']}]}),
    )['main']
    status = dict(line.split(':\t') for line in said[:2])
    assert status == {'CapEff': '0000000000000000', 'NoNewPrivs': '1'}
    assert [line.split()[1] for line in said[2:4]] == ['3072', '2048']
    assert said[4:] == ['77', 'read-only', '1000']


needs_loop = pytest.mark.skipif(not os.path.exists('/dev/loop-control'),
                                reason='needs loop devices')


@needs_loop
def test_device(place):
    device = os.stat('/dev/loop-control')
    said = place.run(
        sh('busybox stat -c %t,%T /dev/lc; (: <> /dev/lc) 2>/dev/null || echo denied; '
           '(: < /dev/lc) && echo read', linuxParameters={'devices': [{
               'hostPath': '/dev/loop-control', 'containerPath': '/dev/lc',
               'permissions': ['read']}]}))['main']
    number = f'{os.major(device.st_rdev):x},{os.minor(device.st_rdev):x}'
    assert said == [number, 'denied', 'read']


@pytest.mark.parametrize('settings, reason', [
    ({'linuxParameters': {'devices': [{'hostPath': '/dev/nothing'}]}},
     'CannotStartContainerError: error gathering device information while adding custom '
     'device "/dev/nothing": no such file or directory'),
    ({'user': 'stranger'}, 'CannotStartContainerError: '),
    ({'dockerSecurityOptions': ['apparmor:special']}, 'HostConfigError: '),
    ({'dockerSecurityOptions': ['label:type:special_t']}, 'HostConfigError: '),
    ({'resourceRequirements': [{'type': 'InferenceAccelerator', 'value': 'x'}]},
     'HostConfigError: '),
    ({'systemControls': [{'namespace': 'kernel.hostname', 'value': 'x'}]},
     "CannotStartContainerError: sysctl 'kernel.hostname' is not separately settable"),
])
def test_settings_that_cannot_be_met(place, settings, reason):
    assert place.refused(sh('true', **settings)).startswith(reason)


# ---- secrets ----

ASM = 'arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf'
BEFORE = 'ResourceInitializationError: '
UNABLE = BEFORE + ('unable to pull secrets or registry auth: execution resource retrieval '
                   'failed: ')


def test_secrets_and_environment_files(place):
    server = place.server
    server.secrets[ASM] = json.dumps({'user': 'root', 'port': 5432})
    server.secrets[ASM, 'AWSPREVIOUS', None] = json.dumps({'user': 'old'})
    server.secrets[ASM, None, 'v1'] = 'first version'
    server.parameters.update({'plain': 'p', '/path/x': 'deep'})
    server.objects['/bucket/dir/a%20b.env'] = (
        b'# a comment\nONE=file\nTWO="quoted"\r\nEMPTY=\n=nothing\nno line\nTHREE=a=b\n')
    server.objects['/bucket/2.env'] = b'ONE=second\nFOUR=4\nAWS_REGION=elsewhere\n'
    server.fail_secrets = 1
    calls = len(server.calls)
    secret = [{'name': n, 'valueFrom': v} for n, v in [
        ('WHOLE', ASM), ('KEY', ASM + ':user::'), ('PORT', ASM + ':port::'),
        ('OLD', ASM + ':user:AWSPREVIOUS:'), ('BY_ID', ASM + ':::v1'), ('PLAIN', 'plain'),
        ('DEEP', 'arn:aws:ssm:us-east-1:000000000000:parameter/path/x')]]
    files = [{'type': 's3', 'value': f'arn:aws:s3:::bucket/{k}'} for k in ('dir/a b.env',
                                                                          '2.env')]
    said = place.run(
        sh('env', secrets=secret, environmentFiles=files,
           environment=[{'name': 'TWO', 'value': 'definition'}]),
        sh('env', name='other', secrets=secret[:1]), executionRoleArn='arn:aws:iam::1:role/x')
    env = dict(line.split('=', 1) for line in said['main'])
    assert json.loads(env['WHOLE'])['port'] == 5432
    assert [env[k] for k in ('KEY', 'PORT', 'OLD', 'BY_ID', 'PLAIN', 'DEEP')] == [
        'root', '5432', 'old', 'first version', 'p', 'deep']
    assert [env.get(k) for k in ('ONE', 'TWO', 'THREE', 'FOUR', 'EMPTY')] == [
        'file', 'definition', 'a=b', '4', None]
    assert env['AWS_REGION'] == 'elsewhere' and 'AWS_DEFAULT_REGION' not in env
    assert 'WHOLE' in dict(line.split('=', 1) for line in said['other'])
    # one call a secret and version (one of them repeated), however often it is named
    assert server.calls[calls:].count('GetSecretValue') == 4
    held = subprocess.run(['grep', '-rl', 'first version', str(place.agent.data / 'tasks')],
                          capture_output=True, text=True, check=False).stdout
    assert all(path.endswith('.log') for path in held.split()), held


@pytest.mark.parametrize('settings, reason', [
    ({'secrets': [{'name': 'A', 'valueFrom': ASM + 'none'}]},
     UNABLE + 'unable to retrieve secret from asm: service call has been retried 0 time(s): '
     f'failed to fetch secret {ASM}none from secrets manager: ResourceNotFoundException: '
     "Secrets Manager can't find the specified secret."),
    ({'secrets': [{'name': 'A', 'valueFrom': ASM + ':nokey::'}]},
     UNABLE + 'retrieved secret from Secrets Manager did not contain json key nokey'),
    ({'secrets': [{'name': 'A', 'valueFrom': 'nothing'}]},
     UNABLE + 'invalid ssm parameters: nothing'),
    ({'secrets': [{'name': 'A', 'valueFrom': ASM + ':x'}]},
     UNABLE + 'unexpected ARN format with parameters when trying to retrieve ASM secret: '
     f'{ASM}:x'),
    ({'environmentFiles': [{'type': 's3', 'value': 'arn:aws:s3:::bucket/none.env'}]},
     BEFORE + 'failed to download env files: arn:aws:s3:::bucket/none.env: NoSuchKey: The '
     'specified key does not exist.'),
])
def test_secrets_that_do_not_come(place, settings, reason):
    place.server.secrets[ASM] = '{}'
    task = place.start(sh('true', **settings), sh('true', name='b'))
    report = place.server.wait_status(task, 'STOPPED')
    assert report['reason'] == reason
    assert all('exitCode' not in c for c in report['containers'])


def test_secrets_while_the_server_is_away(place):
    """The task waits for its server, as a failed call says nothing about a secret."""
    place.server.secrets[ASM] = 'late'
    place.server.hang_up = 3
    assert place.run(sh('echo $A', secrets=[{'name': 'A', 'valueFrom': ASM}]))['main'] == [
        'late']
    assert place.server.hang_up == 0


def test_password_of_a_registry(place):
    login = ASM + 'login'
    place.server.logins.append('someone:secret')
    place.server.secrets[login] = '{"username": "someone", "password": "secret"}'
    place.server.images['private'] = busybox(Env=['PATH=/bin', 'X=private'])
    image = {'image': 'localhost:4566/private:latest'}
    try:
        assert place.run(sh('echo $X', repositoryCredentials={
            'credentialsParameter': login}, **image))['main'] == ['private']
        place.server.secrets[login] = '{"username": "someone"}'
        assert place.refused(sh('true', repositoryCredentials={
            'credentialsParameter': login})).startswith(
            UNABLE + 'the secret of repositoryCredentials must be JSON')
    finally:
        place.server.logins.pop()


# ---- log routers ----

class Router:
    """Plays the program in a router's container: takes the forward protocol on its socket."""

    def __init__(self, place, task):
        self.lines, self.data, self.lock = [], b'', threading.Lock()
        self.path = place.agent.run_dir / 'spaces' / task / 'firelens' / 'fluent.sock'
        self.socket = None

    def open(self):
        folder = os.open(self.path.parent, os.O_PATH)  # the whole path may be too long
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(f'/proc/self/fd/{folder}/fluent.sock')
        os.close(folder)
        self.socket.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                c, _ = self.socket.accept()
                data = b''
                while piece := c.recv(65536):
                    data += piece
                    values, data = unpack(data)
                    with self.lock:
                        self.lines += values
        except OSError:
            pass

    def wait(self, n):
        end = time.monotonic() + 10
        while len(self.lines) < n:
            assert time.monotonic() < end, self.lines
            time.sleep(0.02)
        return list(self.lines)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.path.unlink()


def unpack(data):
    """(whole MessagePack values, the rest): as much of it as the forward protocol needs."""
    def value(at):
        kind = data[at]
        if 0x90 <= kind <= 0x9f or 0x80 <= kind <= 0x8f:
            items, at = [], at + 1
            for _ in range((kind & 15) * (1 if kind >= 0x90 else 2)):
                item, at = value(at)
                items.append(item)
            return (items if kind >= 0x90 else dict(zip(items[::2], items[1::2]))), at
        if kind == 0xd7:
            assert data[at + 1] == 0
            return int.from_bytes(data[at + 2:at + 6], 'big'), at + 10
        size = {0xd9: 1, 0xda: 2, 0xdb: 4}.get(kind, 0)
        n = int.from_bytes(data[at + 1:at + 1 + size], 'big') if size else kind & 31
        at += 1 + size
        if at + n > len(data):
            raise IndexError
        return data[at:at + n].decode(), at + n
    values, at = [], 0
    while at < len(data):
        try:
            one, at = value(at)
        except IndexError:
            break
        values.append(one)
    return values, data[at:]


def test_firelens(place):
    place.server.parameters['key'] = 'the secret'
    place.server.objects['/b/extra.conf'] = b'# extra\n'
    task = place.start(
        sh('echo "to $FLUENT_HOST:$FLUENT_PORT"; echo oops >&2; '
           'until test -e /v/go; do sleep 0.05; done; echo last',
           mountPoints=[at('v', '/v')], logConfiguration={
               'logDriver': 'awsfirelens',
               'options': {'Name': 'http', 'Host': 'logs.example', 'exclude-pattern': '^#'},
               'secretOptions': [{'name': 'api_key', 'valueFrom': 'key'}]}),
        sh('cat /fluent-bit/etc/fluent-bit.conf /fluent-bit/etc/external.conf; '
           'echo "key: $API_KEY_0"; exec sleep 100', name='router', essential=False,
           firelensConfiguration={'type': 'fluentbit', 'options': {
               'config-file-type': 's3', 'config-file-value': 'arn:aws:s3:::b/extra.conf'}}),
        networkMode='bridge', volumes=[{'name': 'v'}])
    place.server.wait_status(task, 'RUNNING')
    config = place.wait_said(task, 10, 'router')
    for line in ('    unix_path /var/run/fluent.sock', '    Port 24224',
                 '    Record ecs_cluster default', '@INCLUDE /fluent-bit/etc/external.conf',
                 '    Exclude log ^#', '    Name http', '    Match main-firelens*',
                 '    Host logs.example', '    api_key ${API_KEY_0}', '# extra',
                 'key: the secret'):
        assert line in config, (line, config)
    place.wait_said(task, 2)  # written before anybody listens: nothing is lost
    router = Router(place, task)
    router.open()
    lines = router.wait(2)
    tags, times, records = zip(*lines)
    assert set(tags) == {f'main-firelens-{task}'} and abs(times[0] - time.time()) < 60
    by_source = {r['source']: r for r in records}
    assert by_source['stdout']['log'].startswith('to 10.')
    assert by_source['stdout']['log'].endswith(':24224')
    assert by_source['stderr']['log'] == 'oops'
    assert by_source['stderr']['container_id'].startswith(task)
    assert by_source['stderr']['container_name'].startswith('/ecs-test-1-main-')
    router.close()  # the router is away for a moment, and another agent takes over
    place.agent.restart()
    router.open()
    (place.agent.data / 'tasks' / task / 'volumes/v/go').touch()
    place.server.wait_status(task, 'STOPPED')
    # its last line came although the task ended at once
    assert router.wait(3)[-1][2]['log'] == 'last'
    router.socket.close()


def test_firelens_without_router(place):
    assert place.refused(sh('true', logConfiguration={'logDriver': 'awsfirelens'})) == (
        'CannotCreateContainerError: log driver awsfirelens without a container that has a '
        'firelensConfiguration')


# ---- disks and GPUs ----

@needs_loop
def test_ephemeral_storage(place):
    """Root and task volumes share a disk of the size asked for; a full one is ENOSPC."""
    script = ('echo z > /t/z; busybox df -k / | busybox tail -1; '
              'busybox fallocate -l 600m /x; busybox fallocate -l 600m /v/y 2>&1 || echo full')
    use = dict(mountPoints=[at('v', '/v'), at('t', '/t')])
    task = place.up(sh(script + '; exec sleep 100', **use),
                    volumes=[{'name': 'v'}, docker('t', scope='task')],
                    words={'ephemeralStorageGiB': 1})
    said = place.wait_said(task, 3)
    assert 900_000 < int(said[0].split()[1]) <= 1 << 20, said
    assert 'No space left' in said[1] and said[2] == 'full'
    disk = str(place.agent.data / 'mounts' / task / '.disk')
    assert disk in place.mounts()
    assert (pathlib.Path(disk) / 'volumes/t/z').read_text() == 'z\n'
    place.agent.restart()
    place.stop(task)
    assert disk not in place.mounts()
    assert not (place.agent.data / 'tasks' / task / 'disk.img').exists()
    loops = subprocess.run(['losetup', '-a'], capture_output=True, text=True, check=True)
    assert str(place.agent.data) not in loops.stdout


def test_gpu_that_is_not_there(place):
    reason = place.refused(
        sh('true', resourceRequirements=[{'type': 'GPU', 'value': '1'}]),
        words={'containers': [{'name': 'main', 'gpuIds': ['GPU-none']}]})
    assert reason == ("CannotCreateContainerError: this container instance has no GPU "
                      "'GPU-none'")


# ---- kill -9 ----

@needs_loop
def test_killed_while_everything_is_made(place):
    """At whatever moment the agent dies: the next one goes on, and nothing is left."""
    place.server.parameters['key'] = 'x'
    chance = random.Random(4)
    for _ in range(4):
        task = place.start(
            sh('echo $A; exec sleep 100', links=['side'], mountPoints=[at('t', '/t')],
               secrets=[{'name': 'A', 'valueFrom': 'key'}],
               portMappings=[{'containerPortRange': '7000-7003'}]),
            sh('exec sleep 100', name='side', mountPoints=[at('v', '/v')],
               logConfiguration={'logDriver': 'awsfirelens'}),
            sh('exec sleep 100', name='router', essential=False,
               firelensConfiguration={'type': 'fluentd'}),
            networkMode='bridge', pidMode='task', ipcMode='task',
            words={'ephemeralStorageGiB': 1},
            volumes=[{'name': 'v'}, docker('t', scope='task', driverOpts={
                'type': 'tmpfs', 'device': 'tmpfs'})])
        time.sleep(chance.uniform(0, 0.3))
        place.agent.restart()
        place.server.wait_status(task, 'RUNNING', timeout=30)
        assert place.wait_said(task) == ['x']
        place.server.stop(task)
        time.sleep(chance.uniform(0, 0.2))
        place.agent.restart()
        place.server.wait_status(task, 'STOPPED', timeout=30)
        assert not list((place.agent.run_dir / 'spaces').iterdir())
        assert not [m for m in place.mounts() if task in m], place.mounts()
        assert not list((place.agent.run_dir / 'net/attached').glob(task + '*'))
