#!/usr/bin/python3
"""What AWS's session-manager-plugin does on a data channel, for tests: the WebSocket, the
messages, acknowledgements, resending, the terminal's size twice a second. Run as a program
it takes the plugin's arguments, so the unmodified AWS CLI can start it under that name."""

import base64
import hashlib
import json
import os
import select
import socket
import struct
import sys
import time
import urllib.parse
import uuid

HEADER = 120
OUTPUT, SIZE, REQUEST, RESPONSE, COMPLETE, FLAG, EXIT_CODE = 1, 3, 5, 6, 7, 10, 12
TERMINATE = 2


def encode(kind, sequence, payload_type, payload, flags=0, identity=None):
    raw = (identity or uuid.uuid4()).bytes
    return (struct.pack(">I32sIQqQ", 116, kind.encode().ljust(32), 1, int(time.time() * 1000),
                        sequence, flags) + raw[8:] + raw[:8] +
            hashlib.sha256(payload).digest() + struct.pack(">II", payload_type, len(payload)) +
            payload)


class Message:
    def __init__(self, data):
        size, kind, schema, self.created, self.sequence, self.flags = struct.unpack_from(
            ">I32sIQqQ", data)
        self.kind = kind.decode().rstrip(" \0")
        self.identity = uuid.UUID(bytes=data[72:80] + data[64:72])
        self.payload_type, length = struct.unpack_from(">II", data, 112)
        self.payload = data[HEADER:]
        assert size == 116 and schema == 1 and length == len(self.payload)
        assert data[80:112] == hashlib.sha256(self.payload).digest()

    def json(self):
        return json.loads(self.payload)


