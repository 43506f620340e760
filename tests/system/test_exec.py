"""ExecuteCommand: a program on a terminal in a running container, through server and agent, by
a client that speaks as AWS's session-manager-plugin does, and by the AWS CLI itself."""

import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess

import botocore.exceptions
import pytest

from support import images, session_client
from support.gantry import Gantry, eventually, reasons_not_to_run

BUSYBOX = "/bin/busybox" if os.path.exists("/bin/busybox") else shutil.which("busybox")
pytestmark = [
    pytest.mark.skipif(bool(reasons_not_to_run()), reason=str(reasons_not_to_run())),
    pytest.mark.skipif(not BUSYBOX, reason="needs busybox-static"),
    pytest.mark.timeout(120),
]


@pytest.fixture(scope="module")
def gantry():
    g = Gantry()
    program = pathlib.Path(BUSYBOX).read_bytes()
    # One copy for each name: the image has no links.
    image = images.probe_image(files=[("bin", None), ("bin/busybox", program)],
                               Env=["PATH=/bin", "MARK=from-image"])
    reference = g.push("exec/box", image)
    g.define("box", {"name": "main", "image": reference, "memory": 64, "stopTimeout": 1,
                     "entryPoint": ["/bin/busybox"], "command": ["sleep", "1000"], "user": "app"})
    g.define("two", {"name": "main", "image": reference, "memory": 64, "stopTimeout": 1,
                     "entryPoint": ["/bin/busybox"], "command": ["sleep", "1000"]},
             {"name": "other", "image": reference, "memory": 64, "stopTimeout": 1,
              "entryPoint": ["/bin/busybox"], "command": ["sleep", "1000"]})
    yield g
    g.close()


@pytest.fixture(scope="module")
def task(gantry):
    arn = gantry.run_task("box", enableExecuteCommand=True)
    found = gantry.wait_status(arn, "RUNNING")
    container = found["containers"][0]
    assert container["runtimeId"]
    agent = container["managedAgents"][0]
    assert (agent["name"], agent["lastStatus"]) == ("ExecuteCommandAgent", "RUNNING")
    assert agent["lastStartedAt"]
    return arn


def execute(gantry, task, command="/bin/busybox sh", **more):
    return gantry.steadily(lambda: gantry.ecs.execute_command(
        task=task, command=command, interactive=True, **more))


def open_session(gantry, task, command="/bin/busybox sh", **more):
    return session_client.Session(execute(gantry, task, command)["session"], **more)


def programs(gantry, task, text):
    """Processes of the machine that have this text among their arguments."""
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in p.read_bytes().split(b"\0"):
                found.append(int(p.parent.name))
        except OSError:
            pass
    return found


def test_the_answer(gantry, task):
    answer = execute(gantry, task)
    described = gantry.describe(task)[0]
    assert answer["clusterArn"] == described["clusterArn"]
    assert answer["taskArn"] == task and answer["interactive"] is True
    assert answer["containerName"] == "main"
    assert answer["containerArn"] == described["containers"][0]["containerArn"]
    session = answer["session"]
    assert session["streamUrl"].startswith(
        f"ws://{gantry.address}/v1/data-channel/{session['sessionId']}?role=publish_subscribe")
    assert len(session["sessionId"]) == len("ecs-execute-command-") + 17


def test_a_shell(gantry, task):
    s = open_session(gantry, task, cols=101, rows=33)
    s.until(lambda: s.complete is not None)
    action = s.request["RequestedClientActions"][0]
    assert action["ActionType"] == "SessionType"
    assert action["ActionParameters"]["SessionType"] == "InteractiveCommands"
    s.line("echo $MARK-$TERM; /bin/busybox id -u")
    s.until_output("from-image-xterm-256color\r\n0\r\n")
    s.line("/bin/busybox stty size")
    s.until_output("33 101\r\n")
    s.resize(77, 22)
    s.line("while [ \"$(/bin/busybox stty size)\" != '22 77' ]; do :; done; echo re''sized")
    s.until_output("resized\r\n")
    s.line("exit 7")
    s.until_closed()
    assert s.exit_code == 7
    s.until(lambda: s.lost)


