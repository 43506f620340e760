"""The OCI Distribution API, version 1.1, by hand: every endpoint, its refusals and headers."""

import base64
import hashlib
import http.client
import json
import os
import socket
import struct
import threading
import time
import urllib.parse

import pytest

from conftest import Server
from push import (CONFIG, DOCKER_IMAGE, IMAGE, INDEX, LAYER, Image, Index, Registry, descriptor,
                  digest_of, image, with_query)

NO_DIGEST = "sha256:" + "0" * 64
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def registry(server):
    return Registry(server)


@pytest.fixture
def ecr(server):
    return server.client("ecr")


@pytest.fixture
def repository(ecr, request):
    name = "oci/" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    ecr.create_repository(repositoryName=name)
    return name


def blobs(repository, digest):
    return f"/v2/{repository}/blobs/{digest}"


def manifests(repository, reference):
    return f"/v2/{repository}/manifests/{reference}"


def check_error(reply, status, *codes):
    reply.expect(status)
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    errors = reply.json["errors"]
    assert errors and all(isinstance(e["message"], str) and e["message"] for e in errors)
    assert errors[0]["code"] in codes, errors
    return reply


# ---- the root, and what is not there ----


def test_root(registry):
    for path in ("/v2/", "/v2"):
        reply = registry.call("GET", path).expect(200)
        assert reply.json == {}
        assert reply.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert registry.call("HEAD", "/v2/").expect(200).body == b""


@pytest.mark.parametrize("path", [
    "/v2/x", "/v2/x/blobs", "/v2/x/manifests/", "/v2/x/tags", "/v2/x/tags/other", "/v2//",
    "/v2/manifests/t", "/v2/blobs/uploads/", "/v2/x/blobs/", "/v2/x/unknown/y",
    "/v2/x%00y/tags/list",
    "/v2/%zz/tags/list", "/v2/x/referrers/"])
def test_no_such_path(registry, path):
    reply = registry.call("GET", path)
    assert reply.status in (400, 404), reply.status
    assert reply.json["errors"]


@pytest.mark.parametrize("method,path", [
    ("PATCH", "/v2/x1/manifests/t"), ("POST", "/v2/x1/manifests/t"),
    ("PUT", "/v2/x1/tags/list"), ("DELETE", "/v2/_catalog"),
    ("PUT", f"/v2/x1/blobs/{NO_DIGEST}"), ("DELETE", f"/v2/x1/referrers/{NO_DIGEST}")])
def test_wrong_method(registry, method, path):
    check_error(registry.call(method, path), 405, "UNSUPPORTED")


@pytest.mark.parametrize("name", ["Upper", "a//b", "a/", "-a", "a_", "a..b", "a" * 257, "a/_b"])
def test_wrong_names(registry, name):
    reply = registry.call("GET", f"/v2/{name}/tags/list")
    check_error(reply, 400, "NAME_INVALID")


@pytest.mark.parametrize("method,path", [
    ("GET", "/v2/no/such/tags/list"), ("GET", "/v2/no/such/manifests/t"),
    ("PUT", "/v2/no/such/manifests/t"), ("DELETE", "/v2/no/such/manifests/t"),
    ("GET", f"/v2/no/such/blobs/{NO_DIGEST}"), ("DELETE", f"/v2/no/such/blobs/{NO_DIGEST}"),
    ("POST", "/v2/no/such/blobs/uploads/"), ("GET", f"/v2/no/such/referrers/{NO_DIGEST}"),
    ("POST", f"/v2/no/such/blobs/uploads/?mount={NO_DIGEST}"),
    ("POST", f"/v2/no/such/blobs/uploads/?digest={NO_DIGEST}")])
def test_unknown_repository(registry, method, path):
    body = image("x").manifest if method == "PUT" else None
    check_error(registry.call(method, path, body, {"Content-Type": IMAGE}), 404, "NAME_UNKNOWN")


def test_names_that_look_like_endpoints(ecr, registry):
    for name in ("manifests", "x/blobs/uploads", "x/manifests", "tags/list", "blobs/uploads/x"):
        ecr.create_repository(repositoryName=name)
        pushed = image(name)
        registry.push(name, pushed, "blobs")
        assert registry.call("GET", manifests(name, "blobs")).body == pushed.manifest
        assert registry.call("GET", f"/v2/{name}/tags/list").json == {
            "name": name, "tags": ["blobs"]}


# ---- blobs: GET, HEAD, Range, DELETE ----


def test_blob(registry, repository):
    data = os.urandom(100_000)
    digest = registry.put_blob(repository, data)
    got = registry.call("GET", blobs(repository, digest)).expect(200)
    assert got.body == data
    head = registry.call("HEAD", blobs(repository, digest)).expect(200)
    assert head.body == b""
    for reply in (got, head):
        assert reply.headers["Content-Length"] == str(len(data))
        assert reply.headers["Docker-Content-Digest"] == digest
        assert reply.headers["Accept-Ranges"] == "bytes"


def test_blob_that_is_not_there(registry, repository):
    check_error(registry.call("GET", blobs(repository, NO_DIGEST)), 404, "BLOB_UNKNOWN")
    head = registry.call("HEAD", blobs(repository, NO_DIGEST)).expect(404)
    assert head.body == b""
    for digest in ("sha256:xyz", "sha256:" + "A" * 64, "md5:" + "0" * 32, "nonsense",
                   "sha512:" + "0" * 64, "sha256:" + "0" * 65):
        reply = registry.call("GET", blobs(repository, digest))
        assert reply.status in (400, 404), digest
        assert reply.code in ("DIGEST_INVALID", "BLOB_UNKNOWN")


