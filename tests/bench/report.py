"""report.py: medians, and a table in which each figure stands beside its goal."""
import os
import platform
import statistics


def median(values):
    return statistics.median(values) if values else None


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


def show(value, unit):
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {unit}"


class Report:
    """Rows of (what, figure, goal, verdict); printed as Markdown as soon as a part ends."""

    def __init__(self):
        self.missed = []
        self.open = []

    def machine(self):
        model = "unknown processor"
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    model = line.split(":", 1)[1].strip()
                    break
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        groups = "v2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "v1 or hybrid"
        print(f"Machine: {model}, {os.cpu_count()} cores, {memory:.0f} GiB; "
              f"Linux {platform.release()}, cgroup {groups}; load {os.getloadavg()[0]:.2f}\n")

    def table(self, title, header, rows, verdicts=()):
        """`verdicts` are (what, value text, goal text, met) with met None for not measured."""
        print(f"\n### {title}\n")
        print("| " + " | ".join(header) + " |")
        print("|" + " --- |" * len(header))
        for row in rows:
            print("| " + " | ".join(str(cell) for cell in row) + " |")
        if verdicts:
            print("\n| figure | measured | goal | |")
            print("| --- | --- | --- | --- |")
        for what, value, goal, met in verdicts:
            word = "not measured" if met is None else "meets" if met else "**misses**"
            print(f"| {what} | {value} | {goal} | {word} |")
            if met is None:
                self.open.append(what)
            elif not met:
                self.missed.append(f"{what}: {value}, goal {goal}")
        print(flush=True)

    def note(self, text):
        print(f"- {text}", flush=True)

    def close(self):
        print("\n### In short\n")
        for line in self.missed:
            self.note(f"misses: {line}")
        for line in self.open:
            self.note(f"not measured: {line}")
        if not self.missed and not self.open:
            self.note("no figure that was measured misses its goal")


def ratio(figure, other):
    return None if figure is None or not other else figure / other


def verdict_ratio(what, figure, other, limit, goal):
    """figure / other <= limit"""
    r = ratio(figure, other)
    return (what, "-" if r is None else f"{r:.2f} ×", goal, None if r is None else r <= limit)


def verdict_min(what, figure, limit, unit):
    return (what, show(figure, unit), f"≥ {limit} {unit}",
            None if figure is None else figure >= limit)


def verdict_max(what, figure, limit, unit):
    return (what, show(figure, unit), f"≤ {limit} {unit}",
            None if figure is None else figure <= limit)