def test_signals_are_keys(gantry, task):
    s = open_session(gantry, task, "/bin/busybox sleep 98765")
    eventually(lambda: programs(gantry, task, "98765") or s.step(0.02))
    s.type("\x03")
    s.until_closed()
    assert s.exit_code == 130
    assert not programs(gantry, task, "98765")


def test_words_of_the_command(gantry, task):
    s = open_session(gantry, task, "/bin/busybox echo 'a  b' \"c\\\"d\" e\\ f $MARK")
    s.until_closed()
    assert bytes(s.output) == b"a  b c\"d e f $MARK\r\n"
    assert s.exit_code == 0


def test_no_exit_code_for_who_did_not_ask(gantry, task):
    s = open_session(gantry, task, "/bin/busybox echo done", exit_code=False)
    s.until_closed()
    assert s.exit_code is None and bytes(s.output) == b"done\r\n"


def test_a_program_that_is_not_there(gantry, task):
    s = open_session(gantry, task, "/no/such/program")
    s.until_closed()
    assert b"/no/such/program" in s.output + s.end_text.encode()
    assert s.exit_code not in (None, 0)


def test_much_output(gantry, task):
    """10 MB, while nothing is acknowledged for a while: it waits, and nothing is lost."""
    size = 10 * 1024 * 1024
    s = open_session(gantry, task,
                     f"/bin/busybox sh -c 'stty raw; dd if=/dev/zero bs=1048576 count=10 2>&-'"
                     .replace("stty", "/bin/busybox stty").replace("dd if", "/bin/busybox dd if"))
    s.until(lambda: len(s.output) >= 1000)
    s.deaf = True
    for _ in range(600):
        s.step(0.001)
    s.deaf = False
    s.until_closed(60)
    assert len(s.output) == size and s.output.count(0) == size
    assert s.exit_code == 0


def test_much_input_to_a_program_that_reads_nothing(gantry, task):
    s = open_session(gantry, task, "/bin/busybox sh -c '/bin/busybox stty raw -echo; "
                     "echo rea''dy; read -t 1 -n 1 x; /bin/busybox sleep 1; "
                     "/bin/busybox head -c 300000 | /bin/busybox wc -c'")
    s.until_output("ready")
    s.type(b"y" * 300001)
    s.until_output("300000", 40)
    s.until_closed()
    assert s.exit_code == 0


def test_terminate(gantry, task):
    s = open_session(gantry, task, "/bin/busybox sleep 98764")
    eventually(lambda: programs(gantry, task, "98764") or s.step(0.02))
    s.terminate()
    s.until(lambda: s.lost)
    eventually(lambda: not programs(gantry, task, "98764"))


def test_the_client_vanishes(gantry, task):
    s = open_session(gantry, task, "/bin/busybox sleep 98763")
    eventually(lambda: programs(gantry, task, "98763") or s.step(0.02))
    s.vanish()
    eventually(lambda: not programs(gantry, task, "98763"))


def test_several_at_once(gantry, task):
    sessions = [open_session(gantry, task, f"/bin/busybox sh -c 'read x; echo got-$x-{i}'")
                for i in range(5)]
    for i, s in enumerate(sessions):
        s.until(lambda s=s: s.complete is not None)
        s.line(f"w{i}")
    for i, s in enumerate(sessions):
        s.until_closed()
        assert f"got-w{i}-{i}\r\n".encode() in s.output


def test_tokens(gantry, task):
    answer = execute(gantry, task)["session"]
    s = session_client.Session(answer, token="0" * 64)
    s.until(lambda: s.lost)
    assert s.request is None
    with pytest.raises(ConnectionError, match="404"):  # it was used up
        session_client.Session(answer)
    with pytest.raises(ConnectionError, match="404"):
        session_client.Session({**answer, "streamUrl": answer["streamUrl"].replace(
            answer["sessionId"], "ecs-execute-command-00000000000000000")})


