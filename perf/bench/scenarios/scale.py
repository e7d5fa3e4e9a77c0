"""One and two workers on two cores that load and origin share with them."""

import json
import time

from ..load import client_program, h2load_words
from ..proc import CpuMark
from ..programs import LOAD_CORE, PROXY_CORE, Program, wait_until
from .base import MICROSECONDS, Figure, Sample, Scenario

CORES = (PROXY_CORE, LOAD_CORE)
CONNECTIONS = 32  # of each of two clients
WORKERS = 4


class Scale(Scenario):
    key = "scale"
    group = "scale"
    title = "1 and 2 workers on 2 cores, load and origin on the same: HTTP/1.1 over TLS, 1,000 bytes"
    needs = frozenset({"tls", "http", "workers"})
    figures = (
        Figure("one", "1 worker: CPU time a request", MICROSECONDS, is_aside=True),
        Figure("two", "2 workers: CPU time a request", MICROSECONDS),
        Figure("times", "2 workers / 1: throughput", "times", more_is_better=True),
    )
    is_side_by_side = False
    is_about_requests = False

    def job(self, bench, directory, workers=1, **more):
        return super().job(bench, directory, workers=workers, cores=CORES, **more)

    def measure(self, bench, peer, proxy, directory):
        one = self.load(bench, proxy, directory)
        other_directory = bench.fresh_directory(f"two-{peer.name}")
        other = peer.start(self.job(bench, other_directory, workers=2))
        try:
            two = self.load(bench, other, other_directory)
        finally:
            other.stop()
        return Sample(
            {"one": one["us"], "two": two["us"], "times": two["rate"] / one["rate"]},
            one["failed"] + two["failed"],
        )

    def load(self, bench, proxy, directory):
        """Two clients, one a core."""
        count = int(bench.seconds * 20000)
        before, began = CpuMark(proxy.program.pid), time.monotonic()
        clients = [
            client_program(
                proxy.port, directory, "keepalive", "--count", count,
                "--connections", CONNECTIONS, "--path", "/bytes/1000", cores=(core,),
            )
            for core in CORES
        ]  # fmt: skip
        told = [json.loads(client.read_line()) for client in clients]
        seconds = time.monotonic() - began
        used = CpuMark(proxy.program.pid).seconds_since(before)
        for client in clients:
            client.stop()
        done = sum(t["done"] for t in told)
        return {
            "us": used * 1e6 / done,
            "rate": done / seconds,
            "failed": sum(t["failed"] for t in told),
        }


class Balance(Scenario):
    key = "balance"
    group = "scale"
    title = "Connections of 4 workers: 64 of HTTP/1.1, then 16 of HTTP/2, all over TLS and long-lived"
    needs = frozenset({"tls", "http2", "workers"})
    tool = "h2load"
    figures = (
        Figure("h1_most", "HTTP/1.1: most of a worker", "connections (16 is even)", 18),
        Figure("h1_least", "least", "connections", 14, more_is_better=True, is_aside=True),
        Figure("h2_most", "HTTP/2: most of a worker", "connections (4 is even)", 6),
        Figure("h2_least", "least", "connections", 2, more_is_better=True, is_aside=True),
    )
    is_side_by_side = False
    is_about_requests = False
    max_rounds = 1
    peers_wanted = ("gatehouse",)  # the others do not tell

    def job(self, bench, directory, **more):
        return super().job(bench, directory, workers=WORKERS, cores=CORES, **more)

    def measure(self, bench, peer, proxy, directory):
        held = client_program(proxy.port, directory, "idle", "--connections", 64)
        try:
            held.read_line()
            by_h1 = settled(proxy.gateway, 64)
        finally:
            held.stop()
        settled(proxy.gateway, 0)
        words = h2load_words(proxy.port, ("-D", 3, "-c", 16, "-m", 10))
        held = Program(words, directory / "h2load.log", cores=(LOAD_CORE,))
        try:
            by_h2 = settled(proxy.gateway, 16)
        finally:
            held.stop()
        return Sample(
            {
                "h1_most": max(by_h1), "h1_least": min(by_h1),
                "h2_most": max(by_h2), "h2_least": min(by_h2),
            }
        )  # fmt: skip


def settled(gateway, total):
    """Connections of each worker when there are so many."""

    def counts():
        found = [
            int(gateway.metric("gatehouse_worker_connections", {"worker": str(i)}))
            for i in range(WORKERS)
        ]
        return found if sum(found) == total else None

    return wait_until(counts, f"{total} connections", 30, 0.05)
