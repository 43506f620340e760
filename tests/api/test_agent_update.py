"""UpdateContainerAgent, with hosts that say their version."""

import pytest

from eventually import eventually
from fake_host import FakeHost


class Versioned(FakeHost):
    version = "0.0.1"

    def register(self, cpu, memory, ports, attributes, arn=None):
        ecs = self.ecs
        version = {"versionInfo": {"agentVersion": self.version}} if self.version else {}

        class WithVersion:
            @staticmethod
            def register_container_instance(**request):
                return ecs.register_container_instance(**request, **version)
        self.ecs = WithVersion
        try:
            return super().register(cpu, memory, ports, attributes, arn)
        finally:
            self.ecs = ecs

    def again(self, version):
        self.version = version
        assert self.register(4096, 8192, ["22"], (), arn=self.arn) == self.arn


def status(ecs, cluster, host):
    return ecs.describe_container_instances(cluster=cluster, containerInstances=[host.arn])[
        "containerInstances"][0].get("agentUpdateStatus")


@pytest.fixture
def old(host, cluster):
    h = Versioned(host.server, cluster)
    yield h
    h.close()


def told(host):
    return [m["kind"] for m in host.messages].count("UPDATE")


def test_an_update_that_succeeds_and_one_that_does_not(ecs, cluster, old):
    assert status(ecs, cluster, old) is None
    answer = ecs.update_container_agent(cluster=cluster, containerInstance=old.arn)
    assert answer["containerInstance"]["containerInstanceArn"] == old.arn
    assert answer["containerInstance"]["agentUpdateStatus"] == "PENDING"
    old.wait(lambda: told(old) == 1)
    eventually(lambda: status(ecs, cluster, old) == "UPDATING")
    with pytest.raises(ecs.exceptions.UpdateInProgressException):
        ecs.update_container_agent(cluster=cluster, containerInstance=old.arn)
    old.again("0.0.1")
    assert status(ecs, cluster, old) == "FAILED"
    ecs.update_container_agent(cluster=cluster, containerInstance=old.arn.rsplit("/", 1)[1])
    old.wait(lambda: told(old) == 2)
    old.again("999.0.0")
    assert status(ecs, cluster, old) == "UPDATED"
    with pytest.raises(ecs.exceptions.NoUpdateAvailableException):
        ecs.update_container_agent(cluster=cluster, containerInstance=old.arn)


def test_an_agent_that_is_away_is_told_when_it_comes(ecs, cluster, host):
    away = Versioned(host.server, cluster, connect=False)
    ecs.update_container_agent(cluster=cluster, containerInstance=away.arn)
    assert status(ecs, cluster, away) == "PENDING"
    away.again("0.0.1")  # as every agent does before it opens its stream
    assert status(ecs, cluster, away) == "PENDING"
    away.connect()
    away.wait(lambda: told(away) == 1)
    away.close()


def test_what_is_refused(ecs, cluster, host):
    with pytest.raises(ecs.exceptions.MissingVersionException):
        ecs.update_container_agent(cluster=cluster, containerInstance=host.arn)
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.update_container_agent(cluster=cluster, containerInstance="0" * 32)
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.update_container_agent(cluster="nowhere", containerInstance=host.arn)
