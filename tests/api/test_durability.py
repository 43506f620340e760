"""What was acknowledged is there after kill -9, and what was not is whole or absent."""

import random
import threading

import botocore.exceptions

KILLS = 200


def test_nothing_acknowledged_is_lost(own_server):
    """kill -9 right after a reply, again and again; every acknowledged name must be there
    after the restart, and the definition behind it whole."""
    acknowledged = []
    for n in range(KILLS):
        ecs = own_server.client("ecs")
        # A few calls in a row, so that the last one is in a batch of its own or not.
        for i in range(n % 3 + 1):
            name = f"k{n}-{i}"
            if i % 2:
                ecs.create_cluster(clusterName=name)
            else:
                ecs.register_task_definition(family=name, containerDefinitions=[
                    {"name": "app", "image": "x", "memory": 64}])
            acknowledged.append((i % 2, name))
        own_server.restart()
    ecs = own_server.client("ecs")
    clusters, families = set(), set()
    for page in ecs.get_paginator("list_clusters").paginate():
        clusters |= {arn.split("/")[-1] for arn in page["clusterArns"]}
    for page in ecs.get_paginator("list_task_definition_families").paginate():
        families |= set(page["families"])
    missing = [n for c, n in acknowledged if n not in (clusters if c else families)]
    assert missing == []
    for c, name in acknowledged[-20:]:
        if not c:
            definition = ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
            assert definition["containerDefinitions"][0]["name"] == "app"


def test_killed_under_load(own_server):
    """Eight clients write while the server is killed at random moments."""
    rng = random.Random(7)
    acknowledged, lock = set(), threading.Lock()
    for round_ in range(15):
        stop = threading.Event()

        def work(worker):
            ecs = own_server.client("ecs")
            i = 0
            while not stop.is_set():
                name = f"r{round_}-{worker}-{i}"
                i += 1
                try:
                    ecs.create_cluster(clusterName=name)
                except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                    return  # the server is gone
                with lock:
                    acknowledged.add(name)

        goal = len(acknowledged) + rng.randrange(20, 200)
        threads = [threading.Thread(target=work, args=(w,)) for w in range(8)]
        for t in threads:
            t.start()
        while len(acknowledged) < goal and any(t.is_alive() for t in threads):
            threads[0].join(0.001)
        own_server.kill()
        stop.set()
        for t in threads:
            t.join()
        own_server.start()
        ecs = own_server.client("ecs")
        found = set()
        for page in ecs.get_paginator("list_clusters").paginate():
            found |= {arn.split("/")[-1] for arn in page["clusterArns"]}
        assert acknowledged - found == set()
