"""The edge's half of the talk with the server, as far as tests need it."""

import http.client
import json
import urllib.parse

SIGNED = ("AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/ecs/aws4_request, "
          "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64)
NEVER = "20260101T000000Z"


def report(server, **news):
    """As the edge says what it found."""
    address = urllib.parse.urlparse(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request("POST", "/gantry/v1/edge/report", body=json.dumps(news), headers={
        "Authorization": SIGNED.format(account="000000000000"), "X-Amz-Date": NEVER})
    response = connection.getresponse()
    assert response.status in (200, 204), response.read()
    connection.close()


def instance(server, instance_id, state, generation=1, **more):
    report(server, instances=[{"instanceId": instance_id, "state": state,
                               "generation": generation, **more}])
