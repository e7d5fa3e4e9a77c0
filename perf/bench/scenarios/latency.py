"""Latency at a fixed rate, by an open loop: quiet, during a reload, during a renewal."""

import threading

from .. import load
from ..material import MORE, NAME
from ..programs import Failed
from .base import MICROSECONDS, Figure, Sample, Scenario

SHARE = 0.3  # of what gatehouse's core could do
CONNECTIONS = 64
NAMES = 1000


class Latency(Scenario):
    """The rate is the same for all."""

    key = "latency-quiet"
    group = "latency"
    title = "HTTP/1.1 over TLS 1.3 at a fixed rate, 30 % of gatehouse's capacity, 1,000 virtual hosts"
    needs = frozenset({"tls", "http"})
    figures = (
        Figure("p50_us", "p50", MICROSECONDS),
        Figure("p99_us", "p99", MICROSECONDS),
        Figure("p999_us", "p99.9", MICROSECONDS),
    )
    rate = None

    def job(self, bench, directory, **more):
        names = tuple(f"host-{i:04}.{MORE}" for i in range(NAMES))
        return super().job(bench, directory, more_names=names, **more)

    def prepare(self, bench):
        """Once a run: what one core of gatehouse can do."""
        if Latency.rate is not None:
            return
        peer = next((p for p in bench.peers if p.name == "gatehouse"), bench.peers[0])
        directory = bench.fresh_directory("capacity")
        proxy = peer.start(self.job(bench, directory))
        try:
            result = load.client(
                proxy, bench.origin, directory, "keepalive", "--count", 40000,
                "--connections", CONNECTIONS, "--warm", 10000, "--path", "/bytes/1000",
            )  # fmt: skip
        finally:
            proxy.stop()
        Latency.rate = int(SHARE * 1e6 / result.us_each / 100) * 100
        bench.say(f"latency: {Latency.rate} requests a second")

    def disturb(self, bench, peer, proxy):
        """Nothing: the quiet case."""

    def measure(self, bench, peer, proxy, directory):
        seconds = max(1, round(2 * bench.seconds))
        disturbance = Later(seconds / 3, lambda: self.disturb(bench, peer, proxy))
        result = self.client(
            bench, proxy, directory, "rate", "--rate", Latency.rate, "--seconds", seconds,
            "--connections", CONNECTIONS, "--warm", Latency.rate // 5, "--path", "/bytes/1000",
        )  # fmt: skip
        disturbance.join()
        return Sample(
            {figure.key: result.told[figure.key] for figure in self.figures},
            result.failed,
            result.shares,
        )


class Later:
    """A call after some seconds; what it raises comes up at join()."""

    def __init__(self, seconds, call):
        self._call = call
        self._error = None
        self._timer = threading.Timer(seconds, self._run)
        self._timer.start()

    def _run(self):
        try:
            self._call()
        except (Failed, OSError) as error:
            self._error = error

    def join(self):
        self._timer.join()
        if self._error is not None:
            raise self._error


class LatencyReload(Latency):
    key = "latency-reload"
    title = "The same while the configuration is read anew"
    needs = frozenset({"tls", "http", "reload"})

    def disturb(self, bench, peer, proxy):
        peer.reload(proxy)


class LatencyRenewal(Latency):
    key = "latency-renewal"
    title = "The same while the certificate is renewed"
    needs = frozenset({"tls", "http", "renew"})

    def disturb(self, bench, peer, proxy):
        site = proxy.job.site
        site.write(bench.material.authority.issue(NAME))
        peer.renew(proxy, None)
