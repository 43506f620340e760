"""What S3 acknowledged is there after kill -9; what it did not is the old object or the new one,
and nothing is left over."""

import hashlib
import pathlib
import random
import threading

import botocore.exceptions

GONE = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)


def files(server):
    store = next(pathlib.Path(server.dir).glob("data/**/s3"))
    return [p for folder in ("objects", "incoming") for p in (store / folder).rglob("*")
            if p.is_file()]


def test_kill_while_objects_are_replaced_and_deleted(own_server):
    rng = random.Random(11)
    own_server.client("s3").create_bucket(Bucket="kill")
    known = {}      # key: what it may hold, as digests; None: nothing
    for round_ in range(12):
        stop = threading.Event()

        def work(worker):
            s3 = own_server.client("s3")
            mine = random.Random(round_ * 10 + worker)
            while not stop.is_set():
                key = f"{worker}/{mine.randrange(5)}"
                data = mine.randbytes(mine.choice([0, 10, 100_000, 700_000]))
                new = None if mine.random() < 0.2 else hashlib.md5(data).hexdigest()
                known[key] = known.get(key, {None}) | {new}
                try:
                    if new:
                        s3.put_object(Bucket="kill", Key=key, Body=data)
                    else:
                        s3.delete_object(Bucket="kill", Key=key)
                except GONE:
                    return
                known[key] = {new}

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        threads[0].join(rng.random() * 0.5)  # the moment of the kill is the test's input
        own_server.kill()
        stop.set()
        for t in threads:
            t.join()
        own_server.start()
        s3 = own_server.client("s3")
        found = {o["Key"]: o for o in s3.list_objects_v2(Bucket="kill").get("Contents", [])}
        for key, may in known.items():
            held = None
            if key in found:
                data = s3.get_object(Bucket="kill", Key=key)["Body"].read()
                held = hashlib.md5(data).hexdigest()
                assert found[key]["ETag"] == f'"{held}"'
            assert held in may, (round_, key)
            known[key] = {held}
        assert len(files(own_server)) == len(found)
