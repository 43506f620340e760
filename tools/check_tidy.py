"""check_tidy.py [FILE...]: clang-tidy over the files of compile_commands.json that are ours.

Files run in parallel. What was clean stays clean as long as neither the preprocessed text
nor .clang-tidy changes: the keys of clean files are kept in build/check/tidy.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
ROOT = pathlib.Path.cwd()
KEPT = BUILD / "check" / "tidy"
CONFIG = (".clang-tidy", "tests/.clang-tidy", "tools/analyzer.h", "tools/check_tidy.py")
DROP = {"-o", "-MF", "-MQ"}
# gcc's flags that clang doesn't know must not count as findings.
EXTRA = ["-Wno-unknown-warning-option", "-Wno-everything"]
# Not where the functions themselves are.
DEFINES = re.compile(r"^int (fail|fail_errno|wrap|call_fault)\(", re.M)
ANALYZER = [f"-I{ROOT}/src/base", f"-include{ROOT}/tools/analyzer.h"]


def commands():
    """Our files and how they are compiled; generated code lives in the build folder."""
    found = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / BUILD):
            found.setdefault(str(path.relative_to(ROOT)), entry)
    return found


def key_of(entry):
    words, flags, skip = shlex.split(entry["command"]), [], False
    for word in words:
        if skip or word in DROP:
            skip = not skip
        elif word not in ("-c", "-MD", "ccache"):
            flags.append(word)
    text = subprocess.run(flags + ["-E", "-P"], cwd=entry["directory"], capture_output=True)
    if text.returncode != 0:
        return None
    config = b"".join(pathlib.Path(p).read_bytes() for p in CONFIG)
    return hashlib.sha256(config + text.stdout).hexdigest()


def run(tidy, path, entry):
    key = key_of(entry)
    mark = KEPT / key if key else None
    if mark and mark.exists():
        return path, True, ""
    extra = EXTRA + ([] if DEFINES.search(pathlib.Path(path).read_text()) else ANALYZER)
    done = subprocess.run(
        [tidy, "-p", str(BUILD), "--quiet", *[f"--extra-arg={e}" for e in extra], path],
        capture_output=True, text=True, errors="replace")
    if done.returncode == 0 and mark:
        mark.touch()
    return path, done.returncode == 0, done.stdout.replace(str(ROOT) + "/", "") + (
        done.stderr if done.returncode and not done.stdout.strip() else "")


def main():
    tidy = shutil.which("clang-tidy-14")
    if not tidy or not (BUILD / "compile_commands.json").exists():
        print("skip: clang-tidy-14 or the build folder is missing")
        return 77
    KEPT.mkdir(parents=True, exist_ok=True)
    all_files = commands()
    wanted = [os.path.relpath(f) for f in sys.argv[1:]] or sorted(all_files)
    bad = []
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", os.cpu_count()))) as pool:
        jobs = [pool.submit(run, tidy, f, all_files[f]) for f in wanted if f in all_files]
        for n, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            path, ok, text = job.result()
            print(f"[{n}/{len(jobs)}] {'ok   ' if ok else 'WRONG'} {path}", flush=True)
            if not ok:
                bad.append(path)
                print(text, flush=True)
    if bad:
        print(f"{len(bad)} of {len(jobs)} files have findings: {' '.join(bad)}")
        return 1
    print(f"{len(jobs)} files without findings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
