"""An upstream behind S3: what lies there, what happens when it is away, refuses or lies. That the
driver does what files do is in the other tests of S3, which run with both."""

import http.server
import json
import os
import re
import socket
import subprocess
import tempfile
import threading

import botocore.exceptions
import pytest

import conftest
from eventually import eventually
from s3_help import Upstream, body, client, fault, new_bucket

PART = 5 * 1024 * 1024


@pytest.fixture
def upstream():
    u = Upstream()
    yield u
    if u.server.process.poll() is None:
        u.server.close()


@pytest.fixture
def front(upstream):
    s = conftest.Server(*upstream.options)
    yield s
    s.close()


def test_bytes_are_there_and_nowhere_else(upstream, front):
    s3 = client(front)
    bucket = new_bucket(s3)
    assert upstream.objects() == {}
    for data in (b"one", b"two!"):
        s3.put_object(Bucket=bucket, Key="a/b", Body=data)
    (name, size), = upstream.objects().items()
    assert re.fullmatch(r"objects/[0-9a-f]{32}", name) and size == 4
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/a/b")
    assert sorted(upstream.objects().values()) == [4, 4]
    s3.delete_object(Bucket=bucket, Key="a/b")
    s3.delete_object(Bucket=bucket, Key="copy")
    assert upstream.objects() == {}


def test_parts_stay_where_they_are(upstream, front):
    s3 = client(front)
    bucket = new_bucket(s3)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    parts = []
    for n, data in enumerate([b"a" * PART, b"b" * PART, b"c"], 1):
        tag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=n, Body=data)
        parts.append({"PartNumber": n, "ETag": tag["ETag"]})
    there = upstream.objects()
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload,
                                 MultipartUpload={"Parts": [parts[0], parts[2]]})
    # the part that was not wanted is gone, the others are what they were
    assert len(upstream.objects()) == 2 and set(upstream.objects()) < set(there)
    whole = b"a" * PART + b"c"
    assert body(s3.get_object(Bucket=bucket, Key="k")) == whole
    for first, last in ((0, 0), (PART - 2, PART), (PART, PART), (5, PART - 1)):
        got = body(s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}"))
        assert got == whole[first:last + 1]
    s3.delete_object(Bucket=bucket, Key="k")
    assert upstream.objects() == {}


def test_an_upstream_that_is_away(upstream, front):
    s3 = client(front)
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="k", Body=b"old", Metadata={"a": "b"})
    upstream.server.kill()
    away = ("ServiceUnavailable", 503)
    assert fault(s3.put_object, Bucket=bucket, Key="k", Body=b"new") == away
    assert fault(s3.put_object, Bucket=bucket, Key="other", Body=b"new") == away
    assert fault(s3.get_object, Bucket=bucket, Key="k") == away
    # what is known without it is told
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a": "b"}
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": []})
    s3.delete_object(Bucket=bucket, Key="k")
    assert fault(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    front.restart()  # … and it starts
    upstream.server.start()
    s3.put_object(Bucket=bucket, Key="k", Body=b"newer")
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"newer"
    front.restart()
    assert list(upstream.objects().values()) == [5]  # the old one was dropped at the start


def test_kill_while_objects_are_put(upstream, front):
    s3 = client(front)
    bucket = new_bucket(s3)
    known, ends = {}, threading.Event()

    def put(thread):
        own, n = client(front), 0
        while not ends.is_set():
            data = f"{n};".encode() * 1000
            try:
                own.put_object(Bucket=bucket, Key=str(thread), Body=data)
            except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
                return
            known[str(thread)] = data
            n += 1

    for _ in range(5):
        known.clear()
        threads = [threading.Thread(target=put, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        eventually(lambda: len(known) == 4)
        front.kill()
        ends.set()
        for t in threads:
            t.join()
        ends.clear()
        front.start()
        s3 = client(front)
        for key, data in known.items():
            got, *rest = set(body(s3.get_object(Bucket=bucket, Key=key)).split(b";")[:-1])
            assert not rest and int(got) >= int(data.split(b";")[0])
        # one object each, and nothing that nobody names
        assert len(upstream.objects()) == 4


class Liar(http.server.BaseHTTPRequestHandler):
    """Takes everything, and gives back what `say` says."""
    protocol_version = "HTTP/1.1"
    say = None

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, b"")

    def do_DELETE(self):
        self.answer(204, b"")

    def do_GET(self):
        type(self).say(self)

    def answer(self, status, data, length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)

    def cut(self):
        self.answer(206, b"x" * 500, length=1000)
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args):
        pass


@pytest.fixture
def liar(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"accessKeyId": "a", "secretAccessKey": "b"}))
    s = conftest.Server("--s3-upstream", f"http://127.0.0.1:{server.server_address[1]}/store",
                        "--s3-upstream-keys", str(keys))
    yield s
    s.close()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("say, answer", [
    (Liar.cut, ("ServiceUnavailable", 503)),
    (lambda h: h.answer(206, b"x" * 999), ("ServiceUnavailable", 503)),
    (lambda h: h.answer(206, b"x" * 1001), ("InternalError", 500)),
    (lambda h: h.answer(500, b"oops"), ("ServiceUnavailable", 503)),
    (lambda h: h.answer(403, b"no"), ("InternalError", 500)),
    (lambda h: h.answer(302, b"elsewhere"), ("InternalError", 500)),
    (lambda h: h.wfile.write(b"nonsense\r\n\r\n"), ("InternalError", 500)),
], ids=["cut", "short", "long", "500", "403", "redirect", "nonsense"])
def test_an_upstream_that_lies(liar, say, answer):
    s3 = client(liar)
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 1000)
    Liar.say = say
    code, status = fault(s3.get_object, Bucket=bucket, Key="k")
    assert (code, status) == answer
    Liar.say = lambda h: h.answer(206, b"x" * 1000)
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"x" * 1000


@pytest.mark.parametrize("options, text", [
    (["--s3-upstream", "http://127.0.0.1:1/b"], "--s3-upstream needs --s3-upstream-keys"),
    (["--s3-upstream", "http://127.0.0.1:1", "--s3-upstream-keys", "KEYS"],
     "expected http(s)://host[:port]/bucket[/prefix]"),
    (["--s3-upstream", "ftp://h/b", "--s3-upstream-keys", "KEYS"], "is no upstream"),
    (["--s3-upstream", "http://h/b", "--s3-upstream-keys", "/none"], "--s3-upstream-keys"),
])
def test_settings_that_are_wrong(tmp_path, options, text):
    keys = tmp_path / "keys.json"
    keys.write_text('{"accessKeyId": "a", "secretAccessKey": "b"}')
    options = [str(keys) if o == "KEYS" else o for o in options]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the server is another user
        done = subprocess.run(
            [conftest.GANTRY, "server", "--data-dir", f"{folder}/data", "--run-dir",
             f"{folder}/run", "--listen", "127.0.0.1:0", *options],
            capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0 and text in done.stderr, done.stderr
