"""The command line: up, down, env, status, help, and what happens to a run that is killed.

Every test has directories, a port and so a run of its own, and leaves nothing.
"""
import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tarfile
import tempfile
import time
import urllib.request

import pytest

from support.ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
GANTRY = os.environ.get("GANTRY", str(ROOT / "build/gantry"))
COMMANDS = ["up", "down", "server", "agent", "status", "logs", "exec", "events", "why",
            "audit", "policy", "env", "doctor", "edge", "version", "help"]

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
              pytest.mark.timeout(180)]


def gantry(*args, check=True, timeout=90, **more):
    done = subprocess.run([GANTRY, *args], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, **more)
    if check:
        assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stderr}"
    return done


def until(what, seconds=30):
    """The first true answer of what(); a state is waited for, never a time."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.02)


def alive(pid):
    try:
        return "\nState:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


class Run:
    """One run of gantry with its own directories and port."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gantry-cmd-"))
        self.dir.chmod(0o755)  # the server's user must get through
        self.data, self.run = self.dir / "data", self.dir / "run"
        self.port = free_port()
        self.place = ["--data-dir", str(self.data), "--run-dir", str(self.run)]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def up_args(self, *more):
        return ["up", *self.place, "--listen", f"127.0.0.1:{self.port}", *more]

    def up(self, *more):
        """In the foreground; returns once the ready line is there."""
        self.process = subprocess.Popen([GANTRY, *self.up_args(*more)], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=open(self.dir / "up.err", "a"))
        line = self.process.stdout.readline()
        assert line == f"gantry ready: {self.url}\n", (self.dir / "up.err").read_text()

    def record(self):
        return json.loads((self.run / "up.json").read_text())

    def pid(self, part):
        return self.record().get(part, {}).get("pid", 0)

    def env(self):
        text = gantry("env", *self.place).stdout
        return dict(re.findall(r"^export (\w+)='(.*)';$", text, re.M))

    def health(self):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(self.url + "/health", timeout=5) as answer:
                return json.load(answer)["status"] == "ok"
        return False

    def aws(self, service):
        import boto3
        from botocore.config import Config
        env = self.env()
        return boto3.client(service, endpoint_url=env["AWS_ENDPOINT_URL"],
                            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
                            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
                            region_name=env["AWS_REGION"],
                            config=Config(retries={"max_attempts": 8}))

    def ecs(self):
        return self.aws("ecs")

    def connected(self):
        ecs = self.ecs()
        arns = ecs.list_container_instances(cluster="default")["containerInstanceArns"]
        if not arns:
            return False
        found = ecs.describe_container_instances(cluster="default", containerInstances=arns)
        return all(i["agentConnected"] for i in found["containerInstances"])

    def close(self):
        gantry("down", "--purge", *self.place, check=False)
        if self.process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
            self.process.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture
def run():
    r = Run()
    yield r
    r.close()


# ---- the parser and its help ----

@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(command):
    text = gantry(command, "--help").stdout
    assert text.startswith(f"Usage: gantry {command} ")
    assert gantry("help", command).stdout == text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_overview_names_every_command():
    listed = re.findall(r"^  (\w+)  ", gantry("help").stdout, re.M)
    assert sorted(listed) == sorted(COMMANDS)
    assert gantry("--help").stdout == gantry("help").stdout
    assert gantry("--version").stdout == gantry("version").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_manual_page_has_the_options_of_help(command):
    page = ROOT / "build/docs/man" / f"gantry-{command}.1"
    if not page.exists():
        pytest.skip("manual pages were not built")
    options = set(re.findall(r"--[a-z-]+", gantry(command, "--help").stdout.split("Options:")[1]))
    # Only the labels, and what help itself says in an option's text.
    in_page = page.read_text().replace("\\-", "-").split(".SH OPTIONS")[1].split(".SH ")[0]
    assert set(re.findall(r"--[a-z-]+", in_page)) == options


