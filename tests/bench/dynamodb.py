"""dynamodb.py: DynamoDB's items a second against a lone server, over kept-alive connections,
beside the item store alone (items_bench, when it was built: `ninja tests/bench/items_bench`)."""
import os
import pathlib
import subprocess

import aws
import host
from api import load


def alone(out, folder, program):
    bench = pathlib.Path(program).parent / "tests/bench/items_bench"
    if not bench.exists():
        out.note("not measured: the item store alone: there is no items_bench")
        return
    done = subprocess.run([bench, folder / "items"], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        out.note(f"the item store alone: {' '.join(line.split())}")


def processor_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def item(number):
    return {"k": {"S": f"user#{number:08}"}, **{
        f"attribute{i}": {"S": f"value {i} of user {number}, in text"} if i % 3 else
        {"N": str(number * 7)} for i in range(9)}}


def run(out, options):
    if not options.program:
        out.note("not measured: DynamoDB: there is no gantry")
        return
    rows, notes = [], []
    with host.workspace() as folder:
        alone(out, folder, options.program)
        program = host.compile_c("load", folder)
        with host.Gantry(options.program, folder / "gantry", ("server",)) as gantry:
            call = gantry.client.call
            call("dynamodb", "CreateTable", TableName="bench", BillingMode="PAY_PER_REQUEST",
                 KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
                 AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}])
            for i in range(0, 5000, 25):
                call("dynamodb", "BatchWriteItem", RequestItems={"bench": [
                    {"PutRequest": {"Item": item(n)}} for n in range(i, i + 25)]})
            cases = [("GetItem", {"Key": {"k": item(77)["k"]}}, '"Item"'),
                     ("PutItem", {"Item": item(78)}, "{}"),
                     ("UpdateItem", {"Key": {"k": item(79)["k"]}, "UpdateExpression": "ADD n :n",
                                     "ExpressionAttributeValues": {":n": {"N": "1"}}}, "{}"),
                     ("Query", {"KeyConditionExpression": "k = :k",
                                "ExpressionAttributeValues": {":k": item(77)["k"]}}, '"Items"')]
            for operation, body, pattern in cases:
                for connections in (1, 8, 64):
                    before = processor_s(gantry.process.pid)
                    try:
                        r = load(program, gantry, gantry.client.raw(
                            "dynamodb", operation, {"TableName": "bench", **body}),
                            connections, options.seconds, pattern)
                    except (RuntimeError, aws.ApiError) as why:
                        notes.append(f"{operation}, {connections} connections: {why}")
                        continue
                    spent = processor_s(gantry.process.pid) - before
                    rows.append((operation, connections, f"{r['per_second']:.0f}",
                                 f"{r['calls'] / spent:.0f}" if spent else "",
                                 f"{r['p50_ms']:.2f} ms", f"{r['p99_ms']:.2f} ms", r["errors"],
                                 f"{100 * r['matched'] / max(r['calls'], 1):.0f} %"))
    out.table("DynamoDB's items", ("operation", "connections", "calls a second",
                                   "a second of the server's processor time", "p50", "p99",
                                   "errors", "answered with what was asked"), rows)
    for note in notes:
        out.note(f"not measured: {note}")