def test_blob_of_another_repository_is_not_shown(ecr, registry, repository):
    digest = registry.put_blob(repository, b"private")
    ecr.create_repository(repositoryName=repository + "-2")
    registry.call("GET", blobs(repository + "-2", digest)).expect(404)
    registry.call("HEAD", blobs(repository + "-2", digest)).expect(404)
    registry.call("DELETE", blobs(repository + "-2", digest)).expect(404)
    registry.call("GET", blobs(repository, digest)).expect(200)


@pytest.mark.parametrize("given,first,last", [
    ("bytes=0-0", 0, 0), ("bytes=0-9", 0, 9), ("bytes=10-19", 10, 19), ("bytes=90-", 90, 99),
    ("bytes=90-1000", 90, 99), ("bytes=-10", 90, 99), ("bytes=-1000", 0, 99),
    ("bytes=0-", 0, 99), ("bytes=99-99", 99, 99), ("Bytes=1-2", 1, 2)])
def test_ranges(registry, repository, given, first, last):
    data = bytes(range(100))
    digest = registry.put_blob(repository, data)
    reply = registry.call("GET", blobs(repository, digest), headers={"Range": given}).expect(206)
    assert reply.body == data[first:last + 1]
    assert reply.headers["Content-Range"] == f"bytes {first}-{last}/100"
    assert reply.headers["Content-Length"] == str(last - first + 1)
    assert reply.headers["Docker-Content-Digest"] == digest


@pytest.mark.parametrize("given", ["bytes=100-", "bytes=100-200", "bytes=50-10", "bytes=-0",
                                   "bytes=99999999999999999999-"])
def test_ranges_that_cannot_be(registry, repository, given):
    digest = registry.put_blob(repository, bytes(range(100)))
    reply = registry.call("GET", blobs(repository, digest), headers={"Range": given})
    reply.expect(416)
    assert reply.headers["Content-Range"] == "bytes */100"


@pytest.mark.parametrize("given", ["items=0-1", "bytes=x-y", "bytes=", "0-1"])
def test_ranges_that_are_none(registry, repository, given):
    data = bytes(range(100))
    digest = registry.put_blob(repository, data)
    reply = registry.call("GET", blobs(repository, digest), headers={"Range": given}).expect(200)
    assert reply.body == data


def test_range_of_an_empty_blob(registry, repository):
    digest = registry.put_blob(repository, b"")
    assert registry.call("GET", blobs(repository, digest)).expect(200).body == b""
    assert registry.call("HEAD", blobs(repository, digest)).headers["Content-Length"] == "0"
    registry.call("GET", blobs(repository, digest), headers={"Range": "bytes=0-0"}).expect(416)


def test_delete_blob(registry, repository):
    digest = registry.put_blob(repository, b"to be deleted")
    registry.call("DELETE", blobs(repository, digest)).expect(202)
    registry.call("GET", blobs(repository, digest)).expect(404)
    check_error(registry.call("DELETE", blobs(repository, digest)), 404, "BLOB_UNKNOWN")
    assert registry.put_blob(repository, b"to be deleted") == digest
    assert registry.call("GET", blobs(repository, digest)).body == b"to be deleted"


# ---- uploads ----


def check_upload(registry, location, size):
    reply = registry.call("GET", location).expect(204)
    assert reply.headers["Range"] == f"0-{max(size - 1, 0)}"
    assert reply.headers["Location"]
    return reply.headers["Location"]


def test_start_of_an_upload(registry, repository):
    reply = registry.call("POST", f"/v2/{repository}/blobs/uploads/").expect(202)
    assert reply.headers["Location"].startswith(f"/v2/{repository}/blobs/uploads/")
    assert reply.headers["Docker-Upload-UUID"]
    assert reply.headers["Range"] == "0-0"
    assert reply.headers["Content-Length"] == "0"
    check_upload(registry, reply.headers["Location"], 0)
    other = registry.start(repository)
    assert other != reply.headers["Location"]


def check_created(reply, repository, digest):
    reply.expect(201)
    assert reply.headers["Docker-Content-Digest"] == digest
    assert reply.headers["Location"].endswith(blobs(repository, digest))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [0, 1, 2, 65536, 3_000_000])
