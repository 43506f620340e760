"""Health checks, restarts in place and start order of real containers, against the small
server of test_agent.py: agents are killed, the server fails, repeats and reorders."""
import contextlib
import json
import os
import time
import types

import pytest

import fake_ecs
import test_agent
from test_agent import pytestmark  # noqa: F401

# One agent and one server for all tests here: making and purging them takes longer than a test.


@pytest.fixture(scope='module')
def scene(request):
    make = {name: getattr(test_agent, name).__wrapped__
            for name in ('netns', 'server', 'scratch', 'agent')}
    request = types.SimpleNamespace(param={'stop_timeout_ms': 200, 'pull_timeout_ms': 1500},
                                    session=request.session)

    def enter(generator):
        closing.callback(next, generator, None)
        return next(generator)
    with contextlib.ExitStack() as closing:
        netns = enter(make['netns']())
        server = enter(make['server'](netns))
        agent = enter(make['agent'](netns, server, enter(make['scratch']()), request))
        yield agent, server


@pytest.fixture
def agent(scene):
    return scene[0]


@pytest.fixture
def server(scene):
    return scene[1]


def shell(command, **more):
    return {'command': ['sh', '-c', command], **more}


def state(agent, task):
    return json.loads((agent.data / 'tasks' / task / 'state.json').read_text())


def container(agent, task, name='main'):
    return next(c for c in state(agent, task)['containers'] if c['name'] == name)


def eventually(probe, timeout=20):
    end = time.monotonic() + timeout
    while not (value := probe()):
        assert time.monotonic() < end, 'did not come'
        time.sleep(0.02)
    return value


def check(command, interval=1, timeout=2, retries=2, **more):
    return {'command': ['CMD-SHELL', command], 'interval': interval, 'timeout': timeout,
            'retries': retries, **more}


# ---- health ----

def test_health_goes_both_ways_and_survives_the_agent(agent, server):
    task = server.start([shell('trap exit TERM; touch /ok; sleep 1000 & wait',
                               healthCheck=check('echo looked; test -e /ok'))])
    server.wait_status(task, 'RUNNING')
    server.wait_health(task, 'HEALTHY')
    kept = container(agent, task)['health']
    assert kept['status'] == 'HEALTHY' and kept['exitCode'] == 0
    assert kept['output'] == 'looked\n'
    agent.kill()
    told = len(server.telemetry)
    root = next(p for p in (agent.data / 'roots').glob(task + '*'))
    merged = next(p for p in (root / 'merged', root / 'root', root) if (p / 'ok').exists())
    (merged / 'ok').unlink()
    agent.start()
    server.wait(lambda: len(server.telemetry) > told)
    said = server.telemetry[told]['tasks'][0]['containers'][0]
    assert said['healthStatus'] == 'HEALTHY'  # the whole state, as it was known
    assert said['statusSince'] == pytest.approx(kept['statusSince'], abs=0.01)
    server.wait_health(task, 'UNHEALTHY')
    assert server.of(task)[-1]['status'] == 'RUNNING'  # it is not the agent that ends it
    server.stop(task)
    server.wait_status(task, 'STOPPED')


def test_start_period_and_what_a_probe_may_not_do(agent, server):
    """Failures in the start period do not count; a probe that hangs is killed; one that
    talks without end is read to a bound."""
    patient = server.start([shell('sleep 1000', healthCheck=check(
        'false', retries=1, startPeriod=300))])
    hanging = server.start([shell('sleep 1000', healthCheck=check(
        'echo begun; sleep 777', timeout=1, retries=1))])
    loud = server.start([shell('sleep 1000', healthCheck=check(
        'i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i+1)); done', timeout=5))])
    absent = server.start([shell('sleep 1000', healthCheck={
        'command': ['CMD', '/no/such/program'], 'interval': 1, 'retries': 1})])
    for task in (hanging, absent):
        server.wait_health(task, 'UNHEALTHY')
    server.wait_health(loud, 'HEALTHY')
    assert container(agent, hanging)['health']['output'].startswith(
        'Health check exceeded timeout (1s): begun')
    assert 0 < len(container(agent, loud)['health']['output']) <= 4096
    assert '/no/such/program' in container(agent, absent)['health']['output']
    assert server.health(patient) in ([], ['UNKNOWN'])
    for task in (patient, hanging, loud, absent):
        server.stop(task)
    for task in (patient, hanging, loud, absent):
        server.wait_status(task, 'STOPPED')


def test_health_is_told_again_until_it_is_taken(agent, server):
    server.fail_telemetry = 1
    task = server.start([shell('sleep 1000', healthCheck=check('true'))])
    server.wait_health(task, 'HEALTHY')
    assert server.health(task) == ['HEALTHY']
    server.drop_streams()
    server.wait(lambda: server.health(task) == ['HEALTHY', 'HEALTHY'])
    server.stop(task)
    server.wait_status(task, 'STOPPED')


