"""How a task ends is said as ECS says it, and what its definition asks for is what its
containers get: seen through DescribeTasks, `gantry logs` and the containers themselves."""

import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

from support import images, machine
from support.gantry import Gantry, Not, eventually, reasons_not_to_run
from support.ports import free_port

pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def g():
    gantry = Gantry("--insecure-registry", "127.0.0.1")
    try:
        gantry.image = gantry.push("probe", images.probe_image())
        yield gantry
    finally:
        gantry.close()


@pytest.fixture
def family(request):
    return "".join(ch if ch.isalnum() else "-" for ch in request.node.name)[:100]


@pytest.fixture(autouse=True)
def evidence(request):
    yield
    gantry = request.getfixturevalue("g") if "g" in request.fixturenames else None
    if gantry and getattr(request.node, "failed", True):
        print(gantry.log()[-3000:])


def main(g, *command, **more):
    return {"name": "main", "image": g.image, "memory": 64, "command": list(command), **more}


def start(g, family, *containers, **task):
    task.setdefault("networkMode", "none")
    return g.run_task(g.define(family, *containers, **task))


def end(g, family, *containers, timeout=30, **task):
    """(the task as it ended, its first container)"""
    found = g.wait_status(start(g, family, *containers, **task), "STOPPED", timeout)
    return found, found["containers"][0]


def said(g, task):
    """What it wrote; a container's last words come a moment after its start."""
    return eventually(lambda: g.logs(task) or Not("nothing"), 10, "output").strip()


def dump(g, family, **more):
    task = {k: more.pop(k) for k in list(more) if k in ("networkMode", "volumes")}
    found, container = end(g, family, main(g, "dump", **more), **task)
    assert container["exitCode"] == 0, found
    return json.loads(g.logs(found["taskArn"]))


def failed_to_start(found):
    assert found["stopCode"] == "TaskFailedToStart", found
    assert found["desiredStatus"] == "STOPPED" and "startedAt" not in found
    assert found["stoppedReason"], found
    assert all("exitCode" not in c for c in found["containers"]), found
    return found["containers"][0]["reason"]


# ---- ends ----

@pytest.mark.parametrize("code", [0, 3])
def test_essential_container_ends(g, family, code):
    found, container = end(g, family, main(g, "exit", str(code)))
    assert found["stopCode"] == "EssentialContainerExited"
    assert found["stoppedReason"] == "Essential container in task exited"
    assert container["exitCode"] == code and "reason" not in container
    assert container["lastStatus"] == "STOPPED"
    times = [found[k] for k in ("createdAt", "pullStartedAt", "pullStoppedAt", "startedAt",
                                "executionStoppedAt", "stoppedAt")]
    assert times == sorted(times), times


