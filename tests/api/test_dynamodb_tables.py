"""DynamoDB's tables."""


def test_the_endpoint_is_the_one_that_was_called(server):
    endpoint, = server.client("dynamodb").describe_endpoints()["Endpoints"]
    assert f"http://{endpoint['Address']}" == server.url
    assert endpoint["CachePeriodInMinutes"] > 0