def probes_of(task):
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as f, open(f'/proc/{pid}/cgroup') as g:
                if f.read() == b'sleep\x00777\x00' and task in g.read():
                    found.append(pid)
        except OSError:
            pass
    return found


def test_probes_of_a_killed_agent_are_ended(agent, server):
    task = server.start([shell('trap exit TERM; sleep 1000 & wait', healthCheck={
        'command': ['CMD', 'sleep', '777'], 'interval': 1, 'timeout': 60})])
    server.wait_status(task, 'RUNNING')
    first = eventually(lambda: probes_of(task))
    agent.restart()
    eventually(lambda: first[0] not in probes_of(task))
    eventually(lambda: probes_of(task))  # and the next one begins in its time
    bundle = next(p for p in (agent.run_dir / 'containers').glob(task + '*'))
    assert len(list(bundle.glob('probe-*.pid'))) == 1
    server.stop(task)
    server.wait_status(task, 'STOPPED')
    assert not probes_of(task)


# ---- order ----

def times(agent, task):
    return {c['name']: (c.get('startedAt'), c.get('finishedAt'))
            for c in state(agent, task)['containers']}


def test_dependencies_of_every_kind(agent, server):
    """setup SUCCESS and note COMPLETE before db; db HEALTHY before main; then down again."""
    def on(*pairs):
        return [{'containerName': n, 'condition': c} for n, c in pairs]
    loop = 'trap "exit 0" TERM; sleep 1000 & wait'
    task = server.start([
        shell(loop, name='main', dependsOn=on(('db', 'HEALTHY'))),
        shell(loop, name='db', startTimeout=60, healthCheck=check('true'),
              dependsOn=on(('setup', 'SUCCESS'), ('note', 'COMPLETE'))),
        shell('sleep 0.2', name='setup', essential=False),
        shell('sleep 0.1; exit 3', name='note', essential=False)])
    server.wait_status(task, 'RUNNING')
    t = times(agent, task)
    assert t['db'][0] >= t['setup'][1] and t['db'][0] >= t['note'][1]
    assert t['main'][0] >= container(agent, task, 'db')['health']['statusSince']
    server.stop(task)
    server.wait_status(task, 'STOPPED')
    t = times(agent, task)
    assert t['main'][1] <= t['db'][1]


HOPELESS = [
    (dict(command=['sh', '-c', 'sleep 1000'], startTimeout=1), 'COMPLETE',
     'within its startTimeout of 1 s'),
    (dict(command=['sh', '-c', 'sleep 1000'], startTimeout=1, healthCheck=check('false')),
     'HEALTHY', 'within its startTimeout of 1 s'),
    (dict(command=['sh', '-c', 'exit 4']), 'SUCCESS', 'ended otherwise than awaited'),
    (dict(command=['/no/such']), 'START', 'failed to start'),
    (dict(command=['sh', '-c', 'exit 0'], healthCheck=check('true', interval=30)),
     'HEALTHY', 'ended otherwise than awaited')]


def test_a_dependency_that_will_not_come_ends_the_task(agent, server):
    tasks = [server.start([
        shell('sleep 1000', dependsOn=[{'containerName': 'd', 'condition': condition}]),
        {'name': 'd', 'essential': False, **dependency}])
        for dependency, condition, _ in HOPELESS]
    for task, (_, condition, says) in zip(tasks, HOPELESS):
        reason = server.wait_status(task, 'STOPPED')['reason']
        assert reason.startswith("TaskDependencyError: container 'main' can't start: 'd'")
        assert says in reason, condition
        assert not any(r['status'] == 'RUNNING' for r in server.of(task))


def test_waiting_for_a_start_timeout_survives_the_agent(agent, server):
    task = server.start([
        shell('sleep 1000', dependsOn=[{'containerName': 'd', 'condition': 'COMPLETE'}]),
        shell('sleep 1000', name='d', essential=False, startTimeout=2)])
    eventually(lambda: (agent.data / 'tasks' / task / 'state.json').exists() and
               container(agent, task, 'd')['status'] == 'RUNNING')
    agent.restart()
    assert 'startTimeout' in server.wait_status(task, 'STOPPED')['reason']


# ---- restarts ----

POLICY = {'enabled': True, 'restartAttemptPeriod': 0}


