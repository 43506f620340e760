"""What the image tests need: places, registries, and a way to look at trees."""
import base64
import hashlib
import http.server
import json
import os
import socket
import stat
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

from support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(os.environ.get("IMAGE_DRIVER",
                             ROOT / os.environ.get("BUILD", "build") / "tests/system/image_driver"))


def run(*args, **kw):
    r = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
    assert r.returncode == 0, f"{args}: {r.stderr.decode(errors='replace')}"
    return r.stdout


def driver(*args, ok=True):
    """Runs the driver; gives its answers, one dict a line, and checks how it ended."""
    r = subprocess.run([str(DRIVER), *map(str, args)], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=120)
    lines = [json.loads(line) for line in r.stdout.decode().splitlines()]
    assert r.returncode in (0, 1), (args, r.returncode, r.stderr.decode())
    if ok is not None:
        assert (r.returncode == 0) == ok, (args, lines, r.returncode, r.stderr.decode())
    return lines


def wait_port(port, process):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert process.poll() is None, "the registry ended"
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)  # a port has no event to wait for
    raise AssertionError("the registry does not listen")


class DebianRegistry:
    """docker-registry on a free loopback port."""

    def __init__(self, folder, extra_http="", auth=""):
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "config.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, "
            f"delete: {{enabled: true}}}}\n"
            f"http:\n  addr: 127.0.0.1:{self.port}\n{extra_http}{auth}")
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(["docker-registry", "serve", str(config)],
                                        stdout=self.log, stderr=self.log)
        wait_port(self.port, self.process)
        self.name = f"127.0.0.1:{self.port}"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def self_signed(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    key, cert = folder / f"{name}.key", folder / f"{name}.crt"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
        "-days", "2", "-subj", f"/CN={name}", "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1")
    return key, cert


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Server:
    """A threaded HTTP server around one function; it knows every request it saw."""

    def __init__(self, handle):
        outer = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append((self.path, dict(self.headers)))
                handle(self)

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for k, v in headers.items():
                    self.send_header(k.replace("_", "-"), v)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *a):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.name = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class TokenServer(Server):
    """Docker Registry v2 token authentication: checks a password, signs a JWT."""

    def __init__(self, key, cert, user, password):
        self.key, self.user, self.password = key, user, password
        pem = cert.read_text().split("-----")[2]
        self.x5c = "".join(pem.split())
        super().__init__(self.handle)

    def handle(self, h):
        want = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if h.headers.get("Authorization") != "Basic " + want:
            return h.reply(401, b'{"details":"wrong password"}')
        q = urllib.parse.parse_qs(urllib.parse.urlsplit(h.path).query)
        access = []
        for scope in " ".join(q.get("scope", [])).split():
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        claims = {"iss": "gantry-test", "sub": self.user, "aud": q["service"][0], "nbf": now - 10,
                  "iat": now, "exp": now + 300, "jti": str(time.monotonic_ns()), "access": access}
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self.x5c]}
        text = b64url(json.dumps(head).encode()) + "." + b64url(json.dumps(claims).encode())
        sig = run("openssl", "dgst", "-sha256", "-sign", self.key, input=text.encode())
        body = json.dumps({"token": text + "." + b64url(sig), "expires_in": 300})
        return h.reply(200, body.encode(), Content_Type="application/json")


class FakeRegistry(Server):
    """Serves blobs and manifests from memory; `before` may answer instead (returns True)."""

    def __init__(self, before=None):
        self.blobs, self.manifests, self.before = {}, {}, before
        super().__init__(self.handle)

    def add_blob(self, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"digest": digest, "size": len(data),
                "mediaType": "application/vnd.oci.image.layer.v1.tar"}

    def add_manifest(self, body, *names):
        data = json.dumps(body).encode()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        for name in (digest, *names):
            self.manifests[name] = (body.get("mediaType"), data)
        return {"digest": digest, "size": len(data), "mediaType": body.get("mediaType")}

    def add_image(self, layers, *names, arch=None, config=None):
        """layers: the tars."""
        diff = ["sha256:" + hashlib.sha256(t).hexdigest() for t in layers]
        arch = arch or {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine)
        c = {"os": "linux", "architecture": arch, "config": config or {"Entrypoint": ["/x"]},
             "rootfs": {"type": "layers", "diff_ids": diff}}
        return self.add_manifest({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.add_blob(json.dumps(c).encode()),
            "layers": [self.add_blob(t) for t in layers]}, *names)

    def handle(self, h):
        if self.before and self.before(h):
            return None
        kind, _, what = h.path.rpartition("/")
        if kind.endswith("/manifests") and what in self.manifests:
            media, data = self.manifests[what]
            return h.reply(200, data, Content_Type=media,
                           Docker_Content_Digest="sha256:" + hashlib.sha256(data).hexdigest())
        if kind.endswith("/blobs") and what in self.blobs:
            data, start = self.blobs[what], 0
            if h.headers.get("Range"):
                start = int(h.headers["Range"].split("=")[1].split("-")[0])
                return h.reply(206, data[start:],
                               Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
            return h.reply(200, data)
        body = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
        return h.reply(404, body, Content_Type="application/json")


def cut_off(h, data, after):
    """Promises all of data and hangs up in the middle."""
    h.send_response(200)
    h.send_header("Content-Length", str(len(data)))
    h.end_headers()
    h.wfile.write(data[:after])
    h.wfile.flush()
    h.connection.shutdown(socket.SHUT_RDWR)
    h.close_connection = True


def tree(top, ignore=("trusted.overlay.",)):
    """Every attribute of every file below, by path; hard links as the first name they have."""
    found, names = {}, {}
    top = os.fsencode(str(top))
    paths = [top]
    for folder, dirs, files in os.walk(top):
        dirs.sort()
        paths += [os.path.join(folder, n) for n in sorted(dirs + files)]
    for path in paths:
        st = os.lstat(path)
        entry = {"mode": oct(st.st_mode), "owner": (st.st_uid, st.st_gid), "rdev": st.st_rdev,
                 "mtime": int(st.st_mtime),
                 "xattrs": {x: os.getxattr(path, x, follow_symlinks=False)
                            for x in os.listxattr(path, follow_symlinks=False)
                            if not x.startswith(ignore)}}
        if stat.S_ISREG(st.st_mode):
            with open(path, "rb") as f:
                entry["content"] = (st.st_size, hashlib.sha256(f.read()).hexdigest())
            entry["same_as"] = names.setdefault((st.st_dev, st.st_ino), path[len(top):])
        elif stat.S_ISLNK(st.st_mode):
            entry["target"] = os.readlink(path)
        found[path[len(top):]] = entry
    return found


def differences(a, b):
    return [(k, a.get(k), b.get(k)) for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)][:10]
