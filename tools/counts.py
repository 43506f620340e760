#!/usr/bin/python3
"""counts.py: counts passed, failed and skipped tests from result files.

    counts.py meson BUILD/meson-logs/testlog.json    unit tests; counts what cmocka printed
    counts.py junit FILE.xml                         pytest
    counts.py sum FILE...                            lines "name passed failed skipped"

Prints "passed failed skipped"; `sum` prints the closing line of make test and .ci/run and
exits with 1 when something failed or nothing ran. Details of failures and skips go to
stderr.
"""
import json
import re
import sys
import xml.etree.ElementTree as ElementTree


def meson(path):
    """A program that died, or isn't cmocka's, counts as one test of its own."""
    passed = failed = skipped = 0
    with open(path, encoding="utf-8", errors="replace") as log:
        runs = [json.loads(line) for line in log if line.strip()]
    for run in runs:
        text = run.get("stdout", "") + run.get("stderr", "")
        ok = sum(int(n) for n in re.findall(r"^\[  PASSED  \] (\d+) test", text, re.M))
        bad = sum(int(n) for n in re.findall(r"^\[  FAILED  \] [^\n]*?(\d+) test", text, re.M))
        skip = sum(int(n) for n in re.findall(r"^\[  SKIPPED \] [^\n]*?(\d+) test", text, re.M))
        if run["result"] == "SKIP" and not skip:
            skip = 1
        if run["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and not bad:
            bad = 1
        if run["result"] == "OK" and not ok and not skip:
            ok = 1
        if bad:
            sys.stderr.write(f"--- {run['name']}: {run['result']}\n{text[-6000:]}\n")
        passed, failed, skipped = passed + ok, failed + bad, skipped + skip
    return passed, failed, skipped


def junit(path):
    passed = failed = skipped = 0
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        total = int(suite.get("tests", 0))
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skip = int(suite.get("skipped", 0))
        # A test that fails in its teardown as well is one test with two errors.
        passed += max(total - bad - skip, 0)
        failed += bad
        skipped += skip
    return passed, failed, skipped


def total(paths):
    passed = failed = skipped = 0
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                _, ok, bad, skip = line.split()
                passed, failed, skipped = passed + int(ok), failed + int(bad), skipped + int(skip)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


def main(argv):
    if len(argv) >= 2 and argv[0] == "sum":
        return total(argv[1:])
    if len(argv) == 2 and argv[0] in ("meson", "junit"):
        print(*{"meson": meson, "junit": junit}[argv[0]](argv[1]))
        return 0
    sys.stderr.write(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