class WebSocket:
    """The client's end, just what is needed."""

    def __init__(self, url, timeout=10):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                             "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n")
                            .encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            got = self.socket.recv(4096)
            if not got:
                break
            self.buffer += got
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(head.decode(errors="replace"))
        proof = base64.b64encode(hashlib.sha1(
            (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert proof in head

    def send(self, opcode, data):
        n = len(data)
        head = bytes([0x80 | opcode])
        head += (bytes([0x80 | n]) if n < 126 else
                 struct.pack(">BH", 0xFE, n) if n < 65536 else struct.pack(">BQ", 0xFF, n))
        mask = os.urandom(4)
        wide = int.from_bytes(mask * (n // 4 + 1), "big") >> (8 * (4 * (n // 4 + 1) - n))
        masked = (int.from_bytes(data, "big") ^ wide).to_bytes(n, "big") if n else b""
        try:
            self.socket.sendall(head + mask + masked)
        except ConnectionError:
            pass  # receive() tells

    def _frame(self):
        b = self.buffer
        if len(b) < 2:
            return None
        n, at = b[1] & 127, 2
        if n == 126:
            n, at = int.from_bytes(b[2:4], "big"), 4
        elif n == 127:
            n, at = int.from_bytes(b[2:10], "big"), 10
        if len(b) < at + n or (at > 2 and len(b) < at):
            return None
        self.buffer = b[at + n:]
        return b[0] & 15, b[at:at + n]

    def receive(self, timeout):
        """(opcode, data); None when nothing came; (8, …) at the end."""
        end = time.monotonic() + timeout
        while True:
            frame = self._frame()
            if frame and frame[0] == 9:
                self.send(10, frame[1])
            elif frame and frame[0] != 10:
                return frame
            if frame:
                continue
            left = max(0, end - time.monotonic())
            if not select.select([self.socket], [], [], left)[0]:
                return None
            try:
                got = self.socket.recv(65536)
            except ConnectionError:
                got = b""
            if not got:
                return 8, b""
            self.buffer += got


class Session:
    """One data channel. `deaf` to acknowledge nothing."""

    def __init__(self, session, cols=80, rows=24, exit_code=True, token=None, shake=True):
        self.socket = WebSocket(session["streamUrl"])
        self.size, self.sized_at = (cols, rows), 0
        self.output, self.closed, self.exit_code, self.end_text = bytearray(), False, None, None
        self.sent, self.unacked = 0, {}  # sequence → (bytes, when)
        self.expected, self.early = 0, {}
        self.request = self.complete = None
        self.shake, self.deaf, self.lost = shake, False, False
        opening = {"MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4()),
                   "TokenValue": token or session["tokenValue"], "ClientId": str(uuid.uuid4()),
                   "ClientVersion": "1.2.0.0"}
        if exit_code:
            opening["AcceptsExitCode"] = True
        self.socket.send(1, json.dumps(opening).encode())

    # ---- what is sent

    def _data(self, payload_type, payload):
        message = encode("input_stream_data", self.sent, payload_type, payload)
        self.unacked[self.sent] = (message, time.monotonic())
        self.sent += 1
        self.socket.send(2, message)

    def type(self, data):
        """As typed: at most 1024 bytes a message, and a lone line feed is Enter."""
        data = data.encode() if isinstance(data, str) else data
        for at in range(0, len(data), 1024):
            piece = data[at:at + 1024]
            self._data(OUTPUT, b"\r" if piece == b"\n" else piece)

    def line(self, text):
        self.type(text)
        self.type("\n")

    def terminate(self):
        self._data(FLAG, struct.pack(">I", TERMINATE))

    def resize(self, cols, rows):
        self.size, self.sized_at = (cols, rows), 0

    def _acknowledge(self, m):
        self.socket.send(2, encode("acknowledge", 0, 0, json.dumps({
            "AcknowledgedMessageType": m.kind, "AcknowledgedMessageId": str(m.identity),
            "AcknowledgedMessageSequenceNumber": m.sequence,
            "IsSequentialMessage": True}).encode(), 3))

    # ---- what comes

    def _take(self, m):
        if m.payload_type == REQUEST:
            self.request = m.json()
            if self.shake:
                self._data(RESPONSE, json.dumps({
                    "ClientVersion": "1.2.0.0", "ProcessedClientActions": [
                        {"ActionType": a["ActionType"], "ActionStatus": 1, "ActionResult": None,
                         "Error": ""} for a in self.request["RequestedClientActions"]],
                    "Errors": None}).encode())
        elif m.payload_type == COMPLETE:
            self.complete = m.json()
        elif m.payload_type == EXIT_CODE:
            self.exit_code = int(m.payload)
        else:
            self.output += m.payload

    def _message(self, m):
        if m.kind == "acknowledge":
            self.unacked.pop(m.json()["AcknowledgedMessageSequenceNumber"], None)
        elif m.kind == "channel_closed":
            self.closed, self.end_text = True, m.json()["Output"]
        elif m.kind == "output_stream_data" and not self.deaf:
            self._acknowledge(m)
            if m.sequence >= self.expected:
                self.early[m.sequence] = m
            while self.expected in self.early:
                self._take(self.early.pop(self.expected))
                self.expected += 1

    def _on_time(self):
        now = time.monotonic()
        if self.complete is not None and now - self.sized_at >= 0.5:
            self.sized_at = now
            self._data(SIZE, json.dumps({"cols": self.size[0], "rows": self.size[1]}).encode())
        if self.unacked:
            oldest = min(self.unacked)
            message, when = self.unacked[oldest]
            if now - when > 0.3:
                self.unacked[oldest] = (message, now)
                self.socket.send(2, message)

    def step(self, timeout=0.1):
        self._on_time()
        frame = self.socket.receive(timeout)
        if not frame:
            return
        if frame[0] == 8:
            self.lost = True
            return
        self._message(Message(frame[1]))

    def until(self, probe, timeout=20):
        end = time.monotonic() + timeout
        while not probe():
            assert not self.lost or probe(), f"the connection ended: {bytes(self.output)!r}"
            assert time.monotonic() < end, f"in vain: {bytes(self.output[-500:])!r}"
            self.step()

    def until_output(self, text, timeout=20):
        text = text.encode() if isinstance(text, str) else text
        self.until(lambda: text in self.output, timeout)

    def until_closed(self, timeout=20):
        self.until(lambda: self.closed, timeout)

    def vanish(self):
        """As a killed client."""
        self.socket.socket.close()


def as_plugin(arguments):
    if not arguments:
        print("The Session Manager plugin was installed successfully.")
        return 0
    session = json.loads(arguments[0])
    assert arguments[2] == "StartSession" and json.loads(arguments[4])["Target"]
    if os.environ.get("SESSION_ARGUMENTS"):
        with open(os.environ["SESSION_ARGUMENTS"], "w", encoding="utf-8") as f:
            json.dump(arguments, f)
    s = Session({"streamUrl": session["StreamUrl"] if "StreamUrl" in session else
                 session["streamUrl"],
                 "tokenValue": session.get("TokenValue") or session["tokenValue"]},
                exit_code=False)
    print(f"\nStarting session with SessionId: "
          f"{session.get('SessionId') or session['sessionId']}", flush=True)
    shown = 0
    typed_out = False
    while not s.closed and not s.lost:
        s.step(0.02)
        sys.stdout.buffer.write(s.output[shown:])
        sys.stdout.buffer.flush()
        shown = len(s.output)
        if s.complete is not None and not typed_out and select.select([0], [], [], 0)[0]:
            data = os.read(0, 1024)
            typed_out = not data
            if data:
                s.type(data)
    print(f"\n\nExiting session with sessionId: {session.get('sessionId')}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(as_plugin(sys.argv[1:]))
