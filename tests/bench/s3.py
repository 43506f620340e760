"""S3 beside `cp`: one object of 1 GB put and got by curl, and the server's peak memory. Prints
lines; run it alone: /usr/bin/python3 tests/bench/s3.py [MB]"""

import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))
from conftest import Server  # noqa: E402
from s3_help import client, new_bucket  # noqa: E402

SIZE = int(sys.argv[1] if len(sys.argv) > 1 else 1000) * 1_000_000


def timed(*command):
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


def peak_mib(server):
    for line in open(f"/proc/{server.process.pid}/status", encoding="ascii"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0


def main():
    server = Server()
    try:
        s3 = client(server)
        bucket = new_bucket(s3)
        source, copy = f"{server.dir}/source", f"{server.dir}/copy"
        with open(source, "wb") as f:
            block = os.urandom(1_000_000)
            for _ in range(SIZE // len(block)):
                f.write(block)
        where = {"Bucket": bucket, "Key": "big"}
        put = s3.generate_presigned_url("put_object", Params=where)
        get = s3.generate_presigned_url("get_object", Params=where)
        before = peak_mib(server)
        plain = timed("sh", "-c", f"cp {source} {copy} && sync {copy}")
        up = timed("curl", "-sf", "-T", source, put)
        os.unlink(copy)
        down = timed("curl", "-sf", "-o", copy, get)
        read = timed("cp", source, copy)
        print(f"cp and sync {SIZE / plain / 1e6:.0f} MB/s, put {SIZE / up / 1e6:.0f} MB/s "
              f"({plain / up:.2f} of it)")
        print(f"cp {SIZE / read / 1e6:.0f} MB/s, get {SIZE / down / 1e6:.0f} MB/s "
              f"({read / down:.2f} of it)")
        print(f"peak memory {before:.0f} MiB before, {peak_mib(server):.0f} MiB after")
    finally:
        server.close()


if __name__ == "__main__":
    main()
