"""Small requests over connections that stay open."""

from .. import load
from .base import MICROSECONDS, Figure, Sample, Scenario, cost_sample

CONNECTIONS = 64


def cost(goal=None, unit=MICROSECONDS):
    return (Figure("cost", "CPU time of the proxy a request", unit, goal),)


class Http1Tls(Scenario):
    key = "h1-tls"
    group = "requests"
    title = "HTTP/1.1 over TLS 1.3, GET of 1,000 bytes, 64 keep-alive connections"
    needs = frozenset({"tls"})
    figures = cost(12.0)
    path = "/bytes/1000"

    def measure(self, bench, peer, proxy, directory):
        def run(count):
            return self.client(
                bench, proxy, directory, "keepalive", "--count", count, "--connections", CONNECTIONS,
                "--warm", CONNECTIONS * 8, "--path", self.path,
            )  # fmt: skip

        return cost_sample(self.paced(bench, peer, run, 40e-6, CONNECTIONS))


class Http1TlsLog(Http1Tls):
    key = "h1-tls-log"
    title = "The same, access logs on: gatehouse's default beside the peers' files"
    needs = frozenset({"tls", "http", "log"})
    figures = cost()


class Http1Plain(Http1Tls):
    key = "h1-plain"
    title = "HTTP/1.1 in clear, GET of 1,000 bytes, 64 keep-alive connections"
    needs = frozenset({"plain"})
    figures = cost(9.5)


class Http2Tls(Scenario):
    key = "h2-tls"
    group = "requests"
    title = "HTTP/2 over TLS 1.3, GET of 1,000 bytes, 32 connections of 10 streams, HTTP/1.1 to the origin"
    needs = frozenset({"tls", "http2"})
    tool = "h2load"
    figures = cost(9.5)

    def measure(self, bench, peer, proxy, directory):
        def run(count):
            return load.h2load(proxy, bench.origin, directory, count, 32, 10)

        # The same connections with little to do: their handshakes are another scenario's.
        few = run(320)
        many = self.paced(bench, peer, run, 20e-6, 3200)
        cost = (many.proxy_cpu - few.proxy_cpu) * 1e6 / (many.done - few.done)
        return Sample({"cost": cost}, few.failed + many.failed, many.shares)


class RegexRoutes(Http1Tls):
    key = "regex-routes"
    title = "1,000 regex routes of which the last one matches, HTTP/1.1 in clear, 64 connections"
    needs = frozenset({"plain", "http", "regex"})
    figures = cost(11.0)
    path = "/shop/999/item/12345"

    def job(self, bench, directory, **more):
        patterns = tuple(f"/shop/{i}/item/[0-9]+" for i in range(1000))
        return super().job(bench, directory, patterns=patterns, **more)


class WebSocket(Scenario):
    key = "websocket"
    group = "requests"
    title = "WebSocket over TLS 1.3, echo of 64 bytes, 64 connections"
    needs = frozenset({"tls", "websocket"})
    figures = (Figure("cost", "CPU time of the proxy an echo", MICROSECONDS, 10.0),)

    def measure(self, bench, peer, proxy, directory):
        def run(count):
            return self.client(
                bench, proxy, directory, "websocket", "--count", count,
                "--connections", CONNECTIONS, "--size", 64, "--warm", CONNECTIONS * 8,
            )  # fmt: skip

        return cost_sample(self.paced(bench, peer, run, 20e-6, CONNECTIONS))
