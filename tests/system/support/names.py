"""Questions to a name server, one packet each."""

import random
import socket
import struct


def ask(name, server, timeout=2):
    """The IPv4 addresses of a name; None: there is no such name."""
    number = random.randrange(1 << 16)
    question = struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0)
    question += b"".join(bytes([len(p)]) + p.encode() for p in name.split("."))
    question += b"\0" + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        s.connect((server, 53))
        s.send(question)
        reply = s.recv(4096)
    assert reply[:2] == question[:2]
    if reply[3] & 15 == 3:
        return None
    assert reply[3] & 15 == 0, f"{name}: code {reply[3] & 15}"
    found, at = [], len(question)
    for _ in range(struct.unpack(">H", reply[6:8])[0]):
        kind, length = struct.unpack(">HxxxxxxH", reply[at + 2:at + 12])
        if kind == 1:
            found.append(socket.inet_ntoa(reply[at + 12:at + 12 + length]))
        at += 12 + length
    return sorted(found)