def test_whole_body_with_put(registry, repository, algorithm, size):
    data = os.urandom(size)
    digest = digest_of(data, algorithm)
    location = registry.start(repository)
    reply = registry.call("PUT", with_query(location, digest=digest), data, OCTETS)
    check_created(reply, repository, digest)
    assert registry.call("GET", reply.headers["Location"]).body == data
    check_error(registry.call("GET", location), 404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_single_post(registry, repository, algorithm):
    data = os.urandom(10_000)
    digest = digest_of(data, algorithm)
    reply = registry.call("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", data, OCTETS)
    check_created(reply, repository, digest)
    assert registry.call("GET", blobs(repository, digest)).body == data


def test_single_post_with_a_wrong_digest(registry, repository):
    reply = registry.call("POST", f"/v2/{repository}/blobs/uploads/?digest={digest_of(b'x')}",
                          b"y", OCTETS)
    check_error(reply, 400, "DIGEST_INVALID")
    registry.call("GET", blobs(repository, digest_of(b"x"))).expect(404)
    registry.call("GET", blobs(repository, digest_of(b"y"))).expect(404)


def test_digest_algorithm(registry, repository):
    data = b"hinted"
    for algorithm in ("sha256", "sha512"):
        location = registry.start(repository, f"?digest-algorithm={algorithm}")
        reply = registry.call("PATCH", location, data, OCTETS).expect(202)
        digest = digest_of(data, algorithm)
        reply = registry.call("PUT", with_query(reply.headers["Location"], digest=digest))
        check_created(reply, repository, digest)
    # A hint only: the digest of the PUT decides.
    location = registry.start(repository, "?digest-algorithm=sha512")
    reply = registry.call("PATCH", location, data, OCTETS).expect(202)
    digest = digest_of(data)
    check_created(registry.call("PUT", with_query(reply.headers["Location"], digest=digest)),
                  repository, digest)
    reply = registry.call("POST", f"/v2/{repository}/blobs/uploads/?digest-algorithm=md5")
    check_error(reply, 400, "DIGEST_INVALID")


def piece(first, data):
    return {**OCTETS, "Content-Range": f"{first}-{first + len(data) - 1}"}


def test_pieces(registry, repository):
    data = os.urandom(50_000)
    location, at = registry.start(repository), 0
    for size in (1, 9_999, 20_000):
        part = data[at:at + size]
        reply = registry.call("PATCH", location, part, piece(at, part)).expect(202)
        at += size
        assert reply.headers["Range"] == f"0-{at - 1}"
        location = reply.headers["Location"]
        location = check_upload(registry, location, at)
    reply = registry.call("PUT", with_query(location, digest=digest_of(data)), data[at:],
                          piece(at, data[at:]))
    check_created(reply, repository, digest_of(data))
    assert registry.call("GET", blobs(repository, digest_of(data))).body == data


def test_pieces_out_of_order(registry, repository):
    data = os.urandom(300)
    location = registry.start(repository)
    registry.call("PATCH", location, data[100:200], piece(100, data[100:200])).expect(416)
    check_upload(registry, location, 0)
    location = registry.call("PATCH", location, data[:100],
                             piece(0, data[:100])).expect(202).headers["Location"]
    for wrong in (0, 50, 101, 200):
        reply = registry.call("PATCH", location, data[:100], piece(wrong, data[:100])).expect(416)
        assert reply.headers["Range"] == "0-99"
        location = check_upload(registry, location, 100)
    reply = registry.call("PUT", with_query(location, digest=digest_of(data)), data[200:],
                          piece(200, data[200:])).expect(416)
    location = check_upload(registry, location, 100)
    check_created(registry.call("PUT", with_query(location, digest=digest_of(data)), data[100:],
                                piece(100, data[100:])), repository, digest_of(data))


@pytest.mark.parametrize("given,status", [
    ("bytes 0-9/10", 416), ("x", 416), ("9-0", 416), ("-", 416), ("0-", 416), ("0-10", 400),
    ("0-8", 400), ("0-99999999999999999999", 416)])
def test_wrong_content_range(registry, repository, given, status):
    location = registry.start(repository)
    reply = registry.call("PATCH", location, b"0123456789", {**OCTETS, "Content-Range": given})
    reply.expect(status)
    check_upload(registry, location, 0)


def test_streamed_as_clients_do(registry, repository):
    parts = [os.urandom(n) for n in (1, 100, 70_000, 3)]
    location = registry.start(repository)
    reply = registry.call("PATCH", location, iter(parts),
                          {**OCTETS, "Transfer-Encoding": "chunked"}, encode_chunked=True)
    location = reply.expect(202).headers["Location"]
    digest = digest_of(b"".join(parts))
    reply = registry.call("PUT", with_query(location, digest=digest), b"")
    check_created(reply, repository, digest)
    assert registry.call("GET", blobs(repository, digest)).body == b"".join(parts)


def test_wrong_digest_ends_the_upload(registry, repository):
    location = registry.start(repository)
    location = registry.call("PATCH", location, b"abc", OCTETS).expect(202).headers["Location"]
    reply = registry.call("PUT", with_query(location, digest=digest_of(b"abd")))
    check_error(reply, 400, "DIGEST_INVALID")
    check_error(registry.call("GET", location), 404, "BLOB_UPLOAD_UNKNOWN")
    registry.call("GET", blobs(repository, digest_of(b"abc"))).expect(404)
    registry.call("GET", blobs(repository, digest_of(b"abd"))).expect(404)


@pytest.mark.parametrize("query", ["", "?digest=", "?digest=sha256:baddigeststring",
                                   "?digest=md5:0123", "?digest=sha256:" + "0" * 63])
def test_bad_digest_syntax(registry, repository, query):
    location = registry.start(repository)
    check_error(registry.call("PUT", location + query, b"abc"), 400, "DIGEST_INVALID")


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("name", ["6f3b0a1c-3e4c-4d6e-9a53-000000000000", "x", "..", "%2e%2e%2fx"])
def test_unknown_upload(registry, repository, method, name):
    path = f"/v2/{repository}/blobs/uploads/{name}"
    if method == "PUT":
        path += f"?digest={digest_of(b'abc')}"
    reply = registry.call(method, path, b"abc" if method in ("PATCH", "PUT") else None)
    assert reply.status in (400, 404), reply.status
    if name[0] != "." and name[0] != "%":
        check_error(reply, 404, "BLOB_UPLOAD_UNKNOWN")


def test_upload_belongs_to_its_repository(ecr, registry, repository):
    """What may write to one repository does not write to another one's uploads."""
    ecr.create_repository(repositoryName=repository + "-2")
    location = registry.start(repository)
    elsewhere = location.replace(repository, repository + "-2")
    for method in ("GET", "PATCH", "DELETE"):
        check_error(registry.call(method, elsewhere, b"x" if method == "PATCH" else None), 404,
                    "BLOB_UPLOAD_UNKNOWN")
    check_error(registry.call("PUT", with_query(elsewhere, digest=digest_of(b"x")), b"x"), 404,
                "BLOB_UPLOAD_UNKNOWN")
    check_upload(registry, location, 0)
    registry.call("PUT", with_query(location, digest=digest_of(b"x")), b"x").expect(201)


def test_cancel(registry, repository):
    location = registry.start(repository)
    registry.call("PATCH", location, b"abc").expect(202)
    registry.call("DELETE", location).expect(204)
    for method in ("GET", "DELETE", "PATCH"):
        check_error(registry.call(method, location), 404, "BLOB_UPLOAD_UNKNOWN")


def raw_request(server, head, body=b""):
    address = urllib.parse.urlparse(server.url)
    s = socket.create_connection((address.hostname, address.port), timeout=20)
    s.sendall(head.encode() + body)
    return s


def frame(data, chunked):
    """The body's bytes on the wire, as two chunks or as they are."""
    if not chunked:
        return data
    half = len(data) // 2
    pieces = [b"%x\r\n%s\r\n" % (len(p), p) for p in (data[:half], data[half:])]
    return b"".join(pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("end", ["close", "half", "reset"])
@pytest.mark.parametrize("missing", [1, 6, 50_000, 200_000])
def test_an_upload_that_breaks_off_goes_on(server, registry, repository, chunked, end, missing):
    """However its client goes, before or in the middle of the body or of a chunk's frame, the
    upload is free for the next one soon, not when some time-out of the connection has passed."""
    data = os.urandom(200_000)
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(data)}"
    wire = frame(data, chunked)
    for _ in range(5):
        location = registry.start(repository)
        # With a range: one that the server comes to late is not put behind the next.
        s = raw_request(server, f"PATCH {location} HTTP/1.1\r\nHost: x\r\n{length}\r\n"
                        f"Content-Range: 0-{len(data) - 1}\r\n\r\n",
                        wire[:max(0, len(wire) - missing)])
        if end == "half":
            s.shutdown(socket.SHUT_WR)
        elif end == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if end != "half":
            s.close()
        deadline = time.monotonic() + 10
        while True:
            # What arrived counts; the client asks how much that is. "0-0" is one byte or none.
            reply = registry.call("GET", location).expect(204)
            have = int(reply.headers["Range"].split("-")[1]) + 1
            have = 0 if have == 1 else have
            rest = data[have:]
            again = registry.call("PATCH", location, rest, piece(have, rest) if rest else OCTETS)
            if again.status == 202:
                break
            again.expect(416)
            assert time.monotonic() < deadline, f"the upload is held, {have} bytes long"
        s.close()
        reply = registry.call("PUT", with_query(location, digest=digest_of(data)))
        check_created(reply, repository, digest_of(data))
        registry.call("DELETE", blobs(repository, digest_of(data))).expect(202)


def test_two_at_once_on_one_upload(server, registry, repository):
    """The second waits or is refused; never are the two mixed."""
    location = registry.start(repository)
    half = b"a" * 100_000
    s = raw_request(server, f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n"
                            "\r\n", half)
    while int(registry.call("GET", location).headers["Range"].split("-")[1]) + 1 < len(half):
        pass
    registry.call("PATCH", location, b"b" * 1000, OCTETS).expect(416)
    registry.call("PUT", with_query(location, digest=digest_of(half)), b"").expect(416)
    s.sendall(half)
    assert s.recv(1000).startswith(b"HTTP/1.1 202")
    s.close()
    check_created(registry.call("PUT", with_query(location, digest=digest_of(half + half))),
                  repository, digest_of(half + half))


def test_the_same_blob_from_many_at_once(server, repository):
    data = os.urandom(500_000)
    failed = []

    def push():
        try:
            Registry(server).put_blob(repository, data)
        except AssertionError as e:
            failed.append(e)

    threads = [threading.Thread(target=push) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failed == []
    assert Registry(server).call("GET", blobs(repository, digest_of(data))).body == data


def test_mount(ecr, registry, repository):
    other = repository + "-2"
    ecr.create_repository(repositoryName=other)
    digest = registry.put_blob(repository, b"to be mounted")
    uploads = f"/v2/{other}/blobs/uploads/"
    reply = registry.call("POST", f"{uploads}?mount={digest}&from={repository}")
    check_created(reply, other, digest)
    assert registry.call("GET", blobs(other, digest)).body == b"to be mounted"
    # It stays when the source goes.
    registry.call("DELETE", blobs(repository, digest)).expect(202)
    assert registry.call("GET", blobs(other, digest)).body == b"to be mounted"


@pytest.mark.parametrize("query", [
    f"mount={NO_DIGEST}&from=SOURCE", f"mount={NO_DIGEST}&from=no/such", f"mount={NO_DIGEST}",
    f"mount={NO_DIGEST}&from=NOT%20VALID"])
def test_mount_falls_back_to_an_upload(registry, repository, query):
    query = query.replace("SOURCE", repository)
    reply = registry.call("POST", f"/v2/{repository}/blobs/uploads/?{query}").expect(202)
    location = reply.headers["Location"]
    check_created(registry.call("PUT", with_query(location, digest=digest_of(b"x")), b"x"),
                  repository, digest_of(b"x"))


def test_anonymous_mount(ecr, registry, repository):
    """Without `from`: the blob may be found or not; either way the client can go on."""
    ecr.create_repository(repositoryName=repository + "-2")
    digest = registry.put_blob(repository, b"anywhere")
    reply = registry.call("POST", f"/v2/{repository}-2/blobs/uploads/?mount={digest}")
    assert reply.status in (201, 202)
    if reply.status == 201:
        assert registry.call("GET", blobs(repository + "-2", digest)).body == b"anywhere"


# ---- manifests ----


@pytest.mark.parametrize("media_type", [IMAGE, DOCKER_IMAGE])
def test_manifest(registry, repository, media_type):
    pushed = image("x", media_type=media_type)
    for data in pushed.blobs:
        registry.put_blob(repository, data)
    reply = registry.put_manifest(repository, "t", pushed).expect(201)
    assert reply.headers["Docker-Content-Digest"] == pushed.digest
    assert reply.headers["Location"].startswith(f"/v2/{repository}/manifests/")
    assert "OCI-Subject" not in reply.headers
    for reference in ("t", pushed.digest):
        for accept in ({}, {"Accept": media_type}, {"Accept": "*/*"}, {"Accept": INDEX}):
            got = registry.call("GET", manifests(repository, reference), headers=accept)
            head = registry.call("HEAD", manifests(repository, reference), headers=accept)
            assert got.expect(200).body == pushed.manifest
            assert head.expect(200).body == b""
            for r in (got, head):
                assert r.headers["Content-Type"] == media_type
                assert r.headers["Content-Length"] == str(len(pushed.manifest))
                assert r.headers["Docker-Content-Digest"] == pushed.digest


def test_manifest_by_digest_with_tags(registry, repository):
    pushed = image("x")
    for data in pushed.blobs:
        registry.put_blob(repository, data)
    tags = [f"t{i:02}" for i in range(20)]
    reference = pushed.digest + "?" + "&".join("tag=" + t for t in tags)
    reply = registry.put_manifest(repository, reference, pushed).expect(201)
    assert reply.headers.get_all("OCI-Tag") == tags
    assert registry.call("GET", f"/v2/{repository}/tags/list").json["tags"] == tags
    for query in ("?tag=-x", "?tag=ok&tag=a%20b", "?tag="):
        reply = registry.put_manifest(repository, pushed.digest + query, pushed)
        check_error(reply, 400, "TAG_INVALID", "MANIFEST_INVALID")


def test_manifest_with_sha512(registry, repository):
    pushed = image("x")
    for data in pushed.blobs:
        registry.put_blob(repository, data)
    digest = digest_of(pushed.manifest, "sha512")
    reply = registry.put_manifest(repository, digest, pushed).expect(201)
    assert reply.headers["Docker-Content-Digest"] == digest
    got = registry.call("GET", manifests(repository, digest)).expect(200)
    assert got.body == pushed.manifest
    layer = os.urandom(100)
    registry.put_blob(repository, layer, "sha512")
    body = json.loads(pushed.manifest)
    body["layers"] = [descriptor(LAYER, layer, "sha512")]
    registry.call("PUT", manifests(repository, "mixed"), json.dumps(body).encode(),
                  {"Content-Type": IMAGE}).expect(201)


def test_manifest_with_another_digest(registry, repository):
    pushed = image("x")
    for data in pushed.blobs:
        registry.put_blob(repository, data)
    for digest in (NO_DIGEST, "sha256:baddigeststring", "sha512:" + "0" * 128):
        check_error(registry.put_manifest(repository, digest, pushed), 400, "DIGEST_INVALID")
    registry.call("GET", manifests(repository, pushed.digest)).expect(404)


def test_manifest_that_is_not_there(registry, repository):
    for reference in ("t", NO_DIGEST):
        check_error(registry.call("GET", manifests(repository, reference)), 404,
                    "MANIFEST_UNKNOWN")
        assert registry.call("HEAD", manifests(repository, reference)).expect(404).body == b""
        check_error(registry.call("DELETE", manifests(repository, reference)), 404,
                    "MANIFEST_UNKNOWN")
    for reference in ("sha256:xyz", "x:y", "-t", "t" * 129):
        assert registry.call("GET", manifests(repository, reference)).status in (400, 404)


def good():
    return json.loads(image("x").manifest)


def changed(**more):
    m = good()
    for key, value in more.items():
        if value is None:
            del m[key]
        else:
            m[key] = value
    return json.dumps(m).encode()


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'"x"', b"{}", b"\xff\xfe", b"[" * 10000,
    b'{"schemaVersion":2,"schemaVersion":2}',
    changed(schemaVersion=1), changed(schemaVersion="2"), changed(schemaVersion=None),
    changed(config=None), changed(layers=None), changed(config=[]), changed(layers={}),
    changed(layers=[{}]), changed(layers=["x"]), changed(mediaType=INDEX), changed(mediaType=5),
    changed(manifests=[]), changed(subject="x"), changed(subject={"digest": "x"}),
    changed(annotations=[]), changed(annotations={"a": 1}), changed(artifactType=7),
    changed(config={"mediaType": CONFIG, "digest": "sha256:xyz", "size": 1}),
    changed(config={"mediaType": CONFIG, "digest": NO_DIGEST, "size": -1}),
    changed(config={"mediaType": CONFIG, "digest": NO_DIGEST, "size": "1"}),
    changed(config={"mediaType": CONFIG, "digest": NO_DIGEST}),
], ids=range(30))
def test_wrong_manifests(registry, repository, body):
    reply = registry.call("PUT", manifests(repository, "t"), body, {"Content-Type": IMAGE})
    check_error(reply, 400, "MANIFEST_INVALID")
    registry.call("GET", manifests(repository, "t")).expect(404)


