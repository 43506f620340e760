"""api.py: API calls a second against a lone server: DescribeTasks of one, RunTask accepted."""
import contextlib
import http.client
import json
import socket
import subprocess
import threading

import aws
import host


CAPABILITIES = [f"docker-remote-api.1.{n}" for n in range(17, 45)] + ["logging-driver.json-file"]


def load(program, gantry, request, connections, seconds, pattern):
    path = gantry.folder / "request"
    path.write_bytes(request)
    done = subprocess.run([program, "127.0.0.1", str(gantry.port), path, str(connections),
                           str(seconds), pattern], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-500:])
    if done.stderr:
        host.say(done.stderr.strip()[:300])
    return json.loads(done.stdout)


@contextlib.contextmanager
def idle_instance(client):
    """An instance with room for every task, whose agent only listens: RunTask finds a place,
    and no host works beside the control plane that is measured."""
    def integer(name, value):
        return {"name": name, "type": "INTEGER", "integerValue": value}
    made = client.ecs(
        "RegisterContainerInstance", cluster="default",
        totalResources=[integer("CPU", 1 << 30), integer("MEMORY", 1 << 30),
                        {"name": "PORTS", "type": "STRINGSET", "stringSetValue": []},
                        {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []}],
        attributes=[{"name": "ecs.os-type", "value": "linux"},
                    {"name": "ecs.cpu-architecture", "value": "x86_64"},
                    *[{"name": f"com.amazonaws.ecs.capability.{c}"} for c in CAPABILITIES]])
    connection, answer = client.stream(
        "/gantry/v1/agent",
        containerInstanceArn=made["containerInstance"]["containerInstanceArn"])
    if answer.status != 200:
        raise RuntimeError(f"the agents' stream: {answer.status} {answer.read()[:300]}")

    def drain():
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            while answer.read1(1 << 20):
                pass
    threading.Thread(target=drain, daemon=True).start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def run(out, options):
    if not options.program:
        out.note("not measured: API calls a second: there is no gantry")
        return
    rows, notes = [], []
    with host.workspace() as folder:
        program = host.compile_c("load", folder)
        with host.Gantry(options.program, folder / "gantry", ("server",)) as gantry, \
                idle_instance(gantry.client):
            client = gantry.client
            client.ecs("RegisterTaskDefinition", family="none", networkMode="none",
                       containerDefinitions=[{"name": "c", "image": "none:1",
                                              "memory": 4, "cpu": 0}])
            answer = client.ecs("RunTask", taskDefinition="none")
            task = answer["tasks"][0]["taskArn"] if answer["tasks"] else None
            cases = [("DescribeTasks of one", "DescribeTasks", {"tasks": [task]}, '"taskArn"'),
                     ("RunTask, desired state only", "RunTask", {"taskDefinition": "none"},
                      '"taskArn"'),
                     ("RegisterTaskDefinition", "RegisterTaskDefinition",
                      {"family": "many", "containerDefinitions": [
                          {"name": "c", "image": "x", "memory": 4}]}, '"taskDefinitionArn"')]
            for title, operation, body, pattern in cases:
                if operation == "DescribeTasks" and not task:
                    notes.append(f"DescribeTasks: RunTask said {answer['failures']}")
                    continue
                for connections in (1, 8, 64):
                    try:
                        r = load(program, gantry, client.raw("ecs", operation, body),
                                 connections, options.seconds, pattern)
                    except (RuntimeError, aws.ApiError) as why:
                        notes.append(f"{title}, {connections} connections: {why}")
                        continue
                    rows.append((title, connections, f"{r['per_second']:.0f}",
                                 f"{r['p50_ms']:.2f} ms", f"{r['p99_ms']:.2f} ms", r["errors"],
                                 f"{100 * r['matched'] / max(r['calls'], 1):.0f} %"))
    out.table("API calls", ("operation", "connections", "calls a second", "p50", "p99", "errors",
                            "answered with what was asked"), rows)
    for note in notes:
        out.note(f"not measured: {note}")