@pytest.mark.parametrize("args, says", [
    (["nope"], "there is no command 'nope'; see 'gantry help'"),
    (["up", "--nope"], "up has no option '--nope'; see 'gantry up --help'"),
    (["up", "-z"], "up has no option '-z'; see 'gantry up --help'"),
    (["up", "word"], "up does not take 'word'"),
    (["up", "--listen"], "option '--listen' needs a value"),
    (["up", "--listen", "4566"], "--listen '4566': expected ADDRESS:PORT"),
    (["up", "--account-id", "12"], "expected 12 digits"),
    (["up", "--stopped-task-retention", "soon"], "expected a time such as 90s"),
    (["up", "--log-level", "loud"], "expected debug, info, warn or error"),
    (["up", "--data-dir", "/"], "must not be '/'"),
    (["up", "--data-dir", "/x", "--run-dir", "/x"], "must differ"),
    (["logs"], "usage: gantry logs [OPTION]... TASK [CONTAINER]"),
    (["exec", "task"], "usage: gantry exec"),
])
def test_wrong_usage_says_what_is_right(args, says):
    done = gantry(*args, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("gantry: ") and says in done.stderr
    assert done.stdout == ""


def test_no_command_is_an_error_with_help():
    done = gantry(check=False)
    assert done.returncode == 2 and "Usage: gantry COMMAND" in done.stderr


# ---- up, env, down ----

def test_up_answers_and_down_ends(run):
    run.up()
    env = run.env()
    assert env["AWS_ENDPOINT_URL"] == run.url and env["AWS_REGION"] == "us-east-1"
    assert env["GANTRY_RUN_DIR"] == str(run.run)
    assert run.connected()  # the ready line promised it
    pids = [run.pid(p) for p in ("up", "server", "agent")]
    gantry("down", *run.place)
    assert run.process.wait(30) == 0
    assert run.process.stdout.read() == ""  # the ready line was all
    assert not any(alive(p) for p in pids)
    # Data stay: the same keys and cluster at the next start.
    run.up()
    assert run.env() == env
    assert len(run.ecs().list_container_instances()["containerInstanceArns"]) == 1


def test_exports_are_right_for_a_shell(run):
    run.up()
    place = " ".join(run.place)
    script = (f'eval $({GANTRY} env --cli {place}); type aws >/dev/null || exit 3; '
              'printf "%s\\n" "$AWS_ENDPOINT_URL" "$AWS_SECRET_ACCESS_KEY"')
    for shell in ("sh", "bash"):
        said = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=True)
        assert said.stdout.splitlines() == [run.url, run.env()["AWS_SECRET_ACCESS_KEY"]]


def test_sigterm_stops_it_all(run):
    run.up("--dev")
    assert run.env()["AWS_ACCESS_KEY_ID"] == "test"
    pids = [run.pid(p) for p in ("server", "agent")]
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(30) == 0
    assert not any(alive(p) for p in pids)


def test_detached(run):
    done = gantry(*run.up_args("--detach"))
    assert done.stdout == f"gantry ready: {run.url}\n" and done.stderr == ""
    up = run.pid("up")
    assert os.getsid(up) == up  # no terminal's end will reach it
    assert "server ready" in (run.run / "up.log").read_text()
    gantry("down", *run.place)
    assert not alive(up)


