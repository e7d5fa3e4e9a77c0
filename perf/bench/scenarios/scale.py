"""One and two workers on two cores that load and origin share with them."""

import json
import time

from ..load import client_program
from ..proc import CpuMark
from ..programs import LOAD_CORE, PROXY_CORE
from .base import MICROSECONDS, Figure, Sample, Scenario

CORES = (PROXY_CORE, LOAD_CORE)
CONNECTIONS = 32  # of each of two clients


class Scale(Scenario):
    key = "scale"
    group = "scale"
    title = "1 and 2 workers on 2 cores, load and origin on the same: HTTP/1.1 over TLS, 1,000 bytes"
    needs = frozenset({"tls", "http", "workers"})
    figures = (
        Figure("one", "1 worker: CPU time a request", MICROSECONDS),
        Figure("two", "2 workers: CPU time a request", MICROSECONDS),
        Figure("times", "2 workers / 1: throughput", "times", more_is_better=True),
    )
    is_side_by_side = False

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
