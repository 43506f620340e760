"""One request by hand, for what no SDK would send."""

import http.client
import json
import urllib.parse

from fake_host import SIGNED


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def fault(self):
        """Its code, without the namespace."""
        return self.json["__type"].split("#")[-1]


def call(server, target, body, signed=True, authorization=None, date="20260101T000000Z",
         content_type="application/x-amz-json-1.1", method="POST", path="/", headers=(),
         scope="ecs"):
    address = urllib.parse.urlparse(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    sent = {"Content-Type": content_type, **dict(headers)}
    if target:
        sent["X-Amz-Target"] = target
    if signed:
        sent["X-Amz-Date"] = date
        sent["Authorization"] = authorization or SIGNED.format(
            account="000000000000").replace("/ecs/", f"/{scope}/")
    try:
        connection.request(method, path, body=body, headers=sent)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before the body was sent; the answer is there to be read
    reply = Reply(connection.getresponse())
    connection.close()
    return reply