def refused(gantry, code, text="", **request):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        gantry.ecs.execute_command(**{"interactive": True, "command": "sh", **request})
    assert e.value.response["Error"]["Code"] == code
    assert text in e.value.response["Error"]["Message"]


def test_bad_requests(gantry, task):
    invalid = "InvalidParameterException"
    refused(gantry, invalid, "The referenced task was not found.", task="0" * 32)
    refused(gantry, invalid, "Interactive", task=task, interactive=False)
    refused(gantry, invalid, "Command", task=task, command=" ")
    refused(gantry, invalid, "nobody", task=task, container="nobody")
    refused(gantry, "ClusterNotFoundException", task=task, cluster="nowhere")
    plain = gantry.run_task("box")
    two = gantry.run_task("two", enableExecuteCommand=True)
    gantry.wait_status(plain, "RUNNING")
    found = gantry.wait_status(two, "RUNNING")
    assert [len(c["managedAgents"]) for c in found["containers"]] == [1, 1]
    refused(gantry, invalid, "execute command agent isn\u2019t running", task=plain)
    refused(gantry, invalid, "container name", task=two)
    answer = gantry.ecs.execute_command(task=two, container="other", interactive=True,
                                        command="/bin/busybox echo here")
    assert answer["containerName"] == "other"
    for t in (plain, two):
        gantry.ecs.stop_task(task=t)
    stopped = gantry.wait_status(two, "STOPPED")
    assert stopped["containers"][0]["managedAgents"][0]["lastStatus"] == "STOPPED"
    refused(gantry, invalid, "isn\u2019t running", task=two, container="main")


@pytest.mark.skipif(not shutil.which("aws"), reason="needs awscli")
def test_the_aws_cli(gantry, task, tmp_path):
    plugin = tmp_path / "session-manager-plugin"
    shutil.copy(session_client.__file__, plugin)
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    keys = gantry.client("ecs")._request_signer._credentials
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}",
           "AWS_ACCESS_KEY_ID": keys.access_key, "AWS_SECRET_ACCESS_KEY": keys.secret_key,
           "AWS_DEFAULT_REGION": "us-east-1", "SESSION_ARGUMENTS": str(tmp_path / "arguments")}
    done = subprocess.run(
        ["aws", "--endpoint-url", f"http://{gantry.address}", "ecs", "execute-command",
         "--task", task, "--interactive", "--command", "/bin/busybox sh"],
        input="echo by-the-$((40+2))\nexit\n", env=env, capture_output=True, text=True,
        timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "by-the-42\r\n" in done.stdout.replace("\n", "\r\n").replace("\r\r", "\r")
    arguments = json.loads((tmp_path / "arguments").read_text())
    target = json.loads(arguments[4])["Target"]
    runtime = gantry.describe(task)[0]["containers"][0]["runtimeId"]
    assert target == f"ecs:default_{task.rsplit('/', 1)[1]}_{runtime}"


def test_the_agent_is_killed(gantry, task):
    s = open_session(gantry, task, "/bin/busybox sleep 98762")
    eventually(lambda: programs(gantry, task, "98762") or s.step(0.02))
    os.kill(gantry.part("agent").pid, signal.SIGKILL)
    s.until_closed()
    assert "gone" in s.end_text and s.exit_code == 255
    eventually(lambda: not programs(gantry, task, "98762"))

    def again():
        try:
            return execute(gantry, task, "/bin/busybox echo back")
        except gantry.ecs.exceptions.TargetNotConnectedException:
            return None
    s = session_client.Session(eventually(again)["session"])
    s.until_closed()
    assert bytes(s.output) == b"back\r\n"


def test_the_server_is_killed(gantry, task):
    s = open_session(gantry, task, "/bin/busybox sleep 98761")
    eventually(lambda: programs(gantry, task, "98761") or s.step(0.02))
    os.kill(gantry.part("server").pid, signal.SIGKILL)
    s.until(lambda: s.lost)
    eventually(lambda: not programs(gantry, task, "98761"))
