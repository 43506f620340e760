"""ListServicesByNamespace."""

import pytest


def test_a_namespace_that_nobody_names(ecs, cluster):
    with pytest.raises(ecs.exceptions.NamespaceNotFoundException):
        ecs.list_services_by_namespace(namespace="nowhere")
    for bad in ({"namespace": ""}, {"namespace": "n", "maxResults": 0},
                {"namespace": "n", "maxResults": 101}, {"namespace": "n", "nextToken": "x"}):
        with pytest.raises(ecs.exceptions.InvalidParameterException):
            ecs.list_services_by_namespace(**bad)
