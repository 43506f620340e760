"""service.py: CreateService of 50 tasks to 50 running, beside a one-node Swarm."""
import time

import aws
import host
import report
import rivals

COUNT = 50


def gantry_service(folder, layer, program):
    with host.Gantry(program, folder / "gantry") as gantry:
        gantry.await_instance()
        image = gantry.push("first", layer, ["/first"])
        client = gantry.client
        client.ecs("RegisterTaskDefinition", family="stay", networkMode="bridge",
                   containerDefinitions=[{
                       "name": "first", "image": image, "memory": 16, "cpu": 10,
                       "command": ["/dev/null", "stay"],
                       "portMappings": [{"containerPort": 8080, "hostPort": 0}]}])

        def running(wanted):
            s = client.ecs("DescribeServices", services=["stay"])["services"][0]
            return s["runningCount"] == wanted and s["pendingCount"] == 0
        # Once with one task, so that the image is local, as with the rival.
        client.ecs("CreateService", serviceName="warm", taskDefinition="stay", desiredCount=1)
        host.await_true(lambda: client.ecs("DescribeServices", services=["warm"])["services"][0][
            "runningCount"] == 1, 60, "one task")
        client.ecs("DeleteService", service="warm", force=True)
        begun = time.monotonic()
        client.ecs("CreateService", serviceName="stay", taskDefinition="stay",
                   desiredCount=COUNT)
        host.await_true(lambda: running(COUNT), 120, f"{COUNT} running", 0.02)
        up = time.monotonic() - begun
        tasks = client.ecs("ListTasks", serviceName="stay")["taskArns"]
        begun = time.monotonic()
        client.ecs("UpdateService", service="stay", desiredCount=0)
        # The service's count drops when the tasks are told; they are gone when they say so.
        host.await_true(lambda: all(t["lastStatus"] == "STOPPED" for t in client.ecs(
            "DescribeTasks", tasks=tasks)["tasks"]), 120, f"{COUNT} stopped", 0.02)
        return up, time.monotonic() - begun


def swarm_service(folder, layer):
    docker = rivals.Docker(folder, layer)
    try:
        docker.api("POST", "/swarm/init", {"ListenAddr": f"{docker.ADDRESS}:2377",
                                           "AdvertiseAddr": docker.ADDRESS})

        def running(name):
            listed = docker.api("GET", "/services?status=true") or []
            return next((s["ServiceStatus"]["RunningTasks"] for s in listed
                         if s["Spec"]["Name"] == name), 0)

        def create(name, count):
            rivals.quiet(*docker.client, "service", "create", "--detach", "--quiet",
                         "--name", name, "--replicas", count, "--no-resolve-image",
                         "first:1", "/dev/null", "stay")
        create("warm", 1)
        host.await_true(lambda: running("warm") == 1, 60, "one replica", 0.1)
        rivals.quiet(*docker.client, "service", "rm", "warm")
        time.sleep(2)
        begun = time.monotonic()
        create("stay", COUNT)
        host.await_true(lambda: running("stay") == COUNT, 120, f"{COUNT} replicas", 0.05)
        up = time.monotonic() - begun
        begun = time.monotonic()
        rivals.quiet(*docker.client, "service", "scale", "--detach", "stay=0")

        def containers():
            return docker.api("GET", "/containers/json") or []
        host.await_true(lambda: not containers(), 120, "0 replicas", 0.05)
        down = time.monotonic() - begun
        rivals.quiet(*docker.client, "service", "rm", "stay")
        rivals.quiet(*docker.client, "swarm", "leave", "--force")
        return up, down
    finally:
        docker.close()


def run(out, options):
    rows, ours, theirs, notes = [], None, None, []
    with host.workspace() as folder:
        layer = aws.layer_of(host.compile_c("first", folder, "-static"), "first")
        if options.program:
            try:
                ours = gantry_service(folder, layer, options.program)
            except (RuntimeError, TimeoutError, OSError, aws.ApiError) as why:
                notes.append(f"gantry: {why}")
        try:
            theirs = swarm_service(folder, layer)
        except (rivals.Missing, TimeoutError, OSError) as why:
            notes.append(f"Swarm: {why}")
    for name, figures in (("gantry CreateService", ours), ("docker service create", theirs)):
        rows.append((name, *[report.show(f, "s") for f in figures or (None, None)]))
    out.table(f"A service of {COUNT} tasks, image local", ("what", f"to {COUNT} running",
                                                          "to none"), rows,
              [report.verdict_ratio(f"{COUNT} tasks beside Swarm", ours and ours[0],
                                    theirs and theirs[0], 1 / 8, "≤ 1/8")])
    for note in notes:
        out.note(f"not measured: {note}")