def test_detached_failure_is_told_with_its_reason(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", run.port))
        taken.listen()
        done = gantry(*run.up_args("--detach"), check=False)
    assert done.returncode == 1
    assert "gantry: the server did not start: " in done.stderr
    assert f"{run.port} already" in done.stderr


def test_second_up_is_refused(run):
    run.up()
    done = gantry(*run.up_args(), check=False)
    assert done.returncode == 1
    assert str(run.pid("up")) in done.stderr and run.url in done.stderr
    other = gantry("up", "--data-dir", str(run.data), "--run-dir", str(run.dir / "run2"),
                   "--listen", f"127.0.0.1:{free_port()}", check=False)
    assert other.returncode == 1 and "is in use by a run with another" in other.stderr
    assert run.health()


def test_server_is_not_root(run):
    run.up()
    status = pathlib.Path(f"/proc/{run.pid('server')}/status").read_text()
    uids = re.search(r"^Uid:\t(.*)$", status, re.M).group(1).split()
    assert "0" not in uids
    assert re.search(r"^Groups:\t\s*$", status, re.M)
    assert re.search(r"^CapPrm:\t0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
    keys = run.data / "server/root-keys.json"
    assert keys.stat().st_mode & 0o777 == 0o600
    assert (run.data / "server").stat().st_mode & 0o777 == 0o700
    assert run.data.stat().st_mode & 0o777 == 0o711


def test_closed_parent_directory_is_named(run):
    run.dir.chmod(0o700)
    done = gantry(*run.up_args(), check=False)
    assert done.returncode == 1
    assert f"may not enter '{run.dir}': chmod o+x '{run.dir}'" in done.stderr


def test_foreign_data_directory_is_left_alone(run):
    run.data.mkdir()
    (run.data / "thesis.txt").write_text("years of work")
    assert "not empty" in gantry(*run.up_args(), check=False).stderr
    done = gantry("down", "--purge", *run.place, check=False)
    assert done.returncode == 1 and "is not gantry's" in done.stderr
    assert (run.data / "thesis.txt").read_text() == "years of work"


# ---- kills ----

def test_killed_parts_come_back_with_their_state(run):
    run.up()
    run.ecs().create_cluster(clusterName="kept")
    for part in ("server", "agent", "server"):
        before = run.pid(part)
        os.kill(before, signal.SIGKILL)
        until(lambda: run.pid(part) not in (0, before))
        until(run.health)
    assert run.ecs().describe_clusters(clusters=["kept"])["clusters"][0]["status"] == "ACTIVE"
    until(run.connected)


def test_killed_up_is_taken_over(run):
    run.up()
    run.ecs().create_cluster(clusterName="kept")
    old = [run.pid(p) for p in ("server", "agent")]
    run.process.kill()
    run.process.wait()
    run.up()
    assert not any(alive(p) for p in old)
    assert run.ecs().describe_clusters(clusters=["kept"])["clusters"]
    assert run.connected()


def test_down_after_up_was_killed(run):
    run.up()
    parts = [run.pid(p) for p in ("server", "agent")]
    # Stopped processes can't follow the kernel's SIGTERM: orphans that down must end.
    for pid in parts:
        os.kill(pid, signal.SIGSTOP)
    run.process.kill()
    run.process.wait()
    down = subprocess.Popen([GANTRY, "down", *run.place], stderr=subprocess.DEVNULL)
    for pid in parts:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    assert down.wait(60) == 0
    assert not any(alive(p) for p in parts)


def test_reused_pid_is_not_ours(run):
    run.up()
    gantry("down", *run.place)
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        record = run.record()
        record["up"] = {"pid": bystander.pid, "startTicks": 1}
        (run.run / "up.json").write_text(json.dumps(record))
        gantry("down", *run.place)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


# ---- purge, and runs side by side ----

def machine():
    """What a run might leave behind, apart from what other runs on this machine have."""
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    links = os.listdir("/sys/class/net")
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
    groups = [d for root in ("/sys/fs/cgroup", *map(str, pathlib.Path("/sys/fs/cgroup").glob("*/")))
              for d in os.listdir(root) if d.startswith("gantry-")]
    return mounts, links, tables, groups


def test_purge_leaves_nothing(run):
    links_before = set(machine()[1])
    run.up()
    run_id = run.record()["runId"]
    mounts, links, tables, _ = machine()
    assert str(run.run) in mounts or run_id in tables or set(links) - links_before
    pids = [run.pid(p) for p in ("up", "server", "agent")]
    gantry("down", "--purge", *run.place)
    mounts, links, tables, groups = machine()
    assert not any(alive(p) for p in pids)
    assert str(run.dir) not in mounts
    assert run_id not in tables
    assert not [g for g in groups if run_id in g]
    assert not run.data.exists() and not run.run.exists()
    # Again, with nothing there: says so, and is content.
    assert "nothing runs here" in gantry("down", "--purge", *run.place).stderr


def test_purge_after_everything_was_killed(run):
    run.up()
    for part in ("up", "server", "agent"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(run.pid(part), signal.SIGKILL)
    run.process.wait()
    run_id = run.record()["runId"]
    gantry("down", "--purge", *run.place)
    mounts, _, tables, groups = machine()
    assert str(run.dir) not in mounts and run_id not in tables
    assert not [g for g in groups if run_id in g]
    assert not run.data.exists() and not run.run.exists()


def test_two_runs_side_by_side(run):
    other = Run()
    try:
        run.up()
        other.up()
        run.ecs().create_cluster(clusterName="mine")
        names = other.ecs().list_clusters()["clusterArns"]
        assert not any(n.endswith("/mine") for n in names)
        other_id = other.record()["runId"]
        gantry("down", "--purge", *run.place)
        assert other.health() and other.connected()
        assert other_id in machine()[2]  # its nftables table is untouched
    finally:
        other.close()


# ---- status, doctor, logs and exec without tasks ----

def test_status(run):
    done = gantry("status", *run.place, check=False)
    assert done.returncode == 1 and "gantry has not run here" in done.stderr
    run.up()
    text = gantry("status", *run.place).stdout
    assert f"server  {run.url}  ok" in text and "connected" in text
    told = json.loads(gantry("status", "--json", *run.place).stdout)
    assert told["server"]["pid"] == run.pid("up") and told["instances"][0]["cluster"] == "default"
    gantry("down", *run.place)
    assert json.loads(gantry("status", "--json", *run.place).stdout)["server"]["health"] == "down"


def test_policies_are_explained_and_calls_audited(run):
    run.up()
    who = "arn:aws:iam::000000000000:root"
    done = gantry("policy", *run.place, "explain", who, "ecs:RunTask")
    assert done.stdout.splitlines() == ["allowed", "by the root of the account"]
    done = gantry("policy", *run.place, "explain", who + "x", "ecs:RunTask", check=False)
    assert done.returncode == 1 and "404" in done.stderr
    done = gantry("policy", *run.place, "divine", who, "ecs:RunTask", check=False)
    assert done.returncode == 1 and "expected explain" in done.stderr
    lines = gantry("audit", *run.place, "--call", "RegisterContainerInstance").stdout.splitlines()
    assert lines and all(" ecs:RegisterContainerInstance root 127.0.0.1" in x for x in lines)


def test_unknown_task(run):
    run.up()
    for args in (["logs", *run.place, "ffffffff"], ["exec", *run.place, "ffffffff", "--", "true"]):
        done = gantry(*args, check=False)
        assert done.returncode == 1 and done.stderr.startswith("gantry: ")


def test_doctor(run):
    place = [*run.place, "--listen", f"127.0.0.1:{run.port}"]
    rows = {r["name"]: r for r in json.loads(gantry("doctor", "--json", *place).stdout)}
    assert {"kernel", "cgroups", "overlayfs", "crun", "conmon", "nft", "NAT", "port"} <= set(rows)
    assert all(r["verdict"] == "ok" or r["mend"] for r in rows.values())
    left = [n for n in os.listdir(run.dir) if "doctor" in n]
    assert not left, "a trial was not removed"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", run.port))
        taken.listen()
        done = gantry("doctor", *place, check=False)
    assert done.returncode == 1 and "✗ port" in done.stdout and "--listen" in done.stdout
    done = gantry("doctor", *place, check=False, env={"PATH": "/nowhere"})
    assert done.returncode == 1 and "apt-get install crun" in done.stdout


# ---- logs and exec of a real task ----

class Registry:
    """As much of a client of OCI Distribution as pushing one image takes."""

    def __init__(self, run, repository):
        ecr = run.aws("ecr")
        ecr.create_repository(repositoryName=repository)
        data = ecr.get_authorization_token()["authorizationData"][0]
        self.base = f"{run.url}/v2/{repository}"
        self.auth = "Basic " + data["authorizationToken"]

    def send(self, method, path, body, kind):
        request = urllib.request.Request(self.base + path, data=body, method=method, headers={
            "Authorization": self.auth, "Content-Type": kind})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers

    def blob(self, body, kind):
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        where = self.send("POST", "/blobs/uploads/", b"", "application/octet-stream")["Location"]
        where = where[where.index("/blobs/"):]
        self.send("PUT", f"{where}{'&' if '?' in where else '?'}digest={digest}", body,
                  "application/octet-stream")
        return {"mediaType": kind, "digest": digest, "size": len(body)}


def push_busybox(run):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as layer:
        layer.add("/bin/busybox", "bin/busybox")
        link = tarfile.TarInfo("bin/sh")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        layer.addfile(link)
    layer = tar.getvalue()
    registry = Registry(run, "box")
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    kind = "application/vnd.oci.image"
    manifest = {"schemaVersion": 2, "mediaType": f"{kind}.manifest.v1+json",
                "config": registry.blob(config, f"{kind}.config.v1+json"),
                "layers": [registry.blob(layer, f"{kind}.layer.v1.tar")]}
    registry.send("PUT", "/manifests/1", json.dumps(manifest).encode(), manifest["mediaType"])
    return f"localhost:{run.port}/box:1"


def start_task(run, script):
    ecs = run.ecs()
    ecs.register_task_definition(family="box", networkMode="none", containerDefinitions=[{
        "name": "main", "image": push_busybox(run), "memory": 64, "essential": True,
        "environment": [{"name": "PATH", "value": "/bin"}],
        "command": ["/bin/sh", "-c", script]}])
    arn = ecs.run_task(taskDefinition="box")["tasks"][0]["taskArn"]

    def settled():
        task = ecs.describe_tasks(tasks=[arn])["tasks"][0]
        return task if task["lastStatus"] in ("RUNNING", "STOPPED") else None
    task = until(settled)
    assert task["lastStatus"] == "RUNNING", task
    return arn


COUNTING = ("trap 'echo bye; exit 3' TERM; echo begin; echo wrong >&2; "
            "i=0; while :; do i=$((i+1)); echo line $i; busybox sleep 0.2; done")


@pytest.mark.skipif(not os.path.exists("/bin/busybox"), reason="needs busybox-static")
def test_logs_exec_and_status_of_a_task(run):
    run.up()
    arn = start_task(run, COUNTING)
    task = arn.rsplit("/", 1)[1]
    until(lambda: "line 2" in gantry("logs", *run.place, arn).stdout)
    said = gantry("logs", *run.place, task[:8], "main")
    assert said.stdout.startswith("begin\nline 1\n") and said.stderr == "wrong\n"
    assert len(gantry("logs", *run.place, "--tail", "1", task).stdout.splitlines()) <= 1
    assert gantry("logs", *run.place, "--since", "2099-01-01T00:00:00Z", task).stdout == ""
    stamped = gantry("logs", *run.place, "-t", task).stdout.splitlines()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z begin", stamped)

    def execute(*args, **more):
        return subprocess.run([GANTRY, "exec", *run.place, *args], capture_output=True,
                              text=True, timeout=30, **more)
    done = execute("-e", "WORD=hello", task, "--", "sh", "-c", "echo $WORD; echo no >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "hello\n", "no\n")
    assert execute("-i", task, "busybox", "cat", input="passed on").stdout == "passed on"
    assert execute(task, "busybox", "cat", input="kept back").stdout == ""
    assert execute(task, "sh", "-c", "kill -9 $$").returncode == 128 + 9
    assert execute(task, "no-such-program").returncode not in (0, 7)
    assert execute("-t", task, "sh").returncode == 1  # no terminal here

    row = json.loads(gantry("status", "--json", *run.place).stdout)["containers"][0]
    assert row["taskArn"] == arn and row["status"] == "RUNNING" and row["name"] == "main"
    assert task[:12] in gantry("status", *run.place).stdout

    follow = subprocess.Popen([GANTRY, "logs", "-f", *run.place, task], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    run.ecs().stop_task(task=arn)
    assert follow.communicate(timeout=60)[0].endswith("bye\n")  # ends by itself
    assert follow.returncode == 0


@pytest.mark.skipif(not os.path.exists("/bin/busybox"), reason="needs busybox-static")
@pytest.mark.timeout(60)
def test_a_terminal_in_a_task(run):
    import fcntl
    import pty
    import termios
    run.up()
    task = start_task(run, COUNTING).rsplit("/", 1)[1]
    script = ("busybox stty size; i=0; while [ $((i+=1)) -lt 200 ] && "
              "[ \"$(busybox stty size)\" = '33 99' ]; do busybox sleep 0.05; done; "
              "busybox stty size; read x; echo got $x; exit 5")
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
        os.execv(GANTRY, [GANTRY, "exec", *run.place, "-it", task, "--", "sh", "-c", script])
    seen = b""
    try:
        while b"33 99" not in seen:
            seen += os.read(fd, 1000)
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 55, 0, 0))
        while b"44 55" not in seen:
            seen += os.read(fd, 1000)
        os.write(fd, b"go\n")  # earlier it may meet a terminal that is being set up
        while True:
            seen += os.read(fd, 1000)
    except OSError:
        pass  # the terminal's end
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    assert b"44 55" in seen and b"got go" in seen


@pytest.mark.skipif(not os.path.exists("/bin/busybox"), reason="needs busybox-static")
def test_tasks_outlive_kills_and_restarts_of_everything(run):
    run.up()
    arn = start_task(run, COUNTING)

    def inside():
        return gantry("exec", *run.place, arn, "sh", "-c", "busybox stat -c %Y /proc/1").stdout
    began = inside()
    for part in ("agent", "server", "agent"):
        before = run.pid(part)
        os.kill(before, signal.SIGKILL)
        until(lambda: run.pid(part) not in (0, before))
    run.process.kill()
    run.process.wait()
    assert inside() == began  # nothing of gantry runs; the container does
    run.up()
    gantry("down", *run.place)
    run.process.wait(30)
    run.up()
    assert inside() == began
    task = run.ecs().describe_tasks(tasks=[arn])["tasks"][0]
    assert task["lastStatus"] == "RUNNING" and len(run.ecs().list_tasks()["taskArns"]) == 1
    run_id = run.record()["runId"]
    gantry("down", "--purge", *run.place)
    mounts, _, tables, groups = machine()
    assert str(run.dir) not in mounts and run_id not in tables
    assert not [g for g in groups if run_id in g]
    assert not run.data.exists() and not run.run.exists()
