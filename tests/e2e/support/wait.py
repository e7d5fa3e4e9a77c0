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


def while_moving(condition, progress, what, still_s=DEADLINE_S, pause_s=0.01):
    """As until(), for what takes as long as the machine needs: gives up when `progress()` has stood still
    for so long."""
    last, since = progress(), time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        if (now := progress()) != last:
            last, since = now, time.monotonic()
        if time.monotonic() - since > still_s:
            raise AssertionError(f"nothing moved for {still_s} s at {last}: {what}")
        time.sleep(pause_s)
