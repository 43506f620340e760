"""ListServicesByNamespace, and that there are no namespaces yet."""

import pytest


def test_services_cannot_join_a_namespace_yet(ecs, cluster, taskdef):
    with pytest.raises(ecs.exceptions.UnsupportedFeatureException):
        ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=taskdef(),
                           desiredCount=1,
                           serviceConnectConfiguration={"enabled": True, "namespace": "home"})
    with pytest.raises(ecs.exceptions.NamespaceNotFoundException):
        ecs.list_services_by_namespace(namespace="home")
    assert ecs.list_services(cluster=cluster)["serviceArns"] == []


def test_a_namespace_that_nobody_names(ecs, cluster):
    with pytest.raises(ecs.exceptions.NamespaceNotFoundException):
        ecs.list_services_by_namespace(namespace="nowhere")
    for bad in ({"namespace": ""}, {"namespace": "n", "maxResults": 0},
                {"namespace": "n", "maxResults": 101}, {"namespace": "n", "nextToken": "x"}):
        with pytest.raises(ecs.exceptions.InvalidParameterException):
            ecs.list_services_by_namespace(**bad)


def test_a_cluster_without_such_a_namespace(ecs, cluster):
    for change in (lambda: ecs.create_cluster(clusterName="new-" + cluster,
                                              serviceConnectDefaults={"namespace": "home"}),
                   lambda: ecs.update_cluster(cluster=cluster,
                                              serviceConnectDefaults={"namespace": "home"})):
        with pytest.raises(ecs.exceptions.NamespaceNotFoundException):
            change()
    assert ecs.describe_clusters(clusters=["new-" + cluster])["clusters"] == []
