"""size.py: the stripped binary, and what the idle processes hold in memory."""
import subprocess
import time

import host
import report

GOALS_MIB = {"server": 15, "agent": 8, "fargate": 8}


def run(out, options):
    if not options.program:
        out.note("not measured: sizes: there is no gantry")
        return
    rows, verdicts = [], []
    with host.workspace() as folder:
        stripped = folder / "stripped"
        subprocess.run(["strip", "-o", stripped, options.program], check=True)
        size = stripped.stat().st_size / 1e6
        rows.append(("binary, stripped", report.show(size, "MB")))
        verdicts.append(report.verdict_max("stripped binary", size, 5, "MB"))
        with host.Gantry(options.program, folder / "gantry") as gantry:
            gantry.await_instance()
            time.sleep(10)
            found = gantry.processes()
            for name, pid in sorted(found.items()):
                rows.append((f"{name}, idle for 10 s", report.show(host.rss_mib(pid), "MiB")))
            for name, goal in GOALS_MIB.items():
                figure = host.rss_mib(found[name]) if name in found else None
                verdicts.append(report.verdict_max(f"RSS of the idle {name}", figure, goal, "MiB"))
    out.table("Size and memory", ("what", "figure"), rows, verdicts)
