"""What connections cost while they rest, and what is left when they have gone."""

import json
import time

from .. import load, proc
from ..programs import Failed
from .base import Figure, Sample, Scenario

CONNECTIONS = 9000
SETTLE_S = 4.0


def warm_up(scenario, bench, proxy, directory):
    """Whatever a proxy makes once, it has made."""
    scenario.client(bench, proxy, directory, "connect", "--count", 300, "--connections", 30)
    time.sleep(0.3)  # for what is freed behind the answers
    return proc.memory_kib(proxy.program.pid)


class Held:
    """Connections that have had one request each and stay open."""

    def __init__(self, proxy, directory, count):
        self.program = load.client_program(
            proxy.port, directory, "idle", "--connections", count, "--timeout", 100
        )
        line = self.program.read_line()
        if line != f"ready {count}":
            self.program.stop()
            raise Failed(f"of {count} idle connections: {line}")

    def let_go(self):
        """Closes all; how many had been lost meanwhile."""
        self.program.process.stdin.close()
        told = json.loads(self.program.read_line())
        self.program.process.stdin = None
        self.program.stop()
        return told["failed"]


class Idle(Scenario):
    key = "idle"
    group = "memory"
    title = "9,000 idle TLS 1.3 keep-alive connections after one request each, without the kernel's part"
    needs = frozenset({"tls"})
    figures = (Figure("each", "memory of the proxy a connection", "KiB", 4.0),)
    is_side_by_side = False
    is_about_requests = False
    max_rounds = 1

    def measure(self, bench, peer, proxy, directory):
        before = warm_up(self, bench, proxy, directory)
        held = Held(proxy, directory, CONNECTIONS)
        after = proc.memory_kib(proxy.program.pid)
        return Sample({"each": (after - before) / CONNECTIONS}, held.let_go())


class Storm(Scenario):
    key = "storm"
    group = "memory"
    title = "Memory after a storm: 9,000 TLS connections opened and closed, 1 GiB moved"
    needs = frozenset({"tls"})
    figures = (
        Figure("before", "before", "MiB", is_aside=True),
        Figure("after", "after", "MiB", is_aside=True),
        Figure("times", "after / before", "times", 1.10),
    )
    is_side_by_side = False
    is_about_requests = False
    max_rounds = 1

    def measure(self, bench, peer, proxy, directory):
        failed = self.move(bench, proxy, directory, 4)  # buffers that a proxy makes once
        before = warm_up(self, bench, proxy, directory)
        failed += Held(proxy, directory, CONNECTIONS).let_go()
        failed += self.move(bench, proxy, directory, 103)
        after = settled(proxy.program.pid, before)
        return Sample(
            {"before": before / 1024, "after": after / 1024, "times": after / before},
            failed,
        )

    def move(self, bench, proxy, directory, count):
        """Times 10 MiB; how many failed."""
        return self.client(
            bench, proxy, directory, "download", "--count", count,
            "--connections", min(count, 16), "--path", f"/bytes/{10 << 20}",
        ).failed  # fmt: skip


def settled(pid, target):
    """What is left when it has come down to the target, or no longer comes down."""
    found, quiet_since = proc.memory_kib(pid), time.monotonic()
    while found > target and time.monotonic() < quiet_since + SETTLE_S:
        time.sleep(0.2)
        now = proc.memory_kib(pid)
        if now < found:
            found, quiet_since = now, time.monotonic()
    return found
