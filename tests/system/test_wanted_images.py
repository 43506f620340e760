"""Images that services need: pulled before tasks come, and never removed by clean-up."""
import pytest

from fake_ecs import busybox
from test_agent import (Agent, agent, netns, only, pytestmark, scratch,  # noqa: F401
                        server)
from test_metadata import soon

A, B = '127.0.0.1:4566/early:latest', '127.0.0.1:4566/busybox:latest'


@pytest.fixture(autouse=True)
def early(server):
    server.images['early'] = busybox(Cmd=['sleep', '1000'], Labels={'is': 'early'})


def log_has(agent, text):
    return text in (agent.root / 'agent.log').read_text()


def kept(agent):
    folder = agent.data / 'images' / 'images'
    return {f.name for f in folder.iterdir()} if folder.exists() else set()


def name_of(image):
    return image.digest.split(':')[1]


def test_prefetched_image_is_found_by_the_task(agent, server):
    server.want(A)
    soon(lambda: log_has(agent, 'image prefetched'))
    blobs = [c for c in server.calls if '/blobs/' in c]
    task = server.start([{'image': A}])
    server.wait_status(task, 'RUNNING')
    assert [c for c in server.calls if '/blobs/' in c] == blobs


def test_pinned_image_is_found_without_the_registry(agent, server):
    digest = server.images['early'].digest
    server.want(A, digest=digest)
    soon(lambda: log_has(agent, 'image prefetched'))
    calls = [c for c in server.calls if c.startswith('GET')]
    task = server.start([{'image': A}], pins={'main': digest})
    server.wait_status(task, 'RUNNING')
    assert [c for c in server.calls if c.startswith('GET')] == calls


def test_only_what_may_run_here_is_fetched(agent, server):
    server.want(A, prefetch=False)
    task = server.start([{'image': B}])
    server.wait_status(task, 'RUNNING')
    assert kept(agent) == {name_of(server.images['busybox'])}


def test_tasks_go_first(agent, server):
    server.wait_status(server.start([{'image': B}]), 'RUNNING')
    server.blob_gate.clear()
    server.want(A)
    soon(lambda: any('/early/blobs/' in c for c in server.calls))
    server.wait_status(server.start([{'image': B}]), 'RUNNING')
    soon(lambda: log_has(agent, 'makes room for a task'))
    server.blob_gate.set()
    soon(lambda: log_has(agent, 'image prefetched'))


def test_what_is_missing_does_not_hold_up_the_rest(agent, server):
    server.want('127.0.0.1:4566/nothing:1', 'not a name', A)
    soon(lambda: log_has(agent, 'image prefetched'))
    assert log_has(agent, "image can't be prefetched")


@pytest.mark.parametrize('agent', [{'retention_ms': 300, 'gc_ms': 300, 'image_age_ms': 1}],
                         indirect=True)
def test_clean_up_spares_what_services_need(agent, server):
    server.want(A)
    soon(lambda: log_has(agent, 'image prefetched'))
    task = server.start([{'image': B, 'command': ['true']}])
    server.wait_status(task, 'STOPPED')
    soon(lambda: kept(agent) == {name_of(server.images['early'])})
    agent.restart()  # knows nothing of services until the server has said it
    server.wait_status(server.start([{'image': B}]), 'RUNNING')
    assert name_of(server.images['early']) in kept(agent)
    server.want()
    soon(lambda: kept(agent) == {name_of(server.images['busybox'])})
