"""starts.py: RunTask call to the container's first instruction, beside docker, podman, crun."""
import re
import time

import host
import report
import rivals

MODES = ("none", "host", "bridge")


class GantryStarts:
    name, modes = "gantry RunTask", (*MODES, "awsvpc")

    def __init__(self, folder, layer, clock, program):
        self.gantry = host.Gantry(program, folder / "gantry").__enter__()
        try:
            self.gantry.await_instance()
            image = self.gantry.push("first", layer, ["/first"])
            self.families = {}
            self.subnets = self._subnets()
            for mode in self.modes:
                self.families[mode] = self._register(mode, image, clock)
        except BaseException:
            self.close()
            raise

    def _register(self, mode, image, clock):
        container = {
            "name": "first", "image": image, "memory": 64, "command": ["/out/clock"],
            "mountPoints": [{"sourceVolume": "out", "containerPath": "/out"}],
        }
        if mode == "bridge":
            container["portMappings"] = [{"containerPort": 8080, "hostPort": 0}]
        made = self.gantry.client.ecs(
            "RegisterTaskDefinition", family=f"first-{mode}", networkMode=mode,
            volumes=[{"name": "out", "host": {"sourcePath": str(clock.path.parent)}}],
            containerDefinitions=[container])
        return made["taskDefinition"]["taskDefinitionArn"]

    def _subnets(self):
        text = self.gantry.client.query("ec2", "2016-11-15", "DescribeSubnets")
        return re.findall("<subnetId>([^<]+)", text)

    def start(self, mode):
        more = {}
        if mode == "awsvpc":
            more["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": self.subnets}}
        answer = self.gantry.client.ecs("RunTask", taskDefinition=self.families[mode], **more)
        if answer.get("failures"):
            raise rivals.Missing(f"RunTask: {answer['failures']}")
        return answer["tasks"][0]["taskArn"]

    def finish(self, task):
        def stopped():
            found = self.gantry.client.ecs("DescribeTasks", tasks=[task])["tasks"]
            return not found or found[0]["lastStatus"] == "STOPPED"
        host.await_true(stopped, 30, f"{task} stops", 0.02)

    def close(self):
        self.gantry.__exit__()


def contestants(folder, layer, clock, program):
    """Those that work here, and why the others don't."""
    found, missing = [], []
    makers = [lambda: GantryStarts(folder, layer, clock, program)] if program else []
    makers += [lambda: rivals.Crun(folder, layer, clock),
               lambda: rivals.Podman(folder, layer, clock),
               lambda: rivals.Docker(folder, layer, clock)]
    for make in makers:
        try:
            found.append(make())
            host.say(f"ready: {found[-1].name}")
        except (rivals.Missing, RuntimeError, TimeoutError, OSError) as why:
            missing.append(str(why))
            host.say(f"not measured: {why}")
    return found, missing


def rounds(found, clock, runs):
    """Round robin, so that a busy moment of the machine hits all alike."""
    times = {(c.name, mode): [] for c in found for mode in c.modes}
    broken = {}
    for n in range(runs + 2):
        for contestant in found:
            for mode in contestant.modes:
                key = (contestant.name, mode)
                if key in broken:
                    continue
                try:
                    took = clock.start(contestant, mode)
                except (rivals.Missing, RuntimeError, TimeoutError, OSError) as why:
                    broken[key] = str(why)
                    host.say(f"{key[0]} {mode}: {why}")
                    continue
                if n >= 2:  # two to warm up
                    times[key].append(took)
                time.sleep(0.02)
        if n % 10 == 9:
            host.say(f"round {n + 1} of {runs + 2}")
    return times, broken


def run(out, options):
    with host.workspace() as folder:
        (folder / "out").mkdir()
        clock = host.Clock(folder / "out" / "clock")
        import aws
        layer = aws.layer_of(host.compile_c("first", folder, "-static"), "first")
        found, missing = contestants(folder, layer, clock, options.program)
        try:
            times, broken = rounds(found, clock, options.runs)
        finally:
            for contestant in found:
                contestant.close()

    median = {key: report.median(values) for key, values in times.items()}
    rows = []
    for key, values in times.items():
        if values:
            rows.append((key[0], key[1], len(values), report.show(min(values), "ms"),
                         report.show(median[key], "ms"),
                         report.show(report.percentile(values, 90), "ms")))
        else:
            rows.append((key[0], key[1], 0, "-", "-", broken.get(key, "")[:80]))
    verdicts = []
    crun = median.get(("crun run", "none"))
    for mode in MODES:
        ours = median.get(("gantry RunTask", mode))
        verdicts.append(report.verdict_ratio(f"start, {mode}, beside crun run", ours, crun, 2.5,
                                             "≤ 2.5 ×"))
        verdicts.append(report.verdict_ratio(f"start, {mode}, beside docker run", ours,
                                             median.get(("docker run", mode)), 1 / 6, "≤ 1/6"))
    verdicts.append(report.verdict_ratio("start, awsvpc, beside docker run with a bridge",
                                         median.get(("gantry RunTask", "awsvpc")),
                                         median.get(("docker run", "bridge")), 1 / 6, "≤ 1/6"))
    out.table(f"Call to first instruction, {options.runs} starts each, image local",
              ("what", "network", "starts", "least", "median", "90th"), rows, verdicts)
    for why in missing:
        out.note(f"not measured: {why}")
