"""policy.py: what authorisation costs: a decision alone, and a whole call of a user with
twenty policies beside the same call where nobody is asked (--dev)."""
import json
import pathlib
import subprocess

import api
import aws
import host
import report

POLICIES = 20
TURNS = 5
GOAL_NS, GOAL_RATIO = 5000, 1.3


def program_of(options):
    """policy_bench of the build that the program is from; None: it can't be built."""
    build = pathlib.Path(options.gantry).resolve().parent
    if not (build / "build.ninja").exists():
        return None
    subprocess.run(["ninja", "-C", str(build), "tests/bench/policy_bench"], check=True,
                   stdout=subprocess.DEVNULL)
    return build / "tests" / "bench" / "policy_bench"


def decisions(out, options):
    program = program_of(options)
    if not program:
        out.note("not measured: a decision: the program is from no build")
        return
    text = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in text.splitlines()]
    worst = max(int(row[1]) for row in rows)
    out.table(f"A decision with {POLICIES} policies",
              ("request", "median", "99th percentile"),
              [(what, f"{p50} ns", f"{p99} ns") for what, p50, p99 in rows],
              [report.verdict_max("the slowest median", worst, GOAL_NS, "ns")])


def document(i):
    """Only the last one allows what is called."""
    allowed = "ecs:ListClusters" if i == POLICIES - 1 else f"s3:Get{i}*"
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["ecs:RunTask", "ecs:StopTask"],
         "Resource": f"arn:aws:ecs:*:*:task/service-{i}/*"},
        {"Effect": "Allow", "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::bucket-{i}/${{aws:username}}/*",
         "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Effect": "Allow", "Action": allowed, "Resource": "*"},
        {"Effect": "Deny", "Action": ["ecs:Delete*", "s3:DeleteBucket"], "Resource": "*",
         "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]})


def iam(client, action, **parameters):
    return client.query("iam", "2010-05-08", action, **parameters)


def inside(xml, name):
    return xml.split(f"<{name}>", 1)[1].split(f"</{name}>", 1)[0]


def user_of(gantry):
    """A client that signs as a user with ten policies attached and ten of its own."""
    root = gantry.client
    iam(root, "CreateUser", UserName="ann")
    for i in range(POLICIES // 2):
        made = iam(root, "CreatePolicy", PolicyName=f"p{i}", PolicyDocument=document(i))
        iam(root, "AttachUserPolicy", UserName="ann", PolicyArn=inside(made, "Arn"))
    for i in range(POLICIES // 2, POLICIES):
        # Inline policies have 2,048 characters together: these are the short ones.
        action = "ecs:ListClusters" if i == POLICIES - 1 else f"s3:Get{i}*"
        iam(root, "PutUserPolicy", UserName="ann", PolicyName=f"i{i}",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": {
                "Effect": "Allow", "Action": action, "Resource": "*"}}))
    key = iam(root, "CreateAccessKey", UserName="ann")
    return aws.Client("127.0.0.1", gantry.port, inside(key, "AccessKeyId"),
                      inside(key, "SecretAccessKey"), root.region)


def turn(load, gantry, client, connections, options):
    r = api.load(load, gantry, client.raw("ecs", "ListClusters", {}), connections,
                 min(options.seconds, 2), '"clusterArns"')
    if r["errors"] or r["matched"] < r["calls"]:
        raise RuntimeError(f"{r['errors']} errors, {r['matched']} of {r['calls']} answered")
    return r


def calls(out, options):
    """Both servers in turns, as the machine's speed drifts."""
    rows, verdicts = [], []
    with host.workspace() as folder:
        load = host.compile_c("load", folder)
        with host.Gantry(options.program, folder / "full", ("server",)) as full, \
                host.Gantry(options.program, folder / "dev", ("server", "--dev")) as dev:
            pairs = {"user": (full, user_of(full)), "--dev": (dev, dev.client)}
            for connections in (1, 8):
                took = {name: [] for name in pairs}
                for _ in range(TURNS):
                    for name, (gantry, client) in pairs.items():
                        took[name].append(turn(load, gantry, client, connections, options))
                cost = {}
                for name, turns in took.items():
                    second = report.median([t["per_second"] for t in turns])
                    cost[name] = 1e6 / second
                    rows.append((name, connections, f"{second:.0f}",
                                 f"{report.median([t['p50_ms'] for t in turns]):.3f} ms",
                                 f"{report.median([t['p99_ms'] for t in turns]):.3f} ms"))
                verdicts.append(report.verdict_ratio(
                    f"time of a call with {POLICIES} policies beside --dev, {connections} "
                    "connections", cost["user"], cost["--dev"], GOAL_RATIO, f"≤ {GOAL_RATIO} ×"))
    out.table("ListClusters, signed", ("caller", "connections", "calls a second", "p50", "p99"),
              rows, verdicts)


def run(out, options):
    decisions(out, options)
    if not options.program:
        out.note("not measured: calls with authorisation: there is no gantry")
        return
    calls(out, options)
