"""registry.py: push and pull of a blob of 1 GB, beside Debian's docker-registry."""
import contextlib
import hashlib
import os
import shutil
import subprocess
import time

import aws
import host
import report

SIZE = 1 << 30


@contextlib.contextmanager
def debian_registry(folder):
    program = shutil.which("docker-registry")
    if not program:
        raise RuntimeError("docker-registry is not installed")
    port = host.free_port()
    config = folder / "registry.yml"
    config.write_text(f"""version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}
http: {{addr: "127.0.0.1:{port}"}}
""")
    with open(folder / "registry.log", "wb") as log:
        process = subprocess.Popen([program, "serve", config], stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL)
    try:
        def ready():
            with contextlib.suppress(OSError):
                return aws.Registry("127.0.0.1", port, None).request("GET", "/v2/")
            return None
        host.await_true(ready, 20, "docker-registry answers", 0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def make_blob(path, seed):
    """Bytes that don't compress; only the first block differs between the runs."""
    if not path.exists():
        with open(path, "wb") as out:
            for _ in range(SIZE >> 24):
                out.write(os.urandom(1 << 24))
    with open(path, "r+b") as out:
        out.write(hashlib.sha256(seed.encode()).digest())
    digest = hashlib.sha256()
    with open(path, "rb") as data:
        while block := data.read(1 << 22):
            digest.update(block)
    return "sha256:" + digest.hexdigest()


def curl(*words):
    done = subprocess.run(["curl", "-sS", "--fail", "-o", "/dev/null", "-H", "Expect:",
                           "-w", "%{time_total}", *words], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"curl: {done.stderr.strip()}")
    return float(done.stdout)


def transfer(port, token, repository, blob, digest, peak):
    registry = aws.Registry("127.0.0.1", port, token)
    auth = ["-H", f"Authorization: Basic {token}"] if token else []
    url = f"http://127.0.0.1:{port}"
    os.sync()
    where = registry.upload_path(repository, digest)
    pushed = curl("-T", str(blob), "-H", "Content-Type: application/octet-stream", *auth,
                  url + where)
    grown = peak()
    pulled = curl(*auth, f"{url}/v2/{repository}/blobs/{digest}")
    return pushed, pulled, grown


def measure(name, port, token, blob, peak):
    times = []
    for n in range(3):
        digest = make_blob(blob, f"{name} {n}")
        times.append(transfer(port, token, "bench", blob, digest, peak))
        host.say(f"{name}: push {times[-1][0]:.2f} s, pull {times[-1][1]:.2f} s")
        time.sleep(1)
    return [report.median([t[i] for t in times]) for i in (0, 1)], max(t[2] for t in times)


def run(out, options):
    results, notes = {}, []
    with host.workspace() as folder:
        blob = folder / "blob"
        if options.program:
            try:
                with host.Gantry(options.program, folder / "gantry") as gantry:
                    gantry.client.call("ecr", "CreateRepository", repositoryName="bench")
                    server = gantry.processes().get("server")
                    results["gantry"] = measure(
                        "gantry", gantry.port, gantry.client.registry_login(), blob,
                        lambda: host.rss_mib(server) if server else 0)
            except (RuntimeError, TimeoutError, OSError, aws.ApiError) as why:
                notes.append(f"gantry: {why}")
            shutil.rmtree(folder / "gantry", ignore_errors=True)
        try:
            with debian_registry(folder) as port:
                results["docker-registry"] = measure("docker-registry", port, None, blob,
                                                     lambda: 0)
        except (RuntimeError, TimeoutError, OSError, aws.ApiError) as why:
            notes.append(f"docker-registry: {why}")

    rows = []
    for name, (times, memory) in results.items():
        rows.append((name, *[f"{report.show(t, 's')} ({SIZE / 2**20 / t:.0f} MiB/s)"
                             for t in times], report.show(memory, "MiB") if memory else "-"))
    ours = results.get("gantry", ((None, None), None))[0]
    theirs = results.get("docker-registry", ((None, None), None))[0]
    out.table("A blob of 1 GiB, median of 3", ("registry", "push", "pull", "server's RSS"), rows,
              [report.verdict_ratio(f"registry {what}", ours[i], theirs[i], 1.0, "≤ 1 ×")
               for i, what in enumerate(("push", "pull"))])
    for note in notes:
        out.note(f"not measured: {note}")