@pytest.mark.parametrize("media_type", [
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json", "application/json", "text/plain",
    DOCKER_IMAGE])
def test_wrong_types(registry, repository, media_type):
    reply = registry.put_manifest(repository, "t", image("x"), media_type)
    check_error(reply, 400, "MANIFEST_INVALID")


def test_type_with_parameters_or_from_the_body(registry, repository):
    pushed = image("x")
    registry.push(repository, pushed)
    registry.put_manifest(repository, "a", pushed, IMAGE + "; charset=utf-8").expect(201)
    assert registry.call("GET", manifests(repository, "a")).headers["Content-Type"] == IMAGE
    bare = json.loads(pushed.manifest)
    del bare["mediaType"]
    registry.call("PUT", manifests(repository, "b"), json.dumps(bare).encode(),
                  {"Content-Type": IMAGE}).expect(201)
    assert registry.call("GET", manifests(repository, "b")).headers["Content-Type"] == IMAGE


def test_missing_blobs(registry, repository):
    pushed = image("x")
    check_error(registry.put_manifest(repository, "t", pushed), 400, "MANIFEST_BLOB_UNKNOWN")
    registry.put_blob(repository, pushed.blobs[0])
    reply = registry.put_manifest(repository, "t", pushed)
    check_error(reply, 400, "MANIFEST_BLOB_UNKNOWN")
    assert digest_of(pushed.blobs[1]) in reply.body.decode()
    registry.put_blob(repository, pushed.blobs[1])
    registry.put_manifest(repository, "t", pushed).expect(201)


