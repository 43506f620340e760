"""Waiting for a state of the server that no message announces: ask until it is so."""

import time


def eventually(probe, timeout=20, what="the expected state"):
    """Returns the first true result of probe(); fails with the last one after timeout."""
    end = time.monotonic() + timeout
    while True:
        result = probe()
        if result:
            return result
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.02)