def test_out_of_memory(g, family):
    found, container = end(g, family, main(g, "eat", "64", memory=16))
    assert found["stopCode"] == "EssentialContainerExited"
    assert container["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert container["exitCode"] == 137


def test_stopped_by_the_user(g, family):
    task = start(g, family, main(g, "polite"))
    g.wait_status(task, "RUNNING")
    eventually(lambda: "ready" in g.logs(task), what="its handler")
    g.ecs.stop_task(task=task)
    found = g.wait_status(task, "STOPPED")
    assert (found["stopCode"], found["stoppedReason"]) == ("UserInitiated",
                                                           "Task stopped by user")
    assert found["containers"][0]["exitCode"] == 0


def test_no_handler_in_the_hosts_pid_space_is_143(g, family):
    task = start(g, family, main(g, "deaf"), pidMode="host")
    g.wait_status(task, "RUNNING")
    g.ecs.stop_task(task=task, reason="enough")
    found = g.wait_status(task, "STOPPED")
    assert found["stoppedReason"] == "enough"
    assert found["containers"][0]["exitCode"] == 143


def test_stop_timeout(g, family):
    """A first process without a handler doesn't hear SIGTERM."""
    task = start(g, family, main(g, "deaf", stopTimeout=2))
    g.wait_status(task, "RUNNING")
    began = time.monotonic()
    g.ecs.stop_task(task=task)
    found = g.wait_status(task, "STOPPED")
    assert 1.9 < time.monotonic() - began < 6
    assert found["containers"][0]["exitCode"] == 137


# ---- what can't be started ----

def test_command_that_is_not_there(g, family):
    found, container = end(g, family, main(g, entryPoint=["/no/such/program"]))
    reason = failed_to_start(found)
    assert reason.startswith("CannotStartContainerError: ") and "/no/such/program" in reason


def test_working_directory_that_cannot_be(g, family):
    found, _ = end(g, family, main(g, "dump", workingDirectory="/probe"))
    assert failed_to_start(found).startswith("CannotStartContainerError: ")


def test_user_that_is_not_in_the_image(g, family):
    found, _ = end(g, family, main(g, "dump", user="stranger"))
    reason = failed_to_start(found)
    assert reason.startswith("CannotStartContainerError: ") and "stranger" in reason


@pytest.mark.parametrize("name", ["nothing:1", "probe:nothing"])
def test_image_that_is_not_there(g, family, name):
    found, _ = end(g, family, main(g, image=f"{g.address}/{name}"))
    reason = failed_to_start(found)
    assert reason.startswith("CannotPullContainerError: ") and name.split(":")[0] in reason


def test_registry_that_is_not_there(g, family):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    found, _ = end(g, family, main(g, image=f"127.0.0.1:{port}/x:1"), timeout=60)
    reason = failed_to_start(found)
    assert reason.startswith("CannotPullContainerError: ") and f"127.0.0.1:{port}" in reason


def test_image_for_another_architecture(g, family):
    other = "s390x" if images.ARCHITECTURE != "s390x" else "amd64"
    ref = g.push("foreign", images.probe_image(architecture=other))
    found, _ = end(g, family, main(g, image=ref))
    assert failed_to_start(found).startswith(
        "CannotPullContainerError: image Manifest does not contain descriptor matching "
        f"platform 'linux/{images.ARCHITECTURE}'")


class Liar(http.server.BaseHTTPRequestHandler):
    """A registry whose layers are not what their digests say."""

    image = None

    def log_message(self, *args):
        pass

    def do_GET(self):
        last = self.path.rsplit("/", 1)[-1]
        if "/manifests/" in self.path:
            self.answer(self.image.manifest, "application/vnd.oci.image.manifest.v1+json")
        elif "/blobs/" in self.path:
            data = self.image.blobs[last]
            if not data.startswith(b"{"):
                data = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
            self.answer(data, "application/octet-stream")
        else:
            self.answer(b"{}", "application/json")

    def answer(self, data, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET


def test_digest_that_is_wrong(g, family):
    Liar.image = images.probe_image(files=[("more", images.layer_of(5000))])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ref = f"127.0.0.1:{server.server_port}/liar:1"
        found, _ = end(g, family, main(g, image=ref), timeout=60)
        server.shutdown()
    reason = failed_to_start(found)
    assert reason.startswith("CannotPullContainerError: ") and "digest" in reason.lower()


def test_host_port_that_is_taken(g, family):
    with socket.create_server(("0.0.0.0", 0)) as holder:
        port = holder.getsockname()[1]
        found, _ = end(g, family, main(g, "serve", "80", "x", portMappings=[
            {"containerPort": 80, "hostPort": port}]), networkMode="bridge")
    reason = failed_to_start(found)
    assert reason.startswith("CannotStartContainerError: ")
    assert "port is already allocated" in reason and str(port) in reason


def test_no_room_for_it(g, family):
    for size, why in (({"memory": 2 ** 30 // 1024 * 8}, "RESOURCE:MEMORY"),
                      ({"cpu": 1024 * 1000}, "RESOURCE:CPU")):
        answer = g.ecs.run_task(taskDefinition=g.define(family, main(g, **size)))
        assert answer["tasks"] == []
        assert answer["failures"][0]["reason"] == why, answer


def test_host_port_that_another_task_has(g, family):
    with socket.create_server(("0.0.0.0", 0)) as s:
        port = s.getsockname()[1]
    definition = g.define(family, main(g, "serve", "80", "x", portMappings=[
        {"containerPort": 80, "hostPort": port}]), networkMode="bridge")
    first = g.run_task(definition)
    answer = g.ecs.run_task(taskDefinition=definition)
    assert answer["failures"][0]["reason"] == "RESOURCE:PORTS", answer
    g.wait_status(first, "RUNNING")
    g.ecs.stop_task(task=first)
    g.wait_status(first, "STOPPED")


def test_task_in_a_service_that_cannot_start(g, family):
    """Its reason is in the stopped tasks, and the service goes on trying, ever slower."""
    definition = g.define(family, main(g, entryPoint=["/no/such/program"]),
                          networkMode="none")
    g.ecs.create_service(serviceName=family, taskDefinition=definition, desiredCount=1)

    def two_failures():
        arns = g.ecs.list_tasks(serviceName=family, desiredStatus="STOPPED")["taskArns"]
        found = [t for t in (g.describe(*arns) if arns else [])
                 if t["lastStatus"] == "STOPPED"]
        return found if len(found) >= 2 else Not(found)
    for found in eventually(two_failures, 30, "two failures"):
        assert failed_to_start(found).startswith("CannotStartContainerError: ")
    g.ecs.delete_service(service=family, force=True)


# ---- several containers ----

def test_container_that_is_not_essential_ends(g, family):
    task = start(g, family, main(g, "polite"),
                 {**main(g, "exit", "4"), "name": "helper", "essential": False})
    def helper_ended():
        found = g.describe(task)[0]
        by_name = {c["name"]: c for c in found["containers"]}
        over = by_name["helper"]["lastStatus"] == "STOPPED"
        return (found, by_name) if over and found["lastStatus"] == "RUNNING" else Not(found)
    found, by_name = eventually(helper_ended, what="the helper's end")
    assert by_name["helper"]["exitCode"] == 4
    assert by_name["main"]["lastStatus"] == "RUNNING"
    g.ecs.stop_task(task=task)
    g.wait_status(task, "STOPPED")


def test_essential_container_takes_the_others_with_it(g, family):
    found, _ = end(g, family, main(g, "sleep-ms", "300", "+", "exit", "5"),
                   {**main(g, "polite"), "name": "side"})
    by_name = {c["name"]: c for c in found["containers"]}
    assert by_name["main"]["exitCode"] == 5 and by_name["side"]["exitCode"] == 0
    assert found["stoppedReason"] == "Essential container in task exited"


def test_order(g, family):
    volume = [{"sourceVolume": "v", "containerPath": "/v"}]
    put = lambda name, *more: {**main(g, *more, "put", "/v/log", name + ","), "name": name,
                               "essential": False, "mountPoints": volume}
    found, _ = end(
        g, family,
        {**main(g, "show", "/v/log"), "mountPoints": volume,
         "dependsOn": [{"containerName": "b", "condition": "COMPLETE"}]},
        {**put("b", "sleep-ms", "100", "+"),
         "dependsOn": [{"containerName": "a", "condition": "SUCCESS"}]},
        put("a", "sleep-ms", "200", "+"),
        volumes=[{"name": "v"}])
    assert g.logs(found["taskArn"], "main").strip() == "a,b,"


def test_dependency_that_fails(g, family):
    found, container = end(
        g, family,
        {**main(g, "polite"), "dependsOn": [{"containerName": "init",
                                             "condition": "SUCCESS"}]},
        {**main(g, "exit", "6"), "name": "init", "essential": False})
    by_name = {c["name"]: c for c in found["containers"]}
    assert by_name["init"]["exitCode"] == 6
    assert by_name["main"]["reason"].startswith("TaskDependencyError: ")
    assert found["stopCode"] == "TaskFailedToStart"


# ---- what a container is given ----

def environment(seen):
    return dict(entry.split("=", 1) for entry in seen["env"])


def test_words_user_and_place(g, family):
    seen = dump(g, family, entryPoint=["/probe"], workingDirectory="/work", user="app",
                hostname="its-name", environment=[{"name": "A", "value": "1 = 2"},
                                                  {"name": "EMPTY", "value": ""}])
    assert seen["args"] == ["/probe", "dump"]
    assert (seen["uid"], seen["gid"], seen["cwd"]) == (1000, 1000, "/work")
    assert "2000" in next(line for line in seen["status"].splitlines()
                          if line.startswith("Groups:"))
    assert seen["hostname"] == "its-name" and seen["pid"] == 1
    env = environment(seen)
    assert (env["A"], env["EMPTY"], env["HOME"]) == ("1 = 2", "", "/work")


def test_overrides(g, family):
    definition = g.define(family, main(g, "exit", "1", environment=[
        {"name": "A", "value": "1"}, {"name": "B", "value": "2"}]), networkMode="none")
    task = g.run_task(definition, overrides={"containerOverrides": [
        {"name": "main", "command": ["dump"], "environment": [{"name": "B", "value": "3"}]}]})
    found = g.wait_status(task, "STOPPED")
    assert found["containers"][0]["exitCode"] == 0
    env = environment(json.loads(g.logs(task)))
    assert (env["A"], env["B"]) == ("1", "3")


def test_rights(g, family):
    seen = dump(g, family)
    status = dict(line.split(":\t", 1) for line in seen["status"].splitlines())
    assert status["CapEff"] == "00000000a80425fb" and status["Seccomp"] == "2"
    seen = dump(g, family, linuxParameters={"capabilities": {
        "drop": ["ALL"], "add": ["NET_ADMIN"]}})
    assert "CapEff:\t0000000000001000" in seen["status"]


def test_resource_limits(g, family):
    seen = dump(g, family, ulimits=[{"name": "nofile", "softLimit": 123, "hardLimit": 456}])
    line = next(x for x in seen["limits"].splitlines() if x.startswith("Max open files"))
    assert line.split()[3:5] == ["123", "456"]


def test_limits_of_the_groups(g, family):
    found, _ = end(g, family, main(g, "dump", memory=48, cpu=256))
    seen = json.loads(g.logs(found["taskArn"]))
    if seen["memory_v1"]:
        assert int(seen["memory_v1"]) == 48 << 20 and int(seen["shares_v1"]) == 256
    else:
        assert int(seen["memory_v2"]) == 48 << 20 and int(seen["weight_v2"]) < 100


def test_limits_of_the_task(g, family):
    task = start(g, family, main(g, "polite"), cpu="512", memory="96")
    g.wait_status(task, "RUNNING")
    name = task.rsplit("/", 1)[-1]
    found = {}
    for base, dirs, files in os.walk("/sys/fs/cgroup"):
        if base.endswith((f"/ecs/{name}", f"ecstasks-{name}.slice")):
            found.update({f: machine.read(f"{base}/{f}").strip() for f in files if f in (
                "memory.limit_in_bytes", "cpu.cfs_quota_us", "memory.max", "cpu.max")})
    memory = found.get("memory.limit_in_bytes") or found.get("memory.max")
    quota = found.get("cpu.cfs_quota_us") or found.get("cpu.max", "").split()[0]
    assert (int(memory), int(quota)) == (96 << 20, 50000), found
    g.ecs.stop_task(task=task)
    g.wait_status(task, "STOPPED")


def test_read_only_root(g, family):
    found, container = end(g, family, main(
        g, "put", "/x", "y", readonlyRootFilesystem=True,
        linuxParameters={"tmpfs": [{"containerPath": "/scratch", "size": 4}]}))
    assert container["exitCode"] == 1
    assert said(g, found["taskArn"]) == "/x: Read-only file system"


def test_tmpfs(g, family):
    seen = dump(g, family, readonlyRootFilesystem=True, linuxParameters={
        "tmpfs": [{"containerPath": "/scratch", "size": 4, "mountOptions": ["noexec"]}]})
    line = next(x for x in seen["mounts"].splitlines() if " /scratch " in x)
    assert "noexec" in line and "size=4096k" in line and " - tmpfs " in line


def test_volumes(g, family):
    host = pathlib.Path(g.dir, "host-volume")
    host.mkdir(exist_ok=True)
    found, container = end(
        g, family,
        main(g, "put", "/host/file", "kept", "+", "put", "/task/file", "gone", "+", "show",
             "/task/file", mountPoints=[
                 {"sourceVolume": "host", "containerPath": "/host"},
                 {"sourceVolume": "task", "containerPath": "/task"}]),
        volumes=[{"name": "host", "host": {"sourcePath": str(host)}}, {"name": "task"}])
    assert container["exitCode"] == 0, g.logs(found["taskArn"])
    assert (host / "file").read_text() == "kept"
    found, container = end(
        g, family, main(g, "show", "/host/file", "+", "put", "/host/file", "more", mountPoints=[
            {"sourceVolume": "host", "containerPath": "/host", "readOnly": True}]),
        volumes=[{"name": "host", "host": {"sourcePath": str(host)}}])
    assert said(g, found["taskArn"]).splitlines() == [
        "kept", "/host/file: Read-only file system"]


# ---- networks ----

def words_behind(port, host="127.0.0.1"):
    def look():
        try:
            with socket.create_connection((host, port), timeout=2) as s:
                return s.recv(100).decode() or Not("nothing said")
        except OSError as e:
            return Not(e)
    return eventually(look, 10, f"an answer on {host}:{port}")


@pytest.fixture
def running(g):
    """running(family, container, ...) starts a task, and stops it after the test."""
    tasks = []

    def run(family, *containers, **task):
        tasks.append(start(g, family, *containers, **task))
        return g.wait_status(tasks[-1], "RUNNING")
    yield run
    for task in tasks:
        g.ecs.stop_task(task=task)
    for task in tasks:
        g.wait_status(task, "STOPPED")


def test_mode_none(g, family):
    seen = dump(g, family, networkMode="none")
    names = [x.split(":")[0].strip() for x in seen["interfaces"].splitlines()[2:]]
    assert names == ["lo"]


def test_mode_host(g, family, running):
    port = free_port()
    running(family, main(g, "serve", str(port), "from the host's network", portMappings=[
        {"containerPort": port}]), networkMode="host")
    assert words_behind(port) == "from the host's network"


def test_mode_bridge_dynamic_and_fixed(g, family, running):
    fixed = free_port()
    ports = []
    for host_port in (fixed, 0, 0):
        text = f"asked for {host_port}"
        found = running(family, main(g, "serve", "80", text, portMappings=[
            {"containerPort": 80, "hostPort": host_port}]), networkMode="bridge")
        binding, = found["containers"][0]["networkBindings"]
        ports.append(binding.pop("hostPort"))
        assert binding == {"bindIP": "0.0.0.0", "containerPort": 80, "protocol": "tcp"}
        assert words_behind(ports[-1]) == text
    assert ports[0] == fixed and len(set(ports)) == 3


def test_ways_between_containers_and_the_host(g, family, running):
    """From a container: to the host, to another's published port, and to its own."""
    gateway = json.loads(subprocess.run(["ip", "-j", "addr"], capture_output=True, text=True,
                                        check=True).stdout)
    bridge = next(i for i in gateway if i["ifname"].startswith("gt"))
    address = next(a["local"] for a in bridge["addr_info"] if a["family"] == "inet")
    found = running(family, main(g, "serve", "80", "neighbour", portMappings=[
        {"containerPort": 80}]), networkMode="bridge")
    published = found["containers"][0]["networkBindings"][0]["hostPort"]
    assert words_behind(published, address) == "neighbour"
    with socket.create_server(("0.0.0.0", 0)) as host:
        def answer():
            c, _ = host.accept()
            c.sendall(b"the host")
            c.close()
        threading.Thread(target=answer, daemon=True).start()
        over, container = end(
            g, family + "-caller",
            main(g, "fetch", address, str(host.getsockname()[1]), "+", "fetch", address,
                 str(published)), networkMode="bridge")
    assert said(g, over["taskArn"]).splitlines() == ["the host", "neighbour"]
    assert container["exitCode"] == 0


def test_way_to_the_world(g, family):
    """Through the machine to another one: a second namespace plays it."""
    if not g.network.path:
        pytest.skip("needs a network namespace of its own")
    world = g.network.name + "w"
    def ip(*words):
        subprocess.run(["ip", *words], check=True)
    ip("netns", "add", world)
    try:
        ip("link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", world)
        ip("addr", "add", "192.0.2.1/24", "dev", "uplink")
        ip("link", "set", "uplink", "up")
        ip("-n", world, "addr", "add", "192.0.2.2/24", "dev", "eth0")
        ip("-n", world, "link", "set", "eth0", "up")
        machine.setns(f"/run/netns/{world}")
        try:
            s = socket.create_server(("0.0.0.0", 7))
        finally:
            machine.setns(g.network.path)
        with s:
            seen = []
            def answer():
                c, peer = s.accept()
                seen.append(peer[0])
                c.sendall(b"the world")
                c.close()
            threading.Thread(target=answer, daemon=True).start()
            over, _ = end(g, family, main(g, "fetch", "192.0.2.2", "7"),
                          networkMode="bridge")
        assert said(g, over["taskArn"]) == "the world"
        assert seen == ["192.0.2.1"]  # the world needs no route to the bridge
    finally:
        ip("netns", "delete", world)
        subprocess.run(["ip", "link", "delete", "uplink"], check=False, capture_output=True)


# ---- a full disk ----

DISK = 340 << 20
LARGE = 40 << 20


@pytest.fixture
def small():
    """gantry with its data on a small disk. Of its last part the registry takes nothing
    more, and of the last few MiB the API neither."""
    gantry = Gantry(disk_mib=DISK >> 20)
    try:
        gantry.image = gantry.push("probe", images.probe_image())
        yield gantry
    except BaseException:
        print(gantry.log()[-6000:])
        raise
    finally:
        gantry.close()


def leave(path, size):
    """Takes all of the disk but `size` bytes."""
    with open(path, "ab", buffering=0) as f:
        free = os.statvfs(path)
        f.write(b"x" * max(0, free.f_bavail * free.f_bsize - size))
        while size == 0:  # not even a byte more
            try:
                f.write(b"x")
            except OSError:
                return


def refusal(call):
    try:
        return Not(call())
    except botocore.exceptions.ClientError as e:
        return e.response["Error"]


def test_full_disk(small):
    ecs = small.ecs
    ballast = f"{small.disk}/ballast"
    kept = small.define("kept", main(small, "polite"), networkMode="none")
    ends, stays = small.run_task(kept), small.run_task(kept)
    for task in (ends, stays):
        small.wait_status(task, "RUNNING")
    large = images.probe_image(files=[("large", images.layer_of(LARGE))])
    ref = small.push("large", large)
    puller = small.define("puller", main(small, "exit", "0", image=ref), networkMode="none")

    # The registry leaves room for the rest.
    leave(ballast, 200 << 20)
    status, text = small.registry().push_blob("large", images.layer_of(1 << 20))
    assert status == 507 and b"disk is full" in text, (status, text)

    # Too little for the layer: the pull says why it fails; all else works.
    leave(ballast, LARGE - (8 << 20))
    found = small.wait_status(small.run_task(puller), "STOPPED", 60)
    reason = failed_to_start(found)
    assert reason.startswith("CannotPullContainerError: ")
    assert "no space left on device" in reason.lower()
    assert ecs.describe_task_definition(taskDefinition="kept")

    # Nothing fits: a change is refused with a reason, what is known can be read.
    leave(ballast, 0)
    for i in range(10):
        error = refusal(lambda: small.define(f"refused-{i}", main(small, "exit", "0")))
        assert error["Code"] == "ServerException" and "disk" in error["Message"], error
    with pytest.raises(urllib.error.HTTPError) as health:
        urllib.request.urlopen(f"http://{small.address}/health", timeout=10)
    assert health.value.code == 503 and b"disk full" in health.value.read()
    assert small.describe(stays)[0]["lastStatus"] == "RUNNING"
    families = ecs.list_task_definition_families(status="ACTIVE")["families"]
    assert families == ["kept", "puller"]

    # What happens meanwhile is told later, also by an agent and a server that were killed.
    name = ends.rsplit("/", 1)[-1]
    process, = small.processes.look()[0][name, "main"]
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: (name, "main") not in small.processes.look()[0], what="its end")
    for part in ("agent", "server"):
        os.kill(small.part(part).pid, signal.SIGKILL)
    found = small.steadily(lambda: small.describe(stays)[0])
    assert found["lastStatus"] == "RUNNING"

    # Room again: all of it works, and what was there still is.
    os.unlink(ballast)
    found = small.wait_status(ends, "STOPPED", 60)
    assert found["stopCode"] == "EssentialContainerExited"
    assert found["containers"][0]["exitCode"] == 137
    found = small.wait_status(small.run_task(puller), "STOPPED", 60)
    assert found["containers"][0]["exitCode"] == 0
    assert small.describe(stays)[0]["lastStatus"] == "RUNNING"
    ecs.stop_task(task=stays)
    assert small.wait_status(stays, "STOPPED")["containers"][0]["exitCode"] == 0