def test_a_container_restarts_in_its_place(agent, server):
    """The same files, the same log, a count; an agent that is killed at any moment of it
    neither loses a restart nor makes two of one."""
    task = server.start([shell('echo life >> /lives; wc() { n=0; while read l; do n=$((n+1)); '
                               'done; echo lives $n; }; wc < /lives; '
                               'while [ ! -e /tmp/go ]; do sleep 0.05; done; '
                               'busybox rm /tmp/go; exit 0', restartPolicy=POLICY)])
    server.wait_status(task, 'RUNNING')
    first = container(agent, task)
    root = next(p for p in (agent.data / 'roots').glob(task + '*'))
    merged = next(p for p in (root / 'merged', root / 'root', root) if (p / 'bin').exists())
    for life in range(2, 6):
        eventually(lambda: agent.log_of(task)[-1:] == [f'lives {life - 1}'])
        if life == 3:
            agent.kill()
        (merged / 'tmp' / 'go').touch()
        if life == 3:
            time.sleep(0.3)  # it ends while nobody looks
            agent.start()
        elif life == 4:
            time.sleep(0.05)
            agent.restart()  # somewhere in the middle
        eventually(lambda: agent.log_of(task)[-1:] == [f'lives {life}'])
    assert agent.log_of(task) == [f'lives {n}' for n in range(1, 6)]
    now = eventually(lambda: container(agent, task).get('restartCount') == 4 and
                     container(agent, task)['status'] == 'RUNNING' and container(agent, task))
    assert now['id'] == first['id'] and now['startedAt'] == first['startedAt']
    assert now['lastStartedAt'] > first['lastStartedAt']
    assert {r['status'] for r in server.of(task)} == {'RUNNING'}
    server.stop(task)
    server.wait_status(task, 'STOPPED')
    assert container(agent, task)['restartCount'] == 4  # a stop is no reason to restart


def test_what_is_not_restarted(agent, server):
    ignored = server.start([shell('exit 3', restartPolicy={**POLICY, 'ignoredExitCodes': [3]})])
    early = server.start([shell('exit 3', restartPolicy={'enabled': True,
                                                         'restartAttemptPeriod': 60})])
    off = server.start([shell('exit 3', restartPolicy={'enabled': False})])
    for task in (ignored, early, off):
        report = server.wait_status(task, 'STOPPED')
        assert report['reason'] == 'Essential container in task exited'
        assert report['containers'][0]['exitCode'] == 3
        assert 'restartCount' not in container(agent, task)


def test_health_begins_anew_with_a_restart(agent, server):
    task = server.start([shell('while [ ! -e /die ]; do sleep 0.05; done; sleep 1000',
                               healthCheck=check('test ! -e /gone'), restartPolicy=POLICY)])
    server.wait_health(task, 'HEALTHY')
    pid = next(p for p in filter(str.isdigit, os.listdir('/proc'))
               if is_first_process(agent, task, p))
    os.kill(int(pid), 9)
    server.wait(lambda: server.health(task)[-2:] == ['UNKNOWN', 'HEALTHY'] or
                'UNKNOWN' in server.health(task))
    server.wait_health(task, 'HEALTHY')
    server.stop(task)
    server.wait_status(task, 'STOPPED')


def is_first_process(agent, task, pid):
    try:
        with open(f'/proc/{pid}/cmdline', 'rb') as f:
            if not f.read().startswith(b'sh\0-c\0while [ ! -e /die ]'):
                return False
        with open(f'/proc/{pid}/cgroup') as f:
            return task in f.read()
    except OSError:
        return False


# ---- time is over ----

def test_a_pull_that_takes_too_long(agent, server):
    server.images['slow'] = fake_ecs.busybox(Cmd=['true'], Labels={'slow': 'yes'})
    server.blob_gate.clear()
    try:
        task = server.start([{'image': '127.0.0.1:4566/slow:latest'}])
        report = server.wait_status(task, 'STOPPED')
    finally:
        server.blob_gate.set()
    assert report['reason'] == ('DockerTimeoutError: Could not transition to pulled; timed out '
                                'after waiting 1s')
    assert report['containers'][0]['reason'] == report['reason']


# ---- a server that repeats, reorders and speaks of the past ----

def test_old_and_repeated_words(agent, server):
    task = server.start([shell('trap "exit 0" TERM; sleep 1000 & wait')])
    old = server.tasks[task]['host']
    server.wait_status(task, 'RUNNING')
    first = container(agent, task)['id']
    for _ in range(3):
        server.send({'kind': 'TASK', 'task': old})
        server.send(server.desired())
    server.send({'kind': 'FORGET', 'taskArn': old['taskArn'] + 'x'})
    server.send({'kind': 'NO_SUCH_KIND'})
    server.send({'kind': 'TASK'})
    server.send({'kind': 'TASK', 'task': {**old, 'taskId': '../../etc'}})
    server.send({'kind': 'TASK', 'task': {**old, 'taskDefinition': None, 'taskId': 'a' * 32}})
    server.send({'kind': 'TASK', 'task': {'taskId': 'b' * 32, 'taskArn': 'x'}})
    probe = server.start([shell('true')])  # what was said before it has been heard
    server.wait_status(probe, 'STOPPED')
    assert container(agent, task)['id'] == first
    assert {r['status'] for r in server.of(task)} == {'RUNNING'}
    server.stop(task)
    server.send({'kind': 'TASK', 'task': old})  # RUNNING again, too late
    report = server.wait_status(task, 'STOPPED')
    assert report['containers'][0]['exitCode'] == 0

    def told_again():  # after the end it is told again, not run again
        server.send({'kind': 'TASK', 'task': old})
        return len([r for r in server.of(task) if r['status'] == 'STOPPED']) > 1
    eventually(told_again)
    assert len(agent.log_of(task)) == 0 and state(agent, task)['step'] == 'STOPPED'
