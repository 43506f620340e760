"""Load balancers (src/edge/balancer/balancers.h) with a real HAProxy, without a server: a program
is fed with the messages that an edge gets. Each balancer's namespace is made here, with a veth to
this machine's side, so targets are servers of this process and clients are ordinary ones."""
import contextlib
import gzip
import http.client
import http.server
import json
import os
import queue
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("GANTRY_BUILD", Path(__file__).parents[2] / "build"))
DRIVER = BUILD / "tests/system/balancer_driver"
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not DRIVER.exists(), reason=f"{DRIVER} is not built"),
    pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed"),
]
PREFIX = "arn:aws:elasticloadbalancing:us-east-1:000000000000:"


def sh(*args):
    subprocess.run(args, check=True, capture_output=True)


def wait_for(what, seconds=10, pause=0.01):
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(pause)


class Target(http.server.ThreadingHTTPServer):
    """A target whose answers say who it is and what it was asked."""
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, name, address, port=0, tls=None):
        target = self
        self.name, self.healthy, self.delay, self.asked = name, 200, 0, []
        self.connections, self.busy = set(), set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                target.connections.add(self.connection)

            def finish(self):
                target.connections.discard(self.connection)
                super().finish()

            def answer(self):
                if self.path.startswith("/health"):
                    return self.reply(target.healthy, b"")
                if self.headers.get("Upgrade") == "websocket":
                    return self.echo()
                target.asked.append(self.path)
                target.busy.add(self)
                if target.delay:
                    time.sleep(target.delay)
                body = json.dumps({"name": target.name, "path": self.path,
                                   "headers": {k.lower(): v for k, v in self.headers.items()}})
                cookie = "sid=1" if self.path == "/login" else None
                return self.reply(200, body.encode(), cookie)

            do_GET = do_POST = answer

            def reply(self, status, body, cookie=None):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if cookie:
                    self.send_header("Set-Cookie", cookie)
                self.end_headers()
                self.wfile.write(body)
                target.busy.discard(self)

            def echo(self):
                self.send_response(101)
                self.send_header("Upgrade", "websocket")
                self.send_header("Connection", "Upgrade")
                self.send_header("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                self.end_headers()
                self.close_connection = True
                while data := self.connection.recv(1000):
                    self.connection.sendall(data)

            def log_message(self, *args):
                pass

        super().__init__((address, port), Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def end(self):
        """As a process that is killed."""
        self.shutdown()
        self.server_close()
        for c in list(self.connections):
            with contextlib.suppress(OSError):
                c.shutdown(socket.SHUT_RDWR)


def forward(*groups, stick=None):
    config = {"TargetGroups": [{"TargetGroupArn": a, "Weight": w} for a, w in groups]}
    if stick:
        config["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": stick}
    return {"Type": "forward", "ForwardConfig": config}


def group_arn(name):
    return f"{PREFIX}targetgroup/{name}/{name}{'0' * (16 - len(name))}"


def group(name, *targets, attributes=None, draining=(), **settings):
    """`targets` are Target objects or (address, port)."""
    rows = []
    for t in targets:
        address, port = t if isinstance(t, tuple) else t.server_address[:2]
        rows.append({"id": address, "port": port, "address": address, "draining": t in draining})
    return {"targetGroup": {"TargetGroupArn": group_arn(name), "TargetGroupName": name,
                            "Protocol": "HTTP", "Port": 80, "TargetType": "ip",
                            "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 1,
                            "HealthCheckTimeoutSeconds": 1, "HealthyThresholdCount": 2,
                            "UnhealthyThresholdCount": 2, **settings},
            "attributes": [{"Key": k, "Value": v} for k, v in (attributes or {}).items()],
            "targets": rows}


class Balancers:
    """The driver, and the balancers it makes; each has 10.<n>.0.2 and the machine 10.<n>.0.1."""
    count = 200 + os.getpid() % 20

    def __init__(self, folder):
        self.folder, self.process, self.nets = Path(folder), None, []
        self.lines, self.health, self.states, self.traffic = queue.Queue(), {}, {}, []
        self.balancers, self.groups = {}, {}

    def make_net(self, ident):
        Balancers.count += 1
        n = Balancers.count % 250
        net = self.folder / "b" / ident / "netns"
        net.parent.mkdir(parents=True, mode=0o711)
        net.touch()
        name = f"gb{os.getpid()}-{n}"
        sh("unshare", f"--net={net}", "ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(net))
        self.nets.append(name)
        sh("ip", "addr", "add", f"10.{n}.0.1/16", "dev", name)
        sh("ip", "link", "set", name, "up")
        for args in (["addr", "add", f"10.{n}.0.2/16", "dev", "eth0"],
                     ["link", "set", "eth0", "up"]):
            sh("nsenter", f"--net={net}", "ip", *args)
        return f"10.{n}.0.2", f"10.{n}.0.1"

    def start(self):
        self.process = subprocess.Popen(
            [DRIVER, "run", f"dir={self.folder}/b", f"log_dir={self.folder}/logs",
             "fold_ms=300"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, args=(self.process.stdout,), daemon=True).start()

    def read(self, stream):
        for line in stream:
            report = json.loads(line)
            for h in report.get("targetHealth", []):
                self.health[h["targetGroupArn"], h["id"], h["port"]] = h
            for s in report.get("balancers", []):
                self.states[s["loadBalancerArn"]] = s
            self.traffic += report.get("traffic", [])

    def say(self, **message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def desired(self):
        self.say(kind="DESIRED", balancers=list(self.balancers.values()),
                 targetGroups=list(self.groups.values()))

    def put(self, balancer):
        self.balancers[balancer["loadBalancer"]["LoadBalancerArn"]] = balancer
        self.say(kind="BALANCER", balancer=balancer)

    def put_group(self, g):
        self.groups[g["targetGroup"]["TargetGroupArn"]] = g
        self.say(kind="TARGETS", targetGroup=g)

    def state_of(self, g, target, state="healthy", seconds=10):
        address, port = target if isinstance(target, tuple) else target.server_address[:2]
        key = g["targetGroup"]["TargetGroupArn"], address, port
        return wait_for(lambda: self.health.get(key, {}).get("state") == state
                        and self.health[key], seconds)

    def master(self, ident):
        return int((self.folder / "b" / ident / "process").read_text().split()[0])

    def workers(self, ident):
        text = self.ask(ident, "master.sock", "show proc")
        return [int(x.split()[0]) for x in text.splitlines() if " worker " in x]

    def ask(self, ident, name, command):
        """A master does not listen for a moment of each reload."""
        def answer():
            with contextlib.suppress(ConnectionError):
                return self.ask_once(ident, name, command)
        return wait_for(answer)

    def ask_once(self, ident, name, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.folder / "b" / ident / "s" / name))
            s.sendall(command.encode() + b"\n")
            if name == "master.sock":
                s.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: s.recv(65536), b"")).decode()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        subprocess.run([DRIVER, "purge", f"dir={self.folder}/b"], check=True)
        for name in self.nets:
            subprocess.run(["ip", "link", "del", name], capture_output=True)
        shutil.rmtree(self.folder)


class Web:
    """One load balancer with one listener, unless a test wants more."""

    def __init__(self, all_, ident, kind="app"):
        self.all, self.ident, self.kind = all_, ident, kind
        self.address, self.here = all_.make_net(ident)
        self.arn = f"{PREFIX}loadbalancer/{kind}/web/{ident}"
        self.attributes, self.listeners = {}, []

    def listen(self, port, *default, protocol="HTTP", rules=(), attributes=None, certificates=(),
               **more):
        rows = [{"Priority": str(p), "Conditions": c, "Actions": [a]} for p, c, a in rules]
        self.listeners = [x for x in self.listeners if x["listener"]["Port"] != port]
        self.listeners.append({
            "listener": {"ListenerArn": f"{PREFIX}listener/{self.kind}/web/{self.ident}/l{port}",
                         "Port": port, "Protocol": protocol, "DefaultActions": list(default),
                         **more},
            "rules": rows, "certificates": list(certificates),
            "attributes": [{"Key": k, "Value": v} for k, v in (attributes or {}).items()]})

    def put(self):
        kind = "application" if self.kind == "app" else "network"
        self.all.put({"loadBalancer": {"LoadBalancerArn": self.arn, "Type": kind,
                                       "LoadBalancerName": "web"},
                      "attributes": [{"Key": k, "Value": v} for k, v in self.attributes.items()],
                      "listeners": self.listeners, "interfaces": []})

    def active(self):
        def is_active():
            s = self.all.states.get(self.arn, {})
            assert s.get("state") != "failed", s
            return s.get("state") == "active"
        wait_for(is_active)

    def get(self, path="/", port=80, method="GET", body=None, timeout=15, **headers):
        c = http.client.HTTPConnection(self.address, port, timeout=timeout)
        try:
            c.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            r = c.getresponse()
            r.text = r.read().decode()
            return r
        finally:
            c.close()

    def who(self, path="/", port=80, **headers):
        r = self.get(path, port, **headers)
        assert r.status == 200, (r.status, r.text)
        return json.loads(r.text)["name"]


@pytest.fixture
def balancers():
    folder = tempfile.mkdtemp(prefix="gb-", dir="/tmp")
    os.chmod(folder, 0o711)
    b = Balancers(folder)
    stranger = Path(folder) / "b/stranger"
    stranger.mkdir(parents=True)
    b.start()
    b.desired()
    wait_for(lambda: not stranger.exists())  # what nobody wants goes; then nets can be made
    yield b
    b.end()


@pytest.fixture
def targets():
    made = []

    def make(name, web, **more):
        made.append(Target(name, web.here, **more))
        return made[-1]
    yield make
    for t in made:
        t.end()


def simple(balancers, targets, ident, names=("a",), attributes=None, **settings):
    """A balancer at port 80 in front of one group, all targets healthy."""
    web = Web(balancers, ident)
    made = [targets(n, web) for n in names]
    g = group("g", *made, attributes=attributes, **settings)
    balancers.put_group(g)
    web.listen(80, forward((group_arn("g"), 1)))
    web.put()
    for t in made:
        balancers.state_of(g, t)
    web.active()
    wait_for(lambda: web.get().status == 200)
    return web, g, made


def test_a_target_answers_and_sees_who_asked(balancers, targets):
    web, _, _ = simple(balancers, targets, "aa00")
    seen = json.loads(web.get("/x?y=1", Host="h.example").text)
    h = seen["headers"]
    assert seen["path"] == "/x?y=1"
    assert h["x-forwarded-for"] == web.here
    assert (h["x-forwarded-proto"], h["x-forwarded-port"]) == ("http", "80")
    root, stamp, rest = h["x-amzn-trace-id"].split("-")
    assert root == "Root=1" and len(rest) == 24 and abs(int(stamp, 16) - time.time()) < 5
    assert h["host"] == "h.example"
    again = json.loads(web.get(X_Forwarded_For="1.2.3.4", X_Amzn_Trace_Id="Root=1-2-3").text)
    assert again["headers"]["x-forwarded-for"] == f"1.2.3.4, {web.here}"
    assert again["headers"]["x-amzn-trace-id"].endswith(";Root=1-2-3")
    assert web.get(X_Forwarded_For=", ".join(["1.1.1.1"] * 31)).status == 463
    assert web.get(method="TRACE").status == 405
    assert web.get(Content_Type="application/grpc").status == 464


def test_rules(balancers, targets):
    web = Web(balancers, "aa01")
    made = {n: targets(n, web) for n in ("host", "path", "header", "method", "query", "ip", "rest")}
    for n, t in made.items():
        balancers.put_group(group(n, t))
    kinds = [
        (10, [{"Field": "host-header", "Values": ["*.Shop.example"]}], "host"),
        (20, [{"Field": "path-pattern", "Values": ["/img/*"]}], "path"),
        (30, [{"Field": "http-header", "HttpHeaderConfig":
               {"HttpHeaderName": "X-Mode", "Values": ["new*"]}}], "header"),
        (40, [{"Field": "http-request-method",
               "HttpRequestMethodConfig": {"Values": ["POST"]}}], "method"),
        (50, [{"Field": "query-string", "QueryStringConfig":
               {"Values": [{"Key": "v", "Value": "2?"}]}}], "query"),
        (60, [{"Field": "source-ip", "SourceIpConfig": {"Values": [f"{web.here}/32"]}},
              {"Field": "path-pattern", "Values": ["/ip"]}], "ip"),
    ]
    rules = [(p, c, forward((group_arn(n), 1))) for p, c, n in reversed(kinds)]
    rules.append((70, [{"Field": "path-pattern", "Values": ["/old/*"]}],
                  {"Type": "redirect", "RedirectConfig": {
                      "Protocol": "HTTPS", "Port": "443", "Path": "/new/#{path}",
                      "StatusCode": "HTTP_301"}}))
    rules.append((80, [{"Field": "path-pattern", "Values": ["/tea"]}],
                  {"Type": "fixed-response", "FixedResponseConfig": {
                      "StatusCode": "418", "MessageBody": "a 'pot'\n\"%[src]\"",
                      "ContentType": "text/html"}}))
    web.listen(80, forward((group_arn("rest"), 1)), rules=rules)
    web.put()
    web.active()
    for n, t in made.items():
        balancers.state_of(balancers.groups[group_arn(n)], t)
    wait_for(lambda: web.get().status == 200)
    assert web.who(Host="www.shop.EXAMPLE:80") == "host"
    assert web.who("/img/x", Host="x.org") == "path"
    assert web.who("/img") == web.who("/IMG/x") == "rest"
    assert web.who(X_Mode="NEWer") == "header"
    assert web.who(method="POST") == "method"
    assert web.who("/?a=1&V=2x") == "query"
    assert web.who("/?v=2") == web.who("/?w=2x") == "rest"
    assert web.who("/ip") == "ip"
    assert web.who("/img/x?v=22", Host="a.shop.example") == "host"  # the lowest number first
    r = web.get("/old/a?b=c", Host="h.org")
    assert (r.status, r.getheader("Location")) == (301, "https://h.org:443/new/old/a?b=c")
    assert web.get("/old/a", Host="h.org").getheader("Location") == "https://h.org:443/new/old/a"
    r = web.get("/tea")
    assert (r.status, r.text, r.getheader("Content-Type")) == (
        418, "a 'pot'\n\"%[src]\"", "text/html")


def test_weights_change_without_a_reload(balancers, targets):
    web = Web(balancers, "aa02")
    for n in "ab":
        balancers.put_group(group(n, targets(n, web)))
    shares = {"a": 3, "b": 1}

    def put():
        web.listen(80, forward(*[(group_arn(n), w) for n, w in shares.items()]))
        web.put()
    put()
    web.active()
    wait_for(lambda: web.get().status == 200 and len(
        [h for h in balancers.health.values() if h["state"] == "healthy"]) == 2)
    wait_for(lambda: {web.who() for _ in range(20)} == {"a", "b"})
    seen = Counter(web.who() for _ in range(400))
    assert 230 <= seen["a"] <= 360, seen
    before = balancers.workers(web.ident)
    shares.update(a=0, b=5)
    put()
    wait_for(lambda: {web.who() for _ in range(10)} == {"b"})
    assert balancers.workers(web.ident) == before


def cookies_of(reply):
    pairs = [c.split(";")[0] for k, c in reply.getheaders() if k.lower() == "set-cookie"]
    return dict(p.split("=", 1) for p in pairs)


def test_sticky(balancers, targets):
    web, g, made = simple(balancers, targets, "aa03", ("a", "b", "c"),
                          {"stickiness.enabled": "true", "stickiness.type": "lb_cookie"})
    wait_for(lambda: len({web.who() for _ in range(9)}) == 3)
    r = web.get()
    cookies = cookies_of(r)
    assert cookies["AWSALB"] == cookies["AWSALBCORS"]
    name = json.loads(r.text)["name"]
    assert {web.who(Cookie=f"AWSALB={cookies['AWSALB']}") for _ in range(12)} == {name}
    # One that drains is not followed any more.
    gone = next(t for t in made if t.name == name)
    balancers.put_group(group("g", *made, draining=[gone], attributes={
        "stickiness.enabled": "true", "stickiness.type": "lb_cookie"}))
    wait_for(lambda: web.who(Cookie=f"AWSALB={cookies['AWSALB']}") != name)
    assert web.who(Cookie="AWSALB=nonsense") != name
    # The application's cookie.
    balancers.put_group(group("g", *made, attributes={
        "stickiness.enabled": "true", "stickiness.type": "app_cookie",
        "stickiness.app_cookie.cookie_name": "sid"}))
    login = wait_for(lambda: (r := web.get("/login")) and "AWSALBAPP-0" in cookies_of(r) and r)
    name = json.loads(login.text)["name"]
    cookie = f"sid=1; AWSALBAPP-0={cookies_of(login)['AWSALBAPP-0']}"
    assert {web.who(Cookie=cookie) for _ in range(12)} == {name}


def test_health_decides_who_is_asked(balancers, targets):
    web, g, (a, b) = simple(balancers, targets, "aa04", ("a", "b"))
    wait_for(lambda: len({web.who() for _ in range(4)}) == 2)
    a.healthy = 503
    h = balancers.state_of(g, a, "unhealthy")
    assert h["reason"] == "Target.ResponseCodeMismatch"
    assert h["description"] == "Health checks failed with these codes: [503]"
    wait_for(lambda: {web.who() for _ in range(6)} == {"b"})
    # Nobody is healthy: all are asked.
    b.healthy = 500
    balancers.state_of(g, b, "unhealthy")
    wait_for(lambda: {web.who() for _ in range(6)} == {"a", "b"})
    a.healthy = 200
    balancers.state_of(g, a)
    wait_for(lambda: {web.who() for _ in range(6)} == {"a"})


def test_targets_that_refuse_or_are_not_there(balancers, targets):
    web, g, (a,) = simple(balancers, targets, "aa05")
    dead = (web.here, 1)
    balancers.put_group(group("g", a, dead))
    assert balancers.state_of(g, dead, "unhealthy")["reason"] == "Target.FailedHealthChecks"
    assert {web.who() for _ in range(5)} == {"a"}
    balancers.put_group(group("g", a, dead, draining=[a, dead]))
    wait_for(lambda: web.get().status == 503)
    balancers.put_group(group("g"))
    assert "503 Service Temporarily Unavailable" in web.get().text
    balancers.put_group(group("g", dead))
    balancers.state_of(g, dead, "unhealthy")
    wait_for(lambda: web.get().status == 502)  # fail open, and nobody takes the connection


class Raw:
    """A target that is well, and does with other requests what act(connection) does."""

    def __init__(self, address, act):
        self.act, self.ended, self.open = act, False, []
        self.listener = socket.create_server((address, 0), backlog=64)
        self.server_address = self.listener.getsockname()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                c = self.listener.accept()[0]
                self.open.append(c)
                threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        with contextlib.suppress(OSError):
            while head := self.head(c):
                if head.startswith(b"GET /health"):
                    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                else:
                    self.act(c)

    @staticmethod
    def head(c):
        got = b""
        while b"\r\n\r\n" not in got:
            data = c.recv(65536)
            if not data:
                return b""
            got += data
        return got

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        for c in [self.listener, *self.open]:
            c.close()


def reset(c):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()


@contextlib.contextmanager
def raw(balancers, ident, act, **attributes):
    """A balancer in front of one Raw target."""
    web = Web(balancers, ident)
    target = Raw(web.here, act)
    try:
        g = group("g", target)
        balancers.put_group(g)
        web.attributes = attributes
        web.listen(80, forward((group_arn("g"), 1)))
        web.put()
        balancers.state_of(g, target)
        web.active()
        yield web
    finally:
        target.end()


def test_a_target_that_takes_a_request_and_never_answers(balancers):
    idle = {"idle_timeout.timeout_seconds": "1"}
    with raw(balancers, "aa27", lambda c: None, **idle) as web:
        began = time.monotonic()
        r = web.get()
        assert r.status == 504 and "504 Gateway Time-out" in r.text
        assert 0.9 < time.monotonic() - began < 5


@pytest.mark.parametrize("ident, act", [
    ("aa28", lambda c: reset(c)),  # before a word
    ("aa29", lambda c: (c.sendall(b"HTTP/1.1 20"), reset(c))),
    ("aa30", lambda c: (c.sendall(b"no HTTP at all\r\n\r\n"), c.close())),
], ids=["at once", "in the head", "nonsense"])
def test_a_target_that_resets_or_talks_nonsense(balancers, ident, act):
    with raw(balancers, ident, act) as web:
        r = web.get()
        assert r.status == 502 and "502 Bad Gateway" in r.text


class Load:
    """Requests without an end, from some threads, and what became of them."""

    def __init__(self, web, threads=4, keep_alive=False):
        self.web, self.results, self.ends = web, Counter(), False
        self.keep_alive = keep_alive
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]
        for t in self.threads:
            t.start()

    def run(self):
        c = None
        while not self.ends:
            try:
                c = c or http.client.HTTPConnection(self.web.address, 80, timeout=10)
                c.request("GET", "/load")
                r = c.getresponse()
                r.read()
                self.results[r.status] += 1
                if not self.keep_alive or r.getheader("Connection") == "close":
                    c.close()
                    c = None
            except http.client.RemoteDisconnected:
                # An idle connection may be closed at any time; a new one must be answered.
                self.results["again" if self.keep_alive else "lost"] += 1
                c = None
            except OSError as e:
                self.results[repr(e)] += 1
                c = None

    def stop(self):
        self.ends = True
        for t in self.threads:
            t.join()
        return self.results


def test_reloads_and_drains_lose_nothing(balancers, targets):
    web, g, made = simple(balancers, targets, "aa06", ("a", "b", "c"))
    load = Load(web)
    for i in range(5):
        web.attributes["idle_timeout.timeout_seconds"] = str(100 + i)
        before = balancers.workers(web.ident)[0]
        web.put()
        wait_for(lambda: balancers.workers(web.ident)[0] != before)
    for t in made[:2]:
        t.delay = 0.2
        balancers.put_group(group("g", *made, draining=[t]))
        n, others = len(t.asked), sum(len(x.asked) for x in made if x is not t)
        wait_for(lambda: sum(len(x.asked) for x in made if x is not t) > others + 200
                 and not t.busy, 20)
        balancers.put_group(group("g", *[x for x in made if x is not t]))
        assert len(t.asked) - n < 20
        t.delay = 0
        balancers.put_group(group("g", *made))
    results = load.stop()
    assert set(results) == {200} and results[200] > 300, results


def websocket(web):
    s = socket.create_connection((web.address, 80), timeout=10)
    s.sendall(b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    data = b""
    while b"\r\n\r\n" not in data:
        data += s.recv(4096)
    assert b" 101 " in data.split(b"\r\n")[0]
    return s


def echoes(s):
    s.sendall(b"ping")
    return s.recv(10) == b"ping"


def test_a_websocket_outlives_reload_and_drain_until_the_target_is_gone(balancers, targets):
    web, g, (a, b) = simple(balancers, targets, "aa07", ("a", "b"))
    balancers.put_group(group("g", a, b, draining=[b]))
    wait_for(lambda: {web.who() for _ in range(6)} == {"a"})
    balancers.put_group(group("g", a))
    s = websocket(web)
    before = balancers.workers(web.ident)[0]
    web.attributes["idle_timeout.timeout_seconds"] = "99"
    web.put()
    wait_for(lambda: balancers.workers(web.ident)[0] != before)
    assert echoes(s)
    late = websocket(web)
    balancers.health.clear()
    balancers.put_group(group("g", a, b))
    balancers.state_of(g, b)
    balancers.put_group(group("g", a, b, draining=[a]))
    wait_for(lambda: {web.who() for _ in range(6)} == {"b"})
    assert echoes(s) and echoes(late)
    balancers.put_group(group("g", b))
    assert s.recv(10) == b"" and late.recv(10) == b""  # the old worker's, and the new one's


def test_what_is_open_at_the_end_of_a_drain_gets_502(balancers, targets):
    web, g, (a, b) = simple(balancers, targets, "aa08", ("a", "b"))
    balancers.put_group(group("g", a, b, draining=[b]))
    wait_for(lambda: {web.who() for _ in range(6)} == {"a"})
    a.delay = 3
    got = []
    t = threading.Thread(target=lambda: got.append(web.get("/slow").status))
    t.start()
    wait_for(lambda: "/slow" in a.asked)
    balancers.put_group(group("g", b))
    t.join()
    assert got == [502]
    a.delay = 0


def test_haproxy_killed_comes_back_with_all_targets(balancers, targets):
    web, g, made = simple(balancers, targets, "aa09", ("a", "b"))
    wait_for(lambda: len({web.who() for _ in range(4)}) == 2)
    for pid in (balancers.master(web.ident), balancers.workers(web.ident)[0]):
        os.kill(pid, signal.SIGKILL)
        began = time.monotonic()

        def back():
            with contextlib.suppress(OSError):
                return len({web.who() for _ in range(4)}) == 2
        wait_for(back)
        assert time.monotonic() - began < 3


def test_the_next_edge_adopts(balancers, targets):
    web, g, (a, b) = simple(balancers, targets, "aa10", ("a", "b"))
    b.healthy = 500
    balancers.state_of(g, b, "unhealthy")
    wait_for(lambda: {web.who() for _ in range(6)} == {"a"})
    workers, master = balancers.workers(web.ident), balancers.master(web.ident)
    load = Load(web, threads=2)
    balancers.process.kill()
    balancers.process.wait()
    assert web.who() == "a"
    balancers.health.clear()
    balancers.states.clear()
    balancers.start()
    balancers.desired()
    web.active()
    balancers.state_of(g, a)
    balancers.state_of(g, b, "unhealthy")
    assert set(load.stop()) == {200}
    assert (balancers.workers(web.ident), balancers.master(web.ident)) == (workers, master)
    assert {web.who() for _ in range(6)} == {"a"}
    balancers.stop()  # and one that is not wanted any more is taken away
    balancers.balancers.clear()
    balancers.start()
    balancers.desired()
    wait_for(lambda: not (balancers.folder / "b" / web.ident).exists())
    assert not Path(f"/proc/{master}").exists() or "Z" in Path(
        f"/proc/{master}/stat").read_text().split(")")[1][:3]


def test_a_thousand_targets_within_two_seconds(balancers, targets):
    web, g, (a,) = simple(balancers, targets, "aa11")
    before = balancers.workers(web.ident)
    many = [(f"{web.here}", 20000 + i) for i in range(1000)]
    began = time.monotonic()
    balancers.put_group(group("g", a, *many))
    def registered():
        text = balancers.ask(web.ident, "admin.sock", "show servers state")
        return text.count(web.here) == 1001
    wait_for(registered)
    assert time.monotonic() - began < 2
    assert balancers.workers(web.ident) == before
    assert {web.who() for _ in range(10)} == {"a"}


def servers(balancers, web):
    """{server's address and port: (requests, connections made, requests on one that was there)}"""
    rows = json.loads(balancers.ask(web.ident, "admin.sock", "show stat -1 4 -1 json"))
    fields = [{f["field"]["name"]: f["value"]["value"] for f in row} for row in rows]
    return {f["addr"]: (f["stot"], f["connect"], f["reuse"]) for f in fields}


def keep_asking(web, times=40):
    """Over one connection of the client's."""
    c = http.client.HTTPConnection(web.address, 80, timeout=10)
    names = set()
    for _ in range(times):
        c.request("GET", "/")
        r = c.getresponse()
        names.add(json.loads(r.read())["name"])
        assert r.status == 200
    c.close()
    return names


def address_of(target):
    return "%s:%d" % target.server_address[:2]


def test_connections_to_targets_are_used_again(balancers, targets):
    """Also to one that came while HAProxy ran, and to one that came in another's place."""
    web, g, (a,) = simple(balancers, targets, "aa16")
    before = balancers.workers(web.ident)
    b = targets("b", web)
    balancers.put_group(group("g", a, b))
    balancers.state_of(g, b)
    wait_for(lambda: web.who() == "b")
    assert keep_asking(web) == {"a", "b"}
    for t in (a, b):
        requests, made, reused = servers(balancers, web)[address_of(t)]
        assert reused >= 15 and made <= requests - reused
    # b is replaced: by another one at another port, then by a new one at b's own address.
    c = targets("c", web)
    port = b.port
    balancers.put_group(group("g", a, c))
    balancers.state_of(g, c)
    wait_for(lambda: address_of(b) not in servers(balancers, web))
    assert servers(balancers, web)[address_of(c)][0] <= 1
    assert keep_asking(web) == {"a", "c"}
    assert servers(balancers, web)[address_of(c)][2] >= 15
    b.end()
    balancers.health.clear()
    d = targets("d", web, port=port)
    balancers.put_group(group("g", a, c, d))
    balancers.state_of(g, d)
    wait_for(lambda: keep_asking(web) == {"a", "c", "d"})
    assert not b.asked[-1:] == ["/d"] and balancers.workers(web.ident) == before


def test_a_target_that_goes_leaves_no_connection_behind(balancers, targets):
    """One that ends a request while it drains would be idle, and kept for the next."""
    web, g, (a, b) = simple(balancers, targets, "aa17", ("a", "b"))
    wait_for(lambda: len({web.who() for _ in range(4)}) == 2)
    keep_asking(web)
    b.delay = 0.5
    slow = [threading.Thread(target=web.get, args=("/slow",)) for _ in range(4)]
    for t in slow:
        t.start()
    wait_for(lambda: len(b.busy) >= 2)
    balancers.put_group(group("g", a, b, draining=[b]))
    for t in slow:
        t.join()
    assert not b.busy
    balancers.put_group(group("g", a))
    wait_for(lambda: address_of(b) not in servers(balancers, web), 2)
    wait_for(lambda: not b.connections, 2)
    assert keep_asking(web) == {"a"}


def test_a_flapping_target_costs_no_request(balancers, targets):
    web, g, (a, b) = simple(balancers, targets, "aa18", ("a", "b"))
    load = Load(web, threads=3, keep_alive=True)
    before = balancers.workers(web.ident)
    for _ in range(3):
        b.healthy = 503
        balancers.state_of(g, b, "unhealthy")
        b.healthy = 200
        balancers.state_of(g, b)
    for _ in range(10):  # registered and deregistered faster than it is checked
        balancers.put_group(group("g", a, b, draining=[b]))
        balancers.put_group(group("g", a, b))
        balancers.put_group(group("g", a))
    balancers.put_group(group("g", a, b))
    balancers.health.clear()
    balancers.state_of(g, b)
    wait_for(lambda: keep_asking(web) == {"a", "b"})
    results = load.stop()
    assert set(results) == {200}, results
    assert balancers.workers(web.ident) == before


def test_many_targets_come_and_go_under_load(balancers, targets):
    """Ten times as many, at once and one by one, and all but the first away again."""
    web, g, (a,) = simple(balancers, targets, "aa20")
    before = balancers.workers(web.ident)
    load = Load(web, threads=3, keep_alive=True)
    many = [targets(f"m{i}", web) for i in range(9)]
    balancers.put_group(group("g", a, *many[:5]))
    for n in range(5, 10):
        balancers.put_group(group("g", a, *many[:n]))
    for t in many:
        balancers.state_of(g, t)
    wait_for(lambda: len(keep_asking(web)) == 10)
    for n in range(9, 0, -1):
        balancers.put_group(group("g", a, *many[:n], draining=many[n - 1:n]))
        wait_for(lambda: many[n - 1].name not in keep_asking(web, 20) and not many[n - 1].busy)
        balancers.put_group(group("g", a, *many[:n - 1]))
    wait_for(lambda: list(servers(balancers, web)) == [address_of(a)])
    wait_for(lambda: not any(t.connections for t in many))
    results = load.stop()
    assert set(results) == {200} and results[200] > 200, results
    assert balancers.workers(web.ident) == before


def test_the_next_edge_adopts_what_came_at_run_time(balancers, targets):
    web, g, (a,) = simple(balancers, targets, "aa21")
    b, c = targets("b", web), targets("c", web)
    balancers.put_group(group("g", a, b))
    balancers.state_of(g, b)
    wait_for(lambda: web.who() == "b")
    workers = balancers.workers(web.ident)
    load = Load(web, threads=2, keep_alive=True)
    wait_for(lambda: servers(balancers, web)[address_of(b)][2] > 50)
    balancers.process.kill()
    balancers.process.wait()
    reused = servers(balancers, web)[address_of(b)][2]
    balancers.health.clear()
    # What changed while nobody looked:
    balancers.groups[group_arn("g")] = group("g", a, b, c, draining=[b])
    balancers.start()
    balancers.desired()
    balancers.state_of(g, c)
    wait_for(lambda: "b" not in keep_asking(web) and not b.busy)
    balancers.put_group(group("g", a, c))
    wait_for(lambda: set(servers(balancers, web)) == {address_of(a), address_of(c)})
    wait_for(lambda: keep_asking(web) == {"a", "c"})
    assert reused > 50 and servers(balancers, web)[address_of(a)][2] > 50
    results = load.stop()
    assert set(results) == {200}, results
    assert balancers.workers(web.ident) == workers


def test_haproxy_killed_under_load_keeps_connections_again(balancers, targets):
    """Its servers are of the file then, and a target may go and another come as before."""
    web, g, (a, b) = simple(balancers, targets, "aa22", ("a", "b"))
    wait_for(lambda: keep_asking(web) == {"a", "b"})
    for pid in (*balancers.workers(web.ident), balancers.master(web.ident)):
        os.kill(pid, signal.SIGKILL)

    def back():
        with contextlib.suppress(OSError, http.client.HTTPException):
            return keep_asking(web) == {"a", "b"}
    wait_for(back)
    assert servers(balancers, web)[address_of(b)][2] >= 10
    c = targets("c", web)
    balancers.put_group(group("g", a, c))
    balancers.state_of(g, c)
    wait_for(lambda: keep_asking(web) == {"a", "c"})
    assert set(servers(balancers, web)) == {address_of(a), address_of(c)}
    assert servers(balancers, web)[address_of(c)][2] >= 10


def test_targets_of_http2_share_connections_when_it_is_quiet(balancers, targets, tmp_path):
    """HAProxy can't be told so of servers that are added: they get into the file by one reload,
    which no stream notices."""
    web = Web(balancers, "aa23")
    with socket.create_server((web.here, 0)) as s:
        target = web.here, s.getsockname()[1]
    config = tmp_path / "h2.cfg"
    config.write_text("defaults\n  mode http\n  timeout client 30s\n  timeout http-request 30s\n"
                      "frontend f\n  bind %s:%d proto h2\n" % target +
                      "  http-request return status 200 content-type text/plain string x\n")
    settings = {"ProtocolVersion": "HTTP2"}
    g = group("g", **settings)
    balancers.put_group(g)
    web.listen(443, forward((group_arn("g"), 1)), protocol="HTTPS",
               SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
               certificates=[{"certificateArn": "a.org", "isDefault": True,
                              "pem": pem(balancers.folder, "a.org")}])
    web.put()
    web.active()

    def ask(times=20):
        out = subprocess.run(["curl", "-sSk", "--http2", "-w", "%{http_code} ",
                              *["-o/dev/null", f"https://{web.address}/"] * times],
                             stdout=subprocess.PIPE, text=True, check=False).stdout
        return out.split() == ["200"] * times
    before = balancers.workers(web.ident)[0]
    origin = subprocess.Popen(["haproxy", "-db", "-f", config], stderr=subprocess.DEVNULL)
    try:
        balancers.put_group(group("g", target, **settings))
        balancers.state_of(g, target)
        assert ask()
        wait_for(lambda: balancers.workers(web.ident)[0] != before)
        before = balancers.workers(web.ident)[0]
        assert ask() and servers(balancers, web)["%s:%d" % target][2] >= 15
        # Its going is none that needs a reload; nor is a quiet time.
        balancers.put_group(group("g", target, draining=[target], **settings))
        wait_for(lambda: not ask(1))
        balancers.put_group(group("g", **settings))
        wait_for(lambda: not servers(balancers, web))
        assert balancers.workers(web.ident)[0] == before
    finally:
        origin.terminate()
        origin.wait()


def test_targets_of_https_keep_connections(balancers, targets):
    web = Web(balancers, "aa19")
    path = Path(balancers.folder) / "t"
    path.write_text(pem(balancers.folder, "t.org"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    made = []
    g = group("g", Protocol="HTTPS", HealthCheckProtocol="HTTPS")
    balancers.put_group(g)
    web.listen(80, forward((group_arn("g"), 1)))
    web.put()
    web.active()
    made.append(targets("s", web, tls=context))
    balancers.put_group(group("g", *made, Protocol="HTTPS", HealthCheckProtocol="HTTPS"))
    balancers.state_of(g, made[0])
    wait_for(lambda: web.get().status == 200)
    assert keep_asking(web) == {"s"}
    assert servers(balancers, web)[address_of(made[0])][2] >= 35


def pem(folder, name):
    path = Path(folder) / f"{name}.pem"
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
       "-keyout", f"{path}.key", "-out", f"{path}.crt", "-days", "9", "-subj", f"/CN={name}",
       "-addext", f"subjectAltName=DNS:{name}")
    return Path(f"{path}.key").read_text() + Path(f"{path}.crt").read_text()


def shown(web, name, alpn=("h2", "http/1.1"), lowest=None, highest=None):
    """Subject and version of the certificate that a client who asks for `name` sees."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    if highest:
        context.maximum_version = highest
    with socket.create_connection((web.address, 443), timeout=5) as raw, \
            context.wrap_socket(raw, server_hostname=name) as s:
        der = s.getpeercert(binary_form=True)
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"],
                              input=der, capture_output=True, check=True).stdout.decode()
        return text.split("=")[-1].strip(), s.version(), s.selected_alpn_protocol()


def test_certificates_by_name(balancers, targets):
    web, g, _ = simple(balancers, targets, "aa12")
    made = {n: {"certificateArn": n, "pem": pem(balancers.folder, n), "isDefault": n == "a.org"}
            for n in ("a.org", "b.org", "c.org")}

    def put(*names, policy="ELBSecurityPolicy-TLS13-1-2-2021-06"):
        web.listen(443, forward((group_arn("g"), 1)), protocol="HTTPS", SslPolicy=policy,
                   certificates=[made[n] for n in names])
        web.put()
    put("b.org", "a.org")
    wait_for(lambda: "443" in balancers.ask(web.ident, "admin.sock", "show sess") or True)

    def opened():
        with contextlib.suppress(OSError):
            return shown(web, "a.org")
    assert wait_for(opened) == ("a.org", "TLSv1.3", "h2")
    assert shown(web, "b.org")[0] == "b.org"
    assert shown(web, "zzz.org")[0] == "a.org"
    before = balancers.workers(web.ident)
    put("a.org", "c.org")
    wait_for(lambda: shown(web, "c.org")[0] == "c.org")
    assert shown(web, "b.org")[0] == "a.org"
    assert balancers.workers(web.ident) == before
    with pytest.raises(ssl.SSLError):
        shown(web, "a.org", highest=ssl.TLSVersion.TLSv1_1)
    put("a.org", policy="ELBSecurityPolicy-2016-08")
    wait_for(lambda: shown(web, "a.org")[1] == "TLSv1.2")


def test_what_cannot_be_is_a_state_with_a_reason(balancers, targets):
    web, g, _ = simple(balancers, targets, "aa13")
    web.listen(81, {"Type": "authenticate-oidc"})
    web.put()
    s = wait_for(lambda: balancers.states[web.arn]["state"] == "failed"
                 and balancers.states[web.arn])
    assert "listener on port 81" in s["reason"] and "authenticate-oidc" in s["reason"]
    assert web.who() == "a"  # what was there goes on
    web.listeners = web.listeners[:1]
    web.put()
    wait_for(lambda: balancers.states[web.arn]["state"] == "active")


def test_network_load_balancer(balancers, targets):
    web = Web(balancers, "aa14", kind="net")
    with socket.create_server((web.here, 0)) as listener:
        port = listener.getsockname()[1]

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    c, _ = listener.accept()
                    threading.Thread(target=talk, args=(c,), daemon=True).start()

        def talk(c):
            with contextlib.suppress(OSError):
                while data := c.recv(1000):
                    c.sendall(data)
        threading.Thread(target=serve, daemon=True).start()
        g = group("n", (web.here, port), Protocol="TCP", HealthCheckProtocol="TCP",
                  attributes={"proxy_protocol_v2.enabled": "true"})
        balancers.put_group(g)
        web.listen(25, forward((group_arn("n"), 1)), protocol="TCP")
        web.put()
        web.active()
        balancers.state_of(g, (web.here, port))
        with socket.create_connection((web.address, 25), timeout=5) as s:
            s.sendall(b"hi")
            data = b""
            while not data.endswith(b"hi"):
                data += s.recv(100)
            assert data.startswith(b"\r\n\r\n\0\r\nQUIT\n")


def test_access_logs(balancers, targets):
    web, g, _ = simple(balancers, targets, "aa15")
    web.attributes.update({"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "bkt",
                           "access_logs.s3.prefix": "p"})
    before = balancers.workers(web.ident)
    web.put()
    wait_for(lambda: balancers.workers(web.ident) != before)
    for _ in range(20):  # an old worker may still take the first ones
        assert web.who("/logged?x=\"1", User_Agent='a "b"') == "a"
    time_of = wait_for(lambda: web.get("/two").status == 200)
    assert time_of
    balancers.stop()  # writes what it has
    files = list((balancers.folder / "logs/bkt/p/AWSLogs/000000000000/elasticloadbalancing/"
                  "us-east-1").rglob("*.log.gz"))
    text = "".join(gzip.decompress(f.read_bytes()).decode() for f in files)
    line = next(x for x in text.splitlines() if "/logged" in x)
    assert line.startswith("http ") and f" app/web/{web.ident} {web.here}:" in line
    assert f'"GET http://{web.address}:80/logged?x=' in line
    assert line.split('"')[3] == r"a \x22b\x22" and f" {group_arn('g')} " in line
    assert ' "forward" ' in line
