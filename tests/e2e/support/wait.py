"""Waiting for a condition with a deadline. No test waits for a fixed time."""

import time

DEADLINE_S = 15.0


def until(condition, what, deadline_s=DEADLINE_S, pause_s=0.01):
    """Calls `condition` until it returns something true; returns that."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(pause_s)
