"""Free ports. Those below the range of outgoing connections: another process's call could
take one of that range between our look and our use."""

import random
import socket

FIRST, LAST = 16000, 32000


def free_port(address="127.0.0.1"):
    while True:
        port = random.randrange(FIRST, LAST)
        try:
            with socket.create_server((address, port)):
                return port
        except OSError:
            continue