def test_layers_from_elsewhere_may_be_missing(registry, repository):
    config = b"{}"
    registry.put_blob(repository, config)
    for i, layer in enumerate((
            {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},
            {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"},
            {"mediaType": LAYER, "urls": ["https://example.test/layer"]})):
        m = {"schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(CONFIG, config),
             "layers": [{**layer, "digest": NO_DIGEST, "size": 5}]}
        registry.call("PUT", manifests(repository, f"t{i}"), json.dumps(m).encode(),
                      {"Content-Type": IMAGE}).expect(201)


def test_index(registry, repository):
    children = [image(1), image(2)]
    both = Index(*children)
    check_error(registry.put_manifest(repository, "t", both), 400, "MANIFEST_BLOB_UNKNOWN")
    for c in children:
        registry.push(repository, c)
    registry.put_manifest(repository, "t", both).expect(201)
    got = registry.call("GET", manifests(repository, "t")).expect(200)
    assert got.body == both.manifest
    assert got.headers["Content-Type"] == INDEX
    registry.push(repository, Index(), "empty")
    # An index of indexes.
    registry.push(repository, Index(both), "nested")


def test_large_manifests(registry, repository):
    big = Image(b"x", annotations={f"k{i}": "v" * 39_000 for i in range(100)})
    assert 3_900_000 < len(big.manifest) < 4 * 1024 * 1024
    registry.push(repository, big, "t")
    assert registry.call("GET", manifests(repository, "t")).body == big.manifest
    huge = Image(b"x", annotations={f"k{i}": "v" * 39_000 for i in range(120)})
    check_error(registry.put_manifest(repository, "u", huge), 413, "SIZE_INVALID",
                "MANIFEST_INVALID")


def test_a_tag_moves(registry, repository):
    first, second = image(1), image(2)
    registry.push(repository, first, "t")
    registry.push(repository, second, "t")
    assert registry.call("GET", manifests(repository, "t")).body == second.manifest
    assert registry.call("GET", manifests(repository, first.digest)).body == first.manifest
    registry.put_manifest(repository, "t", first).expect(201)
    assert registry.call("GET", manifests(repository, "t")).body == first.manifest


def test_delete_tag_and_manifest(registry, repository):
    pushed = image("x")
    registry.push(repository, pushed, "a", "b", "c")
    registry.call("DELETE", manifests(repository, "a")).expect(202)
    registry.call("GET", manifests(repository, "a")).expect(404)
    registry.call("GET", manifests(repository, pushed.digest)).expect(200)
    assert registry.call("GET", f"/v2/{repository}/tags/list").json["tags"] == ["b", "c"]
    registry.call("DELETE", manifests(repository, pushed.digest)).expect(202)
    for reference in ("b", "c", pushed.digest):
        registry.call("GET", manifests(repository, reference)).expect(404)
    assert registry.call("GET", f"/v2/{repository}/tags/list").json["tags"] == []
    # Its blobs are still there for the next push.
    registry.put_manifest(repository, "d", pushed).expect(201)


def test_same_content_in_two_repositories(ecr, registry, repository):
    other = repository + "-2"
    ecr.create_repository(repositoryName=other)
    pushed = image("x")
    registry.push(repository, pushed, "t")
    registry.push(other, pushed, "t")
    registry.call("DELETE", manifests(repository, pushed.digest)).expect(202)
    for data in pushed.blobs:
        registry.call("DELETE", blobs(repository, digest_of(data))).expect(202)
    assert registry.call("GET", manifests(other, "t")).body == pushed.manifest
    for data in pushed.blobs:
        assert registry.call("GET", blobs(other, digest_of(data))).body == data


# ---- lists ----


def next_page(reply):
    link = reply.headers["Link"]
    if not link:
        return None
    path, rel = link.split(">;")
    assert rel.strip() == 'rel="next"'
    assert path.startswith("</v2/")
    return path[1:]


def test_tags(registry, repository):
    path = f"/v2/{repository}/tags/list"
    assert registry.call("GET", path).expect(200).json == {"name": repository, "tags": []}
    tags = sorted(["latest", "1.0", "1.10", "1.2", "A", "a", "_x", "v1-rc.1", "Z9", "z" * 128],
                  key=str.encode)
    registry.push(repository, image("x"), *reversed(tags))
    assert registry.call("GET", path).json["tags"] == tags
    for n in (1, 3, 4, 9, 10, 11, 1000, 100_000):
        found, at, pages = [], f"{path}?n={n}", 0
        while at:
            reply = registry.call("GET", at).expect(200)
            assert len(reply.json["tags"]) <= n
            found += reply.json["tags"]
            at, pages = next_page(reply), pages + 1
        assert found == tags
        assert pages == max(1, -(-len(tags) // n))
    reply = registry.call("GET", path + "?n=0").expect(200)
    assert reply.json["tags"] == [] and reply.headers["Link"] is None
    assert registry.call("GET", path + "?last=1.2").json["tags"] == tags[tags.index("1.2") + 1:]
    assert registry.call("GET", path + "?last=1.3").json["tags"] == tags[tags.index("1.2") + 1:]
    assert registry.call("GET", path + "?last=zzz&n=5").json["tags"] == tags[-1:]
    assert registry.call("GET", path + "?n=2&last=A").json["tags"] == tags[
        tags.index("A") + 1:][:2]
    for n in ("x", "-1", "1x"):
        assert registry.call("GET", f"{path}?n={n}").expect(400).json["errors"]


def test_catalog(server):
    ecr = server.client("ecr", account="555555555555")
    registry = Registry(server, host="555555555555.dkr.ecr.us-east-1.amazonaws.com")
    assert registry.call("GET", "/v2/_catalog").expect(200).json == {"repositories": []}
    names = sorted(["b", "a1", "a1/b", "a1-b", "c/d/e"] + [f"n{i}" for i in range(10)],
                   key=str.encode)
    names[names.index("b")] = "bb"
    for n in names:
        ecr.create_repository(repositoryName=n)
    found, at = [], "/v2/_catalog?n=4"
    while at:
        reply = registry.call("GET", at).expect(200)
        found += reply.json["repositories"]
        at = next_page(reply)
    assert found == sorted(names, key=str.encode)


# ---- referrers ----


def subject_of(what):
    return {"mediaType": what.media_type, "digest": what.digest, "size": len(what.manifest)}


def referrers(registry, repository, digest, query=""):
    reply = registry.call("GET", f"/v2/{repository}/referrers/{digest}{query}").expect(200)
    assert reply.headers["Content-Type"] == INDEX
    assert reply.json["schemaVersion"] == 2
    assert reply.json["mediaType"] == INDEX
    return reply


def test_referrers(registry, repository):
    subject = image("subject")
    assert referrers(registry, repository, subject.digest).json["manifests"] == []
    signature = Image(b"sig", subject=subject_of(subject), artifactType="application/x.sig",
                      annotations={"org.example.by": "me", "é": "\"quoted\""})
    bill = Image(b"sbom", subject=subject_of(subject), config_type="application/x.sbom")
    both = Index(subject=subject_of(subject), artifactType="application/x.list")
    # The subject may come later.
    for what in (signature, bill, both):
        for data in what.blobs:
            registry.put_blob(repository, data)
        reply = registry.put_manifest(repository, what.digest, what).expect(201)
        assert reply.headers["OCI-Subject"] == subject.digest
    registry.push(repository, subject, "s")
    found = referrers(registry, repository, subject.digest)
    assert found.headers["OCI-Filters-Applied"] is None
    rows = {m["digest"]: m for m in found.json["manifests"]}
    assert set(rows) == {signature.digest, bill.digest, both.digest}
    row = rows[signature.digest]
    assert row["artifactType"] == "application/x.sig"
    assert row["mediaType"] == IMAGE and row["size"] == len(signature.manifest)
    assert row["annotations"] == {"org.example.by": "me", "é": "\"quoted\""}
    assert rows[bill.digest]["artifactType"] == "application/x.sbom"
    assert rows[both.digest]["artifactType"] == "application/x.list"
    assert rows[both.digest]["mediaType"] == INDEX
    found = referrers(registry, repository, subject.digest,
                      "?artifactType=application%2Fx.sig")
    assert found.headers["OCI-Filters-Applied"] == "artifactType"
    assert [m["digest"] for m in found.json["manifests"]] == [signature.digest]
    assert referrers(registry, repository, subject.digest,
                     "?artifactType=none").json["manifests"] == []
    registry.call("DELETE", manifests(repository, bill.digest)).expect(202)
    rows = referrers(registry, repository, subject.digest).json["manifests"]
    assert {m["digest"] for m in rows} == {signature.digest, both.digest}


def test_referrers_of_a_wrong_digest(registry, repository):
    for digest in ("sha256:xyz", "nonsense"):
        check_error(registry.call("GET", f"/v2/{repository}/referrers/{digest}"), 400,
                    "DIGEST_INVALID")


def test_referrers_in_pages(registry, repository):
    subject = image("subject")
    made = [Image(f"r{i}".encode(), subject=subject_of(subject), artifactType=f"t/{i % 2}")
            for i in range(9)]
    for what in made:
        registry.push(repository, what)
    for query, want in (("?n=2", made), ("?n=2&artifactType=t%2F1", made[1::2])):
        found, at, pages = [], f"/v2/{repository}/referrers/{subject.digest}{query}", 0
        while at:
            reply = registry.call("GET", at).expect(200)
            found += [m["digest"] for m in reply.json["manifests"]]
            at, pages = next_page(reply), pages + 1
        assert sorted(found) == sorted(w.digest for w in want)
        assert pages == -(-len(want) // 2)


def test_referrers_of_the_fallback_tag(registry, repository):
    """What clients kept in an index under a tag before registries could list referrers."""
    subject = image("subject")
    old = Image(b"old", artifactType="application/x.old")
    registry.push(repository, old)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": IMAGE, "digest": old.digest, "size": len(old.manifest),
         "artifactType": "application/x.old"}]}
    tag = subject.digest.replace(":", "-")
    registry.call("PUT", manifests(repository, tag), json.dumps(index).encode(),
                  {"Content-Type": INDEX}).expect(201)
    rows = referrers(registry, repository, subject.digest).json["manifests"]
    assert [m["digest"] for m in rows] == [old.digest]


# ---- who may ----


@pytest.fixture(scope="module")
def strict():
    s = Server(dev=False)
    yield s
    s.close()


@pytest.mark.parametrize("authorization", [
    None, "Basic", "Basic ", "Basic !!!", "Bearer abc",
    "Basic " + base64.b64encode(b"AWS").decode(),
    "Basic " + base64.b64encode(b"AWS:").decode(),
    "Basic " + base64.b64encode(b"AWS:" + b"0" * 200).decode(),
    "Basic " + base64.b64encode(b"root:x").decode(), "Basic " + "A" * 20000])
@pytest.mark.parametrize("method,path", [
    ("GET", "/v2/"), ("GET", "/v2/x1/manifests/t"), ("HEAD", "/v2/x1/manifests/t"),
    ("POST", "/v2/x1/blobs/uploads/"), ("PUT", "/v2/x1/manifests/t"), ("GET", "/v2/_catalog"),
    ("GET", "/v2/x1/no/such/path"), ("DELETE", "/v2/x1/manifests/t")])
def test_challenge(strict, authorization, method, path):
    registry = Registry(strict, authorization=authorization)
    reply = registry.call(method, path, b"{}" if method == "PUT" else None).expect(401)
    assert reply.headers["WWW-Authenticate"] == (
        'Basic realm="https://000000000000.dkr.ecr.us-east-1.amazonaws.com/",'
        'service="ecr.amazonaws.com"')
    assert reply.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    if method != "HEAD":
        assert reply.body.strip() == b"Not Authorized"


def test_a_large_body_without_credentials(strict):
    """Refused before the body; the answer reaches a client that still sends."""
    reply = Registry(strict).call("PUT", "/v2/x1/manifests/t", b"x" * 3_000_000)
    reply.expect(401)


def test_wrong_credentials_do_not_write(strict):
    address = urllib.parse.urlparse(strict.url)
    c = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    for _ in range(3):  # one connection: a refusal does not end it
        c.request("POST", "/v2/x1/blobs/uploads/")
        r = c.getresponse()
        r.read()
        assert r.status == 401
    c.close()


# ---- many pulls, and memory ----


def test_many_slow_pulls_at_once(server, registry, repository):
    """More than there are buffers for; some give up half way, the others get every byte."""
    data = os.urandom(6_000_000)
    digest = registry.put_blob(repository, data)
    request = f"GET {blobs(repository, digest)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    pulls = []
    for i in range(90):
        part = f"Range: bytes={i}-\r\n" if i % 3 == 0 else ""
        pulls.append(raw_request(server, f"{request}{part}\r\n"))
    begun = [s.recv(1000) for s in pulls]
    for i, s in enumerate(pulls):
        if i % 5 == 0:
            s.close()
            continue
        got = [begun[i]]
        while piece_ := s.recv(1 << 20):
            got.append(piece_)
        s.close()
        head, _, body = b"".join(got).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 206" if i % 3 == 0 else b"HTTP/1.1 200")
        assert body == (data[i:] if i % 3 == 0 else data)


def rss_kib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        return next(int(l.split()[1]) for l in f if l.startswith("VmHWM:"))


def test_a_large_layer_does_not_grow_the_server(own_server):
    """GANTRY_LAYER_MIB of one layer, in one stream, and back."""
    count = int(os.environ.get("GANTRY_LAYER_MIB", "2048"))
    block = os.urandom(1 << 20)
    own_server.client("ecr").create_repository(repositoryName="large")
    registry = Registry(own_server)
    registry.push("large", image("warm"), "t")
    registry.call("GET", manifests("large", "t")).expect(200)
    before = rss_kib(own_server)
    whole = hashlib.sha256()
    for i in range(count):
        whole.update(i.to_bytes(8, "big"))
        whole.update(block)

    def stream():
        for i in range(count):
            yield i.to_bytes(8, "big")
            yield block

    location = registry.start("large")
    reply = registry.call("PATCH", location, stream(), {"Transfer-Encoding": "chunked"},
                          encode_chunked=True).expect(202)
    digest = "sha256:" + whole.hexdigest()
    registry.call("PUT", with_query(reply.headers["Location"], digest=digest)).expect(201)
    address = urllib.parse.urlparse(own_server.url)
    c = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    c.request("GET", blobs("large", digest))
    answer, back = c.getresponse(), hashlib.sha256()
    while data := answer.read(1 << 20):
        back.update(data)
    c.close()
    assert back.hexdigest() == whole.hexdigest()
    assert rss_kib(own_server) - before < 4096, "a layer went through memory"
