#!/usr/bin/python3
"""Calls a URL over and over from a few connections that are kept alive, until it is
interrupted or standard input ends, and says how many calls failed.

    load.py URL [CONNECTIONS]

A call has failed when it got no answer within ten seconds, a broken one, or a status other
than 200. A kept connection that the server closed between two calls is opened again once, as
every HTTP client does (RFC 9112, 9.3.1); a new connection gets no second try.
"""
import http.client
import signal
import sys
import threading
import urllib.parse


class Caller(threading.Thread):
    def __init__(self, url, stop):
        super().__init__(daemon=True)
        self.url, self.stop = urllib.parse.urlsplit(url), stop
        self.calls, self.reopened, self.failures, self.answers = 0, 0, [], set()
        self.connection = None

    def once(self):
        self.connection.request('GET', self.url.path or '/')
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(f'status {answer.status}')
        self.answers.add(body.split(b'\n')[0])

    def call(self):
        kept = self.connection is not None
        if not kept:
            self.connection = http.client.HTTPConnection(
                self.url.hostname, self.url.port or 80, timeout=10)
        try:
            self.once()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self.connection = None
            if not kept:
                raise
            self.reopened += 1
            self.call()

    def run(self):
        while not self.stop.is_set():
            self.calls += 1
            try:
                self.call()
            except (OSError, http.client.HTTPException) as e:
                self.failures.append(f'{type(e).__name__}: {e}')
                self.connection = None


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    callers = [Caller(sys.argv[1], stop) for _ in range(int((sys.argv + ['4'])[2]))]
    for c in callers:
        c.start()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    stop.wait()
    for c in callers:
        c.join(15)
    failures = [f for c in callers for f in c.failures]
    for text in sorted(set(failures))[:5]:
        print(f'{failures.count(text)} x {text}', file=sys.stderr)
    print(f'{len(failures)} failed of {sum(c.calls for c in callers)}')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
