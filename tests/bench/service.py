"""service.py: CreateService of 50 tasks to 50 running, and a rolling update of all of them,
beside a one-node Swarm. The update replaces all 50 at once on both sides (minimumHealthyPercent
0 and maximumPercent 100; parallelism 0 and stop-first, without Swarm's monitoring period):
where a minimum is to be kept, ECS counts a task without a health check as healthy only when it
has run for 40 s, and Swarm at once, so that nothing but this rule would be measured."""
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
        container = {"name": "first", "image": image, "memory": 16, "cpu": 10,
                     "command": ["/dev/null", "stay"],
                     "portMappings": [{"containerPort": 8080, "hostPort": 0}]}
        client.ecs("RegisterTaskDefinition", family="stay", networkMode="bridge",
                   containerDefinitions=[container])

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
                   desiredCount=COUNT, deploymentConfiguration={
                       "minimumHealthyPercent": 0, "maximumPercent": 100})
        host.await_true(lambda: running(COUNT), 120, f"{COUNT} running", 0.02)
        up = time.monotonic() - begun
        update = gantry_update(client, container)
        tasks = client.ecs("ListTasks", serviceName="stay")["taskArns"]
        begun = time.monotonic()
        client.ecs("UpdateService", service="stay", desiredCount=0)
        # The service's count drops when the tasks are told; they are gone when they say so.
        host.await_true(lambda: all(t["lastStatus"] == "STOPPED" for t in client.ecs(
            "DescribeTasks", tasks=tasks)["tasks"]), 120, f"{COUNT} stopped", 0.02)
        return up, update, time.monotonic() - begun


def gantry_update(client, container):
    """From UpdateService to COMPLETED with every older task stopped."""
    old = client.ecs("ListTasks", serviceName="stay")["taskArns"]
    client.ecs("RegisterTaskDefinition", family="stay", networkMode="bridge",
               containerDefinitions=[{**container,
                                      "environment": [{"name": "N", "value": "1"}]}])

    def steady():
        s = client.ecs("DescribeServices", services=["stay"])["services"][0]
        return (len(s["deployments"]) == 1 and s["runningCount"] == COUNT and
                s["deployments"][0]["rolloutState"] == "COMPLETED" and
                all(t["lastStatus"] == "STOPPED" for t in client.ecs(
                    "DescribeTasks", tasks=old)["tasks"]))
    begun = time.monotonic()
    client.ecs("UpdateService", service="stay", taskDefinition="stay")
    host.await_true(steady, 120, "a steady service", 0.02)
    return time.monotonic() - begun


def swarm_update(docker):
    """From `docker service update` to "completed" with 50 new containers and no old one."""
    def containers():
        return {c["Id"] for c in docker.api("GET", "/containers/json") or []}
    old = containers()

    def steady():
        found = docker.api("GET", "/services/stay") or {}
        now = containers()
        return (found.get("UpdateStatus", {}).get("State") == "completed" and
                len(now) == COUNT and not now & old)
    begun = time.monotonic()
    rivals.quiet(*docker.client, "service", "update", "--detach", "--quiet",
                 "--no-resolve-image", "--update-parallelism", 0, "--update-delay", "0s",
                 "--update-monitor", "1ms", "--update-order", "stop-first", "--env-add", "N=1",
                 "stay")
    host.await_true(steady, 180, "a completed update", 0.05)
    return time.monotonic() - begun


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
        update = swarm_update(docker)
        begun = time.monotonic()
        rivals.quiet(*docker.client, "service", "scale", "--detach", "stay=0")

        def containers():
            return docker.api("GET", "/containers/json") or []
        host.await_true(lambda: not containers(), 120, "0 replicas", 0.05)
        down = time.monotonic() - begun
        rivals.quiet(*docker.client, "service", "rm", "stay")
        rivals.quiet(*docker.client, "swarm", "leave", "--force")
        return up, update, down
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
        rows.append((name, *[report.show(f, "s") for f in figures or (None,) * 3]))
    out.table(f"A service of {COUNT} tasks, image local",
              ("what", f"to {COUNT} running", "all replaced", "to none"), rows,
              [report.verdict_ratio(f"{COUNT} tasks beside Swarm", ours and ours[0],
                                    theirs and theirs[0], 1 / 8, "≤ 1/8"),
               report.verdict_ratio(f"update of {COUNT} tasks beside Swarm", ours and ours[1],
                                    theirs and theirs[1], 1 / 4, "≤ 1/4")])
    for note in notes:
        out.note(f"not measured: {note}")
