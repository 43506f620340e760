"""A small registry client: builds OCI images and indexes in memory and pushes them."""

import base64
import hashlib
import http.client
import json
import urllib.parse

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


def digest_of(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def descriptor(media_type, data, algorithm="sha256", **more):
    return {"mediaType": media_type, "digest": digest_of(data, algorithm), "size": len(data),
            **more}


class Image:
    """A manifest's bytes with the blobs that it names."""

    def __init__(self, *layers, media_type=IMAGE, config=None, layer_type=LAYER, **more):
        if config is None:
            config = json.dumps({
                "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/app"]},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(l) for l in layers]},
            }).encode()
        self.media_type = media_type
        self.blobs = [config, *layers]
        # Spaces and an unknown member: bytes that no second writer would produce.
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": media_type,
            "config": descriptor(more.pop("config_type", CONFIG), config),
            "layers": [descriptor(layer_type, l) for l in layers],
            "org.example.unknown": {"é": [1, 2.50]}, **more}, indent=3).encode()
        self.digest = digest_of(self.manifest)
        self.size = sum(len(b) for b in self.blobs)


class Index:
    """An index over images, with no blobs of its own."""

    def __init__(self, *children, media_type=INDEX, **more):
        self.media_type = media_type
        self.blobs = []
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": media_type,
            "manifests": [{**descriptor(c.media_type, c.manifest),
                           "platform": {"os": "linux", "architecture": f"a{i}"}}
                          for i, c in enumerate(children)], **more}).encode()
        self.digest = digest_of(self.manifest)


def image(seed, **more):
    """A small image whose content depends on the seed."""
    return Image(f"layer of {seed}".encode() * 50, **more)


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The first error's."""
        return self.json["errors"][0]["code"]

    def expect(self, status):
        assert self.status == status, f"{self.status}: {self.body[:500]}"
        return self


class Registry:
    """The registry of a server. password: of `AWS:`; host: the Host header."""

    def __init__(self, server, password=None, host=None, authorization=None):
        self.url = server.url
        self.headers = {}
        if password:
            authorization = "Basic " + base64.b64encode(f"AWS:{password}".encode()).decode()
        if authorization:
            self.headers["Authorization"] = authorization
        if host:
            self.headers["Host"] = host

    def call(self, method, path, body=None, headers=(), **more):
        address = urllib.parse.urlparse(self.url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        try:
            connection.request(method, path, body=body,
                               headers={**self.headers, **dict(headers)}, **more)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the body was sent; the answer is there to be read
        reply = Reply(connection.getresponse())
        connection.close()
        return reply

    def start(self, repository, query=""):
        """A new upload's location."""
        return self.call("POST", f"/v2/{repository}/blobs/uploads/{query}").expect(
            202).headers["Location"]

    def put_blob(self, repository, data, algorithm="sha256"):
        digest = digest_of(data, algorithm)
        location = self.start(repository)
        self.call("PUT", with_query(location, digest=digest), data).expect(201)
        return digest

    def put_manifest(self, repository, reference, what, media_type=None):
        return self.call("PUT", f"/v2/{repository}/manifests/{reference}", what.manifest,
                         {"Content-Type": media_type or what.media_type})

    def push(self, repository, what, *tags):
        """Blobs and manifest, under its digest when there is no tag; returns the digest."""
        for data in what.blobs:
            self.put_blob(repository, data)
        for reference in tags or (what.digest,):
            self.put_manifest(repository, reference, what).expect(201)
        return what.digest


def with_query(location, **values):
    return location + ("&" if "?" in location else "?") + urllib.parse.urlencode(values)


def password_of(ecr):
    """What `docker login` is given."""
    data = ecr.get_authorization_token()["authorizationData"][0]
    user, password = base64.b64decode(data["authorizationToken"]).decode().split(":", 1)
    assert user == "AWS"
    return password
